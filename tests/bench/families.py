"""Where the time goes: each family of features by itself, on a history that is read already."""

import polars as pl

from features import basket, friction, rhythm, table
from features.orders import purchases
from tests.bench.ours import STAGES, history
from tests.bench.places import AS_OF, Clock, Place

READING = "reading: lines, orders, margins"
TOGETHER = "all families together, joined, with stages"


def each_family(place: Place, clock: Clock) -> None:
    """One lap per family. Alone they take longer than together, where they share the cores."""
    with clock.lap(READING):
        known_all = history(place)
    with clock.lap("net purchases of the day"):
        known = purchases(known_all.orders, AS_OF).collect().lazy()
    with clock.lap("gaps between order days"):
        gaps = rhythm.with_gaps(known).collect().lazy()
    plans = {
        "recency, frequency, money, season": table._frequency(known, AS_OF, known_all.columns),
        "margin": table._margin(known_all.margins, AS_OF),
        "rhythm": table._rhythm(gaps, AS_OF, STAGES),
        "basket": basket.baskets(known_all.lines, AS_OF),
        "returns": friction.returns(known_all.lines, AS_OF),
    }
    for name, plan in plans.items():
        with clock.lap(name):
            plan.collect()
    with clock.lap("latent attrition and spend"):
        pl.collect_all(table._latent(known, AS_OF))
    with clock.lap(TOGETHER):
        table.feature_table(known_all, AS_OF, STAGES)
