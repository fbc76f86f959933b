"""Evidence A on invented worlds whose effects are known, and the change from C to B to A."""

import numpy as np
import polars as pl
import pytest
from uplift_world import contacts, nothing, strong

from features.errors import DataRefused
from models.effects import Evidence, assumed, response
from models.options import EffectOptions, OfferOptions, UpliftOptions
from models.uplift import Learned, UpliftModel, Verdict, contract_of, fit_uplift, judge_uplift, learn
from models.uplift.contacts import Trial, matrix, newest, ordered
from models.uplift.learners import Learner, fit_effects, scores
from models.uplift.model import judge_outcome, to_shift
from models.uplift.trust import fit_trust

OPTIONS = UpliftOptions(folds=3, least_in_arm=200, least_returns=20)
MAIL = OfferOptions(id="message")


def known(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.drop("_effect", "window_margin")


@pytest.fixture(scope="module")
def taught() -> Verdict:
    rows = known(contacts(10_000, strong, seed=11))
    return judge_uplift(rows, contract_of(rows), OPTIONS, seed=0)


@pytest.fixture(scope="module")
def model(taught: Verdict) -> UpliftModel:
    assert taught.model is not None
    return taught.model


@pytest.fixture(scope="module")
def strangers() -> pl.DataFrame:
    """People whom no model has seen."""
    return contacts(4000, strong, seed=12)


def test_a_strong_trait_is_found_and_ranked(model, taught, strangers):
    said, _ = model.conversion.predict(matrix(strangers, model.contract))
    assert np.corrcoef(said, strangers["_effect"])[0, 1] > 0.8
    assert taught.qini["conversion"].low > 0
    assert model.evidence is Evidence.MEASURED
    assert "who answers can be told" in taught.notes[0]


def test_the_shift_gives_the_true_effect_on_the_mean_of_those_it_says_it_of(model, strangers):
    p0 = strangers["p0"].to_numpy()
    p1, _ = response(np.log(p0 / (1 - p0)), model.shift(strangers))
    uplift, truth = p1 - p0, strangers["_effect"].to_numpy()
    assert uplift.mean() == pytest.approx(truth.mean(), abs=0.02)
    for some in (uplift < np.quantile(uplift, 0.1), uplift > np.quantile(uplift, 0.6)):
        assert uplift[some].mean() == pytest.approx(truth[some].mean(), abs=0.03)


def test_the_harmed_tenth_is_found_and_hardly_anybody_else(model, strangers):
    harmful = model.shift(strangers).is_harmful(0.2)
    truly = strangers["_effect"].to_numpy() < 0
    assert harmful[truly].mean() > 0.6
    assert harmful[~truly].mean() < 0.05


def test_where_a_contact_changes_nobody_nothing_is_learned():
    rows = known(contacts(4000, nothing, seed=3))
    verdict = judge_uplift(rows, contract_of(rows), OPTIONS, seed=0)
    qini = verdict.qini["conversion"]
    assert verdict.model is None
    assert qini.low < 0 < qini.high
    assert "cannot be told from noise" in verdict.notes[0]


def test_the_same_contacts_in_another_order_give_the_same_model():
    rows = known(contacts(1500, strong, seed=4))
    first, again = (
        judge_outcome(ordered(some), "conversion", contract_of(rows), OPTIONS, seed=0)
        for some in (rows, rows.sample(fraction=1, shuffle=True, seed=9))
    )
    assert (first.qini, first.trust) == (again.qini, again.trust)
    assert first.learned() == again.learned()


def test_too_few_contacts_teach_nothing_and_the_note_says_how_many_are_needed():
    rows = known(contacts(300, strong, seed=5))
    assert fit_uplift(rows, contract_of(rows), UpliftOptions(), seed=0) is None
    (note,) = judge_uplift(rows, contract_of(rows), UpliftOptions(), seed=0).notes
    assert note.startswith("too few contacts")
    assert "each side needs 500 people and 50 who came back" in note


def test_a_shift_needs_p0_and_the_features(model, strangers):
    with pytest.raises(DataRefused, match="p0"):
        model.shift(strangers.drop("p0"))
    with pytest.raises(DataRefused, match="taste"):
        model.shift(strangers.drop("taste"))


def test_the_shift_brings_back_the_effect_it_was_made_from():
    p0 = np.array([0.02, 0.1, 0.5, 0.9])
    effect, error = np.array([0.01, -0.03, 0.1, 0.02]), np.array([0.005, 0.01, 0.05, 0.02])
    p1, slope = response(np.log(p0 / (1 - p0)), shift := to_shift(p0, effect, error))
    assert p1 - p0 == pytest.approx(effect, abs=1e-5)
    assert slope * shift.sd == pytest.approx(error, rel=0.2)


def test_an_effect_beyond_belief_is_cut_and_doubt_has_an_end():
    shift = to_shift(np.array([0.02, 0.5]), np.array([-0.5, 0.0]), np.array([0.0, 9.0]))
    assert shift.mu[0] == pytest.approx(-2)
    assert shift.sd.tolist() == [0.0, 1.5]
    assert not shift.is_harmful(0.2)[1]


def test_doubly_robust_scores_are_right_on_the_mean_whatever_the_outcome_models_say():
    rng = np.random.default_rng(6)
    rows = contacts(40_000, lambda t: np.full(len(t["p0"]), 0.05), seed=6, contacted=0.8)
    trial = Trial.of(rows, "returned", contract_of(known(rows)), folds=3, seed=0)
    nonsense = rng.random((2, 40_000)) / 5
    assert scores(trial, trial.sample.label, *nonsense).mean() == pytest.approx(0.05, abs=0.012)


def test_trust_finds_level_and_slope_and_covers_the_truth():
    rng, inside = np.random.default_rng(7), []
    for _ in range(200):
        said = rng.normal(0.02, 0.03, 2000)
        truth = 0.01 + 0.5 * said
        trust = fit_trust(said, truth + rng.normal(0, 0.5, 2000), np.ones(2000), np.arange(2000))
        mean, error = trust.apply(said)
        inside.append(np.mean(np.abs(mean - truth) < 1.645 * error))
    assert 0.86 < np.mean(inside) < 0.98


def test_groups_off_the_line_by_more_than_chance_are_doubt():
    rng = np.random.default_rng(8)
    said = rng.normal(size=20_000)
    bent, straight = (
        fit_trust(said, truth + rng.normal(0, 0.2, 20_000), np.ones(20_000), np.arange(20_000))
        for truth in (np.abs(said), said)
    )
    assert bent.between > 0.3
    assert straight.between < 0.02


def test_every_learner_has_an_opinion_of_its_own():
    rows = known(contacts(1500, strong, seed=4))
    trial = Trial.of(ordered(rows), "returned", contract_of(rows), folds=2, seed=0)
    effects = fit_effects(trial, "binary:logistic", seed=0)
    said = [effects.predict(trial.sample.matrix, one) for one in Learner]
    assert np.mean(said[:4], axis=0) == pytest.approx(said[4])
    assert all(np.abs(one - other).max() > 0 for one in said for other in said if one is not other)
    assert effects.only(Learner.DR).trees.keys() == {"score"}


def test_evidence_changes_by_itself_from_assumed_to_pooled(strangers):
    few, many = (known(contacts(people, nothing, seed=9)) for people in (30, 4000))
    for rows, evidence in ((few, Evidence.ASSUMED), (many, Evidence.POOLED)):
        options = UpliftOptions(folds=3, least_in_arm=50_000)
        learned = learn(rows, [MAIL], EffectOptions(), options, seed=0)
        shift, told = learned.shift(strangers, MAIL)
        assert (told, learned.evidence("message")) == (evidence, evidence)
        assert f"evidence {evidence}" in learned.notes[0]
    assert (shift.mu < assumed(strangers["stage"], MAIL, EffectOptions()).mu).all()


def test_evidence_a_is_told_per_offer_and_survives_its_files(strangers):
    rows = known(contacts(6000, strong, seed=11))
    gift = OfferOptions(id="gift")
    learned = learn(rows, [MAIL, gift], EffectOptions(), OPTIONS, seed=0)
    again = Learned.from_files(learned.files())
    assert [again.evidence(offer.id) for offer in (MAIL, gift)] == [Evidence.MEASURED, Evidence.ASSUMED]
    assert again.reads == ("noise", "orders", "p0", "recency", "taste")
    for offer in (MAIL, gift):
        (first, _), (second, _) = learned.shift(strangers, offer), again.shift(strangers, offer)
        assert first.mu.tolist() == second.mu.tolist()
        assert first.sd.tolist() == second.sd.tolist()
    assert (again.pooled, again.assumption, again.notes) == (
        learned.pooled,
        learned.assumption,
        learned.notes,
    )


@pytest.mark.slow
def test_margin_is_learned_beside_and_gives_way_where_it_is_noise(strangers):
    rows = contacts(12_000, strong, seed=13).drop("_effect")
    verdict = judge_uplift(rows, contract_of(rows), OPTIONS, seed=0)
    assert verdict.qini.keys() == {"conversion", "margin"}
    assert verdict.model is not None
    uplift = verdict.model.margin_uplift(strangers)
    assert uplift is not None
    assert np.corrcoef(uplift[0], strangers["_effect"])[0, 1] > 0.6


@pytest.mark.slow
def test_noise_is_seldom_taken_for_an_effect():
    found = 0
    for seed in range(12):
        rows = known(contacts(2500, nothing, seed=100 + seed))
        found += fit_uplift(rows, contract_of(rows), OPTIONS, seed=seed) is not None
    assert found <= 2


def test_the_newest_days_are_learned_from_and_never_part_of_one():
    rows = pl.DataFrame({"as_of": [1] * 5 + [2] * 4 + [3] * 3})
    assert newest(rows, 12).height == 12
    assert sorted(newest(rows, 11)["as_of"].unique()) == [2, 3]
    assert sorted(newest(rows, 7)["as_of"].unique()) == [2, 3]
    assert sorted(newest(rows, 6)["as_of"].unique()) == [3]
    assert sorted(newest(rows, 2)["as_of"].unique()) == [3]
