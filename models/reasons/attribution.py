"""How much does each group of features move each person away from buying again?

TreeSHAP by XGBoost itself (Lundberg et al. 2020, Nature Machine Intelligence 2): the log-odds of a
prediction are the model's mean plus one contribution per feature. Contributions are summed by group, with the
sign turned round: above 0 speaks for not returning.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import polars as pl

from models.boosting import contributions
from models.log_odds import logit
from models.matrix import FeatureContract, to_matrix
from models.metrics import Array, Flags
from models.reasons.groups import OWN_PAST, Group, group_of, window_days
from models.returning import ATTRITION, CHURN, REACTIVATION, SMOOTH, ReturnModel, attrition_opinion
from models.standing import is_gone

# Rows of contributions in memory at a time: one Float64 per row and feature.
_CHUNK = 10_000
_PLACE = {group: place for place, group in enumerate(Group)}


def why(group: Group) -> str:
    """Name of the column of a group's contribution."""
    return f"why_{group}"


def explained(trees: bytes, contract: FeatureContract, features: pl.DataFrame) -> pl.DataFrame:
    """What each group of features contributes to trees, in the order of the rows.

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
    return _in_chunks(lambda matrix, _: contributions(trees, matrix)[:, :-1], contract, features)


def explained_return(model: ReturnModel, contract: FeatureContract, features: pl.DataFrame) -> pl.DataFrame:
    """What each group contributes to p0, before calibration; see `explained`.

    Args:
        model: the model of the return.
        contract: the features it reads.
        features: see `explained`; with `stage`.
    """
    return _in_chunks(partial(moved, model), contract, features)


def moved(model: ReturnModel, matrix: pl.DataFrame, people: pl.DataFrame) -> Array:
    """What each feature adds to each row's log-odds of a return: a row per row, a column per feature.

    The model adds up weighted log-odds of several opinions, so their contributions add up alike. Those of the
    trees are TreeSHAP; the line and the latent attrition model are sums already, each part against its mean.

    Args:
        model: the model of the return.
        matrix: features in the model's shape.
        people: `stage` of the same rows.
    """
    gone = people.select(is_gone()).to_series()
    opinions = {CHURN: contributions(model.churn, matrix)[:, :-1], SMOOTH: np.zeros(matrix.shape)}
    for name, added in model.smooth.contributions(matrix).items():
        opinions[SMOOTH][:, matrix.columns.index(name)] = added
    if model.attrition is not None:
        opinions[ATTRITION] = _attrition(model, matrix, model.attrition)
    if model.reactivation is not None:
        opinions[REACTIVATION] = np.zeros(matrix.shape)
        own = contributions(model.reactivation, matrix.filter(gone))[:, :-1]
        opinions[REACTIVATION][gone.to_numpy()] = own
    total = np.zeros(matrix.shape)
    for name, added in opinions.items():
        of_gone, of_others = model.weights_of_gone.get(name, 0.0), model.weights.get(name, 0.0)
        total += np.where(gone.to_numpy(), of_gone, of_others)[:, None] * added
    return total


def _attrition(model: ReturnModel, matrix: pl.DataFrame, name: str) -> Array:
    """The log-odds of the latent attrition model, against the mean that the line has of the same feature."""
    mean = next((term.center for term in model.smooth.terms if term.name == name), 0.0)
    added = np.zeros(matrix.shape)
    added[:, matrix.columns.index(name)] = logit(attrition_opinion(matrix, name)) + mean
    return added


def _in_chunks(
    added: Callable[[pl.DataFrame, pl.DataFrame], Array], contract: FeatureContract, features: pl.DataFrame
) -> pl.DataFrame:
    chunks = [_grouped(added, contract, chunk) for chunk in features.iter_slices(_CHUNK)]
    return pl.concat(chunks) if chunks else _grouped(added, contract, features)


def _grouped(
    added: Callable[[pl.DataFrame, pl.DataFrame], Array], contract: FeatureContract, features: pl.DataFrame
) -> pl.DataFrame:
    away = -added(to_matrix(features, contract), features)
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
