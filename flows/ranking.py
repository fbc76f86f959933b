"""Whom the night contacts: decided, checked, and written whole or not at all."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from features import ledger
from features.asof import AsOf
from features.contracts import TABLES
from features.freshness import list_measures
from features.quality import Gate, refuse
from flows import inputs
from flows.appraising import appraise, rules_of
from flows.champion import Model
from flows.console import step
from flows.effects import Believed
from flows.enrolments import read_manifest
from flows.grounds import grounds, guesses
from flows.lists import refuse_changed, write_list, write_parquet
from flows.scoring import SCORES
from flows.settings import Settings
from flows.told_of_nights import too_late
from flows.workspace import publish_folder
from models.assignment import list_id
from models.decision import Decision, Night, decide
from models.eligibility import Known
from models.nobody import why_nobody
from models.outputs import Manifest, contact_by
from models.persons import persons
from models.power import power_of
from models.redrawn import redrawn

_ROWS_SHOWN = 10


@task(name="rank and write the list", cache_policy=NO_CACHE)
def rank(  # noqa: PLR0917 - what a list is made of, in order
    settings: Settings,
    as_of: AsOf,
    features: Path,
    predictions: Path,
    model: Model,
    believed: Believed,
    *,
    revision: bool,
) -> dict[str, Any]:
    """Decide who is contacted, check it, and write scores and list."""
    places, held = inputs.workspace(settings), inputs.lake(settings)
    rules = rules_of(settings, believed)
    made_of = settings.digest(), model.digest, ledger.version(held.root), believed.digest
    night = Night(as_of.day, list_id(as_of.day, *made_of), model.digest)
    with step("Ranking by expected incremental profit"):
        folder = places.runs / f"appraised/as_of={as_of.day}"
        everyone = appraise(settings, folder, features, predictions, rules, model.digest)
        known = replace(inputs.known_people(settings, as_of), answers=inputs.said(settings, as_of))
        explain = partial(grounds, features, model.bundle)
        guess = partial(guesses, settings, features, model.bundle)
        decision = decide(everyone, known, rules, night, explain, guess)
        scored = pl.read_parquet(folder / "scores").sort("customer_id")
    with step("Checking scores and list"), inputs.gate(settings, f"{as_of.day} list") as gate:
        _check_outputs(settings, gate, as_of, scored, decision)
    with step("Writing scores and list"):
        refuse_changed(places.list(as_of.day), decision, revision=revision)
        with publish_folder(places.scores(as_of.day)) as aside:
            write_parquet(scored, aside / SCORES)
        manifest = _manifest(settings, as_of, decision, model, believed)
        written = write_list(places.list(as_of.day), decision, manifest, revision=revision)
    late = too_late(manifest, written, inputs.today(settings))
    found = (
        why_nobody(decision, rules),
        redrawn_since(settings, as_of, known),
        power_of(decision.winback, decision.holdout),
    )
    return {
        "status": written.status,
        "as_of": as_of.day.isoformat(),
        "counts": {k: decision.counts[k] for k in ("scored", "eligible", "listed", "held_out", "excluded")},
        "metrics": {**decision.totals, **_headline(model.metrics)},
        "paths": {
            "list": str(written.folder / "winback.csv"),
            "scores": str(places.scores(as_of.day) / SCORES),
        },
        "run_ids": {"model_run": model.run_id, "list": decision.list_id},
        "notes": [*decision.notes, *filter(None, found), *late],
        "rows": decision.winback.head(_ROWS_SHOWN).to_dicts(),
    }


def redrawn_since(settings: Settings, as_of: AsOf, known: Known) -> str | None:
    """A sentence when the draws do not agree with those of the workspace's earlier lists."""
    # Not `known.enrolments`: a tool's rows of a list that is not acknowledged yet have names of its own.
    earlier = inputs.own_enrolments(settings, as_of)
    # Naming everybody's person takes a while, and most are called by their only id.
    if redrawn(earlier.with_columns(person_id="customer_id"), settings.list, as_of.day) is None:
        return None
    who = persons(earlier["customer_id"], known.customers, known.identities)
    named = earlier.join(who, on="customer_id", how="left", maintain_order="left")
    return redrawn(named, settings.list, as_of.day)


def _check_outputs(
    settings: Settings, gate: Gate, as_of: AsOf, scored: pl.DataFrame, decision: Decision
) -> None:
    personal = frozenset({"customer_id"})
    frames = {"scores": scored, "winback": decision.winback, "holdout": decision.holdout}
    verdicts = [
        gate.check_table(inputs.suite(settings, name), frame, ("as_of",), personal, label=name)
        for name, frame in frames.items()
    ]
    places = inputs.workspace(settings)
    manifests = [read_manifest(places.list(day)) for day in places.days("lists") if day < as_of.day]
    earlier = [int(one.counts["listed"]) for one in manifests if one is not None]
    growth = settings.quality.max_list_growth
    measures = list_measures(decision.winback.height, earlier, max_growth=growth)
    label = f"list of {as_of.day}"
    refuse([*verdicts, gate.check_measures(inputs.suite(settings, "night"), measures, label=label)])


def _manifest(
    settings: Settings, as_of: AsOf, decision: Decision, model: Model, believed: Believed
) -> Manifest:
    held = inputs.lake(settings)
    basis = settings.consent.basis
    return Manifest(
        list_id=decision.list_id,
        as_of=as_of.day,
        currency=settings.currency,
        config_hash=settings.digest(),
        lake_versions={name: ledger.version(held.root, name) for name in sorted(TABLES) if held.holds(name)},
        model_version=model.digest,
        model_run_id=model.run_id,
        effects=believed.digest,
        evidence=believed.evidence,
        seed=settings.seed,
        consent_basis=basis,
        exportable=basis != "none",
        acknowledge=settings.list.acknowledge,
        gap_days=as_of.gap_days,
        horizon_days=as_of.horizon_days,
        contact_by=contact_by(as_of.day, settings.list.contact_within_days),
        notes=decision.notes,
        counts=dict(decision.counts),
        totals=dict(decision.totals),
        allocation=dict(decision.allocation),
    )


def _headline(metrics: Mapping[str, float]) -> dict[str, float]:
    """What the model was worth on its test day, beside the recency rule."""
    names = ("test.auroc", "test.recency.auroc", "test.ece")
    return {name: round(metrics[name], 4) for name in names if name in metrics}
