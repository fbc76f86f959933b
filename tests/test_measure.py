"""The flow that measures: which lists, which table, which words."""

from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from workspace_world import after, deliver, order, shop, write

from features.errors import DataRefused
from flows import inputs
from flows.earned_in_mlflow import CUMULATIVE, MEASUREMENTS, SECOND_LIFETIME
from flows.measure import compare
from flows.settings import Settings
from models.measurement import MEASUREMENTS as SCHEMA
from models.options import OfferOptions

DAY = date(2024, 5, 31)
END = date(2024, 7, 1)  # acknowledged on June 1, thirty days after that


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """60 were contacted, of whom 40 bought for 20.00; 60 were held out, of whom 10 bought for 10.00."""
    found = contacted(tmp_path)
    deliver(found, "transactions", [order("someone", date(2024, 8, 1), 100, "newest")], name="august.csv")
    return found


def contacted(folder: Path) -> Settings:
    """The same, when no order of after the tenth day has arrived."""
    found = shop(folder)
    write(found, DAY, people())
    treated = [order(f"t{place}", after(DAY, 9), 2000, f"t{place}") for place in range(40)]
    held = [order(f"c{place}", after(DAY, 9), 1000, f"c{place}") for place in range(10)]
    explored = [order("x", after(DAY, 9), 99_900, "x")]
    deliver(found, "transactions", [*treated, *held, *explored])
    return found


def people() -> list[dict[str, Any]]:
    return [
        *({"customer_id": f"t{place}", "arm": "treatment"} for place in range(60)),
        *({"customer_id": f"c{place}", "arm": "control"} for place in range(60)),
        {"customer_id": "x", "arm": "explore", "assignment_probability": 0.01},
    ]


def run(settings: Settings, day: date = END) -> dict[str, Any]:
    return compare.fn(settings, settings.as_of(day.isoformat()))


def measurements(settings: Settings) -> pl.DataFrame:
    run(settings)
    return pl.read_parquet(inputs.workspace(settings).measurements(END) / MEASUREMENTS)


def test_a_complete_list_is_measured_and_told_in_plain_words(settings: Settings):
    told = run(settings)
    assert told["counts"] == {
        "lists_measured": 1,
        "lists_without_orders": 0,
        "worked": 1,
        "did not": 0,
        "too small to tell": 0,
    }
    table = pl.read_parquet(told["paths"]["measurements"])
    assert table.schema == SCHEMA
    profit = table.row(2, named=True)
    assert profit["difference"] == pytest.approx(40 * 20 / 60 - 0.05 - 10 * 10 / 60, abs=1e-4)
    low, high = profit["low"], profit["high"]
    assert 0 < low < profit["difference"] < high
    assert " ".join(told["sentences"]) == (
        "The list of 2024-05-31: worked. After all costs contacting brought 11.62 EUR per person (90 % "
        f"interval {low:.2f} to {high:.2f}), 697.00 EUR over the 60 people contacted. "
        "From 2024-06-02 to 2024-07-01 66.7% of them bought again, and 16.7% of the 60 people held out. "
        "With 120 people you can see a lift of 17.3 points. "
        "The split is as drawn: 60 of 120 people were held out where 50.0% were to be."
    )


def test_a_discount_is_in_the_orders_and_a_gift_costs_beside_them(tmp_path: Path):
    """Goods of 100.00 that cost 60.00: with a tenth off they leave 30.00, with a gift of 5.00 35.00."""
    offers = (
        OfferOptions(id="tenth", kind="discount", cost_rate=0.1),
        OfferOptions(id="gift", kind="gift", cost=5),
    )
    found = shop(tmp_path).model_copy(update={"offers": offers})
    costs = {"tenth": 10.0, "gift": 5.0, "given-up": 5.0}
    people = [
        {"customer_id": f"{offer} {arm} {place}", "arm": arm, "offer_id": offer, "offer_cost": cost}
        for (offer, cost), arm, place in product(costs.items(), ("treatment", "control"), (1, 2))
    ]
    write(found, DAY, people)
    paid = {"tenth": 9000, "gift": 10_000, "given-up": 10_000}
    bought = [
        order(f"{offer} treatment 1", after(DAY, 9), cents, offer, discount_amount=10_000 - cents)
        | {"cost_amount": 6000}
        for offer, cents in paid.items()
    ]
    newest = order("someone", date(2024, 8, 1), 100, "newest")
    deliver(found, "transactions", [*bought, newest])
    table = measurements(found).filter(by="offer_id", outcome="net_profit")
    earned = dict(table.select("group", "treated_mean").iter_rows())
    # Each contact cost 0.05, and one in two bought.
    assert earned == {"tenth": 14.95, "gift": 17.45, "given-up": 17.45}


def test_measuring_again_gives_the_same_bytes(settings: Settings):
    file = Path(run(settings)["paths"]["measurements"])
    before = file.read_bytes()
    run(settings)
    assert file.read_bytes() == before
    assert sorted(path.name for path in file.parent.iterdir()) == [CUMULATIVE, MEASUREMENTS, SECOND_LIFETIME]


def test_until_a_window_is_over_it_is_said_when_it_will_be(settings: Settings):
    told = run(settings, date(2024, 6, 30))
    assert told["counts"] == {"lists_measured": 0, "lists_without_orders": 0}
    assert " ".join(told["sentences"]) == (
        "No list can be measured by 2024-06-30 yet. The first will be that of 2024-05-31, when its outcome "
        "window is over: on 2024-07-01."
    )
    assert not (settings.root / "measurements").exists()


def test_orders_that_have_not_arrived_are_not_people_who_stayed_away(tmp_path: Path):
    settings = contacted(tmp_path)
    source = settings.sources["transactions"].model_copy(update={"max_age_days": 2})
    late = settings.model_copy(update={"sources": {**settings.sources, "transactions": source}})
    with pytest.raises(DataRefused, match=r"newest order is of 2024-06-09, .*max_age_days \(2\)"):
        run(late)
    assert not inputs.workspace(late).measurements(END).exists()


def test_a_feed_that_stopped_is_seen_without_a_greatest_age_too(tmp_path: Path):
    settings = contacted(tmp_path)
    assert settings.sources["transactions"].max_age_days is None
    told = run(settings)
    assert told["counts"] == {"lists_measured": 0, "lists_without_orders": 1}
    assert " ".join(told["sentences"]) == (
        "The list of 2024-05-31 is not measured: its outcome window lasts until 2024-07-01, but the newest "
        "order is of 2024-06-09. Orders that have not arrived would count as people who did not come back. "
        "Run winback ingest, or deliver what is missing."
    )
    assert not inputs.workspace(settings).measurements(END).exists()
    deliver(settings, "transactions", [order("someone", END, 100, "last")], name="july.csv")
    assert run(settings)["counts"]["lists_measured"] == 1


def test_a_day_is_one_of_the_shop_when_the_newest_order_is_asked_for(tmp_path: Path):
    def after_midnight(settings: Settings) -> dict[str, Any]:
        deliver(settings, "transactions", [order("someone", END, 100, "last", ordered_at=late)], name="l.csv")
        return run(settings)["counts"]

    late = datetime(2024, 6, 30, 22, 30, tzinfo=UTC)  # July 1 in Berlin
    for zone, measured in (("UTC", 0), ("Europe/Berlin", 1)):
        folder = tmp_path / zone
        folder.mkdir(parents=True)
        settings = contacted(folder).model_copy(update={"timezone": zone})
        assert after_midnight(settings)["lists_measured"] == measured


def test_lists_whose_orders_have_arrived_are_measured_beside_the_others(tmp_path: Path):
    settings = contacted(tmp_path)
    deliver(settings, "transactions", [order("someone", after(END, 3), 100, "last")], name="july.csv")
    for days in (10, 20):
        write(settings, after(DAY, days), people())
    told = run(settings, date(2024, 8, 1))
    assert (told["counts"]["lists_measured"], told["counts"]["lists_without_orders"]) == (1, 2)
    assert told["sentences"][-1].startswith(
        "2 lists are not measured, first that of 2024-06-10: its outcome window lasts until 2024-07-11, but "
        "the newest order is of 2024-07-04."
    )


def test_a_lake_without_orders_measures_nothing(tmp_path: Path):
    settings = shop(tmp_path)
    write(settings, DAY, people())
    assert "but the lake holds no orders." in run(settings)["sentences"][0]


def test_without_a_delivered_list_it_is_said_what_to_do(tmp_path: Path):
    settings = shop(tmp_path)
    assert "winback nightly" in run(settings)["sentences"][0]
    write(settings, DAY, people(), acknowledge="by_command")
    assert "winback acknowledge" in run(settings)["sentences"][0]
    assert "winback nightly" in run(settings, DAY)["sentences"][0]


def test_an_odd_split_and_people_on_two_lists_are_told(settings: Settings):
    write(settings, after(DAY, 10), people()[:110])
    write(settings, after(DAY, 20), people()[:70])
    told = run(settings, date(2024, 8, 1))
    assert told["sentences"][0].startswith("3 lists are measured: ")
    words = " ".join(told["sentences"])
    assert "Do not trust this: 10 of 70 people were held out where 50.0% were to be" in words
    assert "110 of them were in another open enrolment at the same time" in words
    folder = inputs.workspace(settings).measurements(date(2024, 8, 1))
    table = pl.read_parquet(folder / MEASUREMENTS)
    together = pl.read_parquet(folder / CUMULATIVE).row(2, named=True)
    assert (together["lists"], together["treated"], together["controls"], together["people"]) == (
        3,
        180,
        120,
        120,
    )
    low, value, high, total = (together[name] for name in ("low", "difference", "high", "total"))
    assert told["sentences"][1] == (
        f"All 3 lists together: worked. After all costs contacting brought {value:.2f} EUR per enrolment "
        f"(90 % interval {low:.2f} to {high:.2f}), {total:,.2f} EUR in all."
    )
    assert table["as_of"].unique().sort().to_list() == [DAY, after(DAY, 10), after(DAY, 20)]


def test_later_days_change_nothing_that_was_measured(settings: Settings):
    before = pl.read_parquet(run(settings)["paths"]["measurements"])
    deliver(settings, "transactions", [order("c1", date(2024, 7, 2), 99_900, "late")], name="july.csv")
    write(settings, END, people())
    assert pl.read_parquet(run(settings, date(2024, 7, 5))["paths"]["measurements"]).equals(before)


def test_people_held_out_whom_another_tool_contacted_are_told(settings: Settings):
    at = datetime(2024, 6, 20, 9, tzinfo=UTC)
    rows = [{"customer_id": f"c{place}", "contacted_at": at, "arm": "treatment"} for place in range(7)]
    deliver(settings, "contacts", rows, name="newsletter.csv")
    words = " ".join(run(settings)["sentences"])
    assert "7 of the 60 people held out were contacted all the same, says the contacts table" in words
    assert "in two arms" not in words
    deliver(settings, "identities", [{"customer_id": f"{arm}59", "person_id": "p"} for arm in "tc"])
    assert "1 of them were in two arms, to be contacted in one enrolment and held out in another" in " ".join(
        run(settings)["sentences"]
    )


def test_people_held_out_whom_our_own_tool_contacted_are_told(settings: Settings):
    at = datetime(2024, 6, 5, 9, tzinfo=UTC)
    back = {"contacted_at": at, "arm": "treatment", "list_id": f"list-{DAY}"}
    rows = [{"customer_id": one, **back} for one in ("t0", "t1", "c0", "c1")]
    deliver(settings, "contacts", rows, name="written_back.csv")
    words = " ".join(run(settings)["sentences"])
    assert "2 of the 60 people held out were contacted all the same, says the contacts table" in words


def test_causes_are_measured_for_both_arms_and_lists_from_before_there_were_causes_still_are(tmp_path: Path):
    settings = shop(tmp_path)
    causes = ("price", "service", "unknown")
    write(settings, DAY, [{**row, "cause": causes[place % 3]} for place, row in enumerate(people())])
    bought = [order(f"t{place}", after(DAY, 9), 2000, f"t{place}") for place in range(0, 60, 3)]
    deliver(settings, "transactions", [*bought, order("someone", after(DAY, 91), 100, "newest")])
    table = measurements(settings).filter(pl.col("outcome") == "net_margin", pl.col("by") == "cause")
    assert table.select("group", "treated", "controls", "treated_mean", "control_mean").rows() == [
        ("price", 20, 20, 20.0, 0.0),
        ("service", 20, 20, 0.0, 0.0),
        ("unknown", 20, 20, 0.0, 0.0),
    ]
    held_out = inputs.workspace(settings).list(DAY) / "holdout.parquet"
    pl.read_parquet(held_out).drop("cause").write_parquet(held_out)
    assert measurements(settings)["by"].unique().sort().to_list() == ["list", "offer_id"]


def test_groups_and_a_second_lifetime_are_measured_when_their_time_has_come(tmp_path: Path):
    settings = shop(tmp_path)
    rows = [
        {**row, "stage": "lapsed" if place % 2 else "at_risk", "churn_probability": 0.5 + place / 1000}
        for place, row in enumerate(people())
    ]
    write(settings, DAY, rows)
    late = [order(f"t{place}", after(DAY, 80), 500, f"late{place}") for place in range(0, 60, 2)]
    early = [order(f"t{place}", after(DAY, 9), 2000, f"t{place}") for place in range(20)]
    deliver(settings, "transactions", [*early, *late, order("someone", after(DAY, 91), 100, "newest")])
    run(settings, after(DAY, 88))
    early = pl.read_parquet(inputs.workspace(settings).measurements(after(DAY, 88)) / SECOND_LIFETIME)
    assert early["days"].unique().to_list() == [30]
    told = run(settings, after(DAY, 95))
    folder = inputs.workspace(settings).measurements(after(DAY, 95))
    table = pl.read_parquet(folder / MEASUREMENTS).filter(outcome="net_margin")
    # Margins of 20.00 of one in three; what was known before foretells none of it and may move it a little.
    assert table.select("by", "group", "treated", "controls", "treated_mean", "control_mean").rows() == [
        ("list", None, 60, 60, 6.666667, 0.0),
        ("offer_id", "message", 60, 60, 6.666667, 0.0),
        ("stage", "at_risk", 30, 30, 6.666667, 0.0),
        ("stage", "lapsed", 30, 30, 6.666667, 0.0),
    ]
    lifetimes = pl.read_parquet(folder / SECOND_LIFETIME).filter(outcome="net_margin")
    assert lifetimes.select("days", "treated_mean").rows() == [(30, 6.666667), (90, 9.166667)]
    assert (
        f"In the first 90 days it is {lifetimes['difference'][1]:.2f} EUR of margin per person"
        in " ".join(told["sentences"])
    )
    run(settings, after(DAY, 200))
    later = pl.read_parquet(inputs.workspace(settings).measurements(after(DAY, 200)) / SECOND_LIFETIME)
    assert later["days"].unique().sort().to_list() == [30, 90]  # no order of after the 91st day has arrived
