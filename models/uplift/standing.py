"""How well is the effect of each offer known, and what is missing for the next evidence? In plain words."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import polars as pl

from features.wording import counted
from models.confidence import Z_LEVEL
from models.effects import Evidence
from models.log_odds import moved
from models.options import OfferOptions, UpliftOptions
from models.uplift.contacts import newest
from models.uplift.curves import Estimate
from models.uplift.learned import Learned
from models.uplift.model import CONVERSION

# Where nobody was held out: the chance of a return at which an effect is told.
USUAL = 0.1
_WORDS = {
    Evidence.MEASURED: "measured (A)",
    Evidence.POOLED: "pooled (B)",
    Evidence.ASSUMED: "assumed (C)",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an offer.

    Attributes:
        offer: its id.
        evidence: where its effect comes from.
        contacted: people contacted whose window is complete.
        held: people held out.
        base: mean chance to return of all of these, not contacted.
        shift: mean shift on the log-odds, pooled, with its 90 % credible interval.
        points: mean effect on the chance to return at `base`, with its 90 % credible interval; where people
            are told apart (A) that of the model.
        weight: of own contacts in the pooled shift, 0 to 1.
        qini: of who answers, per customer; None when there was too little to learn from.
        missing: what the next evidence takes; empty for A.
        people: how people of one stage and tier differ, where the effect is pooled; a sentence.
    """

    offer: str
    evidence: Evidence
    contacted: int
    held: int
    base: float
    shift: Estimate
    points: Estimate
    weight: float
    qini: Estimate | None
    missing: str
    people: str = ""

    @property
    def sentence(self) -> str:
        """For people."""
        sizes = f"{self.contacted:,} contacted and {self.held:,} held out"
        more = "".join(f" {one}" for one in (self.people, self.missing) if one)
        if self.evidence is Evidence.ASSUMED:
            return f"Offer {self.offer}: the effect is assumed, not measured (evidence C).{more}"
        how = "learned per person" if self.evidence is Evidence.MEASURED else "pooled"
        return (
            f"Offer {self.offer}: the effect is {how} from own contacts, {sizes} (evidence {self.evidence}): "
            f"on the mean {_signed(self.points.value)} points where {self.base:.1%} come back anyway (90 % "
            f"credible interval {_signed(self.points.low)} to {_signed(self.points.high)}).{more}"
        )

    @property
    def figures(self) -> dict[str, float]:
        """Name: number, for charts over time."""
        known = {"shift": self.shift, "points": self.points} | ({"qini": self.qini} if self.qini else {})
        spread = {
            f"{name}{end}": value
            for name, one in known.items()
            for end, value in (("", one.value), ("_low", one.low), ("_high", one.high))
        }
        return {
            **spread,
            "weight": self.weight,
            "contacted": self.contacted,
            "held_out": self.held,
            "is_pooled": float(self.evidence is Evidence.POOLED),
            "is_measured": float(self.evidence is Evidence.MEASURED),
        }

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "evidence": str(self.evidence)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        numbers = {name: Estimate(**content[name]) for name in ("shift", "points")}
        qini = None if content["qini"] is None else Estimate(**content["qini"])
        return cls(**{**content, **numbers, "qini": qini, "evidence": Evidence(content["evidence"])})


def standings(
    rows: pl.DataFrame, learned: Learned, offers: Sequence[OfferOptions], options: UpliftOptions
) -> tuple[Standing, ...]:
    """What contacts have taught about each offer, in the order of the offers.

    Args:
        rows: the contacts that `learned` comes from.
        learned: what they taught.
        offers: what can be offered.
        options: how much evidence A needs.
    """
    return tuple(_one(rows.filter(pl.col("offer_id") == one.id), learned, one.id, options) for one in offers)


def changed(now: Mapping[str, Standing], before: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence per offer whose evidence is another than it was; what was not known before was assumed."""
    return tuple(_changes(now, before))


def _changes(now: Mapping[str, Standing], before: Mapping[str, str]) -> Iterator[str]:
    for offer, one in now.items():
        was = Evidence(before.get(offer, Evidence.ASSUMED))
        if was is not one.evidence:
            yield (
                f"Offer {offer}: from {_WORDS[was]} to {_WORDS[one.evidence]} since the last night, by "
                f"{counted(one.contacted, 'person', 'people')} contacted and {one.held:,} held out."
            )


def _one(own: pl.DataFrame, learned: Learned, offer: str, options: UpliftOptions) -> Standing:
    known, evidence = learned.pooled.offers[offer], learned.evidence(offer)
    base = own["p0"].mean()
    usual = min(max(base, 0.001), 0.999) if isinstance(base, float) else USUAL
    shift = _interval(known.mean, known.mean_sd)
    points = Estimate(*(moved(usual, one) - usual for one in (shift.value, shift.low, shift.high)))
    if evidence is Evidence.MEASURED:
        trust = learned.models[offer].conversion.trust
        points = _interval(trust.level, trust.level_error)
    return Standing(
        offer=offer,
        evidence=evidence,
        contacted=known.contacted,
        held=known.held,
        base=usual,
        shift=shift,
        points=points,
        weight=known.weight,
        qini=learned.qini.get(offer, {}).get(CONVERSION),
        missing=_missing(own, evidence, known.held_missing, options),
        people=f"{known.slopes.sentence}." if evidence is Evidence.POOLED and known.slopes else "",
    )


def _interval(mean: float, sd: float) -> Estimate:
    return Estimate(mean, mean - Z_LEVEL * sd, mean + Z_LEVEL * sd)


def _missing(own: pl.DataFrame, evidence: Evidence, held: int | None, options: UpliftOptions) -> str:
    if evidence is Evidence.MEASURED:
        return ""
    if evidence is Evidence.POOLED:
        return _until_learned(newest(own, options.most_contacts), options)
    if held is None:
        return "To be pooled (B) it needs people contacted and people held out, and some who come back."
    return f"To be pooled (B) it needs about {held:,} held out more."


def _until_learned(own: pl.DataFrame, options: UpliftOptions) -> str:
    missing = {
        name: _people_missing(own.filter(treated), options)
        for name, treated in (("contacted", pl.col("treated")), ("held out", ~pl.col("treated")))
    }
    if not any(missing.values()):
        return "Who answers to it cannot be told from noise yet, so it is not learned per person (A)."
    said = " and ".join(f"{people:,} {name}" for name, people in missing.items() if people)
    return f"To be learned per person (A) it needs about {said} more."


def _people_missing(arm: pl.DataFrame, options: UpliftOptions) -> int:
    """People of an arm that are missing, or that it takes until enough of them have come back."""
    returned = int(arm["returned"].sum())
    each = arm.height / returned if returned else 1.0
    returns = max(options.least_returns - returned, 0)
    return max(options.least_in_arm - arm.height, math.ceil(returns * each), 0)


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}"
