"""The other parts of the proof, each a study of its own, in the shape of `proof.json`."""

from collections.abc import Sequence
from typing import Any

from tests.proof.figures import Figure


def coverage() -> list[Figure]:
    """Do the intervals of `winback measure` hold the truth as often as they say?"""
    from tests.proof.coverage import claims

    return _figures("measure", claims())


def hillstrom() -> list[Figure]:
    """Does uplift hold on a real randomised trial? Draws `.hillstrom/hillstrom.png` beside."""
    from tests.hillstrom.__main__ import figures
    from tests.hillstrom.data import FILE, KEPT
    from tests.hillstrom.picture import draw

    if not FILE.is_file():
        return [
            Figure(f"must: Hillstrom: {FILE.name} is there to judge on", 0.0, None, None, 1.0, holds=False)
        ]
    KEPT.mkdir(exist_ok=True)
    found, pictured = figures()
    draw(KEPT / "hillstrom.png", pictured)
    return _figures("Hillstrom", found)


def _figures(study: str, found: Sequence[Any]) -> list[Figure]:
    """Figures under the name of their study; what must hold says so first."""
    return [
        Figure(named(study, one.name), one.value, one.low, one.high, one.goal, bool(one.holds))
        for one in found
    ]


def named(study: str, name: str) -> str:
    """`must: x` of a study becomes `must: study: x`."""
    rest = name.removeprefix("must: ")
    return f"must: {study}: {rest}" if rest != name else f"{study}: {name}"
