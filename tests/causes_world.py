"""What people say of why they left, and decisions that know it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from decision_world import DAY, NIGHT, appraised

from features.asof import AsOf
from models.cause_table import CauseOptions
from models.causes import answers
from models.decision import decide
from models.eligibility import Known

AS_OF = AsOf(DAY, horizon_days=60)
CAUSES = CauseOptions()
FEEDBACK = pl.Schema(
    {
        "customer_id": pl.String(),
        "occurred_at": pl.Datetime("us", "UTC"),
        "kind": pl.String(),
        "score": pl.Float64(),
        "reason": pl.String(),
        "text": pl.String(),
    }
)


def row(customer: str, ago: float, reason: str | None = None, **more: Any) -> dict[str, Any]:
    """Something said, so many days before the end of the day; an answer at the exit unless told otherwise."""
    at = datetime(DAY.year, DAY.month, DAY.day, 23, 59, tzinfo=UTC) - timedelta(days=ago)
    return {"customer_id": customer, "occurred_at": at, "kind": "exit", "reason": reason, **more}


def said(*rows: dict[str, Any], causes: CauseOptions = CAUSES, zone: str = "UTC") -> pl.DataFrame:
    return answers(pl.LazyFrame(list(rows), schema=FEEDBACK), causes, AS_OF, zone).collect()


def known(*rows: dict[str, Any], causes: CauseOptions = CAUSES, **tables: pl.DataFrame) -> Known:
    return Known(answers=said(*rows, causes=causes), **tables)


def guess(of: dict[str, str]):
    return lambda ids: pl.DataFrame(
        [(name, of[name]) for name in ids if name in of],
        {"customer_id": pl.String, "cause": pl.String},
        orient="row",
    )


def decision(frame: pl.DataFrame, rule, known_people: Known | None = None, of: dict[str, str] | None = None):
    return decide(appraised(frame, rule), known_people or Known(), rule, NIGHT, guess=guess(of or {}))
