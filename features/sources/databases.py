"""How is a database asked, without changing it, and what does a person read when it does not answer?

DuckDB and SQLite files and Postgres. The address may hold a password: it is never part of a message.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from features.errors import ConfigError, DataRefused

_AFTER = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|(?<![:\w])(?P<after>:after)\b", re.DOTALL
)
_CONNECT_SECONDS = 15


class Cursor(Protocol):
    """The part of a DB-API cursor that is used."""

    @property
    def description(self) -> Any:  # noqa: ANN401 - each driver has its own type
        """One entry per result column, its name first."""

    def fetchmany(self, size: int = ..., /) -> list[Any]:
        """The next rows."""


def has_after(query: str) -> bool:
    """Whether `:after` stands in a query, outside quotes and comments."""
    return any(match["after"] for match in _AFTER.finditer(query))


def ask(uri: str, query: str, after: str | None, where: str) -> AbstractContextManager[Cursor]:
    """Run a query, with `:after` in it bound to `after`.

    Args:
        uri: duckdb:///file, sqlite:///file or postgresql://...
        query: one SELECT.
        after: value of `:after`; None when the query has none.
        where: the config key of the source, for messages.

    Returns:
        A context that gives the cursor; errors while rows are fetched become messages too.

    Raises:
        ConfigError: when the address names no such database or a driver is missing.
        DataRefused: when there is no database there, or it refuses the connection or the query.
    """
    scheme, found, _ = uri.partition("://")
    opener = _OPENERS.get(scheme.lower())
    if not found or opener is None:
        raise ConfigError(
            f"{where}.uri: no database that can be read. Write duckdb:///file, sqlite:///file or "
            "postgresql://user:${NAME}@host/database."
        )
    return opener(uri, query, after, where)


@contextmanager
def _duckdb(uri: str, query: str, after: str | None, where: str) -> Iterator[Cursor]:
    import duckdb

    path = _file(uri, where)
    try:
        with duckdb.connect(path, read_only=True) as connection:
            text = _with_after(query, "$after")
            statements = connection.extract_statements(text)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise ConfigError(f"{where}.query: it must be one SELECT, and nothing else.")
            yield connection.execute(text, {"after": after} if after is not None else None)
    except (duckdb.CatalogException, duckdb.BinderException, duckdb.ParserException) as error:
        raise _query_failed(where, error) from None
    except duckdb.IOException as error:
        raise DataRefused(f"{where}.uri: {path} cannot be opened: {_first_line(error)}.") from None
    except duckdb.Error as error:
        raise _value_failed(where, error) from None


@contextmanager
def _sqlite(uri: str, query: str, after: str | None, where: str) -> Iterator[Cursor]:
    path = _file(uri, where)
    connection = None
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
        connection.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
        yield connection.execute(query, {} if after is None else {"after": _number_or_text(after)})
    except sqlite3.Error as error:
        raise _query_failed(where, error) from None
    finally:
        if connection is not None:
            connection.close()


@contextmanager
def _postgres(uri: str, query: str, after: str | None, where: str) -> Iterator[Cursor]:
    try:
        import psycopg
    except ImportError:
        raise ConfigError(
            f"{where}.uri: reading Postgres needs an extra that is not installed. Install winback[postgres]."
        ) from None
    try:
        connection = psycopg.connect(uri, connect_timeout=_CONNECT_SECONDS)
    except psycopg.ProgrammingError:
        raise ConfigError(
            f"{where}.uri: the address cannot be understood (it is not shown, it may hold a password). Write "
            "postgresql://user:${NAME}@host/database, and special characters of a password as %40 and so on."
        ) from None
    except psycopg.Error as error:
        raise DataRefused(f"{where}.uri: Postgres refuses the connection: {_masked(error, uri)}.") from None
    try:
        with connection, connection.cursor(name="winback") as cursor:
            connection.read_only = True
            if after is None:
                cursor.execute(query.encode())
            else:
                cursor.execute(_with_after(query, "%(after)s", percent="%%").encode(), {"after": after})
            yield cursor
    except psycopg.DataError as error:
        raise _value_failed(where, error) from None
    except psycopg.Error as error:
        raise _query_failed(where, error) from None


_OPENERS: dict[str, Callable[[str, str, str | None, str], AbstractContextManager[Cursor]]] = {
    "duckdb": _duckdb,
    "sqlite": _sqlite,
    "postgresql": _postgres,
    "postgres": _postgres,
}


def _with_after(query: str, parameter: str, percent: str = "%") -> str:
    """The query with the driver's sign for the bound value; psycopg wants other per cent signs doubled."""

    def written(match: re.Match[str]) -> str:
        return "\0" if match["after"] else match.group()

    return _AFTER.sub(written, query).replace("%", percent).replace("\0", parameter)


def _number_or_text(after: str) -> int | str:
    """SQLite compares by the type of the value: every number comes before every text."""
    return int(after) if after.removeprefix("-").isdecimal() and str(int(after)) == after else after


def _file(uri: str, where: str) -> Path:
    """The file of `scheme:///file`: relative, or absolute with a fourth slash (or when only that exists)."""
    text = uri.partition("://")[2].removeprefix("/")
    path = Path(text).expanduser()
    if not path.is_file() and Path("/", text).is_file():
        path = Path("/", text)
    if not path.is_file():
        raise DataRefused(
            f"{where}.uri: there is no database file {text} (relative paths start at {Path.cwd()}). "
            "Correct the path."
        )
    return path


def _query_failed(where: str, error: Exception) -> DataRefused:
    return DataRefused(f"{where}.query: the database refuses it: {_first_line(error)}. Correct the query.")


def _value_failed(where: str, error: Exception) -> DataRefused:
    """A message without the driver's text: it quotes values."""
    kind = type(error).__name__
    return DataRefused(
        f"{where}.query: a value could not be computed or converted ({kind}). "
        "Correct the query, with a safe cast for example, or the value of :after."
    )


def _masked(error: Exception, uri: str) -> str:
    """A driver's words without any part of the address between the scheme and the host."""
    secrets = re.split(r"[:@]", uri.partition("://")[2].rpartition("@")[0])[1:]
    text = " ".join(str(error).split())
    for secret in (part for part in secrets if part):
        text = text.replace(secret, "***")
    return text


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
