"""Does this shop fit? What its habits say before anything is trained, in plain words.

A model of silence needs customers with a rhythm that can break, days whose outcome is known, and enough
people on both sides of it. Each figure has a limit beyond which the shop is a weak fit (train, but expect
little); most have one beyond which it does not fit (a list would be noise). The limits are ours; the reason
stands beside each.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from math import ceil

import polars as pl

from features.asof import AsOf
from features.diary import LEAN_UNITS, Counts
from features.errors import DataRefused
from features.stages import gap_quantile
from features.wording import counted

# Snapshots that are looked at: two years, whatever a training is limited to.
MOST_SNAPSHOTS = 24

# From 95 % one-time buyers on, at most one customer in 20 has a rhythm at all: "gone" is right for nearly
# everybody, and the rest is too thin to tell apart. From 85 % on, most features are empty for most people.
_ONE_TIME_WEAK, _ONE_TIME_UNFIT = 0.85, 0.95
# Winning somebody back earns repeat orders: their share of the margin bounds what any list can be worth.
_REPEAT_WEAK, _REPEAT_UNFIT = 0.15, 0.05
# People on the smaller side of the outcome. The standard error of an AUROC of 0.8 is about 0.27 / sqrt(n)
# (Hanley and McNeil 1982, Radiology 143): 0.03 with 100 of them, 0.08 with 10, when no two models can be told
# apart and neither can most models and chance.
_SIDE_WEAK, _SIDE_UNFIT = 100, 10
# Buying at random has a shape of 1; below a half, orders come in bursts, and a long silence says little.
_REGULAR_WEAK = 0.5
_MONTH_DAYS = 30
_NO_HORIZON = "; another churn.horizon_days would mend this and make something else worse"


class Fit(StrEnum):
    """Whether winback can help a shop; the later, the worse."""

    FITS = "fits"
    WEAK = "weak"
    DOES_NOT_FIT = "does not fit"


@dataclass(frozen=True, slots=True)
class Figures:
    """What the habits of a shop's customers are like; None where nobody shows it.

    Attributes:
        horizon_days: length of the outcome window that is asked about.
        customers: customers whose first order day lies a whole outcome window back.
        one_time_share: how many of them never ordered again.
        median_gap_days: between two order days of one customer.
        gap_regularity: shape of the gaps, see `features.rhythm.gap_regularity`, over all pairs of gaps.
        repeat_margin_share: margin of all but first order days, of all margin.
        snapshots: monthly days of the last two years with a complete outcome and enough history.
        snapshots_needed: with so many, each test in time has a day before it whose outcome was known.
        returned_per_snapshot: customers who came back in the outcome window, median over the snapshots.
        stayed_away_per_snapshot: likewise those who did not.
        gap_days: days before that window which are not counted.
    """

    horizon_days: int
    customers: int
    one_time_share: float | None
    median_gap_days: float | None
    gap_regularity: float | None
    repeat_margin_share: float | None
    snapshots: int
    snapshots_needed: int
    returned_per_snapshot: float | None
    stayed_away_per_snapshot: float | None
    gap_days: int = 0

    @classmethod
    def of(cls, counts: Counts, as_of: AsOf, tests: int) -> "Figures":
        """Add it up.

        Args:
            counts: of all customers: `gaps` and those of `features.diary.count_habits`.
            as_of: the windows that are asked about.
            tests: how many snapshots are to judge a recipe.
        """
        total = dict(counts["totals"].iter_rows())
        days = counts["snapshots"]
        lean = _share(total["leans"], total["pairs"] * LEAN_UNITS)
        return cls(
            horizon_days=as_of.horizon_days,
            customers=total["customers"],
            one_time_share=_share(total["one_time"], total["customers"]),
            median_gap_days=gap_quantile(counts["gaps"], 0.5),
            gap_regularity=(1 - lean) / (2 * lean) if lean else None,
            repeat_margin_share=_share(total["repeat_margin"], total["margin"]),
            snapshots=days.height,
            snapshots_needed=tests + ceil((as_of.gap_days + as_of.horizon_days) / _MONTH_DAYS),
            returned_per_snapshot=_median(days["returned"]),
            stayed_away_per_snapshot=_median(days["customers"] - days["returned"]),
            gap_days=as_of.gap_days,
        )

    def metrics(self) -> dict[str, float | None]:
        """The figures as MLflow knows them: `fit.<figure>`."""
        windows = ("horizon_days", "gap_days")
        return {f"fit.{name}": value for name, value in asdict(self).items() if name not in windows}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a shop is less than fit: what was found, and what to do about it.

    Attributes:
        fit: how bad it is.
        found: a sentence.
        advice: a sentence.
        horizon: `longer` or `shorter`, where another horizon would mend it too.
    """

    fit: Fit
    found: str
    advice: str
    horizon: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The verdict on a shop, and the reasons that are not good news, worst first."""

    fit: Fit
    reasons: tuple[Reason, ...]


def verdict(figures: Figures) -> Diagnosis:
    """Judge a shop by its figures: as bad as its worst one."""
    order = list(Fit)
    reasons = sorted(_agreeing([*_reasons(figures)]), key=lambda one: -order.index(one.fit))
    return Diagnosis(reasons[0].fit if reasons else Fit.FITS, tuple(reasons))


def refuse_unfit(diagnosis: Diagnosis, *, even_if_unfit: bool) -> None:
    """Stop before a training that would make noise.

    Raises:
        DataRefused: when the shop does not fit, with every reason and what to do.
    """
    if diagnosis.fit is not Fit.DOES_NOT_FIT or even_if_unfit:
        return
    reasons = "\n".join(f"  - {one.found} {one.advice}" for one in diagnosis.reasons)
    raise DataRefused(
        f"winback does not fit this shop, and training was not started:\n{reasons}\n"
        "To train all the same, set train.even_if_unfit: true."
    )


def told(diagnosis: Diagnosis) -> str:
    """The verdict in one line."""
    if not diagnosis.reasons:
        return "This shop fits: its customers come back often enough to learn from."
    reasons = " ".join(f"{one.found} {one.advice}" for one in diagnosis.reasons)
    start = "This shop is a weak fit" if diagnosis.fit is Fit.WEAK else "This shop does not fit"
    return f"{start}. {reasons}"


def as_markdown(figures: Figures, diagnosis: Diagnosis) -> str:
    """The diagnosis as a document."""
    reasons = [f"- **{one.fit}**: {one.found} {one.advice}" for one in diagnosis.reasons]
    shown = {name: value for name, value in asdict(figures).items() if name != "gap_days" or value}
    rows = [f"| {name} | {_shown(name, value)} |" for name, value in shown.items()]
    return "\n".join(
        [
            f"# Does it fit? {diagnosis.fit.capitalize()}.",
            "",
            *(reasons or ["- Nothing speaks against it."]),
            "",
            "| figure | value |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def _reasons(figures: Figures) -> Iterator[Reason]:
    yield from _repeating(figures)
    yield from _history(figures)
    yield from _sides(figures)
    yield from _rhythm(figures)


def _repeating(figures: Figures) -> Iterator[Reason]:
    once, repeat = figures.one_time_share, figures.repeat_margin_share
    if once is not None and once >= _ONE_TIME_WEAK:
        yield Reason(
            Fit.DOES_NOT_FIT if once >= _ONE_TIME_UNFIT else Fit.WEAK,
            f"Of {figures.customers:,} customers, {once:.1%} bought only once and {1 - once:.1%} ever again.",
            "Work on the second order of new customers first: there is hardly anybody to win back.",
        )
    if repeat is not None and repeat < _REPEAT_WEAK:
        yield Reason(
            Fit.DOES_NOT_FIT if repeat < _REPEAT_UNFIT else Fit.WEAK,
            f"Orders after the first bring {repeat:.1%} of the margin.",
            "No list can earn more than a part of that: see whether it is worth the contacts.",
        )


def _agreeing(reasons: list[Reason]) -> list[Reason]:
    """The reasons with advice that can be followed: nobody shall choose a longer and a shorter horizon."""
    pulls = {one.horizon for one in reasons} - {None}
    said = {
        None: "",
        **{way: f", or choose a {way} churn.horizon_days" for way in pulls},
        **dict.fromkeys(pulls if len(pulls) > 1 else (), _NO_HORIZON),
    }
    return [replace(one, advice=f"{one.advice.rstrip('.')}{said[one.horizon]}.") for one in reasons]


def _history(figures: Figures) -> Iterator[Reason]:
    have, need, horizon = figures.snapshots, figures.snapshots_needed, figures.horizon_days
    gap = figures.gap_days
    advice = "Deliver more history, or choose a shorter churn.gap_days." if gap else "Deliver more history."
    if not have:
        after = "a complete outcome after it" + (f" and its gap of {counted(gap, 'day')}" if gap else "")
        found = f"No past day has {horizon} days of history before it and {after}."
        yield Reason(Fit.DOES_NOT_FIT, found, advice, "shorter")
    elif have < need:
        found = f"The history holds {counted(have, 'monthly day')} with a complete outcome of {horizon} days"
        yield Reason(Fit.WEAK, f"{found}; tests in time need {need}.", advice, "shorter")


def _sides(figures: Figures) -> Iterator[Reason]:
    back, away = figures.returned_per_snapshot, figures.stayed_away_per_snapshot
    if back is not None and back < _SIDE_WEAK:
        yield Reason(
            _side(back),
            f"On a usual day {back:,.0f} customers come back within {figures.horizon_days} days.",
            "Deliver more customers or history.",
            "longer",
        )
    if away is not None and away < _SIDE_WEAK:
        yield Reason(
            _side(away),
            f"On a usual day {away:,.0f} customers stay away for {figures.horizon_days} days.",
            "Deliver more customers or history.",
            "shorter",
        )


def _rhythm(figures: Figures) -> Iterator[Reason]:
    gap, regular = figures.median_gap_days, figures.gap_regularity
    if gap is not None and gap > figures.horizon_days:
        yield Reason(
            Fit.WEAK,
            f"The median gap between orders is {gap:.0f} days, longer than the {figures.horizon_days} of the "
            "horizon: many who seem gone are only late.",
            "Look whether orders are missing.",
            "longer",
        )
    if regular is not None and regular < _REGULAR_WEAK:
        yield Reason(
            Fit.WEAK,
            f"Orders come in bursts (regularity {regular:.2f}; at random it is 1).",
            "Long silences say little here. If an order arrives in several deliveries, map order_id.",
        )


def _side(people: float) -> Fit:
    return Fit.WEAK if people >= _SIDE_UNFIT else Fit.DOES_NOT_FIT


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole > 0 else None


def _median(counts: pl.Series) -> float | None:
    middle = counts.median()
    return float(middle) if isinstance(middle, int | float) else None


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return "not defined"
    if name.endswith("_share"):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
