"""Every feature: its name, meaning, unit, formula, source and family. FEATURES.md is written from it.

`python -m features.catalogue` writes the file again. A test fails when a feature is missing here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from features.feature_list import FAMILIES, PARAMETERS, Values

DOCUMENT = Path(__file__).with_name("FEATURES.md")


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature, or several that differ in a parameter only.

    Attributes:
        name: of the column; `{window}` stands for a parameter.
        unit: what it is counted in; `minor units` grow with all amounts, nothing else does.
        meaning: in one sentence.
        formula: how it is made.
        source: the table or frame that it comes from.
        family: the group it belongs to.
        shared: whether other customers take part in it.
        values: values of each parameter; one that is not here takes any number.
    """

    name: str
    unit: str
    meaning: str
    formula: str
    source: str
    family: str
    shared: bool = False
    values: Mapping[str, Values] = field(default_factory=dict)

    def matches(self, column: str) -> bool:
        """Whether a column is this feature."""
        return re.fullmatch(re.sub(r"\{(\w+)\}", self._choices, self.name), column) is not None

    def _choices(self, parameter: re.Match[str]) -> str:
        allowed = self.values.get(parameter[1])
        return r"\d+(?:_\d+)?" if allowed is None else f"(?:{'|'.join(map(str, allowed))})"


def describe(column: str) -> Feature:
    """The feature behind a column.

    Raises:
        KeyError: when no feature, or more than one, has the name.
    """
    found = [feature for feature in CATALOGUE if feature.matches(column)]
    if len(found) != 1:
        raise KeyError(f"{column} is {len(found)} features of the catalogue")
    return found[0]


def document() -> str:
    """FEATURES.md: one table per family."""
    families = dict.fromkeys(feature.family for feature in CATALOGUE)
    return "\n".join(_HEAD + [line for family in families for line in _section(family)])


def _section(family: str) -> Iterator[str]:
    yield from (
        f"## {family}",
        "",
        "| feature | unit | meaning | formula | source |",
        "|---|---|---|---|---|",
    )
    for one in CATALOGUE:
        if one.family == family:
            name = f"`{one.name}`{_parameters(one)}{' (shop)' if one.shared else ''}"
            yield f"| {name} | {one.unit} | {one.meaning} | {one.formula} | {one.source} |"
    yield ""


def _parameters(feature: Feature) -> str:
    return "".join(f"; {key}: {', '.join(map(str, values))}" for key, values in feature.values.items())


_HEAD = [
    "# Features",
    "",
    "One row per customer and day (`as_of`), made of what was known at the end of that day. Written by",
    "`make docs`; do not edit.",
    "",
    "- A window of so many days ends with the as_of and holds it. Names without a window are of the whole",
    "  history, or of the lookback.",
    "- *purchases* are orders that are positive and not taken back in full by the as_of; *lines* are order",
    "  lines; *order days* are days with a purchase, each counted once. Money is in minor units.",
    "- (shop): other customers take part. All others are made of the customer's own history alone.",
    "- A feature whose table or column the shop does not have is absent. Null: not known, or not defined.",
    "",
]


def _features() -> Iterator[Feature]:
    for family, source, rows, shared in FAMILIES:
        for name, unit, meaning, formula in rows:
            parameters = re.findall(r"\{(\w+)\}", name)
            values = {one: PARAMETERS[one] for one in parameters if one in PARAMETERS}
            yield Feature(name, unit, meaning, formula, source, family, shared, values)


CATALOGUE: tuple[Feature, ...] = tuple(_features())

if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
