"""How much does each group of features move each person away from buying again?

TreeSHAP by XGBoost itself (Lundberg et al. 2020, Nature Machine Intelligence 2): the log-odds of a
prediction are the model's mean plus one contribution per feature. Contributions are summed by group, with the
sign turned round: above 0 speaks for not returning.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from models.boosting import contributions
from models.matrix import FeatureContract, to_matrix
from models.metrics import Array
from models.reasons.groups import OWN_PAST, Group, group_of, window_days
from models.returning import ReturnModel
from models.standing import is_gone

Flags = npt.NDArray[np.bool_]
# Rows of contributions in memory at a time: one Float64 per row and feature.
_CHUNK = 10_000
_PLACE = {group: place for place, group in enumerate(Group)}


def why(group: Group) -> str:
    """Name of the column of a group's contribution."""
    return f"why_{group}"


def explained(trees: bytes, contract: FeatureContract, features: pl.DataFrame) -> pl.DataFrame:
    """What each group of features contributes, in the order of the rows.

    Args:
        trees: a model of the return, UBJSON.
        contract: the features it reads.
        features: the feature frame of the people to explain, with `days_since_last_purchase` and `orders`.

    Returns:
        `customer_id` and `why_<group>` for each group, Float64: log-odds towards not returning. A row's sum
        is the model's mean log-odds of a return, less the row's. What silence contributes stands under
        `rhythm`, except for those who bought once.

    Raises:
        DataRefused: when the features do not fit the model.
    """
    chunks = [_explained(trees, contract, chunk) for chunk in features.iter_slices(_CHUNK)]
    return pl.concat(chunks) if chunks else _explained(trees, contract, features)


def explained_return(model: ReturnModel, contract: FeatureContract, features: pl.DataFrame) -> pl.DataFrame:
    """What each group contributes to p0 as the whole model has it, before calibration; see `explained`.

    The model mixes log-odds, so that contributions mix alike: those of the gone are of both kinds of trees.

    Args:
        model: the model of the return.
        contract: the features it reads.
        features: see `explained`; with `stage`.
    """
    everyone = explained(model.churn, contract, features).with_row_index()
    if model.reactivation is None or not model.share:
        return everyone.drop("index")
    gone = features.select(is_gone()).to_series()
    own = explained(model.reactivation, contract, features.filter(gone))
    churn = everyone.filter(gone)
    both = [own[why(g)] * model.share + churn[why(g)] * (1 - model.share) for g in Group]
    parts = [churn.with_columns(both), everyone.filter(~gone)]
    return pl.concat(parts).sort("index").drop("index")


def _explained(trees: bytes, contract: FeatureContract, features: pl.DataFrame) -> pl.DataFrame:
    away = -contributions(trees, to_matrix(features, contract))[:, :-1]
    sums = _by_group(away, contract.names, _silent(features), _once(features))
    return pl.DataFrame(
        {"customer_id": features["customer_id"], **{why(g): sums[p] for g, p in _PLACE.items()}}
    )


def _by_group(away: Array, names: tuple[str, ...], silent: Array, once: Flags) -> Array:
    """One row per group: sums over the features in their order."""
    sums = np.zeros((len(Group), len(away)))
    everyone = np.arange(len(away))
    for place, name in enumerate(names):
        sums[_spoken_of(name, silent, once), everyone] += away[:, place]
    rhythm, silence = sums[_PLACE[Group.RHYTHM]], sums[_PLACE[Group.SILENCE]]
    rhythm += np.where(once, 0.0, silence)
    silence *= once
    return sums


def _spoken_of(feature: str, silent: Array, once: Flags) -> npt.NDArray[np.int64]:
    """Place of the group that a feature speaks of, per person."""
    group, window = group_of(feature), window_days(feature)
    own = np.where(once & (group in OWN_PAST), _PLACE[Group.SETTLED], _PLACE[group])
    empty = np.zeros(len(once), np.bool_) if window is None else silent >= window
    return np.where(empty, _PLACE[Group.SILENCE], own)


def _silent(features: pl.DataFrame) -> Array:
    return features["days_since_last_purchase"].cast(pl.Float64).to_numpy()


def _once(features: pl.DataFrame) -> Flags:
    return (features["orders"] == 1).fill_null(value=False).to_numpy()
