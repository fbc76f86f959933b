"""How good are the probabilities, the order, the profit? Pictures for people. The only home of matplotlib.

Figures are objects of their own (no global state) and the same data gives the same bytes.
"""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from models.metrics import Flags

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Formatter

Floats = npt.NDArray[np.floating]

_INK, _GREY = "#1f2933", "#9aa5b1"
_COLOURS = ("#0b69a3", "#de7c00", "#2f8132", "#8d2b9c", "#ab091e", "#6b5b12", "#0f8f8c")
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
    groups = _reliability(above, outcome, predicted, bins)
    above.set(xlim=(0, 1), ylim=(0, 1), ylabel=f"share that {event}")
    above.set_title(f"Calibration: {len(outcome):,} customers, {outcome.mean():.1%} {event}", loc="left")
    above.legend(loc="upper left", frameon=True, edgecolor="none", framealpha=0.85)
    below.hist(predicted, bins=np.linspace(0, 1, 41), color=_COLOURS[0], alpha=0.8)
    below.set(
        xlabel=f"predicted probability (equal-sized groups, about {len(outcome) // max(groups, 1):,} "
        "customers each)",
        ylabel="customers",
    )
    _tidy(above, below)
    return _png(figure)


def strata_png(strata: Mapping[str, tuple[Flags, Floats]], *, event: str = "churned", bins: int = 5) -> bytes:
    """A small reliability diagram per group of people, side by side.

    Args:
        strata: name of the group: outcome and predicted probability of its rows; empty groups are left out.
        event: what the event is, one or two words for the axes.
        bins: number of groups of equal size in each.
    """
    from matplotlib.figure import Figure

    shown = {name: rows for name, rows in strata.items() if len(rows[0])}
    figure = Figure(figsize=(3.4 * max(len(shown), 1), 3.8), layout="constrained")
    panels = figure.subplots(1, max(len(shown), 1), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (name, (outcome, predicted)) in zip(panels, shown.items(), strict=False):
        _reliability(axes, outcome, predicted, bins)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="predicted")
        axes.set_title(f"{name}: {len(outcome):,}, {outcome.mean():.1%}", loc="left", fontsize=10)
    panels[0].set_ylabel(f"share that {event}")
    _tidy(*panels)
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


def profit_png(profit: Floats, scores: Mapping[str, Floats], cut: float, *, unit: str) -> bytes:
    """Profit that adds up while more and more of each ranking are contacted, and where the model would stop.

    Args:
        profit: what contacting the row would have brought, given what happened.
        scores: name of the ranking: its score, higher meaning contacted earlier; the model first.
        cut: share of people that the model would contact.
        unit: of the profit.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 5.0), layout="constrained")
    axes = figure.subplots()
    for place, (name, score) in enumerate(scores.items()):
        taken, total = cumulated(profit, score)
        width = 2.2 if place == 0 else 1.2
        axes.plot(taken, total, label=name, color=_COLOURS[place % len(_COLOURS)], linewidth=width)
        if place == 0:
            reached, best = float(np.interp(cut, taken, total)), int(np.argmax(total))
            axes.axvline(cut, color=_INK, linewidth=1, linestyle="--")
            chosen = f"the model's cut: {cut:.1%}, {reached:,.0f} {unit}"
            axes.plot(cut, reached, "o", color=_INK, label=chosen)
            hindsight = f"best in hindsight: {taken[best]:.1%}, {total[best]:,.0f} {unit}"
            axes.plot(taken[best], total[best], "x", color=_INK, label=hindsight)
    axes.axhline(0, color=_GREY, linewidth=1)
    axes.set(xlim=(0, 1), xlabel="share of customers contacted, best first", ylabel=f"profit so far, {unit}")
    axes.set_title("Profit under the assumed response", loc="left")
    axes.legend(loc="best", frameon=True, edgecolor="none", framealpha=0.85, fontsize=9)
    axes.xaxis.set_major_formatter(_percent())
    _tidy(axes)
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


def nights_png(nights: pl.DataFrame) -> bytes:
    """Replayed nights, one after the other: what was predicted and what happened, and how the choice moved.

    Args:
        nights: `models.backtest.NIGHTS`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 7.6), layout="constrained")
    panels = figure.subplots(3, 1, sharex=True)
    lines = (
        {"mean_predicted": "predicted", "mean_observed": "came back"},
        {"organic_predicted": "listed, predicted", "organic_return_rate": "listed, came back (organic)"},
        {"kept_share": "of the choice kept", "eip_rank_correlation": "rank correlation of expected profit"},
    )
    titles = ("Chance of a return, everybody", "Chance of a return, listed people", "From night to night")
    for axes, names, title in zip(panels, lines, titles, strict=True):
        for place, (name, label) in enumerate(names.items()):
            height = nights[name].fill_null(float("nan")).to_numpy()
            axes.plot(
                nights["as_of"].to_list(),
                height,
                color=_COLOURS[place],
                marker="o",
                markersize=4,
                label=label,
            )
        axes.set_title(title, loc="left")
        axes.legend(loc="best", frameon=True, edgecolor="none", framealpha=0.85)
        axes.yaxis.set_major_formatter(_percent())
        axes.margins(y=0.15)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    panels[-1].tick_params(axis="x", rotation=30)
    _tidy(*panels)
    return _png(figure)


def stability_png(names: Sequence[str], mean: Floats, low: Floats, high: Floats, title: str) -> bytes:
    """Bars of the mean importance of features, with the range over snapshots; the greatest on top."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 1.2 + 0.28 * max(len(names), 1)), layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(names))
    reach = np.clip([mean - low, high - mean], 0, None)
    axes.barh(place, mean, xerr=reach, color=_COLOURS[0], alpha=0.8, ecolor=_INK, capsize=2)
    axes.set_yticks(place, names)
    axes.invert_yaxis()
    axes.set_xlabel("share of the total gain: mean, lowest and highest over test snapshots")
    axes.set_title(title, loc="left")
    axes.xaxis.set_major_formatter(_percent())
    _tidy(axes)
    return _png(figure)


def cumulated(amount: Floats, score: Floats) -> tuple[Floats, Floats]:
    """Share of people taken, and sum of the amount among them, at each distinct score from the top."""
    values, place = np.unique(-score, return_inverse=True)
    people = np.bincount(place, minlength=len(values))
    sums = np.bincount(place, weights=amount, minlength=len(values))
    taken = np.concatenate([[0.0], np.cumsum(people) / len(amount)])
    return taken, np.concatenate([[0.0], np.cumsum(sums)])


def cumulative_gain(outcome: Flags, score: Floats) -> tuple[Floats, Floats]:
    """Share of people taken, and share of all events among them, at each distinct score from the top.

    Both start at 0 and end at 1. Without any event the second stays at 0.
    """
    taken, found = cumulated(outcome.astype(float), score)
    return taken, found / max(found[-1], 1)


def _reliability(axes: "Axes", outcome: Flags, predicted: Floats, bins: int) -> int:
    """Draw what was predicted against what happened; gives the number of groups."""
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
    groups = _groups(predicted, bins)
    mean = np.array([predicted[rows].mean() for rows in groups])
    share = np.array([outcome[rows].mean() for rows in groups])
    low, high = _wilson(share, np.array([len(rows) for rows in groups]))
    reach = np.clip([share - low, high - share], 0, None)
    axes.errorbar(
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
    return len(groups)


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
