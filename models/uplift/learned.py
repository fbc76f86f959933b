"""What is believed of each offer tonight: learned (A), pooled (B) or assumed (C)?

The change is automatic and per offer. A speaks where a model ranks people it never saw, B where own contacts
weigh enough against the assumption, else C. Every row says which.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

import polars as pl

from models.effects import Evidence, Shift, assumed
from models.matrix import FeatureContract
from models.options import EffectOptions, OfferOptions, UpliftOptions
from models.uplift.contacts import contract_of, newest
from models.uplift.curves import Estimate
from models.uplift.model import UpliftModel, judge_uplift
from models.uplift.pooled import LEAST_WEIGHT, Pooled, fit_pooled
from models.uplift.traits import P0

_JSON, _PART = "effects.json", "{}.{}.{}.ubj"


@dataclass(frozen=True, slots=True)
class Learned:
    """What own contacts have taught.

    Attributes:
        pooled: B, of every offer.
        models: A, of the offers that have one.
        assumption: C.
        notes: one sentence per offer: what speaks, and why.
        qini: offer: outcome: Qini of what was learned, credible or not; only of offers with enough contacts.
    """

    pooled: Pooled
    models: Mapping[str, UpliftModel]
    assumption: EffectOptions
    notes: tuple[str, ...]
    qini: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)

    def evidence(self, offer: str) -> Evidence:
        """Where the effect of an offer comes from."""
        if offer in self.models:
            return Evidence.MEASURED
        return Evidence.POOLED if self.pooled.speaks_for(offer) else Evidence.ASSUMED

    def shift(self, people: pl.DataFrame, offer: OfferOptions) -> tuple[Shift, Evidence]:
        """The effect of an offer on each person, and where that comes from.

        Args:
            people: `stage`; for A `p0`, for B `value_tier`, and for both what `reads` names.
            offer: the offer.
        """
        evidence = self.evidence(offer.id)
        if evidence is Evidence.MEASURED:
            return self.models[offer.id].shift(people), evidence
        if evidence is Evidence.POOLED:
            return self.pooled.shift(people, offer.id), evidence
        return assumed(people["stage"], offer, self.assumption), evidence

    def files(self) -> dict[str, bytes]:
        """File name: content; nothing in them can run code."""
        content = {
            "pooled": self.pooled.to_json(),
            "assumption": self.assumption.model_dump(mode="json"),
            "models": {offer: model.to_json() for offer, model in self.models.items()},
            "notes": list(self.notes),
            "qini": {
                offer: {name: asdict(one) for name, one in found.items()}
                for offer, found in self.qini.items()
            },
        }
        text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
        trees = {
            _PART.format(offer, outcome, part): raw
            for offer, model in self.models.items()
            for (outcome, part), raw in model.trees().items()
        }
        return {_JSON: f"{text}\n".encode(), **trees}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """What `files` gave."""
        content = json.loads(files[_JSON])
        trees: dict[str, dict[tuple[str, str], bytes]] = {offer: {} for offer in content["models"]}
        for name, raw in files.items():
            if name != _JSON:
                offer, outcome, part, _ = name.split(".")
                trees[offer][outcome, part] = raw
        models = {name: UpliftModel.from_json(one, trees[name]) for name, one in content["models"].items()}
        assumption = EffectOptions.model_validate(content["assumption"])
        qini = {
            offer: {name: Estimate(**one) for name, one in found.items()}
            for offer, found in content["qini"].items()
        }
        return cls(Pooled.from_json(content["pooled"]), models, assumption, tuple(content["notes"]), qini)

    @property
    def reads(self) -> tuple[str, ...]:
        """The features that models and pooled effects read."""
        learned = {name for model in self.models.values() for name in model.contract.names}
        return tuple(sorted(learned | set(self.pooled.reads)))


def learn(
    rows: pl.DataFrame,
    offers: Sequence[OfferOptions],
    effect: EffectOptions,
    options: UpliftOptions,
    *,
    seed: int,
    contract: FeatureContract | None = None,
) -> Learned:
    """Learn from all own randomised contacts.

    Args:
        rows: contacts whose window is complete: see `fit_uplift` and `fit_pooled`.
        offers: what can be offered.
        effect: what is assumed.
        options: how much A needs.
        seed: of the folds and draws.
        contract: features that A learns from; default all of the rows, but for what is there for B alone.

    Raises:
        DataRefused: when rows cannot be compared.
    """
    pooled = fit_pooled(rows, offers, effect)
    only_traits = {*rows.columns} & ({*effect.traits} - {P0, *options.features})
    models, notes, qini = {}, [], {}
    for offer in offers:
        own = newest(rows.filter(pl.col("offer_id") == offer.id), options.most_contacts)
        verdict = judge_uplift(own, contract or contract_of(own.drop(only_traits)), options, seed)
        if verdict.model is not None:
            models[offer.id] = verdict.model
        if verdict.qini:
            qini[offer.id] = verdict.qini
        notes.append(_note(offer.id, pooled, "; ".join(verdict.notes), learned=verdict.model is not None))
    return Learned(pooled, models, effect, tuple(notes), qini)


def _note(offer: str, pooled: Pooled, found: str, *, learned: bool) -> str:
    one = pooled.offers[offer]
    weight, sizes = f"{one.weight:.0%}", f"{one.contacted} contacted and {one.held} held out"
    if learned:
        return f"Offer {offer}: evidence A, learned per person from {sizes}; {found}."
    if pooled.speaks_for(offer):
        effect = f"{one.mean:+.2f} (sd {one.mean_sd:.2f}) on the log-odds"
        apart = "" if one.slopes is None else f"; {one.slopes.sentence}"
        return (
            f"Offer {offer}: evidence B, {effect}, pooled from {sizes}, which weigh {weight} of it{apart}; "
            f"{found}."
        )
    return (
        f"Offer {offer}: evidence C, assumed, not measured: {sizes} weigh {weight}, {LEAST_WEIGHT:.0%} is "
        f"needed; {found}."
    )
