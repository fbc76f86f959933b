"""What one rule says, in the vocabulary of Great Expectations, and as a Polars expression.

One class per expectation: its fields are the arguments a suite file may give, `holds` is the same question
for the one streaming pass over all rows. Null never breaks a rule, except the one that asks for a value; NaN
is a value, greater than any number.
"""

import re
from abc import abstractmethod
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, Self

import polars as pl
from pydantic import (
    BeforeValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    ValidationInfo,
    model_validator,
)
from typing_extensions import override

from features.options import Section, Share

_TODAY = re.compile(r"today(?: *(?P<sign>[+-]) *(?P<days>[0-9]{1,5})d)?")
# These mean other characters, or nothing, in one of the two engines (Rust's regex and RE2 under pandas).
_NOT_PORTABLE = re.compile(r"\\[dDwWsSbBAZz]|\(\?(?!:)|\\[1-9]")
# Beyond this, whole numbers are not exact as floats, which pandas makes of integers with nulls.
_EXACT = 2**53


def _bound(value: object, info: ValidationInfo) -> object:
    """Days become UTC midnights; `today`, `today + 2d` are counted from the day of the check."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, str):
        match = _TODAY.fullmatch(value.strip())
        if not match:
            raise ValueError(f"a bound is a number, a day (YYYY-MM-DD) or 'today + 2d', got {value!r}")
        return _from_today(match, info)
    if isinstance(value, int | float) and abs(value) > _EXACT:
        raise ValueError(f"{value} is beyond 2^53, where bounds are no longer exact")
    return value


def _from_today(match: re.Match[str], info: ValidationInfo) -> datetime:
    today: date | None = (info.context or {}).get("today")
    if today is None:
        raise ValueError("this check does not know what today is; give a fixed day")
    days = int(match["days"] or 0) * (-1 if match["sign"] == "-" else 1)
    return datetime(today.year, today.month, today.day, tzinfo=UTC) + timedelta(days=days)


def _portable(pattern: str) -> str:
    found = _NOT_PORTABLE.search(pattern)
    if found:
        raise ValueError(
            f"{found[0]} does not mean the same everywhere; write the characters out, e.g. [0-9] or [^a-z]"
        )
    try:
        re.compile(pattern)
        pl.select(pl.lit("").str.contains(pattern))
    except (re.error, pl.exceptions.ComputeError) as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    return pattern


Severity = Literal["critical", "warning"]
Bound = Annotated[StrictInt | StrictFloat | datetime, BeforeValidator(_bound)]
Regex = Annotated[str, BeforeValidator(_portable)]


class Rule(Section):
    """What every rule has, whatever it expects.

    Attributes:
        id: how the rule is called in quarantine, messages and Data Docs.
        severity: critical stops the run, warning is reported.
        rows: whether rows that break it are set aside.
        at_most: share of rows that may break it; None takes `quality.max_bad_share` where rows are set aside
            and 0 where they are kept.
        because: the reason, a sentence for people.
        shows: further columns named in the message, for suites over measures.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    expectation: str
    severity: Severity = "critical"
    rows: Literal["quarantine", "keep"] = "keep"
    at_most: Share | None = None
    because: str = Field(min_length=1)
    shows: tuple[str, ...] = ()

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The columns the rule reads."""

    @abstractmethod
    def holds(self) -> pl.Expr:
        """True where a row keeps the rule, false where it breaks it, null where it says nothing."""

    def surely_kept(self) -> pl.Expr | None:
        """One value, found at little cost: true only where no row breaks the rule. None: there is no such."""
        return None

    @property
    def row_wise(self) -> bool:
        """Whether one row is enough to decide."""
        return True

    @property
    def ignored_rows(self) -> str | None:
        """Which rows Great Expectations leaves out, for rules over several columns."""
        return None

    def broken(self) -> pl.Expr:
        """True exactly where a row breaks the rule."""
        return ~self.holds().fill_null(value=True)

    def arguments(self) -> dict[str, object]:
        """The arguments as Great Expectations takes them."""
        own = set(type(self).model_fields) - set(Rule.model_fields)
        return {name: getattr(self, name) for name in sorted(own) if getattr(self, name) is not None}


class _OneColumn(Rule):
    column: str

    @property
    @override
    def columns(self) -> tuple[str, ...]:
        return (self.column,)


class _Range(_OneColumn):
    strict_min: StrictBool = False
    strict_max: StrictBool = False

    def _inside(self, value: pl.Expr, low: float | datetime | None, high: float | datetime | None) -> pl.Expr:
        sides = []
        if low is not None:
            sides.append(value > low if self.strict_min else value >= low)
        if high is not None:
            sides.append(value < high if self.strict_max else value <= high)
        return pl.all_horizontal(sides)


class NotNull(_OneColumn):
    """A value is given."""

    expectation: Literal["expect_column_values_to_not_be_null"]

    @override
    def holds(self) -> pl.Expr:
        return pl.col(self.column).is_not_null()


class Between(_Range):
    """A number or a time lies between two bounds."""

    expectation: Literal["expect_column_values_to_be_between"]
    min_value: Bound | None = None
    max_value: Bound | None = None

    @model_validator(mode="after")
    def _bounds_agree(self) -> Self:
        bounds = [bound for bound in (self.min_value, self.max_value) if bound is not None]
        if not bounds:
            raise ValueError("give min_value, max_value or both")
        if len({isinstance(bound, datetime) for bound in bounds}) > 1:
            raise ValueError("min_value and max_value are of different kinds")
        if len(bounds) > 1 and bounds[0] > bounds[1]:  # type: ignore[operator] # just checked: the same kind
            raise ValueError("min_value is greater than max_value")
        return self

    @override
    def holds(self) -> pl.Expr:
        value = pl.col(self.column)
        if isinstance(self.min_value, datetime) or isinstance(self.max_value, datetime):
            value = value.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        return self._inside(value, self.min_value, self.max_value)


class Lengths(_Range):
    """A text has a number of characters between two bounds."""

    expectation: Literal["expect_column_value_lengths_to_be_between"]
    min_value: StrictInt | None = Field(default=None, ge=0)
    max_value: StrictInt | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if self.min_value is None and self.max_value is None:
            raise ValueError("give min_value, max_value or both")
        return self

    @override
    def holds(self) -> pl.Expr:
        return self._inside(
            pl.col(self.column).cast(pl.String).str.len_chars(), self.min_value, self.max_value
        )

    @override
    def surely_kept(self) -> pl.Expr:
        """Characters are one to four bytes, and bytes need no counting."""
        held, sides = pl.col(self.column).cast(pl.String).str.len_bytes().cast(pl.Int64), []
        if self.min_value is not None:
            sides.append(held.min() > 4 * (self.min_value - (not self.strict_min)))
        if self.max_value is not None:
            sides.append(self._inside(held.max(), None, self.max_value))
        return pl.all_horizontal(sides).fill_null(value=True)


class MatchRegex(_OneColumn):
    """A text holds a pattern; `^` and `$` are its very ends."""

    expectation: Literal["expect_column_values_to_match_regex"]
    regex: Regex

    @override
    def holds(self) -> pl.Expr:
        return pl.col(self.column).cast(pl.String).str.contains(self.regex)


class NotMatchRegex(_OneColumn):
    """A text does not hold a pattern."""

    expectation: Literal["expect_column_values_to_not_match_regex"]
    regex: Regex

    @override
    def holds(self) -> pl.Expr:
        return ~pl.col(self.column).cast(pl.String).str.contains(self.regex)


class InSet(_OneColumn):
    """A text is one of a few."""

    expectation: Literal["expect_column_values_to_be_in_set"]
    value_set: tuple[str, ...] = Field(min_length=1)

    @override
    def holds(self) -> pl.Expr:
        return pl.col(self.column).cast(pl.String).is_in(list(self.value_set))


class Unique(_OneColumn):
    """No other row has the same value."""

    expectation: Literal["expect_column_values_to_be_unique"]

    @property
    @override
    def row_wise(self) -> bool:
        return False

    @override
    def holds(self) -> pl.Expr:
        value = pl.col(self.column)
        return value.is_null() | ~value.is_duplicated()


class CompoundUnique(Rule):
    """No other row has the same values in these columns."""

    expectation: Literal["expect_compound_columns_to_be_unique"]
    column_list: tuple[str, ...] = Field(min_length=2)

    @property
    @override
    def columns(self) -> tuple[str, ...]:
        return self.column_list

    @property
    @override
    def row_wise(self) -> bool:
        return False

    @property
    @override
    def ignored_rows(self) -> str:
        return "any_value_is_missing"

    @override
    def holds(self) -> pl.Expr:
        columns = [pl.col(column) for column in self.column_list]
        missing = pl.any_horizontal(column.is_null() for column in columns)
        return missing | ~pl.struct(columns).is_duplicated()


class _Pair(Rule):
    column_A: str  # noqa: N815 - Great Expectations' own name
    column_B: str  # noqa: N815 - the same

    @property
    @override
    def columns(self) -> tuple[str, ...]:
        return (self.column_A, self.column_B)

    @property
    @override
    def ignored_rows(self) -> str:
        return "either_value_is_missing"


class PairGreater(_Pair):
    """One column is greater than another."""

    expectation: Literal["expect_column_pair_values_a_to_be_greater_than_b"]
    or_equal: StrictBool = False

    @override
    def holds(self) -> pl.Expr:
        first, second = pl.col(self.column_A), pl.col(self.column_B)
        return first >= second if self.or_equal else first > second


class PairEqual(_Pair):
    """Two columns are the same."""

    expectation: Literal["expect_column_pair_values_to_be_equal"]

    @override
    def holds(self) -> pl.Expr:
        return pl.col(self.column_A) == pl.col(self.column_B)


AnyRule = Annotated[
    NotNull
    | Between
    | Lengths
    | MatchRegex
    | NotMatchRegex
    | InSet
    | Unique
    | CompoundUnique
    | PairGreater
    | PairEqual,
    Field(discriminator="expectation"),
]
