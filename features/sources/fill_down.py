"""What does a blank cell mean that an export writes only on the first line of an order?"""

from collections.abc import Iterable, Iterator

import polars as pl

from features.options import FillDown
from features.sources.cells import tidy


def fill_down(chunks: Iterable[pl.DataFrame], rule: FillDown) -> Iterator[pl.DataFrame]:
    """Carry cells down within consecutive rows that name the same order, over the ends of chunks too.

    Rows with a fault are passed over: they neither end an order nor take or give a value.
    """
    names = [rule.by, *(name for name in rule.columns if name != rule.by)]
    carried: pl.DataFrame | None = None
    for chunk in chunks:
        sound = chunk["fault"].is_null()
        rows = chunk.filter(sound).select(tidy(chunk.filter(sound)[name]) for name in names)
        start = 0 if carried is None else len(carried)
        joined = rows if carried is None else pl.concat([carried, rows], how="vertical_relaxed")
        filled = _filled(joined, rule.by)
        carried = filled.tail(1)
        yield _replaced(chunk, sound, filled[start:], names)


def _filled(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    order = pl.col(by).ne_missing(pl.col(by).shift()).cum_sum()
    return rows.with_columns(
        pl.when(pl.col(by).is_null()).then(pl.col(name)).otherwise(pl.col(name).forward_fill().over(order))
        for name in rows.columns
    )


def _replaced(chunk: pl.DataFrame, sound: pl.Series, filled: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    places = sound.arg_true()
    return chunk.with_columns(
        chunk[name].cast(filled[name].dtype).scatter(places, filled[name]) for name in names
    )
