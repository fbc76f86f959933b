"""Which settings the model and the decision take: training, value, effects, offers, the list, consent."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from features.contracts import Stage
from features.options import Days, Number, Options, Share, no_flag
from models.promotion import MAX_AGE_DAYS

# Amounts and numbers of people beyond these are slips of the pen; their sums would no longer be exact.
_MOST_COST, _MOST_BUDGET, _MOST_PEOPLE = 1e9, 1e12, 10**9
Places = Annotated[int, BeforeValidator(no_flag), Field(ge=0, le=_MOST_PEOPLE)]
# A shift of the log-odds by 10 makes 1 in 1,000 into 22 in 23.
_FARTHEST = 10


class XgbOptions(Options):
    """XGBoost's own parameters, passed through."""

    device: Literal["cpu", "cuda"] = Field(default="cpu", description="where training runs")
    max_depth: int = Field(default=4, ge=1, le=16)
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    min_child_weight: float = Field(
        default=100, ge=0, description="least weight of a leaf; at most a hundredth of the rows"
    )
    subsample: float = Field(default=0.8, gt=0, le=1)
    colsample_bytree: float = Field(default=0.25, gt=0, le=1)
    reg_lambda: float = Field(default=5, ge=0)
    max_bin: int = Field(default=256, ge=2)
    rounds: int = Field(default=400, ge=1, description="most boosting rounds; cross-validation picks fewer")
    early_stopping: int = Field(default=30, ge=1, description="rounds without gain that end a fold")
    threads: int = Field(default=0, ge=0, description="0 uses all cores")


class TrainOptions(Options):
    """How the model is fitted and judged."""

    snapshots: int = Field(default=24, ge=1, le=120, description="most monthly snapshots to learn from")
    max_rows: int = Field(
        default=2_000_000, ge=1000, description="most rows to learn from; beyond, a fixed sample of customers"
    )
    half_life_days: float | None = Field(
        default=None, gt=0, description="age in days at which a snapshot counts half; null counts all alike"
    )
    folds: int = Field(default=4, ge=2, le=20, description="customer folds of the cross-validation")
    tests: int = Field(
        default=3,
        ge=1,
        le=24,
        description="newest complete snapshots that judge the recipe, each by its own fit",
    )
    min_positives: int = Field(default=50, ge=1, description="returned customers a snapshot set needs")
    even_if_unfit: bool = Field(
        default=False, description="train although the diagnosis says that the shop does not fit"
    )
    promote_tolerance: float = Field(
        default=0.005, ge=0, description="AUROC the same recipe on newer data may lose and still be promoted"
    )


class SearchOptions(Options):
    """Search for the parameters of the trees; off unless there are trials."""

    trials: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="sets of parameters to try at each training; 0 does not search",
    )


class ValueOptions(Options):
    """What winning a purchase is worth."""

    horizon_months: int = Field(default=12, ge=1, le=60, description="months of margin that count")
    margin_rate: float | Mapping[str, float] = Field(
        default=0.3,
        description="net margin as a share of net_amount where cost is unknown; one number, or one "
        "per category "
        "with 'default'",
    )
    discount_rate: float = Field(default=0.1, ge=0, description="yearly rate that discounts later margin")

    @field_validator("margin_rate", mode="before")
    @classmethod
    def _no_flag_inside(cls, rates: object) -> object:
        for rate in rates.values() if isinstance(rates, Mapping) else ():
            no_flag(rate)
        return rates

    @field_validator("discount_rate")
    @classmethod
    def _is_a_share(cls, rate: float) -> float:
        if rate > 1:
            raise ValueError("discount_rate is a yearly share from 0 to 1; write 0.1 for 10 %")
        return rate

    @model_validator(mode="after")
    def _has_default(self) -> "ValueOptions":
        if isinstance(self.margin_rate, Mapping) and "default" not in self.margin_rate:
            raise ValueError("margin_rate by category needs an entry 'default'")
        rates = self.margin_rate.values() if isinstance(self.margin_rate, Mapping) else (self.margin_rate,)
        if not all(-1 <= rate <= 1 for rate in rates):
            raise ValueError("margin_rate is a share of net_amount from -1 to 1; write 0.3 for 30 %")
        return self


class AssumedEffect(Options):
    """Evidence C: a shift on the log-odds of buying, when contacted. Assumed, never measured."""

    mu: float = Field(default=0.2, ge=-_FARTHEST, le=_FARTHEST, description="mean shift, log-odds")
    sd: float = Field(
        default=0.2, ge=0, le=_FARTHEST, description="standard deviation of our belief, log-odds"
    )


def _features(names: tuple[str, ...], beside: Sequence[str] = ()) -> tuple[str, ...]:
    """The names, when each is given once and is a feature, or one of those that are there beside features."""
    from features.catalogue import CATALOGUE
    from features.contracts import did_you_mean
    from models.matrix import is_feature

    unknown = [
        name
        for name in names
        if name not in beside
        and (not is_feature(name) or not any(feature.matches(name) for feature in CATALOGUE))
    ]
    if unknown:
        known = [*beside, *(feature.name for feature in CATALOGUE if is_feature(feature.name))]
        raise ValueError(
            f"{', '.join(map(repr, unknown))}: no such feature that can be learned from; "
            f"features/FEATURES.md lists them.{did_you_mean(unknown, known)}"
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{', '.join(map(repr, twice))} is given twice")
    return names


# What answers to a message are known to hang on: how likely people buy anyway, recency, frequency, money, age
# as a customer, taste for discounts, the basket, and how they came.
TRAITS = (
    "p0", "days_since_last_purchase", "tenure_days", "orders", "order_value_mean", "discount_share",
    "first_order_discount_share", "units_per_order", "acquisition_channel",
)  # fmt: skip


class EffectOptions(Options):
    """What is assumed about contacts until it is measured."""

    assumed: AssumedEffect = Field(default_factory=AssumedEffect)
    by_stage: Mapping[Stage, AssumedEffect] = Field(default_factory=dict, description="stage: its own effect")
    traits: tuple[str, ...] = Field(
        default=TRAITS,
        description="features by which people may answer a contact differently once own contacts speak "
        "(evidence B), p0 among them; what a shop lacks is left out",
    )
    cautious_percentile: float = Field(
        default=0.2,
        gt=0,
        le=0.5,
        description="percentile of the uncertainty of the expectation that must be above 0; above a half it "
        "would be bold, not cautious",
    )

    @field_validator("traits")
    @classmethod
    def _are_traits(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _features(names, beside=("p0",))


# What these cost lowers what the buyer pays, so that the orders say it already. The others cost beside them.
_PAID_IN_ORDERS = frozenset({"discount"})


class OfferOptions(Options):
    """One thing that can be offered with a contact."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    kind: Literal["message", "points", "discount", "gift", "upgrade", "recovery_call"] = "message"
    cost: float = Field(
        default=0, ge=0, le=_MOST_COST, description="cost when redeemed, units of the reporting currency"
    )
    cost_rate: Share = Field(
        default=0, description="cost when redeemed, share of the first order's net amount"
    )
    redeem_share: Share = Field(default=1, description="share of buyers who use the offer")
    channel: str = Field(default="email", description="a key of contact.cost")
    min_purchase: float = Field(
        default=0,
        ge=0,
        le=_MOST_COST,
        description="least net amount of the order, reporting currency; people whose usual order is smaller "
        "are not made the offer",
    )
    stages: tuple[Stage, ...] = Field(default=(), description="who may be made it; empty is every stage")
    tiers: tuple[Literal["gold", "silver", "bronze"], ...] = Field(
        default=(), description="who may be made it; empty is every value tier"
    )
    causes: tuple[str, ...] = Field(
        default=(),
        description="causes of leaving that it answers: made to these people only, and before any other; "
        "empty is for all",
    )
    stock: int | None = Field(
        default=None, ge=0, le=_MOST_PEOPLE, description="most people it is made to in one list"
    )
    effect: AssumedEffect | None = Field(default=None, description="its own assumed effect")

    @property
    def paid_beside_orders(self) -> float:
        """Share of buyers for whom it costs something that their orders do not say."""
        return 0.0 if self.kind in _PAID_IN_ORDERS else self.redeem_share


class UpliftOptions(Options):
    """When own randomised contacts are enough to learn who answers to an offer (evidence A)."""

    folds: int = Field(default=4, ge=3, le=10, description="customer folds that a model must prove itself in")
    least_in_arm: int = Field(default=500, ge=50, description="people contacted, and held out, that it needs")
    least_returns: int = Field(default=50, ge=10, description="of these, people who came back, in each arm")
    most_contacts: int = Field(
        default=20_000, ge=1000, description="contacts of an offer that it is learned from, the newest ones"
    )
    features: tuple[str, ...] = Field(
        default=(
            "days_since_last_purchase",
            "tenure_days",
            "orders",
            "margin",
            "order_value_mean",
            "order_value_last_ratio",
            "expected_order_amount",
            "gap_days_median",
            "last_gap_ratio",
            "silence_rank",
            "usual_gap_days",
            "overdue_ratio",
            "p_alive",
            "categories",
            "units_per_order",
            "discount_share",
            "discounted_orders_share",
            "first_order_discount_share",
            "cancelled_orders_share",
            "complaints",
            "contacts_received",
            "days_since_last_contact",
            "acquisition_channel",
        ),
        description="what it may read of a person, beside p0, where the shop has it",
    )

    @field_validator("features")
    @classmethod
    def _are_features(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _features(names)


class ContactOptions(Options):
    """What a contact costs."""

    cost: Mapping[str, Annotated[Number, Field(ge=0, le=_MOST_COST)]] = Field(
        default_factory=lambda: {"email": 0.05},
        description="channel: cost of one contact, reporting currency",
    )

    @field_validator("cost")
    @classmethod
    def _have_plain_names(cls, cost: Mapping[str, float]) -> Mapping[str, float]:
        odd = [name for name in cost if not name.isprintable() or name != name.strip() or not name]
        if odd:
            raise ValueError(
                f"{', '.join(map(repr, odd))} is no name of a channel: it is empty, or holds a line break or "
                "another sign that cannot be seen, or begins or ends with a space"
            )
        return cost


class ConsentOptions(Options):
    """On what ground people may be contacted. There is no default for the basis."""

    basis: Literal["column", "assumed", "none"] = Field(
        description="column: the consent columns of customers (null means no); assumed: you hold consent for "
        "all; none: lists are written but never exported to a tool"
    )


class ListOptions(Options):
    """Who goes on the list."""

    budget: float | None = Field(
        default=None, ge=0, le=_MOST_BUDGET, description="most expected cost, reporting currency"
    )
    capacity: int | None = Field(default=None, ge=0, le=_MOST_PEOPLE, description="most people contacted")
    channel_capacity: Mapping[str, Places] = Field(
        default_factory=dict, description="channel: most people contacted on it"
    )
    min_value: float = Field(default=0, description="least value_if_returned, reporting currency")
    top_value_share: Share = Field(default=1, description="only this top share by value_if_returned")
    control_share: Share = Field(default=0.1, description="drawn inside the list and not contacted")
    trial_control_share: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=0.67,
        description="what the budget has left goes to people whose expected profit is above 0 but not surely "
        "so; while the effect of their offer is assumed, or control_share is 0, this share of them is held "
        "out, else control_share; null leaves it unspent",
    )
    trial_share: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="most of the budget that is tried on them once own contacts speak for the offer; while "
        "its effect is assumed, all that is left",
    )
    universal_share: Share = Field(default=0.02, description="stable holdout of everyone, per period")
    universal_period: Literal["year", "quarter"] = Field(default="year")
    explore_share: float = Field(
        default=0.02, ge=0, lt=1, description="contacted below the cut, share of those contacted"
    )
    include_lost: bool = Field(default=False, description="list people silent longer than lost_after_days")
    contact_within_days: Days = Field(default=7, ge=1, description="days after as_of in which to contact")
    acknowledge: Literal["on_write", "by_command"] = Field(
        default="on_write",
        description="on_write: a written list counts as delivered on the day after as_of; "
        "by_command, and with consent.basis none: only after winback acknowledge",
    )
    language: str = Field(
        default="en", description="language of reason_1 to reason_3: a file of configs/reasons"
    )
    salt: str = Field(default="winback", min_length=1, description="salt of the draws; keep it for good")

    @field_validator("language")
    @classmethod
    def _known_language(cls, name: str) -> str:
        from models.reasons.language import languages

        if name not in languages():
            known = ", ".join(languages())
            raise ValueError(f"there are no sentences in the language {name!r}; write one of {known}")
        return name

    @model_validator(mode="after")
    def _shares_leave_room(self) -> "ListOptions":
        if self.control_share + self.universal_share >= 1:
            raise ValueError("control_share and universal_share leave nobody to contact")
        return self


class Limit(Options):
    """How far one thing may move before something is done."""

    limit: float = Field(ge=0, description="beyond this the action is taken")
    action: Literal["none", "warn", "retrain", "stop"] = Field(
        default="warn",
        description="none: nothing; warn: an event and a sentence; retrain: train before scoring; "
        "stop: no list (exit 3)",
    )


class WatchOptions(Options):
    """What is watched night by night, and what is done when it has moved."""

    feature_psi: Limit = Field(
        default=Limit(limit=0.25), description="population stability index of any feature against training"
    )
    score_psi: Limit = Field(default=Limit(limit=0.25), description="the same of any score")
    null_change: Limit = Field(
        default=Limit(limit=0.1), description="change of any feature's share of unknown values"
    )
    rate_gap: Limit = Field(
        default=Limit(limit=0.5),
        description="predicted return rate against the last observed one, relative difference",
    )
    auroc_drop: Limit = Field(
        default=Limit(limit=0.05), description="AUROC promised at training less the one that came true"
    )
    ece: Limit = Field(
        default=Limit(limit=0.05), description="calibration error that came true, above that of chance"
    )
    model_age_days: Limit = Field(
        default=Limit(limit=MAX_AGE_DAYS), description="days since the last day the model has learned from"
    )
    retrain_rest_days: Days = Field(
        default=7, ge=1, description="least days between two trainings that watching asks for"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _keeps_what_is_not_given(cls, value: object, info: ValidationInfo) -> object:
        default = cls.model_fields[str(info.field_name)].default
        if isinstance(default, Limit) and isinstance(value, Mapping):
            return {**default.model_dump(), **value}
        return value


class MlflowOptions(Options):
    """Where runs and models are tracked."""

    tracking_uri: str | None = Field(
        default=None, description="null keeps mlflow.db and mlartifacts/ in the workspace"
    )
