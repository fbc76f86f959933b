"""Which code makes a model? A digest of it, so that a changed recipe is told from a changed word.

It covers the modules that fits and features are made with: what `models.fitting` and `features.table` import,
directly or not. Comments, docstrings and layout are left out: only code that could act otherwise counts. A
commit that touches nothing of this (a command, a chart, a list) leaves the recipe as it was.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from features.digests import short_digest

_ROOTS = ("models.fitting", "features.table")
# Settings are compared by their values, and what is said to people makes no model.
_LEFT_OUT = frozenset(("models.options", "features.options", "features.errors", "features.wording"))
_PACKAGES = frozenset(name.partition(".")[0] for name in _ROOTS)
_INSTALLED = Path(__file__).resolve().parents[1]


@cache
def code_digest(root: Path = _INSTALLED) -> str:
    """12 hex digits of the code that makes a model.

    Args:
        root: folder of the packages.
    """
    texts = (f"{name}\n{ast.unparse(_bare(tree))}\n" for name, tree in sorted(_modules(root).items()))
    return short_digest("".join(texts))


def _modules(root: Path) -> dict[str, ast.Module]:
    """The modules that are reached from the roots."""
    found: dict[str, ast.Module] = {}
    ahead = [*_ROOTS]
    while ahead:
        name = ahead.pop()
        file = None if name in found or name in _LEFT_OUT else _file(root, name)
        if file is not None:
            found[name] = ast.parse(file.read_text("utf-8"))
            ahead += _imported(found[name])
    return found


def _file(root: Path, name: str) -> Path | None:
    """Where a module's code is; None for a name that is no module."""
    path = root.joinpath(*name.split("."))
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _imported(tree: ast.Module) -> Iterator[str]:
    """Our modules that a module imports, and names that may be modules."""
    for one in tree.body:
        if isinstance(one, ast.ImportFrom) and one.module and one.module.partition(".")[0] in _PACKAGES:
            yield one.module
            yield from (f"{one.module}.{alias.name}" for alias in one.names)


def _bare(tree: ast.Module) -> ast.Module:
    """The code without docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return tree
