"""Which source columns does a mapping read, and does a delivery have them all?"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from features.contracts import did_you_mean
from features.errors import DataRefused
from features.options import SourceOptions
from features.sources.chunks import LINE
from features.sources.expressions import Meaning, understand


class Mention(NamedTuple):
    """A text of the config that reads source columns, its key, and what it means."""

    text: str
    where: str
    meaning: Meaning


def mapping_of(present: Sequence[str], table: str, source: SourceOptions) -> dict[str, Mention]:
    """What each mapped canonical column means in a source with these columns.

    Raises:
        ConfigError: when an expression is wrong.
    """
    texts = source.columns.items()
    return {name: _mention(text, f"sources.{table}.columns.{name}", present) for name, text in texts}


def exclusions_of(present: Sequence[str], table: str, source: SourceOptions) -> dict[str, Mention]:
    """What each exclusion means in a source with these columns, by its name.

    Raises:
        ConfigError: when an expression is wrong.
    """
    return {
        rule.name: _mention(rule.where, f"sources.{table}.exclude.{rule.name}", present)
        for rule in source.exclude
    }


def check_columns(present: Sequence[str], table: str, source: SourceOptions, what: str) -> None:
    """Refuse a delivery that lacks a column which the config reads.

    Args:
        present: the source's columns.
        table: canonical name of the table.
        source: the config.
        what: the delivery, for the message.

    Raises:
        DataRefused: naming every missing column, the columns present and near misses.
        ConfigError: when an expression is wrong.
    """
    readers: dict[str, str] = {}
    for name, where in _read_columns(present, table, source):
        if name not in present and name != LINE:
            readers.setdefault(name, where)
    if not readers:
        return
    missing = [f"{name!r} (read by {where})" for name, where in readers.items()]
    raise DataRefused(
        f"{what} lacks {len(missing)} column{'s' if len(missing) > 1 else ''}: {', '.join(missing)}. "
        f"Columns present: {', '.join(present)}.{did_you_mean(list(readers), list(present))}"
        f"{_one_column_hint(present, table)}"
    )


def _read_columns(present: Sequence[str], table: str, source: SourceOptions) -> Iterator[tuple[str, str]]:
    mentions = [*mapping_of(present, table, source).values(), *exclusions_of(present, table, source).values()]
    for mention in mentions:
        yield from ((name, mention.where) for name in sorted(mention.meaning.columns))
    yield from ((name, f"sources.{table}.numbers") for name in source.numbers)
    if source.fill_down:
        names = (source.fill_down.by, *source.fill_down.columns)
        yield from ((name, f"sources.{table}.fill_down") for name in names)


def _one_column_hint(present: Sequence[str], table: str) -> str:
    """What is wrong when a whole header was taken for one name."""
    if len(present) != 1:
        return ""
    marks = {";": '";"', "\t": '"\\t"', "|": '"|"', ",": '","'}
    for mark, written in marks.items():
        if mark in present[0]:
            return f" The header seems to be separated by {written}: set sources.{table}.separator."
    hint = f" The header seems to be separated by blanks: set sources.{table}.format: whitespace."
    return hint if " " in present[0] else ""


def _mention(text: str, where: str, present: Sequence[str]) -> Mention:
    return Mention(text, where, understand(text, present, where))
