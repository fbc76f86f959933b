"""Of which groups of people are figures told apart?

Stages; people with one order; people who bought lately and those who did not; and segments: the values of
categorical features. A segment is told when it holds enough rows to say something, the largest few of a
feature, so that their number stays readable.
"""

import polars as pl

from features.contracts import Stage
from features.table import FACTS, KEYS

ONE_ORDER = "one_order"
RECENT_DAYS = 90
_LEAST_ROWS = 500
_MOST_VALUES = 20
_MOST_SHOWN = 4
_MOST_SEGMENTS = 12
_LONGEST_NAME = 100


def stages(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The rows of each stage that is there, by its name."""
    own = rows["stage"].cast(pl.String)
    return _some({stage.value: rows.filter(own == stage.value) for stage in Stage})


def recent_and_silent(rows: pl.DataFrame, days: int = RECENT_DAYS) -> dict[str, pl.DataFrame]:
    """Who bought in the last days, and who did not."""
    recent = rows["days_since_last_purchase"] < days
    return _some({f"bought_{days}d": rows.filter(recent), f"silent_{days}d": rows.filter(~recent)})


def segments(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """People with one order, and `<feature>.<value>` for each big value of a categorical feature."""
    found: dict[str, pl.DataFrame] = {}
    for column in sorted(name for name, dtype in rows.schema.items() if _is_category(name, dtype)):
        found |= _values(rows, column)
    few = dict(list(found.items())[:_MOST_SEGMENTS])
    once = {ONE_ORDER: rows.filter(pl.col("orders") == 1)} if "orders" in rows.columns else {}
    return _some(once | few)


def _values(rows: pl.DataFrame, column: str) -> dict[str, pl.DataFrame]:
    names = _plain(rows[column].cast(pl.String))
    sizes = names.drop_nulls().value_counts().sort(["count", column], descending=[True, False])
    if not 1 < len(sizes) <= _MOST_VALUES:
        return {}
    big = sizes.filter(pl.col("count") >= _LEAST_ROWS)[column].head(_MOST_SHOWN)
    return {f"{column}.{value}": rows.filter(names == value) for value in big}


def _plain(values: pl.Series) -> pl.Series:
    """Values as parts of a metric's name, where MLflow allows so many letters, digits and dashes."""
    names = values.str.strip_chars().str.to_lowercase().str.replace_all(r"[^\w-]+", "-")
    return names.str.head(_LONGEST_NAME)


def _is_category(name: str, dtype: pl.DataType) -> bool:
    return name not in (*KEYS, *FACTS) and dtype in (pl.String, pl.Categorical, pl.Enum)


def _some(groups: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return {name: rows for name, rows in groups.items() if len(rows)}
