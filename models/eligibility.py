"""Who may never be contacted, and why?

Every customer that is scored and not on the list has exactly one reason: the first that holds, in the order
of `Reason`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import polars as pl

from features.asof import AsOf
from features.contracts import Stage
from features.errors import ConfigError
from models.options import ConsentOptions, OfferOptions


class Reason(StrEnum):
    """Why someone is not on the list; the first that holds, in this order."""

    SUPPRESSED = "suppressed"
    STAFF = "staff"
    NO_CONSENT = "no_consent"
    LOST = "lost"
    STILL_ENROLLED = "still_enrolled"
    UNMANAGEABLE = "unmanageable"
    NO_OFFER = "no_offer"
    SAME_PERSON = "same_person"
    BELOW_VALUE = "below_value"
    HARMFUL = "harmful"
    NOT_PROFITABLE = "not_profitable"
    BEYOND_BUDGET = "beyond_budget"


# People for whom one of these holds are not eligible at all; the other reasons are the cut.
BARRED = (
    Reason.SUPPRESSED,
    Reason.STAFF,
    Reason.NO_CONSENT,
    Reason.LOST,
    Reason.STILL_ENROLLED,
    Reason.UNMANAGEABLE,
    Reason.NO_OFFER,
    Reason.SAME_PERSON,
)

CONSENT_COLUMN = {"email": "consent_email", "sms": "consent_sms", "ads": "consent_ads"}

ENROLMENTS = pl.Schema(
    {
        "enrolment_id": pl.String(),
        "list_id": pl.String(),
        "as_of": pl.Date(),
        "customer_id": pl.String(),
        "arm": pl.String(),
        "assignment_probability": pl.Float64(),
        "acknowledged_on": pl.Date(),
        "open_until": pl.Date(),
    }
)
# What the draw itself says of an enrolment; the rest follows from when the tool confirms its list.
DRAWN = tuple(name for name in ENROLMENTS if name not in ("acknowledged_on", "open_until"))


@dataclass(frozen=True, slots=True)
class Known:
    """The tables that say who may be contacted. None: the shop has no such table.

    Attributes:
        customers: contact details, consent, staff.
        identities: several ids, one person.
        suppressions: who must not be contacted.
        enrolments: earlier enrolments (`ENROLMENTS`).
        answers: what people said of why they left (`models.causes.ANSWERS`).
    """

    customers: pl.DataFrame | None = None
    identities: pl.DataFrame | None = None
    suppressions: pl.DataFrame | None = None
    enrolments: pl.DataFrame | None = None
    answers: pl.DataFrame | None = None


def as_enrolments(drawn: pl.DataFrame, windows: AsOf, contact_by: date | None = None) -> pl.DataFrame:
    """People drawn, as enrolments: open until the gap and the horizon have passed since the acknowledgement.

    Args:
        drawn: `DRAWN` and `acknowledged_on`, null as long as nobody has acknowledged the list.
        windows: gap and horizon of the list.
        contact_by: until when an enrolment is open that nobody has acknowledged.

    Returns:
        `ENROLMENTS`.
    """
    passed = pl.col("acknowledged_on") + pl.duration(days=windows.gap_days + windows.horizon_days)
    open_until = pl.coalesce(passed, pl.lit(contact_by, pl.Date))
    return drawn.with_columns(open_until=open_until).select(ENROLMENTS.names()).cast(ENROLMENTS)


def enrolled_before(everyone: pl.DataFrame, day: date, on: date) -> pl.DataFrame:
    """Those customers of the list of a day who still rest after an earlier one when it is delivered.

    By id, not by person: ids that were found to be one person since are no reason to refuse.

    Args:
        everyone: enrolled by own lists (`ENROLMENTS`), with `person_id`.
        day: of the list.
        on: when it was delivered.
    """
    own = everyone.filter(pl.col("as_of") == day)
    resting = pl.col("acknowledged_on").is_not_null() & (pl.col("open_until") > on)
    return everyone.filter(pl.col("as_of") < day, resting).join(own, on="customer_id", how="semi")


def enrolled_again(everyone: pl.DataFrame, day: date, windows: AsOf, today: date) -> pl.DataFrame:
    """Those people of the list of a day who are on a later one, made while its own window is open.

    A later list that nobody has acknowledged counts as long as its people can be contacted; then it is void.

    Args:
        everyone: enrolled by own lists (`ENROLMENTS`), with `person_id`.
        day: of the list.
        windows: of the list, from its delivery on.
        today: the day that it is.
    """
    own = everyone.filter(pl.col("as_of") == day)
    during = pl.col("as_of").is_between(day, windows.outcome_end, closed="none")
    counts = pl.col("acknowledged_on").is_not_null() | (pl.col("open_until") >= today)
    return everyone.filter(during, counts).join(own, on="person_id", how="semi")


def permitted(
    persons: pl.DataFrame, known: Known, consent: ConsentOptions, offers: Sequence[OfferOptions]
) -> pl.DataFrame:
    """The channels on which each customer may be contacted.

    With `consent.basis: column` a channel needs a yes for the id itself and no explicit no on any other id
    of the same person; a null is not a yes.

    Args:
        persons: `customer_id`, `person_id`.
        known: the tables.
        consent: the ground for contacting.
        offers: what can be offered.

    Returns:
        `customer_id`, `channel`: one row per permission.

    Raises:
        ConfigError: when consent is read from columns and a channel has none.
    """
    channels = sorted({offer.channel for offer in offers})
    if consent.basis != "column":
        return persons.select("customer_id").join(pl.DataFrame({"channel": channels}), how="cross")
    _check_channels(channels)
    if known.customers is None:
        return pl.DataFrame(schema={"customer_id": pl.String, "channel": pl.String})
    answers = persons.join(known.customers, on="customer_id", how="left", maintain_order="left")
    return pl.concat(
        _with_flag(answers, CONSENT_COLUMN[channel])
        .filter(_yes(CONSENT_COLUMN[channel]))
        .select("customer_id", channel=pl.lit(channel))
        for channel in channels
    )


def consent_note(known: Known, consent: ConsentOptions) -> str | None:
    """What a person should be told about the ground for contacting, if anything."""
    if consent.basis == "none":
        return "consent.basis is none: the list is written, but it is not exported to any tool."
    if consent.basis == "column" and known.customers is None:
        return (
            "Nobody may be contacted: consent.basis is column, but there is no customers table to read "
            "consent from. Add sources.customers with consent_email, or set consent.basis to assumed if you "
            "hold consent for all."
        )
    return None


def barred(
    people: pl.DataFrame,
    persons: pl.DataFrame,
    known: Known,
    day: date,
    *,
    include_lost: bool,
    unmanageable: Sequence[str] = (),
) -> pl.DataFrame:
    """Why customers may not be contacted, whatever they are worth.

    A suppression, the staff mark and an open enrolment of one id of a person hold for all of them.

    Args:
        people: `customer_id`, `person_id`, `stage`, `permitted` (whether any channel is), `cause` (of the
            person; null where nobody knows).
        persons: `customer_id`, `person_id` of everyone known.
        known: the tables.
        day: the day of the decision; enrolments of that day and later are not read.
        include_lost: whether lost people may be listed.
        unmanageable: causes of leaving that nothing can be done about.

    Returns:
        `people` with `reason` String: null when nothing stands against contacting; `same_person` is not
        decided here.
    """
    holds = {
        Reason.SUPPRESSED: _any_id(persons, _suppressed(known.suppressions, day)),
        Reason.STAFF: _any_id(persons, _staff(known.customers)),
        Reason.STILL_ENROLLED: _any_id(persons, _enrolled(known.enrolments, day)),
        Reason.NO_CONSENT: ~pl.col("permitted"),
        Reason.LOST: pl.lit(not include_lost) & (pl.col("stage").cast(pl.String) == Stage.LOST),
        Reason.UNMANAGEABLE: pl.col("cause").is_in(list(unmanageable)),
    }
    return people.with_columns(reason=first_reason(holds))


def first_reason(holds: dict[Reason, pl.Expr]) -> pl.Expr:
    """The first reason that holds, in the order of `Reason`; null when none does."""
    return pl.coalesce(
        pl.when(holds[reason]).then(pl.lit(str(reason), pl.String)) for reason in Reason if reason in holds
    )


def _any_id(persons: pl.DataFrame, ids: pl.Series | None) -> pl.Expr:
    """Whether any id of the person is among `ids`."""
    if ids is None or ids.is_empty():
        return pl.lit(value=False)
    named = persons.filter(pl.col("customer_id").is_in(ids.implode()))["person_id"].unique()
    return pl.col("person_id").is_in(named.implode())


def _suppressed(suppressions: pl.DataFrame | None, day: date) -> pl.Series | None:
    """Ids whose suppression still runs on the day; kept for a day too long rather than too short."""
    if suppressions is None:
        return None
    if "until" not in suppressions.columns:
        return suppressions["customer_id"]
    running = pl.col("until").is_null() | (pl.col("until").dt.date() >= day)
    return suppressions.filter(running)["customer_id"]


def _staff(customers: pl.DataFrame | None) -> pl.Series | None:
    if customers is None:
        return None
    return _with_flag(customers, "is_staff").filter(pl.col("is_staff"))["customer_id"]


def _enrolled(enrolments: pl.DataFrame | None, day: date) -> pl.Series | None:
    """Ids with an enrolment of an earlier day whose last day is still to come."""
    if enrolments is None:
        return None
    return enrolments.filter(pl.col("as_of") < day, pl.col("open_until") > day)["customer_id"]


def _yes(column: str) -> pl.Expr:
    answer = pl.col(column)
    return answer.fill_null(value=False) & ~(~answer).any().over("person_id")


def _with_flag(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Add a column that the shop may not have: then null for all."""
    return frame if column in frame.columns else frame.with_columns(pl.lit(None, pl.Boolean).alias(column))


def _check_channels(channels: list[str]) -> None:
    unknown = [channel for channel in channels if channel not in CONSENT_COLUMN]
    if unknown:
        raise ConfigError(
            f"consent.basis is column, but the channels {unknown} have no consent column; there are ones "
            f"for {', '.join(CONSENT_COLUMN)}. Use one of these, or set consent.basis to assumed or none."
        )
