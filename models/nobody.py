"""Why is nobody to be contacted tonight, and which setting would change that?"""

from collections.abc import Iterator

from features.wording import counted
from models.appraisal import Rules
from models.decision import Decision
from models.eligibility import Reason

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
    """A sentence on the commonest reasons of a list of nobody, and the limits that are 0; None for a list.

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
    zeros = "".join(f" {key} is 0." for key in _zeros(rules))
    told = [_told(reason, count) for reason, count in left_out[:_TOLD]]
    if counts["held_out"]:
        told.append(f"{counts['held_out']:,} held out (look at list.control_share, list.universal_share)")
    why = f" Of {counted(counts['scored'], 'customer')}: {'; '.join(told)}." if told else ""
    return f"Nobody is to be contacted.{zeros}{why}"


def _told(reason: Reason, count: int) -> str:
    words, where = _WORDS[reason]
    return f"{count:,} {words} ({reason}; look at {where})"


def _zeros(rules: Rules) -> Iterator[str]:
    options = rules.list
    limits = {
        "list.budget": options.budget,
        "list.capacity": options.capacity,
        "list.top_value_share": options.top_value_share,
        **{f"list.channel_capacity.{name}": places for name, places in options.channel_capacity.items()},
        **{f"stock of offer {offer.id}": offer.stock for offer in rules.offers},
    }
    return (key for key, limit in limits.items() if limit == 0)
