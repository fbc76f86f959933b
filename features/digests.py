"""What stands for a content in names and comparisons: digits of its SHA-256, the same everywhere, always.

Names of lists, models, tables and of what contacts have taught are such digests: they may never be computed
otherwise.
"""

import hashlib
from pathlib import Path

_DIGITS = 12


def short_digest(content: str | bytes) -> str:
    """12 hex digits, enough to name what a workspace holds; a text counts as UTF-8."""
    raw = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(raw).hexdigest()[:_DIGITS]


def digest_of(*texts: str) -> str:
    """12 hex digits that stand for some texts, in their order."""
    return short_digest("\n".join(texts))


def file_digest(path: Path) -> str:
    """64 hex digits of a file's bytes, of which few are in memory at a time.

    Raises:
        OSError: when it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
