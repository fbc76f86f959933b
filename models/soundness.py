"""Can the comparison of a list be trusted?

The arms have to hold as many people as the draw should have given them (sample-ratio mismatch: Fabijan and
others, Diagnosing Sample Ratio Mismatch, KDD 2019), and nobody should stand in both, or be contacted by
another tool while held out. Nobody is left out of a comparison because of this: that would be no longer
what the draw made; it is counted and told.
"""

import math
from dataclasses import dataclass

import polars as pl

from features.asof import AsOf
from features.labels import CONTACTED_ARMS
from models.assignment import HELD_OUT, Arm
from models.observed import COMPARED

# A split this unlikely was not made by the draw alone (the usual threshold of sample-ratio checks).
UNLIKELY = 0.001
# Groups in which fewer people than this are expected in an arm are looked at together.
_LEAST_EXPECTED = 5.0


@dataclass(frozen=True, slots=True)
class Contamination:
    """People of a list whose arms are not as clean as the draw made them.

    Attributes:
        in_two_arms: in both arms of the list, under two ids, or to be contacted in one enrolment and held out
            in another that was open at the same time.
        in_two_enrolments: in another enrolment that was open at the same time, whatever its arm.
        controls_contacted: held out, and contacted all the same while the outcome was counted.
    """

    in_two_arms: int = 0
    in_two_enrolments: int = 0
    controls_contacted: int = 0


def contamination(enrolments: pl.DataFrame, who: pl.DataFrame, list_id: str, window: AsOf) -> Contamination:
    """Count the people of a list who were touched by something else.

    Args:
        enrolments: `models.eligibility.ENROLMENTS`, of all lists, and the rows of the contacts table.
        who: `customer_id`, `person_id`.
        list_id: the list.
        window: its days, seen from the acknowledgement.
    """
    delivered = enrolments.filter(pl.col("acknowledged_on").is_not_null()).with_row_index("row")
    everyone = delivered.join(who, on="customer_id").select(
        "row", "person_id", "enrolment_id", "list_id", "arm", "acknowledged_on", "open_until"
    )
    own = everyone.filter(pl.col("list_id") == list_id, pl.col("arm").is_in(COMPARED))
    both = own.join(everyone, on="person_id", suffix="_other").filter(
        pl.col("row") != pl.col("row_other"),
        ~_written_back(),
        pl.col("list_id_other").is_not_null(),  # the contact of another tool enrols nobody
    )
    at_once = both.filter(
        pl.col("acknowledged_on_other") < pl.col("open_until"),
        pl.col("open_until_other") > pl.col("acknowledged_on"),
    )
    held, other = pl.col("arm") == Arm.CONTROL, pl.col("arm_other").is_in(CONTACTED_ARMS)
    on = pl.col("acknowledged_on_other")
    contacted = own.join(everyone, on="person_id", suffix="_other").filter(
        held, other, on.is_between(window.day, window.outcome_end)
    )
    held_other = pl.col("arm_other").is_in(HELD_OUT)
    crossed = at_once.filter((held & other) | (~held & held_other))
    return Contamination(
        *(frame["person_id"].n_unique() for frame in (crossed, at_once, contacted)),
    )


def split_p_value(people: pl.DataFrame) -> float | None:
    """How likely a split at least as odd as this one is, if the draw alone made it.

    Pearson's chi-square over the groups of equal probability; with a single one the binomial test, which
    says the same exactly.

    Args:
        people: `treated`, `control_probability`; one row per person.
    """
    from scipy.stats import binomtest, chi2

    if people.is_empty():
        return None
    groups = (
        people.group_by("control_probability")
        .agg(people=pl.len(), controls=(~pl.col("treated")).sum())
        .sort("control_probability")
    )
    rows = list(groups.iter_rows())
    if len(rows) == 1:
        share, size, controls = rows[0]
        return _digits(binomtest(controls, size, share).pvalue)
    found = _chi_square([(size, controls, share) for share, size, controls in rows])
    return None if found is None else _digits(chi2.sf(*found))


def _chi_square(groups: list[tuple[int, int, float]]) -> tuple[float, int] | None:
    """Sum of (observed - expected)^2 / variance, and how many groups there are in it."""
    is_thin = [size * min(share, 1 - share) < _LEAST_EXPECTED for size, _, share in groups]
    thin = [one for one, few in zip(groups, is_thin, strict=True) if few]
    found = []
    for part in [[one] for one, few in zip(groups, is_thin, strict=True) if not few] + [thin]:
        off = sum(controls - size * share for size, controls, share in part)
        variance = math.fsum(size * share * (1 - share) for size, _, share in part)
        if variance > 0:
            found.append(off**2 / variance)
    return (math.fsum(found), len(found)) if found else None


def _digits(p_value: float) -> float:
    return float(f"{p_value:.6g}")


def _written_back() -> pl.Expr:
    """Whether two rows are one enrolment, once as it was drawn and once as a tool wrote it back."""
    same_id = (pl.col("enrolment_id") == pl.col("enrolment_id_other")).fill_null(value=True)
    same_list = pl.col("list_id").eq_missing(pl.col("list_id_other"))
    return same_id & same_list & (pl.col("arm") == pl.col("arm_other"))
