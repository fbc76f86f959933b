"""What the product and the baselines say about a day, learned from what was known at its end."""

import polars as pl

from features.table import FACTS
from flows.recipe import recipe
from flows.settings import Settings
from models import baselines, bundle
from models.fitting import fit
from models.lesson import learnable
from models.splits import customer_fold
from tests.accuracy.tables import Judgement

_LABELS = ("returned", "in_gap", "contacted", "weight", "window_margin")
_KEYS = ("as_of", "customer_id")
# What groups are made of, beside the labels.
_KEPT = ("days_since_last_purchase", "orders", "margin_365d")


def judged(one: Judgement, settings: Settings) -> pl.DataFrame:
    """Everybody on the day with `p0`, `expected_margin` and the columns of all baselines."""
    asked = recipe(settings)
    past = learnable(one.past)
    taught = past.with_columns(customer_fold("customer_id", asked.train.folds, asked.seed))
    model = fit(taught, one.as_of, asked).bundle
    features = one.asked.drop(*_LABELS, pl.selectors.starts_with("margin_month_"))
    said = bundle.predict(model, features).select(*_KEYS, "p0", "expected_margin")
    rows = one.asked.join(said, on=_KEYS, how="left", maintain_order="left", validate="1:1")
    rows = baselines.fitted(past, rows, one.as_of.horizon_days, asked.seed)
    said_by_others = [name for name in rows.columns if "." in name]
    facts = [name for name in FACTS if name in rows.columns]
    return rows.select(*_KEYS, *_LABELS, *_KEPT, *facts, "p0", "expected_margin", *said_by_others)
