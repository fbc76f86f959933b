"""Where rows go that were not accepted: with the rule, the file and the line, readable by the owner only."""

import json
import re
import time
from pathlib import Path

import polars as pl

from features.pricing import ERASED, fingerprint
from features.sources import Delivery
from features.sources.chunks import as_json

QUARANTINED = pl.Schema(
    {"rule": pl.String(), "source_file": pl.String(), "source_line": pl.Int64(), "row": pl.String()}
)
_DAY = 86_400
_ASIDE = ".aside"
_WORD = re.compile(r"[^\s,;|\"'{}]+")
# A whole number of a typed source is written with a point; as an id (features.sources.cells) it has none.
_POINT = re.compile(r"\.0+$")


def rejected(
    bad: pl.DataFrame, raw: pl.DataFrame, delivery: Delivery, erased: frozenset[str] = frozenset()
) -> pl.DataFrame:
    """Rows to set aside, with their text as delivered.

    Args:
        bad: judged rows with `rule`, `raw` and `source_line`.
        raw: the chunk they were read from.
        delivery: where it came from.
        erased: fingerprints of people of whom nothing may be kept; rows that name one keep no text.
    """
    cells = [column for column in raw.columns if column not in ("source_line", "fault", "raw")]
    untold = bad.filter(pl.col("raw").is_null())["source_line"].implode()
    text = raw.select("source_line", text=as_json(raw.select(cells), raw["source_line"].is_in(untold)))
    joined = bad.join(text, on="source_line", how="left", maintain_order="left")
    rows = joined.select(
        "rule",
        "source_line",
        source_file=pl.lit(delivery.name),
        row=pl.when(pl.col("rule") != ERASED).then(pl.coalesce("raw", "text")),
    ).select(QUARANTINED.names())
    if not erased:
        return rows
    kept = [None if text is None or named(text, erased) is not None else text for text in rows["row"]]
    return rows.with_columns(row=pl.Series(kept, dtype=pl.String))


def named(text: str, people: frozenset[str]) -> str | None:
    """The cell or word of a rejected row that is the id of one of these people, or None.

    Args:
        text: a row as it is kept: JSON of its cells, or the raw text of one that could not be read.
        people: fingerprints.
    """
    words = {*_cells(text), *_WORD.findall(text)}
    ids = words | {_POINT.sub("", word) for word in words}
    return next((one for one in sorted(ids) if fingerprint(one) in people), None)


def _cells(text: str) -> list[str]:
    try:
        row = json.loads(text)
    except ValueError:  # the raw text of a row that could not be read
        return []
    return [str(cell).strip() for cell in row.values()] if isinstance(row, dict) else []


def set_aside(bad: Path, folder: Path, delivery: Delivery) -> None:
    """Put a delivery's rejected rows in place, whole; the same delivery again replaces them."""
    parts = sorted(bad.glob("*.parquet"))
    target = folder / f"{delivery.digest[:16]}.parquet"
    if not parts:
        target.unlink(missing_ok=True)
        return
    for place in (folder.parent, folder):
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o700)
    aside = target.with_suffix(_ASIDE)
    aside.touch(mode=0o600)
    pl.scan_parquet(parts).sink_parquet(aside)
    aside.chmod(0o600)
    aside.replace(target)


def recover(quarantine: Path) -> None:
    """Remove what a killed run left half written; only the holder of the workspace lock may call this."""
    for aside in quarantine.glob(f"*/*{_ASIDE}"):
        aside.unlink()


def clean(quarantine: Path, days: int) -> int:
    """Delete rejected rows older than the configured number of days; returns how many files went."""
    limit = time.time() - days * _DAY
    old = [file for file in quarantine.glob("*/*.parquet") if file.stat().st_mtime < limit]
    for file in old:
        file.unlink()
    return len(old)


def summary(quarantine: Path) -> pl.DataFrame:
    """Rows set aside per table and rule."""
    files = sorted(quarantine.glob("*/*.parquet"))
    if not files:
        return pl.DataFrame(schema={"table": pl.String(), "rule": pl.String(), "rows": pl.UInt32()})
    frames = [pl.scan_parquet(file).select("rule", table=pl.lit(file.parent.name)) for file in files]
    counted = pl.concat(frames).group_by("table", "rule").agg(rows=pl.len().cast(pl.UInt32))
    return counted.sort("table", "rule").collect()
