"""Evidence B: the shift on the log-odds, pooled from own past contacts per offer, stage and tier.

Cells (an offer to a stage and tier) differ from what is assumed by `e ~ Normal(m, t^2)`, the offer's mean
by `m ~ Normal(0, s^2 / 2)`, with s the doubt of the assumption. Half of the doubt is about the offer, a
quarter about its cells, a quarter about people of one cell (`models.uplift.traits`; where nothing is known
of them, cells have both quarters): t has a half-t prior of mean square s^2 / 4 (Gelman 2006), so that with
no contacts what comes out is what was assumed. t is integrated over its restricted likelihood times prior
on a grid, as in the normal-normal model of random effects (Rover 2020, J. Stat. Softw. 93(6)): with few
cells a plugged-in moment estimate is too often 0, and its intervals too short.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from features.contracts import Stage
from models.effects import Shift, assumed
from models.metrics import Array
from models.options import EffectOptions, OfferOptions
from models.tiers import Tier
from models.uplift.contacts import ordered
from models.uplift.odds import Strata, stratified
from models.uplift.traits import Scale, Slopes, Spreads, fit_slopes

# Own contacts speak for an offer once they weigh this much against the assumption; before, it stays C.
LEAST_WEIGHT = 0.1
_CELLS = tuple((str(stage), str(tier)) for stage in Stage for tier in Tier)
# Spreads of cells, or of people of one, and their prior: a half-t, 4 degrees of freedom, mean square 1.
_GRID = np.linspace(0, 8, 161)
_PRIOR = (1 + _GRID**2 / 4) ** -2.5
_GRID, _PRIOR = _GRID / np.sqrt((_PRIOR * _GRID**2).sum() / _PRIOR.sum()), np.log(_PRIOR)
# Of the doubt about an offer: as much is about people (cells, and who is in them) as about the offer.
_OFFER, _PEOPLE = 0.5, 0.5
_STEPS = 20
_SURE = 1e-3
# How many times the contacts until now to look ahead.
_FARTHEST = 1000


@dataclass(frozen=True, slots=True)
class OfferEffect:
    """What is known of an offer.

    Attributes:
        mu: shift per `stage|tier`.
        sd: its standard deviation, credible intervals are Normal.
        mean: shift on the mean over the cells, by how much their contacts say.
        mean_sd: its standard deviation.
        weight: of own contacts in that mean, against the assumption: 0 to 1.
        contacted: people contacted.
        held: people held out.
        held_missing: people held out more, as lists go, until own contacts weigh enough; None: not known.
        slopes: how people of one cell differ; None where nothing is known by which they could.
    """

    mu: Mapping[str, float]
    sd: Mapping[str, float]
    mean: float
    mean_sd: float
    weight: float
    contacted: int
    held: int
    held_missing: int | None = None
    slopes: Slopes | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """From JSON values."""
        slopes = Slopes.from_json(content["slopes"]) if content.get("slopes") else None
        return cls(**{**content, "slopes": slopes})


@dataclass(frozen=True, slots=True)
class Pooled:
    """What own contacts say of each offer."""

    offers: Mapping[str, OfferEffect]

    def speaks_for(self, offer: str) -> bool:
        """Whether own contacts weigh enough."""
        return offer in self.offers and self.offers[offer].weight >= LEAST_WEIGHT

    @property
    def reads(self) -> tuple[str, ...]:
        """The traits by which people differ."""
        known = (one.slopes for one in self.offers.values())
        return tuple(sorted({name for one in known if one is not None for name in one.scale.names}))

    def shift(self, people: pl.DataFrame, offer: str) -> Shift:
        """The shift of one offer, one per person.

        Args:
            people: `stage`, `value_tier`, and what is known of `reads`.
            offer: one of `offers`.
        """
        cell, known = _cell(people), self.offers[offer]
        mu, sd = (
            cell.replace_strict(dict(values), return_dtype=pl.Float64).to_numpy()
            for values in (known.mu, known.sd)
        )
        shift = Shift(mu, sd)
        return shift if known.slopes is None else known.slopes.around(shift, people, cell)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: asdict(one) for name, one in self.offers.items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls({name: OfferEffect.from_json(one) for name, one in content.items()})


def fit_pooled(rows: pl.DataFrame, offers: Sequence[OfferOptions], effect: EffectOptions) -> Pooled:
    """Pool the own contacts of each offer.

    Args:
        rows: contacts: `models.uplift.contacts.NEEDED`, `offer_id`, `stage`, `value_tier`, and where they are
            known `p0` and the traits of `effect`; of offers that are not given none is read.
        offers: what can be offered.
        effect: what is assumed.

    Raises:
        DataRefused: when rows cannot be compared.
    """
    rows = ordered(rows)
    counts = stratified(rows)
    return Pooled(
        {
            offer.id: _of_offer(
                rows.filter(offer_id=offer.id), counts.filter(offer_id=offer.id), offer, effect
            )
            for offer in offers
        }
    )


def _cell(people: pl.DataFrame) -> pl.Series:
    both = pl.concat_str(pl.col("stage", "value_tier").cast(pl.String), separator="|")
    return people.select(both).to_series()


def _of_offer(
    rows: pl.DataFrame, counts: pl.DataFrame, offer: OfferOptions, effect: EffectOptions
) -> OfferEffect:
    sizes = int(rows["treated"].sum()), int((~rows["treated"]).sum())
    said = assumed(pl.Series([stage for stage, _ in _CELLS]), offer, effect)
    names = ["|".join(cell) for cell in _CELLS]
    place = {name: number for number, name in enumerate(names)}
    cell = _cell(counts).replace_strict(place, return_dtype=pl.Int64).to_numpy()
    excess, information = _differences(Strata.of(counts), cell, said)
    seen = information > 0
    doubt = said.sd if not seen.any() else np.full(len(names), _doubt(said.sd, information))
    if not seen.any() or not (doubt > 0).all():
        # Nothing was seen, or the config leaves no doubt: what is assumed.
        mean, sd = float(said.mu.mean()), float(said.sd.mean())
        return OfferEffect(_named(names, said.mu), _named(names, said.sd), mean, sd, 0.0, *sizes)
    scale = Scale.of(rows, effect.traits)
    doubts = _Doubts.of(float(doubt[0]), by_person=bool(scale.names))
    shrunk = _shrunk(excess, information, doubts)
    mean = float((information * said.mu).sum() / information.sum()) + shrunk.mean
    mu = _named(names, said.mu + shrunk.cells)
    cells = _cell(rows)
    shift = cells.replace_strict(dict(mu), return_dtype=pl.Float64).to_numpy()
    spreads = Spreads(_GRID * doubts.people, _PRIOR)
    return OfferEffect(
        mu,
        _named(names, np.sqrt(shrunk.variances)),
        mean,
        float(np.sqrt(shrunk.mean_variance)),
        _weight(information, doubts),
        *sizes,
        _held_missing(information, doubts, sizes[1]),
        fit_slopes(rows, scale, cells, shift, spreads) if scale.names else None,
    )


@dataclass(frozen=True, slots=True)
class _Doubts:
    """Standard deviations: of the offer's mean, of its cells around it, of people around their cell."""

    offer: float
    cells: float
    people: float

    @classmethod
    def of(cls, doubt: float, *, by_person: bool) -> Self:
        each = _PEOPLE / 2 if by_person else _PEOPLE
        return cls(doubt * _OFFER**0.5, doubt * each**0.5, doubt * each**0.5 * by_person)


def _weight(information: Array, doubts: _Doubts) -> float:
    """By how much less the mean is doubted than before any contact, were the cells as unlike as assumed.

    It hangs on how much the contacts say, not on what they say: a surprise, too, is knowledge.
    """
    share, spread, prior = information / information.sum(), doubts.cells**2, doubts.offer**2
    variance = 1 / information[information > 0]
    seen, own = share[information > 0], spread / (variance + spread)
    total = (1 / (variance + spread)).sum() + 1 / prior
    after = (seen**2 * own * variance).sum() + (seen * (1 - own)).sum() ** 2 / total
    return float(1 - min(after / (prior + spread * (share**2).sum()), 1.0))


def _held_missing(information: Array, doubts: _Doubts, held: int) -> int | None:
    """How many more it takes if as much is learned from each as from those until now."""

    def enough(people: int) -> bool:
        return _weight(information * (people / held), doubts) >= LEAST_WEIGHT

    if held == 0 or enough(held):
        return 0 if held else None
    few, many = held, 2 * held
    while not enough(many):
        if many > held * _FARTHEST:
            return None
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if enough(middle) else (middle, many)
    return many - held


def _named(names: Sequence[str], values: Array) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))


def _doubt(sd: Array, information: Array) -> float:
    """One doubt for the offer: that of its stages, as far as contacts speak of them."""
    return float(np.sqrt((information * sd**2).sum() / information.sum()))


def _differences(strata: Strata, cell: Array, said: Shift) -> tuple[Array, Array]:
    """By how much each cell differs from what is assumed, and how precisely that is known (1 / variance).

    One Newton step of each cell from the shift that suits all cells of the offer, found with the assumption
    as its prior: a cell of few people has no estimate of its own that could be trusted that far.
    """
    index, common = cell.astype(np.int64), 0.0
    prior = 1 / max(float(said.sd.max()), _SURE) ** 2
    slope = curvature = np.zeros(len(index))
    for _ in range(_STEPS):
        slope, curvature = strata.at(said.mu[index] + common)
        step = (slope.sum() - prior * common) / (curvature.sum() + prior)
        if abs(step) < 1e-9:
            break
        common += float(np.clip(step, -1, 1))
    information = np.bincount(index, curvature, len(said.mu)).astype(float)
    steps = np.bincount(index, slope, len(said.mu)).astype(float)
    excess = common + np.divide(steps, information, out=np.zeros_like(steps), where=information > 0)
    return excess, information


@dataclass(frozen=True, slots=True)
class _Shrunk:
    """Posterior of the cells, and of their mean by how much is known of each, as excess over the assumed."""

    cells: Array
    variances: Array
    mean: float
    mean_variance: float


def _shrunk(excess: Array, information: Array, doubts: _Doubts) -> _Shrunk:
    spread = (_GRID * doubts.cells)[:, None] ** 2
    seen = information > 0
    variance = 1 / np.where(seen, information, 1.0)
    precision = np.where(seen, 1 / (variance + spread), 0.0)
    total = precision.sum(axis=1) + 1 / doubts.offer**2
    mean = (precision * excess).sum(axis=1) / total
    fit = np.log(np.where(seen, precision, 1.0)).sum(axis=1) - np.log(total)
    fit += mean**2 * total - (precision * excess**2).sum(axis=1)
    density = np.exp(0.5 * fit + _PRIOR - (0.5 * fit + _PRIOR).max())
    density /= density.sum()
    # Given the spread: a cell's own figure and the offer's mean, each as precise as it is.
    own = np.where(seen, spread / (variance + spread), 0.0)
    cells = own * excess + (1 - own) * mean[:, None]
    variances = np.where(seen, own * variance, spread) + (1 - own) ** 2 / total[:, None]
    middle = (density[:, None] * cells).sum(axis=0)
    cell_variances = (density[:, None] * (variances + (cells - middle) ** 2)).sum(axis=0)
    share = information / information.sum()
    means = (share * cells).sum(axis=1)
    errors = (share**2 * own * variance).sum(axis=1) + (share * (1 - own)).sum(axis=1) ** 2 / total
    centre = float((density * means).sum())
    return _Shrunk(middle, cell_variances, centre, float((density * (errors + (means - centre) ** 2)).sum()))
