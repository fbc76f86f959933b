"""Paired comparisons find the differences that are there, and say how far chance could have moved them."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from test_models_evaluate import DAYS, judged

from models.comparison import SCHEMA, compare
from models.evaluate import evaluate
from models.metrics import Response, auroc
from models.scoring import Scoring, other_scorings

CHAMPION = Scoring("champion.score", "champion.p0", "champion.value")


def with_champion(rows: pl.DataFrame, noise: float) -> pl.DataFrame:
    """The model's columns blurred."""
    drawn = pl.Series(np.random.default_rng(9).random(len(rows)))
    p0 = (1 - noise) * pl.col("p0") + noise * drawn
    return rows.with_columns(p0.alias("champion.score"), p0.alias("champion.p0")).with_columns(
        (pl.col("champion.p0") * 4000).alias("champion.value")
    )


def test_the_same_scoring_differs_by_nothing():
    found = compare(with_champion(judged(200), 0.0), {"champion": CHAMPION}, Response(), draws=20)
    assert dict(found.schema) == dict(SCHEMA)
    assert (
        found["difference"].to_list() == found["low"].to_list() == found["high"].to_list() == [0] * len(found)
    )


def test_a_better_model_is_better_on_every_measure():
    rows = with_champion(judged(2000), 0.7)
    found = compare(rows, other_scorings(rows), Response(), groups=("all",), draws=60).filter(
        pl.col("snapshot") == "mean"
    )
    assert set(found["measure"]) >= {"auroc", "brier", "log_loss", "ece", "gini", "profit_at_10pct", "empc"}
    assert found.filter(pl.col("difference") <= 0)["measure"].to_list() == []
    sure = found.filter(pl.col("measure").is_in(["auroc", "brier", "log_loss", "gini", "spearman"]))
    assert (sure["low"] > 0).all()
    loss = found.row(by_predicate=pl.col("measure") == "brier", named=True)
    assert loss["difference"] == pytest.approx(loss["theirs"] - loss["ours"])


def test_each_group_is_told_on_each_snapshot_and_over_them():
    rows = with_champion(judged(200), 0.5)
    found = compare(rows, {"champion": CHAMPION}, measures=("auroc",), draws=10)
    assert set(found["measure"]) == {"auroc"}
    assert found.select("group", "snapshot").rows() == [
        (group, snapshot)
        for group in ("all", "lapsed", "active", "bought_90d", "silent_90d")
        for snapshot in (*(str(day) for day in DAYS), "mean")
    ]
    by_day = found.filter(pl.col("group") == "all")["difference"].to_list()
    assert by_day[3] == pytest.approx(np.mean(by_day[:3]))


def test_a_measure_that_one_of_them_does_not_define_is_not_compared():
    rows = with_champion(judged(200), 0.5)
    found = compare(rows, {"champion": Scoring("champion.score")}, draws=5, groups=("all",))
    assert not {"brier", "gini", "value_at_10pct"} & set(found["measure"])


def test_a_champion_that_spoke_on_some_days_is_compared_on_these():
    rows = with_champion(judged(300), 0.5)
    spoke = pl.col("as_of") > DAYS[0]
    late = rows.with_columns(pl.when(spoke).then(pl.col("^champion.*$")))
    few = {"groups": ("all",), "measures": ("auroc", "brier"), "draws": 20}
    expected = compare(rows.filter(spoke), {"champion": CHAMPION}, **few)
    found = compare(late, {"champion": CHAMPION}, **few)
    points = ["snapshot", "measure", "ours", "theirs", "difference"]
    assert found.select(points).rows() == expected.select(points).rows()
    assert (
        evaluate(late, Response())["test.champion.auroc"]
        == expected.row(
            by_predicate=(pl.col("snapshot") == "mean") & (pl.col("measure") == "auroc"), named=True
        )["theirs"]
    )


def world(seed: int) -> pl.DataFrame:
    """200 people seen on four days who do the same on each: four rows say hardly more than one."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=200)
    returned = taste + rng.normal(size=200) > 0
    ours, theirs = taste + rng.normal(size=200), taste + 1.5 * rng.normal(size=200)
    people = pl.DataFrame(
        {
            "customer_id": [f"c{n:03}" for n in range(200)],
            "stage": ["active"] * 200,
            "days_since_last_purchase": [1] * 200,
            "returned": returned,
            "window_margin": returned.astype(int),
            "weight": np.ones(200),
            "ours": ours,
            "theirs": theirs,
        }
    )
    days = pl.DataFrame({"as_of": [date(2024, month, 1) for month in range(1, 5)]})
    return days.join(people, how="cross")


def test_the_paired_interval_covers_the_true_difference():
    def lead(rows: pl.DataFrame) -> float:
        event, ours, theirs = (rows[name].to_numpy() for name in ("returned", "ours", "theirs"))
        return auroc(event, ours) - auroc(event, theirs)

    truth = np.mean([lead(world(seed).head(200)) for seed in range(400)])
    covered = []
    for seed in range(1000, 1060):
        found = compare(
            world(seed),
            {"b": Scoring("theirs")},
            ours=Scoring("ours"),
            groups=("all",),
            measures=("auroc",),
            draws=50,
        ).row(by_predicate=pl.col("snapshot") == "mean", named=True)
        assert found["difference"] == pytest.approx(lead(world(seed)))
        covered.append(found["low"] <= truth <= found["high"])
    assert 0.86 <= np.mean(covered) < 1
