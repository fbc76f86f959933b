"""Importance over snapshots: written out by hand, and laws."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.stability import agreement, stability


def shares(**snapshots):
    rows = [(name, day, share) for day, found in snapshots.items() for name, share in found.items()]
    return pl.DataFrame(
        rows, schema={"feature": pl.String, "snapshot": pl.String, "gain_share": pl.Float64}, orient="row"
    )


def test_each_feature_has_its_mean_and_its_range_and_absent_counts_as_nothing():
    found = stability(shares(may={"a": 0.5, "b": 0.5}, june={"a": 1.0}))
    assert found.to_dicts() == [
        {"feature": "a", "mean_share": 0.75, "spread": 0.25, "lowest": 0.5, "highest": 1.0, "used_in": 2},
        {"feature": "b", "mean_share": 0.25, "spread": 0.25, "lowest": 0.0, "highest": 0.5, "used_in": 1},
    ]


@pytest.mark.parametrize(
    ("snapshots", "expected"),
    [
        ({"may": {"a": 3, "b": 2, "c": 1}, "june": {"a": 30, "b": 20, "c": 10}}, 1.0),
        ({"may": {"a": 3, "b": 2, "c": 1}, "june": {"a": 1, "b": 2, "c": 3}}, -1.0),
        ({"may": {"a": 3, "b": 2, "c": 1}, "june": {"a": 3, "b": 1, "c": 2}}, 0.5),
    ],
)
def test_agreement_is_the_rank_correlation(snapshots, expected):
    assert agreement(shares(**snapshots)) == pytest.approx(expected)


@pytest.mark.parametrize(
    "snapshots", [{}, {"may": {"a": 1.0, "b": 2.0}}, {"may": {"a": 1.0}, "june": {"a": 2.0}}]
)
def test_one_snapshot_or_one_feature_cannot_agree(snapshots):
    assert agreement(shares(**snapshots)) is None


def test_no_snapshot_no_rows():
    assert stability(shares()).is_empty()


@given(
    st.dictionaries(
        st.sampled_from("xyz"),
        st.dictionaries(st.sampled_from("abcd"), st.floats(0.01, 1), min_size=1),
        min_size=1,
    ),
    st.randoms(),
)
def test_the_order_of_rows_plays_no_part(snapshots, random):
    frame = shares(**snapshots)
    shuffled = frame[random.sample(range(len(frame)), len(frame))]
    assert_frame_equal(stability(frame), stability(shuffled), check_exact=True)
    assert agreement(frame) == agreement(shuffled)
