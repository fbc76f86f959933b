"""What the product and the baselines say about a day, learned from what was known at its end."""

import polars as pl

from features.table import FACTS
from flows.settings import Settings
from flows.train import _recipe
from models import baselines, bundle, training
from models.churn import learnable
from tests.accuracy.tables import Judgement

_LABELS = ("returned", "in_gap", "contacted", "weight", "window_margin")
_KEYS = ("as_of", "customer_id")
# What groups are made of, beside the labels.
_KEPT = ("days_since_last_purchase", "orders", "margin_365d")


def judged(one: Judgement, settings: Settings) -> pl.DataFrame:
    """Everybody on the day with `p0`, `expected_margin` and the columns of all baselines."""
    recipe = _recipe(settings)
    model = fit(one, recipe)
    features = one.asked.drop(*_LABELS, pl.selectors.starts_with("margin_month_"))
    said = bundle.predict(model, features).select(*_KEYS, "p0", "expected_margin")
    rows = one.asked.join(said, on=_KEYS, how="left", maintain_order="left", validate="1:1")
    past = learnable(one.past)
    rows = baselines.fitted(past, rows, one.as_of.horizon_days, recipe.seed)
    said_by_others = [name for name in rows.columns if "." in name]
    facts = [name for name in FACTS if name in rows.columns]
    return rows.select(*_KEYS, *_LABELS, *_KEPT, *facts, "p0", "expected_margin", *said_by_others)


def fit(one: Judgement, recipe: training.Recipe) -> bundle.Bundle:
    """The model that a training on the day would keep."""
    alone = getattr(training, "fit", None)
    if alone is None:
        return training.train(one.past, one.as_of, recipe).bundle
    kept: bundle.Bundle = alone(one.past, one.as_of, recipe)
    return kept
