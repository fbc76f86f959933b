"""Whether a newly trained model takes over. A pure rule on figures; nothing is looked up or changed here."""

import math
from dataclasses import dataclass
from datetime import date

ECE_ROOM = 0.005
MAX_AGE_DAYS = 180


@dataclass(frozen=True, slots=True)
class Scores:
    """How one model did on its test snapshot.

    Attributes:
        recipe: identity of features, parameters and code.
        as_of: the last day that its training knew.
        tested_on: day of the test snapshot; figures of different days are not compared directly.
        auroc: of the churn probability.
        recency_auroc: of the recency baseline on the same rows.
        ece: expected calibration error.
    """

    recipe: str
    as_of: date
    tested_on: date
    auroc: float
    recency_auroc: float
    ece: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, and why, in one sentence."""

    promote: bool
    reason: str


def judge(
    challenger: Scores,
    champion: Scores | None,
    tolerance: float,
    *,
    gain_low: float | None = None,
    max_age_days: int = MAX_AGE_DAYS,
) -> Verdict:
    """Decide between a challenger and the champion.

    The first model is promoted unless it is worse than recency by more than the tolerance. Later ones: the
    same recipe on newer data when it is not worse than the champion by more than the tolerance, a new
    recipe when it is better; either with an ECE of at most 0.005 more. A champion older than `max_age_days`
    gives way to any model that would do as the first.

    AUROCs are compared when both models were tested on the same day. Otherwise the leads over the recency
    baseline are, each on its own day, because some months are harder to predict than others.

    Args:
        challenger: the new model.
        champion: the present one; None at first.
        tolerance: AUROC that may be lost to chance.
        gain_low: lower bound of the paired difference in AUROC where it was measured; stands in for the plain
            difference.
        max_age_days: days between the two trainings after which the champion is too old.
    """
    alone = _on_its_own(challenger, tolerance)
    if champion is None:
        return Verdict(alone.promote, f"First model: {alone.reason}")
    if not alone.promote:
        return Verdict(promote=False, reason=f"Not good enough on its own: {alone.reason}")
    age = (challenger.as_of - champion.as_of).days
    if age > max_age_days:
        return Verdict(
            promote=True,
            reason=f"The champion is {age} days old, more than {max_age_days}; {alone.reason}",
        )
    return _against(challenger, champion, tolerance, gain_low)


def _on_its_own(model: Scores, tolerance: float) -> Verdict:
    if not math.isfinite(model.auroc):
        return Verdict(
            promote=False, reason="its test AUROC is not defined, the test snapshot has one outcome only."
        )
    figures = f"AUROC {model.auroc:.4f}, recency {model.recency_auroc:.4f}, tolerance {tolerance:g}"
    if model.auroc < model.recency_auroc - tolerance:
        return Verdict(promote=False, reason=f"worse than ranking by recency ({figures}).")
    return Verdict(promote=True, reason=f"not worse than ranking by recency ({figures}).")


def _against(challenger: Scores, champion: Scores, tolerance: float, gain_low: float | None) -> Verdict:
    same_day = challenger.tested_on == champion.tested_on
    new, old = (_measure(one, same_day=same_day) for one in (challenger, champion))
    measure = "AUROC" if same_day else "AUROC lead over recency"
    gain = new - old if gain_low is None else gain_low
    bound = "" if gain_low is None else f", lower bound of the difference {gain_low:+.4f}"
    figures = f"{measure} {new:.4f} against {old:.4f}{bound}"
    if challenger.recipe == champion.recipe:
        good, what = gain >= -tolerance, f"same recipe on newer data, {figures}, tolerance {tolerance:g}"
    else:
        good, what = gain > 0, f"new recipe, {figures}"
    if not good:
        return Verdict(promote=False, reason=f"Worse than the champion: {what}.")
    if not challenger.ece <= champion.ece + ECE_ROOM:
        return Verdict(
            promote=False,
            reason=f"Calibration is worse: ECE {challenger.ece:.4f} against {champion.ece:.4f}, "
            f"at most {ECE_ROOM:g} more is allowed; {what}.",
        )
    word = "Better than" if gain > 0 else "Not worse than"
    return Verdict(promote=True, reason=f"{word} the champion: {what}.")


def _measure(model: Scores, *, same_day: bool) -> float:
    return model.auroc if same_day else model.auroc - model.recency_auroc
