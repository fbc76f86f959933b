"""What moves the predictions, and how? Pictures of SHAP contributions.

Both take the features of some rows and what each of them adds to the log-odds of a return, without the column
of the model's mean. Rows say nothing about who they are of.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from models.plots import _COLOURS as COLOURS
from models.plots import _GREY as GREY
from models.plots import Floats
from models.plots import _png as png
from models.plots import _tidy as tidy

_POINTS: dict[str, Any] = {"s": 7, "linewidths": 0, "alpha": 0.7, "rasterized": True}
_BAND = 0.38
_SHOWN = (0.005, 0.99)


def shap_summary_png(
    matrix: pl.DataFrame, contributions: Floats, groups: Mapping[str, str], most: int = 15
) -> bytes:
    """The features that move predictions most, a point per row, and how much each group of them does.

    Args:
        matrix: the features, as the model reads them.
        contributions: one row per row, one column per feature.
        groups: feature: its group.
        most: features shown.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    size = mean_sizes(matrix, contributions, groups)
    shown = size.head(most)["feature"].to_list()
    together = size.group_by("group").agg(pl.col("mean_abs").sum()).sort("mean_abs", "group")
    figure = Figure(figsize=(12.4, 0.34 * len(shown) + 2.2), layout="constrained")
    colours = colormaps["coolwarm"].with_extremes(bad=GREY)
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    for place, name in enumerate(reversed(shown)):
        x = contributions[:, matrix.columns.index(name)]
        ranks = _ranks(matrix[name])
        left.scatter(x, place + _spread(x), c=ranks, cmap=colours, plotnonfinite=True, **_POINTS)
    left.axvline(0, color=GREY, linewidth=1)
    left.set_yticks(range(len(shown)), list(reversed(shown)))
    left.set(xlabel="log-odds of a return (blue: low value, red: high, grey: not known)")
    left.set_title(f"Features, {len(matrix):,} customers", loc="left")
    right.barh(together["group"].to_list(), together["mean_abs"].to_numpy(), color=COLOURS[0])
    right.set(xlabel="mean absolute log-odds, its features added up")
    right.set_title("Groups", loc="left")
    tidy(left, right)
    return png(figure)


def shap_dependence_png(matrix: pl.DataFrame, contributions: Floats, feature: str) -> bytes:
    """What one feature adds to the log-odds of a return, against its value; unknown values are left out."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    values, added = matrix[feature], contributions[:, matrix.columns.index(feature)]
    known = values.is_not_null().to_numpy()
    if values.dtype.is_numeric():
        numbers = values.drop_nulls().cast(pl.Float64).to_numpy()
        axes.scatter(numbers, added[known], color=COLOURS[0], **_POINTS)
        # A few far away would press the rest together.
        if len(numbers):
            axes.set_xlim(*np.quantile(numbers, _SHOWN) + np.array([-1, 1]) * 1e-6)
    else:
        names = sorted(set(values.drop_nulls().cast(pl.String)))
        place = values.drop_nulls().cast(pl.String).replace_strict(names, range(len(names))).to_numpy()
        axes.scatter(place + _spread(added[known]), added[known], color=COLOURS[0], **_POINTS)
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.axhline(0, color=GREY, linewidth=1)
    axes.set(xlabel=feature, ylabel="log-odds of a return")
    axes.set_title(f"What {feature} adds", loc="left")
    tidy(axes)
    return png(figure)


def mean_sizes(matrix: pl.DataFrame, contributions: Floats, groups: Mapping[str, str]) -> pl.DataFrame:
    """`feature`, `group`, `mean_abs` (mean absolute contribution, log-odds): the greatest first."""
    means = np.abs(contributions).mean(axis=0) if len(contributions) else np.zeros(matrix.width)
    names = matrix.columns
    frame = pl.DataFrame({"feature": names, "group": [groups[name] for name in names], "mean_abs": means})
    return frame.sort(["mean_abs", "feature"], descending=[True, False])


def _spread(x: Floats) -> Floats:
    """Where points of a line lie above and below it, so that many at one place look like many."""
    order = np.argsort(x, kind="stable")
    bins = np.linspace(x.min(), x.max(), 60)[1:-1] if len(x) else x
    crowd = np.bincount(np.digitize(x, bins), minlength=60)
    turn = np.zeros(len(x))
    turn[order] = np.arange(len(x)) % 7 / 3 - 1
    return np.asarray(_BAND * turn * np.sqrt(crowd[np.digitize(x, bins)] / max(crowd.max(initial=1), 1)))


def _ranks(values: pl.Series) -> Floats:
    """Values as ranks from 0 to 1; NaN where nothing is known."""
    numbers = values.to_physical().cast(pl.Float64)
    ranks = numbers.rank("average") - 1
    return (ranks / max(float(numbers.count()) - 1, 1)).to_numpy().astype(np.float64)
