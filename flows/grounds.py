"""What the model says of some people: causes it would guess, and what reasons are made of."""

from functools import partial
from pathlib import Path

import polars as pl

from flows import inputs
from flows.building import read_part
from flows.settings import Settings
from models.bundle import Bundle, load_bundle
from models.cause_table import CauseOptions
from models.causes import guessed
from models.reasons import explained_return, facts


def guesses(settings: Settings, features: Path, bundle: Path, asked: pl.Series) -> pl.DataFrame:
    """What the model's reasons say of why these people left; of a part only the causes come together."""
    months, causes = settings.value.horizon_months, settings.causes
    with inputs.engine(settings) as engine:
        work = partial(_guesses_of_part, bundle, asked, months, causes)
        found: list[pl.DataFrame] = engine.gather(engine.map(work, sorted(features.iterdir())))
    return pl.concat(found)


def _guesses_of_part(
    bundle: Path, asked: pl.Series, months: int, causes: CauseOptions, features: Path
) -> pl.DataFrame:
    return guessed(_grounds_of_part(load_bundle(bundle), features, asked), months, causes)


def grounds(features: Path, bundle: Path, listed: pl.Series) -> pl.DataFrame:
    """What the reasons of the listed are made of; of a file, only their rows are kept."""
    model = load_bundle(bundle)
    return pl.concat([_grounds_of_part(model, file, listed) for file in sorted(features.iterdir())])


def _grounds_of_part(model: Bundle, features: Path, listed: pl.Series) -> pl.DataFrame:
    people = read_part(features, listed)
    said = explained_return(model.returning, model.contract, people).drop("customer_id")
    return facts(people).hstack(said)
