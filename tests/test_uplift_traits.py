"""Evidence B by person: slopes are found where people differ, vanish where not, and their doubt is right."""

import numpy as np
import polars as pl
import pytest

from models.log_odds import expit, logit
from models.options import AssumedEffect, EffectOptions, OfferOptions, UpliftOptions
from models.uplift import Learned, Pooled, fit_pooled, learn
from models.uplift.traits import Scale

MAIL = OfferOptions(id="message")
TRAITS = ("p0", "orders", "acquisition_channel")
EFFECT = EffectOptions(traits=TRAITS)
CHANNELS = ("search", "friend", "shop")
STAGES = ("at_risk", "lapsed")


def people(count: int, rng: np.random.Generator) -> pl.DataFrame:
    """Customers with traits that have nothing to do with each other."""
    return pl.DataFrame(
        {
            "customer_id": [f"{place:06}" for place in range(count)],
            "stage": rng.choice(STAGES, count),
            "value_tier": rng.choice(["gold", "bronze"], count),
            "p0": expit(-1 + rng.normal(size=count)),
            "orders": np.exp(rng.normal(1, 0.8, count)),
            "acquisition_channel": rng.choice(CHANNELS, count),
        }
    )


def taste(who: pl.DataFrame) -> np.ndarray:
    """How many orders they have, in spreads."""
    return (np.log1p(who["orders"].to_numpy()) - 1.35) / 0.58


def contacts(who: pl.DataFrame, shift, rng, chance: float | np.ndarray = 0.5) -> pl.DataFrame:
    """What became of them, half of them contacted unless said otherwise; drawn in bands of p0."""
    treated = rng.random(who.height) < chance
    returned = rng.random(who.height) < expit(logit(who["p0"].to_numpy()) + shift * treated)
    drawn = np.where(treated, chance, 1 - np.asarray(chance))
    return who.with_columns(
        offer_id=pl.lit("message"),
        treated=pl.Series(treated),
        returned=pl.Series(returned),
        assignment_probability=pl.Series(drawn),
        stratum=(pl.col("p0") * 10).floor().cast(pl.String),
    )


def test_who_answers_more_is_found():
    rng = np.random.default_rng(1)
    who = people(20_000, rng)
    truth = 0.2 + 0.25 * taste(who) + 0.2 * (who["acquisition_channel"] == "friend").to_numpy()
    pooled = fit_pooled(contacts(who, truth, rng), [MAIL], EFFECT)
    slopes = pooled.offers["message"].slopes
    assert slopes is not None
    assert slopes.sentence.endswith("people with a higher orders answer more")
    friends = fit_pooled(
        contacts(who, 0.8 * (who["acquisition_channel"] == "friend").to_numpy(), rng), [MAIL], EFFECT
    )
    assert friends.offers["message"].slopes.sentence.endswith("with acquisition_channel friend answer more")
    new = people(2000, rng)
    found = pooled.shift(new, "message")
    truth = 0.2 + 0.25 * taste(new) + 0.2 * (new["acquisition_channel"] == "friend").to_numpy()
    assert np.corrcoef(found.mu, truth)[0, 1] > 0.9
    assert np.std(found.mu - truth) < 0.4 * truth.std()
    assert pooled.reads == ("acquisition_channel", "orders", "p0")


def test_where_nobody_differs_all_are_nearly_alike():
    rng = np.random.default_rng(2)
    differing, sentences = [], []
    for _ in range(10):
        who = people(8000, rng)
        pooled = fit_pooled(contacts(who, 0.2, rng), [MAIL], EFFECT)
        differing.append(pooled.shift(who, "message").mu.std())
        sentences.append(pooled.offers["message"].slopes.sentence)
    assert np.mean(differing) < 0.05
    assert sum("nobody is seen to answer more" in one for one in sentences) >= 9


def test_intervals_of_people_cover_nine_times_in_ten_where_the_belief_is_right():
    """Truth drawn as the model believes it: offer, cells and slopes, the spreads of both by a half-t."""
    rng, inside = np.random.default_rng(3), []
    for _ in range(400):
        who = people(int(rng.choice([1000, 4000])), rng)
        scale = Scale.of(who, TRAITS)
        spread, apart = 0.1 / 2**0.5 * np.abs(rng.standard_t(4, 2))
        own = scale.of_people(who) @ rng.normal(0, spread / 3**0.5, len(scale.labels))
        cell = 2 * (who["stage"] == "lapsed").to_numpy() + (who["value_tier"] == "gold").to_numpy()
        truth = 0.2 + 0.2 / 2**0.5 * rng.normal() + apart * rng.normal(size=4)[cell] + own
        found = fit_pooled(contacts(who, truth, rng), [MAIL], EFFECT).shift(who, "message")
        inside.append(np.mean(np.abs(found.mu - truth) < 1.645 * found.sd))
    assert 0.87 < np.mean(inside) < 0.93


def test_a_draw_that_hangs_on_a_trait_and_a_wrong_expectation_make_no_effect():
    rng, found = np.random.default_rng(4), []
    for _ in range(30):
        who = people(4000, rng)
        chance = np.where(who["orders"].to_numpy() > 3, 0.8, 0.2)
        blind = contacts(who, 0.0, rng, chance).drop("p0")
        slopes = fit_pooled(blind, [MAIL], EFFECT).offers["message"].slopes
        found.append(slopes.mean[slopes.scale.labels.index("orders")])
    assert abs(np.mean(found)) < 2 * np.std(found) / len(found) ** 0.5
    assert np.std(found) < 0.06


def test_what_is_unknown_of_a_person_leaves_them_at_the_shift_of_their_cell():
    """Also where the trait hangs on the cell: gold people have more orders."""
    rng = np.random.default_rng(5)
    who = people(8000, rng).with_columns(pl.col("orders") * pl.when(value_tier="gold").then(5.0).otherwise(1))
    pooled = fit_pooled(contacts(who, 0.2 + 0.4 * taste(who), rng), [MAIL], EffectOptions(traits=("orders",)))
    offer, one = pooled.offers["message"], who.head(4)
    cells = [offer.mu[f"{stage}|{tier}"] for stage, tier in one.select("stage", "value_tier").iter_rows()]
    for unknown in (one.with_columns(orders=pl.lit(None, pl.Float64)), one.drop("orders")):
        assert pooled.shift(unknown, "message").mu == pytest.approx(cells)
    far = pooled.shift(one.with_columns(orders=1e12), "message").mu
    assert far.tolist() == pooled.shift(one.with_columns(orders=1e9), "message").mu.tolist()


def test_words_and_nobody_can_be_unknown_too():
    rng = np.random.default_rng(15)
    who = people(3000, rng)
    pooled = fit_pooled(contacts(who, 0.3 * taste(who), rng), [MAIL], EFFECT)
    blind = who.drop(TRAITS)
    mu = pooled.offers["message"].mu
    cells = [mu[f"{stage}|{tier}"] for stage, tier in blind.select("stage", "value_tier").iter_rows()]
    assert pooled.shift(blind, "message").mu == pytest.approx(cells)
    assert len(pooled.shift(who.clear(), "message").mu) == 0
    new = who.head(1).with_columns(acquisition_channel=pl.lit("a.b \u00fc|tv"))
    assert np.isfinite(pooled.shift(new, "message").mu).all()


def test_a_rare_word_is_not_believed_to_differ_more_than_a_far_number():
    rng = np.random.default_rng(16)
    who = people(10_000, rng)
    rare = pl.when(pl.int_range(pl.len()) < 10).then(pl.lit("rare")).otherwise("acquisition_channel")
    who = who.with_columns(acquisition_channel=rare)
    found = fit_pooled(contacts(who, 0.2, rng), [MAIL], EFFECT).shift(who, "message")
    assert found.sd[:10].max() < 4 * np.median(found.sd[10:])


@pytest.mark.parametrize(("said", "true"), [(0.02, 0.1), (0.1, 0.4), (0.01, 0.05), (0.9, 0.3), (0.2, 0.8)])
def test_a_p0_that_is_far_off_costs_precision_only(said: float, true: float):
    rng = np.random.default_rng(17)
    who = people(1000, rng).with_columns(p0=pl.Series(np.clip(said * np.exp(rng.normal(0, 0.3, 1000)), 0, 1)))
    rows = contacts(who, 0.0, rng).with_columns(returned=pl.Series(rng.random(1000) < true))
    rows = rows.with_columns(p0=pl.when(pl.int_range(pl.len()) > 2).then("p0"))
    found = fit_pooled(rows, [MAIL], EFFECT).shift(who, "message")
    assert np.abs(found.mu).max() < 1
    assert np.isfinite(found.sd).all()


def test_a_cell_keeps_its_shift_on_average():
    rng = np.random.default_rng(6)
    who = people(5000, rng)
    offer = fit_pooled(rows := contacts(who, 0.3 * taste(who), rng), [MAIL], EFFECT)
    for stage in STAGES:
        cell = rows.filter(pl.col("stage") == stage, pl.col("value_tier") == "gold")
        mean = offer.shift(cell, "message").mu.mean()
        assert mean == pytest.approx(offer.offers["message"].mu[f"{stage}|gold"], abs=0.02)


def test_without_traits_cells_alone_speak():
    rng = np.random.default_rng(7)
    who = people(2000, rng)
    rows = contacts(who, 0.3, rng)
    none = fit_pooled(rows, [MAIL], EffectOptions(traits=()))
    assert none.offers["message"].slopes is None
    assert none.reads == ()
    assert fit_pooled(rows.drop(TRAITS), [MAIL], EFFECT) == none
    same = rows.with_columns(p0=0.3, orders=2.0, acquisition_channel=pl.lit(None, pl.String))
    assert fit_pooled(same, [MAIL], EFFECT) == none


def test_it_survives_files_and_the_order_of_the_rows():
    """To the same shifts: slopes go by place, and a file keeps names in an order of its own."""
    rng = np.random.default_rng(8)
    who = people(800, rng)
    rows = contacts(who, 0.3 * taste(who), rng)
    pooled = fit_pooled(rows, [MAIL], EFFECT)
    assert Pooled.from_json(pooled.to_json()) == pooled
    kept = Learned.from_files(Learned(pooled, {}, EFFECT, ()).files())
    found, again = (one.shift(who, "message") for one in (pooled, kept.pooled))
    assert again.mu.tolist() == found.mu.tolist()
    assert again.sd.tolist() == found.sd.tolist()
    assert fit_pooled(rows.sample(fraction=1, shuffle=True, seed=1), [MAIL], EFFECT) == pooled


def test_a_doubtless_config_is_kept():
    rng = np.random.default_rng(9)
    who = people(2000, rng)
    fixed = OfferOptions(id="message", effect=AssumedEffect(mu=0.1, sd=0))
    found = fit_pooled(contacts(who, taste(who), rng), [fixed], EFFECT).shift(who, "message")
    assert set(found.mu) == {0.1}


def test_by_whom_people_differ_is_told_and_what_is_there_for_it_alone_is_no_feature_of_a_model():
    rng = np.random.default_rng(10)
    rows = contacts(people(400, rng), 0.3, rng)
    asked = EffectOptions(traits=("p0", "orders_90d", "orders"))
    rows = rows.with_columns(orders_90d=pl.col("orders") / 4)
    options = UpliftOptions(folds=3, least_in_arm=50, least_returns=10, features=("orders",))
    learned = learn(rows, [MAIL], asked, options, seed=1)
    assert learned.pooled.offers["message"].slopes.sentence in learned.notes[0]
    assert "orders_90d" in learned.reads
    without = learn(rows.drop("orders_90d"), [MAIL], asked, options, seed=1)
    assert without.qini == learned.qini
    assert learned.qini["message"]


@pytest.mark.parametrize(
    ("names", "said"),
    [(["ordres"], "orders"), (["returned"], "no such feature"), (["orders", "orders"], "given twice")],
)
def test_a_trait_that_is_no_feature_is_refused(names: list[str], said: str):
    with pytest.raises(ValueError, match=said):
        EffectOptions.model_validate({"traits": names})
