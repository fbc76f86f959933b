"""How well would a simple rule do? Every figure of a model stands beside these.

Each baseline says of each row `<baseline>.score` (higher where a return is likelier), where it defines one
`<baseline>.p0` (probability of a return) and `<baseline>.value` (expected margin in the outcome window, or
what stands for it). Whatever is fitted sees past rows only. A baseline whose features are missing is absent.

| baseline | what it is |
|---|---|
| `recency` | the best rule of: days of silence, silence in usual gaps, days beyond the own lapse limit |
| `spend_365d` | net amount of the last 365 days |
| `rfm` | quintiles of recency, frequency and money: return rate and mean margin of the cell, shrunk |
| `mbg_nbd` | MBG/NBD for the chance and the number of purchases, Gamma-Gamma for their amount |
| `xgb_rfm` | XGBoost with fixed settings on recency, frequency and money |
| `champion` | the present champion's own model; its columns come from elsewhere |
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from features.attrition import probability_columns
from features.spend import EXPECTED
from models.boosting import Objective, Recipe, Sample, grow, predict
from models.metrics import Array, auroc
from models.options import XgbOptions

RECENCY, FREQUENCY, MONEY = "days_since_last_purchase", "orders", "net_amount"
_RFM = (RECENCY, FREQUENCY, MONEY)
_YEAR_SPEND = "net_amount_365d"
_LAPSE_LIMIT = "lapse_limit_days"
# Silence by which to rank, least first, and the features that each reads.
_SILENCE: Mapping[str, tuple[pl.Expr, tuple[str, ...]]] = {
    "days": (pl.col(RECENCY), (RECENCY,)),
    "usual_gaps": (pl.col("overdue_ratio"), ("overdue_ratio",)),
    "beyond_limit": (pl.col(RECENCY) - pl.col(_LAPSE_LIMIT), (RECENCY, _LAPSE_LIMIT)),
}
_FIFTHS = (0.2, 0.4, 0.6, 0.8)
# A cell's own rate counts against that of all as if all held so many more rows.
_SHRINKAGE = 20.0
# Small trees, as scikit-learn has them by default: XGBoost's own defaults overfit three features, and would
# be too easy to beat.
_UNTUNED = XgbOptions(
    max_depth=3,
    learning_rate=0.1,
    min_child_weight=1,
    subsample=1,
    colsample_bytree=1,
    reg_lambda=1,
)
_ROUNDS = 100
_MOST_ROWS = 200_000
_UNKNOWN = float("-inf")

Said = Mapping[str, Array]
Cells = npt.NDArray[np.int64]


def fitted(past: pl.DataFrame, judged: pl.DataFrame, horizon_days: int, seed: int) -> pl.DataFrame:
    """The judged rows with the columns of every baseline that can be made.

    Args:
        past: learnable rows whose outcome was known at the end of the judged snapshot's day; may be empty,
            then what needs them is absent.
        judged: feature rows of one snapshot.
        horizon_days: length of the outcome window.
        seed: of the draws.

    Returns:
        `judged` with `<baseline>.score`, `.p0` and `.value`, Float64; the order of rows is kept.
    """
    said: dict[str, Said] = {
        "recency": _recency(past, judged),
        "spend_365d": _spend(judged),
        "rfm": _rfm(past, judged),
        "mbg_nbd": _mbg_nbd(judged, horizon_days),
        "xgb_rfm": _xgb_rfm(past, judged, seed),
    }
    columns = {f"{name}.{what}": values for name, own in said.items() for what, values in own.items()}
    return judged.with_columns(pl.Series(name, values, pl.Float64) for name, values in columns.items())


def _recency(past: pl.DataFrame, judged: pl.DataFrame) -> Said:
    """The rule that ranked past rows best; without a past, the days of silence."""
    rules = [rule for rule, needs in _SILENCE.values() if _has(judged, needs)]
    if not rules:
        return {}
    if len(past):
        returned, weight = past["returned"].to_numpy(), past["weight"].to_numpy()
        reached = [auroc(returned, _least_first(past, rule), weight) for rule in rules]
        rules = [rules[int(np.argmax(np.nan_to_num(reached)))]]
    return {"score": _least_first(judged, rules[0])}


def _least_first(rows: pl.DataFrame, rule: pl.Expr) -> Array:
    return _known(-rows.select(rule.cast(pl.Float64)).to_series(), _UNKNOWN)


def _spend(judged: pl.DataFrame) -> Said:
    if not _has(judged, [_YEAR_SPEND]):
        return {}
    spend = _known(judged[_YEAR_SPEND].cast(pl.Float64), 0.0)
    return {"score": spend, "value": spend}


def _rfm(past: pl.DataFrame, judged: pl.DataFrame) -> Said:
    if past.is_empty() or not _has(judged, _RFM):
        return {}
    cuts = [np.quantile(_numbers(past, name), _FIFTHS) for name in _RFM]
    seen, asked = _cell(past, cuts), _cell(judged, cuts)
    weight = past["weight"].cast(pl.Float64).to_numpy()
    rate, margin = (
        _shrunk_mean(seen, past[name].cast(pl.Float64).to_numpy(), weight)[asked]
        for name in ("returned", "window_margin")
    )
    return {"score": rate, "p0": rate, "value": margin}


def _cell(rows: pl.DataFrame, cuts: Sequence[Array]) -> Cells:
    """Number of the cell of each row, 0 to 124."""
    cell = np.zeros(len(rows), np.int64)
    for name, cut in zip(_RFM, cuts, strict=True):
        cell = cell * (len(_FIFTHS) + 1) + np.searchsorted(cut, _numbers(rows, name))
    return cell


def _shrunk_mean(cell: Cells, amount: Array, weight: Array) -> Array:
    cells = (len(_FIFTHS) + 1) ** len(_RFM)
    total, mass = (np.bincount(cell, part, cells) for part in (weight * amount, weight))
    everyone = total.sum() / mass.sum()
    return np.asarray((total + _SHRINKAGE * everyone) / (mass + _SHRINKAGE), float)


def _mbg_nbd(judged: pl.DataFrame, horizon_days: int) -> Said:
    """The latent-attrition features of the snapshot: fitted on its day, so without its outcome."""
    _, none, purchases = probability_columns(horizon_days)
    if not _has(judged, [none, purchases]) or judged[none].is_null().all():
        return {}
    p0 = _known(1 - judged[none], 0.0)
    if not _has(judged, [EXPECTED]):
        return {"score": p0, "p0": p0}
    amount = _known(judged[purchases], 0.0) * _known(judged[EXPECTED], 0.0)
    return {"score": p0, "p0": p0, "value": amount * _margin_share(judged)}


def _margin_share(rows: pl.DataFrame) -> float:
    """Margin as a part of what was paid, over the whole shop; 1 where it is not known."""
    if not _has(rows, ["margin", MONEY]) or not rows[MONEY].sum():
        return 1.0
    return float(rows["margin"].sum()) / float(rows[MONEY].sum())


def _xgb_rfm(past: pl.DataFrame, judged: pl.DataFrame, seed: int) -> Said:
    if past.is_empty() or past["returned"].n_unique() < 2 or not _has(judged, _RFM):
        return {}
    taught = past.gather_every(-(-len(past) // _MOST_ROWS))
    returned, margin = (taught[name].cast(pl.Float64).to_numpy() for name in ("returned", "window_margin"))
    # XGBoost does not split for gains below a millionth, so money comes in units of its spread.
    spread = float(margin.std()) or 1.0
    p0 = _grown(taught, returned, judged, "binary:logistic", seed)
    value = _grown(taught, margin / spread, judged, "reg:squarederror", seed) * spread
    return {"score": p0, "p0": p0, "value": value}


def _grown(
    taught: pl.DataFrame, label: Array, judged: pl.DataFrame, objective: Objective, seed: int
) -> Array:
    features = [pl.col(name).cast(pl.Float32) for name in _RFM]
    weight = taught["weight"].cast(pl.Float64).to_numpy()
    sample = Sample(taught.select(features), label, weight, np.zeros(len(label), np.int32))
    return predict(grow(sample, Recipe(objective, _UNTUNED, seed), _ROUNDS), judged.select(features))


def _has(rows: pl.DataFrame, names: Sequence[str]) -> bool:
    return all(name in rows.columns for name in names)


def _numbers(rows: pl.DataFrame, name: str) -> Array:
    return _known(rows[name].cast(pl.Float64), 0.0)


def _known(values: pl.Series, otherwise: float) -> Array:
    return values.fill_nan(None).fill_null(otherwise).to_numpy()
