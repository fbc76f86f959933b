"""What the whole shop's customers add up to on one day, and what follows from it for each of them.

Each part counts its own customers; counts add up, so that what is fitted to them is the same however the
customers are split into parts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from features import acquisition, attrition, basket, neighbourhood, spend, stages
from features.asof import AsOf
from features.known import Known
from features.options import StageOptions

# Counts by name: key columns, then Int64 sums; by which columns they add up.
Counts = Mapping[str, pl.DataFrame]
_KEYS = {
    "gaps": stages.KEYS,
    "attrition": attrition.KEYS,
    "spend": spend.KEYS,
    "cohorts": acquisition.KEYS,
    "shelf": basket.KEYS,
    "neighbours": neighbourhood.KEYS,
}


def count(known: Known, baskets: basket.Baskets) -> Counts:
    """Count one part's customers.

    Args:
        known: what was known of them on the day.
        baskets: what they had bought by then.
    """
    return {
        "gaps": stages.count_gaps(known.days),
        "attrition": attrition.count(attrition.summarise(known.days, known.as_of.day)),
        "spend": spend.count(spend.summarise(known.purchases)),
        "cohorts": acquisition.count_cohorts(known),
        "shelf": basket.count_shelf(baskets),
        "neighbours": neighbourhood.count(known, baskets.features),
    }


def merged(counts: Iterable[Counts]) -> Counts:
    """The counts of several parts together, sorted by their keys."""
    parts = list(counts)
    return {name: _added([part[name] for part in parts], keys) for name, keys in _KEYS.items()}


@dataclass(frozen=True, slots=True)
class Norms:
    """What is usual in the shop on one day.

    Attributes:
        gaps: quantiles of all gaps, see `features.stages`.
        attrition: MBG/NBD; None when there are too few customers.
        spend: Gamma-Gamma; None likewise.
        cohorts: customers and rates by month of the first purchase.
        shelf: mean prices by category.
        neighbours: return rates by region, channel and favourite category.
    """

    gaps: pl.DataFrame
    attrition: attrition.AttritionParameters | None
    spend: spend.SpendParameters | None
    cohorts: pl.DataFrame
    shelf: pl.DataFrame
    neighbours: pl.DataFrame

    @classmethod
    def of(cls, counts: Counts, options: StageOptions) -> "Norms":
        """Fit what is fitted to the counts of all customers."""
        return cls(
            gaps=stages.shop_quantiles(counts["gaps"], options),
            attrition=attrition.fit(counts["attrition"]),
            spend=spend.fit(counts["spend"]),
            cohorts=counts["cohorts"],
            shelf=counts["shelf"],
            neighbours=counts["neighbours"],
        )


def _added(frames: list[pl.DataFrame], keys: tuple[str, ...]) -> pl.DataFrame:
    if len(frames) == 1:
        return frames[0]
    together = pl.concat(frames)
    return together.group_by(keys).agg(pl.exclude(keys).sum()).sort(keys)
