"""Why is nobody to be contacted tonight, and which setting would change that?"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from features.wording import counted
from models.appraisal import Rules
from models.decision import Decision
from models.eligibility import Reason
from models.options import OfferOptions

_TOLD = 3
# What each reason says of people, and where to look.
_WORDS = {
    Reason.SUPPRESSED: ("asked not to be contacted", "the suppressions table"),
    Reason.STAFF: ("work here", "is_staff of the customers table"),
    Reason.NO_CONSENT: ("gave no consent for any channel", "consent.basis, consent columns of customers"),
    Reason.LOST: ("silent for too long", "list.include_lost, stages.lost_after_days"),
    Reason.STILL_ENROLLED: (
        "resting after an earlier list or campaign",
        "churn.horizon_days, churn.gap_days",
    ),
    Reason.UNMANAGEABLE: ("gone for a cause that nobody can change", "causes.unmanageable"),
    Reason.NO_OFFER: ("people whom no offer suits", "stages, tiers, causes and min_purchase of offers"),
    Reason.SAME_PERSON: ("another id of somebody", "the identities table"),
    Reason.BELOW_VALUE: ("worth too little", "list.min_value, list.top_value_share"),
    Reason.HARMFUL: ("likely to be harmed by a contact", "effect, effect of offers"),
    Reason.NOT_PROFITABLE: ("not sure to earn more than they cost", "contact.cost, offers, effect, value"),
    Reason.BEYOND_BUDGET: (
        "worth it, but without a place",
        "list.budget, list.capacity, list.channel_capacity, stock of offers",
    ),
}


def why_nobody(decision: Decision, rules: Rules) -> str | None:
    """A sentence on the commonest reasons of a list of nobody, and what is 0 and to blame; None for a list.

    Args:
        decision: the list.
        rules: what it followed.
    """
    counts = decision.counts
    if counts["listed"]:
        return None
    left_out = sorted(
        ((Reason(name), count) for name, count in counts["excluded_by_reason"].items() if count),
        key=lambda one: (-one[1], list(Reason).index(one[0])),
    )
    zeros = "".join(f" {key} is 0." for key in _zeros(rules, [reason for reason, _ in left_out]))
    told = [_told(reason, count) for reason, count in left_out[:_TOLD]]
    if counts["held_out"]:
        told.append(f"{counts['held_out']:,} held out (look at list.control_share, list.universal_share)")
    why = f" Of {counted(counts['scored'], 'customer')}: {'; '.join(told)}." if told else ""
    return f"Nobody is to be contacted.{zeros}{why}"


def _told(reason: Reason, count: int) -> str:
    words, where = _WORDS[reason]
    return f"{count:,} {words} ({reason}; look at {where})"


def _zeros(rules: Rules, left_out: Collection[Reason]) -> Iterator[str]:
    """The limits of 0 that leave out everybody, where they are why somebody is left out."""
    options = rules.list
    if Reason.BEYOND_BUDGET in left_out:
        yield from (f"list.{name}" for name in ("budget", "capacity") if getattr(options, name) == 0)
        yield from _zeros_of_offers(options.channel_capacity, rules.offers)
    if Reason.BELOW_VALUE in left_out and options.top_value_share == 0:
        yield "list.top_value_share"


def _zeros_of_offers(channels: Mapping[str, int], offers: Sequence[OfferOptions]) -> Iterator[str]:
    """What keeps each offer from being made; nothing as long as there is one that can be."""
    full = [name for name, places in channels.items() if places == 0]
    if all(offer.channel in full or offer.stock == 0 for offer in offers):
        used = {offer.channel for offer in offers}
        yield from (f"list.channel_capacity.{name}" for name in full if name in used)
        yield from (f"stock of offer {offer.id}" for offer in offers if offer.stock == 0)
