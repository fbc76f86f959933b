"""Whom did delivered lists draw at random, what was known of them that night, and what became of them?

Their features are kept once, in `effects/contacts/<list_id>.parquet`: the features of a night may be cleaned
away long before its window is over. People in both arms with a known probability are compared; who was in two
arms, or contacted by another tool while held out, stays where the draw put them, as in `winback measure`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from features.errors import WinbackError
from features.wording import counted
from flows import inputs
from flows.building import read_part
from flows.lists import write_parquet
from flows.settings import Settings
from flows.trials import Accounts
from flows.workspace import publish_file
from models.assignment import Arm
from models.matrix import is_feature
from models.observed import COMPARED, NET_PROFIT, RETURN_RATE, Trial

# What a row of a list says of the person drawn, and which features stand there too.
_DRAWN = (
    "enrolment_id",
    "customer_id",
    "list_id",
    "as_of",
    "arm",
    "stratum",
    "assignment_probability",
    "offer_id",
    "stage",
    "value_tier",
)
_IN_LISTS = ("days_since_last_purchase", "usual_gap_days")
# By whom rows are found.
_IDS = ("enrolment_id", "customer_id")


def keep(settings: Settings, trial: Trial) -> None:
    """Keep the features of the people drawn, while those of their night are there."""
    places = inputs.workspace(settings)
    file = places.drawn(trial.list_id)
    if file.is_file():
        return
    drawn = _randomised(trial)
    folder = places.features(trial.as_of)
    known = _features(folder, drawn["customer_id"]) if folder.is_dir() else drawn.select(_IDS)
    shown = drawn.select("customer_id", *(name for name in _IN_LISTS if name not in known.columns))
    kept = drawn.select(*_IDS).join(known.drop(_IDS[0], strict=False), on="customer_id", how="left")
    with publish_file(file) as aside:
        write_parquet(kept.join(shown, on="customer_id", how="left").sort(_IDS[0]), aside)


def looked_back(lists: Sequence[Trial], books: Accounts) -> pl.DataFrame:
    """Everyone drawn, with what became of them (`models.uplift.contacts.NEEDED`), sorted; no features."""
    return pl.concat([_of_list(trial, books) for trial in lists]).sort("as_of", "enrolment_id")


def known_of(settings: Settings, list_id: str, names: Sequence[str]) -> pl.DataFrame:
    """Features of the people whom a list drew: `enrolment_id`, and those of the names that there are."""
    file = inputs.workspace(settings).drawn(list_id)
    try:
        kept = pl.read_parquet(file, hive_partitioning=False)
    except pl.exceptions.PolarsError:
        raise _damaged(file) from None
    return kept.select("enrolment_id", *(name for name in names if name in kept.columns))


def without_features(settings: Settings, lists: Sequence[str]) -> Iterator[str]:
    """A sentence when the features of a list's night were gone before they could be kept."""
    few = {*_IDS, *_IN_LISTS}
    files = [inputs.workspace(settings).drawn(one) for one in lists]
    thin = [file for file in files if few.issuperset(_columns(file))]
    if thin:
        yield (
            f"Of {counted(len(thin), 'list')} the features of the night were gone before they could be kept: "
            "of the people on it only what the list says is learned from. Keep features/as_of=... until the "
            "next night."
        )


def _columns(file: Path) -> list[str]:
    try:
        return list(pl.read_parquet_schema(file))
    except pl.exceptions.PolarsError:
        raise _damaged(file) from None


def _damaged(file: Path) -> WinbackError:
    return WinbackError(
        f"{file} is damaged. Delete it: the next night keeps the people of that list again, with the "
        "features of its own night if these are still there."
    )


def _randomised(trial: Trial) -> pl.DataFrame:
    """People whom the draw could have put into either arm, and who can be compared."""
    chance = pl.col("assignment_probability")
    whole = pl.all_horizontal(pl.col("stage", "value_tier", "churn_probability", "offer_id").is_not_null())
    return trial.enrolled.filter(pl.col("arm").is_in(COMPARED), chance > 0, chance < 1, whole)


def _features(folder: Path, customers: pl.Series) -> pl.DataFrame:
    """Features of some customers that a model can read."""
    parts = (read_part(file, customers) for file in sorted(folder.iterdir()))
    found = pl.concat(parts, how="diagonal_relaxed")
    readable = [
        name
        for name, dtype in found.schema.items()
        if is_feature(name) and (dtype.is_numeric() or dtype in (pl.Boolean, pl.String))
    ]
    return found.select("customer_id", *readable)


def _of_list(trial: Trial, books: Accounts) -> pl.DataFrame:
    outcomes = books.of(trial).select(
        "enrolment_id",
        "person_id",
        returned=pl.col(RETURN_RATE) > 0,
        window_margin=pl.col(NET_PROFIT).cast(pl.Float64),
    )
    return (
        _randomised(trial)
        .select(
            *_DRAWN,
            p0=(1 - pl.col("churn_probability")).round(6),
            treated=pl.col("arm") == Arm.TREATMENT,
        )
        .with_columns(pl.col("stage", "value_tier", "offer_id").cast(pl.String))
        .join(outcomes, on="enrolment_id", validate="1:1")
        # One person's rows belong together, whichever id they were drawn under.
        .with_columns(customer_id=pl.coalesce("person_id", "customer_id"))
        .drop("person_id", "arm")
    )
