"""How far do tonight's features and scores lie from those that the model learned from?

At training a *profile* is made of the training frame: for each column its bins, how many rows fell into each,
and how far single training days lay from all of them together. It is kept with the model. A night counts its
own rows into the same bins, file by file (counts add up, so order and split of the rows do not matter), and
compares shares by the population stability index

    PSI = sum over bins of (now - then) * ln(now / then)

(Siddiqi 2006, *Credit Risk Scorecards*; customary reading: below 0.1 no change, 0.1 to 0.25 some, above 0.25
a real one). An empty bin counts as half a row of the smaller side, at least 0.0001, so that no share is zero.

Bare PSI cries wolf every night: on Online Retail II 42 of 154 features lie above 0.25 on an ordinary day,
because shops have seasons and grow. So a shift also has to be larger than is `usual`: than twice the largest
PSI of one training day against all of them, and than chance makes it (four features are left then: those that
need a year of history, on the day the shop has one). Without any change PSI is about (1/n + 1/m) times a
chi-squared variable with bins - 1 degrees of freedom (Yurdakul and Naranjo 2020, *Journal of Risk Model
Validation* 14); its 99.9 % quantile is taken. With fewer than three training days nobody knows what is usual,
and no shift is judged, nor a share of nulls. A column that held one value on each training day, and does
tonight (season, holidays), says which day it is, not that something moved: it has no PSI.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

Bins = npt.NDArray[np.int64]
Counts = dict[str, Bins]

# What a model says of a person; see `models.bundle.predict`.
SCORES = ("p0", "expected_margin", "value_if_returned", "value_if_not_returned")
_BINS = 10
_MOST_VALUES = 30
_LEAST_SHARE = 1e-4
_CHANCE = 0.999
# What is usual: so many times what training days differed, or so many standard errors.
_TIMES = 2.0
_ERRORS = 3.0
_FEWEST_DAYS = 3
_FILE = "profile.json"
_SCHEMA = 1

MOVED = pl.Schema(
    {
        "column": pl.String(),
        "psi": pl.Float64(),
        "usual_psi": pl.Float64(),
        "null_share": pl.Float64(),
        "null_share_learned": pl.Float64(),
        "usual_null_change": pl.Float64(),
    }
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the training frame.

    Attributes:
        edges: of a number: bins are (-inf, first], (first, second] ... (last, inf).
        values: of a category: one bin each, and one for all others; None for a number.
        counts: training rows per bin; the last bin holds the nulls.
        usual_psi: the largest PSI of one training day against all; None when there were too few days.
        usual_null_change: the largest difference of one training day's share of nulls from that of all; None
            when there were too few days.
        of_the_day: whether each training day held one value only.
    """

    edges: tuple[float, ...]
    values: tuple[str, ...] | None
    counts: tuple[int, ...]
    usual_psi: float | None = None
    usual_null_change: float | None = None
    of_the_day: bool = False

    def count(self, column: pl.Series) -> Bins:
        """Rows per bin."""
        return np.bincount(self.bins(column), minlength=self.size)

    def bins(self, column: pl.Series) -> npt.NDArray[np.integer[Any]]:
        """The bin of each row."""
        if self.values is not None:
            places = {value: place for place, value in enumerate(self.values)}
            other = len(places)
            found = column.cast(pl.String).replace_strict(places, default=other, return_dtype=pl.Int64)
            return np.where(column.is_null().to_numpy(), other + 1, found.to_numpy())
        number = _finite(column)
        place = np.zeros(len(number), dtype=np.uint8)
        for edge in self.edges:  # a few dozen at most: faster than a search for each row
            place += number > edge
        place[np.isnan(number)] = self.size - 1
        return place

    @property
    def size(self) -> int:
        """How many bins there are, that of the nulls included."""
        return (len(self.edges) if self.values is None else len(self.values)) + 2


@dataclass(frozen=True, slots=True)
class Profile:
    """The columns of a training frame, by name."""

    columns: Mapping[str, Column]

    @classmethod
    def of(cls, rows: pl.DataFrame, names: Sequence[str]) -> Self:
        """The profile of some columns.

        Args:
            rows: training rows of all customers, contacted ones too, in any order, with `as_of`.
            names: numeric, Boolean and categorical columns.
        """
        _, day = np.unique(rows["as_of"].to_physical().to_numpy(), return_inverse=True)
        return cls({name: _profiled(rows[name], day) for name in names})

    def count(self, rows: pl.DataFrame) -> Counts:
        """Rows per bin of each column; see `total`."""
        return {name: column.count(rows[name]) for name, column in self.columns.items()}

    def to_json(self) -> dict[str, Any]:
        """The profile as JSON values."""
        return {name: {key: getattr(column, key) for key in _KEYS} for name, column in self.columns.items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The profile that `to_json` wrote."""
        return cls({name: _column(kept) for name, kept in content.items()})


_KEYS = tuple(Column.__dataclass_fields__)
_LISTED = ("edges", "values", "counts")


@dataclass(frozen=True, slots=True)
class Learned:
    """What a model learned from, as it is kept beside the model: features, and the scores it gave them."""

    features: Profile
    scores: Profile

    @classmethod
    def of(cls, rows: pl.DataFrame, names: Sequence[str], predictions: pl.DataFrame) -> Self:
        """What to keep of a training.

        Args:
            rows: the training frame, contacted people too, since a night scores them as well.
            names: features that the model reads.
            predictions: what the model says of these rows, or of a sample (`models.bundle.predict`).
        """
        return cls(Profile.of(rows, names), Profile.of(predictions, SCORES))

    def save(self, folder: Path) -> None:
        """Write one file into the model's folder."""
        content = {
            "schema": _SCHEMA,
            "features": self.features.to_json(),
            "scores": self.scores.to_json(),
        }
        text = json.dumps(content, sort_keys=True, allow_nan=False, ensure_ascii=False)
        (folder / _FILE).write_text(f"{text}\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """What `save` wrote; None for a model that was saved without, or by another version."""
        file = folder / _FILE
        content = json.loads(file.read_text("utf-8")) if file.is_file() else {}
        if content.get("schema") != _SCHEMA:
            return None
        return cls(Profile.from_json(content["features"]), Profile.from_json(content["scores"]))


def total(counted: Iterable[Counts]) -> Counts:
    """The counts of all parts together."""
    summed: Counts = {}
    for part in counted:
        summed = {name: bins + summed.get(name, 0) for name, bins in part.items()}
    return summed


def moved(profile: Profile, counts: Counts) -> pl.DataFrame:
    """How far each column has moved (`MOVED`), furthest first.

    `psi` is null for a column that only says which day it is. `usual_psi` and `usual_null_change` are what a
    difference must be larger than to mean anything; null: unknown, so nothing does.
    """
    rows = [{"column": name, **_moved(column, counts[name])} for name, column in profile.columns.items()]
    return pl.DataFrame(rows, schema=MOVED).sort("psi", "column", descending=[True, False], nulls_last=True)


def psi(now: Bins, then: Bins) -> float:
    """Population stability index of two counts over the same bins; 0 when one of them is empty."""
    rows = min(now.sum(), then.sum())
    if rows == 0:
        return 0.0
    least = max(_LEAST_SHARE, 0.5 / rows)
    new, old = (np.maximum(counts / counts.sum(), least) for counts in (now, then))
    return float(((new - old) * np.log(new / old)).sum())


def chance_psi(now: Bins, then: Bins) -> float:
    """The PSI that chance alone stays below 999 times in 1,000."""
    from scipy.special import chdtri

    used = int(np.count_nonzero(now + then))
    if used < 2 or not now.sum() or not then.sum():
        return 0.0
    return float((1 / now.sum() + 1 / then.sum()) * chdtri(used - 1, 1 - _CHANCE))


def _moved(column: Column, now: Bins) -> dict[str, float | None]:
    then = np.array(column.counts, dtype=np.int64)
    share, learned = _null_share(now), _null_share(then)
    still_of_the_day = column.of_the_day and np.count_nonzero(now) <= 1
    noise = _ERRORS * float(np.sqrt(learned * (1 - learned) * (1 / max(now.sum(), 1) + 1 / then.sum())))
    usual = None if column.usual_psi is None else max(_TIMES * column.usual_psi, chance_psi(now, then))
    nulls = None if column.usual_null_change is None else max(_TIMES * column.usual_null_change, noise)
    return {
        "psi": None if still_of_the_day else psi(now, then),
        "usual_psi": usual,
        "null_share": share,
        "null_share_learned": learned,
        "usual_null_change": nulls,
    }


def _profiled(column: pl.Series, day: npt.NDArray[np.int64]) -> Column:
    bare = _bare(column)
    days = int(day.max(initial=0)) + 1
    by_day = np.bincount(day * bare.size + bare.bins(column), minlength=days * bare.size).reshape(days, -1)
    everything = by_day.sum(axis=0)
    shares = [abs(_null_share(one) - _null_share(everything)) for one in by_day]
    return Column(
        bare.edges,
        bare.values,
        tuple(everything.tolist()),
        usual_psi=max(psi(one, everything) for one in by_day) if days >= _FEWEST_DAYS else None,
        usual_null_change=max(shares) if days >= _FEWEST_DAYS else None,
        of_the_day=bool((np.count_nonzero(by_day, axis=1) <= 1).all()) and _of_the_day(column, day),
    )


def _bare(column: pl.Series) -> Column:
    """The bins of a column: its tenths, or its most frequent values."""
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        number = _finite(column)
        return Column(_edges(number[~np.isnan(number)]), None, ())
    counts = column.cast(pl.String).drop_nulls().value_counts()
    most = counts.sort("count", column.name, descending=[True, False]).head(_MOST_VALUES)
    return Column((), tuple(most[column.name].sort()), ())


def _edges(numbers: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Tenths; a value that holds a whole tenth or more (many zeros) gets a bin of its own."""
    if not len(numbers):
        return ()
    tenths = np.quantile(numbers, np.linspace(0, 1, _BINS + 1), method="inverted_cdf")
    heavy = tenths[1:][tenths[1:] == tenths[:-1]]
    edges = np.concatenate([tenths[1:-1], heavy, np.nextafter(heavy, -np.inf)])
    return tuple(np.unique(edges).tolist())


def _of_the_day(column: pl.Series, day: npt.NDArray[np.int64]) -> bool:
    seen = pl.DataFrame({"day": day, "value": column}).group_by("day").agg(pl.col("value").n_unique())
    return bool((seen["value"] == 1).all())


def _finite(column: pl.Series) -> npt.NDArray[np.float64]:
    """Numbers as the model reads them: what is not finite is unknown."""
    number = column.cast(pl.Float64).to_numpy(writable=True)
    number[np.isinf(number)] = np.nan
    return number


def _null_share(counts: Bins) -> float:
    return float(counts[-1] / counts.sum()) if counts.sum() else 0.0


def _column(kept: Mapping[str, Any]) -> Column:
    tuples = {name: None if kept[name] is None else tuple(kept[name]) for name in _LISTED}
    return Column(**{**kept, **tuples})
