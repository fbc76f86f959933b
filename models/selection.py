"""Who is worth contacting, with which offer, and who below the cut is contacted to learn?

Strong profit potential = the value of winning the next purchase is above the configured threshold, and the
cautious EIP is above 0. Among these people and their offers the choice is `models.allocation`'s: the most
profit that budget, stock and capacity allow, counting contacted people only. While stock and capacity have
slack a bigger budget only adds people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from features.hashing import uniform
from features.money import exponent, units
from models.allocation import Allocation, allocate
from models.appraisal import Rules
from models.assignment import Arm, Selection, exploration_draw, is_control, is_universal
from models.choices import choices, in_hash_order
from models.contenders import by_merit, pays
from models.effects import Evidence
from models.eligibility import Reason, first_reason
from models.hull import NONE
from models.limits import FINE, Limits, fine_cost, limits
from models.options import ListOptions
from models.path import path
from models.profit import APPRAISALS, best

_EIP = pl.col("expected_incremental_profit")
_WORTH = pl.col("value_if_returned")


_OFFER = [name for name in APPRAISALS if name != "customer_id"]


@dataclass(frozen=True, slots=True)
class Selected:
    """Everyone, with what becomes of them, and how good the choice is.

    Attributes:
        people: one row per customer, sorted: `arm`, `selection` and `assignment_probability` (null for those
            not enrolled), `reason` for those, and the offer made.
        path: what other budgets would have bought (`models.path.PATH`).
        figures: profit of the people chosen for profit, the bound that no choice exceeds, the gap between
            them, and what one more unit of everything scarce is worth; major units.
    """

    people: pl.DataFrame
    path: pl.DataFrame
    figures: Mapping[str, Any]


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
        Reason.NOT_PROFITABLE: (pl.col("expected_incremental_profit_low") <= 0) | (_EIP <= 0),
    }
    return people.with_columns(cut=first_reason(holds))


def without_offer(people: pl.DataFrame) -> pl.DataFrame:
    """People with the reason `no_offer` where nothing else stands against them but none may be made to them.

    Args:
        people: `reason`, `offered`.
    """
    none = pl.col("reason").is_null() & ~pl.col("offered")
    return people.with_columns(
        reason=pl.when(none).then(pl.lit(str(Reason.NO_OFFER))).otherwise(pl.col("reason"))
    )


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


def select(people: pl.DataFrame, offers: pl.DataFrame, rules: Rules, day: date, list_id: str) -> Selected:
    """Choose people and offers, and assign arms.

    Args:
        people: one row per customer: `customer_id`, `person_id`, `reason` (null: eligible), `cut`,
            `value_if_returned`, and the appraisal of the best offer; one eligible row per person.
        offers: appraisals of the offers that may be made to each customer.
        rules: offers, limits, shares and salt.
        day: the day of the decision.
        list_id: the list.
    """
    options = rules.list
    main, explore = limits(options, rules.offers, rules.currency).split(options.explore_share)
    drawn = people.with_columns(held_share=_held_share(options)).with_columns(
        is_universal(options.universal_share, options.salt, day, options.universal_period),
        is_control(pl.col("held_share"), options.salt, list_id),
    )
    strong = drawn.filter(pl.all_horizontal(pl.col("reason", "cut").is_null()))
    selected, found = _chosen(strong, offers.filter(pays()), main, rules)
    walked, figures = found
    below = _with_plenty(drawn.join(selected, on="customer_id", how="anti"), offers, rules)
    tried = below.clear()
    if options.trial_control_share is not None and selected.height == strong.height:
        tried = _trial(below, main, main.left(selected.filter(_contacted())), rules)
    contacted = sum(int(some.select(_contacted().sum()).item()) for some in (selected, tried))
    untried = below.join(tried, on="customer_id", how="anti")
    explored = _explore(untried, explore, contacted, options, list_id)
    enrolled = pl.concat(
        [_assign(selected, options, Selection.PROFIT), _assign(tried, options, Selection.EXPLORE), explored]
    )
    left_out = pl.coalesce("reason", "cut", pl.lit(str(Reason.BEYOND_BUDGET)))
    rest = people.join(enrolled, on="customer_id", how="anti").with_columns(reason=left_out)
    there = people.drop(_OFFER).join(enrolled, on="customer_id")
    return Selected(pl.concat([there, rest], how="diagonal").sort("customer_id"), walked, figures)


def _chosen(
    people: pl.DataFrame, offers: pl.DataFrame, limits: Limits, rules: Rules
) -> tuple[pl.DataFrame, tuple[pl.DataFrame, dict[str, Any]]]:
    """Those of the people who are selected, with the offer they are made; the path, and the figures."""
    drawn = people.select("customer_id", contacted=_contacted())
    entries = in_hash_order(
        offers.select("customer_id", "offer_id", "expected_incremental_profit", "expected_cost").join(
            drawn, on="customer_id"
        ),
        rules.list.salt,
    )
    numbers = choices(entries, [offer.id for offer in rules.offers], rules.list.salt)
    found = allocate(numbers, limits.groups(rules.offers), limits.budget)
    taken = entries[found.entry[found.entry != NONE]].select("customer_id", "offer_id")
    made = offers.join(taken, on=["customer_id", "offer_id"], how="semi")
    selected = people.drop(_OFFER).join(made, on="customer_id", validate="1:1")
    return selected, (path(numbers, found, rules.currency), _figures(found, rules.currency))


def _trial(below: pl.DataFrame, whole: Limits, left: Limits, rules: Rules) -> pl.DataFrame:
    """People whom what is left is tried on: by the expected profit worth a contact, only not surely so.

    While effects are assumed all that is left: each contact is an experiment then. Once own contacts speak, a
    share of the whole, so that a few unlucky outcomes do not end all learning.
    Nobody is tried before everybody with strong potential is selected, and where nothing limits the list
    nothing is left: it is known then what there was to spend.
    """
    if left.budget is None and left.capacity is None:
        return below.clear()
    promising = below.filter(pl.col("reason").is_null() & _is_promising() & ~pl.col("is_universal"))
    if (promising["evidence"] != str(Evidence.ASSUMED)).any():
        left = left.at_most(whole.split(rules.list.trial_share)[1])
    return _chosen(promising, promising.select(APPRAISALS.names()), left, rules)[0]


def _is_promising() -> pl.Expr:
    return pl.col("cut").eq_missing(str(Reason.NOT_PROFITABLE)) & (_EIP > 0) & ~pl.col("harmful")


def _held_share(options: ListOptions) -> pl.Expr:
    """The share held out of people like each: more of those on whom an assumed effect is tried.

    It costs no money, and what the first contacts teach decides who is listed for months. Once own contacts
    speak, each person held out is one fewer to earn from, and teaches little that is not known.
    """
    usual = pl.lit(options.control_share)
    if options.trial_control_share is None:
        return usual
    first = _is_promising() & (pl.col("evidence") == str(Evidence.ASSUMED))
    return pl.when(first).then(pl.lit(options.trial_control_share)).otherwise(usual)


def _contacted() -> pl.Expr:
    return ~(pl.col("is_universal") | pl.col("is_control"))


def _figures(found: Allocation, currency: str) -> dict[str, Any]:
    """In units of the reporting currency; a price of 0 means that there was enough."""
    unit, digits = units(currency), exponent(currency)
    places = zip(found.groups, found.prices.places, strict=True)
    return {
        "expected_profit": round(found.profit / unit, digits),
        "bound": round(found.bound / unit, digits),
        "gap": round(found.gap, 6),
        "prices": {
            "money": round(found.prices.money * FINE, 6),
            **{group.name: round(float(price) / unit, digits) for group, price in places},
        },
    }


def _with_plenty(people: pl.DataFrame, offers: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """People with the best offer that is not scarce: what is scarce is not spent on learning."""
    scarce = [offer.id for offer in rules.offers if offer.stock is not None]
    if not scarce:
        return people
    plenty = offers.filter(~pl.col("offer_id").is_in(scarce))
    ranked = pl.concat([best(some, rules.list.salt) for some in by_merit(plenty)])
    first = ranked.unique("customer_id", keep="first", maintain_order=True)
    return people.drop(_OFFER).join(first, on="customer_id", validate="1:1")


def _assign(selected: pl.DataFrame, options: ListOptions, why: Selection) -> pl.DataFrame:
    universal, control = pl.col("is_universal"), pl.col("is_control")
    return selected.select(
        "customer_id",
        *_OFFER,
        arm=pl.when(universal)
        .then(pl.lit(str(Arm.UNIVERSAL)))
        .when(control)
        .then(pl.lit(str(Arm.CONTROL)))
        .otherwise(pl.lit(str(Arm.TREATMENT))),
        selection=pl.lit(str(why)),
        assignment_probability=pl.when(universal)
        .then(options.universal_share)
        .when(control)
        .then("held_share")
        .otherwise(1 - pl.col("held_share")),
    )


def _explore(
    below: pl.DataFrame, limits: Limits, contacted: int, options: ListOptions, list_id: str
) -> pl.DataFrame:
    """A simple random sample of eligible people below the cut, of positive value, whom it cannot harm.

    Neither people of the universal holdout nor those whom this list would hold out as controls are drawn:
    then a bigger budget turns nobody who is contacted into a control. The inclusion probability counts that
    in. Of a channel with less room than people drawn for it, the first of them stay.
    """
    pool = below.filter(
        pl.col("reason").is_null(),
        pl.col("cut").is_null() | (pl.col("cut") != Reason.HARMFUL),
        _WORTH > 0,
        ~pl.col("harmful"),
        _contacted(),
    )
    size = _sample_size(pool, limits, contacted * options.explore_share / (1 - options.explore_share))
    drawn = pool.sort(exploration_draw(options.salt, list_id), "customer_id").head(size)
    room = pl.col("channel").replace_strict(limits.channels, default=None, return_dtype=pl.Int64)
    kept = drawn.filter(room.is_null() | (pl.int_range(pl.len()).over("channel") < room))
    chance = pl.col("channel").replace_strict(
        _chances(pool, size, limits.channels), return_dtype=pl.Float64, default=None
    )
    return kept.select(
        "customer_id",
        *_OFFER,
        arm=pl.lit(str(Arm.EXPLORE)),
        selection=pl.lit(str(Selection.EXPLORE)),
        assignment_probability=(1 - pl.col("held_share")) * chance,
    )


def _chances(pool: pl.DataFrame, size: int, room: Mapping[str, int]) -> dict[str, float]:
    """Chance of a person of the pool to be in the sample, by channel.

    Of the `size` drawn from the pool a hypergeometric number M is of the channel; min(M, room) of them stay.
    """
    people: dict[str, int] = dict(pool["channel"].value_counts().iter_rows())
    chances = {}
    for channel, count in people.items():
        places = room.get(channel, size)
        if places >= min(size, count):
            chances[channel] = size / pool.height
        else:
            chances[channel] = _expected_kept(pool.height, count, size, places) / count
    return chances


def _expected_kept(pool: int, of_channel: int, drawn: int, room: int) -> float:
    """E[min(M, room)] = sum of P(M > m) for m below `room`."""
    import numpy as np
    from scipy.stats import hypergeom

    return float(hypergeom.sf(np.arange(room), pool, of_channel, drawn).sum())


def _sample_size(pool: pl.DataFrame, limits: Limits, wanted: float) -> int:
    """As many as wanted, as there are, and as the limits allow even if all cost as much as the dearest."""
    sizes = [round(wanted), pool.height]
    if limits.capacity is not None:
        sizes.append(limits.capacity)
    dearest = pool.select(fine_cost().max()).item()
    if limits.budget is not None and isinstance(dearest, int) and dearest > 0:
        sizes.append(limits.budget // dearest)
    return min(sizes)
