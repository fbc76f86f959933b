"""A list in the long run, and all lists together."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from shop_world import history, line

from features.asof import AsOf
from features.books import accounts
from models.measurement import measured
from models.observed import Trial, observed
from models.over_time import CUMULATIVE, SECOND_LIFETIMES, cumulative, lifetime
from models.soundness import Contamination

DAY = date(2024, 1, 1)  # shop_world counts its days from here


def trial(name: str, start: int = 0) -> Trial:
    day = DAY + timedelta(days=start)
    return Trial(name, day - timedelta(days=1), AsOf(day, horizon_days=60, gap_days=2), pl.DataFrame())


def people(seed: int, size: int, lift: float = 0.0, first: int = 0, share: float = 0.5) -> pl.DataFrame:
    """What became of a list of this many, a share of them held out, exactly."""
    draw = np.random.default_rng(seed)
    treated = draw.permutation(size) >= round(share * size)
    bought = draw.random(size) < 0.2 + lift * treated
    margin = np.where(bought, np.exp(draw.normal(7, 0.8, size)), 0).round()
    return pl.DataFrame(
        {
            "enrolment_id": [f"{seed}-{place:05}" for place in range(size)],
            "person_id": [f"p{first + place}" for place in range(size)],
            "stratum": "s",
            "return_rate": bought.astype(float),
            "net_margin": margin,
            "net_profit": margin - 5.0 * treated,
            "treated": treated,
            "control_probability": share,
        }
    )


def test_lists_together_are_the_mean_of_each_weighed_by_whom_it_was_to_contact():
    lists = [
        (trial("one"), people(1, 200, 0.1)),
        (trial("two", 30), people(2, 600, 0.0, first=200, share=0.1)),
        (trial("three", 60), people(3, 100, 0.3, first=800)),
    ]
    together = cumulative(lists, "EUR", seed=7)
    assert together.schema == CUMULATIVE
    each = pl.concat([measured(one, seen, Contamination(), "EUR", 7) for one, seen in lists])
    size = (pl.col("treated") + pl.col("controls")) * (
        1 - pl.col("control_share_drawn").max().over("list_id")
    )
    each = each.with_columns(size=size)
    size = pl.col("size")
    expected = each.group_by("outcome", maintain_order=True).agg(
        difference=(pl.col("difference") * size).sum() / size.sum(),
        standard_error=((pl.col("standard_error") * size) ** 2).sum().sqrt() / size.sum(),
        treated=pl.col("treated").sum(),
    )
    assert_frame_equal(together.select(expected.columns), expected, abs_tol=1e-5)
    profit = together.row(2, named=True)
    assert {name: profit[name] for name in ("lists", "first_list", "last_list", "people", "controls")} == {
        "lists": 3,
        "first_list": date(2023, 12, 31),
        "last_list": date(2024, 2, 29),
        "people": 900,
        "controls": 210,
    }
    assert profit["total"] == pytest.approx(profit["difference"] * 690, abs=0.01)
    assert profit["low"] < profit["difference"] < profit["high"]


def test_one_list_alone_is_itself():
    seen = people(4, 300, 0.1)
    alone = cumulative([(trial("one"), seen)], "EUR", seed=7)
    own = measured(trial("one"), seen, Contamination(), "EUR", seed=7)
    names = ["outcome", "treated_mean", "control_mean", "difference", "standard_error", "verdict"]
    assert_frame_equal(alone.select(names), own.select(names))


def test_people_of_another_list_are_never_compared_with_these():
    """All of the first list buy, none of the second; the first is mostly contacted. Contact does nothing."""
    rich, poor = people(5, 100, share=0.2), people(6, 100, first=100, share=0.8)
    rich = rich.with_columns(return_rate=1.0, net_margin=1000.0, net_profit=1000.0)
    poor = poor.with_columns(return_rate=0.0, net_margin=0.0, net_profit=0.0)
    found = cumulative([(trial("one"), rich), (trial("two"), poor)], "EUR", seed=7)
    assert found["difference"].to_list() == [0.0, 0.0, 0.0]


def test_somebody_on_many_lists_counts_as_one_person():
    """The same people, who always do the same; their arms are drawn anew each time."""
    lists = [(trial(f"l{number}", number), people(number, 200)) for number in range(6)]
    habit = np.where(np.random.default_rng(0).random(200) < 0.3, 2000.0, 0.0)
    same = [(one, seen.with_columns(net_profit=habit)) for one, seen in lists]
    found = cumulative(same, "EUR", seed=7).row(2, named=True)
    assert (found["people"], found["treated"]) == (200, 600)
    apart = [
        (one, seen.with_columns(person_id=pl.format("{}-{}", pl.lit(one.list_id), "person_id")))
        for one, seen in same
    ]
    plain = cumulative(apart, "EUR", seed=7).row(2, named=True)
    assert found["difference"] == plain["difference"]
    assert found["standard_error"] != plain["standard_error"]


def test_a_list_without_a_covariate_stands_beside_lists_that_have_it():
    bare, other = people(8, 200), people(9, 200, first=200)
    known = bare.with_columns(p0=0.1 + 0.5 * pl.col("return_rate"))
    errors = [
        cumulative([(trial("one"), one), (trial("two"), other)], "EUR", seed=7)["standard_error"][0]
        for one in (known, bare)
    ]
    assert errors[0] < 0.9 * errors[1]


def test_a_second_lifetime_counts_as_far_as_it_goes():
    rows = [
        {"enrolment_id": f"e{who}", "customer_id": who, "arm": arm, "stratum": "s", "offer_id": "gift"}
        | {"assignment_probability": 0.5, "offer_cost": 1.0, "contact_cost": 0.1}
        for who, arm in {"a": "treatment", "b": "treatment", "c": "control", "d": "control"}.items()
    ]
    one = Trial("list", DAY - timedelta(days=1), AsOf(DAY, 30, 2), pl.DataFrame(rows))
    orders = [
        line("a", 20, 1000, "1", cost_amount=0),
        line("a", 90, 2000, "2", cost_amount=0),
        line("b", 93, 4000, "3", cost_amount=0),
        line("c", 92, 3000, "4", cost_amount=0),
    ]
    made, margins = accounts(history(orders), set("abcd"))
    who = one.enrolled.select("customer_id", person_id="customer_id")
    found = []
    for longer in map(one.over, (30, 90)):
        seen = observed(longer, who, made.lazy(), margins.lazy(), paid_beside={}, currency="EUR")
        found.append(lifetime(longer, seen, "EUR", seed=7))
    table = pl.concat(found)
    assert table.schema == SECOND_LIFETIMES
    names = ["days", "counted_until", "outcome", "treated_mean", "control_mean", "difference"]
    assert table.select(names).rows() == [
        (30, date(2024, 2, 2), "return_rate", 0.5, 0.0, 0.5),
        (30, date(2024, 2, 2), "net_margin", 5.0, 0.0, 5.0),
        (90, date(2024, 4, 2), "return_rate", 0.5, 0.5, 0.0),
        (90, date(2024, 4, 2), "net_margin", 15.0, 15.0, 0.0),
    ]
