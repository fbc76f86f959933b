"""Invented contacts with known effects, in the shape that uplift is learned from."""

from collections.abc import Callable

import numpy as np
import polars as pl

Effect = Callable[[dict[str, np.ndarray]], np.ndarray]


def contacts(people: int, effect: Effect, *, seed: int = 1, contacted: float = 0.5) -> pl.DataFrame:
    """Randomised contacts of one offer; `effect` gives the change of the probability from the traits.

    The true effect stands beside in `_effect`, which nobody may learn from.
    """
    rng = np.random.default_rng(seed)
    traits = {
        "recency": rng.uniform(0, 200, people),
        "orders": rng.poisson(4, people) + 1.0,
        "taste": rng.normal(size=people),
        "noise": rng.normal(size=people),
    }
    p0 = 1 / (1 + np.exp(2.2 + traits["recency"] / 100 - traits["orders"] / 5))
    change = np.clip(p0 + effect({**traits, "p0": p0}), 0, 1) - p0
    treated = rng.random(people) < contacted
    returned = rng.random(people) < p0 + treated * change
    spent = np.rint(returned * rng.lognormal(8, 0.7, people)).astype(np.int64)
    return pl.DataFrame(
        {
            "customer_id": [f"c{number:06}" for number in range(people)],
            **traits,
            "p0": p0,
            "stage": np.where(traits["recency"] > 100, "lapsed", "at_risk"),
            "value_tier": np.where(traits["orders"] > 6, "gold", "bronze"),
            "offer_id": ["message"] * people,
            "treated": treated,
            "assignment_probability": np.where(treated, contacted, 1 - contacted),
            "returned": returned,
            "window_margin": spent,
            "_effect": change,
        }
    )


def nothing(traits: dict[str, np.ndarray]) -> np.ndarray:
    """A contact changes nobody."""
    return np.zeros(len(traits["p0"]))


def strong(traits: dict[str, np.ndarray]) -> np.ndarray:
    """Nobody answers as much as people of much taste; a tenth, of no taste, is harmed."""
    taste = traits["taste"]
    return np.where(taste < -1.2816, -0.08, np.where(taste > 0, 0.15, 0.03))
