"""How does a decision become files: whole or not at all, with the same bytes every time, never changed later?

A list that is delivered (acknowledged) is immutable: the same list again does nothing; another one for the
same day is refused unless a revision is asked for, which keeps the old one under `revisions/<list_id>/`.
"""

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from features.digests import file_digest
from features.errors import DataRefused
from flows.enrolments import MANIFEST, Delivered, delivered, read_manifest
from flows.workspace import publish_folder
from models.decision import Decision
from models.outputs import FREE_TEXT, Manifest, digits

REVISIONS = "revisions"
_FRAMES = ("winback", "holdout", "excluded")
PATH = "path.parquet"
_FILES = ("excluded.parquet", "holdout.parquet", PATH, "winback.csv", "winback.jsonl", "winback.parquet")
_FORMULA = r"^[=+\-@\t\r]"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Written:
    """Where a list lies and whether it is new.

    Attributes:
        folder: the list's folder.
        list_id: its name.
        status: `written`; `unchanged` when the same list was already delivered; `revised` when it replaced
            another.
    """

    folder: Path
    list_id: str
    status: Literal["written", "unchanged", "revised"]


def write_list(folder: Path, decision: Decision, manifest: Manifest, *, revision: bool = False) -> Written:
    """Write the files of a list.

    Args:
        folder: the list's folder in the workspace; appears whole.
        decision: the frames.
        manifest: what the list was made of; its `files` are filled in here.
        revision: whether a delivered list of the same day may be replaced.

    Raises:
        DataRefused: when another list for this day is delivered and no revision is asked for.
    """
    refuse_changed(folder, decision, revision=revision)
    before = delivered(folder)
    if before is not None and before.list_id == decision.list_id:
        _log.info("List %s of %s is delivered already; nothing to do.", before.list_id, decision.as_of)
        return Written(folder, decision.list_id, "unchanged")
    with publish_folder(folder) as aside:
        if before is not None:
            _keep(folder, aside, before.list_id)
        write_parquet(decision.path, aside / PATH)
        _write(aside, {name: getattr(decision, name) for name in _FRAMES}, manifest)
    return Written(folder, decision.list_id, "written" if before is None else "revised")


def refuse_changed(folder: Path, decision: Decision, *, revision: bool) -> None:
    """Refuse to take the place of another list that is delivered; before anything of the night is written.

    Raises:
        DataRefused: when another list for this day is delivered and no revision is asked for.
    """
    before = delivered(folder)
    if before is not None and before.list_id != decision.list_id and not revision:
        raise DataRefused(_changed(before, decision))


def erase_from_list(folder: Path, customer_id: str) -> int:
    """Take a person out of a list and of its revisions; ranks, counts and totals stay as they were delivered.

    Args:
        folder: the list's folder; nothing happens without a list.
        customer_id: whom to erase.

    Returns:
        How many rows are gone.
    """
    found = [_erased(place, customer_id)[1] for place in _versions(folder)]
    if sum(found) == 0:
        return 0
    with publish_folder(folder) as aside:
        shutil.copytree(folder, aside, dirs_exist_ok=True)
        for place in _versions(aside):
            kept, _ = _erased(place, customer_id)
            manifest = read_manifest(place)
            if manifest is not None:
                _write(place, kept, manifest)
    return sum(found)


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame so that the same rows give the same bytes."""
    frame.write_parquet(
        path, compression="zstd", compression_level=3, statistics=True, row_group_size=100_000
    )


def _changed(before: Delivered, decision: Decision) -> str:
    return (
        f"The list of {decision.as_of} is delivered (list {before.list_id}, acknowledged "
        f"{before.acknowledged_on}), and config, model or data have changed since: they now give list "
        f"{decision.list_id}. A delivered list is not changed. Take the old config and data, choose another "
        "--as-of, or ask for a new revision (--revision): it voids the enrolments of the old one."
    )


def _keep(folder: Path, aside: Path, list_id: str) -> None:
    """Put the old list, and older ones that it kept, under revisions/."""
    if (folder / REVISIONS).exists():
        shutil.copytree(folder / REVISIONS, aside / REVISIONS)
    shutil.copytree(folder, aside / REVISIONS / list_id, ignore=shutil.ignore_patterns(REVISIONS))


def _versions(folder: Path) -> list[Path]:
    """The list's folder and those of its revisions."""
    places = [folder, *sorted((folder / REVISIONS).glob("*"))]
    return [place for place in places if (place / MANIFEST).is_file()]


def _erased(place: Path, customer_id: str) -> tuple[dict[str, pl.DataFrame], int]:
    """The frames of a list without a person, and how many rows that takes away."""
    whole = {name: pl.read_parquet(place / f"{name}.parquet") for name in _FRAMES}
    kept = {name: frame.filter(pl.col("customer_id") != customer_id) for name, frame in whole.items()}
    return kept, sum(whole[name].height - kept[name].height for name in _FRAMES)


def _write(aside: Path, frames: Mapping[str, pl.DataFrame], manifest: Manifest) -> None:
    winback = frames["winback"]
    (aside / "winback.csv").write_text(_csv(winback, manifest.currency), encoding="utf-8", newline="")
    (aside / "winback.jsonl").write_text(winback.write_ndjson(), encoding="utf-8", newline="")
    for name in _FRAMES:
        write_parquet(frames[name], aside / f"{name}.parquet")
    files = {name: file_digest(aside / name) for name in _FILES if (aside / name).exists()}
    content = manifest.model_copy(update={"files": files}).model_dump(mode="json")
    (aside / MANIFEST).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _csv(frame: pl.DataFrame, currency: str) -> str:
    """RFC 4180 with LF: every number with a fixed count of digits, free texts guarded against formulas."""
    numbers = [
        pl.col(name).cast(pl.Decimal(38, places)).cast(pl.String)
        for name, places in digits(currency).items()
        if name in frame.columns
    ]
    texts = [_guarded(name) for name in FREE_TEXT if name in frame.columns]
    return frame.with_columns(*numbers, *texts).write_csv(line_terminator="\n", quote_style="necessary")


def _guarded(column: str) -> pl.Expr:
    """A text that a spreadsheet would take for a formula gets a leading apostrophe."""
    text = pl.col(column)
    return pl.when(text.str.contains(_FORMULA)).then("'" + text).otherwise(text).alias(column)
