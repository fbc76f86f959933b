"""What the whole shop's customers add up to on one day, and what is usual among them.

Each part counts its own customers; counts add up, so that what is fitted to them is the same however the
customers are split into parts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from features import acquisition, attrition, basket, neighbourhood, spend, stages
from features.basket import Baskets
from features.known import Known
from features.options import StageOptions

# Counts by name: key columns, then Int64 sums.
Counts = Mapping[str, pl.DataFrame]
# The columns by which they add up.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "gaps": stages.KEYS,
    "attrition": attrition.KEYS,
    "spend": spend.KEYS,
    "cohorts": acquisition.KEYS,
    "shelf": basket.KEYS,
    "neighbours": neighbourhood.KEYS,
}


def count(known: Known, baskets: Baskets) -> Counts:
    """Count one part's customers.

    Args:
        known: what was known of them on the day.
        baskets: what they had bought by then.
    """
    as_of, bought = known.as_of, known.purchases
    counts = {
        "gaps": stages.count_gaps(known.days),
        "attrition": attrition.count(attrition.summarise(known.days, as_of.day)),
        "spend": spend.count(bought.count(), bought.sums("net_amount").to_series()),
        "cohorts": acquisition.cohort_counts(known.days, as_of),
        "neighbours": neighbourhood.count(
            known.books.orders, neighbourhood.people(known, baskets.features), as_of
        ),
    }
    return counts if baskets.shelf is None else {**counts, "shelf": baskets.shelf}


def merged(counts: Iterable[Counts]) -> Counts:
    """The counts of several parts together, sorted by their keys."""
    parts = list(counts)
    return {
        name: _added([part[name] for part in parts], keys) for name, keys in _KEYS.items() if name in parts[0]
    }


@dataclass(frozen=True, slots=True)
class Norms:
    """What is usual in the shop on one day.

    Attributes:
        gaps: quantiles of all gaps, see `features.stages`.
        attrition: MBG/NBD; None when there are too few customers.
        spend: Gamma-Gamma; None likewise.
        cohorts: customers by month of the first purchase, see `features.acquisition`.
        prices: mean prices by category, see `features.basket`; None where prices cannot be told.
        neighbours: people of one region, channel and favourite category, see `features.neighbourhood`.
    """

    gaps: stages.ShopQuantiles
    attrition: attrition.AttritionParameters | None
    spend: spend.SpendParameters | None
    cohorts: pl.DataFrame
    prices: pl.DataFrame | None
    neighbours: pl.DataFrame

    @classmethod
    def of(cls, counts: Counts, options: StageOptions) -> "Norms":
        """Fit what is fitted to the counts of all customers."""
        return cls(
            gaps=stages.shop_quantiles(counts["gaps"], options),
            attrition=attrition.fit(counts["attrition"]),
            spend=spend.fit(counts["spend"]),
            cohorts=counts["cohorts"],
            prices=basket.shelf_prices(counts["shelf"]) if "shelf" in counts else None,
            neighbours=counts["neighbours"],
        )


def _added(frames: list[pl.DataFrame], keys: tuple[str, ...]) -> pl.DataFrame:
    if len(frames) == 1:
        return frames[0]
    return pl.concat(frames).group_by(keys).agg(pl.exclude(keys).sum()).sort(keys)
