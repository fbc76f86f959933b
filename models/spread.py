"""How is a model grown from more rows than one machine holds? By all workers, each on the rows it has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl

from features.engine import Engine
from features.errors import WinbackError
from models.boosting import Recipe, Sample, grow_together, meeting
from models.lesson import Lesson, churn_sample, learnable
from models.matrix import FeatureContract


@dataclass(frozen=True, slots=True)
class Spread:
    """Training rows of all customers, in parts that lie, or are made, on an engine's workers.

    Attributes:
        engine: where the parts are.
        rows_of: from a part to its training frame; called on the workers.
        parts: items for `rows_of`, or results that an earlier `engine.map` gave.
    """

    engine: Engine
    rows_of: Callable[[Any], pl.DataFrame]
    parts: Sequence[Any]

    def grow(self, contract: FeatureContract, lesson: Lesson, recipe: Recipe, rounds: int) -> bytes:
        """The trees of a lesson on the learnable rows of all parts, for a fixed number of rounds.

        Raises:
            WinbackError: when the workers did not end with one model.
        """
        grown: list[bytes] = self.engine.together(
            partial(grow_together, recipe=recipe, rounds=rounds),
            partial(_sample, self.rows_of, contract, lesson),
            self.parts,
            meeting,
        )
        if len(set(grown)) != 1:
            raise WinbackError(
                f"{len(grown)} workers ended with {len(set(grown))} different models, where one was "
                "expected. Look for workers with other machines or libraries than the rest."
            )
        return grown[0]


def _sample(
    rows_of: Callable[[Any], pl.DataFrame],
    contract: FeatureContract,
    lesson: Lesson,
    part: Any,  # noqa: ANN401 - what rows_of takes
) -> Sample:
    rows = rows_of(part)
    return churn_sample(learnable(rows.filter(lesson.teaches())), contract, lesson)
