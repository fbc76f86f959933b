"""Under which terms the pipeline works in the worlds: the product's defaults but for what a shop must say."""

from dataclasses import replace

from features.options import StageOptions
from models.appraisal import Rules
from models.fitting import Recipe
from models.options import (
    ConsentOptions,
    ContactOptions,
    EffectOptions,
    ListOptions,
    OfferOptions,
    TrainOptions,
    UpliftOptions,
    ValueOptions,
    XgbOptions,
)
from tests.proof.worlds import CONTACT_COST, MARGIN_RATE, OFFER_COST

STAGES = StageOptions()
# Half a year of later margin counts, as long as the worlds go on after the last list.
VALUE = ValueOptions(horizon_months=6, margin_rate=MARGIN_RATE)
# Fits are many and must be fast: a few past days, a sample of rows, few and large steps, one thread; else the
# defaults.
RECIPE = Recipe(
    xgb=XgbOptions(threads=1, max_bin=64, learning_rate=0.2, rounds=100, early_stopping=8),
    train=TrainOptions(snapshots=9, max_rows=12_000),
    value=VALUE,
    seed=42,
)
# As few folds as may be and a quarter of the contacts, for speed; else the defaults. On development seeds who
# answers could not be told from noise with all contacts either.
UPLIFT = UpliftOptions(folds=3, most_contacts=5_000)
# One feature, or two, for each of: recency, frequency, money, rhythm, attrition, and the three traits.
FEATURES = (
    "days_since_last_purchase",
    "tenure_days",
    "orders",
    "orders_90d",
    "orders_365d",
    "margin_365d",
    "order_value_mean",
    "expected_order_amount",
    "gap_days_mean",
    "gap_days_median",
    "last_gap_ratio",
    "silence_rank",
    "usual_gap_days",
    "overdue_ratio",
    "p_alive",
    "p_no_purchase_30d",
    "expected_purchases_30d",
    "acquisition_channel",
    "first_order_discount_share",
    "units_per_order",
)
_UNIT = 100
RULES = Rules(
    offers=(OfferOptions(id="voucher", kind="points", cost=OFFER_COST / _UNIT, channel="sms"),),
    effect=EffectOptions(),
    contact=ContactOptions(cost={"sms": CONTACT_COST / _UNIT}),
    consent=ConsentOptions(basis="assumed"),
    list=ListOptions(salt="proof"),
    currency="EUR",
    value_months=VALUE.horizon_months,
)
# The pipeline learns every four weeks, first when the window of its first list is over. Before its first
# list it learns from history alone.
REFITS = (0, 5, 9, 13, 17, 21, 25)


def rules(budget: float, salt: str) -> Rules:
    """The rules at a weekly budget in minor units."""
    return replace(RULES, list=RULES.list.model_copy(update={"budget": budget / _UNIT, "salt": salt}))
