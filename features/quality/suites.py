"""Which rules a table is held to: a YAML file per table, the user's own before the built-in one."""

from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from features.contracts import TABLES, UNREADABLE, did_you_mean
from features.errors import ConfigError
from features.options import Section
from features.quality.rules import AnyRule, Rule
from features.wording import counted

BUILT_IN = Path(__file__).resolve().parents[2] / "configs" / "quality"
KEY = ("source_file", "source_line")
# Columns of the frame of counts beside the rules, and the first words of faults of readers and mappings.
_TAKEN = ("bad_share", "broken_rows", "rows", "ragged_row", "bad_encoding")
_TAKEN_BEGINNINGS = ("excluded_", UNREADABLE, "missing_")


class Suite(Section):
    """The rules of one table, or of one row of measures.

    Attributes:
        name: the file it came from, without its ending.
        about: what the suite guards, a sentence.
        over: rows of a table, or one row of measures.
        rules: in the order in which the first broken one is named.
    """

    name: str
    about: str = Field(min_length=1)
    over: Literal["rows", "measures"] = "rows"
    rules: tuple[AnyRule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _rules_agree(self) -> Self:
        faults = [*self._names(), *self._quarantine(), *self._columns()]
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def applicable(self, columns: Collection[str]) -> tuple[Rule, ...]:
        """The rules whose columns are all there."""
        return tuple(rule for rule in self.rules if set(rule.columns) <= set(columns))

    def skipped(self, columns: Collection[str]) -> tuple[str, ...]:
        """Ids of the rules that read a column which is not there."""
        kept = {rule.id for rule in self.applicable(columns)}
        return tuple(rule.id for rule in self.rules if rule.id not in kept)

    def _names(self) -> list[str]:
        ids = [rule.id for rule in self.rules]
        twice = sorted({one for one in ids if ids.count(one) > 1})
        taken = [one for one in ids if one in _TAKEN or one.startswith(_TAKEN_BEGINNINGS)]
        return [f"id {one!r} is given twice" for one in twice] + [
            f"id {one!r} is a name that winback itself uses; choose another" for one in taken
        ]

    def _quarantine(self) -> list[str]:
        return [
            f"{rule.id}: looks at more than one row, so its rows cannot be set aside; write rows: keep"
            for rule in self.rules
            if rule.rows == "quarantine" and not rule.row_wise
        ] + [
            f"{rule.id}: measures have no rows to set aside; write rows: keep"
            for rule in self.rules
            if rule.rows == "quarantine" and self.over == "measures"
        ]

    def _columns(self) -> list[str]:
        table = TABLES.get(self.name)
        if table is None:
            return []
        known = [*table.index, *KEY]
        return [
            f"{rule.id}: {self.name} has no column {column!r}.{did_you_mean([column], known)}"
            for rule in self.rules
            for column in rule.columns
            if column not in known
        ]


def load_suite(name: str, folder: Path | None = None, *, today: date | None = None) -> Suite:
    """Read the suite of a table.

    Args:
        name: the table, e.g. `transactions`.
        folder: the user's own suites; a file there stands in for the built-in one.
        today: the day of the check, for bounds such as `today + 2d`.

    Raises:
        ConfigError: naming every fault in the file with its place.
    """
    path = _find(name, folder)
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} holds no suite. It needs the keys about and rules.")
    try:
        return Suite.model_validate({**tree, "name": name}, context={"today": today})
    except ValidationError as error:
        raise ConfigError(_explain(error, path)) from None


def _find(name: str, folder: Path | None) -> Path:
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"quality.suites is {str(folder)!r}, which is not a folder.")
    places = [BUILT_IN] if folder is None else [folder, BUILT_IN]
    for place in places:
        path = place / f"{name}.yaml"
        if path.is_file():
            return path
    known = sorted({path.stem for place in places for path in place.glob("*.yaml")})
    raise ConfigError(f"There is no quality suite {name!r}. There are: {', '.join(known)}.")


def _explain(error: ValidationError, path: Path) -> str:
    faults = error.errors(include_url=False, include_input=False)
    lines = []
    for fault in faults:
        place = _place(fault["loc"])
        text = fault["msg"].removeprefix("Value error, ")
        lines += [f"  {place}{line}" for line in text.splitlines()]
    return f"{path} has {counted(len(lines), 'fault')}:\n" + "\n".join(lines)


def _place(location: tuple[int | str, ...]) -> str:
    """`rules[2].regex: `; the name of the expectation, which pydantic puts in between, is left out."""
    parts = [part for part in location if not str(part).startswith("expect_")]
    text = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in parts)
    return f"{text.lstrip('.')}: " if text else ""
