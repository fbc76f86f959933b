"""One writer at a time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from features.errors import WorkspaceBusy
from flows.lock import hold, holder

HOLD = """
import sys, time
from pathlib import Path
from flows.lock import hold
with hold(Path(sys.argv[1]), "winback nightly"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_run_is_refused_and_told_who_holds_the_workspace(tmp_path: Path, other: subprocess.Popen):
    with pytest.raises(WorkspaceBusy) as refused, hold(tmp_path, "winback train"):
        pass
    assert refused.value.exit_code == 4
    assert f"winback nightly (process {other.pid}, since 20" in str(refused.value)
    assert str(tmp_path) in str(refused.value)


def test_a_killed_run_gives_the_workspace_back(tmp_path: Path, other: subprocess.Popen):
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    with hold(tmp_path, "winback train"):
        found = holder(tmp_path)
        assert found is not None
        assert (found.pid, found.command) == (os.getpid(), "winback train")


def test_who_holds_it_can_be_asked_without_changing_anything(tmp_path: Path):
    assert holder(tmp_path / "absent") is None
    assert not (tmp_path / "absent").exists()
    with hold(tmp_path, "winback train"):
        pass
    assert holder(tmp_path) is None


def test_a_flow_inside_a_flow_passes(tmp_path: Path):
    with hold(tmp_path, "winback nightly"):
        with hold(tmp_path, "winback train"):
            pass
        found = holder(tmp_path)
        assert found is not None
        assert found.command == "winback nightly"


def test_taking_the_workspace_clears_what_a_killed_run_left(tmp_path: Path):
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / ".aside-7-x").write_text("rest")
    with hold(tmp_path, "winback train"):
        assert not list((tmp_path / "scores").iterdir())


def test_the_workspace_is_free_after_an_error(tmp_path: Path):
    with pytest.raises(RuntimeError), hold(tmp_path, "winback train"):
        raise RuntimeError
    with hold(tmp_path, "winback train"):
        pass
