"""What does a model predict, on whom, how well, and where not to trust it? The model card, in plain words.

The same content becomes Markdown and one HTML file that needs nothing else: its pictures are inside, and its
policy forbids the browser to fetch anything. A card holds figures about groups of people, never about one.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.figures import calibration, figures, segments
from models.fitness import Diagnosis, told

_MARKDOWN = re.compile(r"([\\|<>\[\]*`])")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a card is about.

    Attributes:
        about: what the bundle says of its training: as_of, horizon_days, gap_days, days, rows...
        metrics: `<split>.<measure>`.
        chosen: what the training found and used, by name.
        features: number of features that the model reads.
        lake_version: of the data.
        notes: sentences on what the data could not show.
        currency: of the reported money.
        docs: address of the Data Docs, if there are any.
        agreement: mean rank correlation of the importances of two test snapshots, if measured.
        model: digest of the model.
        diagnosis: whether the shop fits, as judged before the training; None where nobody asked.
    """

    about: Mapping[str, Any]
    metrics: Mapping[str, float]
    chosen: Mapping[str, object]
    features: int
    lake_version: str
    notes: Sequence[str] = ()
    currency: str = ""
    docs: str | None = None
    agreement: float | None = None
    model: str = ""
    diagnosis: Diagnosis | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """One heading and what stands below it.

    Attributes:
        title: the heading.
        texts: paragraphs.
        points: a list.
        table: a table, if any.
        links: text: address.
        pictures: what it shows: file beside the card.
    """

    title: str
    texts: Sequence[str] = ()
    points: Sequence[str] = ()
    table: Table | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Card:
    """A card, ready to be written."""

    title: str
    sections: Sequence[Section]


def card_of(subject: Subject, pictures: Mapping[str, str] | None = None) -> Card:
    """The card of a model.

    Args:
        subject: the model.
        pictures: what it shows: file beside the card, for the section on how good the model is.
    """
    about = subject.about
    title = f"Model card: who buys again within {about['horizon_days']} days, as of {about['as_of']}"
    parts = [
        _predicts(subject),
        _people(subject),
        _data(subject),
        *_fit(subject),
        _quality(subject, pictures or {}),
        _calibration(subject),
        _fairness(subject),
        _choice(subject),
        _limits(subject),
    ]
    return Card(title, parts)


def markdown(card: Card) -> str:
    """The card as Markdown."""
    return str(_template("card.md.j2").render(card=card))


def html(card: Card, images: Mapping[str, bytes] | None = None) -> str:
    """The card as one HTML file.

    Args:
        card: the card.
        images: file that a section names: its PNG; a picture without one is left out.
    """
    inside = {name: base64.b64encode(content).decode() for name, content in (images or {}).items()}
    return str(_template("card.html.j2").render(card=card, images=inside))


def _template(name: str) -> Any:  # noqa: ANN401 - Jinja2 is imported where it is used
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    made = Environment(
        loader=PackageLoader("models"),
        autoescape=select_autoescape([".html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["plain"] = lambda text: _MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))
    return made.get_template(name)


def _predicts(subject: Subject) -> Section:
    days, gap = subject.about["horizon_days"], int(subject.about["gap_days"])
    start = f"that begin {gap} days after the decision day" if gap else "after the decision day"
    predicted = {
        "churn_probability": f"the chance of no net purchase in the {days} days {start}, without a contact.",
        "expected_margin": "the net margin to be expected from a customer in those days, without a contact.",
        "value_if_returned": "what winning a purchase in those days is worth; of what follows, the part won.",
    }
    return Section(
        "What it predicts",
        ("It does not say whether a contact helps; only contacts drawn at random can show that.",),
        points=[f"{name}: {meaning}" for name, meaning in predicted.items()],
    )


def _people(subject: Subject) -> Section:
    past = subject.about["lookback_days"]
    seen = "everything" if past is None else f"the last {past} days"
    people = (
        "Everyone with at least one purchase by the decision day, people who have long been silent too. "
        f"What is known of them: {seen} up to that day. It reads how they behave, in {subject.features} "
        "features; no names, no addresses, no ids."
    )
    untouched = (
        "Rows of people who were contacted around the outcome window are left out of learning and judging; "
        "people held out at random stand in for them."
    )
    return Section("On whom", (people, untouched))


def _data(subject: Subject) -> Section:
    about = subject.about
    days = sorted(about["days"])
    facts = {
        "Known up to": about["as_of"],
        "Learned from": f"{len(days)} past days, {days[0]} to {days[-1]}" if days else "no past days",
        "Rows": f"{about['rows']:,}",
        "Version of the data": subject.lake_version,
        "Version of the model": subject.model,
    }
    rows = [(name, str(value)) for name, value in facts.items() if value != ""]
    texts = () if subject.docs else ("No Data Docs were written.",)
    links = {"What the checks found in the data (Data Docs)": subject.docs} if subject.docs else {}
    return Section("Data", texts, table=Table(("", ""), rows), links=links)


def _fit(subject: Subject) -> list[Section]:
    """The verdict on the shop with its reasons: figures of a model are no better than what it learns from."""
    diagnosis = subject.diagnosis
    if diagnosis is None:
        return []
    reasons = [f"{one.fit.value}: {one.found} {one.advice}" for one in diagnosis.reasons]
    said = f"The diagnosis before the training: {diagnosis.fit.value}." if reasons else told(diagnosis)
    return [Section("Does it fit this shop?", (said,), points=reasons)]


def _quality(subject: Subject, pictures: Mapping[str, str]) -> Section:
    in_time = any(name.startswith("test.") for name in subject.metrics)
    how = (
        "Measured on days that came after everything the judged fit had seen."
        if in_time
        else "The history is too short for a test in time: measured by cross-validation over customers, "
        "which is kinder."
    )
    table = figures(subject.metrics, subject.currency)
    note = (
        "In brackets: 95 % intervals, whole customers redrawn. Profit is under an assumed response to "
        "contacts and serves to compare rankings; it was not earned."
    )
    return Section("How good it is, beside simple rules", (how, note), table=Table(*table), pictures=pictures)


def _calibration(subject: Subject) -> Section:
    head, rows = calibration(subject.metrics)
    text = "Share of people who bought again: as predicted, and as it was, on the judged days."
    return Section("Calibration per stage", (text,), table=Table(head, rows) if rows else None)


def _fairness(subject: Subject) -> Section:
    head, rows = segments(subject.metrics)
    if not rows:
        return Section("Fairness by segment", ("No segment was large enough to be measured apart.",))
    text = (
        "Where the predicted share lies far from the observed one, a segment is contacted too much or too "
        "little; where AUROC is low, the order inside it says little."
    )
    return Section("Fairness by segment", (text,), table=Table(head, rows))


def _choice(subject: Subject) -> Section:
    purged = (
        "Everything that was fitted, stopped or calibrated for a judged day ended before that day "
        "(purging). Customers were split, never rows. What is kept learned from all days."
    )
    texts = [purged]
    if subject.agreement is not None:
        texts.append(
            f"The fits of different test days agree on which features matter with a rank correlation of "
            f"{subject.agreement:.2f} (1: the same order)."
        )
    rows = [(name, str(value)) for name, value in subject.chosen.items()]
    return Section("How it was chosen", texts, table=Table(("found by the training", ""), rows))


def _limits(subject: Subject) -> Section:
    always = (
        "It knows only this shop's past: a new kind of product, price or season is not in it.",
        "Probabilities are averages over people alike; about one person they can be far off.",
    )
    return Section("Limits", points=[*subject.notes, *always])
