"""What the tables are called, which columns they have, and which of those identify a person.

The canonical names of the input tables (a source's own names are mapped in the config) and the columns of our
own outputs. A contract is data; `check` compares a frame with it and reports every fault at once.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

from features.errors import DataRefused
from features.wording import counted

UTC = pl.Datetime("us", "UTC")


class Stage(StrEnum):
    """Where a customer stands on a day; the first that matches, in this order."""

    LOST = "lost"
    LAPSED = "lapsed"
    AT_RISK = "at_risk"
    NEW = "new"
    ACTIVE = "active"


class Kind(StrEnum):
    """How a delivered cell is read."""

    TEXT = "text"
    TIME = "time"
    DAY = "day"
    MONEY = "money"
    NUMBER = "number"
    FLAG = "flag"


# How the rules of cells that cannot be read begin; the column's name follows.
UNREADABLE = "unreadable_"


class Unreadable(StrEnum):
    """What a cell that cannot be read means for its row.

    A row that says "do not contact" must not be lost for one bad cell. Where the row is kept, the cell still
    counts as a bad one in the gate, and the run tells it.
    """

    SET_ASIDE = "set aside"
    EMPTY = "empty"
    NO = "no"
    YES = "yes"

    @property
    def value_of_cell(self) -> bool | None:
        """What the cell is taken for, where the row is kept."""
        return {Unreadable.NO: False, Unreadable.YES: True}.get(self)


DTYPES: Mapping[Kind, pl.DataType] = {
    Kind.TEXT: pl.String(),
    Kind.TIME: UTC,
    Kind.DAY: pl.Date(),
    Kind.MONEY: pl.Int64(),
    Kind.NUMBER: pl.Float64(),
    Kind.FLAG: pl.Boolean(),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One canonical column. Money is held in integer minor units of the reporting currency.

    Attributes:
        name: what it is called.
        kind: how its cells are read.
        required: whether a source must map it.
        nullable: whether a cell may be empty.
        personal: whether it identifies a person.
        meaning: for people.
        unreadable: what a cell that cannot be read means for its row.
    """

    name: str
    kind: Kind
    required: bool = False
    nullable: bool = True
    personal: bool = False
    meaning: str = ""
    unreadable: Unreadable = Unreadable.SET_ASIDE

    @property
    def dtype(self) -> pl.DataType:
        """The Polars type inside."""
        return DTYPES[self.kind]


@dataclass(frozen=True, slots=True)
class Table:
    """One canonical table.

    Attributes:
        name: its name in the config and in the lake.
        columns: all canonical columns.
        owner: the column that says whose row it is; rows are kept together by it. None: not about a person.
        time: the column that says when it happened, if it is a table of events.
        key: columns that identify a row when the config declares no other key; empty: rows have no identity.
    """

    name: str
    columns: tuple[Column, ...]
    owner: str | None = None
    time: str | None = None
    key: tuple[str, ...] = ()
    index: Mapping[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", {column.name: column for column in self.columns})

    @property
    def schema(self) -> pl.Schema:
        """Name and type of every canonical column."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that a source must map."""
        return tuple(column.name for column in self.columns if column.required)

    @property
    def personal(self) -> frozenset[str]:
        """Columns that identify a person and are masked wherever people read."""
        return frozenset(column.name for column in self.columns if column.personal)


def _lenient(name: str, kind: Kind, meaning: str, unreadable: Unreadable = Unreadable.EMPTY) -> Column:
    """An optional column whose unreadable cells do not cost the row."""
    return Column(name, kind, meaning=meaning, unreadable=unreadable)


def _text(name: str, meaning: str, *, personal: bool = False) -> Column:
    return Column(name, Kind.TEXT, personal=personal, meaning=meaning)


_CUSTOMER = Column("customer_id", Kind.TEXT, required=True, nullable=False, personal=True, meaning="who")
_GUEST = Column("customer_id", Kind.TEXT, required=True, personal=True, meaning="who bought; null is a guest")

TRANSACTIONS = Table(
    "transactions",
    (
        _GUEST,
        Column("ordered_at", Kind.TIME, required=True, nullable=False, meaning="when, UTC"),
        Column(
            "net_amount",
            Kind.MONEY,
            required=True,
            nullable=False,
            meaning="paid for the line, after discount, without tax; negative for a return",
        ),
        _text("order_id", "the order; derived from customer and time when absent"),
        _text("line_id", "the line within the order"),
        Column("quantity", Kind.NUMBER, meaning="units; negative for a return"),
        _text("product_id", "the product"),
        _text("product_name", "the product, for people"),
        _text("category", "the product's category"),
        Column("discount_amount", Kind.MONEY, meaning="discount given on the line, positive"),
        Column("cost_amount", Kind.MONEY, meaning="what the line cost the shop; negative for a return"),
        _text("channel", "where it was bought"),
        _text("store_id", "the store"),
        _text("currency", "ISO 4217 code of the amounts, before conversion"),
        Column("is_return", Kind.FLAG, meaning="a return or a cancellation"),
        _text("returned_order_id", "the order that a return gives back"),
    ),
    owner="customer_id",
    time="ordered_at",
)
CUSTOMERS = Table(
    "customers",
    (
        _CUSTOMER,
        _lenient("acquired_at", Kind.TIME, "when they became a customer"),
        _text("acquisition_channel", "how they came"),
        _text("first_name", "first name", personal=True),
        _text("email", "e-mail address", personal=True),
        _text("phone", "telephone number", personal=True),
        _text("country", "ISO 3166 code"),
        _text("region", "region"),
        _text("language", "language code"),
        _lenient("consent_email", Kind.FLAG, "may be e-mailed", Unreadable.NO),
        _lenient("consent_sms", Kind.FLAG, "may be texted", Unreadable.NO),
        _lenient("consent_ads", Kind.FLAG, "may be shown matched advertisements", Unreadable.NO),
        _lenient("is_staff", Kind.FLAG, "works here", Unreadable.YES),
    ),
    owner="customer_id",
    key=("customer_id",),
)
IDENTITIES = Table(
    "identities",
    (
        _CUSTOMER,
        Column("person_id", Kind.TEXT, required=True, nullable=False, personal=True, meaning="the person"),
        _lenient("since", Kind.TIME, "known since"),
    ),
    owner="customer_id",
    key=("customer_id",),
)
PRODUCTS = Table(
    "products",
    (
        Column("product_id", Kind.TEXT, required=True, nullable=False, meaning="the product"),
        _text("product_name", "the product, for people"),
        _text("category", "its category"),
        Column("unit_cost", Kind.MONEY, meaning="what one unit costs the shop"),
    ),
    key=("product_id",),
)
CONTACTS = Table(
    "contacts",
    (
        _CUSTOMER,
        Column("contacted_at", Kind.TIME, required=True, nullable=False, meaning="when, UTC"),
        Column(
            "arm", Kind.TEXT, required=True, nullable=False, meaning="treatment, control, universal, explore"
        ),
        _text("list_id", "the list"),
        _text("enrolment_id", "the enrolment"),
        _text("offer_id", "the offer"),
        _text("stratum", "the stratum of the draw"),
        Column("assignment_probability", Kind.NUMBER, meaning="probability of the arm that was drawn"),
        Column("contact_cost", Kind.MONEY, meaning="what the contact cost"),
        _text("channel", "the channel"),
    ),
    owner="customer_id",
    time="contacted_at",
)
FEEDBACK = Table(
    "feedback",
    (
        _CUSTOMER,
        Column("occurred_at", Kind.TIME, required=True, nullable=False, meaning="when, UTC"),
        Column(
            "kind", Kind.TEXT, required=True, nullable=False, meaning="survey, exit, nps, complaint, ticket"
        ),
        _lenient("score", Kind.NUMBER, "the score given"),
        _text("reason", "the reason given"),
        _text("text", "free text", personal=True),
    ),
    owner="customer_id",
    time="occurred_at",
)
POINTS = Table(
    "points",
    (
        _CUSTOMER,
        Column("balance", Kind.NUMBER, required=True, nullable=False, meaning="points held"),
        Column("expires_at", Kind.TIME, required=True, meaning="when they expire"),
    ),
    owner="customer_id",
    key=("customer_id", "expires_at"),
)
SUPPRESSIONS = Table(
    "suppressions",
    (
        _CUSTOMER,
        Column("reason", Kind.TEXT, required=True, meaning="why they must not be contacted"),
        _lenient("until", Kind.TIME, "suppressed until; empty is for good"),
    ),
    owner="customer_id",
    key=("customer_id", "reason"),
)
FX_RATES = Table(
    "fx_rates",
    (
        Column("date", Kind.DAY, required=True, nullable=False, meaning="the day of the rate"),
        Column("currency", Kind.TEXT, required=True, nullable=False, meaning="ISO 4217 code"),
        Column(
            "rate",
            Kind.NUMBER,
            required=True,
            nullable=False,
            meaning="units of the reporting currency for one unit of this one",
        ),
    ),
    key=("date", "currency"),
)

# The order is the order of ingest: rates first, since transactions are converted with them.
TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        FX_RATES,
        PRODUCTS,
        CUSTOMERS,
        IDENTITIES,
        TRANSACTIONS,
        CONTACTS,
        FEEDBACK,
        POINTS,
        SUPPRESSIONS,
    )
}


def check(frame: pl.DataFrame | pl.LazyFrame, schema: Mapping[str, pl.DataType], name: str) -> None:
    """Refuse a frame that lacks a column of `schema` or holds it with another type.

    Args:
        frame: any frame; columns beyond the schema are allowed.
        schema: expected type of each column.
        name: what the frame is called in the message.

    Raises:
        DataRefused: naming every fault, the columns present and near misses.
    """
    found = dict(frame.collect_schema())
    faults = [
        f"{column}: expected {dtype}, got {found.get(column, 'nothing')}"
        for column, dtype in schema.items()
        if found.get(column) != dtype
    ]
    if not faults:
        return
    message = f"{name} breaks its contract in {counted(len(faults), 'column')}: {'; '.join(faults)}. "
    message += f"Columns present: {sorted(found)}."
    raise DataRefused(message + did_you_mean([c for c in schema if c not in found], found))


def did_you_mean(missing: list[str], present: Mapping[str, object] | list[str]) -> str:
    """A hint for each missing name that resembles a present one, or an empty text."""
    plain = {_plain(name): name for name in present}
    hints = []
    for name in missing:
        close = difflib.get_close_matches(_plain(name), list(plain), n=1, cutoff=0.6)
        hints += [f" Did you mean {plain[close[0]]!r} for {name!r}?"] if close else []
    return "".join(hints)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace(" ", "").replace("-", "")
