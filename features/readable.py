"""Can a source be read as the config says: is there such a time zone, encoding, time format?

Each function gives the name back, or raises ValueError saying what to write instead, as pydantic asks of a
validator.
"""

import io
from datetime import datetime
from typing import Annotated
from zoneinfo import available_timezones

import polars as pl
from pydantic import AfterValidator

# Entries of the time zone database that are no place; Polars does not know them.
_NO_PLACES = frozenset(("Factory", "localtime"))
# Day and month cannot be taken for each other.
_EXAMPLE = datetime(2023, 11, 28, 13, 45, 56)  # noqa: DTZ001 - its zone is put in below


def known_zone(name: str) -> str:
    """A time zone of the IANA database."""
    if name not in available_timezones() - _NO_PLACES:
        raise ValueError(f"{name!r} is not a time zone; write one like Europe/Berlin")
    return name


def known_encoding(name: str) -> str:
    """A text encoding that Python has."""
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=name)
    except (LookupError, ValueError):
        raise ValueError(
            f"Python knows no text encoding {name!r}; common ones are utf-8, cp1252, latin-1 and utf-16"
        ) from None
    return name


def known_time_format(layout: str) -> str:
    """A strptime format in which the reader finds the day again that was written with it."""
    from features.sources.cells import read_time  # it is made of options, as this is

    moment = pl.Series([_EXAMPLE]).dt.replace_time_zone("UTC")
    try:
        # Polars reads offsets of any form with %#z, but writes none with it.
        written = moment.dt.strftime(layout.replace("%#z", "%z"))
        read = read_time(written, (layout,), "UTC").values
    except pl.exceptions.PolarsError:
        read = moment.clear(1)
    if read.dt.date().item() != _EXAMPLE.date():
        raise ValueError(
            f"{layout!r} is not a time format that can be read: it takes a whole day, and with an offset "
            "also a time of day; write one like %d.%m.%Y or %Y-%m-%d %H:%M:%S"
        )
    return layout


Zone = Annotated[str, AfterValidator(known_zone)]
Encoding = Annotated[str, AfterValidator(known_encoding)]
TimeFormat = Annotated[str, AfterValidator(known_time_format)]
