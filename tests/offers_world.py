"""Worlds of many customers and ten offers, to choose from: for tests of the choice and for its benchmark."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from models.choices import Choices, choices, in_hash_order
from models.limits import FINE, Group
from models.options import OfferOptions

SALT = "world"
# Channel, mean effect, fixed cost, cost rate: minor units and log-odds.
_OFFERS = {
    "hello": ("email", 0.15, 0, 0.0),
    "tenth": ("email", 0.25, 0, 0.05),
    "mug": ("email", 0.30, 100, 0.0),
    "box": ("email", 0.45, 300, 0.0),
    "text": ("sms", 0.35, 0, 0.1),
    "points": ("sms", 0.45, 200, 0.0),
    "gift": ("sms", 0.60, 500, 0.0),
    "fifth": ("ads", 0.55, 0, 0.15),
    "upgrade": ("ads", 0.70, 600, 0.0),
    "call": ("phone", 1.10, 900, 0.0),
}
_CONTACT = {"email": 5.0, "sms": 12.0, "ads": 60.0, "phone": 400.0}
OFFERS = tuple(OfferOptions(id=name, channel=channel) for name, (channel, *_) in _OFFERS.items())
IDS = [offer.id for offer in OFFERS]


def world(people: int, seed: int = 7, held_out: float = 0.12) -> pl.DataFrame:
    """Every offer that pays, of every customer, as `models.choices.choices` reads them."""
    draw = np.random.default_rng(seed)
    p0 = draw.beta(0.6, 6, people).clip(1e-4, 0.999)
    worth = np.exp(draw.normal(7.6, 1, people)) - 300
    order = np.exp(draw.normal(8, 0.6, people))
    contacted = draw.random(people) >= held_out
    ids = pl.select(pl.format("c{}", pl.int_range(people))).to_series()
    parts = []
    for name, (channel, effect, cost, rate) in _OFFERS.items():
        own = effect * np.exp(draw.normal(0, 0.35, people))
        p1 = 1 / (1 + np.exp(-np.log(p0 / (1 - p0)) - own))
        redeemed = p1 * (cost + rate * order)
        eip = (p1 - p0) * worth - redeemed - _CONTACT[channel]
        rows = {
            "customer_id": ids,
            "offer_id": pl.repeat(name, people, eager=True),
            "expected_incremental_profit": eip,
            "expected_cost": redeemed + _CONTACT[channel],
            "contacted": contacted,
        }
        parts.append(pl.DataFrame(rows).filter(pl.col("expected_incremental_profit") > 0))
    return pl.concat(parts)


def numbers(offers: pl.DataFrame) -> Choices:
    """The frame as numbers."""
    return choices(in_hash_order(offers, SALT), IDS, SALT)


def small(*entries: tuple[str, str, float, float], held_out: str = "") -> Choices:
    """Choices by hand: customer, offer, EIP and cost in minor units; letters of people held out."""
    frame = pl.DataFrame(
        entries,
        schema={
            "customer_id": pl.String,
            "offer_id": pl.String,
            "expected_incremental_profit": pl.Float64,
            "expected_cost": pl.Float64,
        },
        orient="row",
    )
    return numbers(frame.with_columns(contacted=~pl.col("customer_id").is_in(list(held_out))))


def group(name: str, limit: int) -> Group:
    """A limit by the name that it has in the product."""
    kind, _, one = name.partition(" ")
    own = {"offer": [o.id == one for o in OFFERS], "channel": [o.channel == one for o in OFFERS]}
    return Group(name, limit, np.array(own.get(kind, [True] * len(OFFERS))))


def scarce(people: int) -> list[Group]:
    """Limits that all bind, or nearly, in a world of so many people."""
    shares: Mapping[str, float] = {
        "offer mug": 0.03,
        "offer box": 0.02,
        "offer points": 0.03,
        "offer gift": 0.03,
        "offer upgrade": 0.01,
        "offer call": 0.005,
        "channel sms": 0.06,
        "channel ads": 0.012,
        "capacity": 0.3,
    }
    return [group(name, int(people * share)) for name, share in shares.items()]


def budget(world: Choices) -> float:
    """A quarter of what it would cost to make everybody the average offer, fine units."""
    return float(world.cost.mean()) * world.people / 4


def fine(minor: float) -> float:
    """Fine units."""
    return minor * FINE
