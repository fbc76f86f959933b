"""Whether a newly trained model takes over. A pure rule on figures; nothing is looked up or changed here.

A challenger is judged alone (against the recency rule), then beside the champion: recipes are compared on the
same rows of the same test snapshots, with an interval. `Comparison` carries these figures, and can be read
back from the metrics of a run, so that a verdict can be repeated.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from features.wording import counted

ECE_ROOM = 0.005
MAX_AGE_DAYS = 180
_OWNER = "promotion"
_DIFFERENCE = "auroc_difference"
_BOUNDS = ("", "_low", "_high")


@dataclass(frozen=True, slots=True)
class Scores:
    """How one model did on its test snapshot.

    Attributes:
        recipe: identity of features, parameters and code (`models.source_code`).
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
class Comparison:
    """A challenger beside the champion, on the same rows of the same test snapshots; nan: not defined.

    Attributes:
        snapshots: test snapshots that both could be judged on; 0 leaves all figures undefined.
        difference: AUROC of the challenger less that of the champion.
        low: lower end of its 95 % interval.
        high: upper end.
        by_stage: stage: difference, low, high among its customers.
        ece: expected calibration error of the challenger on these rows.
        ece_champion: that of the champion.
        same_recipe: features, parameters and code are the champion's; only the data is newer.
    """

    snapshots: int
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    by_stage: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    ece: float = math.nan
    ece_champion: float = math.nan
    same_recipe: bool = False

    def to_metrics(self) -> dict[str, float]:
        """The comparison as metrics of a run: `promotion.auroc_difference`, `promotion.lapsed....`."""
        found = {
            "snapshots": float(self.snapshots),
            "same_recipe": float(self.same_recipe),
            "ece": self.ece,
            "champion.ece": self.ece_champion,
            **_spelled(_DIFFERENCE, (self.difference, self.low, self.high)),
        }
        for stage, figures in self.by_stage.items():
            found |= _spelled(f"{stage}.{_DIFFERENCE}", figures)
        return {f"{_OWNER}.{name}": value for name, value in found.items()}

    @classmethod
    def from_metrics(cls, metrics: Mapping[str, float]) -> "Comparison | None":
        """What `to_metrics` wrote, undefined figures left out or not; None when nothing was compared."""
        own = {k.removeprefix(f"{_OWNER}."): v for k, v in metrics.items() if k.startswith(f"{_OWNER}.")}
        if "snapshots" not in own:
            return None
        endings = tuple(f".{_DIFFERENCE}{bound}" for bound in _BOUNDS)
        stages = sorted({name.split(".")[0] for name in own if name.endswith(endings)})
        return cls(
            int(own["snapshots"]),
            *_read(own, _DIFFERENCE),
            {stage: _read(own, f"{stage}.{_DIFFERENCE}") for stage in stages},
            own.get("ece", math.nan),
            own.get("champion.ece", math.nan),
            bool(own.get("same_recipe", 0)),
        )


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
    comparison: Comparison | None = None,
    by_hand: bool = False,
    max_age_days: int = MAX_AGE_DAYS,
) -> Verdict:
    """Decide between a challenger and the champion.

    In this order:

    1. Whoever ranks worse than recency by more than the tolerance is refused; the first model need
       do no more.
    2. A champion older than `max_age_days` gives way.
    3. A challenger that knows less than the champion (an earlier `as_of`) is refused.
    4. The same recipe on newer data is promoted when it is not worse: the lower end of the interval of the
       difference in AUROC is at least minus the tolerance. Where the champion has learned from every test
       snapshot there is nothing to compare on; the recipes are equal by construction and newer data takes
       over, unless a person put the champion in place: then something has to be measured first.
    5. A new recipe is promoted when it is better: the lower end is above 0. One whose every prediction is
       the champion's (a setting that changes no model) counts as the same recipe. Where the code is another,
       the champion's can only be compared by its stored model; has that learned from every test snapshot, the
       new recipe is refused until later ones tell.
    6. Either with an ECE of at most `ECE_ROOM` more, and with no stage worse. A stage is worse when its
       difference is below minus the tolerance *and* its whole interval is below 0. The bounds are chosen on
       purpose: the burden of proof lies with the challenger as a whole, but with the refusal in a stage,
       where few customers make wide intervals. A lower bound there would refuse nearly everyone, the mean
       alone would let chance decide (with a standard error of 0.01, equal models would be refused for one
       stage in three).

    Without a comparison (nothing was measured side by side) recorded figures are set against each other:
    AUROCs when both were tested on the same day, otherwise leads over the recency baseline, because some
    months are harder to predict than others.

    Args:
        challenger: the new model.
        champion: the present one; None at first.
        tolerance: AUROC that may be lost to chance.
        comparison: both side by side.
        by_hand: a person put the champion in place, against or without the rule.
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
    if age < 0:
        days = f"trained up to {challenger.as_of}, the champion up to {champion.as_of}"
        return Verdict(promote=False, reason=f"It knows less than the champion: {days}.")
    return _against(challenger, champion, tolerance, comparison, by_hand=by_hand)


def _against(
    challenger: Scores, champion: Scores, tolerance: float, comparison: Comparison | None, *, by_hand: bool
) -> Verdict:
    if comparison is None:
        return _by_figures(challenger, champion, tolerance)
    if not comparison.snapshots:
        return _by_construction(same_recipe=comparison.same_recipe, by_hand=by_hand)
    return _side_by_side(comparison, tolerance)


def _on_its_own(model: Scores, tolerance: float) -> Verdict:
    if not math.isfinite(model.auroc):
        return Verdict(
            promote=False, reason="its test AUROC is not defined, the test snapshot has one outcome only."
        )
    figures = f"AUROC {model.auroc:.4f}, recency {model.recency_auroc:.4f}, tolerance {tolerance:g}"
    if model.auroc < model.recency_auroc - tolerance:
        return Verdict(promote=False, reason=f"worse than ranking by recency ({figures}).")
    return Verdict(promote=True, reason=f"not worse than ranking by recency ({figures}).")


def _by_construction(*, same_recipe: bool, by_hand: bool) -> Verdict:
    learned = "the champion has learned from every test snapshot"
    if not same_recipe:
        why = f"New recipe with other code than the champion's, which cannot be fitted again, and {learned}"
        return Verdict(
            promote=False,
            reason=f"{why}: nothing shows yet that the new one is better. "
            "A later training compares them; winback promote puts it in use now.",
        )
    if by_hand:
        why = f"A person put the champion in place, and {learned}"
        return Verdict(promote=False, reason=f"{why}: nothing shows yet that newer data does better.")
    why = f"Same recipe on newer data; {learned}, so there is nothing to compare on"
    return Verdict(promote=True, reason=f"{why}: equal by construction, newer data takes over.")


def _side_by_side(found: Comparison, tolerance: float) -> Verdict:
    same = found.same_recipe or found.difference == found.low == found.high == 0
    recipe = "same recipe on newer data" if found.same_recipe else "new recipe"
    seen = counted(found.snapshots, "test snapshot")
    what = f"{recipe}, AUROC difference {_interval(found.difference, found.low, found.high)} on {seen}"
    if same and not found.low >= -tolerance:
        floor = f"its lower bound must be at least {0 - tolerance:g}"
        return Verdict(promote=False, reason=f"Perhaps worse than the champion: {what}; {floor}.")
    if not same and not found.low > 0:
        floor = "its lower bound must be above 0"
        return Verdict(promote=False, reason=f"Not shown to be better than the champion: {what}; {floor}.")
    if not found.ece <= found.ece_champion + ECE_ROOM:
        return Verdict(promote=False, reason=_miscalibrated(found.ece, found.ece_champion, what))
    worse = _worse_stages(found, tolerance)
    if worse:
        where = f"Worse in {', '.join(worse)}, tolerance {tolerance:g}"
        return Verdict(promote=False, reason=f"{where}; as a whole: {what}.")
    word = "Better than" if found.low > 0 else "Not worse than"
    allowed = f", tolerance {tolerance:g}" if same else ""
    ece = f"ECE {found.ece:.4f} against {found.ece_champion:.4f}"
    return Verdict(promote=True, reason=f"{word} the champion: {what}{allowed}; {ece}.")


def _worse_stages(found: Comparison, tolerance: float) -> list[str]:
    return [
        f"{stage} ({_interval(mean, low, high)})"
        for stage, (mean, low, high) in sorted(found.by_stage.items())
        if mean < -tolerance and high < 0
    ]


def _by_figures(challenger: Scores, champion: Scores, tolerance: float) -> Verdict:
    same_day = challenger.tested_on == champion.tested_on
    new, old = (_measure(one, same_day=same_day) for one in (challenger, champion))
    measure = "AUROC" if same_day else "AUROC lead over recency"
    gain, figures = new - old, f"{measure} {new:.4f} against {old:.4f}"
    if challenger.recipe == champion.recipe:
        good, what = gain >= -tolerance, f"same recipe on newer data, {figures}, tolerance {tolerance:g}"
    else:
        good, what = gain > 0, f"new recipe, {figures}"
    if not good:
        return Verdict(promote=False, reason=f"Worse than the champion: {what}.")
    if not challenger.ece <= champion.ece + ECE_ROOM:
        return Verdict(promote=False, reason=_miscalibrated(challenger.ece, champion.ece, what))
    word = "Better than" if gain > 0 else "Not worse than"
    return Verdict(promote=True, reason=f"{word} the champion: {what}.")


def _measure(model: Scores, *, same_day: bool) -> float:
    return model.auroc if same_day else model.auroc - model.recency_auroc


def _miscalibrated(ece: float, before: float, what: str) -> str:
    more = f"at most {ECE_ROOM:g} more is allowed"
    return f"Calibration is worse: ECE {ece:.4f} against {before:.4f}, {more}; {what}."


def _interval(mean: float, low: float, high: float) -> str:
    return f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]"


def _spelled(name: str, figures: tuple[float, float, float]) -> dict[str, float]:
    return {f"{name}{bound}": value for bound, value in zip(_BOUNDS, figures, strict=True)}


def _read(metrics: Mapping[str, float], name: str) -> tuple[float, float, float]:
    mean, low, high = (metrics.get(f"{name}{bound}", math.nan) for bound in _BOUNDS)
    return mean, low, high
