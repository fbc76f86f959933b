"""Does a new model take over? The verdict of `models.promotion`, on what was recorded, carried out."""

from datetime import UTC, date, datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows import inputs
from flows.champion import can_defend
from flows.recipe import QUESTION, answers
from flows.settings import Settings
from models.promotion import Comparison, Scores, Verdict, judge
from models.tracking import (
    AGAINST,
    OVERRIDE,
    REASON,
    WITHDRAWN,
    Champion,
    RegisteredModel,
    champion,
    promote,
)


@task(name="promote or refuse", cache_policy=NO_CACHE)
def consider(settings: Settings, made: RegisteredModel) -> Verdict:
    """Put the new model beside the champion, and carry out the verdict.

    Everything is read from what MLflow recorded, so that it can be repeated after a kill.
    """
    store = inputs.store(settings)
    present = champion(store, inputs.workspace(settings).models)
    if present is not None and present.version == made.version:
        why = present.tags.get(OVERRIDE) or present.tags.get(REASON, "It is the champion.")
        return Verdict(promote=True, reason=str(why))
    if WITHDRAWN in made.tags:
        return Verdict(promote=False, reason=f"A person took this model out of use: {made.tags[WITHDRAWN]}")
    verdict = _verdict(settings, made, present)
    promote(store, made.version, verdict, datetime.now(UTC))
    return verdict


def _verdict(settings: Settings, made: RegisteredModel, present: Champion | None) -> Verdict:
    own, tolerance = _scores(dict(made.metrics), dict(made.tags)), settings.train.promote_tolerance
    if present is not None and not answers(present.tags, settings):
        return Verdict(
            promote=False,
            reason=f"Model {present.version} is in use and predicts a {present.tags[QUESTION]}, which is "
            "another question: they are not compared. To put this one in its place: winback promote "
            f"{made.version}.",
        )
    if present is None or not can_defend(present, settings):
        return judge(own, None, tolerance)
    against = made.tags.get(AGAINST)
    if against not in {None, present.version}:
        return Verdict(
            promote=False,
            reason=f"It was compared with model {against}, but model {present.version} is in use since. "
            "Train again to compare with that one: winback train --force.",
        )
    comparison = None if against is None else Comparison.from_metrics(made.metrics)
    before = _scores(dict(present.metrics), dict(present.tags))
    return judge(own, before, tolerance, comparison=comparison, by_hand=OVERRIDE in present.tags)


def _scores(metrics: dict[str, float], tags: dict[str, str]) -> Scores:
    split = "test" if "test.auroc" in metrics else "cv"
    return Scores(
        recipe=tags["recipe.hash"],
        as_of=date.fromisoformat(tags["data.as_of"]),
        tested_on=date.fromisoformat(tags["data.tested_on"]),
        auroc=metrics.get(f"{split}.auroc", float("nan")),
        recency_auroc=metrics.get(f"{split}.recency.auroc", float("nan")),
        ece=metrics.get(f"{split}.ece", float("nan")),
    )
