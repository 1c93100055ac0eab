"""Shares of units over patients in one figure: detected, corrected, and as published."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import Drawing, drawing
from analysis.palette import BLUE, INK, PALE, RED
from analysis.unit_figure import UNIT_STYLE, WIDTH_IN

Row = Mapping[str, Any]


def shares_drawing(shares: Sequence[Row]) -> Drawing | None:
    """The shares of `population.json`, if there are any."""
    if not shares:
        return None
    with rc_context(UNIT_STYLE):
        return drawing(draw_shares(shares), "Shares of units with intervals, and published ones")


def draw_shares(shares: Sequence[Row]) -> Figure:
    """A row for each share, the first on top."""
    figure = Figure(figsize=(WIDTH_IN, 0.75 + 0.34 * len(shares)))
    ax = figure.subplots()
    for row, share in zip(range(len(shares))[::-1], shares, strict=True):
        ax.axhline(row, color=PALE, linewidth=0.4, zorder=0)
        _marked(ax, row + 0.2, share["detected"], "value", "o", BLUE, "detected (q ≤ 0.05)")
        word = "lower bound" if share["lower_bound"] else "corrected"
        _marked(ax, row, share["corrected"], "value", ">" if word != "corrected" else "s", INK,
                f"estimated to do it: {word}")  # fmt: skip
        if share["published"]:
            _marked(ax, row - 0.2, share["published"], "share", "D", RED, "published")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.6, len(shares) - 0.4), xlabel="share of units")
    ax.set_yticks(range(len(shares))[::-1], [_words(share) for share in shares])
    ax.tick_params(axis="y", length=0)
    marks, names = ax.get_legend_handles_labels()
    by_name = dict(zip(names, marks, strict=True))
    known = {name: by_name[name] for name in sorted(by_name)}
    figure.legend(known.values(), known.keys(), loc="upper center", ncols=4)
    height = figure.get_figheight()
    figure.subplots_adjust(left=0.36, right=0.99, top=1 - 0.26 / height, bottom=0.36 / height)
    return figure


def _marked(ax: Axes, row: float, of: Row, name: str, marker: str, color: str, label: str) -> None:
    """A value with its interval, where it has one."""
    if of[name] is None:
        return
    if of["low"] is not None and of["high"] is not None:
        ax.plot([of["low"], of["high"]], [row, row], color=color, linewidth=1)
    ax.plot([of[name]], [row], marker, color=color, markersize=3.5, label=label)


def _words(share: Row) -> str:
    of = "" if share["of"] is None else f"\nof {share['of_words']}"
    return f"{share['words']}{of}"
