"""How many purchases are expected in a horizon of a customer who is still there, and may leave after each.

If they never left they would make n purchases, n negative binomial with shape r + x. Of n, they make the
(j + 1)-th if they have not left after one of the j before, with probability (B)_j / (a + B)_j where
B = b + chances so far. The expectation is the sum of P(n) times the sum of these over j < n: the same as
equation 10 of Fader, Hardie and Lee (2005, Marketing Science 24), but all terms are positive, so nothing is
lost to rounding, and no special function is needed.
"""

import numpy as np

from features.likelihood import Floats

# Where more terms than this would count, or the first is too small for a float, the closed form is quicker.
MAX_TERMS = 4_000
LEAST_LOG = -700.0
# How often it is checked which sums are complete, in terms, and when they are: what is left, as a share.
_TERMS_AT_ONCE = 16
_COMPLETE = 1e-14


def purchases_if_alive(rate: Floats, ratio: Floats, a: float, stayed: Floats) -> Floats:
    """Expected purchases in the horizon.

    Args:
        rate: r + x.
        ratio: horizon / (alpha + age).
        a: shape of the chance of leaving.
        stayed: b + chances to leave so far.
    """
    mean = rate * ratio
    terms = mean + 12 * np.sqrt(mean * (1 + ratio)) + 40 * (1 + ratio)
    near = (terms <= MAX_TERMS) & (-rate * np.log1p(ratio) >= LEAST_LOG)
    found = np.empty(len(rate))
    found[near] = _summed(rate[near], ratio[near], a, stayed[near])
    if not near.all():
        found[~near] = _closed(rate[~near], ratio[~near], a, stayed[~near])
    return found


def _summed(rate: Floats, ratio: Floats, a: float, stayed: Floats) -> Floats:
    """Term by term, at once for all customers whose sums are not complete yet."""
    found = np.empty(len(rate))
    levels, level = np.unique(stayed, return_inverse=True)
    # By level: the chance to make the next purchase, and how many of the n so far are made.
    next_one, made = np.ones(len(levels)), np.zeros(len(levels))
    rows, done = np.arange(len(rate)), 0
    running = np.array([rate, ratio / (1 + ratio), np.exp(-rate * np.log1p(ratio)), np.zeros(len(rate))])
    while len(rows):
        rate, odds, likely, total = running
        for n in range(done, done + _TERMS_AT_ONCE):
            made += next_one
            next_one *= (levels + n) / (a + levels + n)
            likely *= (rate + n) * odds * (1 / (n + 1))
            total += likely * made[level]
        done += _TERMS_AT_ONCE
        # The terms to come fall at least as quickly as a geometric series.
        falls = (rate + done) * odds / done
        complete = (falls < 1) & (likely * made[level] * falls <= _COMPLETE * total * (1 - falls))
        found[rows[complete]] = total[complete]
        rows, level, running = rows[~complete], level[~complete], running[:, ~complete]
    return found


def _closed(rate: Floats, ratio: Floats, a: float, stayed: Floats) -> Floats:
    """Equation 10 itself.

    After Euler's transformation of its hypergeometric function the first two parameters no longer grow with
    x: it stays exact for customers with hundreds of purchases, where the printed form overflows.
    """
    from scipy import special

    less = _apart(np.asarray(a - 1))
    c = _apart(less + stayed)
    odds = ratio / (1 + ratio)
    series = special.hyp2f1(c - rate, less, c, odds)
    purchases = c / less * (1 - np.exp(-less * np.log1p(ratio)) * series)
    return np.asarray(np.clip(purchases, 0, rate * ratio))


def _apart(value: Floats) -> Floats:
    """Away from zero, where the formula is 0 / 0 although its limit is smooth."""
    tiny = 1e-6
    return np.where(np.abs(value) < tiny, tiny, value)
