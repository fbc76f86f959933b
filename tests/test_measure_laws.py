"""What verdicts may never do, whatever the campaign."""

from datetime import date

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from features.asof import AsOf
from models.measurement import Judgement, measured
from models.observed import Trial
from models.soundness import Contamination

BETTER = [Judgement.DID_NOT, Judgement.TOO_SMALL, Judgement.WORKED]
ONE = Trial("list", date(2024, 1, 1), AsOf(date(2024, 1, 2), 30), pl.DataFrame())
campaigns = st.tuples(
    st.integers(0, 10_000),  # seed
    st.integers(60, 400),  # people
    st.sampled_from([0.1, 0.3, 0.5]),  # held out
    st.sampled_from([0.0, 0.1, 0.3]),  # lift
)


def people(seed: int, size: int, share: float, lift: float) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    known = draw.normal(size=size)
    treated = draw.random(size) >= share
    bought = (draw.random(size) < 0.15 + lift * treated).astype(float)
    return pl.DataFrame(
        {
            "enrolment_id": [f"{place:04}" for place in range(size)],
            "stratum": np.where(known > 0, "s1", "s2"),
            "return_rate": bought,
            "net_margin": (bought * np.exp(7 + 0.5 * known + 0.8 * draw.normal(size=size))).round(),
            "treated": treated,
            "control_probability": share,
            "margin_before": np.exp(6 + known),
        }
    )


def profit(frame: pl.DataFrame, contact: float, offer: float = 0.0) -> dict:
    cost = pl.col("treated") * (contact + offer * pl.col("return_rate"))
    whole = frame.with_columns(net_profit=pl.col("net_margin") - cost)
    return measured(ONE, whole, Contamination(), "EUR", seed=7).row(2, named=True)


@settings(max_examples=30, deadline=None)
@given(campaigns, st.floats(0, 3000), st.floats(0, 3000))
def test_a_dearer_contact_takes_its_price_off_the_whole_interval(given_, contact: float, more: float):
    frame = people(*given_)
    one, other = profit(frame, contact), profit(frame, contact + more)
    if one["difference"] is None:
        assert other["difference"] is None
        return
    assert abs(one["difference"] - more / 100 - other["difference"]) < 1e-4
    for end in ("low", "high"):
        assert (one[end] is None) == (other[end] is None)
        assert one[end] is None or abs(one[end] - more / 100 - other[end]) < 1e-3
    assert BETTER.index(one["verdict"]) >= BETTER.index(other["verdict"])


@settings(max_examples=30, deadline=None)
@given(campaigns, st.floats(0, 2000), st.floats(0, 2000), st.floats(0, 2000))
def test_more_cost_never_turns_what_did_not_work_into_what_worked(given_, contact, offer, more):
    frame = people(*given_)
    before = profit(frame, contact, offer)["verdict"]
    after = profit(frame, contact + more, offer + more)["verdict"]
    assert not (before == Judgement.DID_NOT and after == Judgement.WORKED)


@settings(max_examples=15, deadline=None)
@given(campaigns)
def test_the_order_of_strata_names_and_other_people_do_not_reach_a_verdict(given_):
    frame = people(*given_)
    renamed = frame.with_columns(stratum=pl.format("other-{}", "stratum"))
    assert profit(frame, 5.0) == profit(renamed, 5.0)
