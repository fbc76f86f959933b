"""`make accuracy` keeps development and final cutoffs apart and tells every cell as it is."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from test_models_evaluate import DAYS, judged

from models.metrics import Response
from tests.accuracy import __main__ as command
from tests.accuracy import fits, report, rules, tables
from tests.accuracy.cutoffs import DATA, HORIZON_DAYS, SHOPS, Shop
from tests.accuracy.rules import ECE, Figure

CELL = Figure("cdnow", "mean", "all", "auroc", 0.84, 0.83, "mbg_nbd", 0.84, holds=True)
real = pytest.mark.skipif(not DATA.is_dir(), reason="the real files (../shared/data) are not here")


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """A good model, a baseline as good, and one that knows nothing."""
    people, drawn = judged(600), np.random.default_rng(3).random((2, 1800))
    return people.with_columns(
        pl.col("p0").alias("rfm.score"),
        pl.col("p0").alias("rfm.p0"),
        pl.Series("recency.score", drawn[0]),
        pl.Series("recency.p0", drawn[1] / 2),
    )


def figures(rows: pl.DataFrame, *, final: bool = False) -> dict[tuple[str, str, str], Figure]:
    found = rules.figures("cdnow", rows, Response(), final=final)
    return {(one.group, one.measure, one.cutoff): one for one in found}


@pytest.mark.parametrize("shop", SHOPS, ids=lambda shop: shop.name)
def test_development_reads_no_outcome_of_the_final_cutoffs(shop: Shop):
    ends = [day + timedelta(HORIZON_DAYS) for day in shop.days(final=False)]
    assert len(ends) >= 3
    assert max(ends) <= shop.known_until
    with pytest.raises(ValueError, match=f"the outcomes of {shop.known_until} end after"):
        replace(shop, development=(shop.known_until,)).days(final=False)


def test_the_final_days_are_those_before_the_reference_cutoffs():
    cutoffs = {shop.name: [str(day + timedelta(1)) for day in shop.days(final=True)] for shop in SHOPS}
    assert cutoffs == {
        "cdnow": ["1998-04-01"],
        "online_retail_ii": ["2011-07-09", "2011-08-09", "2011-09-09"],
    }


def test_a_cell_stands_beside_the_baseline_that_is_hardest_to_beat(rows: pl.DataFrame):
    found = figures(rows)
    cutoffs = [*(str(day + timedelta(1)) for day in DAYS), "mean"]
    for group in rules.GROUPS:
        for cutoff in cutoffs:
            one = found[group, "auroc", cutoff]
            assert (one.baseline, one.best_baseline, one.aim) == ("rfm", one.ours, one.ours)
            assert one.holds
            assert not one.reached
    assert {measure for _, measure, _ in found} == {
        *rules.MEASURES, ECE
    } - {"value_at_10pct", "spearman", "gini"}  # fmt: skip
    assert [cutoff for group, measure, cutoff in found if measure == ECE] == cutoffs


def test_a_model_that_is_beaten_does_not_hold(rows: pl.DataFrame):
    swapped = rows.rename({"p0": "recency.p0", "recency.p0": "p0"})
    found = figures(swapped)
    one = found["all", "log_loss", "mean"]
    assert (one.baseline, one.holds, one.reached) == ("recency", False, False)
    assert not found["all", "auroc", "2024-01-02"].holds
    assert found["all", ECE, "mean"].ours > 0.02
    assert not found["all", ECE, "mean"].holds


def test_the_mean_may_not_be_below_and_a_cutoff_not_surely():
    cells = pl.DataFrame(
        {"against": ["a", "b"], "ours": [0.8, 0.8], "theirs": [0.7, 0.81], "difference": [0.1, -0.01]}
    )
    for high, cutoff_holds in ((0.01, True), (-0.001, False)):
        both = cells.with_columns(high=pl.Series([0.2, high]))
        mean, day = (rules._paired("cdnow", "all", "auroc", at, both, {}) for at in ("mean", "2024-01-01"))
        assert (mean.holds, day.holds) == (False, cutoff_holds)
        assert (day.cutoff, day.baseline, day.best_baseline) == ("2024-01-02", "b", 0.81)


def test_the_reference_figures_are_aims_of_final_means_alone(rows: pl.DataFrame):
    found = figures(rows, final=True)
    aims = {group: found[group, "auroc", "mean"].aim for group in rules.GROUPS}
    assert aims == {"all": 0.84, "bought_90d": 0.729, "silent_90d": 0.762}
    assert found["all", "auroc", "2024-01-02"].aim == found["all", "auroc", "2024-01-02"].best_baseline


def test_final_figures_are_written_as_agreed_and_logged_with_the_commit(tmp_path: Path):
    cutoff = replace(CELL, cutoff="1998-04-01", holds=False)
    report.write_json(tmp_path / "accuracy.json", [CELL, cutoff])
    written = json.loads((tmp_path / "accuracy.json").read_text())
    names = ["data", "cutoff", "group", "measure", "ours", "best_baseline", "baseline", "aim", "holds"]
    assert [list(one) for one in written] == [names, names]
    for number in range(2):
        report.append_log(tmp_path / "log.jsonl", [CELL, cutoff], f"commit{number}")
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == [
        {"commit": f"commit{number}", "figures": 2, "not_as_they_must_be": 1, "means": [written[0]]}
        for number in range(2)
    ]


@pytest.mark.parametrize("final", [False, True])
def test_only_a_final_run_leaves_anything_behind(
    final: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    asked: list[bool] = []

    def told(shop: Shop, *, final: bool) -> list[Figure]:
        asked.append(final)
        return [replace(CELL, data=shop.name)]

    monkeypatch.setattr(command, "_of", told)
    monkeypatch.setattr(command, "DATA", tmp_path)
    monkeypatch.setattr(report, "JSON", tmp_path / "accuracy.json")
    monkeypatch.setattr(report, "LOG", tmp_path / "log.jsonl")
    monkeypatch.setattr("sys.argv", ["accuracy", *(["--final"] if final else [])])
    assert command.main() == 0
    assert asked == [final, final]
    assert sorted(path.name for path in tmp_path.iterdir()) == (
        ["accuracy.json", "log.jsonl"] if final else []
    )


@real
@pytest.mark.slow
@pytest.mark.real_data
def test_a_development_day_is_judged_from_the_raw_file(tmp_path: Path):
    shop, day = SHOPS[0], date(1997, 12, 31)
    settings = tables.settings_of(shop, tmp_path)
    quick = {
        "train": settings.train.model_copy(update={"max_rows": 20_000, "folds": 2}),
        "xgb": settings.xgb.model_copy(update={"rounds": 40, "learning_rate": 0.2}),
    }
    settings = settings.model_copy(update=quick)
    one = tables.judgement(settings, day)
    assert one.asked["as_of"].unique().to_list() == [day]
    assert one.asked.height == 23_502
    assert one.past["as_of"].max() == day - timedelta(HORIZON_DAYS)
    # Nothing that came after the day is in the past: months that end later are not known.
    assert one.past.filter(pl.col("as_of") == pl.col("as_of").max())["margin_month_04"].is_null().all()
    rows = fits.judged(one, settings)
    assert {name.removesuffix(".score") for name in rows.columns if name.endswith(".score")} == {
        "recency", "spend_365d", "rfm", "mbg_nbd", "xgb_rfm",
    }  # fmt: skip
    found = {
        (one.group, one.measure, one.cutoff): one
        for one in rules.figures(shop.name, rows, Response(), final=False)
    }
    assert found["all", "auroc", "1998-01-01"].ours > 0.75
    assert found["all", "auroc", "mean"].ours == found["all", "auroc", "1998-01-01"].ours
