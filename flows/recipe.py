"""What does a config ask a model, and with which settings is it learned?"""

from collections.abc import Mapping

from features.errors import ConfigError
from features.money import units
from flows.settings import Settings
from models.fitting import Recipe
from models.metrics import Response
from models.tracking import MODEL

# The tag that says what a model predicts; models of different questions are not compared.
QUESTION = "label.question"
_USUAL_MONTHS = 12


def refuse_other_question(what: str, tags: Mapping[str, str], settings: Settings) -> None:
    """Refuse a model that answers another question than the config asks.

    Args:
        what: how the message names the model.
        tags: of its version.
        settings: the config.

    Raises:
        ConfigError: naming both questions.
    """
    if not answers(tags, settings):
        raise ConfigError(
            f"{what} predicts a {tags[QUESTION]}; the config asks for a {question(settings)}. Set churn "
            "and value back, or train a model for it with this config first (winback train)."
        )


def answers(tags: Mapping[str, str], settings: Settings) -> bool:
    """Whether a model with these tags answers what the config asks."""
    return tags.get(QUESTION, question(settings)) == question(settings)


def question(settings: Settings) -> str:
    """What a model of this config predicts."""
    churn, months = settings.churn, settings.value.horizon_months
    seen = "everything" if churn.lookback_days is None else f"{churn.lookback_days} days"
    return (
        f"purchase within {churn.horizon_days} days after a gap of {churn.gap_days}, from {seen} before, "
        f"and its value over {months} months"
    )


def registered_model(settings: Settings) -> str:
    """The registered model of a config's question: only what answers the same question may replace it.

    Such as `winback-churn-90d`; what is unusual about a question is in the name too.
    """
    churn, months = settings.churn, settings.value.horizon_months
    unusual = {
        "gap": f"{churn.gap_days}d" if churn.gap_days else None,
        "lookback": None if churn.lookback_days is None else f"{churn.lookback_days}d",
        "value": None if months == _USUAL_MONTHS else f"{months}m",
    }
    horizon = [] if churn.horizon_days is None else [f"{churn.horizon_days}d"]
    return "-".join([MODEL, *horizon, *(f"{name}-{length}" for name, length in unusual.items() if length)])


def recipe(settings: Settings) -> Recipe:
    """All settings of a training."""
    return Recipe(
        xgb=settings.xgb,
        train=settings.train,
        value=settings.value,
        seed=settings.seed,
        response=assumed_response(settings),
        search=settings.search,
        capacity=settings.list.capacity,
        stages=settings.stages,
    )


def assumed_response(settings: Settings) -> Response:
    """The response that rankings are compared by; it costs what the first offer costs those who redeem it."""
    offer, in_minor = settings.offers[0], units(settings.currency)
    return Response(
        offer_cost=offer.redeem_share * offer.cost * in_minor,
        offer_rate=offer.redeem_share * offer.cost_rate,
        contact_cost=settings.contact.cost[offer.channel] * in_minor,
        minor_units=in_minor,
    )
