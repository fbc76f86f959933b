"""The rule of promotion: who takes over, and what is said."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.promotion import Scores, Verdict, judge

OLD = Scores(
    recipe="a", as_of=date(2011, 6, 1), tested_on=date(2011, 3, 1), auroc=0.80, recency_auroc=0.76, ece=0.01
)
NEW = replace(OLD, as_of=date(2011, 7, 1), tested_on=date(2011, 4, 1))
SAME_DAY = replace(OLD, as_of=date(2011, 7, 1))


def test_the_first_model_is_promoted_with_its_figures():
    assert judge(NEW, None, 0.005) == Verdict(
        promote=True,
        reason="First model: not worse than ranking by recency "
        "(AUROC 0.8000, recency 0.7600, tolerance 0.005).",
    )


def test_a_first_model_worse_than_recency_is_refused():
    assert judge(replace(NEW, auroc=0.75), None, 0.005) == Verdict(
        promote=False,
        reason="First model: worse than ranking by recency (AUROC 0.7500, recency 0.7600, tolerance 0.005).",
    )


def test_a_first_model_within_the_tolerance_of_recency_is_promoted():
    assert judge(replace(NEW, auroc=0.7551), None, 0.005).promote


def test_a_model_without_a_defined_auroc_is_refused():
    verdict = judge(replace(NEW, auroc=float("nan")), OLD, 0.005)
    assert not verdict.promote
    assert "one outcome only" in verdict.reason


@pytest.mark.parametrize(("auroc", "promoted"), [(0.81, True), (0.796, True), (0.794, False)])
def test_the_same_recipe_may_lose_no_more_than_the_tolerance(auroc, promoted):
    assert judge(replace(SAME_DAY, auroc=auroc), OLD, 0.005).promote is promoted


@pytest.mark.parametrize(("auroc", "promoted"), [(0.801, True), (0.80, False), (0.796, False)])
def test_a_new_recipe_has_to_be_better(auroc, promoted):
    assert judge(replace(SAME_DAY, auroc=auroc, recipe="b"), OLD, 0.005).promote is promoted


def test_models_of_different_test_days_are_compared_by_their_lead_over_recency():
    harder_month = replace(NEW, auroc=0.77, recency_auroc=0.73)
    assert judge(harder_month, OLD, 0.005) == Verdict(
        promote=True,
        reason="Not worse than the champion: same recipe on newer data, "
        "AUROC lead over recency 0.0400 against 0.0400, tolerance 0.005.",
    )
    assert not judge(replace(harder_month, recency_auroc=0.75), OLD, 0.005).promote


def test_a_measured_lower_bound_stands_in_for_the_plain_difference():
    better = replace(SAME_DAY, auroc=0.81, recipe="b")
    assert not judge(better, OLD, 0.005, gain_low=-0.001).promote
    assert judge(better, OLD, 0.005, gain_low=0.001).promote


@pytest.mark.parametrize(("ece", "promoted"), [(0.0149, True), (0.0151, False), (float("nan"), False)])
def test_calibration_may_be_a_little_worse_and_no_more(ece, promoted):
    assert judge(replace(SAME_DAY, auroc=0.82, ece=ece), OLD, 0.005).promote is promoted


def test_a_champion_that_is_too_old_gives_way():
    late = replace(NEW, as_of=date(2012, 1, 1), auroc=0.77)
    assert judge(late, OLD, 0.005) == Verdict(
        promote=True,
        reason="The champion is 214 days old, more than 180; "
        "not worse than ranking by recency (AUROC 0.7700, recency 0.7600, tolerance 0.005).",
    )
    assert not judge(replace(late, auroc=0.70), OLD, 0.005).promote


@given(st.floats(0.5, 1), st.floats(0, 0.1), st.floats(0, 0.1), st.sampled_from(["a", "b"]), st.booleans())
def test_a_better_model_is_never_refused_where_a_worse_one_is_promoted(auroc, more, ece, recipe, same_day):
    worse = replace(SAME_DAY if same_day else NEW, auroc=auroc, ece=ece, recipe=recipe)
    better = replace(worse, auroc=auroc + more)
    assert judge(better, OLD, 0.005).promote >= judge(worse, OLD, 0.005).promote


@given(st.floats(0.5, 1), st.floats(0, 0.1), st.floats(0, 0.1), st.floats(0, 0.1))
def test_a_larger_tolerance_never_refuses_more(auroc, ece, tolerance, more):
    model = replace(SAME_DAY, auroc=auroc, ece=ece)
    assert judge(model, OLD, tolerance + more).promote >= judge(model, OLD, tolerance).promote
