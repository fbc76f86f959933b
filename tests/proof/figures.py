"""What must hold and what is aimed at, with intervals over seeds; every figure as it comes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tests.proof.loop import JUDGED, Course, exploration_budget
from tests.proof.policies import MEASURING, ORACLE, RANDOM, RIVALS, WINBACK
from tests.proof.worlds import World

Array = npt.NDArray[np.float64]

LEVEL = 0.9
_UNIT = 100
_OF_ORACLE, _ABOVE_RIVALS = 0.85, 1.3


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of `proof.json`.

    Attributes:
        name: what, and whether it must hold or is aimed at.
        value: found.
        low: of its 90 % interval; None where there is none.
        high: likewise.
        goal: what it is held against, in words where one number does not say it; None for a figure that is
            only told.
        holds: whether it is as it should be.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    goal: float | str | None
    holds: bool

    @property
    def must(self) -> bool:
        """Whether the proof fails without it."""
        return self.name.startswith("must: ")


def mean_interval(values: Array) -> tuple[float, float, float]:
    """Mean over seeds with its 90 % t interval; with one seed the interval is the whole line."""
    from scipy.stats import t

    mean = float(values.mean())
    if len(values) < 2:
        return mean, -float("inf"), float("inf")
    error = float(values.std(ddof=1)) / len(values) ** 0.5 * float(t.ppf((1 + LEVEL) / 2, len(values) - 1))
    return mean, mean - error, mean + error


def ratio_interval(above: Array, below: Array) -> tuple[float, float, float]:
    """Ratio of two means over the same seeds; its interval by the delta method."""
    ratio = float(above.mean() / below.mean())
    _, low, high = mean_interval((above - ratio * below) / below.mean())
    return ratio, ratio + low, ratio + high


def profits(courses: Sequence[Course], world: World, policy: str) -> Array:
    """Incremental profit per seed, major units."""
    return np.array([one.profit for one in _of(courses, world, policy)]) / _UNIT


def expectations(courses: Sequence[Course], world: World, policy: str) -> Array:
    """The same as the lists were to bring by the whole truth: without the luck of those contacted."""
    return np.array([sum(one.gains) for one in _of(courses, world, policy)]) / _UNIT


def _of(courses: Sequence[Course], world: World, policy: str) -> list[Course]:
    own = (one for one in courses if (one.world, one.policy) == (world, policy))
    return sorted(own, key=lambda one: one.seed)


def closed_loop(courses: Sequence[Course]) -> list[Figure]:
    """All figures of the closed loop."""
    worlds = [world for world in World if any(one.world is world for one in courses)]
    found: list[Figure] = []
    for world in worlds:
        found += _told(courses, world)
        if world is World.NOTHING:
            found += _losses(courses)
        if world in JUDGED:
            found += _against_rivals(courses, world)
            found.append(_of_oracle(courses, world))
    return found


def _told(courses: Sequence[Course], world: World) -> list[Figure]:
    """Incremental profit of every policy, as it came and as it was to be expected, without a goal."""
    kinds = {"incremental profit": profits, "expected profit by the truth": expectations}
    return [
        _figure(f"world {world}: {kind} of {name}", mean_interval(found(courses, world, name)))
        for kind, found in kinds.items()
        for name in (WINBACK, *RIVALS, RANDOM, ORACLE, MEASURING)
        if _of(courses, world, name)
    ]


def _losses(courses: Sequence[Course]) -> list[Figure]:
    own = [one for one in courses if (one.world, one.policy) == (World.NOTHING, WINBACK)]
    loss = mean_interval(np.array([-one.profit for one in own]) / _UNIT)
    found = []
    for name, trials in (
        ("must: world a: loss of winback at most the exploration budget", True),
        ("aim: world a: loss of winback at most the exploration budget without its trials", False),
    ):
        goal = float(np.mean([exploration_budget(one.budget, trials=trials) for one in own])) / _UNIT
        found.append(_figure(name, loss, round(goal, 2), holds=loss[2] <= goal))
    return found


def _against_rivals(courses: Sequence[Course], world: World) -> list[Figure]:
    ours, found = profits(courses, world, WINBACK), []
    for rival in (*RIVALS, RANDOM):
        theirs = profits(courses, world, rival)
        beaten = mean_interval(ours - theirs)
        kind = "must" if rival in RIVALS else "aim"
        name = f"{kind}: world {world}: profit of winback less that of {rival}"
        found.append(_figure(name, beaten, 0.0, holds=beaten[1] > 0))
        far = mean_interval(ours - _ABOVE_RIVALS * theirs)
        name = f"aim: world {world}: profit of winback less {_ABOVE_RIVALS} times that of {rival}"
        found.append(_figure(name, far, 0.0, holds=far[0] >= 0))
    return found


def _of_oracle(courses: Sequence[Course], world: World) -> Figure:
    share = ratio_interval(profits(courses, world, WINBACK), profits(courses, world, ORACLE))
    name = f"aim: world {world}: profit of winback as a share of the oracle's"
    return _figure(name, share, _OF_ORACLE, holds=share[0] >= _OF_ORACLE)


def _figure(
    name: str, found: tuple[float, float, float], goal: float | None = None, *, holds: bool = True
) -> Figure:
    value, low, high = found
    bounds = [round(bound, 4) if np.isfinite(bound) else None for bound in (low, high)]
    return Figure(name, round(value, 4), bounds[0], bounds[1], goal, holds)
