"""Pictures of the report: residuals of the alignment, populations, units one by one.

Every number comes from the results; only what is there for the eye alone (histograms) is made here.
The same results give the same picture, to the byte.
"""

import io
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.alignment_figure import draw_residuals
from analysis.axis import left_out_projections
from analysis.findings import Results, Viewing
from analysis.inference import LEVEL
from analysis.palette import BLUE, DPI, INK, PALE, PALE_BLUE, RED, STYLE, WIDTH_IN
from analysis.population_figure import OF_NUMBERS, WORDS, draw_matrix
from analysis.unit_figure import file_of, picture
from analysis.unit_record import Record

Floats = NDArray[np.float64]

MOST_RUNS = 4


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure: its address, which holds the whole image, and what it shows in words."""

    uri: str
    alt: str


def drawing(figure: Figure, alt: str) -> Drawing:
    """The figure as it stands in a page."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", dpi=DPI, metadata={"Date": None, "Creator": None})
    return Drawing(address(stream.getvalue()), alt)


def address(svg: str) -> str:
    """An address that holds the whole image."""
    text = re.sub(r"\s*\n\s*", " ", svg).replace("base64, ", "base64,")
    return "data:image/svg+xml," + quote(text, safe=" =:/;,.()+-")


# Alignment ---------------------------------------------------------------------------------------


def shown_runs(alignment: Sequence[Mapping[str, Any]]) -> list[int]:
    """Positions of the runs whose residuals are drawn.

    All if they are few; else the first, and those with the largest 99 % residual.
    """
    if len(alignment) <= MOST_RUNS:
        return list(range(len(alignment)))
    later = range(1, len(alignment))
    return [0, *sorted(later, key=lambda n: -alignment[n]["residual_p99_ms"])[: MOST_RUNS - 1]]


def residuals(results: Results) -> Drawing:
    """Recorded less expected time of every word, over time, for the runs of `shown_runs`."""
    runs = [(s.name, run) for s in results.gathered.sessions for run in s.runs]
    chosen = [runs[n] for n in shown_runs(results.document["alignment"])]
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 0.4 + 1.4 * len(chosen)))
        axes = figure.subplots(len(chosen), 1, squeeze=False)[:, 0]
        for ax, (session, run) in zip(axes, chosen, strict=True):
            draw_residuals(ax, run.alignment)
            ax.set_title(f"{session}, {run.name}", loc="left")
        axes[-1].set_xlabel("minutes since the first code in the recording")
        height = figure.get_figheight()
        figure.subplots_adjust(
            left=0.06, right=0.995, top=1 - 0.25 / height, bottom=0.45 / height, hspace=0.6
        )
        return drawing(figure, "Residuals of the alignment over time, run by run")


def clocks(alignment: Sequence[Mapping[str, Any]]) -> Drawing:
    """Drift and residuals of all runs, where they are too many to be drawn one by one."""
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 2.5))
        left, right = figure.subplots(1, 2)
        left.hist([run["drift_ppm"] for run in alignment], bins=40, color=BLUE)
        left.set(xlabel="drift of the recording's clock (ppm)", ylabel="runs")
        for name, color, label in (
            ("residual_median_ms", BLUE, "median of a run"),
            ("residual_p99_ms", RED, "99 % of a run"),
        ):
            values = np.sort([run[name] for run in alignment])
            right.plot(values, np.arange(1, len(values) + 1), ".-", color=color, label=label)
        right.set(xlabel="residual (ms)", ylabel="runs with at most this", xlim=(0, None))
        right.legend(loc="lower right")
        figure.tight_layout(pad=0.6, w_pad=2.5)
        return drawing(figure, "Drift and residuals of all runs")


# Populations -------------------------------------------------------------------------------------


def identification(viewings: Sequence[Viewing]) -> Drawing | None:
    """How often a picture is told from so many others, with chance and shuffles."""
    shown = [(v.pool, v.identified) for v in viewings if v.identified is not None]
    if not shown:
        return None
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    with rc_context(STYLE):
        size = (WIDTH_IN, 0.4 + 1.9 * rows) if columns > 1 else (WIDTH_IN / 2, 2.6)
        figure = Figure(figsize=size)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax, (pool, found) in zip(axes, shown, strict=False):
            curve = found.curve
            others = curve.index.to_numpy(dtype=float)
            ax.fill_between(others, curve["null_low"], curve["null_high"], color=PALE, linewidth=0)
            ax.fill_between(others, curve["low"], curve["high"], color=PALE_BLUE, linewidth=0)
            ax.plot(others, curve["accuracy"], color=BLUE)
            ax.plot(others, curve["chance"], "--", color=INK, linewidth=0.8)
            ax.set(ylim=(0, 1), xlim=(1, others[-1]))
            if len(shown) > 1:
                ax.set_title(pool, loc="left")
        for ax in axes[len(shown) :]:
            ax.set_visible(False)
        figure.supxlabel("other pictures", size="medium", y=0.01)
        figure.supylabel("share told apart", size="medium", x=0.005)
        figure.tight_layout(pad=0.6)
        return drawing(figure, "How often a picture is told from others, by their number")


def population(results: Results) -> dict[str, Any]:
    """Figures of all units of a pool, by name, and the `pool`: of several, that of most units."""
    pools = list(zip(results.viewings, results.document["viewing"], strict=True))
    if not pools:
        return {}
    viewing, numbers = max(pools, key=lambda pool: len(pool[0].fit.r))
    rates = viewing.rates[viewing.fit.r.index]
    seed = results.document["settings"]["tests"]["seed"]
    places = left_out_projections(rates, viewing.space, seed)
    drawn = {
        "matrix": draw_matrix(rates, places, viewing.categories, viewing.fit.r2),
        **{name: draw(numbers) for name, draw in OF_NUMBERS.items()},
    }
    return {"pool": viewing.pool} | {
        name: Drawing(address(file_of(figure, "svg", DPI).decode()), WORDS[name])
        for name, figure in drawn.items()
        if figure is not None
    }


def left_out_r2(viewings: Sequence[Viewing]) -> Drawing:
    """Variance of the rates to left-out pictures that the units' axes explain, pool by pool."""
    columns = min(4, len(viewings))
    rows = -(-len(viewings) // columns)
    highest = max(float(v.fit.r2.max()) for v in viewings)
    edges = np.linspace(-0.15, max(0.3, highest) + 0.01, 34)
    with rc_context(STYLE):
        size = (WIDTH_IN, 0.4 + 1.9 * rows) if columns > 1 else (WIDTH_IN / 2, 2.6)
        figure = Figure(figsize=size)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax, viewing in zip(axes, viewings, strict=False):
            stacked(ax, viewing.fit.r2.clip(edges[0]), viewing.fit.q <= LEVEL, edges)
            if len(viewings) > 1:
                ax.set_title(textwrap.fill(viewing.pool, 32), loc="left", fontsize=7.5)
        for ax in axes[len(viewings) :]:
            ax.set_axis_off()
        for ax in axes[::columns]:
            ax.set_ylabel("units")
        for ax in axes[max(0, len(viewings) - columns) : len(viewings)]:
            ax.set_xlabel("r² of left-out pictures")
        bars, words = axes[0].get_legend_handles_labels()
        figure.legend(bars, words, loc="upper right", ncols=2)
        figure.tight_layout(pad=0.6, rect=(0, 0, 1, 1 - 0.25 / size[1]))
        return drawing(figure, "Distribution over units of the r² of left-out pictures")


def stacked(ax: Axes, values: pd.Series, tuned: pd.Series, edges: Floats) -> None:
    """Histogram over units, those with an axis at the bottom."""
    known = values.dropna()
    blue = tuned[known.index].to_numpy(dtype=bool)
    ax.hist(
        [known[blue], known[~blue]],
        bins=edges.tolist(),
        stacked=True,
        color=[BLUE, PALE],
        label=["axis-tuned in viewing", "not axis-tuned"],
    )
    ax.axvline(0, color=INK, linewidth=0.8, linestyle=":")


# Units -------------------------------------------------------------------------------------------


def unit(record: Record) -> Drawing:
    """One unit in viewing, and below in imagery, if recorded."""
    svg = picture(record, "svg", DPI).decode("utf-8")
    return Drawing(address(svg), f"Unit {record['unit']}: spikes, tuning, and imagery if recorded")
