"""How good was a model on snapshots it never saw: as a whole, for each group of people, beside the baselines?

Names are `<split>.<measure>`, and for a part of it `<split>.<baseline>.<measure>`,
`<split>.<stage>.<measure>`, `<split>.one_order.<measure>`, `<split>.<feature>.<value>.<measure>`. Each is a
mean over the snapshots that define it; what is undefined is left out. Shares of a ranking are `5pct`,
`10pct`, `20pct` and `list` (as long as the list).

| measure | of | meaning |
|---|---|---|
| `snapshots`, `customers` | rows | how many; rows per snapshot |
| `auroc`, `average_precision`, `lift_at_<share>` | order | the event is a return |
| `empc` | order | expected maximum profit per customer, at the costs of the paper |
| `empc_own_costs` | order | the same at own costs and mean margin, reporting currency |
| `brier`, `log_loss`, `ece` | probability | ECE in 15 bins of equal mass |
| `ece_above_noise` | probability | ECE less its mean if the probabilities were perfect; can be below 0 |
| `mean_predicted`, `mean_observed` | probability | share that returns |
| `value_at_<share>` | value | part of the window's margin held by the top by expected margin |
| `spearman`, `gini` | value | rank correlation; Gini as a part of the greatest possible |
| `profit_at_<share>` | list | assumed profit per contact, reporting currency (DESIGN, section 6) |

`<measure>_low` and `<measure>_high` are 95 % intervals, whole customers redrawn with all their snapshots.
"""

import math
from dataclasses import replace

import numpy as np
import polars as pl

from models.groups import segments, stages
from models.metrics import Response, deciles, ece, ece_noise, interval, redraw
from models.profit import priced
from models.scoring import Scoring, Terms, in_order, mean_of, measured, model_scoring, other_scorings

__all__ = ["Response", "decile_tables", "evaluate"]

_DRAWS = 100
_WITH_INTERVAL = ("auroc", "average_precision", "lift_at_10pct", "brier", "value_at_10pct", "profit_at_10pct")


def evaluate(
    judged: pl.DataFrame,
    response: Response,
    *,
    split: str = "test",
    seed: int = 0,
    list_share: float | None = None,
) -> dict[str, float]:
    """Measures of one or more test snapshots.

    Args:
        judged: rows of the test snapshots: features with `as_of`, `customer_id`, `stage`; `p0`, `returned`,
            `window_margin`, `weight`; `expected_margin` if it is to be judged, and the columns of
            `models.baselines` for each baseline.
        response: assumed response of the profit measures.
        split: first part of the names.
        seed: of the redraws.
        list_share: the list's length as a share of all customers, for the measures at list size.
    """
    rows = in_order(judged)
    terms = Terms(priced(response, rows), list_share)
    found = _group(rows, terms, seed)
    for name, scoring in other_scorings(rows).items():
        found |= _prefixed(name, _figures(rows, scoring, terms, seed))
    for name, group in (stages(rows) | segments(rows)).items():
        found |= _prefixed(name, _group(group, terms, seed))
    return {f"{split}.{name}": value for name, value in found.items() if math.isfinite(value)}


def decile_tables(judged: pl.DataFrame) -> pl.DataFrame:
    """Each test snapshot in tenths of the ranking by chance of a return, and by expected margin.

    Returns:
        as_of, ranked_by, then the columns of `metrics.deciles`.
    """
    rankings = [name for name in ("p0", "expected_margin") if name in judged.columns]
    tables = [
        _deciles(rows, by)
        for rows in in_order(judged).partition_by("as_of", maintain_order=True)
        for by in rankings
    ]
    return pl.concat(tables)


def _deciles(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    table = deciles(*(rows[name].to_numpy() for name in ("p0", "returned", "window_margin", by)))
    return table.select(pl.lit(rows["as_of"][0]).alias("as_of"), pl.lit(by).alias("ranked_by"), pl.all())


def _group(rows: pl.DataFrame, terms: Terms, seed: int) -> dict[str, float]:
    """Everything about the model on a group of people."""
    snapshots = rows["as_of"].n_unique()
    scoring = model_scoring(rows)
    return {
        "snapshots": float(snapshots),
        "customers": len(rows) / max(snapshots, 1),
        **_figures(rows, scoring, terms, seed),
        **_intervals(rows, scoring, terms, seed),
    }


def _figures(rows: pl.DataFrame, scoring: Scoring, terms: Terms, seed: int) -> dict[str, float]:
    found = dict(measured(rows, scoring, terms)(rows["weight"].to_numpy()))
    if scoring.p0 is None:
        return found
    each = rows.partition_by("as_of", maintain_order=True)
    spoken = [part for part in each if not part[scoring.p0].is_null().all()]
    return found | mean_of([_levels(part, scoring.p0, seed) for part in spoken])


def _levels(rows: pl.DataFrame, p0: str, seed: int) -> dict[str, float]:
    """What is said of a whole snapshot, and how far that is off beyond chance."""
    said, happened, weight = (rows[name].to_numpy() for name in (p0, "returned", "weight"))
    return {
        "ece_above_noise": ece(happened, said, weight) - ece_noise(said, weight, seed=seed),
        "mean_predicted": float(np.average(said, weights=weight)),
        "mean_observed": float(np.average(happened, weights=weight)),
    }


def _intervals(rows: pl.DataFrame, scoring: Scoring, terms: Terms, seed: int) -> dict[str, float]:
    people, weight = rows["customer_id"].to_numpy(), rows["weight"].to_numpy()
    few = replace(terms, wanted=_WITH_INTERVAL)
    drawn = redraw(measured(rows, scoring, few), people, draws=_DRAWS, seed=seed, weight=weight)
    bounds = {name: interval(drawn[name]) for name in _WITH_INTERVAL if name in drawn}
    return {
        f"{name}_{end}": pair[n] for name, pair in bounds.items() for n, end in enumerate(("low", "high"))
    }


def _prefixed(name: str, found: dict[str, float]) -> dict[str, float]:
    return {f"{name}.{measure}": value for measure, value in found.items()}
