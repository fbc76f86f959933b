"""Where the time goes: each family of features by itself, on a history that is read already."""

from features import rhythm, table
from features.families import families, latent
from features.frequency import placed
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
        known = placed(purchases(known_all.orders, AS_OF)).collect().lazy()
    with clock.lap("gaps between order days"):
        gaps = rhythm.with_gaps(known).collect().lazy()
    for plan in families(known_all, known, gaps, AS_OF, STAGES):
        _, first, *_ = plan.collect_schema().names()
        with clock.lap(f"the family of {first}"):
            plan.collect()
    with clock.lap("latent attrition and spend"):
        latent(known, gaps, AS_OF)
    with clock.lap(TOGETHER):
        table.feature_table(known_all, AS_OF, STAGES)
