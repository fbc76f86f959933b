"""What each offer to each customer would add, part by part, where the parts are."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import polars as pl

from flows import inputs
from flows.effects import Believed
from flows.lists import write_parquet
from flows.settings import Settings
from flows.workspace import publish_folder
from models.appraisal import READ, Appraised, Common, Rules, appraised, figures
from models.options import OfferOptions
from models.outputs import scores
from models.profit import PREDICTIONS


def rules_of(settings: Settings, believed: Believed) -> Rules:
    """What a decision follows: the config, and what is believed of the effects of offers."""
    return Rules(
        offers=settings.offers,
        effect=settings.effect,
        causes=settings.causes,
        contact=settings.contact,
        consent=settings.consent,
        list=settings.list,
        currency=settings.currency,
        value_months=settings.value.horizon_months,
        effects=believed.effects,
    )


def appraise(  # noqa: PLR0917 - what it is made of, in order
    settings: Settings, folder: Path, features: Path, predictions: Path, rules: Rules, model_version: str
) -> Appraised:
    """Appraise everyone, part by part, where the parts are; `folder` holds people, offers and scores."""
    parts = sorted(predictions.iterdir()), sorted(features.iterdir())
    with publish_folder(folder) as aside, inputs.engine(settings) as engine:
        for kind in ("people", "offers", "scores"):
            (aside / kind).mkdir()
        own = partial(_figures_of_part, offers=rules.offers)
        common = Common.of(pl.concat(engine.gather(engine.map(own, *parts))), rules)
        work = partial(_appraise_part, rules=rules, common=common, folder=aside, model_version=model_version)
        engine.gather(engine.map(work, *parts))
    people, offers = (pl.scan_parquet(folder / name) for name in ("people", "offers"))
    return Appraised(people, offers, common.notes(settings.currency))


def _figures_of_part(predictions: Path, features: Path, offers: Sequence[OfferOptions]) -> pl.DataFrame:
    return figures(pl.read_parquet(predictions), _facts(features), offers)


def _appraise_part(  # noqa: PLR0917 - called by name
    predictions: Path, features: Path, rules: Rules, common: Common, folder: Path, model_version: str
) -> None:
    found = appraised(pl.read_parquet(predictions), _facts(features, rules.reads), rules, common)
    # Features that only the effects read end here: what a decision reads of everyone stays small.
    shown = pl.exclude(set(rules.reads) - {*READ, *PREDICTIONS})
    people, offers = found.people.lazy().select(shown).collect(), found.offers.lazy().collect()
    kinds = {"people": people, "offers": offers, "scores": scores(people, rules.currency, model_version)}
    for kind, frame in kinds.items():
        write_parquet(frame, folder / kind / features.name)


def _facts(features: Path, names: Sequence[str] = READ) -> pl.DataFrame:
    there = pl.read_parquet_schema(features)
    return pl.read_parquet(features, columns=[name for name in names if name in there])
