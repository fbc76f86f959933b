"""The flow of a night: read, check, score, rank, and write the list of people to contact."""

from typing import Any

from prefect import flow

from flows import effects, effects_in_mlflow, inputs, watch
from flows.artifacts import summarise
from flows.building import build_features
from flows.champion import champion_for
from flows.days import name_of_run
from flows.feeds import check_feeds
from flows.ingest import take_in, tidy
from flows.lock import hold
from flows.ranking import rank
from flows.survey import settle
from flows.told_of_nights import told
from flows.train import first_model


@flow(name="winback-nightly", flow_run_name=name_of_run, validate_parameters=False)
def nightly(
    config: str,
    as_of: str | None = None,
    overrides: list[str] | None = None,
    revision: bool = False,  # noqa: FBT001, FBT002 - a parameter of deployments, given by name
) -> dict[str, Any]:
    """Do the whole night; the same night again changes nothing.

    Args:
        config: path of the config file.
        as_of: the last day that is known, YYYY-MM-DD; default the last complete day.
        overrides: `key.path=value`.
        revision: replace a list that was delivered already.
    """
    settings, day = inputs.opened(config, overrides or [], as_of)
    with hold(settings.root, "winback nightly"), inputs.engine(settings):
        arrived = take_in(settings)
        tidy(settings)
        check_feeds(settings, day)
        settled = settle(settings, day)
        settings, day = settled.settings, settled.as_of
        champion = champion_for(settings, day)
        features = build_features(settings, day)
        model = champion or first_model(settled)
        settled.keep()  # a night that was killed after its training may not have come to it
        scored = watch.scored(settings, day, features, model)
        believed = effects.believe(settings, day, features)
        made_of = features, scored.predictions, scored.model, believed
        summary = rank(settings, day, *made_of, revision=revision)
        told_later = [*watch.record(settings), *effects_in_mlflow.record(settings, day)]
        summary["notes"] += [*scored.sentences, *told_later]
    learned = settled.sentences if champion else settled.told(model.said)
    store = inputs.store(settings).label
    return summarise("nightly", told(summary, arrived, learned, believed, settings.currency, store))
