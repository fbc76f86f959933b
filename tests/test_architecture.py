"""The machine guards the architecture: layers, homes of heavy libraries, "
"configs, and what the docs promise."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from flows.settings import Settings, load

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("features", "models", "flows")
# Each heavy library and the only files that may import it.
HOMES = {
    "great_expectations": ("features/quality/",),
    "deltalake": ("features/parts.py", "features/lake.py"),
    "duckdb": ("features/sources/",),
    "psycopg": ("features/sources/",),
    "xgboost": ("models/boosting.py", "models/tracking/flavor.py"),  # flavor.py names its types
    "mlflow": ("models/tracking/",),
    "optuna": ("models/search.py",),
    "holidays": ("features/feasts.py",),
    "matplotlib": ("models/plots.py", "models/plots_shap.py"),
    "prefect": ("flows/",),
    "dask": ("flows/cluster/",),
    "distributed": ("flows/cluster/",),
    "rich": ("flows/",),
    "cyclopts": ("flows/",),
}


def modules(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


@pytest.mark.parametrize("path", list(modules(*LAYERS)), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    layer = LAYERS.index(path.relative_to(ROOT).parts[0])
    above = [name for name in imports(path) if name.split(".")[0] in LAYERS[layer + 1 :]]
    assert above == []


@pytest.mark.parametrize("library", HOMES)
def test_a_heavy_library_has_one_home(library: str) -> None:
    users = [
        path.relative_to(ROOT).as_posix()
        for path in modules(*LAYERS)
        if library in {name.split(".")[0] for name in imports(path)}
    ]
    assert [user for user in users if not user.startswith(HOMES[library])] == []


def test_nothing_heavy_is_imported_with_the_command_line() -> None:
    code = "import sys, flows.cli; print(sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    heavy = {"polars", "prefect", "mlflow", "xgboost", "pandas", "great_expectations", "sklearn", "duckdb"}
    heavy |= {"dask", "distributed"}
    assert heavy & set(ast.literal_eval(loaded.stdout)) == set()


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_config_loads(path: Path) -> None:
    load(path)


def test_the_base_config_shows_every_key_with_its_default() -> None:
    shown = yaml.safe_load((ROOT / "configs" / "base.yaml").read_text(encoding="utf-8"))
    minimal = Settings.model_validate(
        {
            "sources": {
                "transactions": {k: shown["sources"]["transactions"][k] for k in ("path", "columns")}
            },
            "consent": shown["consent"],
        }
    ).resolved()
    assert shown == minimal


def test_no_file_names_a_place_outside_the_project() -> None:
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    place = re.compile(r"(?<![\w.])/(work|root|home)/|pypi\.|--index-url|/simple\b")
    own = Path(__file__).name
    named = [
        name
        for name in tracked.split()
        if (ROOT / name).is_file()
        and Path(name).name != own
        and place.search((ROOT / name).read_text("utf-8", "replace"))
    ]
    assert named == []


@pytest.mark.parametrize(
    "path", list(modules("features", "models")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_the_domain_does_not_read_the_clock_or_the_environment(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    clock = {
        "features/ingest.py",  # when a delivery arrived
        "features/parts.py",
        "features/quarantine.py",  # when a file grew old
        "features/quality/expectations.py",  # when a check ran
    }
    if path.relative_to(ROOT).as_posix() not in clock:
        assert not re.search(r"date\.today\(|datetime\.now\(|time\.time", text)
    assert "os.getenv" not in text
