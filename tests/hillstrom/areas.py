"""Do our models put first those whom a mail changes most, as well as the best of the other tools?

Qini and AUUC of every fold, per customer x 10,000; ours must not lie below the best other tool by more than
the spread of their difference over the ten folds. The other tools are judged on the same halves.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.options import UpliftOptions
from models.uplift import Judged, auuc, contract_of, qini
from models.uplift.choice import choose
from models.uplift.model import judge_outcome
from tests.hillstrom.data import CHANCE, FOLDS, OUTCOMES, REPEATS, Arm, halves
from tests.hillstrom.elsewhere import REFERENCE, NotInstalledError, predictions
from tests.hillstrom.report import Figure

SCALE = 10_000
OURS = "winback"
_MEASURES = {"qini": qini, "auuc": auuc}
# (outcome, who): repeats x customers, what a model of the other half says.
Said = Mapping[tuple[str, str], np.ndarray]


@dataclass(frozen=True, slots=True)
class Areas:
    """Mean and spread over folds of an area, and each fold's."""

    who: str
    folds: np.ndarray | None
    mean: float
    spread: float


def said(arm: Arm) -> tuple[Said, str]:
    """What everybody says of the customers in the other half, and why others say nothing."""
    own = {(outcome, OURS): _ours(arm, outcome) for outcome in OUTCOMES}
    try:
        return {**own, **predictions(arm)}, ""
    except NotInstalledError as error:
        return own, f"other tools not installed here ({error}): their reference figures stand in"


def figures(arm: Arm, found: Said, why: str) -> list[Figure]:
    """Ours beside the best other tool, per outcome and measure, and whether the effect can be told at all."""
    rows = []
    for outcome in OUTCOMES:
        for measure in _MEASURES:
            cells = areas(arm, found, outcome, measure)
            if why and measure == "qini":
                cells += [Areas(n, None, *one) for n, one in REFERENCE[arm.name, outcome].items()]
            if len(cells) > 1:
                rows.append(_beside(f"{arm.name}, {outcome}, {measure}", cells, why))
        rows.append(_told(arm, outcome))
    return rows


def areas(arm: Arm, found: Said, outcome: str, measure: str) -> list[Areas]:
    """An area of everybody who predicts an outcome; ours first."""
    judged = Judged(arm.outcome(outcome), arm.treated, np.full(len(arm.rows), CHANCE), np.ones(len(arm.rows)))
    cells = []
    for (name, who), scores in found.items():
        if name != outcome:
            continue
        folds = [
            SCALE * _MEASURES[measure](judged.where(half == one), score[half == one])
            for half, score in zip(halves(arm), scores, strict=True)
            for one in range(FOLDS)
        ]
        cells.append(Areas(who, np.array(folds), float(np.mean(folds)), float(np.std(folds, ddof=1))))
    return cells


def _ours(arm: Arm, outcome: str) -> np.ndarray:
    trial = arm.trial(outcome)
    found = np.zeros((REPEATS, len(arm.rows)))
    for repeat, half in enumerate(halves(arm)):
        for one in range(FOLDS):
            held = half == one
            chosen = choose(
                trial.where(~held), "reg:squarederror" if outcome == "spend" else "binary:logistic", 0
            )
            found[repeat, held] = chosen.predict(trial.where(held).sample.matrix)
            print(f"  {arm.name}, {outcome}, fold {repeat}.{one}: {chosen.learner}", file=sys.stderr)
    return found


def _beside(name: str, cells: list[Areas], why: str) -> Figure:
    ours, *others = cells
    best = max(others, key=lambda one: one.mean)
    both = ours.folds is not None and best.folds is not None
    spread = (
        float(np.std(ours.folds - best.folds, ddof=1)) if both else float(np.hypot(ours.spread, best.spread))
    )
    table = "; ".join(f"{one.who} {one.mean:.0f} ({one.spread:.0f})" for one in cells)
    goal = f"at least {best.who}'s {best.mean:.1f} less the fold spread of {spread:.1f}"
    low, high = ours.mean - ours.spread, ours.mean + ours.spread
    return Figure(
        name, ours.mean, low, high, goal, ours.mean >= best.mean - spread, f"{table}. {why}".strip()
    )


def _told(arm: Arm, outcome: str) -> Figure:
    """What the product itself concludes from the whole trial: not a goal, so it always holds."""
    rows = arm.contacts(outcome)
    kind = "margin" if outcome == "spend" else "conversion"
    one = judge_outcome(rows, kind, contract_of(rows), UpliftOptions(), 0)
    scale = SCALE / 100 if outcome == "spend" else SCALE
    verdict = "cannot be told from noise: falls back to B"
    if one.is_credible:
        verdict = f"who answers can be told: A ({one.learned().learner}-learner)"
    return Figure(
        f"{arm.name}, {outcome}, told from noise", one.qini.value * scale, one.qini.low * scale,
        one.qini.high * scale, "reported", holds=True, note=verdict,
    )  # fmt: skip
