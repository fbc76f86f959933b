"""The search for the most likely parameters, and the special functions it needs, against SciPy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import likelihood
from features.gamma import digamma, log_beta
from features.likelihood import Floats, maximise

BOUNDS = ((1e-3, 1e3), (1e-3, 1e3))


def bowl(*least: float) -> likelihood.Likelihood:
    """Greatest at `least`, with a bent valley on the way (Rosenbrock 1960), in logarithms."""

    def value(parameters: Floats) -> tuple[float, Floats]:
        u, v = np.log(parameters / np.array(least))
        across = v - u**2
        slope = np.array([-2 * u + 40 * u * across, -20 * across])
        return -(u**2) - 10 * across**2, slope / parameters

    return value


@pytest.mark.parametrize("least", [(1.0, 1.0), (0.02, 3.0), (300.0, 0.5)])
def test_the_end_of_a_bent_valley_is_found(least: tuple[float, float]):
    found = maximise(bowl(*least), (2.0, 0.5), BOUNDS)
    assert found is not None
    assert found.converged
    assert found.parameters == pytest.approx(least, rel=1e-6)
    assert found.log_likelihood == pytest.approx(0, abs=1e-12)


def test_a_maximum_beyond_the_bounds_is_taken_on_them():
    from scipy import optimize

    value = bowl(1.0, 1.0)
    bounds = ((1e-3, 0.5), (1e-3, 0.9))
    found = maximise(value, (0.1, 0.1), bounds)
    reference = optimize.minimize(
        lambda logs: -value(np.exp(logs))[0],
        np.log([0.1, 0.1]),
        bounds=[tuple(np.log(each)) for each in bounds],
    )
    assert found is not None
    assert found.parameters == pytest.approx(np.exp(reference.x), rel=1e-4)
    assert found.parameters[0] == pytest.approx(0.5)


def test_no_maximum_is_told_where_there_is_none():
    def nowhere(parameters: Floats) -> tuple[float, Floats]:
        return float("nan"), parameters

    assert maximise(nowhere, (1.0, 1.0), BOUNDS) is None


positive = st.floats(1e-3, 1e7)


@settings(max_examples=200, deadline=None)
@given(positive, positive)
def test_log_beta_is_that_of_scipy(x: float, y: float):
    from scipy import special

    assert log_beta(np.array([x]), np.array([y]))[0] == pytest.approx(
        special.betaln(x, y), rel=1e-8, abs=1e-11
    )


@settings(max_examples=200, deadline=None)
@given(positive)
def test_digamma_is_that_of_scipy(x: float):
    from scipy import special

    assert digamma(np.array([x]))[0] == pytest.approx(special.psi(x), rel=1e-11, abs=1e-11)
