"""Evidence B, by person: who answers a contact more than others of the same stage and tier?

People of one cell differ from its shift by `z . b`, z their traits (`Scale`) and `b ~ Normal(0, t^2 / K)`
for K traits, so that t is by how much people differ. t has a half-t prior and is integrated over its
likelihood on a grid, as the spread of cells is: where people are not seen to differ, the slopes all but
vanish, and with no contacts what comes out is the cell's shift.

The slopes come from a score that the draw protects. With T who was contacted, e how probable that was, y
who came back and m who was expected to, it is the sum of `(T - e) (y - m - (T - e) m (1 - m) shift) z`. As
e is known, a wrong m costs precision, never truth (Robinson 1988, Econometrica 56; Nie and Wager 2021,
Biometrika 108). Shifts are small, so that one step from the cell's is enough.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.effects import Shift
from models.log_odds import expit, logit
from models.matrix import is_category, is_number
from models.metrics import Array
from models.uplift.contacts import propensity

# People farther out count as if they stood here, in spreads: nobody is answered for by a straight line alone.
_FARTHEST = 3.0
_MOST_WORDS = 8
_STEPS = 20
_RIDGE = 1e-6
# Nobody is expected to come back more surely, or less.
_LEAST = 1e-4
_CLOSE = 1e-6
P0 = "p0"


@dataclass(frozen=True, slots=True)
class Scale:
    """Traits as numbers around 0, of spread 1.

    Attributes:
        numbers: numeric trait: middle and spread of its signed logarithm (of `p0`, of its log-odds).
        words: categorical trait: its most frequent values, and their shares.
    """

    numbers: Mapping[str, tuple[float, float]]
    words: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, rows: pl.DataFrame, traits: Sequence[str]) -> Self:
        """From the contacts; a trait that they lack, or that does not differ, is left out.

        Names are in order, as JSON keeps them: the slopes go by place.
        """
        there = sorted(name for name in {*traits} if name in rows.columns)
        found = {name: _spread(_number(rows[name])) for name in there if is_number(rows.schema[name])}
        told = {name: _shares(rows[name]) for name in there if is_category(rows.schema[name])}
        return cls(
            {name: one for name, one in found.items() if one[1] > _RIDGE},
            {name: shares for name, shares in told.items() if _variance(shares) > _RIDGE},
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The traits."""
        return (*self.numbers, *self.words)

    @property
    def labels(self) -> tuple[str, ...]:
        """What each column of `of_people` says."""
        return (*self.numbers, *(f"{name} {word}" for name, shares in self.words.items() for word in shares))

    def of_people(self, people: pl.DataFrame) -> Array:
        """One row per person, one column per label; NaN where it is not known."""
        columns = [*self._numbers(people), *self._words(people)]
        return np.clip(np.stack(columns, axis=1), -_FARTHEST, _FARTHEST)

    def _numbers(self, people: pl.DataFrame) -> Iterator[Array]:
        for name, (middle, spread) in self.numbers.items():
            there = name in people.columns
            yield (_number(people[name]) - middle) / spread if there else np.full(people.height, np.nan)

    def _words(self, people: pl.DataFrame) -> Iterator[Array]:
        for name, shares in self.words.items():
            unknown = pl.Series([None] * people.height, dtype=pl.String)
            own = people[name].cast(pl.String) if name in people.columns else unknown
            for word, share in shares.items():
                is_it = (own == word).cast(pl.Float64).fill_null(float("nan")).to_numpy()
                yield (is_it - share) / _variance(shares) ** 0.5


@dataclass(frozen=True, slots=True)
class Slopes:
    """How the shift of an offer differs with traits.

    Attributes:
        scale: how traits become numbers.
        middle: cell: what is known of its contacts' traits, on average; its shift holds there.
        usual: the same of all contacts, for cells that none was in.
        mean: slope of each label.
        variance: of the slopes, their covariances beside it.
        spread: by how much the shifts of contacts of one cell differ, log-odds.
    """

    scale: Scale
    middle: Mapping[str, tuple[float, ...]]
    usual: tuple[float, ...]
    mean: tuple[float, ...]
    variance: tuple[tuple[float, ...], ...]
    spread: float

    def around(self, shift: Shift, people: pl.DataFrame, cells: pl.Series) -> Shift:
        """The shift of each person.

        Args:
            shift: of each person's cell.
            people: the traits, where they are known.
            cells: the cell of each person.
        """
        names, place = np.unique(cells.to_numpy(), return_inverse=True)
        middle = np.array([self.middle.get(name, self.usual) for name in names]).reshape(-1, len(self.mean))
        z = _known(self.scale.of_people(people) - middle[place])
        more = np.einsum("ik,k->i", z, np.array(self.mean))
        # Of a covariance rounding may make a variance of -1e-20.
        doubt = np.maximum(np.einsum("ik,kl,il->i", z, np.array(self.variance), z), 0)
        return Shift(shift.mu + more, np.sqrt(shift.sd**2 + doubt))

    @property
    def sentence(self) -> str:
        """For people: by how much shifts differ, and along which label most surely.

        Only what holds at 90 % though the surest of so many labels was looked for (Bonferroni).
        """
        sure = np.abs(self.mean) / np.sqrt(np.diag(np.array(self.variance)))
        place = int(np.argmax(sure))
        if sure[place] < NormalDist().inv_cdf(1 - 0.05 / len(sure)):
            return "Within a stage and tier nobody is seen to answer more than others"
        label = self.scale.labels[place]
        who = f"a higher {label}" if label in self.scale.numbers else label
        more = "more" if self.mean[place] > 0 else "less"
        return f"Within a stage and tier shifts differ by {self.spread:.2f}; people with {who} answer {more}"

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        scale = content["scale"]
        return cls(
            Scale({name: (one[0], one[1]) for name, one in scale["numbers"].items()}, scale["words"]),
            {name: tuple(one) for name, one in content["middle"].items()},
            tuple(content["usual"]),
            tuple(content["mean"]),
            tuple(tuple(row) for row in content["variance"]),
            content["spread"],
        )


@dataclass(frozen=True, slots=True)
class Spreads:
    """What is believed of a spread before anything is seen: log density on a grid."""

    values: Array
    log_density: Array


def fit_slopes(rows: pl.DataFrame, scale: Scale, cells: pl.Series, shift: Array, spreads: Spreads) -> Slopes:
    """Learn slopes from the contacts of one offer.

    Args:
        rows: contacts: `treated`, `returned`, `assignment_probability`; `p0` where it is known.
        scale: of their traits, at least one.
        cells: the cell of each contact.
        shift: of each contact's cell.
        spreads: of people in one cell.
    """
    returned, e = rows["returned"].cast(pl.Float64).to_numpy(), propensity(rows)
    m, d = _expected(rows, returned), rows["treated"].to_numpy() - e
    v = m * (1 - m)
    names, place = np.unique(cells.to_numpy(), return_inverse=True)
    z, weight = scale.of_people(rows), e * (1 - e) * v
    usual = _mean(z, weight, np.zeros(len(z), np.int64))
    middle = _mean(z, weight, place)
    middle = np.where(np.isnan(middle), usual, middle)
    z = _known(z - middle[place])
    score = np.einsum("i,ik->k", d * (returned - m - d * v * shift), z)
    information = np.einsum("i,ik,il->kl", d**2 * v, z, z)
    mean, variance = _posterior(score, information, spreads, len(scale.names))
    return Slopes(
        scale,
        {str(name): tuple(one) for name, one in zip(names, middle.tolist(), strict=True)},
        tuple(usual[0].tolist()),
        tuple(mean.tolist()),
        tuple(tuple(row) for row in variance.tolist()),
        float(np.einsum("ik,k->i", z, mean).std()),
    )


def _mean(z: Array, weight: Array, place: NDArray[np.int64]) -> Array:
    """Of each column in each place, over what is known."""
    known = np.isfinite(z) * weight[:, None]
    sums = np.stack([np.bincount(place, one) for one in (known * _known(z)).T], axis=1)
    total = np.stack([np.bincount(place, one) for one in known.T], axis=1)
    return np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0)


def _known(z: Array) -> Array:
    """What is not known of somebody sets them apart from nobody."""
    return np.where(np.isfinite(z), z, 0.0)


def _posterior(score: Array, information: Array, spreads: Spreads, traits: int) -> tuple[Array, Array]:
    """Mean and variance of the slopes; along the axes of the information they are independent given t."""
    known, axes = np.linalg.eigh(information)
    known, along = np.maximum(known, 0), np.einsum("kq,k->q", axes, score)
    prior = spreads.values[:, None] ** 2 / traits
    slack = 1 + prior * known
    fit = 0.5 * (prior * along**2 / slack - np.log(slack)).sum(axis=1) + spreads.log_density
    density = np.exp(fit - fit.max())
    density /= density.sum()
    means = prior * along / slack
    mean = (density[:, None] * means).sum(axis=0)
    apart = means - mean
    within = np.diag((density[:, None] * prior / slack).sum(axis=0))
    between = np.einsum("g,gq,gr->qr", density, apart, apart)
    return np.einsum("kq,q->k", axes, mean), np.einsum("kq,qr,lr->kl", axes, within + between, axes)


def _expected(rows: pl.DataFrame, returned: Array) -> Array:
    """Who was expected to come back, contacted or not: `p0`, its level and slope as contacts have them.

    Where `p0` says nothing, or that cannot be fitted, the share that came back.
    """
    share = float(np.clip(returned.mean(), _LEAST, 1 - _LEAST))
    x = logit(rows[P0].cast(pl.Float64).fill_null(float("nan")).to_numpy()) if P0 in rows.columns else None
    if x is None or not np.isfinite(x).any():
        return np.full(rows.height, share)
    x = _known(x - x[np.isfinite(x)].mean())
    level, slope = float(logit(np.array(share))), 0.0
    for _ in range(_STEPS):
        m = np.clip(expit(level + slope * x), _LEAST, 1 - _LEAST)
        v, rest = m * (1 - m), returned - m
        across = (v * x).sum()
        curvature = np.array([[v.sum() + _RIDGE, across], [across, (v * x * x).sum() + _RIDGE]])
        step = np.linalg.solve(curvature, np.array([rest.sum(), (rest * x).sum()]))
        level, slope = level + float(step[0]), slope + float(step[1])
        if np.abs(step).max() < _CLOSE:
            return m
    return np.full(rows.height, share)


def _number(values: pl.Series) -> Array:
    found = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return logit(found) if values.name == P0 else np.asarray(np.sign(found) * np.log1p(np.abs(found)))


def _spread(values: Array) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    return (float(known.mean()), float(known.std())) if len(known) else (0.0, 0.0)


def _shares(values: pl.Series) -> dict[str, float]:
    counts = values.cast(pl.String).drop_nulls().value_counts()
    most = counts.sort(["count", values.name], descending=[True, False]).head(_MOST_WORDS)
    return {word: count / counts["count"].sum() for word, count in most.sort(values.name).iter_rows()}


def _variance(shares: Mapping[str, float]) -> float:
    """Of being one of the values or another."""
    return sum(share * (1 - share) for share in shares.values())
