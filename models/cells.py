"""Which people of an experiment may be compared with which?

People are compared within cells: groups that the draw treated alike. Cells are weighed by how many people the
draw was to contact there, so that what is found is the effect on these.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.metrics import Flags

Numbers = npt.NDArray[np.int64]

# Strata with fewer people than this in an arm are compared together with their neighbours.
_LEAST_IN_ARM = 20


def cells(groups: Sequence[tuple[float, str]], treated: Flags) -> Numbers:
    """The cell of each person.

    A cell is a run of neighbouring strata, in the order of their names, that the draw gave the same
    probability, long enough to hold people of both arms.

    Args:
        groups: probability of being a control, and stratum, per person.
        treated: who was contacted.

    Returns:
        Cell numbers from 0; -1 for people whose cell lacks one of the arms.
    """
    names = sorted(set(groups))
    place = {name: number for number, name in enumerate(names)}
    own = np.array([place[group] for group in groups], dtype=np.int64)
    sizes = [np.bincount(own[flags], minlength=len(names)) for flags in (treated, ~treated)]
    merged: list[list[int]] = []
    for number, (probability, _) in enumerate(names):
        alone = not merged or names[merged[-1][0]][0] != probability
        if alone or _is_full(merged[-1], sizes):
            merged.append([number])
        else:
            merged[-1].append(number)
    merged = _last_joined(merged, names, sizes)
    usable = [cell for cell in merged if min(int(arm[cell].sum()) for arm in sizes) >= 2]
    number_of = np.full(len(names), -1, dtype=np.int64)
    for number, cell in enumerate(usable):
        number_of[cell] = number
    return number_of[own]


def _is_full(cell: list[int], sizes: list[Numbers]) -> bool:
    return all(int(arm[cell].sum()) >= _LEAST_IN_ARM for arm in sizes)


def _last_joined(
    merged: list[list[int]], names: list[tuple[float, str]], sizes: list[Numbers]
) -> list[list[int]]:
    """What was left over at the end of a probability joins the cell before it."""
    joined: list[list[int]] = []
    for cell in merged:
        same = bool(joined) and names[joined[-1][0]][0] == names[cell[0]][0]
        if same and not _is_full(cell, sizes):
            joined[-1] = joined[-1] + cell
        else:
            joined.append(cell)
    return joined
