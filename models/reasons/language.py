"""How are sentences, numbers and plurals written in a language? One YAML file per language says it all."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from features.errors import ConfigError
from features.money import exponent, units

CATALOGUES = Path(__file__).resolve().parents[2] / "configs" / "reasons"
# The language that all others say the same as.
_MODEL = "en"
# Forms that are made of numbers, not of words; without a form, a place takes text.
_NUMBERS = ("number", "tenths", "percent", "money", "month")


class PluralRule(BaseModel):
    """Which numbers take a plural form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    of: int = Field(default=0, ge=0, description="the remainder of this counts; 0: the number itself")
    is_: tuple[int, ...] = Field(alias="is", description="numbers, or remainders, that take the form")
    but_of: int = Field(default=100, ge=1)
    but: tuple[int, ...] = Field(default=(), description="remainders of but_of that do not")

    def takes(self, number: int) -> bool:
        """Whether a number takes the form."""
        return (number % self.of if self.of else number) in self.is_ and number % self.but_of not in self.but


class Language(BaseModel):
    """The catalogue of one language; `configs/reasons/en.yaml` explains its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decimal: str = Field(min_length=1, max_length=1)
    thousands: str = Field(max_length=1)
    money: str
    percent: str
    months: tuple[str, ...] = Field(min_length=12, max_length=12)
    plural: Mapping[str, PluralRule]
    forms: Mapping[str, Mapping[str, str]]
    sentences: Mapping[str, str]

    @model_validator(mode="after")
    def _forms_are_known(self) -> Self:
        used = {form for text in self.sentences.values() for form in places(text).values() if form}
        faults = [f"there is no form {name!r}" for name in sorted(used - {*self.forms, *_NUMBERS})]
        faults += [
            f"the form {name!r} has no 'other'" for name, one in self.forms.items() if "other" not in one
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def told(self, sentence: str, values: Mapping[str, Sequence[Any]], currency: str) -> list[str]:
        """One sentence per row.

        Args:
            sentence: its key.
            values: of each place, one per row: numbers (money in minor units, shares of 1) or text.
            currency: of the money.
        """
        text = self.sentences[sentence]
        forms = places(text)
        columns = [[self.shown(one, forms[name], currency) for one in values[name]] for name in forms]
        bare = "".join(part + ("{}" if name is not None else "") for part, name, *_ in _parsed(text))
        return [bare.format(*row) for row in zip(*columns, strict=True)]

    def shown(self, value: Any, form: str, currency: str) -> str:  # noqa: ANN401 - a number or text
        """A value as it stands in a sentence."""
        if not form:
            return str(value)
        if form == "money":
            digits = exponent(currency)
            return self.money.format(n=self._digits(value / units(currency), digits), currency=currency)
        if form == "percent":
            return self.percent.format(n=self._digits(100 * value))
        if form == "month":
            return self.months[int(value) - 1]
        if form in _NUMBERS:
            return self._digits(value, int(form == "tenths"))
        return self._counted(round(value), self.forms[form])

    def _counted(self, number: int, form: Mapping[str, str]) -> str:
        if number == 0 and "zero" in form:
            return form["zero"]
        fitting = (name for name, rule in self.plural.items() if name in form and rule.takes(number))
        return form[next(fitting, "other")].format(n=self._digits(number))

    def _digits(self, number: float, digits: int = 0) -> str:
        """Half rounds to even; -0 is 0."""
        text = f"{round(number, digits) + 0.0:,.{digits}f}"
        return text.replace(",", "\0").replace(".", self.decimal).replace("\0", self.thousands)


def places(text: str) -> dict[str, str]:
    """The places of a sentence and the form of each, empty for text; each place stands in it once."""
    return {name: form or "" for _, name, form, _ in _parsed(text) if name is not None}


def languages() -> tuple[str, ...]:
    """All languages there are catalogues of."""
    return tuple(sorted(path.stem for path in CATALOGUES.glob("*.yaml")))


@cache
def language(name: str) -> Language:
    """The catalogue of a language.

    Raises:
        ConfigError: when there is none, or it is not readable.
    """
    path = CATALOGUES / f"{name}.yaml"
    if name not in languages():
        raise ConfigError(
            f"There are no sentences in the language {name!r}, only in {', '.join(languages())}. Set "
            f"list.language to one of them, or add {path.name} to {CATALOGUES}."
        )
    try:
        found = Language.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError, ValidationError) as error:
        raise ConfigError(f"{path} is no readable catalogue of sentences: {error}") from None
    other = [] if name == _MODEL else _unlike(language(_MODEL), found)
    if other:
        raise ConfigError(
            f"{path} does not say the same as {_MODEL}.yaml: {', '.join(other)}. Give each sentence that is "
            "there, with the same places."
        )
    return found


def _unlike(model: Language, other: Language) -> list[str]:
    """Sentences that only one of two languages has, or that have other places."""
    keys = sorted({*model.sentences, *other.sentences})
    texts = [(key, model.sentences.get(key), other.sentences.get(key)) for key in keys]
    return [key for key, a, b in texts if a is None or b is None or places(a).keys() != places(b).keys()]


def _parsed(text: str) -> list[tuple[str, str | None, str | None, str | None]]:
    return list(Formatter().parse(text))
