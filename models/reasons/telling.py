"""Why is this person on the list, in plain words?

First what the model says: groups of features that make the odds of buying again clearly worse, the greatest
first, each only with a sentence that the person's own numbers bear out. Then plain facts, up to three in all.
"""

from collections.abc import Iterable, Mapping

import polars as pl

from models.reasons.attribution import why
from models.reasons.groups import Group
from models.reasons.language import Language, language
from models.reasons.sayings import FACTS, Saying, sayings

REASONS = ("reason_1", "reason_2", "reason_3")
# Log-odds towards not returning that make a group a reason: the odds of a return are 5 % lower for it.
LEAST = 0.05
# People told of at a time.
_CHUNK = 20_000
# Contributions that differ by less are equal, so that the order hangs on no machine's last digits.
_DIGITS = 6
_ROW = "row"
# Reasons that tell the rhythm already.
_TELL_RHYTHM = (Group.RHYTHM.value, Group.SETTLED.value)


def with_reasons(people: pl.DataFrame, currency: str, months: int, spoken: str = "en") -> pl.DataFrame:
    """Add `reason_1` to `reason_3`: sentences, the most telling first; null where there is nothing to say.

    Args:
        people: facts and features of people, as many as are known; with the columns of `explained` the
            model's reasons come first. Money is in minor units.
        currency: reporting currency.
        months: the value horizon.
        spoken: the language of the sentences.
    """
    words = language(spoken)
    chunks = [_with_reasons(chunk, currency, months, words) for chunk in people.iter_slices(_CHUNK)]
    return pl.concat(chunks) if chunks else _with_reasons(people, currency, months, words)


def told(people: pl.DataFrame, months: int) -> pl.DataFrame:
    """What is told of each person.

    Returns:
        `row` (place of the person), `place` (0 to 2), `topic` (a group, or one of `FACTS`), `saying` (its
        place among the topic's), `why` (log-odds towards not returning, null for facts), sorted.
    """
    topics = _applicable(people, months)
    found = [pl.DataFrame(schema=_TOLD), *(_topic(people, topic, some) for topic, some in topics.items())]
    order = {str(topic): number for number, topic in enumerate((*Group, *FACTS))}
    ranked = _without_doubles(pl.concat(found)).sort(
        pl.col(_ROW),
        pl.col("why").round(_DIGITS).fill_null(float("-inf")),
        pl.col("topic").replace_strict(order, return_dtype=pl.Int32),
        descending=[False, True, False],
    )
    first = ranked.with_columns(place=pl.int_range(pl.len(), dtype=pl.Int32).over(_ROW))
    return first.filter(pl.col("place") < len(REASONS)).select(_ROW, "place", "topic", "saying", "why")


def facts(features: pl.DataFrame) -> pl.DataFrame:
    """The columns of a feature frame that sentences are made of, with `customer_id`."""
    read = {name for some in sayings(1).values() for one in some for name in one.reads}
    return features.select(name for name in features.columns if name in {"customer_id", *read})


_TOLD = {_ROW: pl.UInt32, "topic": pl.String, "saying": pl.Int32, "why": pl.Float64}


def _with_reasons(people: pl.DataFrame, currency: str, months: int, words: Language) -> pl.DataFrame:
    chosen, topics = told(people, months), _applicable(people, months)
    texts = [pl.DataFrame(schema={_ROW: pl.UInt32, "place": pl.Int32, "text": pl.String})]
    for (topic, number), rows in sorted(chosen.partition_by("topic", "saying", as_dict=True).items()):
        saying = topics[str(topic)][int(number)]
        values = people[rows[_ROW]].select(**saying.values).to_dict(as_series=False)
        text = words.told(saying.key, values, currency)
        texts.append(rows.select(_ROW, "place", text=pl.Series(text, dtype=pl.String)))
    said = pl.concat(texts)
    return people.with_columns(_column(said, place, len(people)) for place in range(len(REASONS)))


def _column(said: pl.DataFrame, place: int, rows: int) -> pl.Series:
    everyone = pl.DataFrame({_ROW: pl.int_range(rows, dtype=pl.UInt32, eager=True)})
    mine = said.filter(pl.col("place") == place)
    return everyone.join(mine, on=_ROW, how="left", maintain_order="left")["text"].alias(REASONS[place])


def _applicable(people: pl.DataFrame, months: int) -> Mapping[str, tuple[Saying, ...]]:
    """The sayings whose columns are there."""
    there = set(people.columns)
    return {
        str(topic): tuple(one for one in some if one.reads <= there)
        for topic, some in sayings(months).items()
    }


def _topic(people: pl.DataFrame, topic: str, some: Iterable[Saying]) -> pl.DataFrame:
    """Of whom a topic may be told, and which of its sayings is the first that holds."""
    holds = [pl.when(one.holds()).then(pl.lit(number)) for number, one in enumerate(some)]
    if not holds or (topic not in FACTS and why(Group(topic)) not in people.columns):
        return pl.DataFrame(schema=_TOLD)
    said = pl.lit(None, pl.Float64) if topic in FACTS else pl.col(why(Group(topic)))
    found = people.select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias(_ROW),
        topic=pl.lit(topic),
        saying=pl.coalesce(holds).cast(pl.Int32),
        why=said,
    )
    counts = pl.lit(value=True) if topic in FACTS else pl.col("why").is_finite() & (pl.col("why") >= LEAST)
    return found.filter(pl.col("saying").is_not_null() & counts)


def _without_doubles(found: pl.DataFrame) -> pl.DataFrame:
    """The rhythm is no fact to tell where a reason tells it."""
    telling = found.filter(pl.col("topic").is_in(_TELL_RHYTHM)).select(_ROW)
    doubled = pl.col("topic") == FACTS[0]
    return pl.concat([found.filter(~doubled), found.filter(doubled).join(telling, on=_ROW, how="anti")])
