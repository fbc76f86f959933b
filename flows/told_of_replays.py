"""What replayed nights say, in plain words and as a table on the screen."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from features.wording import counted

_NOTHING = "-"


def sentences(content: Mapping[str, Any]) -> Iterator[str]:
    """What all nights together say.

    Args:
        content: what `flows.backtest` writes as JSON.
    """
    found, currency = content["overall"], content["currency"]
    yield (
        f"{counted(found['nights'], 'night')} replayed, from {content['from']} to {content['to']}, with "
        f"{counted(found['models'], 'model')}, each trained on what was known by its day: "
        f"{found['listed']:,} people in the lists. Consent, suppressions, staff and joined ids are those of "
        "today, since nothing older is kept of them."
    )
    yield from _of_p0(content, found)
    yield from _of_worth(found, currency)
    yield from _of_lists(found, currency)
    yield from _of_moves(found)
    yield _of_policy(found, currency)


def rows(nights: pl.DataFrame, currency: str) -> dict[str, list[dict[str, str]]]:
    """The figures of each night, as people read them."""
    return {
        f"each night (margins in {currency})": [_row(night) for night in nights.iter_rows(named=True)],
    }


def _of_p0(content: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    left = found["nights"] - found["nights_judged"]
    if left:
        yield (
            f"Of {counted(left, 'night')} nothing can be said yet: the outcome window of "
            f"{content['horizon_days']} days is not over by {content['known_until']}, the last complete day."
        )
    if found["mean_observed"] is None:
        return
    yield (
        f"Chance of a return: {_share(found['mean_predicted'])} said, {_share(found['mean_observed'])} came "
        f"back. Calibration error above chance {_number(found['ece_above_noise'])}, AUROC "
        f"{_number(found['auroc'])}, means over {counted(found['nights_judged'], 'night')}."
    )


def _of_worth(found: Mapping[str, Any], currency: str) -> Iterator[str]:
    if found["s_observed"] is None:
        return
    parts = [
        f"{name}: {_money(found[f'{part}_predicted'])} said, {_money(found[f'{part}_observed'])} followed"
        for name, part in (
            ("with a purchase in the window (V1)", "v1"),
            ("without (V0)", "v0"),
            ("difference (V1 - V0)", "s"),
        )
    ]
    yield (
        f"Margin per person in {currency}, {'; '.join(parts)}. What followed covers "
        f"{counted(found['followup_months'], 'month')} of the {found['value_months']} that were predicted "
        f"({counted(found['nights_followed'], 'night')} with that much follow-up)"
        + ("; the rest is still to come." if found["followup_months"] < found["value_months"] else ".")
        + f" The S of the lists counts only what a contact wins: {_money(found['mean_s'])}, mean of all."
    )


def _of_lists(found: Mapping[str, Any], currency: str) -> Iterator[str]:
    if found["organic_return_rate"] is None:
        return
    yield (
        f"Listed people, left alone: {_share(found['organic_predicted'])} said to return, "
        f"{_share(found['organic_return_rate'])} did, with {_money(found['organic_margin'])} {currency} of "
        f"margin each; of all customers {_share(found['organic_return_rate_of_all'])} did, with "
        f"{_money(found['organic_margin_of_all'])} {currency}. This is organic, not profit: the replay "
        "contacted nobody, so it does not say what the lists would have earned."
    )


def _of_moves(found: Mapping[str, Any]) -> Iterator[str]:
    if found["overlap"] is None:
        return
    yield (
        f"From night to night {_share(found['kept_share'])} of those chosen are chosen again, if nobody "
        f"rested from the list before (overlap {_share(found['overlap'])} of those chosen on either); rank "
        f"correlation of the expected profit {_number(found['eip_rank_correlation'])}."
    )


def _of_policy(found: Mapping[str, Any], currency: str) -> str:
    if found["policy_value"] is None:
        why = (
            "no campaign of that time contacted some people and held out others at random"
            if not found["policy_people"]
            else "hardly anybody whom the nights picked was in such a campaign, contacted and held out alike"
        )
        return f"What the lists would have earned is not measurable: {why} (contacts table)."
    total, low, high = (found[f"policy_{name}"] * found["policy_people"] for name in ("value", "low", "high"))
    return (
        f"Among {found['policy_people']:,} people whom campaigns contacted or held out at random, contacting "
        f"only the {found['policy_picked']:,} that the nights picked would have earned {_money(total)} "
        f"{currency} more than contacting nobody (90 % interval {_money(low)} to {_money(high)}), after the "
        "cost of the contacts, each as on the first offer's channel, and before that of redeemed offers "
        "(what a discount costs is in the margin already)."
    )


def _row(night: Mapping[str, Any]) -> dict[str, str]:
    months = night["followup_months"]
    return {
        "night": str(night["as_of"]),
        "model of": str(night["trained_as_of"]),
        "listed": f"{night['listed']:,}",
        "said": _share(night["mean_predicted"]),
        "came back": _share(night["mean_observed"]),
        "error": _number(night["ece_above_noise"]),
        "AUROC": _number(night["auroc"]),
        "V1-V0 said": _money(night["s_predicted"]),
        "V1-V0 followed": _money(night["s_observed"]),
        "months": _NOTHING if months is None else f"{months} of {night['value_months']}",
        "listed: said": _share(night["organic_predicted"]),
        "came back (organic)": _share(night["organic_return_rate"]),
        "margin (organic)": _money(night["organic_margin"]),
        "kept": _share(night["kept_share"]),
        "rank corr.": _number(night["eip_rank_correlation"]),
        "policy value": "not measurable" if night["policy_value"] is None else _policy(night),
    }


def _policy(night: Mapping[str, Any]) -> str:
    total, low, high = (night[f"policy_{name}"] * night["policy_people"] for name in ("value", "low", "high"))
    return f"{_money(total)} ({_money(low)} to {_money(high)})"


def _share(number: float | None) -> str:
    return _NOTHING if number is None else f"{number:.1%}"


def _number(number: float | None) -> str:
    return _NOTHING if number is None else f"{number:.3f}"


def _money(number: float | None) -> str:
    return _NOTHING if number is None else f"{number:,.2f}"
