"""What people type, what they read, and which exit code a scheduler gets."""

import gc
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from polars.exceptions import PanicException

from features.errors import ConfigError, DataRefused, WinbackError, WorkspaceBusy
from features.pricing import fingerprint
from flows import cli, runtime
from flows.cli import running
from flows.cli.options import Shown

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ["polars", "pydantic", "prefect", "mlflow", "xgboost", "great_expectations", "pandas", "sklearn"]
COMMANDS = [name for name in cli.app if not name.startswith("-")]
CONFIG = """
workspace: {workspace}
sources:
  transactions:
    path: orders.csv
    columns: {{customer_id: who, ordered_at: at, net_amount: paid}}
consent: {{basis: assumed}}
"""
SUMMARY = {
    "status": "done",
    "as_of": "2024-05-01",
    "counts": {"listed": 1},
    "metrics": {"cost": 0.05, "expected_profit": 12.5},
    "paths": {"list": "workspace/lists/as_of=2024-05-01"},
    "run_ids": {"mlflow": "abc"},
    "sentences": ["One person is worth contacting."],
    "rows": [{"rank": 1, "customer_id": "c-77", "stage": "lapsed", "expected_incremental_profit": 12.5}],
}


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "winback.yaml"
    path.write_text(CONFIG.format(workspace=tmp_path / "workspace"))
    return str(path)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Flows that only note what they were called with; `calls["raise"]` makes them fail."""
    noted: dict[str, Any] = {}

    def flow_named(name: str):
        def flow(*arguments: object) -> Mapping[str, Any]:
            noted[name] = arguments
            if "raise" in noted:
                raise noted["raise"]
            return SUMMARY

        return flow

    @contextmanager
    def ready(*_: object, **__: object) -> Iterator[Any]:
        yield lambda: None

    monkeypatch.setattr(runtime, "prefect_ready", ready)
    named = ("ingest", "train", "nightly", "acknowledge", "measure", "compact", "forget", "demo")
    for name in (*named, "promote", "rollback"):
        module = ModuleType(f"flows.{name}")
        setattr(module, name, flow_named(name))
        monkeypatch.setitem(sys.modules, f"flows.{name}", module)
    return noted


def last_line(text: str) -> dict[str, Any]:
    return json.loads(text.splitlines()[-1])


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from flows.cli import main; main(['--help']); main(['nightly', '--help']);"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_with_an_example(name: str):
    text = inspect.getdoc(cli.app[name].default_command) or ""
    assert text.splitlines()[0].endswith(".")
    assert f"Example: winback {name}" in text


def test_the_commands_of_the_contract_exist():
    assert set(COMMANDS) == {
        *("init", "demo", "doctor", "ingest", "train", "nightly", "acknowledge", "measure"),
        *("compact", "forget", "status", "schema", "config", "runs", "promote", "rollback", "backtest"),
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ingest"], ("ingest", [])),
        (["compact", "--set", "seed=3"], ("compact", ["seed=3"])),
        (["train", "--as-of", "2024-05-01", "--force"], ("train", "2024-05-01", [], True)),
        (["train"], ("train", None, [], False)),
        (["nightly", "--revision", "--set", "a.b=1", "--set", "seed=2"], None),
        (["nightly", "--as-of", "2024-05-01"], ("nightly", "2024-05-01", [], False)),
        (["acknowledge", "--as-of", "2024-05-01"], ("acknowledge", "2024-05-01", None, [], None)),
        (
            ["acknowledge", "--as-of", "2024-05-01", "--on", "2024-05-03", "--list-id", "0123456789ab"],
            ("acknowledge", "2024-05-01", "2024-05-03", [], "0123456789ab"),
        ),
        (["measure"], ("measure", None, [])),
        (["forget", "--customer-id", "007"], ("forget", fingerprint("007"), [])),
        (["promote", "3", "--reason", "it was checked"], ("promote", "3", "it was checked", [])),
        (["rollback"], ("rollback", "no reason given", [])),
        (["rollback", "--reason", "too many", "--set", "seed=3"], ("rollback", "too many", ["seed=3"])),
    ],
)
def test_flows_get_what_was_typed(
    words: list[str], expected: tuple | None, config: str, calls: dict[str, Any]
):
    Path(config).with_name("workspace").mkdir()
    code = cli.main([*words, "-c", config])
    if expected is None:  # a key that does not exist stops before the flow
        assert (code, calls) == (2, {})
        return
    name, *rest = expected
    assert code == 0
    assert calls == {name: (config, *rest)}


@pytest.mark.parametrize("words", [["measure"], ["acknowledge", "--as-of", "2024-05-01"]])
def test_a_mistyped_workspace_is_not_made(words: list[str], config: str, calls: dict[str, Any], capsys):
    assert (cli.main([*words, "-c", config]), calls) == (2, {})
    assert "There is no workspace in" in capsys.readouterr().err
    assert not Path(config).with_name("workspace").exists()


def test_demo_takes_folder_customers_and_seed(tmp_path: Path, calls: dict[str, Any]):
    assert cli.main(["demo", str(tmp_path / "shop"), "--customers", "300", "--seed", "5"]) == 0
    assert calls == {"demo": (str(tmp_path / "shop"), 300, 5)}


@pytest.mark.usefixtures("calls")
def test_people_read_a_sentence_figures_and_the_first_rows(config: str, capsys):
    assert cli.main(["nightly", "-c", config]) == 0
    out = capsys.readouterr().out
    for words in (
        "One person is worth contacting.",
        "people to contact",
        "what it should earn",
        "12.50",
        "c-77",
    ):
        assert words in out


@pytest.mark.usefixtures("calls")
def test_programs_read_one_json_object_without_people(config: str, capsys):
    assert cli.main(["nightly", "-c", config, "--json"]) == 0
    out = capsys.readouterr().out
    assert last_line(out) == {key: value for key, value in SUMMARY.items() if key != "rows"}
    assert "c-77" not in out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("no such key"), 2),
        (DataRefused("the feed is late"), 3),
        (WorkspaceBusy("another run"), 4),
        (WinbackError("the store is down"), 1),
        (OSError(28, "No space left on device", "x.parquet"), 1),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("secret@example.test"), 1),
        (PanicException("secret@example.test"), 1),
    ],
)
def test_failures_end_in_one_message_and_a_code(
    error: BaseException, code: int, config: str, calls: dict[str, Any], capsys
):
    calls["raise"] = error
    assert cli.main(["nightly", "-c", config, "--json"]) == code
    out, err = capsys.readouterr()
    answer = last_line(out)
    assert {**answer, "message": ""} == {"status": "error", "message": "", "exit_code": code}
    assert answer["message"] in err
    assert "Traceback" not in err
    assert "secret" not in out + err


def test_debug_shows_the_traceback(config: str, calls: dict[str, Any], capsys):
    calls["raise"] = DataRefused("the feed is late")
    assert cli.main(["nightly", "-c", config, "--debug"]) == 3
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "the feed is late" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nigtly"], 'Did you mean "nightly"?'),
        (["nightly", "--revison"], "Did you mean --revision?"),
        (["nightly", "stray"], "stray"),
        (["forget"], "--customer-id"),
        (["forget", "--customer-id", ""], "--customer-id is empty"),
        (["forget", "--customer-id", " "], "--customer-id is empty"),
        (["promote", "3"], "--reason"),
        (["runs", "dif", "1", "2"], "dif"),
        (["runs", "diff", "1"], "B"),
        (["demo", "--customers", "many"], "--customers"),
        (["nightly", "-c", "absent.yaml"], "There is no config file absent.yaml."),
        (["init", "absent.csv"], "There is no file absent.csv."),
        (["init", "x.csv", "--consent", "maybe"], "column, assumed, none"),
    ],
)
def test_what_was_mistyped_is_told_in_one_message(words: list[str], said: str, capsys):
    code = cli.main(words)
    out, err = capsys.readouterr()
    assert code in (2, 3)
    assert said in err.replace("\n", " ")
    assert out == ""


def test_a_day_that_is_none_stops_before_anything_starts(config: str, calls: dict[str, Any], capsys):
    assert cli.main(["nightly", "-c", config, "--as-of", "2024-02-30"]) == 2
    assert "YYYY-MM-DD" in capsys.readouterr().err
    assert calls == {}


def test_the_schema_names_every_section(capsys):
    assert cli.main(["schema"]) == 0
    assert {"sources", "churn", "consent"} <= json.loads(capsys.readouterr().out)["properties"].keys()


def test_the_resolved_config_can_be_read_back(config: str, capsys):
    assert cli.main(["config", "-c", config, "--set", "churn.horizon_days=60"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["churn"]["horizon_days"] == 60


def test_status_of_an_empty_workspace_makes_nothing(config: str, tmp_path: Path, capsys):
    assert cli.main(["status", "-c", config]) == 0
    assert capsys.readouterr().out
    assert not (tmp_path / "workspace").exists()


def test_messages_keep_their_brackets(config: str, calls: dict[str, Any], capsys):
    calls["raise"] = DataRefused("columns present: [red] ['a']")
    cli.main(["nightly", "-c", config])
    assert "columns present: [red] ['a']" in capsys.readouterr().err


def test_matrices_are_multiplied_by_one_thread():
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    asked = "print([one['num_threads'] for one in threadpoolctl.threadpool_info()])"
    command = [sys.executable, "-c", f"import flows.cli, numpy, threadpoolctl; {asked}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[1]"


def test_while_a_flow_runs_garbage_is_looked_for_less_often(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    usual, seen = gc.get_threshold(), []
    flow = SimpleNamespace(watched=lambda: seen.append(gc.get_threshold()[0]) or {})
    monkeypatch.setattr(running, "import_module", lambda _: flow)
    monkeypatch.setattr(runtime, "prefect_ready", lambda *_, **__: nullcontext(lambda: None))
    running.run_flow("watched", tmp_path, Shown())
    assert seen[0] > usual[0]
    assert gc.get_threshold() == usual


def test_the_console_script_answers():
    winback = Path(sys.executable).with_name("winback")
    done = subprocess.run([winback, "--version"], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip()
