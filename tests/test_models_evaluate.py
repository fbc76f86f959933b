"""Figures are told for everybody, each group and each baseline, over snapshots, in any order of rows."""

import re
from datetime import date

import numpy as np
import polars as pl
import pytest

from models.evaluate import Response, decile_tables, evaluate
from models.groups import recent_and_silent, segments

DAYS = (date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1))
MODEL = ("p0", "expected_margin")


def judged(people: int = 700, seed: int = 1, days: tuple[date, ...] = DAYS) -> pl.DataFrame:
    """The same people on several days, scored fairly well."""
    rng = np.random.default_rng(seed)
    rows = people * len(days)
    p0 = rng.beta(2, 3, rows)
    returned = rng.random(rows) < p0
    return pl.DataFrame(
        {
            "as_of": np.repeat(np.array(days, "datetime64[us]"), people),
            "customer_id": np.tile(np.arange(people), len(days)),
            "stage": np.where(np.arange(rows) % 3, "active", "lapsed"),
            "days_since_last_purchase": rng.integers(0, 200, rows),
            "orders": rng.integers(1, 4, rows),
            "margin_365d": rng.integers(0, 50_000, rows),
            "returned": returned,
            "window_margin": returned * rng.integers(100, 9000, rows),
            "weight": np.ones(rows),
            "p0": p0,
            "expected_margin": p0 * 4000,
        }
    ).with_columns(pl.col("as_of").dt.date(), pl.col("customer_id").cast(pl.String))


def test_a_measure_is_its_mean_over_the_snapshots():
    rows = judged()
    each = [evaluate(rows.filter(pl.col("as_of") == day), Response()) for day in DAYS]
    together = evaluate(rows, Response())
    bounds = re.compile(r"_(low|high)$|snapshots$")
    for name in (name for name in together if not bounds.search(name)):
        assert together[name] == pytest.approx(np.mean([one[name] for one in each])), name
    assert (together["test.snapshots"], each[0]["test.snapshots"]) == (3, 1)
    assert together["test.customers"] == 700


def test_the_order_of_rows_does_not_change_a_bit():
    rows = judged(200)
    assert evaluate(rows.sample(fraction=1, shuffle=True, seed=2), Response()) == evaluate(rows, Response())


def test_a_baseline_that_says_the_same_gets_the_same_figures():
    rows = judged(300).with_columns(
        pl.col("p0").alias("champion.score"),
        pl.col("p0").alias("champion.p0"),
        pl.col("expected_margin").alias("champion.value"),
    )
    found = evaluate(rows, Response(), list_share=0.03)
    theirs = {k.replace("champion.", ""): v for k, v in found.items() if k.startswith("test.champion.")}
    assert {name: found[name] for name in theirs} == theirs
    assert {
        "test.auroc",
        "test.ece_above_noise",
        "test.value_at_list",
        "test.profit_at_list",
        "test.gini",
    } <= {*theirs}


def test_a_baseline_has_only_the_measures_that_it_defines():
    rows = judged(300).with_columns((-pl.col("days_since_last_purchase")).alias("recency.score"))
    found = {name for name in evaluate(rows, Response()) if name.startswith("test.recency.")}
    assert found == {
        f"test.recency.{name}"
        for name in (
            "auroc", "average_precision", "lift_at_5pct", "lift_at_10pct", "lift_at_20pct",
            "empc", "empc_own_costs", "profit_at_5pct", "profit_at_10pct", "profit_at_20pct",
        )
    }  # fmt: skip


def test_what_is_undefined_is_left_out():
    rows = judged(200).with_columns(returned=pl.col("stage") == "active")
    found = evaluate(rows.drop("expected_margin", "margin_365d"), Response(), split="cv")
    assert found["cv.auroc"] > 0
    assert not [name for name in found if "value" in name or "profit" in name or "own_costs" in name]
    assert "cv.active.auroc" not in found
    assert found["cv.active.mean_observed"] == 1
    assert np.isfinite(list(found.values())).all()


def test_a_snapshot_that_does_not_define_a_measure_does_not_count():
    rows = judged(200)
    one_kind = pl.when(pl.col("as_of") == DAYS[0]).then(pl.lit(value=True)).otherwise("returned")
    rest = evaluate(rows.filter(pl.col("as_of") > DAYS[0]), Response())
    assert evaluate(rows.with_columns(returned=one_kind), Response())["test.auroc"] == rest["test.auroc"]


def test_big_values_of_categories_are_segments():
    rows = judged(700).with_columns(
        acquisition_channel=pl.when(pl.int_range(pl.len()) % 3 > 0)
        .then(pl.lit("Search, paid"))
        .otherwise(pl.lit("shop")),
        region=pl.when(pl.int_range(pl.len()) % 100 > 0).then(pl.lit("north")).otherwise(pl.lit("tiny")),
        one_only=pl.lit("x"),
        first_category=pl.when(pl.int_range(pl.len()) % 2 > 0)
        .then(pl.lit("home > " * 50))
        .otherwise(pl.lit("pets")),
        favourite_category=pl.lit("a fact"),
    )
    found = segments(rows)
    assert {name: len(group) for name, group in found.items()} == {
        "one_order": rows.filter(pl.col("orders") == 1).height,
        "acquisition_channel.search-paid": 1400,
        "acquisition_channel.shop": 700,
        "first_category.pets": 1050,
        f"first_category.{('home-' * 50)[:100]}": 1050,
        "region.north": 2079,
    }
    assert "test.acquisition_channel.search-paid.auroc" in evaluate(rows, Response())


def test_bought_lately_counts_the_last_ninety_days():
    rows = pl.DataFrame({"days_since_last_purchase": [0, 89, 90, 500]})
    found = {name: list(group.to_series()) for name, group in recent_and_silent(rows).items()}
    assert found == {"bought_90d": [0, 89], "silent_90d": [90, 500]}


def test_names_are_such_as_mlflow_takes():
    found = evaluate(judged(200), Response(), list_share=0.1)
    assert [name for name in found if not re.fullmatch(r"[\w.-]+", name)] == []


def test_another_currency_changes_no_figure():
    rows, rate = judged(200), 16_000
    money = pl.col("window_margin", "margin_365d", "expected_margin") * rate
    abroad = Response(offer_cost=30.0 * rate, contact_cost=5.0 * rate, minor_units=100.0 * rate)
    found = evaluate(rows.with_columns(money), abroad)
    assert found == pytest.approx(evaluate(rows, Response(offer_cost=30.0, contact_cost=5.0)))


def test_intervals_hold_the_estimate():
    found = evaluate(judged(), Response())
    for name in ("auroc", "average_precision", "brier", "value_at_10pct", "lapsed.auroc"):
        low, high = found[f"test.{name}_low"], found[f"test.{name}_high"]
        assert low < found[f"test.{name}"] < high


def test_tables_of_tenths_are_told_for_each_snapshot_and_ranking():
    table = decile_tables(judged(200))
    assert table.group_by("as_of", "ranked_by").agg(pl.col("rows").sum()).sort(
        "as_of", "ranked_by"
    ).rows() == [(day, by, 200) for day in DAYS for by in ("expected_margin", "p0")]


def test_profit_is_that_of_the_list_which_the_scoring_would_write():
    # Ten people: the likeliest churner is worth little, the second likeliest a lot; neither comes back.
    p0 = [0.1, 0.2, *[0.9] * 8]
    rows = judged(10, days=DAYS[:1]).with_columns(
        pl.Series("p0", p0),
        pl.Series("margin_365d", [1000, 90_000, *[2000] * 8]),
        pl.Series("returned", [False, False, *[True] * 8]),
    )
    rows = rows.with_columns(
        pl.col("p0").alias("rule.score"),
        pl.col("margin_365d").alias("spend.score"),
        pl.col("margin_365d").alias("spend.value"),
    )
    found = evaluate(rows, Response(accept_share=0.1, offer_cost=0, contact_cost=5, minor_units=100))
    assert found["test.profit_at_10pct"] == pytest.approx((0.1 * 90_000 - 5) / 100)
    assert found["test.rule.profit_at_10pct"] == pytest.approx((0.1 * 1000 - 5) / 100)
    assert found["test.spend.profit_at_10pct"] == found["test.profit_at_10pct"]  # the one who spends most
