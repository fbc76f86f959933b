"""Fits are honest about probabilities and money, and the same data gives the same bytes."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_world import AS_OF, feature_frame, training_frame

from features.errors import DataRefused, WinbackError
from models import bundle as bundles
from models import level
from models.by_standing import Calibration, calibrate_by_standing, cross_calibrated
from models.calibration import Calibrator, Scored, calibrate
from models.fitting import Recipe, fit_p0
from models.lesson import Lesson, learnable, newest_rows, refuse_too_few
from models.log_odds import expit, logit
from models.margin import MarginRows, fit_margin, stage_means
from models.matrix import FeatureContract, to_matrix
from models.metrics import auroc, ece
from models.options import TrainOptions, ValueOptions, XgbOptions
from models.splits import customer_fold
from models.standing import STANDINGS
from models.training import Trained, train
from models.value import discounts, supported_months
from models.won import Won

XGB = XgbOptions(rounds=15, early_stopping=5, learning_rate=0.3)
RECIPE = Recipe(XGB, TrainOptions(folds=3), ValueOptions(), seed=7)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train(training_frame(), AS_OF, RECIPE)


def test_the_same_data_in_another_order_gives_the_same_bytes(trained: Trained):
    again = train(training_frame().sample(fraction=1.0, shuffle=True, seed=1), AS_OF, RECIPE)
    assert again.bundle.files() == trained.bundle.files()
    assert again.bundle.digest == trained.bundle.digest
    assert again.metrics == trained.metrics


def test_a_small_shop_learns_with_the_default_settings():
    few = train(
        training_frame(people=150), AS_OF, Recipe(XgbOptions(), TrainOptions(), ValueOptions(), seed=7)
    )
    assert few.metrics["test.auroc"] > 0.6


def test_the_newest_days_are_judged_each_by_a_fit_of_its_own(trained: Trained):
    days = [date(2024, 3, 1), date(2024, 4, 1), date(2024, 5, 1)]
    assert trained.judged["as_of"].unique(maintain_order=True).to_list() == days
    assert [*trained.snapshots] == days
    assert trained.stability["snapshot"].unique().sort().to_list() == days
    assert trained.metrics["test.auroc"] > trained.metrics["test.recency.auroc"] > 0.5
    assert (
        trained.metrics["test.auroc_low"] < trained.metrics["test.auroc"] < trained.metrics["test.auroc_high"]
    )
    assert trained.metrics["test.ece"] < 0.1
    assert {"test.lapsed.auroc", "test.active.ece", "test.profit_at_10pct", "test.value_at_10pct"} <= {
        *trained.metrics
    }


def test_a_list_of_known_length_is_judged_at_its_length():
    found = train(training_frame(people=300), AS_OF, replace(RECIPE, capacity=30)).metrics
    assert found["test.lift_at_list"] == found["test.lift_at_10pct"]


def test_labels_after_a_test_days_purge_line_do_not_change_its_figures(trained: Trained):
    frame = training_frame()
    line, newest = date(2024, 3, 2), date(2024, 5, 1)
    after = (pl.col("as_of") > line) & (pl.col("as_of") < newest)
    scrambled = frame.with_columns(returned=pl.when(after).then(~pl.col("returned")).otherwise("returned"))
    again = train(scrambled, AS_OF, RECIPE)
    assert again.snapshots[newest] == trained.snapshots[newest]
    assert again.snapshots[date(2024, 4, 1)] != trained.snapshots[date(2024, 4, 1)]


def _turned(frame: pl.DataFrame, day: date) -> pl.DataFrame:
    """The same rows with the other outcome on one day."""
    return frame.with_columns(
        returned=pl.when(pl.col("as_of") == day).then(~pl.col("returned")).otherwise("returned")
    )


def test_each_test_day_is_judged_by_a_fit_on_as_many_days_as_the_model_that_is_kept():
    frame, two = training_frame(people=300, snapshots=8), TrainOptions(folds=2, snapshots=2, tests=1)
    asked = replace(RECIPE, train=two)
    found = train(frame, AS_OF, asked)
    assert found.days == [date(2024, 4, 1), date(2024, 5, 1)]
    assert (found.params["train.days"], found.params["train.rows"]) == (2, 600)
    last, before, older = date(2024, 3, 1), date(2024, 2, 1), date(2024, 1, 1)
    for day, moves in ((last, True), (before, True), (older, False)):
        again = train(_turned(frame, day), AS_OF, asked)
        assert (again.metrics != found.metrics) is moves, day
        # What teaches the test day alone is not in the model that is kept.
        assert again.bundle.returning.churn == found.bundle.returning.churn


def test_a_test_day_on_which_nobody_returned_widens_the_error_but_not_without_end():
    nobody = pl.col("as_of") == date(2024, 5, 1)
    closed = training_frame(people=300).with_columns(
        returned=pl.col("returned") & ~nobody, days_to_return=pl.when(~nobody).then("days_to_return")
    )
    found = train(closed, AS_OF, RECIPE)
    assert found.snapshots[date(2024, 5, 1)]["test.mean_observed"] == 0
    drift = found.bundle.returning.calibration.by_standing["active"].drift
    assert 1 < drift < logit(np.array([1 - 0.5 / 301]))[0]


def test_a_saved_bundle_scores_as_before(trained: Trained, tmp_path: Path):
    features = feature_frame()
    trained.bundle.save(tmp_path / "model")
    loaded = bundles.load_bundle(tmp_path / "model")
    assert loaded.digest == trained.bundle.digest
    assert bundles.predict(loaded, features).equals(bundles.predict(trained.bundle, features))
    assert {path.suffix for path in (tmp_path / "model").iterdir()} == {".ubj", ".json"}


def test_scores_do_not_depend_on_the_neighbours(trained: Trained, monkeypatch: pytest.MonkeyPatch):
    features = feature_frame()
    whole = bundles.predict(trained.bundle, features)
    monkeypatch.setattr(bundles, "_CHUNK", 100)
    assert bundles.predict(trained.bundle, features).equals(whole)


def test_scores_are_whole_rows_of_finite_numbers(trained: Trained):
    features = feature_frame()
    scored = bundles.predict(trained.bundle, features)
    assert scored.columns == [
        "customer_id",
        "as_of",
        "p0",
        "churn_probability",
        "p0_se",
        "expected_margin",
        "margin_low",
        "margin_high",
        "value_if_returned",
        "value_if_not_returned",
        "value_se",
        "expected_worth",
        "days_to_return",
    ]
    assert scored["customer_id"].equals(features["customer_id"])
    assert all(scored[name].is_finite().all() for name in scored.columns[2:])
    assert (scored["p0"] + scored["churn_probability"] == 1).all()
    assert scored["p0_se"].min() > 0


def test_worth_is_of_v1_and_v0_as_predicted_and_s_counts_what_a_contact_wins(trained: Trained):
    bundle, features = trained.bundle, feature_frame()
    scored = bundles.predict(bundle, features)
    matrix, stage = to_matrix(features, bundle.contract), features["stage"]
    returned, left = (model.predict(matrix, stage)[0] for model in (bundle.returned, bundle.stayed))
    p0 = scored["p0"].to_numpy()
    assert scored["expected_worth"].to_numpy() == pytest.approx(p0 * returned + (1 - p0) * left)
    assert scored["value_if_not_returned"].to_numpy() == pytest.approx(left)
    first, later = bundle.returned.first(matrix, stage)[0], bundle.returned.later(matrix, stage)[0]
    share = bundle.won.share(matrix)[0]
    assert scored["value_if_returned"].to_numpy() == pytest.approx(first + share * (later - left))
    everything = bundles.predict(replace(bundle, won=Won()), features)
    assert everything["value_if_returned"].to_numpy() == pytest.approx(returned - left)


def test_nobody_to_score_gives_no_rows(trained: Trained):
    assert bundles.predict(trained.bundle, feature_frame().clear()).is_empty()


def test_a_folder_without_a_model_is_said_to_hold_none(tmp_path: Path):
    with pytest.raises(WinbackError, match="holds no readable model"):
        bundles.load_bundle(tmp_path)


def test_a_model_of_another_format_is_refused(trained: Trained, tmp_path: Path):
    trained.bundle.save(tmp_path)
    content = json.loads((tmp_path / "bundle.json").read_text())
    (tmp_path / "bundle.json").write_text(json.dumps(content | {"schema": 99}))
    with pytest.raises(WinbackError, match="has format 99"):
        bundles.load_bundle(tmp_path)


def test_too_few_returns_are_refused_with_what_to_do():
    frame = training_frame(people=40).with_columns(returned=pl.col("customer_id") < "c00012")
    with pytest.raises(
        DataRefused, match=r"Only 12 customers came back .* needs 50 .*: lengthen churn\.horizon_days"
    ):
        train(frame, AS_OF, RECIPE)
    with pytest.raises(
        DataRefused, match=r"Only 12 customers stayed away .* needs 50 .*: shorten churn\.horizon_days"
    ):
        train(training_frame().with_columns(returned=pl.col("customer_id") >= "c00012"), AS_OF, RECIPE)


def test_one_who_came_back_on_one_day_is_told_in_the_singular():
    rows = training_frame(people=40).with_columns(returned=pl.col("customer_id") < "c00001")
    with pytest.raises(DataRefused, match=r"^Only 1 customer came back in the outcome windows of 1 past day"):
        refuse_too_few(rows.filter(pl.col("as_of") == pl.col("as_of").max()), 50)


def test_nobody_to_learn_from_is_refused():
    with pytest.raises(
        DataRefused, match="Only 0 customers came back in the outcome windows of 0 past days, but"
    ):
        train(training_frame().with_columns(contacted=pl.lit(value=True)), AS_OF, RECIPE)


def test_a_day_whose_outcome_is_not_over_is_refused():
    with pytest.raises(DataRefused, match="2024-05-01 are not complete by 2024-06-01"):
        train(training_frame(), AS_OF.at(date(2024, 6, 1)), RECIPE)


def test_a_missing_label_is_refused_by_name():
    with pytest.raises(DataRefused, match="returned: expected Boolean, got nothing"):
        train(training_frame().drop("returned"), AS_OF, RECIPE)


def test_a_history_without_room_for_a_test_is_judged_by_cross_validation():
    short = train(training_frame(snapshots=2), AS_OF, RECIPE)
    assert {name.split(".")[0] for name in short.metrics} == {"cv"}
    assert short.notes[0].startswith("The history is too short for a test in time")


def test_contacted_people_and_gap_buyers_teach_nothing():
    frame = training_frame(people=3, snapshots=1).with_columns(
        in_gap=pl.Series([True, False, False]), contacted=pl.Series([False, True, False])
    )
    assert learnable(frame)["customer_id"].to_list() == ["c00002"]


def test_the_newest_days_reach_back_until_returns_are_enough():
    days = [date(2024, 1, day) for day in range(1, 6)]
    rows = pl.DataFrame({"as_of": [day for day in days for _ in range(100)], "returned": [True] * 500})
    assert rows.filter(pl.Series(newest_rows(rows)))["as_of"].unique().sort().to_list() == days[2:]
    few = rows.with_columns(returned=pl.int_range(500) % 2 == 0)
    assert newest_rows(few).all()


@pytest.mark.parametrize("events", [300, 6000])
def test_calibration_repairs_scores_that_are_too_bold(events: int):
    rng = np.random.default_rng(2)
    truth = expit(rng.normal(-1, 1, 3 * events))
    happened, fold = (rng.random(len(truth)) < truth).astype(float), np.arange(len(truth), dtype=np.int32) % 3
    bold = expit(2 * logit(truth) + 1)
    fitted = calibrate(Scored(bold, happened, np.ones(len(truth)), fold, 1.0))
    p = fitted.apply(bold)
    assert ece(happened, p) < 0.05 < ece(happened, bold)
    assert abs(auroc(happened, p) - auroc(happened, bold)) < 1e-3
    assert fitted.standard_error(p).min() > 0
    assert Calibrator.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted


def test_isotonic_wins_where_a_line_cannot_fit():
    rng = np.random.default_rng(2)
    raw = rng.random(20_000)
    happened = (rng.random(20_000) < np.where(raw < 0.5, 0.1, 0.6)).astype(float)
    fold = np.arange(20_000, dtype=np.int32) % 4
    fitted = calibrate(Scored(raw, happened, np.ones(20_000), fold, 1.0))
    assert fitted.kind == "isotonic"
    assert fitted.apply(np.array([0.2, 0.8])) == pytest.approx([0.1, 0.6], abs=0.03)


def shop(seed: int = 2) -> tuple[Scored, np.ndarray, np.ndarray]:
    """Scores of 8 days that are right but for a shift of the day, and for who is gone."""
    rng = np.random.default_rng(seed)
    count = 80_000
    raw, fold = rng.uniform(0.1, 0.5, count), np.arange(count, dtype=np.int32) % 4
    day = np.arange(count) * 8 // count
    stands = np.array(["active", "one_order", "gone", "one_order_gone"])[np.arange(count) % 4]
    truth = expit(logit(raw) + np.where(day < 4, 0.4, -0.2) + np.where(stands == "gone", 0.5, 0.0))
    return Scored(raw, (rng.random(count) < truth).astype(float), np.ones(count), fold, 1.0), stands, day


def test_a_standing_that_is_off_is_moved_by_how_much_the_newest_days_say():
    scores, stands, day = shop()
    fitted = calibrate_by_standing(scores, stands, day, day >= 5)
    p = {name: fitted.apply(np.array([0.3]), np.array([name]))[0] for name in STANDINGS}
    assert logit(np.array([p["gone"]]))[0] - logit(np.array([p["one_order_gone"]]))[0] == pytest.approx(
        0.5, abs=0.15
    )
    assert p["active"] == pytest.approx(p["one_order"], abs=0.03)
    assert Calibration.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted


def test_what_is_judged_where_it_was_calibrated_is_calibrated_without_its_own_customers():
    scores, stands, day = shop()
    p = cross_calibrated(scores, stands, day, day >= 5)
    held = scores.fold == 1
    turned = replace(scores, event=np.where(held, 1 - scores.event, scores.event))
    again = cross_calibrated(turned, stands, day, day >= 5)
    assert (again[held] == p[held]).all()
    assert (again[~held] != p[~held]).any()


def test_with_two_folds_of_customers_there_is_still_something_to_choose_a_shape_by():
    rng = np.random.default_rng(3)
    raw, fold = rng.uniform(0.05, 0.6, 12_000), np.arange(12_000, dtype=np.int32) % 2
    event = (rng.random(12_000) < expit(2 * logit(raw))).astype(float)
    stands, day, newest = np.full(12_000, "active"), np.zeros(12_000, np.int64), np.ones(12_000, bool)
    p = cross_calibrated(Scored(raw, event, np.ones(12_000), fold, 1.0), stands, day, newest)
    assert ece(event, p) < 0.02 < ece(event, raw)


def test_a_calibration_looks_better_where_it_was_fitted_than_it_is():
    inside, outside = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        raw, fold = rng.uniform(0.05, 0.6, 400), rng.integers(0, 4, 400).astype(np.int32)
        stands, day, newest = np.full(400, "active"), np.zeros(400, np.int64), np.ones(400, bool)
        event = (rng.random(400) < expit(logit(raw) + 1)).astype(float)
        scores = Scored(raw, event, np.ones(400), fold, 1.0)
        inside.append(ece(event, calibrate_by_standing(scores, stands, day, newest).apply(raw, stands)))
        outside.append(ece(event, cross_calibrated(scores, stands, day, newest)))
    assert np.mean(outside) > np.mean(inside) + 0.001


def test_a_short_history_is_not_judged_by_the_calibration_that_was_fitted_on_it():
    few = training_frame(people=300, snapshots=2)
    found = train(few, AS_OF, RECIPE)
    rows = learnable(few).with_columns(customer_fold("customer_id", RECIPE.train.folds, RECIPE.seed))
    churn = fit_p0(rows, found.bundle.contract, AS_OF, RECIPE)
    newest = (rows["as_of"] == date(2024, 5, 1)).to_numpy()
    assert found.judged["p0"].to_list() == churn.cross_calibrated()[newest].tolist()
    assert found.metrics["cv.ece"] != ece(churn.scores.event[newest], churn.out_of_fold[newest])


def test_scores_are_moved_to_the_level_that_is_expected():
    scores, stands, day = shop()
    fitted = calibrate_by_standing(scores, stands, day, day >= 5)
    others = stands != "gone"
    ahead = level.expected(level.shifts(scores.raw, scores.event, scores.weight, day))
    told = fitted.apply(scores.raw, stands)[others].mean()
    # The others lie below the common level by what the gone lie above it.
    assert told == pytest.approx(expit(logit(scores.raw) + ahead - 0.11)[others].mean(), abs=0.01)


def test_a_standing_with_too_few_events_goes_with_the_others():
    scores, stands, day = shop()
    few = np.where((stands == "gone") & (np.arange(len(stands)) % 200 != 2), "active", stands)
    assert 0 < ((few == "gone") & (day >= 5)).sum() < 300
    fitted = calibrate_by_standing(scores, few, day, day >= 5)
    assert fitted.by_standing["gone"] == fitted.by_standing["at_risk"]


def test_the_level_to_expect_lies_half_way_between_the_year_and_the_newest_days():
    assert level.expected(np.array([9.0, *[0.0] * 9, 1.0, 1.0, 1.0])) == pytest.approx(0.5 * 0.25 + 0.5 * 1.0)


def test_the_shift_of_a_day_makes_its_mean_come_true():
    scores, _, day = shop()
    found = level.shifts(scores.raw, scores.event, scores.weight, day)
    moved = expit(logit(scores.raw) + found[day])
    for number in range(8):
        rows = day == number
        assert moved[rows].mean() == pytest.approx(scores.event[rows].mean(), abs=1e-3)


def test_a_level_that_little_is_known_of_is_drawn_towards_none():
    raw, event, weight = np.full(100, 0.5), np.r_[np.ones(80), np.zeros(20)], np.ones(100)
    free, held = (level.shift(raw, event, weight, belief) for belief in (0.0, 400.0))
    assert free == pytest.approx(np.log(4), abs=1e-6)
    assert 0 < held < free / 3


def test_an_older_day_counts_less_by_its_half_life():
    rows = pl.DataFrame({"as_of": [date(2024, 1, 31), date(2024, 1, 1)], "weight": [2.0, 1.0]})
    lesson = Lesson(gone_only=False, rates={date(2024, 1, 31): 0.2, date(2024, 1, 1): 0.1}, half_life_days=30)
    assert rows.select(lesson.weight()).to_series().to_list() == pytest.approx([2.0, 0.5])


def test_drift_in_time_widens_the_error_most_in_the_middle():
    steady = Calibrator("platt", (-1.0, 1.0), (-1.0, 1.0), (0.0, 1.0), (0.01, 0.01))
    assert steady.standard_error(np.array([0.5])) == pytest.approx([0.01])
    assert steady.with_drift(0.4).standard_error(np.array([0.5])) == pytest.approx(
        [(0.01**2 + 0.1**2) ** 0.5]
    )


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8, unique=True))
def test_a_calibrator_never_turns_the_ranking_around(knots: list[float]):
    pinned = Calibrator("isotonic", tuple(sorted(knots)), tuple(sorted(knots)))
    p = pinned.apply(expit(np.linspace(-6, 6, 50)))
    assert (np.diff(p) >= 0).all()


def test_mean_margin_is_right_in_sum_though_tails_are_heavy():
    rng = np.random.default_rng(4)
    count = 4000
    size = rng.normal(size=count)
    margin = np.rint(1000 * np.exp(size + rng.normal(size=count))) * (rng.random(count) < 0.6) - 50.0
    rows = pl.DataFrame(
        {
            "as_of": [date(2024, 1, 1)] * count,
            "customer_id": [str(n) for n in range(count)],
            "size": size,
            "stage": ["active"] * count,
            "weight": np.ones(count),
        }
    ).with_columns(customer_fold("customer_id", 3, 7))
    contract = FeatureContract(("size",), {})
    model = fit_margin(MarginRows(rows, margin + 50.0), contract, XGB, 7)
    mean, error = model.predict(to_matrix(rows, contract), rows["stage"])
    assert mean.sum() == pytest.approx((margin + 50.0).sum(), rel=0.05)
    assert np.corrcoef(mean, np.exp(size))[0, 1] > 0.9
    assert (error > 0).all()
    assert model.hurdle is not None


def test_few_rows_fall_back_on_the_means_of_stages():
    rows = pl.DataFrame(
        {"customer_id": ["a", "b", "c"], "stage": ["new", "new", "lost"], "weight": [1.0, 1.0, 1.0]}
    )
    model = stage_means(MarginRows(rows, np.array([0.0, 300.0, 600.0])))
    mean, error = model.predict(pl.DataFrame(), pl.Series(["new", "lost", "active"]))
    assert mean.tolist() == [(300 + 50 * 300) / 52, (600 + 50 * 300) / 51, 300.0]
    assert error.min() > 0


MONTHS = pl.DataFrame(
    {
        "as_of": [date(2024, 1, 1), date(2024, 2, 1)],
        "margin_month_01": [100, 200],
        "margin_month_02": [100, None],
    }
)


def test_months_are_supported_when_some_day_has_seen_them_end():
    assert supported_months(MONTHS, 12) == 2
    assert supported_months(MONTHS.with_columns(margin_month_02=pl.lit(None, pl.Int64)), 12) == 1
    assert supported_months(MONTHS.clear(), 12) == 0


def test_later_months_are_discounted():
    found = discounts(ValueOptions(discount_rate=0.1), 2)
    assert found.tolist() == [1.1 ** (-1 / 12), 1.1 ** (-2 / 12)]


def test_what_lies_beyond_the_history_is_said(trained: Trained):
    assert trained.bundle.returned.months == 4
    assert 0 < trained.bundle.returned.extrapolated_share < 1
    assert any("of the value if returned is extrapolated" in note for note in trained.notes)


def test_a_newest_day_on_which_nobody_is_gone_stops_no_training():
    here = pl.when(pl.col("as_of") == date(2024, 5, 1)).then(pl.lit("active")).otherwise("stage")
    found = train(training_frame(people=1000).with_columns(stage=here), AS_OF, RECIPE)
    weights = found.bundle.returning.weights_of_gone
    assert set(weights.values()) == {1 / len(weights)}
    assert "reactivation" in weights
