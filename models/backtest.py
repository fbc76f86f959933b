"""What is told of replayed nights: the table of their figures, and how much the choice moves between them."""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from models.assignment import Arm
from models.decision import Decision
from models.eligibility import BARRED
from models.metrics import spearman
from models.outputs import SCORES

# What a replayed night said of everybody: `models.outputs.SCORES`, and what became of them.
SAID = (
    "customer_id",
    "stage",
    "days_since_last_purchase",
    "churn_probability",
    "expected_margin",
    "value_if_returned",
    "value_if_not_returned",
    "expected_incremental_profit",
)
# V1, all that follows a purchase: a list shows S alone, of which only what a contact wins is part.
VALUE_WITH_PURCHASE = "value_with_purchase"
PEOPLE = pl.Schema(
    {
        **{name: SCORES[name] for name in SAID},
        VALUE_WITH_PURCHASE: pl.Float64(),
        "eligible": pl.Boolean(),
        "chosen": pl.Boolean(),
        "listed": pl.Boolean(),
    }
)
# One row per replayed night; money in units of the reporting currency, null where nothing can be said yet.
NIGHTS = pl.Schema(
    {
        "as_of": pl.Date(),
        "trained_as_of": pl.Date(),
        "model_version": pl.String(),
        "scored": pl.Int64(),
        "eligible": pl.Int64(),
        "listed": pl.Int64(),
        "held_out": pl.Int64(),
        "still_enrolled": pl.Int64(),
        "expected_cost": pl.Float64(),
        "expected_profit": pl.Float64(),
        "window_complete": pl.Boolean(),
        "judged": pl.Int64(),
        "mean_predicted": pl.Float64(),
        "mean_observed": pl.Float64(),
        "ece_above_noise": pl.Float64(),
        "auroc": pl.Float64(),
        "auroc_low": pl.Float64(),
        "auroc_high": pl.Float64(),
        "followup_months": pl.Int64(),
        "value_months": pl.Int64(),
        "mean_s": pl.Float64(),
        "v1_predicted": pl.Float64(),
        "v1_observed": pl.Float64(),
        "v0_predicted": pl.Float64(),
        "v0_observed": pl.Float64(),
        "s_predicted": pl.Float64(),
        "s_observed": pl.Float64(),
        "organic_people": pl.Int64(),
        "organic_predicted": pl.Float64(),
        "organic_return_rate": pl.Float64(),
        "organic_margin": pl.Float64(),
        "organic_return_rate_of_all": pl.Float64(),
        "organic_margin_of_all": pl.Float64(),
        "kept_share": pl.Float64(),
        "overlap": pl.Float64(),
        "eip_rank_correlation": pl.Float64(),
        "common_people": pl.Int64(),
        "policy_people": pl.Int64(),
        "policy_picked": pl.Int64(),
        "policy_value": pl.Float64(),
        "policy_low": pl.Float64(),
        "policy_high": pl.Float64(),
    }
)

LEVELS = ("mean_predicted", "mean_observed", "ece_above_noise", "auroc", "auroc_low", "auroc_high")


def people(scored: pl.DataFrame, decision: Decision, unrested: Decision) -> pl.DataFrame:
    """What a night said of everybody (`PEOPLE`), sorted by customer.

    Chosen is whoever is enrolled for profit or tried, held out or not. People explored below the cut were
    drawn, not chosen.

    Args:
        scored: rows of `models.outputs.SCORES`, with V1 in major units (`VALUE_WITH_PURCHASE`).
        decision: the list.
        unrested: the same if nobody rested from a replayed list. Only so can lists of neighbouring nights be
            compared: whom the one has enrolled the next leaves alone.
    """
    barred = unrested.excluded.filter(pl.col("reason").is_in([str(one) for one in BARRED]))["customer_id"]
    chosen = pl.concat(
        frame.filter(pl.col("arm") != Arm.EXPLORE)["customer_id"]
        for frame in (unrested.winback, unrested.holdout)
    )

    def among(ids: pl.Series) -> pl.Expr:
        return pl.col("customer_id").is_in(ids.implode())

    flags = {
        "eligible": ~among(barred),
        "chosen": among(chosen),
        "listed": among(decision.winback["customer_id"]),
    }
    return scored.select(*SAID, VALUE_WITH_PURCHASE, **flags).cast(PEOPLE).sort("customer_id")


def agreement(before: pl.DataFrame, now: pl.DataFrame) -> dict[str, Any]:
    """How far two nights agree on whom to contact, among those who could be contacted on both.

    Args:
        before: `PEOPLE` of the earlier night.
        now: of the later one.

    Returns:
        `kept_share` of the earlier choice, `overlap` (Jaccard: chosen on both nights over chosen on either),
        `eip_rank_correlation` (Spearman) and `common_people`; None where nobody was chosen.
    """
    eip = "expected_incremental_profit"
    asked = ["customer_id", "chosen", eip]
    both = (
        before.filter("eligible")
        .select(asked)
        .join(now.filter("eligible").select(asked), on="customer_id", suffix="_now")
        .sort("customer_id")
    )
    then, later = both["chosen"].to_numpy(), both["chosen_now"].to_numpy()
    kept, either, earlier = (int(one.sum()) for one in (then & later, then | later, then))
    return {
        "kept_share": kept / earlier if earlier else None,
        "overlap": kept / either if either else None,
        "eip_rank_correlation": _finite(spearman(both[eip].to_numpy(), both[f"{eip}_now"].to_numpy())),
        "common_people": both.height,
    }


def table(nights: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """The figures of all nights (`NIGHTS`), oldest first."""
    columns: dict[str, list[Any]] = {name: [night.get(name) for night in nights] for name in NIGHTS}
    for name in ("as_of", "trained_as_of"):
        columns[name] = [date.fromisoformat(day) for day in columns[name]]
    return pl.DataFrame(columns, schema=NIGHTS).sort("as_of")


def overall(nights: pl.DataFrame) -> dict[str, Any]:
    """Plain means over the nights that define a figure, and how many do."""
    over = nights.filter(pl.col("window_complete") & pl.col("mean_observed").is_not_null())
    named = (
        *LEVELS[:4],
        "organic_predicted",
        "organic_return_rate",
        "organic_return_rate_of_all",
        "organic_margin",
        "organic_margin_of_all",
    )
    means = {name: _mean_of(over[name]) for name in named}
    moved = {name: _mean_of(nights[name]) for name in ("kept_share", "overlap", "eip_rank_correlation")}
    return {
        "nights": nights.height,
        "nights_judged": over.height,
        "models": nights["trained_as_of"].n_unique(),
        "listed": int(nights["listed"].sum()),
        **means,
        **_longest(nights),
        **moved,
    }


def _longest(nights: pl.DataFrame) -> dict[str, Any]:
    """V1, V0 and S of the nights that have been followed longest, which can best be compared."""
    pairs = [f"{part}_{kind}" for part in ("v1", "v0", "s") for kind in ("predicted", "observed")]
    months = nights["followup_months"].max()
    seen = nights.filter(pl.col("followup_months") == months) if months else nights.clear()
    return {
        "followup_months": months or 0,
        "value_months": nights["value_months"].max(),
        "nights_followed": seen.height,
        **{name: _mean_of(seen[name]) for name in ("mean_s", *pairs)},
    }


def _mean_of(column: pl.Series) -> float | None:
    """Summed in the order of the nights, so that it is the same in every run."""
    known = column.drop_nulls().to_list()
    return math.fsum(known) / len(known) if known else None


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
