"""Which causes of leaving are told apart, how is each recognised, and can anything be done about it?

The table stands in the config: reason codes and keywords of what people said, and the groups of the model's
reasons that stand for a cause where nobody asked. The order of the table decides when one answer speaks of
several causes.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field, field_validator

from features.options import Days, Options
from models.usual_causes import USUAL

# Of whom nobody knows why they left: not in the table, and always there.
UNKNOWN = "unknown"
_NAME = r"^[a-z][a-z0-9_]*$"
_MOST_WORDS, _LONGEST = 1_000, 100


class CauseRule(Options):
    """One cause of leaving."""

    manageable: bool = Field(
        default=True,
        description="whether anything can be done; people who left for other causes are left out",
    )
    for_good: bool = Field(
        default=False,
        description="holds however long ago it was said, and whatever was said or bought afterwards",
    )
    reasons: tuple[str, ...] = Field(
        default=(), description="codes in the reason column of feedback that stand for it"
    )
    keywords: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict, description="language: words or phrases in a text that stand for it"
    )
    groups: tuple[str, ...] = Field(
        default=(), description="groups of the model's reasons that stand for it where nobody asked"
    )

    def phrases(self) -> tuple[str, ...]:
        """The keywords of all languages."""
        return tuple(phrase for some in self.keywords.values() for phrase in some)


def _default_table() -> dict[str, CauseRule]:
    return {name: CauseRule.model_validate(rule) for name, rule in USUAL.items()}


class CauseOptions(Options):
    """Why people left."""

    max_age_days: Days = Field(
        default=365, ge=1, description="what was said so many days before as_of, or earlier, does not count"
    )
    table: Mapping[str, CauseRule] = Field(
        default_factory=_default_table,
        validate_default=True,
        description="cause: how it is recognised; what is not given stays as it is here, null takes a cause "
        "out",
    )

    @field_validator("table", mode="before")
    @classmethod
    def _over_the_defaults(cls, given: object) -> object:
        """The defaults, with what is given in their place."""
        if not isinstance(given, Mapping):
            return given
        kept = {name: rule for name, rule in USUAL.items() if given.get(name, rule) is not None}
        added = {name: rule for name, rule in given.items() if rule is not None}
        return kept | {name: _over(kept.get(name, {}), rule) for name, rule in added.items()}

    @property
    def unmanageable(self) -> tuple[str, ...]:
        """Causes that nothing can be done about."""
        return tuple(name for name, rule in self.table.items() if not rule.manageable)

    @property
    def by_group(self) -> dict[str, str]:
        """Group of the model's reasons: the cause that it stands for."""
        return {group: name for name, rule in self.table.items() for group in rule.groups}


def cause_faults(causes: CauseOptions) -> Iterator[str]:
    """What is wrong with a table of causes: what one code, phrase or group stands for must be one cause."""
    for faults in (_bad_names, _bad_groups, _bad_phrases):
        yield from (f"causes.table{fault}" for fault in faults(causes.table))


def offer_faults(offer: str, named: Sequence[str], causes: CauseOptions) -> Iterator[str]:
    """What is wrong with the causes that an offer names."""
    for name in sorted({name for name in named if named.count(name) > 1}):
        yield f"offers.{offer}.causes: {name!r} is given twice"
    for name in named:
        if name not in (*causes.table, UNKNOWN):
            known = ", ".join((*causes.table, UNKNOWN))
            yield f"offers.{offer}.causes: {name!r} is no cause of causes.table; there are {known}"
        elif name in causes.unmanageable:
            yield (
                f"offers.{offer}.causes: nobody who left for {name!r} is contacted, since it is not "
                "manageable; take it out of the offer, or set manageable: true under causes.table"
            )


def _over(default: object, given: object) -> object:
    if not isinstance(given, Mapping) or not isinstance(default, Mapping):
        return given
    merged = {**default, **given}
    own, built_in = given.get("keywords"), default.get("keywords")
    if isinstance(own, Mapping) and isinstance(built_in, Mapping):
        merged["keywords"] = {**built_in, **own}
    return merged


def _bad_names(table: Mapping[str, CauseRule]) -> Iterator[str]:
    for name in table:
        if name == UNKNOWN:
            yield f".{name}: people without a known cause are called so; call the cause otherwise"
        elif not re.match(_NAME, name):
            yield f".{name}: a cause is called by small letters, digits and _, beginning with a letter"


def _bad_groups(table: Mapping[str, CauseRule]) -> Iterator[str]:
    from models.reasons.groups import UNTOLD, Group

    known = [str(group) for group in Group if group not in UNTOLD]
    pairs = [(group, name) for name, rule in table.items() for group in rule.groups]
    for place, (group, name) in enumerate(pairs):
        if group not in known:
            yield f".{name}.groups: {group!r} is no group of reasons; there are {', '.join(known)}"
        elif not table[name].manageable:
            yield f".{name}.groups: the model cannot know a cause that is not manageable; leave it empty"
        elif other := next((one for same, one in pairs[:place] if same == group), None):
            yield f".{name}.groups: {group!r} stands for {other} already"


def _bad_phrases(table: Mapping[str, CauseRule]) -> Iterator[str]:
    yield from _said_twice("reasons", [(word, name) for name, rule in table.items() for word in rule.reasons])
    phrases = [(word, name) for name, rule in table.items() for word in rule.phrases()]
    yield from _said_twice("keywords", phrases)


def _said_twice(key: str, pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    from models.keywords import plain

    if len(pairs) > _MOST_WORDS:
        yield f": there are {len(pairs):,} {key}; at most {_MOST_WORDS:,} are searched for"
        return
    seen: dict[str, str] = {}
    for (word, name), spoken in zip(pairs, plain([word for word, _ in pairs]), strict=True):
        if not spoken or len(word) > _LONGEST:
            yield f".{name}.{key}: {word!r} is not a word or phrase of at most {_LONGEST} characters"
        elif seen.setdefault(spoken, name) != name:
            yield f".{name}.{key}: {word!r} stands for {seen[spoken]} already; keep it at one of them"
