"""Where the time goes: each family of features by itself, of all customers on one thread."""

from features import acquisition, attrition, calendar, census, families, frequency, friction, habits, rhythm
from features.basket import baskets
from features.books import Books
from features.census import Norms
from features.history import Part
from features.known import Known
from tests.bench.ours import STAGES, history
from tests.bench.places import AS_OF, Clock, Place

_QUANTILES = (0.5, 0.75, 0.9)
READING, TOGETHER = "reading: lines, orders, goods", "all features put together"
# The steps of a build, one after the other; the families are parts of the last one.
STEPS = (
    READING,
    "what was known at the day",
    "baskets",
    "counts of the shop",
    "fits of the shop",
    TOGETHER,
)


def each_family(place: Place, clock: Clock) -> None:
    """One lap per step, part after part; together the steps share the cores."""
    shop = history(place)
    for part in shop.parts:
        _one_part(part, shop.columns, clock)


def _one_part(part: Part, columns: frozenset[str], clock: Clock) -> None:
    with clock.lap(READING):
        books, goods = Books.open_with_goods(part, columns)
    with clock.lap("what was known at the day"):
        known = Known.of(books, AS_OF)
    with clock.lap("baskets"):
        bought = baskets(goods, known.customers, AS_OF)
    with clock.lap("counts of the shop"):
        counts = census.count(known, bought)
    with clock.lap("fits of the shop"):
        norms = Norms.of(counts, STAGES)
    steps = {
        "recency": lambda: frequency.silence(known),
        "sums over windows": lambda: frequency.totals(known.purchases, "lines", "net_amount", "quantity"),
        "margins": lambda: frequency.margins(known),
        "order values": lambda: frequency.order_value(known.purchases),
        "rhythm": lambda: rhythm.rhythm(known.days, AS_OF, _QUANTILES),
        "habits": lambda: habits.habits(known.purchases),
        "season": lambda: calendar.own_season(known.purchases, AS_OF, None),
        "milestones": lambda: acquisition.milestones(known.purchases, AS_OF),
        "returns": lambda: friction.returns(known),
        "latent attrition": lambda: attrition.probabilities(
            norms.attrition, attrition.summarise(known.days, AS_OF.day), AS_OF.horizon_days
        ),
    }
    for name, step in steps.items():
        with clock.lap(name):
            step()
    with clock.lap(TOGETHER):
        families.features(known, bought, norms, columns, None, STAGES)
