"""The steps of a night, each whole or not at all: check the feeds, build features, score, rank and write."""

from collections.abc import Mapping, Sequence
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
from features.errors import DataRefused
from features.freshness import feed_measures, list_measures, stage_measures
from features.lake import Lake
from features.quality import Gate, Suite, Tally, Verdict, refuse
from features.table import KEYS, each_part
from flows import inputs
from flows.champion import Model
from flows.console import step
from flows.effects import Believed
from flows.enrolments import read_manifest
from flows.lists import refuse_changed, write_list, write_parquet
from flows.settings import Settings
from flows.workspace import publish_folder
from models.appraisal import READ, Appraised, Common, Rules, appraised, figures
from models.assignment import list_id
from models.bundle import Bundle, load_bundle, predict
from models.cause_table import CauseOptions
from models.causes import guessed
from models.decision import Decision, Night, decide
from models.options import OfferOptions
from models.outputs import Manifest, contact_by, scores
from models.power import power_of
from models.profit import PREDICTIONS
from models.reasons import explained_return, facts

SCORES = "scores.parquet"
_ROWS_SHOWN = 10


@task(name="check the feeds", cache_policy=NO_CACHE)
def check_feeds(settings: Settings, as_of: AsOf) -> None:
    """Stop before any list when a feed is late or thin: it would make everybody look lapsed."""
    held = inputs.lake(settings)
    present = [table for table in TABLES.values() if held.holds(table.name)]
    if "transactions" not in {table.name for table in present}:
        raise DataRefused("The lake holds no transactions yet. Run winback ingest, or look at the sources.")
    with step("Checking that every feed has arrived"), inputs.gate(settings, f"{as_of.day} feeds") as gate:
        daily = [
            _rows_per_day(held.scan(table.name), table.name, table.time, settings.timezone)
            if table.time
            else _deliveries_per_day(held, table.name, as_of, settings.timezone)
            for table in present
        ]
        limits = {name: source.max_age_days for name, source in settings.sources.items() if held.holds(name)}
        measures = feed_measures(
            pl.concat(daily),
            as_of.day,
            max_age_days=limits,
            min_day_share=settings.quality.min_day_share,
        )
        refuse([gate.check_measures(inputs.suite(settings, "feeds"), measures, label="feeds")])


@task(name="build features", cache_policy=NO_CACHE)
def build_features(settings: Settings, as_of: AsOf) -> Path:
    """Features of everyone who had bought by the day, a file per part of them; returns the folder."""
    folder = inputs.workspace(settings).features(as_of.day)
    before = _stage_counts(settings, as_of)
    with publish_folder(folder) as aside:
        with step("Building features"), inputs.engine(settings) as engine:
            known, write = inputs.history(settings, as_of), partial(write_part, aside)
            rows = sum(each_part(known, as_of, settings.stages, engine, write))
        if not rows:
            raise DataRefused(
                f"Nobody had bought anything by {as_of.day}, so there is nobody to score. Choose a later "
                "--as-of, or look at what the lake holds: winback status."
            )
        with step("Checking features"), inputs.gate(settings, f"{as_of.day} features") as gate:
            rules = inputs.suite(settings, "features")
            tally, stages = _tallied(settings, rules, aside)
            seen = tally.sample, tally.counts, tally.rows, ("as_of",), frozenset({"customer_id"})
            checked = gate.check_rows(rules, *seen, label="features", failing=tally.failing)
            refuse([checked, *_stage_jump(settings, gate, as_of, stages, before)])
    return folder


@task(name="score", cache_policy=NO_CACHE)
def score(settings: Settings, as_of: AsOf, features: Path, model: Model) -> Path:
    """Predict for everyone, part by part; returns the folder of predictions."""
    folder = inputs.workspace(settings).runs / f"predictions/as_of={as_of.day}"
    with step("Scoring customers"):
        predict_parts(settings, folder, features, model.bundle)
    return folder


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
        explain = partial(_grounds, features, model.bundle)
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
        "notes": [*decision.notes, *filter(None, [power_of(decision.winback, decision.holdout)])],
        "rows": decision.winback.head(_ROWS_SHOWN).to_dicts(),
    }


def rules_of(settings: Settings, believed: Believed) -> Rules:
    """What a decision follows: the config, and what is believed of the effects of offers."""
    return Rules(
        offers=settings.offers,
        effect=settings.effect,
        causes=settings.causes,
        contact=settings.contact,
        consent=settings.consent,
        list=settings.list,
        currency=settings.currency,
        value_months=settings.value.horizon_months,
        effects=believed.effects,
    )


def write_part(folder: Path, number: int, features: pl.DataFrame) -> int:
    """Write the features of a part of the customers; returns how many there are."""
    write_parquet(features, folder / f"part-{number:04d}.parquet")
    return features.height


def predict_parts(settings: Settings, folder: Path, features: Path, bundle: Path) -> None:
    """Predict for everyone, part by part, into a folder that appears whole."""
    with publish_folder(folder) as aside, inputs.engine(settings) as engine:
        engine.gather(engine.map(partial(_predict_part, bundle, aside), sorted(features.iterdir())))


def appraise(  # noqa: PLR0917 - what it is made of, in order
    settings: Settings, folder: Path, features: Path, predictions: Path, rules: Rules, model_version: str
) -> Appraised:
    """Appraise everyone, part by part, where the parts are; `folder` holds people, offers and scores."""
    parts = sorted(predictions.iterdir()), sorted(features.iterdir())
    with publish_folder(folder) as aside, inputs.engine(settings) as engine:
        for kind in ("people", "offers", "scores"):
            (aside / kind).mkdir()
        own = partial(_figures_of_part, offers=rules.offers)
        common = Common.of(pl.concat(engine.gather(engine.map(own, *parts))), rules)
        work = partial(_appraise_part, rules=rules, common=common, folder=aside, model_version=model_version)
        engine.gather(engine.map(work, *parts))
    people, offers = (pl.scan_parquet(folder / name) for name in ("people", "offers"))
    return Appraised(people, offers, common.notes(settings.currency))


def told(  # noqa: PLR0917 - what is told, in order
    summary: dict[str, Any],
    arrived: Mapping[str, Any],
    learned: Sequence[str],
    believed: Believed,
    currency: str,
    store: str,
) -> dict[str, Any]:
    """The summary of a night with its sentences in plain words; `learned` are those about the shop."""
    counts, money = summary["counts"], summary["metrics"]
    fresh = {
        "written": "",
        "unchanged": " This list was delivered before; nothing was changed.",
        "revised": " It replaces an earlier list of the same day.",
    }
    sentences = [
        *arrived["sentences"],
        *learned,
        f"{counts['listed']:,} people to contact out of {counts['scored']:,} customers scored; "
        f"{counts['held_out']:,} are held out to measure what the list earns." + fresh[summary["status"]],
        (
            f"Contacting them should cost {money['expected_cost']:,.2f} {currency} and earn "
            f"{money['expected_profit']:,.2f} {currency} more than leaving them alone."
        ),
        *believed.sentences,
        *summary["notes"],
    ]
    paths = {**summary["paths"], "mlflow": store}
    return {**summary, "sentences": sentences, "paths": paths}


def _checked(rules: Suite, features: Path) -> list[str]:
    """The columns that a suite looks at, and those that the night itself does."""
    present = pl.scan_parquet(features).collect_schema().names()
    wanted = {*KEYS, "stage", *(column for rule in rules.rules for column in rule.columns)}
    return [name for name in present if name in wanted]


def _tallied(settings: Settings, rules: Suite, features: Path) -> tuple[Tally, pl.DataFrame]:
    """What the files of features add up to, and the customers per stage; one file is in memory at a time.

    A customer is in one file only, so that even rules about many rows can be judged file by file.
    """
    options = settings.quality
    tally = Tally(rules, sample_rows=options.sample_rows, keys_shown=options.row_keys_shown)
    stages = []
    for file in sorted(features.iterdir()):
        part = pl.read_parquet(file, columns=_checked(rules, file))
        tally.add(part)
        stages.append(part["stage"].value_counts())
    counted = pl.concat(stages).group_by("stage").agg(pl.col("count").sum())
    return tally, counted.sort("stage")


def _predict_part(bundle: Path, folder: Path, features: Path) -> None:
    write_parquet(predict(load_bundle(bundle), pl.read_parquet(features)), folder / features.name)


def _figures_of_part(predictions: Path, features: Path, offers: Sequence[OfferOptions]) -> pl.DataFrame:
    return figures(pl.read_parquet(predictions), _facts(features), offers)


def _appraise_part(  # noqa: PLR0917 - called by name
    predictions: Path, features: Path, rules: Rules, common: Common, folder: Path, model_version: str
) -> None:
    found = appraised(pl.read_parquet(predictions), _facts(features, rules.reads), rules, common)
    # Features that only the effects read end here: what a decision reads of everyone stays small.
    shown = pl.exclude(set(rules.reads) - {*READ, *PREDICTIONS})
    people, offers = found.people.lazy().select(shown).collect(), found.offers.lazy().collect()
    kinds = {"people": people, "offers": offers, "scores": scores(people, rules.currency, model_version)}
    for kind, frame in kinds.items():
        write_parquet(frame, folder / kind / features.name)


def guesses(settings: Settings, features: Path, bundle: Path, asked: pl.Series) -> pl.DataFrame:
    """What the model's reasons say of why these people left; of a part only the causes come together."""
    months, causes = settings.value.horizon_months, settings.causes
    with inputs.engine(settings) as engine:
        work = partial(_guesses_of_part, bundle, asked, months, causes)
        found: list[pl.DataFrame] = engine.gather(engine.map(work, sorted(features.iterdir())))
    return pl.concat(found)


def _guesses_of_part(
    bundle: Path, asked: pl.Series, months: int, causes: CauseOptions, features: Path
) -> pl.DataFrame:
    return guessed(_grounds_of_part(load_bundle(bundle), features, asked), months, causes)


def _grounds(features: Path, bundle: Path, listed: pl.Series) -> pl.DataFrame:
    """What the reasons of the listed are made of; of a file, only their rows are kept."""
    model = load_bundle(bundle)
    return pl.concat([_grounds_of_part(model, file, listed) for file in sorted(features.iterdir())])


def _grounds_of_part(model: Bundle, features: Path, listed: pl.Series) -> pl.DataFrame:
    theirs = pl.col("customer_id").is_in(listed.implode())
    people = pl.scan_parquet(features).filter(theirs).collect()
    said = explained_return(model.returning, model.contract, people).drop("customer_id")
    return facts(people).hstack(said)


def _facts(features: Path, names: Sequence[str] = READ) -> pl.DataFrame:
    there = pl.read_parquet_schema(features)
    return pl.read_parquet(features, columns=[name for name in names if name in there])


def _rows_per_day(table: pl.LazyFrame, name: str, time: str, timezone: str) -> pl.DataFrame:
    day = pl.col(time).dt.convert_time_zone(timezone).dt.date()
    counted = table.group_by(day=day).agg(rows=pl.len())
    return counted.select("day", "rows", source=pl.lit(name)).sort("day").collect()


def _deliveries_per_day(held: Lake, name: str, as_of: AsOf, timezone: str) -> pl.DataFrame:
    """A table without times is as fresh as its newest delivery; one that came after the day is fresh."""
    arrived = pl.col("ingested_at").dt.convert_time_zone(timezone).dt.date()
    counted = (
        ledger.live(held.root, name)
        .group_by(day=pl.min_horizontal(arrived, as_of.day))
        .agg(rows=pl.col("accepted").sum().cast(pl.UInt32))
    )
    return counted.select("day", "rows", source=pl.lit(name)).sort("day")


def _stage_counts(settings: Settings, as_of: AsOf) -> tuple[int, pl.DataFrame]:
    """Days since the last night before this one, and its customers per stage."""
    places = inputs.workspace(settings)
    earlier = [day for day in places.days("scores") if day < as_of.day]
    empty = pl.DataFrame(schema={"stage": pl.String, "count": pl.UInt32})
    if not earlier:
        return 0, empty
    last = pl.read_parquet(places.scores(earlier[-1]) / SCORES, columns=["stage"])
    return (as_of.day - earlier[-1]).days, last["stage"].value_counts().sort("stage")


def _stage_jump(
    settings: Settings, gate: Gate, as_of: AsOf, now: pl.DataFrame, before: tuple[int, pl.DataFrame]
) -> list[Verdict]:
    days, counts = before
    limit = settings.quality.max_stage_jump
    measures = stage_measures(now, counts, days=days, max_jump=limit)
    return [gate.check_measures(inputs.suite(settings, "night"), measures, label=f"stages of {as_of.day}")]


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
