"""What followed a replayed night: did p0, V1 and V0 say what happened, and what would the list have earned?

A replayed night contacted nobody. What its listed people did afterwards is *organic*: it says whether the
predictions held, never what the list would have earned. That can be read only off people whom another
campaign contacted or held out at random.
"""

import math
from typing import Any

import numpy as np
import polars as pl

from features.labels import CONTACTED_ARMS, margin_month
from features.money import units
from models.arms import differences
from models.backtest import LEVELS, VALUE_WITH_PURCHASE
from models.cells import cells
from models.evaluate import Response
from models.lesson import learnable
from models.matured import MATURED, judged, matured
from models.metrics import Array
from models.observed import COMPARED
from models.options import ValueOptions
from models.value import discounts

# People of a campaign that contacted some and held out others at random, after a replayed night.
TRIAL = pl.Schema(
    {
        "customer_id": pl.String(),
        "contacted_on": pl.Date(),
        "treated": pl.Boolean(),
        "propensity": pl.Float64(),
        "margin": pl.Float64(),
        "picked": pl.Boolean(),
    }
)
# Probabilities that differ by less are one: 1 - 0.8 is not quite 0.2.
_DIGITS = 9


def calibration(
    said: pl.DataFrame, outcome: pl.DataFrame, response: Response, currency: str, seed: int
) -> dict[str, Any]:
    """Does p0 say what happens? On people whom nobody contacted, as nights are judged (`models.matured`).

    Args:
        said: `PEOPLE` of the night.
        outcome: see `features.outcomes`; its window is complete.
        response: assumed response, which the figures told here do not hang on.
        currency: reporting currency.
        seed: of the redraws.
    """
    rows = judged(said, outcome, None, currency)
    if rows.is_empty():
        return {"judged": 0}
    found = matured(rows, response, seed)
    return {"judged": rows.height, **{name: found.get(f"{MATURED}.{name}") for name in LEVELS}}


def worth(said: pl.DataFrame, outcome: pl.DataFrame, value: ValueOptions, currency: str) -> dict[str, Any]:
    """Are V1 and V0 what followed? Each on people of whom it speaks: those who came back, and the others.

    V1 - V0 of one person is never seen, since nobody does both; so it is compared as the difference between
    the two groups, in what was predicted and in what followed alike. S (`mean_s`) counts less of it: what a
    contact wins cannot be seen of people whom nobody contacted.

    Args:
        said: `PEOPLE` of the night.
        outcome: see `features.outcomes`, with the margin of the months after the night.
        value: months and discount.
        currency: reporting currency.
    """
    rows = _with_outcome(said, outcome)
    months = _months_seen(rows, value.horizon_months)
    found: dict[str, Any] = {"followup_months": months, "value_months": value.horizon_months}
    if not months:
        return found
    seen = np.column_stack([_numbers(rows[margin_month(k)]) for k in range(1, months + 1)])
    followed = (seen * discounts(value, months)).sum(axis=1) / units(currency)
    bought, left = _numbers(rows[VALUE_WITH_PURCHASE]), _numbers(rows["value_if_not_returned"])
    weight, back = _numbers(rows["weight"]), rows["returned"].to_numpy()
    found["mean_s"] = _mean(_numbers(rows["value_if_returned"]), weight)
    for name, who, predicted in (("v1", back, bought), ("v0", ~back, left)):
        found[f"{name}_predicted"] = _mean(predicted[who], weight[who])
        found[f"{name}_observed"] = _mean(followed[who], weight[who])
    for kind in ("predicted", "observed"):
        found[f"s_{kind}"] = _less(found[f"v1_{kind}"], found[f"v0_{kind}"])
    return found


def organic(
    said: pl.DataFrame, of_listed: pl.DataFrame, of_all: pl.DataFrame, currency: str
) -> dict[str, Any]:
    """What listed people did of their own accord in the outcome window, beside everybody.

    Who was contacted by somebody else, or bought before the window, is left out.

    Args:
        said: `PEOPLE` of the night.
        of_listed: what became of the listed, see `features.outcomes`.
        of_all: what became of everybody, or of a sample.
        currency: reporting currency.
    """
    listed, everybody = (_with_outcome(said, some) for some in (of_listed, of_all))
    listed = listed.filter("listed")
    (rate, margin), (rate_of_all, margin_of_all) = (_brought(some, currency) for some in (listed, everybody))
    return {
        "organic_people": listed.height,
        "organic_predicted": _mean(1 - _numbers(listed["churn_probability"]), _numbers(listed["weight"])),
        "organic_return_rate": rate,
        "organic_margin": margin,
        "organic_return_rate_of_all": rate_of_all,
        "organic_margin_of_all": margin_of_all,
    }


def randomised(contacts: pl.DataFrame) -> pl.DataFrame:
    """Those contacts that a draw decided: `customer_id`, `contacted_on`, `treated`, `propensity`; sorted.

    A campaign of which only one arm is known, such as a log of what was sent, is no trial: its people would
    be compared with those whom another campaign held out.

    Args:
        contacts: `customer_id`, `contacted_on`, `arm`, `assignment_probability` (of the own arm), `list_id`.
    """
    chance, treated = pl.col("assignment_probability"), pl.col("arm").is_in(CONTACTED_ARMS)
    drawn = contacts.filter(pl.col("arm").is_in([str(arm) for arm in COMPARED]), chance > 0, chance < 1)
    return (
        drawn.select(
            "customer_id",
            "contacted_on",
            "list_id",
            treated=treated,
            propensity=pl.when(treated).then(chance).otherwise(1 - chance).round(_DIGITS),
        )
        .filter(pl.col("treated").n_unique().over("list_id", "propensity") > 1)
        .drop("list_id")
        .unique()
        .sort("customer_id", "contacted_on", "treated", "propensity")
    )


def policy(trial: pl.DataFrame, contact_cost: float, currency: str, seed: int) -> dict[str, Any]:
    """What contacting the people whom a night picked would have earned, against contacting nobody.

    Of those picked, people contacted are compared with people held out who had the same chance, and the
    interval holds what drawing them anew does not refuse, as lists are measured (`models.arms`).

    What redeemed offers cost beside the order, such as gifts, is not taken off: campaigns do not say it.

    Args:
        trial: rows of `TRIAL`, margin in minor units.
        contact_cost: of one contact, minor units.
        currency: reporting currency.
        seed: of the draws.

    Returns:
        `policy_people`, `policy_picked`; `policy_value` per person of the trial with its 90 % interval, None
        where too few of the picked are in one of the arms.
    """
    rows = trial.sort("customer_id", "contacted_on", "treated", "propensity")
    some = rows.filter("picked")
    counts = {"policy_people": rows.height, "policy_picked": some.height}
    nothing = dict.fromkeys(("policy_value", "policy_low", "policy_high"))
    treated = some["treated"].to_numpy()
    found = differences(
        {"margin": _numbers(some["margin"])},
        treated,
        cells([(chance, "") for chance in some["propensity"].round(_DIGITS)], treated),
        seed,
        persons=some["customer_id"].rank("dense").cast(pl.Int64).to_numpy(),
    )
    if not found or not math.isfinite(found["margin"].low + found["margin"].high):
        return {**counts, **nothing}
    one, share = found["margin"], some.height / rows.height / units(currency)
    bounds = (one.value, one.low, one.high)
    return {
        **counts,
        **{name: share * (bound - contact_cost) for name, bound in zip(nothing, bounds, strict=True)},
    }


def _with_outcome(said: pl.DataFrame, outcome: pl.DataFrame) -> pl.DataFrame:
    """People whom nobody contacted, with what they did."""
    return learnable(outcome).join(said, on="customer_id", how="inner").sort("customer_id")


def _months_seen(rows: pl.DataFrame, most: int) -> int:
    """Whole months after the night that everybody's margin is known of."""
    names = [margin_month(k) for k in range(1, most + 1)]
    known = [name in rows.columns and rows[name].null_count() == 0 for name in names]
    return (known.index(False) if False in known else most) if rows.height else 0


def _brought(rows: pl.DataFrame, currency: str) -> tuple[float | None, float | None]:
    """Return rate and margin per person in the outcome window."""
    weight = _numbers(rows["weight"])
    return (
        _mean(_numbers(rows["returned"]), weight),
        _mean(_numbers(rows["window_margin"]) / units(currency), weight),
    )


def _numbers(column: pl.Series) -> Array:
    return column.cast(pl.Float64).to_numpy()


def _mean(values: Array, weight: Array) -> float | None:
    total = float(weight.sum())
    return float((values * weight).sum() / total) if total > 0 else None


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
