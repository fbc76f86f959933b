"""Whole nights on real files, judged from the raw files and not by the pipeline."""

import csv
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
RETAIL = DATA / "online_retail_ii" / "online_retail_ii.csv.gz"
# What scores is fitted on all days, however many of them judge the recipe: one saves minutes. Where tests run
# beside each other on few cores, threads hold each other up; the trees are the same.
QUICK = ("train.tests=1", "xgb.threads=1")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not DATA.is_dir(), reason="the real files (../shared/data) are not here"),
]


def winback(*words: str) -> dict[str, Any]:
    """Run the command line and give back its JSON line."""
    command = [sys.executable, "-m", "flows", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def retail(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A workspace that has taken in Online Retail II, and what was told of it."""
    workspace = tmp_path_factory.mktemp("retail")
    words = ("--set", f"sources.transactions.path={RETAIL}", "--set", f"workspace={workspace}")
    return workspace, winback("ingest", "-c", "configs/online_retail_ii.yaml", *words)


def night(
    config: str, as_of: date, file: Path, workspace: Path, *more: str
) -> tuple[dict[str, Any], pl.DataFrame]:
    given = (f"sources.transactions.path={file}", f"workspace={workspace}", *more)
    overrides = [word for one in given for word in ("--set", one)]
    summary = winback("nightly", "-c", f"configs/{config}.yaml", "--as-of", str(as_of), *overrides)
    return summary, pl.read_parquet(workspace / f"scores/as_of={as_of}/scores.parquet")


def auroc(scores: pl.DataFrame, buyers: set[str]) -> float:
    """How well `churn_probability` ranks those who did not buy."""
    churned = [customer not in buyers for customer in scores["customer_id"]]
    return float(roc_auc_score(churned, scores["churn_probability"].to_numpy()))


def cdnow_purchases(file: Path) -> Iterator[tuple[str, date, float]]:
    for text in file.read_text("utf-8").splitlines()[1:]:
        customer, day, _, dollars = text.split()
        yield customer, datetime.strptime(day, "%Y%m%d").date(), float(dollars)  # noqa: DTZ007 - days only


def retail_purchases(file: Path) -> Iterator[tuple[str, date, float]]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            paid = int(row["Quantity"]) * float(row["Price"])
            if row["Customer ID"] and paid > 0:
                yield row["Customer ID"], datetime.fromisoformat(row["InvoiceDate"]).date(), paid


def buyers_after(purchases: Iterator[tuple[str, date, float]], as_of: date, days: int) -> set[str]:
    end = as_of + timedelta(days=days)
    return {customer for customer, day, paid in purchases if as_of < day <= end and paid > 0}


def test_a_night_on_cdnow(tmp_path: Path) -> None:
    as_of, file = date(1998, 3, 31), DATA / "cdnow" / "CDNOW_master.txt"
    summary, scores = night("cdnow", as_of, file, tmp_path, *QUICK)
    assert summary["counts"]["scored"] == scores.height == 23_502
    reached = auroc(scores, buyers_after(cdnow_purchases(file), as_of, 90))
    assert reached >= 0.836, f"AUROC {reached:.4f}"


def test_a_night_on_online_retail(retail: tuple[Path, dict[str, Any]]) -> None:
    as_of = date(2011, 9, 8)
    summary, scores = night("online_retail_ii", as_of, RETAIL, retail[0], *QUICK)
    assert summary["counts"]["scored"] == scores.height
    assert abs(scores.height - 5_280) <= 50
    reached = auroc(scores, buyers_after(retail_purchases(RETAIL), as_of, 90))
    assert reached >= 0.803, f"AUROC {reached:.4f}"


def test_lines_that_were_delivered_twice_count_once_and_others_are_left_out(
    retail: tuple[Path, dict[str, Any]],
) -> None:
    workspace, summary = retail
    counts = summary["counts"]
    assert counts["delivered"] == 1_067_370
    assert counts["accepted"] + counts["quarantined"] == counts["delivered"]
    from features.lake import Lake

    held = Lake(workspace / "lake").scan("transactions").collect()
    # December in London is UTC.
    twice = held.filter(pl.col("ordered_at").dt.date().is_between(date(2010, 12, 1), date(2010, 12, 9)))
    once = 22_523  # lines of these days, delivered once: the file holds them twice
    left_out = _non_products(RETAIL)
    assert twice.height == once - left_out
    assert held.filter(pl.col("product_id").is_in(["POST", "DOT", "M", "BANK CHARGES"])).is_empty()


def _non_products(file: Path) -> int:
    """Lines of the overlapping days in one of the two parts that are no products."""
    codes = {"POST", "DOT", "M", "m", "C2", "C3", "D", "S", "B", "BANK CHARGES", "AMAZONFEE", "CRUK", "PADS"}
    codes |= {"GIFT", "ADJUST", "ADJUST2", "TEST001", "TEST002"}
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        found = sum(
            "2010-12-01" <= row["InvoiceDate"][:10] <= "2010-12-09"
            and (row["StockCode"] in codes or row["Invoice"].startswith("A"))
            for row in csv.DictReader(text)
        )
    assert found % 2 == 0
    return found // 2
