"""The curves as a picture: net value of sending to more and more of the ranking, at each cost."""

from pathlib import Path

import numpy as np

from tests.hillstrom.data import Arm
from tests.hillstrom.policy import COSTS, Expected, curve

_COLOURS = ("#0b69a3", "#2f8132", "#de7c00", "#ab091e")


def draw(path: Path, found: list[tuple[Arm, Expected]]) -> None:
    """One panel per arm; dots are where the rule stops."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.8), layout="constrained")
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for axes, (arm, gains) in zip(panels, found, strict=True):
        for cost, colour in zip(COSTS, _COLOURS, strict=True):
            line = curve(arm, gains, cost)
            axes.plot(line["share"], line["value"], color=colour, label=f"contact cost {cost:.2f}")
            axes.fill_between(line["share"], line["low"], line["high"], color=colour, alpha=0.12, linewidth=0)
            stop = float((gains.gain > cost).mean())
            axes.plot(stop, np.interp(stop, line["share"], line["value"]), "o", color=colour)
        axes.plot([], [], "o", color="#1f2933", label="positive expected profit")
        axes.axhline(0, color="#9aa5b1", linewidth=1)
        axes.set(xlim=(0, 1), xlabel="share of customers mailed, highest expected gain first")
        axes.set_title(
            f"{arm.name} mail against none: net value per customer, 90 % intervals", loc="left", fontsize=10
        )
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("dollars per customer")
    panels[0].legend(loc="best", frameon=False, fontsize=9)
    FigureCanvasAgg(figure).print_png(str(path), metadata={"Software": None})
