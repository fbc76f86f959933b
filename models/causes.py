"""Why did each customer leave: what they said of it; where nobody asked, what the model's reasons stand for.

Every customer has exactly one cause. Of what a person said under any of their ids the first of these decides:

1. a cause that holds for good (somebody died), however long ago it was said;
2. the newest answer that is not too old and that no purchase followed: who bought again got over it;
3. of answers of the same moment one that was asked for, then the one whose cause stands first in the table.

Within an answer a reason code comes before words; of the causes that its words speak of, the first of the
table. Somebody who was asked and gave a reason (a code) that fits no cause is `unknown`, whatever the model
says. A text, a complaint or a return that fits none says nothing.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum

import polars as pl

from features.asof import AsOf
from features.friction import COMPLAINTS
from features.wording import counted
from models.cause_table import UNKNOWN, CauseOptions
from models.contenders import pays
from models.eligibility import Reason
from models.keywords import holds_any, plain, spoken
from models.options import ListOptions, OfferOptions
from models.reasons import told

# Kinds of feedback that nobody asked for; all others are answers to a question.
VOLUNTEERED = (*COMPLAINTS, "return")


class Source(StrEnum):
    """Who says why somebody left."""

    SAID = "said"
    MODEL = "model"
    NOBODY = "nobody"


ANSWERS = pl.Schema(
    {
        "customer_id": pl.String(),
        "said_at": pl.Datetime("us", "UTC"),
        "said_on": pl.Date(),
        "asked": pl.Boolean(),
        "cause": pl.String(),
        "place": pl.Int32(),
        "for_good": pl.Boolean(),
    }
)


def answers(feedback: pl.LazyFrame, causes: CauseOptions, as_of: AsOf, timezone: str) -> pl.LazyFrame:
    """What people said of why they left, as causes; nothing of their words is kept.

    Args:
        feedback: `customer_id`, `occurred_at`, `kind`, `reason`, `text`.
        causes: the table of causes.
        as_of: the day; nothing that was said later is read.
        timezone: the shop's zone.

    Returns:
        `ANSWERS`: one row per answer that counts by its age and says anything; `unknown` where somebody was
        asked and gave a reason that fits no cause.
    """
    said_on = pl.col("occurred_at").dt.convert_time_zone(timezone).dt.date()
    code, words = (spoken(pl.col(name).fill_null("")) for name in ("reason", "text"))
    read = feedback.select(
        "customer_id",
        said_at=pl.col("occurred_at"),
        said_on=said_on,
        asked=~spoken(pl.col("kind")).is_in(plain(VOLUNTEERED)),
        code=code,
        words=code + " " + words,
    ).filter(as_of.known(pl.col("said_on")))
    place = _place(causes)
    for_good = [number for number, rule in enumerate(causes.table.values()) if rule.for_good]
    named = read.with_columns(place=place).with_columns(
        place=pl.coalesce("place", pl.when("asked", pl.col("code") != "").then(len(causes.table))),
    )
    names = dict(enumerate((*causes.table, UNKNOWN)))
    meant = named.drop_nulls("place").with_columns(
        cause=pl.col("place").replace_strict(names, return_dtype=pl.String),
        for_good=pl.col("place").is_in(for_good),
    )
    young = as_of.last_days(pl.col("said_on"), causes.max_age_days)
    return meant.filter(young | pl.col("for_good")).select(
        pl.col(name).cast(dtype) for name, dtype in ANSWERS.items()
    )


def with_said(people: pl.DataFrame, who: pl.DataFrame, said: pl.DataFrame | None) -> pl.DataFrame:
    """Add `cause`, what the person said under any id, and `cause_source`; null where they said nothing.

    Args:
        people: everyone scored: `customer_id`, `person_id`, `last_purchase_on`.
        who: `customer_id`, `person_id` of everyone known.
        said: `ANSWERS`; None where the shop has no feedback.
    """
    if said is None or said.is_empty():
        return people.with_columns(pl.lit(None, pl.String).alias(name) for name in ("cause", "cause_source"))
    bought = people.group_by("person_id").agg(pl.col("last_purchase_on").max().alias("bought_on"))
    theirs = said.join(who, on="customer_id").join(bought, on="person_id")
    first = (
        theirs.filter(pl.col("for_good") | (pl.col("said_on") >= pl.col("bought_on")))
        .sort(
            "person_id", "for_good", "said_at", "asked", "place", descending=[False, True, True, True, False]
        )
        .unique("person_id", keep="first", maintain_order=True)
    )
    found = first.select("person_id", "cause", cause_source=pl.lit(str(Source.SAID)))
    return people.join(found, on="person_id", how="left", maintain_order="left", validate="m:1")


def guessed(people: pl.DataFrame, months: int, causes: CauseOptions) -> pl.DataFrame:
    """What the model's reasons say of why people left: the cause of the first reason that stands for one.

    Args:
        people: what reasons are made of (`models.reasons.facts` and `explained`), a row per customer.
        months: the value horizon.
        causes: the table of causes.

    Returns:
        `customer_id`, `cause`: a row per customer whose reasons say anything.
    """
    stands_for = pl.col("topic").replace_strict(causes.by_group, default=None, return_dtype=pl.String)
    reasons = told(people, months).filter(pl.col("why").is_not_null()).with_columns(cause=stands_for)
    first = reasons.drop_nulls("cause").sort("row", "place").unique("row", keep="first", maintain_order=True)
    return first.select(customer_id=people["customer_id"].gather(first["row"]), cause="cause")


def with_guesses(
    people: pl.DataFrame, wanted: pl.Expr, guess: Callable[[pl.Series], pl.DataFrame] | None
) -> pl.DataFrame:
    """Give everybody wanted a cause, who has none yet: the model's, else unknown.

    Args:
        people: `customer_id`, `cause`, `cause_source`.
        wanted: who is to have one.
        guess: given ids, what `guessed` gives; None: nobody knows.
    """
    nobody_asked = people.filter(wanted, pl.col("cause").is_null())["customer_id"]
    if guess is None or nobody_asked.is_empty():
        found = people.with_columns(guessed=pl.lit(None, pl.String))
    else:
        found = people.join(
            guess(nobody_asked).rename({"cause": "guessed"}),
            on="customer_id",
            how="left",
            maintain_order="left",
            validate="m:1",
        )
    modelled = pl.when(pl.col("guessed").is_not_null()).then(pl.lit(str(Source.MODEL)))
    cause = pl.coalesce("guessed", pl.lit(UNKNOWN))
    source = modelled.otherwise(pl.lit(str(Source.NOBODY)))
    return found.with_columns(
        cause=pl.coalesce("cause", pl.when(wanted).then(cause)),
        cause_source=pl.coalesce("cause_source", pl.when(wanted).then(source)),
    ).drop("guessed")


def by_cause(people: pl.DataFrame) -> dict[str, int]:
    """How many people left for which cause, by name."""
    return _counted(people["cause"])


def by_source(people: pl.DataFrame) -> dict[str, int]:
    """Of how many people who says why they left (`Source`)."""
    found = _counted(people["cause_source"])
    return {str(source): found.get(source, 0) for source in Source}


def unmanageable_note(people: pl.DataFrame) -> str | None:
    """Who is left out since nothing can be done about why they left.

    Args:
        people: `reason`, `cause` of everyone.
    """
    counts = by_cause(people.filter(pl.col("reason") == Reason.UNMANAGEABLE))
    if not counts:
        return None
    some = ", ".join(f"{cause} {count:,}" for cause, count in counts.items())
    return (
        f"{counted(sum(counts.values()), 'customer')} left for a cause that nothing can be done about, and "
        f"{'is' if sum(counts.values()) == 1 else 'are'} not contacted: {some}."
    )


def matched(
    offers: pl.DataFrame,
    people: pl.DataFrame,
    made: Sequence[OfferOptions],
    out: Sequence[str] = (),
) -> pl.DataFrame:
    """The offers that may be made to people who left for these causes.

    An offer that names causes is for people who left for one of them. Where one of these is credibly
    profitable for a person, no other is made to them: what drove somebody off is put right first.

    Args:
        offers: `models.profit.APPRAISALS` of the offers that may be made but for the cause.
        people: `customer_id`, `cause`; null counts as unknown. Who is not among them has no known cause.
        made: the offers of the config.
        out: ids of offers that nobody can be made tonight; these do not keep others away.
    """
    pairs = [(offer.id, cause) for offer in made for cause in offer.causes]
    if not pairs:
        return offers
    own = people.select("customer_id", cause=pl.col("cause").fill_null(UNKNOWN))
    names = pl.DataFrame(pairs, {"offer_id": pl.String, "cause": pl.String}, orient="row")
    marked = (
        offers.join(own, on="customer_id", how="left", maintain_order="left")
        .with_columns(pl.col("cause").fill_null(UNKNOWN))
        .join(
            names.with_columns(named=pl.lit(value=True)),
            on=["offer_id", "cause"],
            how="left",
            maintain_order="left",
        )
        .with_columns(pl.col("named").fill_null(value=False))
    )
    free = ~pl.col("offer_id").is_in(names["offer_id"].unique().implode())
    first = (pl.col("named") & pays() & ~pl.col("offer_id").is_in(list(out))).any().over("customer_id")
    return marked.filter(pl.col("named") | (free & ~first)).select(offers.columns)


def unavailable(made: Sequence[OfferOptions], options: ListOptions) -> list[str]:
    """Ids of the offers that nobody can be made tonight: none in stock, or no place on their channel."""
    return [offer.id for offer in made if 0 in (offer.stock, options.channel_capacity.get(offer.channel))]


def apart(made: Sequence[OfferOptions]) -> list[list[str]]:
    """Ids of the offers that compete with each other: those for all causes, and those that name each one."""
    causes = sorted({cause for offer in made for cause in offer.causes})
    free = [offer.id for offer in made if not offer.causes]
    return [free, *([offer.id for offer in made if cause in offer.causes] for cause in causes)]


def _counted(values: pl.Series) -> dict[str, int]:
    return dict(values.drop_nulls().value_counts().sort(values.name).iter_rows())


def _place(causes: CauseOptions) -> pl.Expr:
    """The place in the table of the cause of an answer: of its code, else of its words; null for none."""
    rules = list(enumerate(causes.table.values()))
    codes = {word: number for number, rule in rules for word in plain(rule.reasons)}
    by_code = pl.col("code").replace_strict(codes, default=None, return_dtype=pl.Int32)
    by_words = [
        pl.when(holds_any(pl.col("words"), rule.phrases())).then(pl.lit(number, pl.Int32))
        for number, rule in rules
        if rule.phrases()
    ]
    return pl.coalesce(by_code, *by_words)
