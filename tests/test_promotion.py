"""The rule of promotion: who takes over, and what is said."""

import math
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.contracts import Stage
from models.promotion import ECE_ROOM, Comparison, Scores, Verdict, judge

OLD = Scores(
    recipe="a", as_of=date(2011, 6, 1), tested_on=date(2011, 3, 1), auroc=0.80, recency_auroc=0.76, ece=0.01
)
NEW = replace(OLD, as_of=date(2011, 7, 1), tested_on=date(2011, 4, 1))
SAME_DAY = replace(OLD, as_of=date(2011, 7, 1))
# A challenger beside the champion: its recipe, and figures on the same rows.
SAME = Comparison(3, 0.001, -0.003, 0.005, {}, ece=0.012, ece_champion=0.011, same_recipe=True)
BETTER = Comparison(3, 0.004, 0.001, 0.007, {}, ece=0.012, ece_champion=0.011)


def beside(comparison: Comparison, tolerance: float = 0.005, **more: object) -> Verdict:
    return judge(NEW, OLD, tolerance, comparison=comparison, **more)


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


def test_the_same_recipe_is_promoted_when_it_is_not_worse():
    assert beside(SAME) == Verdict(
        promote=True,
        reason="Not worse than the champion: same recipe on newer data, AUROC difference +0.0010 "
        "[-0.0030, +0.0050] on 3 test snapshots, tolerance 0.005; ECE 0.0120 against 0.0110.",
    )
    assert beside(replace(SAME, low=-0.005)).promote
    assert beside(replace(SAME, low=-0.0051)) == Verdict(
        promote=False,
        reason="Perhaps worse than the champion: same recipe on newer data, AUROC difference +0.0010 "
        "[-0.0051, +0.0050] on 3 test snapshots; its lower bound must be at least -0.005.",
    )


def test_a_new_recipe_is_promoted_when_it_is_better():
    assert beside(BETTER) == Verdict(
        promote=True,
        reason="Better than the champion: new recipe, AUROC difference +0.0040 [+0.0010, +0.0070] on 3 test "
        "snapshots; ECE 0.0120 against 0.0110.",
    )
    assert beside(replace(BETTER, snapshots=1, low=-0.0001)) == Verdict(
        promote=False,
        reason="Not shown to be better than the champion: new recipe, AUROC difference +0.0040 "
        "[-0.0001, +0.0070] on 1 test snapshot; its lower bound must be above 0.",
    )


def test_what_was_measured_side_by_side_counts_and_not_what_each_was_recorded_with():
    weak = replace(SAME_DAY, auroc=0.77, ece=0.2, recipe="b")
    assert judge(weak, OLD, 0.005, comparison=BETTER).promote
    assert not judge(weak, OLD, 0.005).promote


def test_a_setting_that_changes_no_prediction_counts_as_the_same_recipe():
    alike = Comparison(3, 0.0, 0.0, 0.0, {"lapsed": (0.0, 0.0, 0.0)}, ece=0.01, ece_champion=0.01)
    assert beside(alike, tolerance=0).promote
    assert not beside(replace(alike, high=0.001)).promote


def test_newer_data_takes_over_where_there_is_nothing_to_compare_on():
    nothing = Comparison(0, same_recipe=True)
    assert beside(nothing) == Verdict(
        promote=True,
        reason="Same recipe on newer data; the champion has learned from every test snapshot, so there is "
        "nothing to compare on: equal by construction, newer data takes over.",
    )
    assert beside(nothing, by_hand=True) == Verdict(
        promote=False,
        reason="A person put the champion in place, and the champion has learned from every test snapshot: "
        "nothing shows yet that newer data does better.",
    )
    assert beside(SAME, by_hand=True).promote
    new = beside(replace(nothing, same_recipe=False))
    assert not new.promote
    assert "with other code than the champion's" in new.reason
    assert "nothing shows yet that the new one is better" in new.reason


def test_a_difference_that_is_not_defined_promotes_nobody():
    for one in (SAME, BETTER):
        assert not beside(replace(one, difference=math.nan, low=math.nan, high=math.nan)).promote


@pytest.mark.parametrize(("ece", "promoted"), [(0.0159, True), (0.0161, False), (math.nan, False)])
def test_calibration_is_compared_on_the_same_rows(ece, promoted):
    assert beside(replace(BETTER, ece=ece)).promote is promoted


@pytest.mark.parametrize(
    ("figures", "promoted"),
    [
        ((-0.02, -0.03, -0.01), False),
        ((-0.02, -0.05, 0.01), True),  # chance may have done this
        ((-0.004, -0.005, -0.003), True),  # certain, but within the tolerance
        ((math.nan, math.nan, math.nan), True),  # too few to say
    ],
)
def test_no_stage_may_be_worse_beyond_the_tolerance_and_beyond_chance(figures, promoted):
    assert beside(replace(BETTER, by_stage={"lapsed": figures})).promote is promoted


def test_every_stage_that_is_worse_is_named():
    worse = (-0.02, -0.03, -0.01)
    found = replace(BETTER, by_stage={"new": worse, "lapsed": worse, "active": (0.01, 0.0, 0.02)})
    assert beside(found) == Verdict(
        promote=False,
        reason="Worse in lapsed (-0.0200 [-0.0300, -0.0100]), new (-0.0200 [-0.0300, -0.0100]), tolerance "
        "0.005; as a whole: new recipe, AUROC difference +0.0040 [+0.0010, +0.0070] on 3 test snapshots.",
    )


def test_a_challenger_that_knows_less_than_the_champion_is_refused():
    earlier = replace(NEW, as_of=date(2011, 5, 31), auroc=0.9)
    assert judge(earlier, OLD, 0.005, comparison=BETTER) == Verdict(
        promote=False,
        reason="It knows less than the champion: trained up to 2011-05-31, the champion up to 2011-06-01.",
    )


def test_an_old_champion_gives_way_whatever_the_comparison_says():
    late = replace(NEW, as_of=date(2012, 1, 1))
    assert judge(late, OLD, 0.005, comparison=replace(SAME, low=-1), by_hand=True).promote


small = st.floats(0, 0.05)
intervals = st.tuples(st.floats(-0.1, 0.1), small, small).map(
    lambda one: (one[0], one[0] - one[1], one[0] + one[2])
)
comparisons = st.builds(
    lambda snapshots, whole, by_stage, ece, before, same: Comparison(
        snapshots, *whole, by_stage, ece, before, same_recipe=same
    ),
    st.integers(1, 6),
    intervals,
    st.dictionaries(st.sampled_from([stage.value for stage in Stage]), intervals),
    small,
    small,
    st.booleans(),
)


@given(comparisons, small)
def test_a_challenger_better_in_everything_is_never_refused(found, tolerance):
    better = replace(
        found,
        low=max(found.low, 1e-9),
        ece=min(found.ece, found.ece_champion),
        by_stage={stage: (max(mean, 0), *bounds) for stage, (mean, *bounds) in found.by_stage.items()},
    )
    assert beside(better, tolerance).promote


@given(comparisons)
def test_a_challenger_worse_for_certain_is_never_promoted(found):
    assert not beside(replace(found, difference=-0.03, low=-0.04, high=-0.02)).promote
    assert not beside(replace(found, ece=found.ece_champion + ECE_ROOM + 0.001)).promote
    assert not beside(replace(found, by_stage={"new": (-0.02, -0.03, -0.01)})).promote


@given(comparisons, small, small)
def test_more_tolerance_never_refuses_more_of_the_compared(found, tolerance, more):
    assert beside(found, tolerance + more).promote >= beside(found, tolerance).promote


@given(comparisons, st.floats(1e-6, 0.1))
def test_a_greater_difference_never_refuses_more(found, more):
    shifted = replace(
        found,
        difference=found.difference + more,
        low=found.low + more,
        high=found.high + more,
        by_stage={stage: tuple(one + more for one in three) for stage, three in found.by_stage.items()},
    )
    assert beside(shifted).promote >= beside(found).promote


@given(comparisons)
def test_a_new_recipe_needs_no_less_than_the_same_one(found):
    new, same = (beside(replace(found, same_recipe=one)) for one in (False, True))
    assert same.promote >= new.promote


@given(comparisons, st.booleans())
def test_every_verdict_is_a_sentence_with_the_figures(found, by_hand):
    reason = beside(found, by_hand=by_hand).reason
    assert reason.endswith(".")
    assert reason.count(":") >= 1
    assert f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}]" in reason


@given(comparisons)
def test_a_comparison_is_read_back_from_the_metrics_of_a_run(found):
    assert Comparison.from_metrics({"test.auroc": 0.8, **found.to_metrics()}) == found


def test_undefined_figures_are_read_back_as_undefined():
    kept = {k: v for k, v in Comparison(0, same_recipe=True).to_metrics().items() if math.isfinite(v)}
    read = Comparison.from_metrics(kept)
    assert (read.snapshots, read.same_recipe, read.by_stage) == (0, True, {})
    assert math.isnan(read.low)
    assert Comparison.from_metrics({"test.auroc": 0.8}) is None


def test_the_metrics_of_a_comparison_have_the_agreed_names():
    assert replace(SAME, by_stage={"lapsed": (0.1, 0.0, 0.2)}).to_metrics() == {
        "promotion.snapshots": 3,
        "promotion.same_recipe": 1,
        "promotion.ece": 0.012,
        "promotion.champion.ece": 0.011,
        "promotion.auroc_difference": 0.001,
        "promotion.auroc_difference_low": -0.003,
        "promotion.auroc_difference_high": 0.005,
        "promotion.lapsed.auroc_difference": 0.1,
        "promotion.lapsed.auroc_difference_low": 0.0,
        "promotion.lapsed.auroc_difference_high": 0.2,
    }
