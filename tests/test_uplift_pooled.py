"""Evidence B: cells shrink to their offer, the offer to what is assumed, and the intervals hold."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import nchypergeom_fisher

from features.contracts import Stage
from features.errors import DataRefused
from models.effects import assumed
from models.options import AssumedEffect, EffectOptions, OfferOptions
from models.tiers import Tier
from models.uplift import Pooled, fit_pooled
from models.uplift.odds import Strata, stratified

MAIL = OfferOptions(id="message")
EFFECT = EffectOptions()
STAGES, TIERS = ("at_risk", "lapsed", "new"), ("gold", "silver", "bronze")
LAPSED = pl.DataFrame({"stage": ["lapsed"], "value_tier": ["gold"]})
BASE = {"gold": 0.2, "silver": 0.1, "bronze": 0.05}


def cells(shifts: dict[tuple[str, str], float], people: int, rng, contacted: float = 0.9) -> pl.DataFrame:
    """So many people in each cell, whose log-odds move by its shift when contacted."""
    parts = []
    for (stage, tier), shift in shifts.items():
        treated = rng.random(people) < contacted
        chance = 1 / (1 + np.exp(-(np.log(BASE[tier] / (1 - BASE[tier])) + shift * treated)))
        returned = rng.random(people) < chance
        told = {"stage": stage, "value_tier": tier, "treated": treated, "returned": returned}
        parts.append(pl.DataFrame(told))
    chance = pl.when("treated").then(contacted).otherwise(1 - contacted)
    number = pl.int_range(pl.len()).cast(pl.String)
    return pl.concat(parts).with_columns(
        customer_id=number, offer_id=pl.lit("message"), assignment_probability=chance
    )


def everywhere(shift: float) -> dict[tuple[str, str], float]:
    return {(stage, tier): shift for stage in STAGES for tier in TIERS}


@pytest.mark.parametrize("shift", [-0.7, 0.0, 0.5])
def test_slope_and_curvature_are_those_of_the_noncentral_hypergeometric(shift: float):
    counts = [(90.0, 10.0, 12.0, 9.0), (30.0, 30.0, 7.0, 5.0), (400.0, 50.0, 60.0, 55.0)]
    slope, curvature = Strata(*np.array(counts).T).at(shift)
    for place, (n1, n0, r, a) in enumerate(counts):
        exact = nchypergeom_fisher(int(n1 + n0), int(n1), int(r), np.exp(shift))
        assert slope[place] == pytest.approx(a - exact.mean(), abs=0.06)
        assert curvature[place] == pytest.approx(exact.var(), rel=0.06)


def test_without_a_shift_both_are_exact():
    slope, curvature = Strata(*(np.array([n]) for n in (90.0, 10.0, 12.0, 9.0))).at(0.0)
    exact = nchypergeom_fisher(100, 90, 12, 1.0)
    assert (slope[0], curvature[0]) == pytest.approx((9 - exact.mean(), exact.var()))


def test_strata_hold_people_whom_one_draw_treated_alike():
    row = {"customer_id": "a", "offer_id": "message", "stage": "new", "value_tier": "gold"}
    one = {**row, "treated": True, "returned": True, "assignment_probability": 0.9}
    held = {**row, "treated": False, "returned": False, "assignment_probability": 0.1}
    other = {**held, "assignment_probability": 0.5}
    rows = pl.DataFrame([one, held, other])
    found = stratified(rows)
    assert found.select("contacted", "held", "returned", "among").rows() == [(1, 1, 1, 1)]
    assert stratified(rows.with_columns(list_id=pl.Series(["x", "y", "y"]))).is_empty()


def drawn(sizes: dict[str, int], held: tuple[str, ...] = (), **more: str) -> pl.DataFrame:
    """So many people of each stratum at a tenth held out: one of each of those named. Half return."""
    told = {"offer_id": "message", "stage": "new", "value_tier": "gold", **more}
    rows = [
        {**told, "stratum": name, "treated": bool(place) or name not in held, "returned": place % 2 == 0}
        for name, size in sizes.items()
        for place in range(size)
    ]
    chance = pl.when("treated").then(0.9).otherwise(0.1)
    return pl.DataFrame(rows).with_columns(assignment_probability=chance)


def people_of(rows: pl.DataFrame) -> dict[str, int]:
    return dict(stratified(rows).select("stratum", pl.col("contacted") + pl.col("held")).iter_rows())


def test_thin_strata_of_one_draw_are_counted_with_their_neighbours():
    sizes = {"a": 12, "b": 8, "c": 20, "d": 21, "e": 5}
    assert people_of(drawn(sizes, tuple(sizes))) == {"a": 20, "c": 20, "d": 26}
    lists = [drawn({"a": 12, "b": 8}, ("a",), list_id=name) for name in ("x", "y")]
    assert stratified(pl.concat(lists)).select("list_id", "held").rows() == [("x", 1), ("y", 1)]
    unnamed = drawn({"a": 30, "b": 30}, ("a", "b")).with_columns(list_id=pl.lit(None, pl.String))
    assert people_of(unnamed) == {"a": 30, "b": 30}
    apart = [drawn({name: 12}, (name,), value_tier=tier) for name, tier in (("a", "gold"), ("b", "silver"))]
    assert people_of(pl.concat(apart)) == {"a": 12, "b": 12}


def test_who_was_held_out_does_not_decide_which_strata_are_counted_together():
    sizes = {"a": 20, "b": 20}
    assert people_of(drawn(sizes, ("b",))) == {"b": 20}
    assert people_of(drawn(sizes, ("a", "b"))) == sizes


def test_without_contacts_it_is_what_was_assumed():
    options = EffectOptions(by_stage={"lapsed": AssumedEffect(mu=0.4, sd=0.3)})
    pooled = fit_pooled(cells(everywhere(0), 50, np.random.default_rng(1)).clear(), [MAIL], options)
    stage = pl.Series([str(one) for one in Stage])
    people = pl.DataFrame({"stage": stage, "value_tier": [str(Tier.GOLD)] * len(stage)})
    found = pooled.shift(people, "message")
    expected = assumed(stage, MAIL, options)
    assert (found.mu.tolist(), found.sd.tolist()) == (expected.mu.tolist(), expected.sd.tolist())
    assert not pooled.speaks_for("message")
    assert not pooled.speaks_for("unknown")


def test_a_handful_of_contacts_hardly_moves_it():
    pooled = fit_pooled(cells(everywhere(2.0), 6, np.random.default_rng(2)), [MAIL], EFFECT)
    assert pooled.offers["message"].mean == pytest.approx(0.2, abs=0.05)
    assert pooled.offers["message"].mu["lost|gold"] == pytest.approx(0.2, abs=0.05)
    assert pooled.offers["message"].sd["lost|gold"] == pytest.approx(0.2, abs=0.02)
    assert not pooled.speaks_for("message")


def test_many_contacts_outweigh_the_assumption():
    found = fit_pooled(cells(everywhere(-0.3), 30_000, np.random.default_rng(3)), [MAIL], EFFECT)
    offer = found.offers["message"]
    assert offer.mean == pytest.approx(-0.3, abs=0.06)
    assert offer.mu["lapsed|bronze"] == pytest.approx(-0.3, abs=0.08)
    assert offer.weight > 0.9
    sure = found.shift(LAPSED, "message")
    assert sure.is_harmful(0.2).tolist() == [True]


def test_a_thin_cell_leans_on_its_offer_and_a_full_one_on_itself():
    rng = np.random.default_rng(4)
    shifts = everywhere(0.5)
    thin, full, unseen = ("new", "gold"), ("lapsed", "gold"), ("lost", "gold")
    del shifts[thin]
    rows = cells({**shifts, full: 0.0}, 8000, rng)
    few = cells({thin: -1.0}, 40, rng)
    offer = fit_pooled(pl.concat([rows, few]), [MAIL], EFFECT).offers["message"]
    mu, sd = offer.mu, offer.sd
    assert mu["|".join(full)] < 0.2 < offer.mean - 0.05
    assert mu["|".join(thin)] == pytest.approx(offer.mean, abs=0.12)
    assert mu["|".join(unseen)] == pytest.approx(offer.mean, abs=0.1)
    assert sd["|".join(full)] < sd["|".join(thin)] < sd["|".join(unseen)]


def test_intervals_of_cells_cover_nine_times_in_ten_where_the_assumption_is_right():
    """Truth drawn as the model believes it: offer by Normal(0.2, 0.1^2 * 2), spread by a half-t."""
    rng, inside, means = np.random.default_rng(5), [], []
    for _ in range(150):
        mean, spread = 0.2 + 0.2 / 2**0.5 * rng.normal(), 0.1 * abs(rng.standard_t(4))
        shifts = {cell: mean + spread * rng.normal() for cell in everywhere(0)}
        people = int(rng.choice([100, 500, 2000]))
        offer = fit_pooled(cells(shifts, people, rng), [MAIL], EFFECT).offers["message"]
        inside += [
            abs(offer.mu["|".join(c)] - true) < 1.645 * offer.sd["|".join(c)] for c, true in shifts.items()
        ]
        means.append(abs(offer.mean - np.mean(list(shifts.values()))) < 1.645 * offer.mean_sd)
    assert 0.87 < np.mean(inside) < 0.94
    assert 0.83 < np.mean(means) < 0.97


def test_arms_of_very_different_size_do_not_bias_it():
    rng = np.random.default_rng(6)
    wide = EffectOptions(assumed=AssumedEffect(mu=0.0, sd=5.0))
    found = [
        fit_pooled(cells(everywhere(0.5), 400, rng, contacted=0.95), [MAIL], wide).offers["message"].mean
        for _ in range(60)
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=0.08)


def test_offers_do_not_learn_from_each_other_and_a_doubtless_config_is_kept():
    rows = cells(everywhere(0.8), 3000, np.random.default_rng(7))
    other, fixed = OfferOptions(id="gift"), OfferOptions(id="message", effect=AssumedEffect(mu=0.1, sd=0))
    pooled = fit_pooled(rows, [other, fixed], EFFECT)
    assert set(pooled.offers["gift"].mu.values()) == {0.2}
    assert set(pooled.offers["message"].mu.values()) == {0.1}


def test_contacts_of_one_cell_weigh_all_that_they_know():
    offer = fit_pooled(cells({("lapsed", "gold"): 0.6}, 20_000, np.random.default_rng(10)), [MAIL], EFFECT)
    one = offer.offers["message"]
    assert (one.mean, one.mean_sd) == pytest.approx((one.mu["lapsed|gold"], one.sd["lapsed|gold"]))
    assert one.weight > 0.9


def test_it_survives_json_and_the_order_of_the_rows():
    rows = cells(everywhere(0.3), 300, np.random.default_rng(8))
    pooled = fit_pooled(rows, [MAIL], EFFECT)
    assert Pooled.from_json(pooled.to_json()) == pooled
    assert fit_pooled(rows.sample(fraction=1, shuffle=True, seed=1), [MAIL], EFFECT) == pooled


def test_contacts_that_no_draw_could_have_placed_otherwise_are_refused():
    rows = cells(everywhere(0.3), 5, np.random.default_rng(9))
    with pytest.raises(DataRefused, match="45 contacts of 45"):
        fit_pooled(rows.with_columns(assignment_probability=1.0), [MAIL], EFFECT)
    with pytest.raises(DataRefused, match="treated"):
        fit_pooled(rows.drop("treated"), [MAIL], EFFECT)


def test_how_many_held_out_are_missing_is_what_it_takes():
    rng = np.random.default_rng(5)
    few = cells(everywhere(0.2), 15, rng, contacted=0.8)
    known = fit_pooled(few, [MAIL], EFFECT)
    missing = known.offers["message"].held_missing
    assert not known.speaks_for("message")
    assert missing is not None
    assert missing > 0
    held = known.offers["message"].held
    times = -(-(held + missing) // held)
    many = pl.concat([few.with_columns(list_id=pl.lit(str(place))) for place in range(times)])
    assert fit_pooled(many, [MAIL], EFFECT).speaks_for("message")
    assert not fit_pooled(many.filter(pl.col("list_id").cast(int) < times - 1), [MAIL], EFFECT).speaks_for(
        "message"
    )
    enough = fit_pooled(cells(everywhere(0.2), 500, rng), [MAIL], EFFECT).offers["message"]
    assert enough.held_missing == 0


def test_contacts_that_surprise_weigh_as_much_as_those_that_do_not():
    def told(treated: int, control: int) -> pl.DataFrame:
        arms = [(True, place < treated) for place in range(200)]
        arms += [(False, place < control) for place in range(200)]
        rows = {"customer_id": [str(place) for place in range(400)], "treated": [one for one, _ in arms]}
        return pl.DataFrame({**rows, "returned": [came for _, came in arms]}).with_columns(
            offer_id=pl.lit("message"),
            stage=pl.lit("lapsed"),
            value_tier=pl.lit("gold"),
            assignment_probability=pl.lit(0.5),
        )

    usual, harmful = (fit_pooled(told(*came), [MAIL], EFFECT) for came in ((22, 18), (10, 30)))
    assert usual.speaks_for("message")
    assert harmful.speaks_for("message")
    assert harmful.shift(LAPSED, "message").mu[0] < 0 < usual.shift(LAPSED, "message").mu[0]
