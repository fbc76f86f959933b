"""What does a mapped text mean: a source column, or a SQL expression over the columns of one row?

Only row-wise expressions are taken: no query, no aggregate, no window, nothing that depends on the clock.
An aggregate would give another answer for each chunk size.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

import polars as pl

from features.contracts import did_you_mean
from features.errors import ConfigError
from features.sources.chunks import LINE

_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_CALL = re.compile(r"([A-Za-z_]\w*)\s*\(")
_WORDS = re.compile(r"[\w#][\w#.,:/&%() -]*")
# What may stand before an opening bracket: words of the language and types, then functions of one row.
_KEYWORDS = frozenset(
    {"and", "or", "not", "in", "is", "like", "ilike", "rlike", "regexp", "between"}
    | {"case", "when", "then", "else", "end"}
    | {"char", "varchar", "decimal", "numeric", "float", "datetime", "timestamp"}
)
_FUNCTIONS = frozenset(
    {"abs", "ceil", "ceiling", "exp", "floor", "ln", "mod", "pow", "power", "round", "sign", "trunc"}
    | {"greatest", "least", "coalesce", "ifnull", "nullif", "if", "cast", "try_cast"}
    | {"btrim", "char_length", "concat", "concat_ws", "ends_with", "initcap", "left", "length", "lower"}
    | {"lpad", "ltrim", "normalize", "octet_length", "regexp_like", "replace", "reverse", "right", "rpad"}
    | {"rtrim", "split_part", "starts_with", "strpos", "substr", "substring", "trim", "upper"}
    | {"date", "date_part", "extract", "strftime", "strptime", "timestamp"}
)
_FORBIDDEN = re.compile(
    r"\b(select|over|current_date|current_time|current_timestamp|localtime|localtimestamp)\b", re.IGNORECASE
)


class Meaning(NamedTuple):
    """What a mapped text means.

    Attributes:
        expression: gives the value of each row.
        columns: the source columns it reads.
        is_column: whether the text is the name of a source column.
    """

    expression: pl.Expr
    columns: frozenset[str]
    is_column: bool


def understand(text: str, present: Collection[str], where: str) -> Meaning:
    """The meaning of a text in the config; a name that is present always means that column.

    Args:
        text: name or expression.
        present: the source's columns.
        where: the config key, for messages.

    Raises:
        ConfigError: when the text is neither a plain name nor an expression that is allowed.
    """
    if text in present:
        return Meaning(pl.col(text), frozenset((text,)), is_column=True)
    _refuse_forbidden(text, present, where)
    try:
        expression = pl.sql_expr(text)
    except pl.exceptions.PolarsError as error:
        if _WORDS.fullmatch(text):
            return _absent(text)
        raise ConfigError(f"{where}: {text!r} is not an expression: {reason(error)}.") from None
    if not expression.meta.eq(expression.meta.undo_aliases()):
        return _absent(text)  # two words: SQL reads the second as a new name for the first
    if expression.meta.has_multiple_outputs():
        raise ConfigError(f"{where}: {text!r} gives several columns; write an expression that gives one.")
    return Meaning(expression, frozenset(expression.meta.root_names()) - {LINE}, is_column=False)


def evaluate(meaning: Meaning, frame: pl.DataFrame, text: str, where: str) -> pl.Series:
    """The value of each row.

    Raises:
        ConfigError: when the expression does not fit the columns, with the reason and what to do.
    """
    try:
        return frame.with_columns(meaning.expression.alias("value"))["value"]
    except pl.exceptions.PolarsError as error:
        names = sorted(meaning.columns)
        raise ConfigError(
            f"{where}: {text!r} cannot be computed: {reason(error)}. "
            f"It reads {', '.join(names) or 'no column'}. "
            "Cells of a text file are text: list the columns that it calculates with under "
            "`numbers` of the source, or use TRY_CAST."
        ) from None


def adds_texts(text: str, value: pl.Series) -> bool:
    """Whether a plus sign joined texts where a number was meant."""
    return value.dtype == pl.String and "+" in _QUOTED.sub("''", text)


def reason(error: Exception) -> str:
    """The first line of a Polars error, without the values that it quotes."""
    first = str(error).partition("\n")[0].strip().rstrip(".;")
    return re.sub(r"( in column '[^']*')? for \d+ out of \d+ values.*", "", first)


def _refuse_forbidden(text: str, present: Collection[str], where: str) -> None:
    bare = _QUOTED.sub("''", text)
    calls = {name.lower() for name in _CALL.findall(bare)} - _FUNCTIONS - _KEYWORDS
    forbidden = sorted(calls | {match.lower() for match in _FORBIDDEN.findall(bare)})
    if forbidden:
        raise ConfigError(
            f"{where}: {text!r} is no source column, and as an expression it uses {', '.join(forbidden)}, "
            "which is not among the row-wise functions that are allowed. "
            f"Columns present: {', '.join(present)}.{did_you_mean([text], list(present))}"
        )


def _absent(name: str) -> Meaning:
    return Meaning(pl.col(name), frozenset((name,)), is_column=True)
