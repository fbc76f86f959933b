"""What has moved beyond its limit, and what the config wants done about it. A pure rule on figures.

Features that count our own contacts move because we contact people: they are shown, and never raise an alarm.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import polars as pl

from features.catalogue import CATALOGUE
from features.wording import counted
from models.matured import Rate
from models.options import Limit, WatchOptions

_NAMED = 5
_OURS = tuple(feature for feature in CATALOGUE if feature.source == "contacts")


class Action(StrEnum):
    """What is done, mildest first."""

    NONE = "none"
    WARN = "warn"
    RETRAIN = "retrain"
    STOP = "stop"


class Signal(StrEnum):
    """What is watched; each is a key of the config's `watch`."""

    FEATURE_PSI = "feature_psi"
    SCORE_PSI = "score_psi"
    NULL_CHANGE = "null_change"
    RATE_GAP = "rate_gap"
    AUROC_DROP = "auroc_drop"
    ECE = "ece"
    MODEL_AGE = "model_age_days"


@dataclass(frozen=True, slots=True)
class Turned:
    """How the newest past night whose window is over has turned out.

    Attributes:
        as_of: the night.
        auroc: what came true, with the upper end of its interval.
        auroc_high: see `auroc`.
        ece: what came true, above what perfect probabilities would show by chance.
        promised_auroc: as measured at the training of the model that scored.
    """

    as_of: date
    auroc: float | None = None
    auroc_high: float | None = None
    ece: float | None = None
    promised_auroc: float | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """What a night has seen; None where there is nothing to compare with.

    Attributes:
        features: `models.drift.MOVED` of the model's features.
        scores: the same of its scores.
        predicted_rate: mean p0 tonight.
        rate: the return rate of the newest day whose outcome is known.
        rate_of: that day.
        turned: the newest past night whose outcome is known.
        model_age_days: days since the last day that the model knew.
    """

    features: pl.DataFrame | None
    scores: pl.DataFrame | None
    predicted_rate: float
    rate: Rate | None
    rate_of: date
    turned: Turned | None
    model_age_days: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing beyond its limit, with a sentence that names no person."""

    signal: Signal
    action: Action
    found: float
    limit: float
    sentence: str


def alarms(watched: Watched, options: WatchOptions) -> tuple[Alarm, ...]:
    """Everything beyond its limit; a signal whose action is none is not looked at."""
    every = (
        *_moved(watched, options),
        *_rates(watched, options),
        *_turned(watched, options),
        *_age(watched, options),
    )
    return tuple(alarm for alarm in every if alarm.action is not Action.NONE)


def _moved(watched: Watched, options: WatchOptions) -> Iterator[Alarm]:
    kinds = (
        (Signal.FEATURE_PSI, watched.features, options.feature_psi, "features lie"),
        (Signal.SCORE_PSI, watched.scores, options.score_psi, "scores lie"),
    )
    for signal, table, limit, words in kinds:
        if table is None:
            continue
        far = _not_ours(table).filter(pl.col("psi") > limit.limit, pl.col("psi") > pl.col("usual_psi"))
        if far.height:
            told = [
                f"{row['column']} ({row['psi']:.2f}, usual up to {row['usual_psi']:.2f})"
                for row in far.to_dicts()
            ]
            yield _alarm(
                signal,
                limit,
                far["psi"][0],
                f"{far.height} of {table.height} {words} far from what the model learned from (PSI above "
                f"{limit.limit:g}): {_some(told)}.",
            )
    if watched.features is not None:
        yield from _nulls(watched.features, options.null_change)


def _nulls(table: pl.DataFrame, limit: Limit) -> Iterator[Alarm]:
    change = (pl.col("null_share") - pl.col("null_share_learned")).abs()
    far = (
        _not_ours(table)
        .with_columns(change=change)
        .filter(pl.col("change") > limit.limit, pl.col("change") > pl.col("usual_null_change"))
        .sort("change", "column", descending=[True, False])
    )
    if far.height:
        told = [
            f"{row['column']} ({row['null_share']:.0%}, at training {row['null_share_learned']:.0%})"
            for row in far.to_dicts()
        ]
        yield _alarm(
            Signal.NULL_CHANGE,
            limit,
            far["change"][0],
            f"The share of unknown values has changed in {far.height} of {table.height} features: "
            f"{_some(told)}.",
        )


def _not_ours(table: pl.DataFrame) -> pl.DataFrame:
    ours = [any(feature.matches(name) for feature in _OURS) for name in table["column"]]
    return table.filter(~pl.Series(ours, dtype=pl.Boolean))


def _rates(watched: Watched, options: WatchOptions) -> Iterator[Alarm]:
    rate = watched.rate
    if rate is None:
        return
    # Where nobody of n came back, 3 / n may all the same have been due (95 %, the rule of three).
    observed = rate.mean if rate.mean > 0 else min(3 / rate.people, watched.predicted_rate)
    if observed <= 0:
        return
    gap = abs(watched.predicted_rate / observed - 1)
    if gap > options.rate_gap.limit and abs(watched.predicted_rate - observed) > 3 * rate.error:
        yield _alarm(
            Signal.RATE_GAP,
            options.rate_gap,
            gap,
            f"The model expects {watched.predicted_rate:.1%} of all customers to buy again unasked; of those "
            f"of {watched.rate_of}, the newest day whose outcome is known, {rate.mean:.1%} did.",
        )


def _turned(watched: Watched, options: WatchOptions) -> Iterator[Alarm]:
    night = watched.turned
    if night is None:
        return
    if night.auroc is not None and night.promised_auroc is not None:
        drop = night.promised_auroc - night.auroc
        # An interval that still holds the promise shows no drop.
        shown = night.auroc_high is None or night.auroc_high < night.promised_auroc
        if drop > options.auroc_drop.limit and shown:
            yield _alarm(
                Signal.AUROC_DROP,
                options.auroc_drop,
                drop,
                f"The night of {night.as_of} has turned out with an AUROC of {night.auroc:.3f}; "
                f"{night.promised_auroc:.3f} was measured at training.",
            )
    if night.ece is not None and night.ece > options.ece.limit:
        yield _alarm(
            Signal.ECE,
            options.ece,
            night.ece,
            f"The probabilities of the night of {night.as_of} were off by {night.ece:.1%} on average, beyond "
            "chance (expected calibration error).",
        )


def _age(watched: Watched, options: WatchOptions) -> Iterator[Alarm]:
    if watched.model_age_days > options.model_age_days.limit:
        yield _alarm(
            Signal.MODEL_AGE,
            options.model_age_days,
            watched.model_age_days,
            f"The model in use has learned nothing for {counted(watched.model_age_days, 'day')}.",
        )


def _alarm(signal: Signal, limit: Limit, found: float, sentence: str) -> Alarm:
    return Alarm(signal, Action(limit.action), round(float(found), 6), limit.limit, sentence)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
