"""Who is enrolled, from which list, and until when?

The lists themselves are the record: a list's folder names everyone it enrolled, its manifest says when the
window of its people closes, and `acknowledged.json` beside it when the tool has confirmed it. Lists kept
under `revisions/` are void.

An enrolment is open until the gap and the horizon have passed since the acknowledgement. A list that nobody
has acknowledged is open until the last day on which its people could be contacted, and void from then on.
"""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from features.asof import AsOf
from features.errors import DataRefused, WinbackError
from flows.workspace import publish_file
from models.eligibility import DRAWN, ENROLMENTS, as_enrolments
from models.outputs import Manifest

MANIFEST = "manifest.json"
_ACKNOWLEDGED = "acknowledged.json"


@dataclass(frozen=True, slots=True)
class Delivered:
    """A list that a tool has."""

    list_id: str
    acknowledged_on: date


def delivered(folder: Path) -> Delivered | None:
    """The delivered list in a folder, or None when there is no list or it is not delivered."""
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    day = _acknowledged_on(folder, manifest)
    return None if day is None else Delivered(manifest.list_id, day)


def acknowledge(folder: Path, on: date) -> Delivered:
    """Record that the list in a folder has been delivered; the first acknowledgement stays.

    Raises:
        DataRefused: when there is no list.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise DataRefused(
            f"There is no list in {folder} to acknowledge. Run winback nightly for that day first."
        )
    known = _acknowledged_on(folder, manifest)
    if known is not None:
        return Delivered(manifest.list_id, known)
    with publish_file(folder / _ACKNOWLEDGED) as path:
        content = {"list_id": manifest.list_id, "acknowledged_on": on.isoformat()}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return Delivered(manifest.list_id, on)


def read_enrolments(lists: Path, before: date) -> pl.DataFrame:
    """Everyone enrolled by a list of an earlier day (`models.eligibility.ENROLMENTS`), sorted.

    Args:
        lists: the folder of all lists.
        before: lists of this day and later ones are not read.
    """
    found = [_one(folder, before) for folder in sorted(lists.glob("as_of=*"))]
    empty = pl.DataFrame(schema=ENROLMENTS)
    return pl.concat([empty, *[frame for frame in found if frame is not None]]).sort("as_of", "enrolment_id")


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest in a folder, or None when there is no list.

    Raises:
        WinbackError: when there is one that cannot be read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValueError:
        raise _damaged(path) from None


def _one(folder: Path, before: date) -> pl.DataFrame | None:
    manifest = read_manifest(folder)
    if manifest is None or manifest.as_of >= before:
        return None
    day = _acknowledged_on(folder, manifest)
    windows = AsOf(manifest.as_of, manifest.horizon_days, manifest.gap_days)
    files = (folder / f"{name}.parquet" for name in ("winback", "holdout"))
    drawn = pl.concat(_drawn(file) for file in files)
    told = drawn.with_columns(acknowledged_on=pl.lit(day, pl.Date))
    return as_enrolments(told, windows, manifest.contact_by)


def _drawn(file: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(file, columns=list(DRAWN))
    except (pl.exceptions.ComputeError, FileNotFoundError):
        raise _damaged(file) from None


def _acknowledged_on(folder: Path, manifest: Manifest) -> date | None:
    # Without consent a list goes to no tool: people nobody contacted must teach nothing of a contact.
    if manifest.acknowledge == "on_write" and manifest.exportable:
        return manifest.as_of + timedelta(days=1)
    path = folder / _ACKNOWLEDGED
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        known, day = content["list_id"], date.fromisoformat(content["acknowledged_on"])
    except (ValueError, KeyError, TypeError):
        raise _damaged(path) from None
    return day if known == manifest.list_id else None


def _damaged(path: Path) -> WinbackError:
    return WinbackError(f"{path} is damaged: it is not what winback wrote. Restore it from a backup.")
