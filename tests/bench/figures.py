"""Which figures are asked for, from what was measured."""

import math
from dataclasses import dataclass

from tests.bench.elsewhere import Extrapolated
from tests.bench.measure import Measured
from tests.bench.places import AS_OF

DUCKDB, PANDAS, FOREIGN, BARE, ALL, GROWTH = 0.6, 0.1, 0.01, 3.0, 8.0, 1.05
NIGHT, GATE, SNAPSHOTS, PEAK_GIB = 0.1, 1.0, 6.0, 8.0
TEN_MILLION, PEAK_LINES = 10_000_000, 100_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure against its limit.

    Attributes:
        name: what it is, with its unit.
        ours: the project's; None when it was not measured.
        reference: what it is held against.
        limit: greatest ratio allowed.
        note: what one must know to read it.
    """

    name: str
    ours: float | None
    reference: float | None
    limit: float
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours by the reference."""
        if self.ours is None or not self.reference:
            return None
        return self.ours / self.reference

    @property
    def holds(self) -> bool:
        """Within the limit; what was not measured does not hold."""
        return self.ratio is not None and self.ratio <= self.limit


def million(lines: int) -> str:
    """`1 M lines`."""
    return f"{lines / 1e6:g} M lines"


def against(  # noqa: PLR0917 - as the line reads
    measured: Measured, name: str, ours: str, reference: str, lines: int, limit: float
) -> Figure:
    """The time of one case by the time of another, at one scale."""
    left_out = measured.left_out.get((ours, lines)) or measured.left_out.get((reference, lines))
    return Figure(
        f"{name}, {million(lines)} (s)",
        measured.seconds(ours, lines),
        measured.seconds(reference, lines),
        limit,
        left_out or _note(measured, ours, reference, lines),
    )


def _note(measured: Measured, ours: str, reference: str, lines: int) -> str:
    times = min(measured.times(ours, lines), measured.times(reference, lines))
    said = "one run" if times == 1 else f"median of {times}"
    one, other = measured.cpu(ours, lines), measured.cpu(reference, lines)
    return f"{said}; {one / other:.3g} by processor time" if one and other else said


def at_scale(measured: Measured, lines: int) -> list[Figure]:
    """Figures of one scale."""
    rows = [
        against(measured, "common set, DuckDB SQL", "common", "duckdb", lines, DUCKDB),
        against(measured, "common set, bare scan", "common", "bare", lines, BARE),
        against(measured, "all features, bare scan", "all", "bare", lines, ALL),
    ]
    if lines <= TEN_MILLION:
        rows.append(against(measured, "12 snapshots, one snapshot", "twelve", "one", lines, SNAPSHOTS))
    # Both have a fixed cost of seconds (Great Expectations), so they are judged where it no longer shows.
    if lines == TEN_MILLION:
        rows.append(against(measured, "quality gate, all features", "gate", "all", lines, GATE))
    if lines >= PEAK_LINES:
        rows.append(against(measured, "a night's 0.1 % new lines, full load", "night", "load", lines, NIGHT))
    if measured.seconds("pandas", lines) is not None:
        rows.insert(1, against(measured, "common set, pandas", "common", "pandas", lines, PANDAS))
    if lines >= PEAK_LINES:
        rows.append(
            Figure(f"peak memory, {million(lines)} (GiB)", measured.peak_gib("all", lines), PEAK_GIB, 1.0)
        )
    return rows


def rewritten(lines: int, files: int, base: int) -> Figure:
    """Files of the base that a night with few new lines wrote anew."""
    return Figure(f"files of the base rewritten by such a night, {million(lines)}", files, base, 0.0)


def foreign(measured: Measured, tool: str, lines: int, found: Extrapolated | str) -> Figure:
    """The common set against a tool that was measured on samples, or could not be."""
    name, ours = f"common set, {tool}, {million(lines)} (s)", measured.seconds("common", lines)
    if isinstance(found, str):
        return Figure(name, ours, None, FOREIGN, found)
    note = (
        f"{found.features} features of ready-made orders; {found.sampled:,} of {found.customers:,} "
        "customers, scaled by a straight line through two samples"
    )
    return Figure(name, ours, found.seconds, FOREIGN, note)


def equality(lines: int, other: str, columns: int, differ: list[str]) -> Figure:
    """Columns of the common set whose values another tool does not confirm."""
    name = f"columns of the common set that differ from {other}'s, {million(lines)}"
    return Figure(name, len(differ), columns, 0.0, "; ".join(differ))


def growth(measured: Measured, scales: tuple[int, ...]) -> list[Figure]:
    """The exponent of time over lines, from the smallest scale to the largest that was measured."""
    times = {n: seconds for n in scales if (seconds := measured.seconds("all", n)) is not None}
    if len(times) < 2:
        return []
    first, last = min(times), max(times)
    exponent = math.log(times[last] / times[first]) / math.log(last / first)
    name = f"growth of all features, {million(first)} to {million(last)} (exponent)"
    return [Figure(name, exponent, 1.0, GROWTH)]


def describe() -> str:
    """What the figures have in common."""
    return f"features of {AS_OF.day}; time from the lake's files to a frame in memory, imports left out"
