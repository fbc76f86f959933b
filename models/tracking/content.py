"""What one training hands over to be recorded: its own facts and files, and the parts it is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from models.tracking.entries import Data, Facts

# What a run is: the training itself, one of its test snapshots, one trial of a search.
TRAINING, SNAPSHOT, TRIAL = "training", "snapshot", "trial"


@dataclass(frozen=True, slots=True)
class NestedRun:
    """A part of a training that is compared with others of its kind: a test snapshot, a trial of a search.

    Attributes:
        name: of the run.
        facts: under the same names as the training's own.
        tags: further identity; those of the training are added.
        kind: what it is.
        data: what it read, if that is to be seen.
    """

    name: str
    facts: Facts
    tags: Mapping[str, str] = field(default_factory=dict)
    kind: str = TRIAL
    data: Data | None = None


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """One finished training.

    Attributes:
        as_of: the last day that training knew.
        horizon_days: length of the outcome window.
        key: identity of the training (data, config, code); the same key is never trained twice.
        lake_version: versions of the tables read.
        feature_digest: identity of the feature contract.
        config_hash: identity of the config.
        recipe_hash: identity of features, parameters and code, whatever the data.
        params: `<owner>.<name>`: value.
        metrics: `<split>.<measure>`: value; one that is not finite is left out, with a note.
        config: every key of the resolved config; secrets are names of environment variables there.
        sample: feature rows as the model reads them; other columns are dropped, ids among them.
        bundle: folder of the saved model, with the churn booster in `churn.ubj`.
        curves: name of a metric: its values by step, such as `churn.log_loss` by boosting round.
        snapshots: test day: its metrics, under the same names as those of all days.
        nested: further nested runs, such as the trials of a search.
        files: artifact path: content, such as `report/calibration.png`.
        profile: how much was learned from, such as rows and days.
        tags: further identity.
    """

    as_of: date
    horizon_days: int
    key: str
    lake_version: str
    feature_digest: str
    config_hash: str
    recipe_hash: str
    params: Mapping[str, object]
    metrics: Mapping[str, float | None]
    config: Mapping[str, Any]
    sample: pl.DataFrame
    bundle: Path
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    snapshots: Mapping[date, Mapping[str, float | None]] = field(default_factory=dict)
    nested: Sequence[NestedRun] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    profile: Mapping[str, object] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        """What the training says in numbers."""
        return Facts(self.params, self.metrics, self.curves)

    def runs(self) -> list[NestedRun]:
        """All nested runs, the test snapshots first, oldest first."""
        days = sorted(self.snapshots.items())
        return [*(self._judged(day, metrics) for day, metrics in days), *self.nested]

    def data(self, day: date, context: str, profile: Mapping[str, object]) -> Data:
        """The feature rows of a day, or of the days up to it."""
        identity = {
            "data.as_of": day.isoformat(),
            "data.lake_version": self.lake_version,
            "data.feature_digest": self.feature_digest,
        }
        return Data(f"features-{day.isoformat()}", context, identity, profile)

    def _judged(self, day: date, metrics: Mapping[str, float | None]) -> NestedRun:
        data = self.data(day, "test", {})
        tags = {"data.as_of": day.isoformat()}
        return NestedRun(day.isoformat(), Facts(metrics=metrics), tags, SNAPSHOT, data)
