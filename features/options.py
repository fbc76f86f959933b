"""Which settings the data side takes: sources, quality, time, stages, margin.

Each class is a section of the config file; `flows.settings` puts the sections together. Every field carries
its unit in its description, which is what editors show.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from features.contracts import TABLES
from features.errors import ConfigError
from features.readable import Encoding, TimeFormat, Zone

Share = Annotated[float, Field(ge=0, le=1)]
_FIRST_YEAR, _LAST_YEAR = 1900, 2200


def no_flag(value: object) -> object:
    """Refuse true and false, which would pass as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(  # noqa: TRY004 - what pydantic asks of a validator
            "true or false is no value here (YAML reads yes, no, on and off so; put a text in quotes)"
        )
    return value


Number = Annotated[float, BeforeValidator(no_flag)]
# A century: more is a slip of the pen, and windows of millions of days leave the calendar.
Days = Annotated[int, Field(le=36_525)]


class Section(BaseModel):
    """A frozen section that refuses keys it does not know, and numbers that are none or have no end."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Options(Section):
    """A section of the config, in which no flag passes for a number."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        return value if cls.model_fields[str(info.field_name)].annotation is bool else no_flag(value)


class Exclusion(Section):
    """Rows that are set aside on purpose, counted under a name of their own."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="what the rows are, e.g. not_a_product")
    where: str = Field(description="expression over source columns; rows for which it holds are set aside")


class FillDown(Section):
    """Cells that an export writes only on the first line of an order."""

    by: str = Field(description="source column that names the order")
    columns: tuple[str, ...] = Field(description="source columns to carry down within the order")


class SourceOptions(Options):
    """Where one table comes from and how its columns are read.

    Give `path` (files), or `uri` and `query` (a database).
    """

    path: str | tuple[str, ...] | None = Field(
        default=None, description="file, folder or pattern, or a list of them; .csv .txt .gz .parquet"
    )
    uri: str | None = Field(
        default=None,
        description="database: duckdb:///file, sqlite:///file or postgresql://...; ${NAME} reads the "
        "environment",
    )
    query: str | None = Field(
        default=None, description="one SELECT; with :after in it only rows beyond the last pull are read"
    )
    cursor: str | None = Field(default=None, description="result column whose greatest value becomes :after")
    cursor_start: str = Field(default="1970-01-01", description="the first value of :after")
    format: Literal["auto", "csv", "whitespace", "parquet"] = Field(
        default="auto", description="auto looks at the first bytes"
    )
    separator: str = Field(default=",", min_length=1, max_length=1, description="between CSV cells")
    quote: str = Field(default='"', min_length=1, max_length=1, description="around CSV cells")
    encoding: Encoding = Field(default="utf-8", description="any Python codec name, e.g. cp1252, utf-16")
    decimal: Literal[".", ","] = Field(
        default=".", description="decimal mark; the other one groups thousands"
    )
    numbers: tuple[str, ...] = Field(
        default=(), description="source columns to read as numbers before expressions use them"
    )
    time_formats: tuple[TimeFormat, ...] = Field(
        default=(),
        description="strptime formats of time columns, tried in order, e.g. %m/%d/%Y; empty reads ISO 8601",
    )
    timezone: Zone | None = Field(
        default=None, description="zone of times without an offset; default the shop's timezone"
    )
    columns: Mapping[str, str] = Field(
        description="canonical column: source column, or a SQL expression over source columns"
    )
    fill_down: FillDown | None = Field(default=None, description="cells blank on later lines of an order")
    exclude: tuple[Exclusion, ...] = Field(default=(), description="rows to set aside on purpose")
    key: tuple[str, ...] = Field(
        default=(), description="canonical columns that identify a row; a later row with the same key wins"
    )
    overlap: Literal["keep", "replace_order", "replace_period"] = Field(
        default="keep",
        description="what a later delivery does to earlier rows: keep both; replace whole orders that come "
        "again; replace everything between its first and last time",
    )
    restart_days: int | None = Field(
        default=None,
        ge=1,
        description="for a file glued from several exports: where time falls back by more than this "
        "many days "
        "a new part begins, and parts overlap as deliveries do; null: the file is one part",
    )
    max_age_days: int | None = Field(
        default=None,
        ge=0,
        description="freshness: days the newest row may lie behind as_of; null does not check",
    )

    @model_validator(mode="after")
    def _one_origin(self) -> "SourceOptions":
        if (self.path is None) == (self.uri is None):
            raise ValueError("give either path, or uri and query")
        if (self.uri is None) != (self.query is None):
            raise ValueError("uri and query go together")
        if self.key and self.overlap != "keep":
            raise ValueError("give either key or overlap: both say which of two rows wins")
        return self


def check_sources(sources: Mapping[str, SourceOptions]) -> list[str]:
    """Faults of the mappings against the canonical tables, each with its place; empty when all is well."""
    faults = [] if "transactions" in sources else ["sources.transactions: required, but not given"]
    for name, source in sources.items():
        table = TABLES.get(name)
        if table is None:
            faults.append(f"sources.{name}: no such table; tables are {', '.join(TABLES)}")
            continue
        where = f"sources.{name}"
        faults += [
            f"{where}.columns.{column}: {name} has no such column; it has {', '.join(table.index)}"
            for column in source.columns
            if column not in table.index
        ]
        faults += [
            f"{where}.columns.{column}: required, but not mapped"
            for column in table.required
            if column not in source.columns
        ]
        faults += [
            f"{where}.key: {column} is not mapped under columns"
            for column in source.key
            if column not in source.columns
        ]
        if source.overlap == "replace_order" and "order_id" not in source.columns:
            faults.append(f"{where}.overlap: replace_order needs order_id under columns")
        if source.overlap != "keep" and name != "transactions":
            faults.append(f"{where}.overlap: only transactions have orders and periods; use key")
    return faults


class QualityOptions(Options):
    """When the gate closes."""

    suites: str | None = Field(
        default=None, description="folder of your own suites; default the built-in ones"
    )
    max_bad_share: Share = Field(
        default=0.05, description="share of bad rows in one delivery that stops the run"
    )
    row_keys_shown: int = Field(default=5, ge=0, description="row keys named per failed expectation")
    sample_rows: int = Field(
        default=200_000, ge=1000, description="rows of a delivery shown to Great Expectations one by one"
    )
    min_day_share: Share = Field(
        default=0.3, description="rows of the last day and week against the same weekdays before; below stops"
    )
    quarantine_days: int = Field(default=90, ge=1, description="days that quarantined rows are kept")
    max_stage_jump: Share = Field(
        default=0.15, description="jump of a stage's share of customers since the last night that stops"
    )
    max_list_growth: float = Field(
        default=3.0, ge=1, description="length of the list against the longest one before; above stops"
    )


class ChurnOptions(Options):
    """What counts as churn."""

    horizon_days: Days | None = Field(
        default=None,
        ge=1,
        description="length of the outcome window, days; null: chosen from the data at the first training",
    )
    horizon_candidates: tuple[Annotated[Days, Field(ge=1)], ...] = Field(
        default=(30, 45, 60, 90, 120, 180, 270, 365),
        min_length=1,
        description="days among which the horizon is chosen, rising",
    )
    type_1_weight: Share = Field(
        default=0.5,
        description="weight of calling people churned who come back, against people active who never do",
    )
    gap_days: Days = Field(default=0, ge=0, description="whole days after as_of that are not counted")
    lookback_days: Days | None = Field(default=None, ge=30, description="how far back features read, days")

    @field_validator("horizon_candidates")
    @classmethod
    def _rising(cls, days: tuple[int, ...]) -> tuple[int, ...]:
        if list(days) != sorted(set(days)):
            raise ValueError("horizon_candidates must rise, each given once")
        return days


class StageOptions(Options):
    """Where the lines between the stages lie (DESIGN: first match)."""

    lost_after_days: Days = Field(default=1095, ge=1, description="silent longer than this: lost")
    lapse_floor_days: Days = Field(
        default=30, ge=1, description="nobody is lapsed before this many silent days"
    )
    lapsed_quantile: Share = Field(default=0.9, description="quantile of the own gaps; silent longer: lapsed")
    at_risk_quantile: Share = Field(
        default=0.75, description="quantile of the own gaps; silent longer: at risk"
    )
    shrink_orders: float = Field(
        default=5, ge=0, description="weight of the segment's quantile, in gaps, against the own"
    )

    @model_validator(mode="after")
    def _at_risk_comes_first(self) -> "StageOptions":
        if self.at_risk_quantile > self.lapsed_quantile:
            raise ValueError(
                f"at_risk_quantile ({self.at_risk_quantile}) is above lapsed_quantile "
                f"({self.lapsed_quantile}): nobody would be at risk, as people are at risk before they lapse"
            )
        return self


class LakeOptions(Options):
    """How the lake is laid out."""

    buckets: int = Field(
        default=16, ge=1, le=4096, description="customer-hash buckets; fixed by the first ingest"
    )
    compact_share: Share = Field(
        default=0.2, description="rows in increments against rows in the base that starts a compaction"
    )
    compact_parts: int = Field(default=60, ge=1, description="number of increments that starts a compaction")


def parse_day(text: str, name: str) -> date:
    """Read YYYY-MM-DD.

    Raises:
        ConfigError: when it is anything else.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{name} is {text!r}, which is not a day. Write it as YYYY-MM-DD.") from None
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:  # windows around it would leave the calendar
        raise ConfigError(f"{name} is {text}. Choose a day of the years {_FIRST_YEAR} to {_LAST_YEAR}.")
    return day
