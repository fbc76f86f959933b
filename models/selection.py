"""Who is worth contacting, how many of them can be, and who below the cut is contacted to learn?

Strong profit potential = the value of winning the next purchase is above the configured threshold, and the
cautious EIP is above 0. The chosen are the longest head of the ranking by EIP that budget and capacity
allow, counting contacted people only; so a bigger budget only adds people.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from features.hashing import uniform
from features.money import units
from models.assignment import Arm, Selection, exploration_draw, is_control, is_universal
from models.eligibility import Reason, first_reason
from models.options import ListOptions

# Costs are summed as integers, thousandths of a minor unit: a contact may cost a fraction of a cent.
FINE = 1000

_EIP = pl.col("expected_incremental_profit")
_WORTH = pl.col("value_if_returned")


@dataclass(frozen=True, slots=True)
class Limits:
    """What contacting may take in all: fine units of money and people; None is without limit."""

    budget: int | None
    capacity: int | None

    def split(self, share: float) -> tuple["Limits", "Limits"]:
        """The part for the ranking and the part (a share, rounded down) for exploration; both only grow."""
        explore = Limits(
            *(None if limit is None else int(limit * share) for limit in (self.budget, self.capacity))
        )
        rest = Limits(
            None if self.budget is None or explore.budget is None else self.budget - explore.budget,
            None if self.capacity is None or explore.capacity is None else self.capacity - explore.capacity,
        )
        return rest, explore


def limits(options: ListOptions, currency: str) -> Limits:
    """The configured limits."""
    if options.budget is None:
        return Limits(None, options.capacity)
    return Limits(round(options.budget * units(currency) * FINE), options.capacity)


def fine_cost(column: str = "expected_cost") -> pl.Expr:
    """Minor units to fine units, rounded up, so that a budget is never overdrawn by rounding."""
    return (pl.col(column) * FINE).round(3).ceil().cast(pl.Int64).alias("fine_cost")


def with_potential(people: pl.DataFrame, options: ListOptions, currency: str) -> pl.DataFrame:
    """Add what stands against contacting people for profit: `cut`, a `Reason`, or null for strong potential.

    Args:
        people: everyone scored: `value_if_returned`, `expected_incremental_profit_low`, `harmful`.
        options: the thresholds.
        currency: reporting currency.
    """
    least = max(options.min_value, 0.0) * units(currency)
    low = least >= _WORTH
    if options.top_value_share < 1:
        kept = round(people.height * options.top_value_share)
        ranked = people["value_if_returned"].sort(descending=True)
        low = low | (ranked[kept - 1] > _WORTH) if kept else pl.lit(value=True)
    holds = {
        Reason.BELOW_VALUE: low,
        Reason.HARMFUL: pl.col("harmful"),
        Reason.NOT_PROFITABLE: pl.col("expected_incremental_profit_low") <= 0,
    }
    return people.with_columns(cut=first_reason(holds))


def one_per_person(people: pl.DataFrame, salt: str) -> pl.DataFrame:
    """Keep the id with strong potential and the best EIP of each person; the others get `same_person`.

    Args:
        people: `customer_id`, `person_id`, `reason`, `cut`, `expected_incremental_profit`.
        salt: the salt of the draws, which decides between equals.
    """
    order = people.filter(pl.col("reason").is_null()).sort(
        pl.col("cut").is_not_null(), -_EIP, uniform("customer_id", f"{salt}|id"), "customer_id"
    )
    keepers = order.unique("person_id", keep="first", maintain_order=True)["customer_id"]
    other = pl.col("reason").is_null() & ~pl.col("customer_id").is_in(keepers.implode())
    return people.with_columns(
        reason=pl.when(other).then(pl.lit(str(Reason.SAME_PERSON))).otherwise(pl.col("reason"))
    )


def select(
    people: pl.DataFrame, options: ListOptions, currency: str, day: date, list_id: str
) -> pl.DataFrame:
    """Choose and assign.

    Args:
        people: one row per customer: `customer_id`, `person_id`, `reason` (null: eligible), `cut`,
            `expected_incremental_profit`, `expected_cost`, `value_if_returned`; one eligible row per person.
        options: limits, shares and salt.
        currency: reporting currency.
        day: the day of the decision.
        list_id: the list.

    Returns:
        `people` with `arm`, `selection` and `assignment_probability` (null for those not enrolled), and
        `reason` set for everyone who is not enrolled. Sorted by customer.
    """
    main, explore = limits(options, currency).split(options.explore_share)
    drawn = people.with_columns(
        is_universal(options.universal_share, options.salt, day, options.universal_period),
        is_control(options.control_share, options.salt, list_id),
        fine_cost(),
    )
    selected = _head(drawn.filter(pl.all_horizontal(pl.col("reason", "cut").is_null())), main, options.salt)
    contacted = int((~(selected["is_universal"] | selected["is_control"])).sum())
    below = drawn.join(selected, on="customer_id", how="anti")
    explored = _explore(below, explore, contacted, options, list_id)
    enrolled = pl.concat([_assign(selected, options), explored])
    left_out = pl.coalesce("reason", "cut", pl.lit(str(Reason.BEYOND_BUDGET)))
    return (
        people.join(enrolled, on="customer_id", how="left")
        .with_columns(reason=pl.when(pl.col("arm").is_null()).then(left_out))
        .sort("customer_id")
    )


def _head(candidates: pl.DataFrame, limits: Limits, salt: str) -> pl.DataFrame:
    """The head of the ranking that fits.

    Whether a person still fits is asked as though they were contacted, so being selected does not depend on
    the own draw, and the probabilities of the arms stay what they are said to be.
    """
    ranked = candidates.sort(-_EIP, uniform("person_id", f"{salt}|rank"), "customer_id")
    contacted = (~(pl.col("is_universal") | pl.col("is_control"))).cast(pl.Int64)
    cost = contacted * pl.col("fine_cost")
    fits = pl.col("fine_cost").is_not_null()
    if limits.capacity is not None:
        fits = fits & (contacted.cum_sum() - contacted + 1 <= limits.capacity)
    if limits.budget is not None:
        fits = fits & (cost.cum_sum() - cost + pl.col("fine_cost") <= limits.budget)
    return ranked.filter(fits.cast(pl.UInt8).cum_min() == 1)


def _assign(selected: pl.DataFrame, options: ListOptions) -> pl.DataFrame:
    universal, control = pl.col("is_universal"), pl.col("is_control")
    return selected.select(
        "customer_id",
        arm=pl.when(universal)
        .then(pl.lit(str(Arm.UNIVERSAL)))
        .when(control)
        .then(pl.lit(str(Arm.CONTROL)))
        .otherwise(pl.lit(str(Arm.TREATMENT))),
        selection=pl.lit(str(Selection.PROFIT)),
        assignment_probability=pl.when(universal)
        .then(options.universal_share)
        .when(control)
        .then(options.control_share)
        .otherwise(1 - options.control_share),
    )


def _explore(
    below: pl.DataFrame, limits: Limits, contacted: int, options: ListOptions, list_id: str
) -> pl.DataFrame:
    """A simple random sample of eligible people below the cut, of positive value, whom it cannot harm.

    Neither people of the universal holdout nor those whom this list would hold out as controls are drawn:
    then a bigger budget turns nobody who is contacted into a control. The inclusion probability counts that
    in.
    """
    pool = below.filter(
        pl.col("reason").is_null(),
        pl.col("cut").is_null() | (pl.col("cut") != Reason.HARMFUL),
        _WORTH > 0,
        ~pl.col("harmful"),
        ~pl.col("is_universal"),
        ~pl.col("is_control"),
    )
    size = _sample_size(pool, limits, contacted * options.explore_share / (1 - options.explore_share))
    drawn = pool.sort(exploration_draw(options.salt, list_id), "customer_id").head(size)
    return drawn.select(
        "customer_id",
        arm=pl.lit(str(Arm.EXPLORE)),
        selection=pl.lit(str(Selection.EXPLORE)),
        assignment_probability=pl.lit((1 - options.control_share) * size / max(pool.height, 1)),
    )


def _sample_size(pool: pl.DataFrame, limits: Limits, wanted: float) -> int:
    """As many as wanted, as there are, and as the limits allow even if all cost as much as the dearest."""
    sizes = [round(wanted), pool.height]
    if limits.capacity is not None:
        sizes.append(limits.capacity)
    dearest = pool["fine_cost"].max()
    if limits.budget is not None and isinstance(dearest, int) and dearest > 0:
        sizes.append(limits.budget // dearest)
    return min(sizes)
