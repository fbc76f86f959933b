"""The model reads the columns it was made for, or says what is wrong."""

import json
from datetime import date

import polars as pl
import pytest

from features.errors import DataRefused
from models.matrix import FeatureContract, to_matrix

FRAME = pl.DataFrame(
    {
        "as_of": [date(2024, 1, 1), date(2024, 1, 1), date(2024, 2, 1)],
        "customer_id": ["a", "b", "a"],
        "orders": [1, 2, 3],
        "ratio": [0.5, float("inf"), None],
        "loyal": [True, False, None],
        "channel": ["shop", None, "app"],
        "season": [0.1, 0.1, 0.2],
        "stage": ["new", "active", "active"],
        "last_purchase_on": [date(2024, 1, 1)] * 3,
        "returned": [True, False, True],
        "margin_month_01": [1, 2, 3],
    }
)
CONTRACT = FeatureContract(("loyal", "orders", "ratio"), {"channel": ("app", "shop")}, ("season",))


def test_the_contract_holds_features_and_nothing_else():
    assert FeatureContract.of(FRAME) == CONTRACT


def test_a_season_is_learned_once_the_days_span_more_than_a_year():
    later = FRAME.with_columns(pl.col("as_of").dt.offset_by("-2y"), season=pl.col("season") + 1)
    assert FeatureContract.of(pl.concat([FRAME, later])).ignored == ()


def test_the_contract_survives_json():
    assert FeatureContract.from_json(json.loads(json.dumps(CONTRACT.to_json()))) == CONTRACT


def test_unknown_categories_and_infinite_numbers_become_null():
    frame = FRAME.with_columns(channel=pl.Series(["shop", "fax", None]))
    assert to_matrix(frame, CONTRACT).rows() == [
        (1.0, 1.0, 0.5, "shop"),
        (0.0, 2.0, None, None),
        (None, 3.0, None, None),
    ]


def test_columns_come_in_the_order_of_the_contract():
    assert to_matrix(FRAME.select(reversed(FRAME.columns)), CONTRACT).columns == [*CONTRACT.names]


def test_a_frame_that_does_not_fit_is_refused_with_every_fault():
    frame = FRAME.drop("orders").with_columns(order=1, ratio=pl.lit("high"))
    with pytest.raises(DataRefused) as refused:
        to_matrix(frame, CONTRACT)
    assert str(refused.value) == (
        "The features do not fit the model: 1 missing: orders; 1 unknown to the model: order; "
        "1 of another type: ratio. Did you mean 'order' for 'orders'? Train again, or build the features "
        "with the version that the model was trained with."
    )


def test_features_that_are_newer_than_the_model_are_left_out():
    assert to_matrix(FRAME.with_columns(contacts_received=1), CONTRACT).equals(to_matrix(FRAME, CONTRACT))


def test_a_category_that_nobody_has_a_value_of_is_ignored():
    empty = FRAME.with_columns(channel=pl.lit(None, pl.String))
    contract = FeatureContract.of(empty)
    assert (contract.categories, contract.ignored) == ({}, ("season", "channel"))
    assert to_matrix(FRAME, contract).columns == ["loyal", "orders", "ratio"]
