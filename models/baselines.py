"""How well would a simple rule do? Every figure of a model stands beside these."""

from collections.abc import Mapping

import polars as pl

from models.metrics import Array

# name: the feature that ranks, and whether more of it makes a return likelier (1) or less likely (-1).
RULES: Mapping[str, tuple[str, float]] = {
    "recency": ("days_since_last_purchase", -1.0),
    "spend_365d": ("net_amount_365d", 1.0),
}


def baseline_scores(features: pl.DataFrame) -> dict[str, Array]:
    """Score of each rule whose feature is there, higher where a return is likelier; unknown is lowest."""
    return {
        name: (features[column].cast(pl.Float64) * sign).fill_null(float("-inf")).to_numpy()
        for name, (column, sign) in RULES.items()
        if column in features.columns
    }
