"""What does a night believe of the effects of offers, taught by the own lists whose windows are complete?

    effects/contacts/<list_id>.parquet  the people that a delivered list drew, with the features of its night
    effects/learned/<digest>/           what was learned: about.json, effects.json and XGBoost's own files

The digest covers the contacts, their features, what became of them, and all options: what is stored under it
is what would be learned again. A night learns when there is something new, and else reads what is there.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from features.asof import AsOf
from features.digests import file_digest, short_digest
from features.errors import WinbackError
from flows import inputs
from flows.console import step
from flows.drawn import keep, known_of, looked_back, without_features
from flows.enrolments import read_manifest
from flows.settings import Settings
from flows.trials import Accounts, arrived, trials
from flows.workspace import publish_folder
from models.uplift import Learned, Standing, changed, learn, standings

_log = logging.getLogger(__name__)

ABOUT = "about.json"
# Raise it when the same contacts come to teach something else.
_VERSION = 3
_ASSUMED = "The effect of a contact is assumed, not measured yet (evidence C)."


@dataclass(frozen=True, slots=True)
class Believed:
    """What a night believes.

    Attributes:
        effects: what was learned; None when no own contacts can teach anything yet: then it is assumed.
        digest: of all that it was learned from.
        standings: offer: how well its effect is known.
        notes: sentences on what has changed and what is missing.
    """

    effects: Learned | None = None
    digest: str | None = None
    standings: Mapping[str, Standing] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def evidence(self) -> dict[str, str]:
        """Offer: A, B or C."""
        return {offer: str(one.evidence) for offer, one in self.standings.items()}

    @property
    def sentences(self) -> tuple[str, ...]:
        """For people."""
        if self.effects is None:
            return (_ASSUMED, *self.notes)
        return (*self.notes, *(one.sentence for one in self.standings.values()))


@task(name="learn what contacts change", cache_policy=NO_CACHE)
def believe(settings: Settings, as_of: AsOf, features: Path, learned_in: Path | None = None) -> Believed:
    """Learn from all own randomised contacts whose window is complete and whose orders have arrived.

    Args:
        settings: the config.
        as_of: the night; only lists whose window was over by then are read.
        features: folder of its features: what it lacks cannot be learned from.
        learned_in: where what is learned is kept; default the workspace's own place, for the nights to come.
    """
    delivered = trials(settings, as_of)
    for trial in delivered:
        keep(settings, trial)
    newest = inputs.newest_order(settings)
    lists = [one for one in delivered if one.window.is_complete(as_of.day) and arrived(one, newest)]
    if not lists:
        return Believed()
    with step("Learning what contacts change"):
        rows = looked_back(lists, Accounts.read(settings, as_of, lists))
        if rows.is_empty():
            return Believed()
        there = pl.read_parquet_schema(min(features.iterdir()))
        asked = dict.fromkeys((*settings.uplift.features, *settings.effect.traits))
        names = tuple(name for name in asked if name in there)
        digest = _digest(settings, rows, names)
        folder = inputs.workspace(settings).learned(digest) if learned_in is None else learned_in / digest
        if not (folder / ABOUT).is_file():
            _learn(settings, rows, names, folder)
        found = _read(folder)
    changes = changed(found.standings, _before(settings, as_of.day))
    for change in changes:
        _log.info(change)
    notes = (*changes, *without_features(settings, _lists_of(rows)))
    return Believed(found.effects, digest, found.standings, notes)


def standing_now(settings: Settings) -> tuple[str, ...]:
    """What the last night believed, a sentence per offer."""
    places = inputs.workspace(settings)
    manifests = [read_manifest(places.list(day)) for day in places.days("lists")[-1:]]
    digest = next((one.effects for one in manifests if one is not None), None)
    if digest is None or not (places.learned(digest) / ABOUT).is_file():
        return (_ASSUMED,)
    return tuple(one.sentence for one in _about(places.learned(digest))[1].values())


def unrecorded(settings: Settings, mark: str) -> Iterator[tuple[Path, date, Mapping[str, Standing]]]:
    """What was learned and has no such file beside it: its folder, the last day it knows, what is known."""
    for file in sorted(inputs.workspace(settings).all_learned.glob(f"*/{ABOUT}")):
        if not (file.parent / mark).is_file():
            yield file.parent, *_about(file.parent)


def _digest(settings: Settings, rows: pl.DataFrame, names: Sequence[str]) -> str:
    """Hash of everything that decides what is learned: 12 hex digits."""
    content = {
        "version": _VERSION,
        "seed": settings.seed,
        "features": sorted(names),
        "effect": settings.effect.model_dump(mode="json"),
        "uplift": settings.uplift.model_dump(mode="json"),
        "offers": [(one.id, one.model_dump(mode="json")["effect"]) for one in settings.offers],
        "contacts": [(one, file_digest(inputs.workspace(settings).drawn(one))) for one in _lists_of(rows)],
    }
    written = BytesIO()
    rows.write_parquet(written, compression="uncompressed")
    text = json.dumps(content, sort_keys=True).encode()
    return short_digest(text + written.getvalue())


def _lists_of(rows: pl.DataFrame) -> list[str]:
    return rows["list_id"].unique().sort().to_list()


def _learn(settings: Settings, rows: pl.DataFrame, names: Sequence[str], folder: Path) -> None:
    """Learn, and keep it whole."""
    known = pl.concat([known_of(settings, one, names) for one in _lists_of(rows)], how="diagonal_relaxed")
    taught = rows.join(known, on="enrolment_id", how="left", validate="1:1")
    found = learn(taught, settings.offers, settings.effect, settings.uplift, seed=settings.seed)
    told = standings(taught, found, settings.offers, settings.uplift)
    about = {
        "version": _VERSION,
        "until": rows["as_of"].max().isoformat(),  # type: ignore[union-attr]  # a date: there are rows
        "lists": _lists_of(rows),
        "contacts": rows.height,
        "offers": [one.to_json() for one in told],
    }
    with publish_folder(folder) as aside:
        for name, raw in found.files().items():
            (aside / name).write_bytes(raw)
        text = json.dumps(about, indent=1, sort_keys=True, allow_nan=False)
        (aside / ABOUT).write_text(text + "\n", encoding="utf-8")


def _read(folder: Path) -> Believed:
    names = [file for file in sorted(folder.iterdir()) if file.name != ABOUT and file.suffix != ".recorded"]
    _, told = _about(folder)
    try:
        return Believed(Learned.from_files({file.name: file.read_bytes() for file in names}), None, told)
    except (ValueError, KeyError, TypeError):
        raise _damaged(folder) from None


def _about(folder: Path) -> tuple[date, dict[str, Standing]]:
    try:
        content: dict[str, Any] = json.loads((folder / ABOUT).read_text("utf-8"))
        told = [Standing.from_json(one) for one in content["offers"]]
        return date.fromisoformat(content["until"]), {one.offer: one for one in told}
    except (ValueError, KeyError, TypeError):
        raise _damaged(folder) from None


def _damaged(folder: Path) -> WinbackError:
    return WinbackError(f"{folder} is damaged. Delete it: the next night learns from the contacts again.")


def _before(settings: Settings, day: date) -> Mapping[str, str]:
    """Offer: evidence on the last night before this one."""
    places = inputs.workspace(settings)
    earlier = [one for one in places.days("lists") if one < day]
    manifest = read_manifest(places.list(earlier[-1])) if earlier else None
    return {} if manifest is None else manifest.evidence
