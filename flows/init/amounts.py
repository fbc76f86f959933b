"""Which columns say what was paid, what it cost and how many units there were?"""

import polars as pl

from features.sources.cells import read_number
from flows.init.guesses import Guesses, quoted
from flows.init.names import named, plain

_READABLE = 0.95


def is_number(column: pl.Series, decimal: str) -> bool:
    """Whether nearly every cell that is given can be read as a number."""
    given = column.drop_nulls()
    if given.is_empty() or not (given.dtype.is_numeric() or given.dtype == pl.String):
        return False
    return float(read_number(given, decimal).unreadable.mean() or 0) <= 1 - _READABLE  # type: ignore[arg-type]


def guess_amount(rows: pl.DataFrame, numbers: set[str], decimal: str, found: Guesses) -> None:
    """Propose amount, units, cost and discount."""
    used: set[str] = set()
    # Order totals stand on every line of an order: units times price is safer where both are given.
    amounts = [c for c in named("net_amount", rows.columns) if c in numbers]
    quantities = [c for c in named("quantity", rows.columns) if c in numbers]
    prices = [c for c in named("unit_price", rows.columns) if c in numbers]
    line_amounts = [c for c in amounts if not _is_order_total(rows, c, found)]
    if quantities:
        found.add("quantity", quantities[0], "named like a number of units")
    if line_amounts:
        _add_amount(rows, line_amounts[0], decimal, found, used)
    elif quantities and prices:
        text = f"{quoted(quantities[0])} * {quoted(prices[0])}"
        found.add("net_amount", text, "there is no amount per line, so units times price")
        used |= {quantities[0], prices[0]}
        found.notes.append("Units times price leaves out discounts given on the whole order.")
    elif amounts:
        _add_amount(rows, amounts[0], decimal, found, used)
        found.notes.append(
            f"{amounts[0]} looks like the total of an order; check that it is not on every line."
        )
    _guess_margin(rows, numbers, decimal, found, used)
    text_numbers = sorted(c for c in used if rows[c].dtype == pl.String)
    if text_numbers:
        found.options["numbers"] = text_numbers


def _is_order_total(rows: pl.DataFrame, name: str, found: Guesses) -> bool:
    """Whether an amount is the same on, or missing from, the later lines of orders that have several."""
    order = found.columns.get("order_id")
    if order is None:
        return False
    several = rows.filter(pl.len().over(order) > 1)
    if several.is_empty():
        return False
    return bool(several.group_by(order).agg(pl.col(name).drop_nulls().n_unique() <= 1)[name].mean() == 1)


def _add_amount(rows: pl.DataFrame, name: str, decimal: str, found: Guesses, used: set[str]) -> None:
    if _looks_like_cents(rows[name], decimal):
        found.add("net_amount", f"{quoted(name)} / 100.0", "whole numbers, large ones: they look like cents")
        used.add(name)
        found.notes.append(f"If {name} is not in cents, write net_amount: {name}.")
        return
    found.add("net_amount", name, "named like an amount")


def _looks_like_cents(column: pl.Series, decimal: str) -> bool:
    values = read_number(column, decimal).values.drop_nulls()
    whole = bool((values == values.round()).all())
    named = "cent" in plain(str(column.name))
    uneven = float((values % 100 != 0).mean() or 0)  # type: ignore[arg-type]  # of flags
    return whole and (named or (float(values.abs().median() or 0) >= 1000 and uneven > 0.5))  # type: ignore[arg-type]


def _guess_margin(
    rows: pl.DataFrame, numbers: set[str], decimal: str, found: Guesses, used: set[str]
) -> None:
    amount = found.columns.get("net_amount")
    costs = [c for c in named("cost_amount", rows.columns) if c in numbers]
    profits = [c for c in named("profit", rows.columns) if c in numbers]
    discounts = [c for c in named("discount_amount", rows.columns) if c in numbers]
    if costs:
        found.add(
            "cost_amount", costs[0], "named like a cost; it should be of the whole line, not of one unit"
        )
    elif profits and amount in numbers and not _is_rate(rows[profits[0]], decimal):
        found.add("cost_amount", f"{quoted(amount)} - {quoted(profits[0])}", "amount less profit")
        used |= {amount, profits[0]}
    if discounts and not _is_rate(rows[discounts[0]], decimal):
        if _is_order_total(rows, discounts[0], found):
            found.notes.append(f"{discounts[0]} is of the whole order, not of a line, so it is left out.")
        else:
            found.add("discount_amount", discounts[0], "named like a discount in money")


def _is_rate(column: pl.Series, decimal: str) -> bool:
    values = read_number(column, decimal).values.drop_nulls()
    return bool(values.is_between(-1, 1).all()) and bool((values != 0).any())
