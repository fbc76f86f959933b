"""Who is held out, and how are lists and enrolments called?

Every draw is a keyed hash of the person, so it is the same on every machine and can be checked later; its
probability is known. A probability is that of the draw that put the person into the arm: the holdout's
share for `universal`, the control share or the rest of it inside a list, the inclusion probability for
`explore`.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Literal

import polars as pl

from features.digests import short_digest
from features.hashing import uniform

Period = Literal["year", "quarter"]


class Arm(StrEnum):
    """What happens to an enrolled person."""

    TREATMENT = "treatment"
    CONTROL = "control"
    UNIVERSAL = "universal"
    EXPLORE = "explore"


# Enrolled to be contacted, and not to be contacted.
CONTACTED = (Arm.TREATMENT, Arm.EXPLORE)
HELD_OUT = (Arm.CONTROL, Arm.UNIVERSAL)


class Selection(StrEnum):
    """Why a person is enrolled."""

    PROFIT = "profit"
    EXPLORE = "explore"


_P0_EDGES = (0.02, 0.05, 0.1, 0.2, 0.5)
_P0_BANDS = ("00-02", "02-05", "05-10", "10-20", "20-50", "50-100")


def list_id(
    day: date, config_hash: str, model_version: str, lake_version: str, effects: str | None = None
) -> str:
    """The name of a list, from everything that it is made of: 12 hex digits.

    `effects` is the digest of what own contacts have taught, if they have taught anything.
    """
    made_of = [day.isoformat(), config_hash, model_version, lake_version, *([effects] if effects else [])]
    return short_digest("\x1f".join(made_of))


def enrolment_ids(persons: Sequence[str], list_id: str, salt: str) -> list[str]:
    """The name of each person's enrolment in a list: 16 hex digits, from which nobody can read the person."""
    key = f"{salt}|enrolment|{list_id}".encode()
    return [hmac.new(key, person.encode(), hashlib.sha256).hexdigest()[:16] for person in persons]


def period(day: date, length: Period) -> str:
    """The period whose universal holdout a day belongs to, e.g. `2011` or `2011Q3`."""
    return str(day.year) if length == "year" else f"{day.year}Q{(day.month + 2) // 3}"


def is_universal(share: float, salt: str, day: date, length: Period) -> pl.Expr:
    """Whether a person (`person_id`) is in the stable holdout of the day's period."""
    return (uniform("person_id", f"{salt}|universal|{period(day, length)}") < share).alias("is_universal")


def is_control(share: float | pl.Expr, salt: str, list_id: str) -> pl.Expr:
    """Whether a person (`person_id`) is not contacted if this list selects them."""
    return (uniform("person_id", f"{salt}|control|{list_id}") < share).alias("is_control")


def exploration_draw(salt: str, list_id: str) -> pl.Expr:
    """A number in [0, 1) per person: those below the cut with the smallest ones are explored."""
    return uniform("person_id", f"{salt}|explore|{list_id}")


def stratum() -> pl.Expr:
    """Stage, tier and band of p0 (in per cent), from scores alone: e.g. `lapsed.gold.05-10`."""
    passed = pl.sum_horizontal(pl.col("p0") >= edge for edge in _P0_EDGES)
    band = passed.replace_strict(range(len(_P0_BANDS)), _P0_BANDS, return_dtype=pl.String)
    return pl.concat_str(pl.col("stage").cast(pl.String), "value_tier", band, separator=".").alias("stratum")
