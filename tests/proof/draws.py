"""Random numbers that belong to a person and a day, so that two worlds differ only by what is done in them.

A draw is a hash of seed, purpose, person and day (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014: the finaliser of SplitMix64). Nothing is consumed: what one person does cannot move
the draws of another, nor a contact today those of tomorrow.
"""

import hashlib
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Keys = npt.NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WORD = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Draws:
    """Numbers for one purpose.

    Attributes:
        keys: one per person.
    """

    keys: Keys

    @classmethod
    def of(cls, seed: int, purpose: str, people: int) -> Self:
        """The draws of so many people."""
        digest = hashlib.sha256(f"{seed}|{purpose}".encode()).digest()
        first = np.uint64(int.from_bytes(digest[:8], "big"))
        return cls(_mixed(np.arange(people, dtype=np.uint64) + first))

    def uniform(self, day: int, whom: npt.NDArray[np.int64] | slice = slice(None)) -> Array:
        """Numbers inside (0, 1) of a day, for everyone or for some."""
        bits = _mixed(self.keys[whom] + np.uint64((day + 1) * _GOLDEN & _WORD))
        return ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52

    def normal(self, day: int, whom: npt.NDArray[np.int64] | slice = slice(None)) -> Array:
        """The same as standard normal numbers."""
        from scipy.special import ndtri

        numbers: Array = ndtri(self.uniform(day, whom))
        return numbers


def _mixed(words: Keys) -> Keys:
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))
