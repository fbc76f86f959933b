"""What did a delivered list really earn, against the people held out of it?

Intention to treat: everybody who was drawn for treatment against everybody who was drawn as a control, over
the same days, whatever became of the contact. Never a before and after. People explored below the cut and
the universal holdout were drawn otherwise and are not compared here.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import polars as pl

from features.asof import AsOf
from features.money import exponent, units
from features.orders import as_known, net_by
from models.arms import cells, differences, smallest_lift
from models.assignment import Arm

COMPARED = (Arm.TREATMENT, Arm.CONTROL)
RETURN_RATE, NET_MARGIN, NET_PROFIT = "return_rate", "net_margin", "net_profit"
# With fewer buyers than this, or fewer people in an arm, no interval is to be believed.
_LEAST_BUYERS, _LEAST_IN_ARM = 10, 20
_RATE_DIGITS, _MONEY_DIGITS = 6, 4

MEASUREMENTS = pl.Schema(
    {
        "list_id": pl.String(),
        "as_of": pl.Date(),
        "acknowledged_on": pl.Date(),
        "counted_from": pl.Date(),
        "counted_until": pl.Date(),
        "outcome": pl.String(),
        "treated": pl.Int64(),
        "controls": pl.Int64(),
        "treated_mean": pl.Float64(),
        "control_mean": pl.Float64(),
        "difference": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "total": pl.Float64(),
        "verdict": pl.String(),
        "smallest_lift_points": pl.Float64(),
        "control_share_drawn": pl.Float64(),
        "split_p_value": pl.Float64(),
        "in_two_enrolments": pl.Int64(),
    }
)


class Judgement(StrEnum):
    """Whether contacting paid: the 90 % interval of net profit lies above 0, below 0, or on both sides."""

    WORKED = "worked"
    DID_NOT = "did not"
    TOO_SMALL = "too small to tell"


@dataclass(frozen=True, slots=True)
class Trial:
    """A delivered list whose outcome window is complete.

    Attributes:
        list_id: its name.
        as_of: the day of the decision.
        window: the days that count, seen from the acknowledgement.
        enrolled: its enrolments, of all arms: `enrolment_id`, `customer_id`, `arm`, `stratum`,
            `assignment_probability`, `offer_id`, and `offer_cost` and `contact_cost` in major units.
    """

    list_id: str
    as_of: date
    window: AsOf
    enrolled: pl.DataFrame


def observed(
    trial: Trial,
    who: pl.DataFrame,
    orders: pl.LazyFrame,
    margins: pl.LazyFrame,
    *,
    redeem_share: Mapping[str, float],
    currency: str,
) -> pl.DataFrame:
    """What became of everybody who is compared.

    Args:
        trial: the list.
        who: `customer_id`, `person_id` of everyone enrolled, with their other ids: all of them count.
        orders: `features.orders.orders`.
        margins: `features.labels.daily_margins`.
        redeem_share: offer: share of buyers who use it; 1 for offers that are not named.
        currency: reporting currency.

    Returns:
        Sorted by `enrolment_id`: `treated`, `stratum`, `control_probability`, and per person in the window
        `return_rate` (1 for a net purchase), `net_margin` and `net_profit` (net of contact and offer), minor
        units.
    """
    window, on = trial.window, pl.col("ordered_on")
    unit = units(currency)
    placed = as_known(orders.collect(), window.outcome_end).lazy()
    bought = placed.filter(window.outcome(on), net_by(pl.col("cancelled_on") <= window.outcome_end))
    earned = margins.filter(window.outcome(on))
    people = who.lazy()
    buyers = bought.select("customer_id").join(people, on="customer_id").select("person_id").unique()
    by_person = earned.join(people, on="customer_id").group_by("person_id").agg(pl.col("margin").sum())
    treated, chance = pl.col("arm") == Arm.TREATMENT, pl.col("assignment_probability")
    redeemed = pl.col("offer_id").replace_strict(dict(redeem_share), default=1.0, return_dtype=pl.Float64)
    offer = pl.col("return_rate") * redeemed * pl.col("offer_cost")
    spent = pl.when(treated).then((pl.col("contact_cost") + offer) * unit).otherwise(0.0)
    return (
        trial.enrolled.lazy()
        .filter(pl.col("arm").is_in(COMPARED))
        .join(people, on="customer_id", how="left")
        .join(buyers.with_columns(return_rate=pl.lit(1.0)), on="person_id", how="left")
        .join(by_person, on="person_id", how="left")
        .with_columns(pl.col("return_rate").fill_null(0.0), net_margin=pl.col("margin").fill_null(0))
        .with_columns(net_profit=pl.col("net_margin") - spent)
        .select(
            "enrolment_id",
            "stratum",
            RETURN_RATE,
            NET_MARGIN,
            NET_PROFIT,
            treated=treated,
            control_probability=pl.when(treated).then(1 - chance).otherwise(chance).round(9),
        )
        .sort("enrolment_id")
        .collect()
    )


def measured(trial: Trial, people: pl.DataFrame, overlapping: int, currency: str, seed: int) -> pl.DataFrame:
    """One row per outcome (`MEASUREMENTS`), money in major units per person contacted.

    Args:
        trial: the list.
        people: what `observed` gives.
        overlapping: what `in_two_enrolments` gives.
        currency: reporting currency.
        seed: of the bootstrap; each list draws its own.
    """
    treated = people["treated"].to_numpy()
    groups = list(people.select("control_probability", "stratum").iter_rows())
    outcomes = {
        name: people[name].cast(pl.Float64).to_numpy() for name in (RETURN_RATE, NET_MARGIN, NET_PROFIT)
    }
    sizes = (int(treated.sum()), int((~treated).sum()))
    digest = hashlib.sha256(f"{seed}|{trial.list_id}".encode()).digest()
    found = differences(outcomes, treated, cells(groups, treated), int.from_bytes(digest[:8], "big"))
    profit = found.get(NET_PROFIT)
    judged = _judged(sizes, people, None if profit is None else (profit.low, profit.high))
    share = round(float(people["control_probability"].sum()) / max(people.height, 1), _RATE_DIGITS)
    window = trial.window
    fixed = {
        "list_id": trial.list_id,
        "as_of": trial.as_of,
        "acknowledged_on": window.day,
        "counted_from": window.outcome_start + timedelta(days=1),
        "counted_until": window.outcome_end,
        "treated": sizes[0],
        "controls": sizes[1],
        "verdict": str(judged),
        "smallest_lift_points": _smallest_lift_points(people, sizes),
        "control_share_drawn": share,
        "split_p_value": split_p_value(sizes[1], sum(sizes), share),
        "in_two_enrolments": overlapping,
    }
    rows = []
    for name in outcomes:
        unit = 1 if name == RETURN_RATE else units(currency)
        digits = _RATE_DIGITS if name == RETURN_RATE else exponent(currency) + _MONEY_DIGITS
        one = found.get(name)
        numbers = () if one is None else (one.treated, one.control, one.value, one.low, one.high)
        named = zip(("treated_mean", "control_mean", "difference", "low", "high"), numbers, strict=False)
        row = {key: round(number / unit, digits) + 0.0 for key, number in named}
        total = None if one is None else round(row["difference"] * sizes[0], digits)
        rows.append({**fixed, "outcome": name, **row, "total": total})
    return pl.DataFrame([{name: row.get(name) for name in MEASUREMENTS} for row in rows], schema=MEASUREMENTS)


def in_two_enrolments(enrolments: pl.DataFrame, who: pl.DataFrame, list_id: str) -> int:
    """People compared in a list who were in another open enrolment at the same time.

    Args:
        enrolments: `models.eligibility.ENROLMENTS`, of all lists.
        who: `customer_id`, `person_id`.
        list_id: the list.
    """
    delivered = enrolments.filter(pl.col("acknowledged_on").is_not_null())
    everyone = delivered.join(who, on="customer_id").select(
        "person_id", "enrolment_id", "list_id", "arm", "acknowledged_on", "open_until"
    )
    own = everyone.filter(pl.col("list_id") == list_id, pl.col("arm").is_in(COMPARED))
    both = own.join(everyone, on="person_id", suffix="_other").filter(
        pl.col("enrolment_id") != pl.col("enrolment_id_other"),
        pl.col("acknowledged_on_other") < pl.col("open_until"),
        pl.col("open_until_other") > pl.col("acknowledged_on"),
    )
    return both["person_id"].n_unique()


def split_p_value(controls: int, people: int, share: float) -> float | None:
    """How likely a split at least as odd as this one is, if the draw alone made it (binomial test)."""
    from scipy.stats import binomtest

    if people == 0:
        return None
    return float(f"{binomtest(controls, people, share).pvalue:.6g}")


def _judged(sizes: tuple[int, int], people: pl.DataFrame, interval: tuple[float, float] | None) -> Judgement:
    few = min(sizes) < _LEAST_IN_ARM or people[RETURN_RATE].sum() < _LEAST_BUYERS
    if interval is None or few:
        return Judgement.TOO_SMALL
    low, high = interval
    if low > 0:
        return Judgement.WORKED
    return Judgement.DID_NOT if high < 0 else Judgement.TOO_SMALL


def _smallest_lift_points(people: pl.DataFrame, sizes: tuple[int, int]) -> float | None:
    if min(sizes) == 0:
        return None
    # One buyer in two more people (Laplace): small control arms often hold no buyer at all.
    bought = float(people.filter(~pl.col("treated"))[RETURN_RATE].sum())
    return round(100 * smallest_lift((bought + 1) / (sizes[1] + 2), *sizes), 2)
