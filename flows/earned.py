"""What measurements say, in plain words: without anybody's name, and with what makes them doubtful."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from models.measurement import WHOLE
from models.observed import NET_MARGIN, NET_PROFIT, RETURN_RATE
from models.soundness import UNLIKELY


def sentences(measurements: pl.DataFrame, lifetimes: pl.DataFrame, currency: str) -> Iterator[str]:
    """What the rows of one list say.

    Args:
        measurements: rows of `models.measurement.MEASUREMENTS` of one list.
        lifetimes: rows of `models.over_time.SECOND_LIFETIMES` of the same list.
        currency: reporting currency.
    """
    rows = _by_outcome(measurements.filter(pl.col("by") == WHOLE))
    profit, rate = rows[NET_PROFIT], rows[RETURN_RATE]
    name = f"The list of {profit['as_of']}: {profit['verdict']}."
    if profit["difference"] is None:
        yield (
            f"{name} It takes people of both kinds to measure; {profit['treated']:,} were to be contacted, "
            f"{profit['controls']:,} were held out."
        )
        return
    yield (
        f"{name} After all costs contacting brought {profit['difference']:,.2f} {currency} per person "
        f"({_interval(profit)}), {profit['total']:,.2f} {currency} over "
        f"the {profit['treated']:,} people contacted."
    )
    yield (
        f"From {profit['counted_from']} to {profit['counted_until']} {rate['treated_mean']:.1%} of them "
        f"bought again, and {rate['control_mean']:.1%} of the {rate['controls']:,} people held out. With "
        f"{profit['treated'] + profit['controls']:,} people you can see a lift of "
        f"{profit['smallest_lift_points']:.1f} points."
    )
    yield from _doubts(profit)
    longest = lifetimes.filter(pl.col("days") == pl.col("days").max())
    if longest.height and longest["counted_until"].max() != profit["counted_until"]:
        yield _lifetime(_by_outcome(longest), currency)


def over_all(cumulative: pl.DataFrame, currency: str) -> str:
    """What all lists together say, from rows of `models.over_time.CUMULATIVE`."""
    profit = _by_outcome(cumulative)[NET_PROFIT]
    name = f"All {profit['lists']} lists together: {profit['verdict']}."
    if profit["difference"] is None:
        return name
    return (
        f"{name} After all costs contacting brought {profit['difference']:,.2f} {currency} per enrolment "
        f"({_interval(profit)}), {profit['total']:,.2f} {currency} in all."
    )


def _lifetime(rows: Mapping[str, Mapping[str, Any]], currency: str) -> str:
    margin, rate = rows[NET_MARGIN], rows[RETURN_RATE]
    return (
        f"In the first {margin['days']} days it is {margin['difference']:,.2f} {currency} of margin per "
        f"person ({_interval(margin)}); {rate['treated_mean']:.1%} and {rate['control_mean']:.1%} bought "
        "again."
    )


def _interval(row: Mapping[str, Any]) -> str:
    if row["low"] is None or row["high"] is None:
        return "too few people for an interval"
    return f"90 % interval {row['low']:,.2f} to {row['high']:,.2f}"


def _doubts(row: Mapping[str, Any]) -> Iterator[str]:
    people = row["treated"] + row["controls"]
    drawn = f"{row['control_share_drawn']:.1%}"
    split = f"{row['controls']:,} of {people:,} people were held out where {drawn} were to be"
    if row["split_p_value"] < UNLIKELY:
        yield (
            f"Do not trust this: {split}, which the draw alone would hardly ever give "
            f"(p = {row['split_p_value']:.2g}). Look for what takes people out of one arm."
        )
    else:
        yield f"The split is as drawn: {split}."
    if row["in_two_arms"]:
        yield (
            f"{row['in_two_arms']:,} of them were in two arms, to be contacted in one enrolment and held out "
            "in another, which hides part of the effect. Join the ids of one person (identities)."
        )
    if row["in_two_enrolments"]:
        yield (
            f"{row['in_two_enrolments']:,} of them were in another open enrolment at the same time, which "
            "blurs the comparison."
        )
    if row["controls_contacted"]:
        yield (
            f"{row['controls_contacted']:,} of the {row['controls']:,} people held out were contacted all "
            "the same, says the contacts table, which hides part of the effect. Keep holdout.parquet out of "
            "other tools."
        )


def _by_outcome(rows: pl.DataFrame) -> dict[str, dict[str, Any]]:
    return {row["outcome"]: row for row in rows.iter_rows(named=True)}
