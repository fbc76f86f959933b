"""How does one scoring do on judged rows? All measures that it defines, under any weights of the rows.

A scoring is what somebody says of each row: an order, and perhaps a probability and an expected margin. Rows
are sorted once per snapshot; a bootstrap then only weighs them anew. A measure over several snapshots is its
mean over those where it is defined.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from models.metrics import (
    Array,
    Bins,
    Campaign,
    Gains,
    Held,
    Measures,
    Ranking,
    Response,
    brier,
    ece,
    expected_gain,
    gini,
    log_loss,
    spearman,
)
from models.metrics.arrays import ratio
from models.metrics.profit import empc_of

# What a customer brought in the last year: the V of the profit measures, the same for every scoring.
YEAR_MARGIN = "margin_365d"
_SHARES: Mapping[str, float] = {"5pct": 0.05, "10pct": 0.1, "20pct": 0.2}
_LIST = "list"
# Measures of which less is better.
LOSSES = frozenset({"brier", "log_loss", "ece", "ece_above_noise"})


@dataclass(frozen=True, slots=True)
class Scoring:
    """Which columns of the judged rows hold what somebody says.

    Attributes:
        score: ranks returns, higher where one is likelier.
        p0: probability of a return.
        value: expected margin in the outcome window.
    """

    score: str
    p0: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What is measured, and under which terms.

    Attributes:
        response: the assumed response.
        list_share: the list's length as a share of all customers.
        wanted: the measures that are needed, None for all; others may be left out to save time.
    """

    response: Response
    list_share: float | None = None
    wanted: Collection[str] | None = None

    def want(self, *starts: str) -> bool:
        """Whether any measure is needed whose name starts so."""
        return self.wanted is None or any(name.startswith(starts) for name in self.wanted)

    def asked(self, offered: Mapping[str, Callable[[], float]]) -> dict[str, float]:
        """Of the measures that are offered those that are needed."""
        return {name: one() for name, one in offered.items() if self.wanted is None or name in self.wanted}

    @property
    def shares(self) -> Mapping[str, float]:
        """Ending of a measure's name: the share of the ranking that it looks at."""
        return _SHARES if self.list_share is None else {**_SHARES, _LIST: self.list_share}


def model_scoring(rows: pl.DataFrame) -> Scoring:
    """The model's own columns."""
    return Scoring("p0", "p0", "expected_margin" if "expected_margin" in rows.columns else None)


def other_scorings(rows: pl.DataFrame) -> dict[str, Scoring]:
    """The baselines that the judged rows hold, by name."""
    names = [column.removesuffix(".score") for column in rows.columns if column.endswith(".score")]

    def held(column: str) -> str | None:
        return column if column in rows.columns else None

    return {name: Scoring(f"{name}.score", held(f"{name}.p0"), held(f"{name}.value")) for name in names}


def in_order(judged: pl.DataFrame) -> pl.DataFrame:
    """The judged rows as all measures take them: snapshot after snapshot, the same order every time."""
    return judged.sort("as_of", "customer_id")


def measured(rows: pl.DataFrame, scoring: Scoring, terms: Terms) -> Measures:
    """The measures over all snapshots of rows that are `in_order`, as a function of the rows' weights."""
    parts = rows.partition_by("as_of", maintain_order=True)
    ends = np.cumsum([len(part) for part in parts])[:-1]
    each = [on_snapshot(part, scoring, terms) for part in parts]

    def over_snapshots(weight: Array) -> dict[str, float]:
        return mean_of([one(w) for one, w in zip(each, np.split(weight, ends), strict=True)])

    return over_snapshots


def mean_of(found: list[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each measure over the snapshots that define it."""
    names = dict.fromkeys(name for one in found for name in one)
    return {name: _mean([one[name] for one in found if name in one]) for name in names}


def on_snapshot(rows: pl.DataFrame, scoring: Scoring, terms: Terms) -> Measures:
    """The measures on one snapshot, as a function of the rows' weights; none where it was not scored."""
    if rows[scoring.score].is_null().all():
        return lambda _: {}
    parts: list[Measures] = []
    if terms.want("auroc", "average_precision", "lift_at_"):
        parts.append(_order(rows, scoring, terms))
    if terms.want("empc"):
        parts.append(_campaign(rows, scoring, terms))
    if scoring.p0 and terms.want("brier", "log_loss", "ece"):
        parts.append(_chance(rows, rows[scoring.p0].to_numpy(), terms))
    if scoring.value and terms.want("value_at_", "spearman", "gini"):
        parts.append(_worth(rows, rows[scoring.value].to_numpy(), terms))
    if YEAR_MARGIN in rows.columns and terms.want("profit_at_"):
        parts.append(_profit(rows, scoring, terms))
    return lambda weight: {name: value for part in parts for name, value in part(weight).items()}


def _order(rows: pl.DataFrame, scoring: Scoring, terms: Terms) -> Measures:
    """Who returns."""
    returned, ranking = rows["returned"].to_numpy(), Ranking.of(rows[scoring.score].to_numpy())

    def measures(weight: Array) -> dict[str, float]:
        gains = Gains.of(returned, ranking, weight)
        lifts = {
            f"lift_at_{name}": partial(gains.held.lift_at, share) for name, share in terms.shares.items()
        }
        order = {"auroc": gains.auroc, "average_precision": gains.average_precision}
        return terms.asked({**order, **lifts})

    return measures


def _campaign(rows: pl.DataFrame, scoring: Scoring, terms: Terms) -> Measures:
    """Who leaves, and what stopping them would earn."""
    churned, response = (~rows["returned"]).to_numpy(), terms.response
    ranking = Ranking.of(-rows[scoring.score].to_numpy())
    year = _year_margin(rows) if YEAR_MARGIN in rows.columns else None

    def measures(weight: Array) -> dict[str, float]:
        gains = Gains.of(churned, ranking, weight)
        found = {"empc": empc_of(gains, Campaign())}
        if year is None:
            return found
        mean = ratio(float((weight * year).sum()), float(weight.sum()))
        own = empc_of(gains, Campaign.assumed(response, mean)) / response.minor_units
        return {**found, "empc_own_costs": own}

    return measures


def _chance(rows: pl.DataFrame, p0: Array, terms: Terms) -> Measures:
    """How probable returns are."""
    returned = rows["returned"].to_numpy()
    cut = Bins.of(p0, rows["weight"].to_numpy())

    def measures(weight: Array) -> dict[str, float]:
        offered = {
            "brier": partial(brier, returned, p0, weight),
            "log_loss": partial(log_loss, returned, p0, weight),
            "ece": partial(ece, returned, p0, weight, cut=cut),
        }
        return terms.asked(offered)

    return measures


def _worth(rows: pl.DataFrame, value: Array, terms: Terms) -> Measures:
    """Who brings most."""
    margin = rows["window_margin"].to_numpy()
    ranking, best = Ranking.of(value), Ranking.of(margin)

    def measures(weight: Array) -> dict[str, float]:
        held = Held.of(margin, ranking, weight)
        parts = {f"value_at_{name}": partial(held.share_at, share) for name, share in terms.shares.items()}
        order = {
            "spearman": partial(spearman, best, ranking, weight),
            "gini": partial(gini, margin, ranking, weight, best),
        }
        return terms.asked({**parts, **order})

    return measures


def _profit(rows: pl.DataFrame, scoring: Scoring, terms: Terms) -> Measures:
    """Mean assumed profit per contact at the top of the list that the scoring would write."""
    response, year = terms.response, _year_margin(rows)
    gain = expected_gain((~rows["returned"]).to_numpy(), year, response)
    ranking = Ranking.of(contact_order(rows, scoring, response))

    def measures(weight: Array) -> dict[str, float]:
        held = Held.of(gain, ranking, weight)
        units = response.minor_units
        found = terms.asked(
            {f"profit_at_{name}": partial(held.mean_at, share) for name, share in terms.shares.items()}
        )
        return {name: value / units for name, value in found.items()}

    return measures


def contact_order(rows: pl.DataFrame, scoring: Scoring, response: Response) -> Array:
    """Whom the scoring would contact first: the highest.

    By the gain that its probabilities promise; without them by the value it sees, for a rule of spend picks
    those who spend most, whoever returns likelier; else by the likeliest churners.
    """
    if scoring.p0:
        return expected_gain(1 - rows[scoring.p0].to_numpy(), _year_margin(rows), response)
    if scoring.value:
        return np.asarray(rows[scoring.value].to_numpy(), float)
    return np.asarray(-rows[scoring.score].to_numpy(), float)


def _year_margin(rows: pl.DataFrame) -> Array:
    return rows[YEAR_MARGIN].cast(pl.Float64).fill_null(0.0).to_numpy()


def _mean(values: list[float]) -> float:
    defined = [value for value in values if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")
