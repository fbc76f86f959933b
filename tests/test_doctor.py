"""Doctor names what is wrong, each fault on its own, with what to do."""

from pathlib import Path

import pytest

from flows.doctor import examine, summary
from flows.lock import hold

CONFIG = """
workspace: {root}/workspace
sources:
  transactions:
    path: {root}/orders.csv
    columns: {{customer_id: who, ordered_at: at, net_amount: paid}}
consent: {{basis: assumed}}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    (tmp_path / "orders.csv").write_text("who,at,paid\nc1,2024-01-01,5.00\nc2,2024-01-02,7.50\n")
    path = tmp_path / "winback.yaml"
    path.write_text(CONFIG.format(root=tmp_path))
    return str(path)


def levels(config: str, *overrides: str) -> dict[str, str]:
    return {finding.what: finding.level for finding in examine(config, overrides) if finding.level != "ok"}


def test_a_healthy_place_has_nothing_to_fix_and_stays_untouched(config: str, tmp_path: Path):
    found = summary(examine(config))
    assert [check for check in found["checks"] if check["level"] == "fail"] == []
    assert found["exit_code"] == 0
    assert not (tmp_path / "workspace").exists()


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("sources.transactions.path=absent.csv", {"source transactions": "fail"}),
        ("sources.transactions.columns.order_id=number", {"source transactions": "fail"}),
        ("sources.transactions.columns.ordered_at=who", {"source transactions": "fail"}),
        ("mlflow.tracking_uri=http://127.0.0.1:9", {"mlflow": "fail"}),
        ("mlflow.tracking_uri='http://${WINBACK_ABSENT}/'", {"mlflow": "fail"}),
        ("consent.basis=column", {"consent": "fail"}),
        ("consent.basis=none", {"consent": "warn"}),
        ("seed=minus", {"config": "fail"}),
    ],
)
def test_each_fault_is_found_with_its_fix(config: str, override: str, fault: dict[str, str]):
    assert levels(config, override) == fault
    for finding in examine(config, (override,)):
        assert bool(finding.fix) == (finding.level != "ok")


def test_faults_do_not_hide_each_other(config: str):
    found = levels(config, "sources.transactions.path=absent.csv", "mlflow.tracking_uri=http://127.0.0.1:9")
    assert found == {"source transactions": "fail", "mlflow": "fail"}
    assert summary(examine(config, ("sources.transactions.path=absent.csv",)))["exit_code"] == 2


def test_a_database_that_is_none_of_mlflow_is_named(config: str, tmp_path: Path):
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "mlflow.db").write_text(
        "not a database at all, but long enough to be looked at"
    )
    assert levels(config) == {"mlflow": "fail"}


def test_a_cluster_that_does_not_answer_is_found(config: str):
    absent = ("engine=dask", "dask.address=tcp://127.0.0.1:9", "dask.timeout=0.2")
    assert levels(config, *absent) == {"dask": "fail"}


def test_a_running_night_is_named(config: str, tmp_path: Path):
    with hold(tmp_path / "workspace", "winback nightly"):
        found = {finding.what: finding for finding in examine(config)}
    assert found["lock"].level == "warn"
    assert "winback nightly (process" in found["lock"].found


def test_a_file_in_the_place_of_the_workspace_is_found(config: str, tmp_path: Path):
    (tmp_path / "taken").write_text("a file")
    assert levels(config, f"workspace={tmp_path}/taken") == {"workspace": "fail"}
