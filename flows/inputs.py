"""How a run's config becomes the objects it works with: workspace, lake, gate, sources, history."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from features import ledger
from features.asof import AsOf
from features.contracts import TABLES
from features.engine import Engine, Threads
from features.history import History, read_history
from features.lake import Lake
from features.options import SourceOptions
from features.pricing import Shop
from features.quality import Gate, Suite, load_suite
from flows.cluster import joined
from flows.enrolments import read_enrolments
from flows.forgotten import read_forgotten
from flows.horizon import resolved
from flows.layout import check_layout
from flows.recipe import registered_model
from flows.settings import Settings, load, secret
from flows.workspace import Workspace
from models.causes import ANSWERS, answers
from models.eligibility import DRAWN, ENROLMENTS, Known, as_enrolments
from models.tracking import Store, store_of

# The engine of the run in progress: its steps share it, so that a night starts its workers once.
_RUNNING: ContextVar[Engine | None] = ContextVar("engine", default=None)


def workspace(settings: Settings) -> Workspace:
    """The folders of this config."""
    return Workspace(settings.root)


def lake(settings: Settings) -> Lake:
    """The tables of this config's workspace.

    Raises:
        ConfigError: when the config reads them otherwise than they were written.
    """
    root = workspace(settings).lake
    check_layout(settings, root)
    return Lake(root, settings.lake.buckets)


def shop(settings: Settings) -> Shop:
    """What reading needs to know of the shop."""
    return Shop(settings.timezone, settings.currency, read_forgotten(settings.root))


def sources(settings: Settings) -> dict[str, SourceOptions]:
    """The sources with their secrets put in."""
    return {
        name: source if source.uri is None else source.model_copy(update={"uri": secret(source.uri)})
        for name, source in settings.sources.items()
    }


def store(settings: Settings) -> Store:
    """Where models are tracked, secrets put in, and the registered model that answers this config."""
    uri = settings.mlflow.tracking_uri
    options = settings.mlflow.model_copy(update={"tracking_uri": secret(uri) if uri else None})
    return store_of(options, settings.root, registered_model(settings))


@contextmanager
def gate(settings: Settings, run: str) -> Iterator[Gate]:
    """The quality gate of one run; its Data Docs are published at the end, come what may."""
    with Gate(workspace(settings).quality, settings.quality, run=run) as opened:
        yield opened


def data_docs(settings: Settings) -> str | None:
    """Address of the first page of the Data Docs; None before the first check."""
    index = workspace(settings).quality / "index.html"
    return index.absolute().as_uri() if index.is_file() else None


@contextmanager
def engine(settings: Settings) -> Iterator[Engine]:
    """Where the heavy steps of one run are done; its results are gone at the end of the outermost block.

    Raises:
        ConfigError: when the engine is dask and no fitting cluster answers.
    """
    running = _RUNNING.get()
    if running is not None:
        yield running
        return
    with joined(settings.dask) if settings.engine == "dask" else Threads() as started:
        token = _RUNNING.set(started)
        try:
            yield started
        finally:
            _RUNNING.reset(token)


@contextmanager
def cluster(settings: Settings) -> Iterator[Engine | None]:
    """The workers of a cluster, or None where everything runs on this machine.

    Raises:
        ConfigError: when the engine is dask and no fitting cluster answers.
    """
    if settings.engine == "dask":
        with engine(settings) as workers:
            yield workers
    else:
        yield None


def suite(settings: Settings, name: str, today: date | None = None) -> Suite:
    """A suite, the user's own before the built-in one."""
    own = settings.quality.suites
    return load_suite(name, Path(own) if own else None, today=today)


def today(settings: Settings) -> date:
    """The day that it is in the shop's time zone."""
    return datetime.now(settings.zone).date()


def last_complete_day(settings: Settings) -> str:
    """Yesterday, in the shop's time zone."""
    return (today(settings) - timedelta(days=1)).isoformat()


def opened(config: str, overrides: list[str], as_of: str | None) -> tuple[Settings, AsOf]:
    """The settings of a run, the workspace's own horizon among them, and the windows of its day.

    Without a day, the last complete one.
    """
    settings = resolved(load(config, overrides))
    return settings, settings.as_of(as_of or last_complete_day(settings))


def history(settings: Settings, as_of: AsOf) -> History:
    """Everything known at the end of a day, the own earlier lists among the contacts."""
    rate = settings.value.margin_rate
    known = read_history(lake(settings), settings.timezone, rate, as_of, settings.country)
    own = own_contacts(settings, as_of)
    return known if own is None else known.with_contacts(own)


def own_contacts(settings: Settings, as_of: AsOf) -> pl.LazyFrame | None:
    """People of our own earlier lists that were delivered, in the shape of the contacts table; or None."""
    delivered = own_enrolments(settings, as_of).filter(pl.col("acknowledged_on") <= as_of.day)
    if delivered.is_empty():
        return None
    return delivered.lazy().select(
        "customer_id", "arm", "assignment_probability", "list_id", contacted_on="acknowledged_on"
    )


def newest_order(settings: Settings) -> date | None:
    """The day of the newest order in the lake, in the shop's time zone."""
    newest = ledger.live(workspace(settings).lake, "transactions")["last_at"].max()
    return newest.astimezone(settings.zone).date() if isinstance(newest, datetime) else None


def known_people(settings: Settings, as_of: AsOf) -> Known:
    """Who may be contacted, as the lake says it now, and who rests."""
    return replace(told_people(settings), enrolments=enrolments(settings, as_of))


def told_people(settings: Settings) -> Known:
    """What the tables say of people, as the lake has them now; nothing of lists and campaigns."""
    held = lake(settings)

    def table(name: str) -> pl.DataFrame | None:
        return held.scan(name).collect() if held.holds(name) else None

    return Known(
        customers=table("customers"),
        identities=table("identities"),
        suppressions=table("suppressions"),
    )


def said(settings: Settings, as_of: AsOf) -> pl.DataFrame | None:
    """What people said of why they left, as causes; the words of one bucket are in memory at a time."""
    held = lake(settings)
    if not held.holds("feedback"):
        return None
    buckets = range(held.bucket_count(TABLES["feedback"]))
    rows = (held.scan("feedback", [bucket]) for bucket in buckets)
    read = [answers(some, settings.causes, as_of, settings.timezone).collect() for some in rows]
    return pl.concat([ANSWERS.to_frame(), *read])


def enrolments(settings: Settings, as_of: AsOf) -> pl.DataFrame:
    """Who rests: everyone in our own earlier lists, and in the campaigns of the contacts table, controls too.

    A tool may write a delivered list back into that table. Only those whom it contacted are in it: they would
    rest longer than their controls.
    """
    own, others = own_enrolments(settings, as_of), campaigns(settings, as_of)
    lists = own.filter(pl.col("acknowledged_on").is_not_null())["list_id"].unique()
    written_back = pl.col("list_id").is_in(lists.implode()).fill_null(value=False)
    return pl.concat([own, others.filter(~written_back)])


def enrolments_and_contacts(settings: Settings, as_of: AsOf) -> pl.DataFrame:
    """Everyone in our own earlier lists, and every row of the contacts table, those written back too."""
    return pl.concat([own_enrolments(settings, as_of), campaigns(settings, as_of)])


def own_enrolments(settings: Settings, as_of: AsOf) -> pl.DataFrame:
    """Everyone in our own earlier lists (`ENROLMENTS`)."""
    return read_enrolments(workspace(settings).root / "lists", as_of.day)


def campaigns(settings: Settings, as_of: AsOf) -> pl.DataFrame:
    """Everyone in the campaigns of the contacts table, as far as they were known (`ENROLMENTS`)."""
    held = lake(settings)
    if not held.holds("contacts"):
        return pl.DataFrame(schema=ENROLMENTS)
    day = pl.col("contacted_at").dt.convert_time_zone(settings.timezone).dt.date()
    # Decided on the day before at the latest: whoever was contacted on the night's own day rests, too.
    decided = day.dt.offset_by("-1d")
    known = held.scan("contacts").filter(as_of.known(day)).with_columns(acknowledged_on=day, as_of=decided)
    return as_enrolments(known.select(*DRAWN, "acknowledged_on").collect(), as_of)
