"""What is kept of a training, and what it says about a feature frame.

A bundle is a folder of XGBoost's own files (`.ubj`) and one JSON file; nothing in it can run code. Its digest
is the model version: the same data, config and seed give the same digest.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from features.digests import short_digest
from features.errors import WinbackError
from models.matrix import FeatureContract, to_matrix
from models.metrics import Array
from models.returning import CHURN, REACTIVATION, ReturnModel
from models.timing import Timing
from models.value import Worth
from models.window import WindowMargin
from models.won import Won

_SCHEMA = 4
_JSON = "bundle.json"
_DIRECT, _TIMING = "window_direct", "timing"
_CHUNK = 200_000
# What is expected of each row, and its standard error.
Said = tuple[Array, Array]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything needed to score.

    Attributes:
        contract: the features.
        returning: p0 of everyone.
        window: margin inside the outcome window.
        returned: V1.
        stayed: V0.
        won: how much of what follows a return counts when a contact has won it.
        timing: when those who return come.
        about: what it was trained on and with, JSON values.
    """

    contract: FeatureContract
    returning: ReturnModel
    window: WindowMargin
    returned: Worth
    stayed: Worth
    won: Won
    timing: Timing
    about: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """The model version: 12 hex digits of the SHA-256 of all files."""
        pairs = ((name.encode(), content) for name, content in sorted(self.files().items()))
        return short_digest(b"".join(hashlib.sha256(one).digest() for pair in pairs for one in pair))

    def with_drift(self, drift: float, notes: Sequence[str]) -> "Bundle":
        """The same model, with the drift in time of its honest tests, and what is to be known about it."""
        calibration = self.returning.calibration.with_drift(drift)
        returning = replace(self.returning, calibration=calibration)
        return replace(self, returning=returning, about={**self.about, "notes": list(notes)})

    def files(self) -> dict[str, bytes]:
        """File name: content."""
        content = {
            "schema": _SCHEMA,
            "about": dict(self.about),
            "contract": self.contract.to_json(),
            "returning": self.returning.to_json(),
            "window": self.window.to_json(),
            "returned": self.returned.to_json(),
            "stayed": self.stayed.to_json(),
            "won": self.won.to_json(),
            "timing": self.timing.to_json(),
        }
        text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
        margins = {"window": self.window.size, "returned": self.returned.model, "stayed": self.stayed.model}
        trees = {
            CHURN: self.returning.churn,
            REACTIVATION: self.returning.reactivation or b"",
            _DIRECT: self.window.direct or b"",
            _TIMING: self.timing.raw or b"",
        }
        for name, model in margins.items():
            trees |= {f"{name}_level": model.level or b"", f"{name}_hurdle": model.hurdle or b""}
        return {_JSON: f"{text}\n".encode(), **{f"{name}.ubj": raw for name, raw in trees.items() if raw}}

    def save(self, folder: Path) -> None:
        """Write the files into a folder, made if needed."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files().items():
            (folder / name).write_bytes(content)


def load_bundle(folder: Path) -> Bundle:
    """The bundle that `save` wrote.

    Raises:
        WinbackError: when the folder holds no bundle, or one of another version.
    """
    try:
        content = json.loads((folder / _JSON).read_text("utf-8"))
        churn = (folder / f"{CHURN}.ubj").read_bytes()
    except (OSError, ValueError) as error:
        raise WinbackError(
            f"{folder} holds no readable model ({error}). Train again: winback train."
        ) from None
    if content["schema"] != _SCHEMA:
        raise WinbackError(
            f"The model in {folder} has format {content['schema']}, this version reads {_SCHEMA}. "
            "Train again: winback train."
        )
    level, hurdle = _trees(folder, "window")
    window = WindowMargin.from_json(content["window"], level, hurdle, _tree(folder, _DIRECT))
    return Bundle(
        FeatureContract.from_json(content["contract"]),
        ReturnModel.from_json(content["returning"], churn, _tree(folder, REACTIVATION)),
        window,
        Worth.from_json(content["returned"], *_trees(folder, "returned"), window),
        Worth.from_json(content["stayed"], *_trees(folder, "stayed")),
        Won.from_json(content["won"]),
        Timing.from_json(content["timing"], _tree(folder, _TIMING)),
        content["about"],
    )


def is_outdated(folder: Path) -> bool:
    """Whether a folder holds a bundle of another version of winback: it can neither score nor defend."""
    try:
        schema = json.loads((folder / _JSON).read_text("utf-8")).get("schema")
    except (OSError, ValueError):  # what `load_bundle` is to tell
        return False
    return schema not in {None, _SCHEMA}


def predict(bundle: Bundle, features: pl.DataFrame) -> pl.DataFrame:
    """What the model believes of each row, in the order of the rows.

    Args:
        bundle: the model.
        features: feature frame with `as_of`, `customer_id` and `stage`.

    Returns:
        customer_id, as_of, p0, churn_probability, p0_se, expected_margin, margin_low and margin_high
        (bounds of one person's margin in the window), value_if_returned (S), value_if_not_returned (V0),
        value_se (of S), expected_worth (over all months, whether they return or not), days_to_return
        (expected, if they return); money in minor units, Float64.

    Raises:
        DataRefused: when the features do not fit the model.
    """
    chunks = [_predict(bundle, chunk) for chunk in features.iter_slices(_CHUNK)]
    return pl.concat(chunks) if chunks else _predict(bundle, features)


def with_purchase(bundle: Bundle, features: pl.DataFrame) -> pl.DataFrame:
    """V1 of each row, in the order of the rows: `customer_id`, `value_with_purchase`, minor units.

    All that follows a purchase, won by a contact or not: what can be compared with what people brought. S
    counts less (`models.won`), so that V1 is not S and V0 together.
    """
    matrix = to_matrix(features, bundle.contract)
    value, _ = bundle.returned.predict(matrix, features["stage"])
    return features.select("customer_id", value_with_purchase=pl.Series(value))


def _predict(bundle: Bundle, features: pl.DataFrame) -> pl.DataFrame:
    matrix, stage = to_matrix(features, bundle.contract), features["stage"]
    p0, p0_se = bundle.returning.p0(matrix, features)
    expected = bundle.window.expected(matrix, stage, p0)
    low, high = bundle.window.interval.bounds(expected)
    first, later = bundle.returned.first(matrix, stage), bundle.returned.later(matrix, stage)
    left = bundle.stayed.predict(matrix, stage)
    won, won_error = _won(first, later, left, bundle.won.share(matrix))
    return features.select("customer_id", "as_of").with_columns(
        p0=p0,
        churn_probability=1 - p0,
        p0_se=p0_se,
        expected_margin=expected,
        margin_low=low,
        margin_high=high,
        value_if_returned=won,
        value_if_not_returned=left[0],
        value_se=won_error,
        expected_worth=p0 * (later[0] + first[0]) + (1 - p0) * left[0],
        days_to_return=bundle.timing.predict(matrix, stage),
    )


def _won(first: Said, later: Said, left: Said, share: Said) -> Said:
    """S: the margin of the window, and of what follows what a contact has won (`share` of V1 - V0)."""
    follows = later[0] - left[0]
    variance = first[1] ** 2 + share[0] ** 2 * (later[1] ** 2 + left[1] ** 2) + (follows * share[1]) ** 2
    return first[0] + share[0] * follows, np.sqrt(variance)


def _trees(folder: Path, name: str) -> tuple[bytes | None, bytes | None]:
    return _tree(folder, f"{name}_level"), _tree(folder, f"{name}_hurdle")


def _tree(folder: Path, name: str) -> bytes | None:
    path = folder / f"{name}.ubj"
    return path.read_bytes() if path.exists() else None
