"""What would a campaign among the likeliest churners earn, under a response that is assumed?"""

from dataclasses import dataclass

import numpy as np

from models.metrics.arrays import NAN, Array, ArrayLike
from models.metrics.ranking import Gains, Ranking

# Pseudo-observations behind the share of churners that accept, as in the defaults of `Campaign`.
_BELIEF = 20.0


@dataclass(frozen=True, slots=True)
class Response:
    """The response that profit measures assume; it is assumed, never measured. Money in minor units.

    Attributes:
        accept_share: gamma, share of churners whom a contact brings back.
        offer_cost: d, paid to those who come back and to those who never meant to leave.
        offer_rate: what d also costs, as a share of the amount of an order; see `models.profit.priced`.
        contact_cost: f, paid for everyone.
        minor_units: how many make one unit of the reporting currency, in which the profit is told.
    """

    accept_share: float = 0.1
    offer_cost: float = 0.0
    contact_cost: float = 5.0
    minor_units: float = 100.0
    offer_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Campaign:
    """A retention campaign as EMPC sees it; the defaults are those of Verbraken et al. (2013).

    Attributes:
        value: CLV, what a retained customer is worth.
        offer_cost: d, of the incentive.
        contact_cost: f, per contact.
        alpha: with `beta`, the belief in the share of churners that accept: Beta(alpha, beta).
        beta: see `alpha`.
    """

    value: float = 200.0
    offer_cost: float = 10.0
    contact_cost: float = 1.0
    alpha: float = 6.0
    beta: float = 14.0

    @classmethod
    def assumed(cls, response: Response, value: float) -> "Campaign":
        """The costs of a response, its share of acceptance believed as firmly as in the defaults."""
        share = response.accept_share
        belief = (_BELIEF * share, _BELIEF * (1 - share))
        return cls(value, response.offer_cost, response.contact_cost, *belief)


def expected_gain(churns: ArrayLike, value: ArrayLike, response: Response) -> Array:
    """Profit of contacting each row: `y * gamma * (V - d) - (1 - y) * d - f`, minor units.

    Args:
        churns: y: 1 for a churner, or the probability of it.
        value: V, what a retained customer is worth, minor units.
        response: gamma, d and f.
    """
    y = np.asarray(churns, float)
    won = y * response.accept_share * (np.asarray(value, float) - response.offer_cost)
    return np.asarray(won - (1 - y) * response.offer_cost - response.contact_cost, float)


def empc(
    churned: ArrayLike,
    score: ArrayLike | Ranking,
    campaign: Campaign | None = None,
    weight: ArrayLike | None = None,
) -> float:
    """Expected maximum profit per customer of contacting the likeliest churners.

    Verbraken, Verbeke and Baesens (2013), IEEE Transactions on Knowledge and Data Engineering 25: whoever
    contacts a share of the ranking earns `gamma (CLV - d) - f` per churner and pays `d + f` per other. The
    best share is taken for each gamma, and the mean over gamma ~ Beta(alpha, beta) is exact: only corners of
    the convex hull of the ROC curve are ever best, and the part of the curve between two corners is worth
    taking from one gamma on, so that each adds one pair of incomplete beta integrals.

    Args:
        churned: whether each row churned.
        score: higher where churn is likelier.
        campaign: value, costs and belief; default those of the paper.
        weight: of each row.

    Returns:
        In the money of the campaign; NaN without rows, or with no belief about gamma.
    """
    return empc_of(Gains.of(churned, score, weight), campaign or Campaign())


def empc_of(gains: Gains, campaign: Campaign) -> float:
    """See `empc`; the event of the gains is churn."""
    mass = float(gains.positive.sum() + gains.negative.sum())
    if not mass or min(campaign.alpha, campaign.beta) <= 0:
        return NAN
    worth = campaign.value - campaign.offer_cost
    if worth <= 0:
        return 0.0
    from scipy.special import betaincc

    a, b = campaign.alpha, campaign.beta
    churners, others = _hull(gains)
    cost = campaign.contact_cost * churners + (campaign.offer_cost + campaign.contact_cost) * others
    least = np.divide(cost, worth * churners, out=np.ones_like(cost), where=churners > 0)
    from_gamma = np.clip(least, 0, 1)
    won = worth * churners * a / (a + b) * betaincc(a + 1, b, from_gamma)
    return float((won - cost * betaincc(a, b, from_gamma)).sum() / mass)


def _hull(gains: Gains) -> tuple[Array, Array]:
    """Churners and others on each side of the ROC curve's convex hull, steepest first.

    The slopes of the hull are the rates of churn made monotone by pooling neighbours.
    """
    from scipy.optimize import isotonic_regression

    mass = gains.positive + gains.negative
    some = mass > 0
    rate = gains.positive[some] / mass[some]
    starts = isotonic_regression(rate, weights=mass[some], increasing=False).blocks[:-1]
    return np.add.reduceat(gains.positive[some], starts), np.add.reduceat(gains.negative[some], starts)
