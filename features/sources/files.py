"""Which files does a path, a folder or a pattern mean, and what are they called?"""

import difflib
import glob
import re
from collections.abc import Iterator
from pathlib import Path

from features.errors import ConfigError, DataRefused

SUFFIXES = (".csv", ".txt", ".tsv", ".gz", ".parquet")
_PATTERN = re.compile(r"[*?\[]")
_SHOWN = 8


def find_files(paths: str | tuple[str, ...], where: str) -> list[tuple[str, Path]]:
    """Name and place of each file, sorted by name.

    Args:
        paths: files, folders (with everything below them) or patterns, relative to the working directory.
        where: the config key of the paths, for messages.

    Returns:
        The name is the path below the part without wildcards: it stays the same when the folder moves.

    Raises:
        DataRefused: when a path matches no file.
        ConfigError: when two files would have the same name.
    """
    found: dict[str, Path] = {}
    for text in (paths,) if isinstance(paths, str) else paths:
        matches = list(_matches(text))
        if not matches:
            raise DataRefused(_nothing_found(text, where))
        for name, path in matches:
            if found.setdefault(name, path).resolve() != path.resolve():
                raise ConfigError(
                    f"{where}: {found[name]} and {path} would both be called {name!r}, and a delivery is "
                    "known by its name. Give one pattern over their common folder, such as folder/**/*.csv."
                )
    return sorted(found.items())


def _matches(text: str) -> Iterator[tuple[str, Path]]:
    path = Path(text).expanduser()
    if path.is_file():
        yield path.name, path
    elif path.is_dir():
        files = (file for file in path.rglob("*") if file.name.lower().endswith(SUFFIXES))
        yield from _named(files, path)
    else:
        files = (Path(file) for file in glob.iglob(str(path), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        yield from _named(files, _fixed_part(path))


def _named(files: Iterator[Path], root: Path) -> Iterator[tuple[str, Path]]:
    for file in files:
        name = file.relative_to(root)
        if file.is_file() and not any(part.startswith(".") for part in name.parts):
            yield name.as_posix(), file


def _fixed_part(path: Path) -> Path:
    fixed = Path(path.anchor)
    for part in path.relative_to(path.anchor).parts[:-1]:
        if _PATTERN.search(part):
            break
        fixed /= part
    return fixed


def _nothing_found(text: str, where: str) -> str:
    path = Path(text).expanduser()
    if path.is_dir():
        return (
            f"{where}: the folder {text} holds no file to read. {_shown('It holds', _listing(path))}"
            f"Files must end in {', '.join(SUFFIXES)}; name others with a pattern such as {text}/*."
        )
    folder = _fixed_part(path)
    if not folder.is_dir():
        return (
            f"{where}: nothing matches {text}, and the folder {folder} does not exist "
            f"(paths are relative to {Path.cwd()}). Correct the path."
        )
    names = _listing(folder)
    near = difflib.get_close_matches(path.name, names, n=_SHOWN, cutoff=0.5)
    listed = _shown("Similar names there:", near) or _shown(f"{folder} holds", names)
    return f"{where}: nothing matches {text}. {listed}Correct the path, or deliver the file first."


def _listing(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))


def _shown(what: str, names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{what} {', '.join(names[:_SHOWN])}{more}. " if names else ""
