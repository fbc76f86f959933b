"""The flow that erases a person everywhere in a workspace, and keeps them from coming back.

The flow is told a fingerprint, never the id: Prefect keeps the parameters of its runs.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from features import parts, quarantine
from features.contracts import TABLES
from features.hashing import sha256
from features.pricing import fingerprint
from features.wording import counted
from flows import inputs
from flows.artifacts import summarise
from flows.forgotten import add_forgotten
from flows.lists import PATH, erase_from_list, write_parquet
from flows.lock import hold
from flows.settings import Settings, load
from flows.workspace import publish_file
from models.persons import persons

_DAILY = ("features", "scores")
# What a run keeps to resume from; made again when it is needed.
_RUNS = ("predictions", "appraised", "staging", "backtests")


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of a request to erase.

    Attributes:
        found: whether anything of the person was there.
        other_ids: further ids of the same person, which stay.
        counts: rows taken out per place.
    """

    found: bool
    other_ids: int
    counts: dict[str, int]


@flow(name="winback-forget", flow_run_name="forget", validate_parameters=False, log_prints=False)
def forget(config: str, person: str, overrides: list[str] | None = None) -> dict[str, Any]:
    """Erase a person from the lake, the quarantine, features, scores, lists and what is kept of contacts.

    Models keep what they learned from many people together; nothing of one person can be read from them.
    Train again if the law asks for it: the next training no longer sees the person.

    Args:
        config: path of the config file.
        person: whom to erase: `features.pricing.fingerprint` of the customer id.
        overrides: `key.path=value`.
    """
    settings = load(config, overrides or [])
    with hold(settings.root, "winback forget"):
        add_forgotten(settings.root, person)
        erased = erase(settings, person)
    counts = {place: rows for place, rows in erased.counts.items() if rows}
    return summarise("forget", {"status": "done", "counts": counts, "sentences": list(_sentences(erased))})


@task(name="erase", cache_policy=NO_CACHE)
def erase(settings: Settings, person: str) -> Erased:
    """Take the person out of every file; what a killed run left undone, the next one does."""
    places, held = inputs.workspace(settings), inputs.lake(settings)
    for name in _RUNS:
        shutil.rmtree(places.runs / name, ignore_errors=True)
    quarantine.recover(places.quarantine)
    customer_id = _find(settings, person)
    if customer_id is None:
        for name in TABLES:
            parts.vacuum(places.lake / name, at_once=True)
        return Erased(found=False, other_ids=0, counts={})
    others = _other_ids(settings, customer_id)
    counts = {"quarantine": sum(_without_rejected(file, customer_id) for file in _rejected(settings))}
    for kind in _DAILY:
        counts[kind] = sum(_without(file, customer_id) for file in _files(settings, kind))
    counts["effects"] = sum(_without(file, customer_id) for file in _drawn(settings))
    counts["lists"] = sum(erase_from_list(places.list(day), customer_id) for day in places.days("lists"))
    # The lake comes last: while it still names the person, a run that was killed finds them again.
    counts |= {f"lake {name}": held.rewrite_without(name, [customer_id]) for name in TABLES}
    return Erased(found=True, other_ids=others, counts=counts)


def _sentences(erased: Erased) -> Iterator[str]:
    places = [place for place, rows in erased.counts.items() if rows]
    if erased.found:
        rows = sum(erased.counts.values())
        yield f"Erased: {counted(rows, 'row')} in {counted(len(places), 'place')}."
    else:
        yield "Nothing was found under this id. Is it written as in the shop's own files?"
    if erased.other_ids:
        yield (
            f"Not erased: {counted(erased.other_ids, 'more id')} of the same person. To erase all of them, "
            "run winback forget with each."
        )
    yield "Rows of this id that are delivered again will be set aside without their content."


def _find(settings: Settings, person: str) -> str | None:
    """The id behind a fingerprint, wherever in the workspace it stands."""
    held = inputs.lake(settings)
    in_lake = (held.owner_of(name, person) for name in TABLES)
    files = [file for kind in (*_DAILY, "lists") for file in _files(settings, kind)]
    in_files = (_owner_of(file, person) for file in (*files, *_drawn(settings)))
    texts = (text for file in _rejected(settings) for text in pl.read_parquet(file)["row"].drop_nulls())
    in_quarantine = (quarantine.named(text, frozenset({person})) for text in texts)
    found = (one for places in (in_lake, in_files, in_quarantine) for one in places)
    return next((one for one in found if one is not None), None)


def _owner_of(file: Path, person: str) -> str | None:
    ids = pl.scan_parquet(file).select(pl.col("customer_id").unique())
    found = ids.filter(sha256("customer_id") == person).collect()
    return None if found.is_empty() else str(found.item())


def _other_ids(settings: Settings, customer_id: str) -> int:
    held = inputs.lake(settings)
    customers, identities = (
        held.scan(name).collect() if held.holds(name) else None for name in ("customers", "identities")
    )
    everyone = persons(pl.Series([customer_id]), customers, identities)
    same = everyone.filter(
        pl.col("person_id") == everyone.filter(customer_id=customer_id)["person_id"].item()
    )
    return same.height - 1


def _files(settings: Settings, kind: str) -> list[Path]:
    """Files with a row per customer."""
    files = (inputs.workspace(settings).root / kind).glob("as_of=*/**/*.parquet")
    return sorted(file for file in files if file.name != PATH)


def _drawn(settings: Settings) -> list[Path]:
    """Files with a row per person whom a list drew."""
    return sorted(inputs.workspace(settings).all_drawn.glob("*.parquet"))


def _rejected(settings: Settings) -> list[Path]:
    return sorted(inputs.workspace(settings).quarantine.glob("*/*.parquet"))


def _without(file: Path, customer_id: str) -> int:
    frame = pl.read_parquet(file)
    return _keep(file, frame, frame.filter(pl.col("customer_id") != customer_id))


def _without_rejected(file: Path, customer_id: str) -> int:
    """Rejected rows are texts: every one goes in which the id stands, as a word or as a cell."""
    frame = pl.read_parquet(file)
    word = re.compile(rf"(?<!\w){re.escape(customer_id)}(?!\w)")
    person = frozenset({fingerprint(customer_id)})
    theirs = [
        text is not None and (bool(word.search(text)) or quarantine.named(text, person) is not None)
        for text in frame["row"]
    ]
    return _keep(file, frame, frame.filter(~pl.Series(theirs, dtype=pl.Boolean)), private=True)


def _keep(file: Path, frame: pl.DataFrame, kept: pl.DataFrame, *, private: bool = False) -> int:
    if kept.height < frame.height:
        with publish_file(file, private=private) as aside:
            write_parquet(kept, aside)
    return frame.height - kept.height
