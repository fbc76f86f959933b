"""Do tonight's draws agree with those of earlier lists, or was the salt changed?

Whoever is in the universal holdout of a period is to stay in it. What earlier lists wrote tells whether they
do: the name of an enrolment is a keyed hash of person and list, and a universal holdout a keyed draw.
"""

from datetime import date

import polars as pl

from features.wording import counted
from models.assignment import Arm, enrolment_ids, is_universal, period
from models.options import ListOptions

# So many enrolments of the newest list are asked for their names.
_ASKED = 1000


def redrawn(earlier: pl.DataFrame, options: ListOptions, day: date) -> str | None:
    """A sentence when the newest earlier list was drawn with another salt, or people left the holdout.

    A smaller universal_share takes people out, too, but that is what was asked for: each is asked whether
    they would still be drawn with the share of their own list.

    Args:
        earlier: everyone enrolled by own earlier lists: `person_id`, `enrolment_id`, `list_id`, `as_of`,
            `arm`, `assignment_probability`.
        options: of tonight.
        day: of tonight.
    """
    newest = earlier.filter(pl.col("as_of") == pl.col("as_of").max()).sort("enrolment_id").head(_ASKED)
    salted = not newest.is_empty() and not newest.select(_own_name(options.salt).any()).item()
    # Somebody may be called otherwise since ids were found to be one person: that is no change of the draw.
    named = pl.lit(value=True) if salted else _own_name(options.salt)
    held, gone = _holdout(earlier, named, options, day)
    if not salted and not gone:
        return None
    what = "list.salt has changed since the newest earlier list, so all draws are new"
    if not salted:
        what = "The universal holdout is drawn anew, as after a change of list.universal_period"
    if held:
        what += (
            f": of {counted(held, 'person', 'people')} in the universal holdout of earlier lists of "
            f"{period(day, options.universal_period)}, {gone:,} can be contacted now"
        )
    advice = "Put the old value back, and keep it for good."
    return f"{what}. What the universal holdout says of the period is no longer sound. {advice}"


def _own_name(salt: str) -> pl.Expr:
    """Whether an enrolment has the name that this salt gives it."""

    def names(rows: pl.Series) -> pl.Series:
        made = (enrolment_ids([row["person_id"]], row["list_id"], salt)[0] for row in rows)
        return pl.Series(made, dtype=pl.String)

    made = pl.struct("person_id", "list_id").map_batches(names, return_dtype=pl.String)
    return made == pl.col("enrolment_id")


def _holdout(earlier: pl.DataFrame, named: pl.Expr, options: ListOptions, day: date) -> tuple[int, int]:
    """How many people earlier lists of the period hold out for good, and how many are not drawn any more."""
    length = options.universal_period
    days = [one for one in earlier["as_of"].unique() if period(one, length) == period(day, length)]
    held = earlier.filter(pl.col("as_of").is_in(days), pl.col("arm") == str(Arm.UNIVERSAL)).filter(named)
    people = held.sort("as_of", "enrolment_id").unique("person_id", keep="last", maintain_order=True)
    gone = [
        of_share.select(
            (~is_universal(of_share["assignment_probability"][0], options.salt, day, length)).sum()
        )
        for of_share in people.partition_by("assignment_probability", maintain_order=True)
    ]
    return people.height, sum(int(one.item()) for one in gone)
