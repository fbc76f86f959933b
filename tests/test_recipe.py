"""What a config asks of a training: what a contact is assumed to cost when rankings are compared."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from training_world import AS_OF, training_frame

from flows.recipe import assumed_response
from flows.settings import Settings
from models.fitting import Recipe
from models.metrics import Response
from models.options import TrainOptions, ValueOptions, XgbOptions
from models.profit import priced
from models.training import train

COLUMNS = {"customer_id": "who", "ordered_at": "when", "net_amount": "paid"}
PEOPLE = pl.DataFrame(
    {"expected_order_amount": [2000.0, None, 4000.0], "order_value_mean": [9.0, 6000.0, 9.0]}
)


def response_to(root: Path, **offer: Any) -> Response:
    content = {
        "workspace": str(root),
        "sources": {"transactions": {"path": "orders.csv", "columns": COLUMNS}},
        "consent": {"basis": "assumed"},
        "offers": [{"id": "first", **offer}, {"id": "second", "cost": 99}],
    }
    return assumed_response(Settings.model_validate(content))


def test_an_offer_costs_what_those_who_redeem_it_are_paid(tmp_path: Path):
    assert response_to(tmp_path, cost=5.0, redeem_share=0.4) == Response(offer_cost=200.0, contact_cost=5.0)
    assert response_to(tmp_path, cost=5.0).offer_cost == 500.0


def test_a_share_of_the_order_is_no_gift(tmp_path: Path):
    asked = response_to(tmp_path, cost=1.0, cost_rate=0.1, redeem_share=0.5)
    assert priced(asked, PEOPLE) == Response(offer_cost=50.0 + 0.05 * 4000.0, contact_cost=5.0)
    assert priced(priced(asked, PEOPLE), PEOPLE) == priced(asked, PEOPLE)
    assert priced(asked, PEOPLE.select(other=1)).offer_cost == 50.0


def test_rankings_are_compared_by_an_offer_at_its_price():
    frame = training_frame(people=300).with_columns(expected_order_amount=pl.lit(5000.0))
    recipe = Recipe(
        XgbOptions(rounds=5, early_stopping=5, learning_rate=0.3),
        TrainOptions(folds=2),
        ValueOptions(),
        seed=7,
    )
    free, fixed, rated = (
        train(frame, AS_OF, replace(recipe, response=one))
        for one in (Response(), Response(offer_cost=500.0), Response(offer_rate=0.1))
    )
    assert rated.response == Response(offer_cost=500.0)
    assert rated.metrics == fixed.metrics
    name = "test.profit_at_10pct"
    assert free.metrics[name] > fixed.metrics[name]
