"""How good are the probabilities and the order? Pictures for people. The only home of matplotlib.

Figures are objects of their own (no global state) and the same data gives the same bytes.
"""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Formatter

Floats = npt.NDArray[np.floating]
Flags = npt.NDArray[np.bool_]

_INK, _GREY = "#1f2933", "#9aa5b1"
_COLOURS = ("#0b69a3", "#de7c00", "#2f8132", "#8d2b9c", "#ab091e")
_FADED = 0.35


def calibration_png(outcome: Flags, predicted: Floats, *, event: str = "churned", bins: int = 10) -> bytes:
    """A reliability diagram: what was predicted against what happened, in bins of equal size.

    Bars are 95 % Wilson intervals; below, how many people got which prediction.

    Args:
        outcome: whether the event happened, one per row.
        predicted: its predicted probability.
        event: what the event is, one or two words for the axes.
        bins: number of groups, fewer where predictions tie.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 6.8), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[4, 1], sharex=True)
    above.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
    groups = _groups(predicted, bins)
    mean = np.array([predicted[rows].mean() for rows in groups])
    share = np.array([outcome[rows].mean() for rows in groups])
    low, high = _wilson(share, np.array([len(rows) for rows in groups]))
    reach = np.clip([share - low, high - share], 0, None)
    above.errorbar(
        mean,
        share,
        reach,
        color=_COLOURS[0],
        marker="o",
        markersize=5,
        capsize=3,
        linewidth=1.4,
        label="model",
    )
    above.set(xlim=(0, 1), ylim=(0, 1), ylabel=f"share that {event}")
    above.set_title(f"Calibration: {len(outcome):,} customers, {outcome.mean():.1%} {event}", loc="left")
    above.legend(loc="upper left", frameon=True, edgecolor="none", framealpha=0.85)
    below.hist(predicted, bins=np.linspace(0, 1, 41), color=_COLOURS[0], alpha=0.8)
    below.set(
        xlabel=f"predicted probability (equal-sized groups, about {len(outcome) // max(len(groups), 1):,} "
        "customers each)",
        ylabel="customers",
    )
    _tidy(above, below)
    return _png(figure)


def gain_png(outcome: Flags, scores: Mapping[str, Floats], *, event: str = "churned") -> bytes:
    """Cumulative gain on the left, lift on the right, one line per score.

    People with the same score are taken together, so that their order plays no part.

    Args:
        outcome: whether the event happened, one per row.
        scores: name of the ranking: its score, higher meaning more likely; the model first, then baselines.
        event: what the event is, one or two words for the axes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.4, 5.0), layout="constrained")
    gain, lift = figure.subplots(1, 2)
    base = float(outcome.mean())
    for place, (name, score) in enumerate(scores.items()):
        taken, found = cumulative_gain(outcome, score)
        style = {"color": _COLOURS[place % len(_COLOURS)], "linewidth": 2.2 if place == 0 else 1.4}
        gain.plot(taken, found, label=f"{name} (top 10 % holds {np.interp(0.1, taken, found):.0%})", **style)
        shares = np.linspace(0.01, 1, 100)
        lift.plot(shares, np.interp(shares, taken, found) / shares, label=name, **style)
    gain.plot([0, base, 1], [0, 1, 1], color=_GREY, linewidth=1, linestyle=":", label="perfect")
    gain.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle="--", label="at random")
    lift.axhline(1, color=_GREY, linewidth=1, linestyle="--", label="at random")
    gain.set(xlim=(0, 1), ylim=(0, 1.01), ylabel=f"share of all who {event}")
    gain.set_title("Cumulative gain", loc="left")
    gain.legend(loc="lower right", frameon=True, edgecolor="none", framealpha=0.85)
    lift.set(xlim=(0, 1), ylabel=f"times the average share of {base:.1%}")
    lift.set_ylim(bottom=0)
    lift.set_title("Lift", loc="left")
    lift.legend(loc="upper right", frameon=True, edgecolor="none", framealpha=0.85)
    for axes in (gain, lift):
        axes.set_xlabel("share of customers taken, highest score first")
        axes.xaxis.set_major_formatter(_percent())
    gain.yaxis.set_major_formatter(_percent())
    _tidy(gain, lift)
    return _png(figure)


def horizon_png(curve: pl.DataFrame, horizon_days: int) -> bytes:
    """The label-error curve: what each candidate for the horizon gets wrong, and which one is in use.

    Args:
        curve: `horizon_days`, `type_1`, `type_2`, `loss`, see `models.horizon.error_curve`.
        horizon_days: the horizon in use.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    days = curve["horizon_days"].to_numpy()
    names = {
        "type_1": "type I: called churned, came back",
        "type_2": "type II: called active, never came back",
        "loss": "weighted sum",
    }
    for place, (column, label) in enumerate(names.items()):
        errors = curve[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        axes.plot(days, errors, color=_COLOURS[place], marker="o", markersize=4, label=label)
    axes.axvline(horizon_days, color=_GREY, linestyle="--", linewidth=1, label=f"in use: {horizon_days} days")
    axes.set(ylim=(0, 1), xlabel="horizon, days", ylabel="share of customers")
    axes.set_title("What each horizon gets wrong", loc="left")
    axes.yaxis.set_major_formatter(_percent())
    axes.legend(loc="upper right", frameon=True, edgecolor="none", framealpha=0.85)
    _tidy(axes)
    return _png(figure)


def cumulative_gain(outcome: Flags, score: Floats) -> tuple[Floats, Floats]:
    """Share of people taken, and share of all events among them, at each distinct score from the top.

    Both start at 0 and end at 1. Without any event the second stays at 0.
    """
    values, place = np.unique(-score, return_inverse=True)
    people = np.bincount(place, minlength=len(values))
    events = np.bincount(place, weights=outcome, minlength=len(values))
    taken = np.concatenate([[0.0], np.cumsum(people) / len(outcome)])
    found = np.concatenate([[0.0], np.cumsum(events) / max(events.sum(), 1)])
    return taken, found


def _groups(predicted: Floats, bins: int) -> list[npt.NDArray[np.intp]]:
    """Row numbers by prediction, in groups of about equal size; equal predictions stay together."""
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, predicted, side="right")
    return [np.flatnonzero(place == one) for one in np.unique(place)]


def _wilson(share: Floats, count: npt.NDArray[np.int_]) -> tuple[Floats, Floats]:
    """Wilson's 95 % interval of a share (JASA 1927)."""
    z = 1.959964
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return centre - half, centre + half


def _percent() -> "Formatter":
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(xmax=1, decimals=0)


def _tidy(*axes: "Axes") -> None:
    for one in axes:
        one.grid(visible=True, color=_GREY, alpha=_FADED, linewidth=0.6)
        one.set_axisbelow(True)
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(colors=_INK)


def _png(figure: "Figure") -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    target = io.BytesIO()
    # Without its metadata the file does not change with the version of matplotlib alone.
    FigureCanvasAgg(figure).print_png(target, metadata={"Software": None})
    return target.getvalue()
