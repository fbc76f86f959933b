"""Which columns the model reads, with which types and categories, and a frame in exactly that shape.

The contract is made once, from the frame a model learns from, and kept in the model: a later frame must have
every column of it, and more of them change nothing; a category that the model never saw becomes null
(unknown), never a guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import polars as pl

from features.contracts import did_you_mean
from features.errors import DataRefused
from features.labels import DAYS_TO_RETURN, margin_month
from features.table import FACTS, KEYS

LABELS = ("returned", "in_gap", "contacted", "weight", "window_margin", DAYS_TO_RETURN)
_MONTHS = margin_month(0).rstrip("0")
_MOST_CATEGORIES = 64
_SEASON_DAYS = 548


@dataclass(frozen=True, slots=True)
class FeatureContract:
    """The columns a model reads, in order.

    Attributes:
        numbers: numeric and Boolean features; read as Float32, what is not finite becomes null.
        categories: categorical feature: its known values, in order.
        ignored: features that were there at training but say nothing yet; they may be there or not.
    """

    numbers: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    ignored: tuple[str, ...] = ()

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Self:
        """Every feature of a feature frame or training frame, by its type.

        A String column becomes a category with its most frequent values; dates, keys, labels and facts are
        left out. Features of the day itself (the season) are ignored until the days span a year and a half:
        before that a season cannot be told from a trend, and the model would carry the trend on. A category
        that nobody has a value of is ignored too.
        """
        schema = {name: dtype for name, dtype in frame.schema.items() if is_feature(name)}
        numbers = [name for name in sorted(schema) if is_number(schema[name])]
        words = {n: _vocabulary(frame[n]) for n in sorted(schema) if is_category(schema[n])}
        ignored = _of_the_day(frame, numbers) if _span_days(frame) < _SEASON_DAYS else []
        ignored += [name for name, values in words.items() if not values]
        return cls(
            numbers=tuple(name for name in numbers if name not in ignored),
            categories={name: values for name, values in words.items() if values},
            ignored=tuple(ignored),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """All columns in the order of the matrix."""
        return (*self.numbers, *self.categories)

    def to_json(self) -> dict[str, Any]:
        """The contract as JSON values."""
        categories = {name: list(values) for name, values in self.categories.items()}
        return {"numbers": list(self.numbers), "categories": categories, "ignored": list(self.ignored)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The contract that `to_json` wrote."""
        categories = {name: tuple(values) for name, values in content["categories"].items()}
        return cls(tuple(content["numbers"]), categories, tuple(content["ignored"]))


def to_matrix(frame: pl.DataFrame, contract: FeatureContract) -> pl.DataFrame:
    """The features of a frame in the shape the model was made for; the order of rows is kept.

    Raises:
        DataRefused: naming the columns that are missing or hold another type, and beside them those that were
            not there at training. These alone are left out: a shop's first list brings features of contacts.
    """
    faults, hint = _faults(frame, contract)
    if faults:
        raise DataRefused(
            f"The features do not fit the model: {'; '.join(faults)}.{hint} Train again, or build the "
            "features with the version that the model was trained with."
        )
    numbers = [pl.col(name).cast(pl.Float32) for name in contract.numbers]
    return frame.select(
        *(pl.when(number.is_finite()).then(number) for number in numbers),
        *(
            pl.col(name).cast(pl.String).cast(pl.Enum(values), strict=False)
            for name, values in contract.categories.items()
        ),
    )


def _faults(frame: pl.DataFrame, contract: FeatureContract) -> tuple[list[str], str]:
    schema = frame.schema  # which Polars makes anew each time it is asked
    missing = [name for name in contract.names if name not in schema]
    known = (*contract.names, *contract.ignored)
    extra = [n for n, d in schema.items() if is_feature(n) and _is_readable(d) and n not in known]
    wrong = [n for n in contract.numbers if n in schema and not is_number(schema[n])]
    wrong += [n for n in contract.categories if n in schema and not is_category(schema[n])]
    if not missing and not wrong:
        return [], ""
    found = {"missing": missing, "unknown to the model": extra, "of another type": wrong}
    faults = [f"{len(names)} {what}: {', '.join(sorted(names))}" for what, names in found.items() if names]
    return faults, did_you_mean(missing, extra)


def _of_the_day(frame: pl.DataFrame, names: list[str]) -> list[str]:
    """Features that hold one value on each day, and not the same on all days."""
    differing = frame.select(pl.col(names).n_unique()).row(0, named=True)
    daily = (
        frame.group_by("as_of").agg(pl.col(names).n_unique()).select(pl.col(names).max()).row(0, named=True)
    )
    return [name for name in names if daily[name] == 1 < differing[name]]


def _span_days(frame: pl.DataFrame) -> int:
    days = frame["as_of"]
    return (days.max() - days.min()).days if len(frame) else 0  # type: ignore[operator,union-attr]  # dates


def is_feature(name: str) -> bool:
    """Whether a column of a training frame is a feature, by its name."""
    return name not in (*KEYS, *LABELS, *FACTS, "fold") and not name.startswith(_MONTHS)


def _is_readable(dtype: pl.DataType) -> bool:
    return is_number(dtype) or is_category(dtype)


def is_number(dtype: pl.DataType) -> bool:
    """Whether a model reads a column of this type as a number."""
    return dtype.is_numeric() or dtype == pl.Boolean


def is_category(dtype: pl.DataType) -> bool:
    """Whether a model reads a column of this type as words."""
    return dtype in (pl.String, pl.Categorical, pl.Enum)


def _vocabulary(column: pl.Series) -> tuple[str, ...]:
    if isinstance(column.dtype, pl.Enum):
        return tuple(column.dtype.categories)
    counts = (
        column.cast(pl.String)
        .drop_nulls()
        .value_counts()
        .sort(["count", column.name], descending=[True, False])
    )
    return tuple(sorted(counts[column.name].head(_MOST_CATEGORIES)))
