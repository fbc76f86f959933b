"""The README keeps its word: every command in it exists, every file and column it names is there."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from features.contracts import TABLES
from flows.cli import app
from models.eligibility import Reason
from models.outputs import WINBACK
from tests.proof.policies import ORACLE, RANDOM, RIVALS
from tests.proof.policies import WINBACK as OURSELVES
from tests.proof.report import LOG

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
# Where the output goes is the shell's business.
COMMANDS = [
    shlex.split(line.split(">")[0], comments=True)
    for block in BLOCKS
    for line in block.splitlines()
    if line.strip()
]
OURS = [words[1:] for words in COMMANDS if words and words[0].endswith("winback")]


def test_the_readme_has_commands() -> None:
    assert len(OURS) >= 5


@pytest.mark.parametrize("words", OURS, ids=" ".join)
def test_every_winback_command_in_the_readme_is_understood(words: list[str]) -> None:
    command, bound, ignored = app.parse_args(words, exit_on_error=False, print_error=False)
    assert command is not None
    assert bound is not None
    assert ignored is not None or ignored == {}


@pytest.mark.parametrize("words", [w for w in COMMANDS if w and w[0] == "make"], ids=" ".join)
def test_every_make_target_in_the_readme_exists(words: list[str]) -> None:
    assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_every_command_is_in_the_readme_or_explains_itself() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "flows", "--help"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    for name in (name for name in app if not name.startswith("-")):
        assert name in shown.stdout
        text = subprocess.run(
            [sys.executable, "-m", "flows", name, "--help"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        ).stdout
        assert "Example: winback" in text


def test_every_column_of_the_list_is_explained() -> None:
    explained = set(re.findall(r"`([a-z0-9_]+)`", README))
    spelled = {"reason_2"}  # reason_1 to reason_3
    assert set(WINBACK) - explained - spelled == set()


def test_every_reason_to_be_left_out_is_named() -> None:
    assert [reason for reason in Reason if f"`{reason}`" not in README] == []


def test_every_file_the_readme_names_exists() -> None:
    for name in set(re.findall(r"`(configs/[\w./]+|prefect\.yaml|DECISIONS\.md)`", README)):
        assert (ROOT / name).exists() or list(ROOT.glob(name)), name


def test_every_table_is_named() -> None:
    base = (ROOT / "configs" / "base.yaml").read_text()
    assert [table for table in TABLES if table not in base] == []


def test_the_figures_of_the_proof_are_those_of_its_last_run() -> None:
    section = README.partition("\n## Proof\n")[2].partition("\n## ")[0]
    *_, last = LOG.read_text("utf-8").splitlines()
    found = {one["name"]: one for one in json.loads(last)["figures"]}
    rows = [
        [cell.strip(" *") for cell in line.split("|")[1:-1]]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    told = {row[0]: row[1:] for row in rows}
    for policy in (OURSELVES, RANDOM, ORACLE):
        profits = [found[f"world {world}: incremental profit of {policy}"]["value"] for world in "abcd"]
        assert told[policy] == [f"{one:,.0f}" for one in profits]
    for rival in RIVALS:
        differences = [
            found[f"must: world {world}: profit of winback less that of {rival}"] for world in "cd"
        ]
        cells = ["{value:,.0f} ({low:,.0f} to {high:,.0f})".format(**one) for one in differences]
        assert told[f"less {rival}"] == ["", "", *cells]
