"""Does a score put first those whom a contact changes most? Curves and areas over a randomised trial.

Best first, let N be the people of a trial, and among the top share f of them let n1, n0 be those contacted
and not, y1, y0 the sums of their outcomes, each person counted by 1 / probability of the own arm:

    Qini curve    Q(f) = e * (y1 - y0 * n1 / n0) / N        e the mean probability    (Radcliffe 2007)
    uplift curve  U(f) = f * (y1 / n1 - y0 / n0)            (Gutierrez and Gerardy 2017)

With one probability for all, Q is the textbook's. `qini` and `auuc` are the areas between the curve and the
straight line to its end, that is: to a random order. 0 is a random order; people of one score count as mixed.
Both are per customer, in units of the outcome; times 10,000 they are those of the reference table.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.confidence import LEVEL
from models.metrics import Array, ArrayLike, Flags, Ranking, interval, redraw

_DRAWS = 400
# Every pair of folds is compared twice, one teaching the other and the other way round. Where nothing is to
# be found, both say the same by chance (the same number, for a learner that is linear in the outcome), so the
# mean over folds varies twice as much as redraws of the people judged show, however many folds there are. No
# estimate from the folds themselves could tell (Bengio and Grandvalet, JMLR 2004).
SHARED_FOLDS = 2.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Judged:
    """A trial that scores are judged on.

    Attributes:
        outcome: what happened.
        treated: who was contacted.
        propensity: probability of being contacted.
        weight: how much each row counts.
    """

    outcome: Array
    treated: Flags
    propensity: Array
    weight: Array

    @property
    def counts(self) -> Array:
        """Weight over the probability of the own arm."""
        return self.weight / np.where(self.treated, self.propensity, 1 - self.propensity)

    def reweighted(self, weight: Array) -> "Judged":
        """The same with other weights."""
        return Judged(self.outcome, self.treated, self.propensity, weight)

    def where(self, rows: Flags) -> "Judged":
        """Only some rows."""
        return Judged(self.outcome[rows], self.treated[rows], self.propensity[rows], self.weight[rows])


def curves(trial: Judged, score: ArrayLike | Ranking) -> tuple[Array, Array, Array]:
    """Share of people taken, Qini curve and uplift curve at each distinct score, from 0 on."""
    ranking = Ranking.of(score)
    counts, people = trial.counts, np.cumsum(ranking.sums(trial.weight))
    n1, n0 = (np.cumsum(ranking.sums(counts * arm)) for arm in (trial.treated, ~trial.treated))
    y1, y0 = (
        np.cumsum(ranking.sums(counts * arm * trial.outcome)) for arm in (trial.treated, ~trial.treated)
    )
    both = (n1 > 0) & (n0 > 0)
    ratio = np.divide(n1, n0, out=np.zeros_like(n1), where=both)
    contacted = float((trial.weight * trial.propensity).sum() / people[-1])
    q = contacted * (y1 - y0 * ratio) / people[-1]
    means = np.divide(y1, n1, out=np.zeros_like(y1), where=both)
    means -= np.divide(y0, n0, out=np.zeros_like(y0), where=both)
    share = people / people[-1]
    return tuple(np.concatenate([[0.0], line]) for line in (share, q, share * means))  # type: ignore[return-value]


def qini(trial: Judged, score: ArrayLike | Ranking) -> float:
    """Area between the Qini curve and the line of a random order."""
    share, q, _ = curves(trial, score)
    return _above_line(share, q)


def auuc(trial: Judged, score: ArrayLike | Ranking) -> float:
    """Area between the uplift curve and the line of a random order."""
    share, _, uplift = curves(trial, score)
    return _above_line(share, uplift)


def qini_over_folds(
    trial: Judged, score: Array, fold: npt.NDArray[np.int32], cluster: ArrayLike, *, seed: int
) -> Estimate:
    """Qini within folds, averaged by their size, with its interval.

    The interval is that of redrawing whole customers, widened for what folds share (`SHARED_FOLDS`). Never
    over folds together: a fold's model knows the mean effect of the others, which moves against its own, so
    that scores of different folds put the wrong fold first.

    Args:
        trial: the rows, all of them judged by models that never saw their customers.
        score: what those models said.
        fold: which model said it.
        cluster: customer of each row.
        seed: of the redraws.
    """
    parts = [(rows, Ranking.of(score[rows])) for rows in (fold == one for one in np.unique(fold))]

    def mean(weight: Array) -> dict[str, float]:
        again = trial.reweighted(weight)
        shares = [weight[rows].sum() / weight.sum() for rows, _ in parts]
        areas = [qini(again.where(rows), ranking) for rows, ranking in parts]
        return {"qini": float(np.dot(shares, areas))}

    drawn = redraw(mean, cluster, draws=_DRAWS, seed=seed, weight=trial.weight)["qini"]
    value, (low, high) = mean(trial.weight)["qini"], interval(drawn, LEVEL)
    wider = SHARED_FOLDS**0.5
    return Estimate(value, value - wider * (value - low), value + wider * (high - value))


def _above_line(share: Array, curve: Array) -> float:
    return float(np.trapezoid(curve - share * curve[-1], share))
