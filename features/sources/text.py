"""How do bytes become numbered physical lines? Compression, encodings and byte marks, in bounded memory."""

import codecs
import gzip
import io
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, cast

from features.errors import ConfigError, DataRefused
from features.options import SourceOptions

MAX_RECORD = 8 << 20
"""Characters in the longest line or record that is read."""
MAX_LINES = 100
"""Physical lines in the longest record that is believed."""

_BLOCK = 1 << 20
_CUT_OFF = "{path} is cut off: the compressed data ends too early. Deliver it again, whole."
_GZIP = b"\x1f\x8b"
_FOREIGN = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstandard",
    b"SQLite format 3": "an SQLite database",
}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8", ("utf-8", "utf-8-sig")),
    (codecs.BOM_UTF32_LE, "utf-32", ("utf-32",)),
    (codecs.BOM_UTF32_BE, "utf-32", ("utf-32",)),
    (codecs.BOM_UTF16_LE, "utf-16", ("utf-16", "utf-16-le")),
    (codecs.BOM_UTF16_BE, "utf-16", ("utf-16", "utf-16-be")),
)


class Lines:
    """The physical lines of a text file, each taken once, with a view of the lines ahead.

    A line ends at LF, CRLF or CR; the end is not part of it. `number` is that of the line taken last, from 1.
    """

    def __init__(self, stream: IO[str], path: Path) -> None:
        self.number = 0
        self._stream = stream
        self._path = path
        self._lines: deque[str] = deque()
        self._rest = ""
        self._started = False
        self._ended = False

    def take(self) -> str | None:
        """The next line, or None at the end."""
        if not self._lines and not self._fill():
            return None
        self.number += 1
        return self._lines.popleft()

    def ahead(self) -> list[str]:
        """The next lines, as many as one record may still span, without taking them."""
        while len(self._lines) < MAX_LINES - 1 and sum(map(len, self._lines)) < MAX_RECORD and self._fill():
            pass
        return list(islice(self._lines, MAX_LINES - 1))

    def skip(self, count: int) -> None:
        """Take lines that have been seen ahead."""
        for _ in range(count):
            self._lines.popleft()
        self.number += count

    def _fill(self) -> bool:
        """Read another block; false when there is nothing more."""
        before = len(self._lines)
        while not self._ended and len(self._lines) == before:
            block = self._read()
            self._ended = not block
            if not self._started:
                self._started = True
                block = block.removeprefix("\ufeff")
            *whole, self._rest = (self._rest + block).split("\n")
            self._lines.extend(whole)
            if self._ended and self._rest:
                self._lines.append(self._rest)
            if len(self._rest) > MAX_RECORD:
                raise DataRefused(
                    f"{self._path}: line {self.number + len(self._lines) + 1} is longer than "
                    f"{MAX_RECORD >> 20} MiB. Is this a text file with one record per line?"
                )
        return len(self._lines) > before

    def _read(self) -> str:
        try:
            return self._stream.read(_BLOCK)
        except EOFError:
            raise DataRefused(_CUT_OFF.format(path=self._path)) from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DataRefused(
                f"{self._path} is damaged: it cannot be uncompressed ({error}). Deliver it again."
            ) from None
        except (OSError, UnicodeError) as error:
            raise DataRefused(f"{self._path} cannot be read: {error}.") from None


@contextmanager
def open_lines(path: Path, source: SourceOptions, where: str) -> Iterator[Lines]:
    """Open a text file, compressed or not, as lines.

    Bytes that are not in the encoding become U+FFFD; a byte mark is dropped.

    Args:
        path: the file.
        source: its encoding.
        where: the config key of the source, for messages.

    Raises:
        DataRefused: when the first bytes say that it is empty, no text, or in another encoding.
        ConfigError: when Python has no such encoding.
    """
    codec = _codec(source.encoding, where)
    with gzip.open(path) if first_bytes(path, 2) == _GZIP else path.open("rb") as file:
        _refuse_foreign(_peek(file, path), codec, path, where)
        stream = io.TextIOWrapper(cast("IO[bytes]", file), encoding=codec, errors="replace", newline=None)
        yield Lines(stream, path)


def first_bytes(path: Path, count: int) -> bytes:
    """The first bytes of a file.

    Raises:
        DataRefused: when it cannot be read, or is empty.
    """
    try:
        with path.open("rb") as file:
            first = file.read(count)
    except OSError as error:
        raise DataRefused(f"{path} cannot be read: {error.strerror}.") from None
    if not first:
        raise DataRefused(
            f"{path} is empty (0 bytes). Was its export finished? Deliver it again, or remove it."
        )
    return first


def _codec(encoding: str, where: str) -> str:
    try:
        codec = codecs.lookup(encoding).name
        io.TextIOWrapper(io.BytesIO(), encoding=codec)
    except LookupError:
        raise ConfigError(
            f"{where}.encoding: Python knows no text encoding {encoding!r}. "
            "Common ones are utf-8, cp1252, latin-1 and utf-16."
        ) from None
    return codec


def _peek(file: io.BufferedReader | gzip.GzipFile, path: Path) -> bytes:
    try:
        return file.peek(16)
    except EOFError:
        raise DataRefused(_CUT_OFF.format(path=path)) from None
    except (OSError, zlib.error) as error:
        raise DataRefused(
            f"{path} is damaged: it cannot be uncompressed ({error}). Deliver it again."
        ) from None


def _refuse_foreign(first: bytes, codec: str, path: Path, where: str) -> None:
    for magic, what in _FOREIGN.items():
        if first.startswith(magic):
            raise DataRefused(
                f"{path} is not a text file: by its first bytes it is {what}. "
                "Export it as CSV (or CSV compressed with gzip) or Parquet."
            )
    for mark, encoding, codecs_of_mark in _MARKS:
        if first.startswith(mark):
            if codec not in codecs_of_mark:
                raise DataRefused(
                    f"{path} starts with the byte mark of {encoding}, but {where}.encoding says {codec}. "
                    f"Set {where}.encoding: {encoding}."
                )
            return
