"""Which faults has a config, and how are they said to people who have never heard of a tuple?"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# As pydantic gives it: `type`, `loc`, `msg`, `input`.
Fault = Mapping[str, Any]

# What pydantic puts into a place beside keys: a kind of value, and at its end that the key itself is meant.
_KIND = re.compile(r"^(dict|tuple)\[.*\]$")
_KEY = "[key]"
_WORDS = {
    "tuple_type": "a list is needed here: give it whole, written [a, b]",
    "dict_type": "a table is needed here, written {name: value}",
    "model_type": "a table is needed here, written {key: value}",
    "string_type": "a text is needed here (a number in quotes is one)",
    "float_type": "a number is needed here",
    "float_parsing": "a number is needed here",
    "int_type": "a whole number is needed here",
    "int_parsing": "a whole number is needed here",
    "int_from_float": "a whole number is needed here",
    "bool_type": "true or false is needed here",
    "bool_parsing": "true or false is needed here",
    "too_short": "at least one entry is needed here",
}


def in_plain_words(kind: str, message: str) -> str:
    """What pydantic says of a fault of a kind, without words of Python."""
    return _WORDS.get(kind, message)


def own_faults(faults: Sequence[Any]) -> Iterator[tuple[Fault, bool]]:
    """The faults that a person has made, at places that the file has, each with whether it is of a choice.

    A list whose entries are faulty seems to be too short as well: pydantic leaves those out before it counts.
    Where a key takes several kinds of value, each that was tried is a fault of its own, and stands in its
    place; a faulty entry tells that the table or list was meant.
    """
    places = [tuple(fault["loc"]) for fault in faults]
    holders = {loc[:end] for loc in places for end in range(len(loc))}
    kinds = {loc[: end + 1] for loc in places for end, part in enumerate(loc) if _KIND.match(str(part))}
    several, entered = {kind[:-1] for kind in kinds}, {kind[:-1] for kind in kinds & holders}
    for fault, loc in zip(faults, places, strict=True):
        is_of_entries = fault["type"] == "too_short" and loc in holders
        if not is_of_entries and loc[:-1] not in entered:
            own = tuple(part for end, part in enumerate(loc) if loc[:end] not in several)
            yield {**fault, "loc": own[:-1] if own[-1:] == (_KEY,) else own}, loc[:-1] in several
