"""Pictures of the report: residuals of the alignment, units one by one, populations.

Only drawn here: nothing is computed that the document does not hold, but for what the eye sees
alone (rasters, response curves, histograms).  A drawing is text that goes into the page as it is;
the same results give the same text.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.axis import axis_weights, projections
from analysis.gather import Session
from analysis.inference import LEVEL
from analysis.pipeline import Imagining, Results, Tuning, Viewing
from analysis.responses import psth
from task.contract.sessionlog import Kind

Times = NDArray[np.float64]

# Okabe & Ito's palette: told apart by people who are colour-blind.
BLUE, RED, GREY, GREEN, INK = "#0072B2", "#D55E00", "#9a9a9a", "#009E73", "#222222"
PALE_BLUE, PALE_RED = "#d6e8f3", "#f9e0d0"

WIDTH_IN = 9.6  # of the page's column, 960 px
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "svg.hashsalt": "imagery",
    "svg.fonttype": "path",
}
_DPI = 200  # of what is drawn in pixels: twice those of the page


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure for the page.

    Attributes
    ----------
    uri : the figure itself, as the address of an image
    alt : what it shows, for those who cannot see it
    """

    uri: str
    alt: str


def _drawing(figure: Figure, alt: str) -> Drawing:
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", dpi=_DPI, metadata={"Date": None, "Creator": None})
    return Drawing("data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode(), alt)


# Alignment -----------------------------------------------------------------------------------------

MOST_RUNS = 4


def shown_runs(alignment: Sequence[dict[str, Any]]) -> list[int]:
    """Positions of the runs whose residuals are drawn: all if few, else the first and the worst.

    The worst are those with the largest 99 % residual.
    """
    if len(alignment) <= MOST_RUNS:
        return list(range(len(alignment)))
    by_residual = sorted(
        range(1, len(alignment)), key=lambda n: -alignment[n]["residual_p99_ms"]
    )
    return [0, *by_residual[: MOST_RUNS - 1]]


def residuals(results: Results) -> Drawing:
    """Recorded less expected time of every word, over time, for the runs of `shown_runs`."""
    runs = [(s, run) for s in results.gathered.sessions for run in s.runs]
    chosen = shown_runs(results.document["alignment"])
    with rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH_IN, 0.45 + 1.35 * len(chosen)))
        axes = figure.subplots(len(chosen), 1, squeeze=False)[:, 0]
        for ax, n in zip(axes, chosen, strict=True):
            session, run = runs[n]
            _residuals(ax, run.alignment)
            ax.set_title(f"{session.name}, {run.name}", loc="left")
        axes[-1].set_xlabel("minutes since the first code of the run, recording's clock")
        figure.tight_layout(pad=0.6, h_pad=0.9)
        return _drawing(figure, "Residuals of the alignment over time")


def _residuals(ax: Axes, alignment: Any) -> None:
    pairs = alignment.pairs
    time_s = alignment.time_s.to_numpy()
    start_s = float(np.nanmin(time_s))
    minutes = (time_s - start_s) / 60
    residual_ms = pairs["residual_s"].to_numpy() * 1e3
    placed = pairs["placed"].to_numpy()
    at = minutes[pairs["sent"]]
    reach = max(1.0, 1.15 * np.abs(residual_ms[~placed]).max(initial=0.0))
    ax.plot(at[~placed], residual_ms[~placed], ".", color=BLUE, markersize=2.5, rasterized=True)
    outside = residual_ms[placed].clip(-reach, reach)
    ax.plot(at[placed], outside, "^", color=RED, markersize=5, clip_on=False)
    lost = minutes[~alignment.measured.to_numpy() & alignment.time_s.notna().to_numpy()]
    ax.plot(lost, np.full(len(lost), -reach), "|", color=INK, markersize=7, clip_on=False)
    ax.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    ax.set(ylim=(-reach, reach), xlim=(0, max(minutes.max(), 0.01)), ylabel="residual (ms)")


def clocks(alignment: Sequence[dict[str, Any]]) -> Drawing:
    """Drift and residual of every run."""
    drift = [run["drift_ppm"] for run in alignment]
    with rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH_IN, 2.6))
        left, right = figure.subplots(1, 2)
        left.hist(drift, bins=30, color=BLUE)
        left.set(xlabel="drift of the recording against the log (ppm)", ylabel="runs")
        for name, color, label in (
            ("residual_median_ms", BLUE, "median"),
            ("residual_p99_ms", RED, "99 %"),
        ):
            values = np.sort([run[name] for run in alignment])
            right.plot(values, np.arange(1, len(values) + 1), color=color, label=label)
        right.set(xscale="log", xlabel="size of the residual in a run (ms)", ylabel="runs up to this")
        right.legend(loc="lower right")
        figure.tight_layout(pad=0.6, w_pad=2.5)
        return _drawing(figure, "Drift and residuals of all runs")


# Populations ---------------------------------------------------------------------------------------


def left_out_r2(viewings: Sequence[Viewing]) -> Drawing:
    """Variance of the rates to left-out pictures that each unit's axis explains, pool by pool."""
    columns = min(4, len(viewings))
    rows = -(-len(viewings) // columns)
    known = [v.fit.r2.dropna() for v in viewings]
    high = max(0.1, *(r2.max() for r2 in known if len(r2)))
    edges = np.linspace(-0.2, high + 0.02, 34)
    with rc_context(_STYLE):
        height = 2.7 if rows == 1 else 0.3 + 1.9 * rows
        figure = Figure(figsize=(WIDTH_IN if columns > 1 else 6.4, height))
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax, viewing, r2 in zip(axes, viewings, known, strict=False):
            tuned = (viewing.fit.q[r2.index] <= LEVEL).to_numpy()
            values = r2.to_numpy().clip(edges[0], edges[-1])
            ax.hist(
                [values[tuned], values[~tuned]],
                bins=edges.tolist(),
                stacked=True,
                color=[BLUE, "#cfcfcf"],
                label=["axis-tuned", "not"],
            )
            ax.axvline(0, color=INK, linewidth=0.8, linestyle=":")
            if len(viewings) > 1:
                ax.set_title(_wrapped(viewing.pool), loc="left", fontsize=8)
        for ax in axes[len(viewings) :]:
            ax.set_axis_off()
        for ax in axes[::columns]:
            ax.set_ylabel("units")
        for ax in axes[max(0, len(viewings) - columns) : len(viewings)]:
            ax.set_xlabel("r² on left-out pictures")
        axes[0].legend()
        figure.tight_layout(pad=0.6)
        return _drawing(figure, "Distribution over units of the variance explained")


def _wrapped(text: str, width: int = 28) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width))


def imagined_r(imagining: Imagining, tuned: set[str]) -> Drawing:
    """How imagery follows each quantity: r of every unit, and their mean against its chance."""
    assert imagining.code
    codes = {
        "projection on the preferred axis": imagining.code.axis,
        "projection on the orthogonal axis": imagining.code.orthogonal,
        "rate while the picture was seen": imagining.code.viewing,
    }
    edges = np.linspace(-1, 1, 21).tolist()
    with rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH_IN, 4.2))
        grid = figure.subplots(2, 3)
        for (over, under), (name, code) in zip(grid.T, codes.items(), strict=True):
            r = code.units["r"].dropna()
            blue = r.index.isin(list(tuned))
            over.hist(
                [r[blue], r[~blue]],
                bins=edges,
                stacked=True,
                color=[BLUE, "#cfcfcf"],
                label=["axis-tuned in viewing", "not"],
            )
            over.axvline(0, color=INK, linewidth=0.8, linestyle=":")
            over.set(title=name, xlabel="r over the imagined pictures, unit by unit", xlim=(-1, 1))
            kept = code.units["r"].notna().to_numpy()
            side = np.abs if code.two_sided else np.asarray
            null = side(code.null[:, kept]).mean(axis=1)
            under.hist(null, bins=30, color="#cfcfcf")
            under.axvline(side(r.to_numpy()).mean(), color=RED, linewidth=2)
            under.set_xlabel("mean |r| over units" if code.two_sided else "mean r over units")
        grid[0, 0].set_ylabel("units")
        grid[1, 0].set_ylabel("exchanges")
        grid[0, 0].legend(loc="upper left")
        figure.tight_layout(pad=0.6, w_pad=1.5, h_pad=1.2)
        return _drawing(figure, "Correlation of imagery rates with what is known from viewing")


# Units ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Trials:
    """Spikes of a unit around trials: `time_s` (around the onset), `row` (which trial), and names.

    `item` says for each trial which picture, `curve` its response curve by groups of pictures.
    """

    onset_s: Times
    item: NDArray[Any]
    train_s: Times


def unit(results: Results, tuning: Tuning) -> Drawing:
    """One unit in viewing, and below it in imagery where it was recorded there."""
    viewing = next(v for v in results.viewings if v.pool == tuning.pool)
    imagined = [i for i in results.imaginings if tuning.unit in i.trials.during]
    with rc_context(_STYLE):
        rows = 1 + len(imagined)
        figure = Figure(figsize=(WIDTH_IN, 2.75 * rows))
        grid = figure.add_gridspec(
            rows, 3, left=0.06, right=0.99, top=1 - 0.1 / rows, bottom=0.17 / rows,
            wspace=0.24, hspace=0.42, width_ratios=(1.25, 1, 1),
        )  # fmt: skip
        window = tuple(results.document["viewing"][0]["window_s"])
        cells = grid[0, 0].subgridspec(2, 1, height_ratios=(2, 1), hspace=0.12)
        raster, curve = figure.add_subplot(cells[0]), figure.add_subplot(cells[1])
        _viewed(raster, curve, _viewed_trials(results, tuning), tuning.preferred, window)
        rates = viewing.rates[tuning.unit]
        shown = next(
            s for s in results.document["shown"]["units"] if s["unit"] == tuning.unit
        )
        along, across = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[0, 2])
        _tuning(along, tuning.preferred, rates, shown["preferred"], BLUE)
        along.set(title="preferred axis", xlabel="projection, axis fitted without the picture")
        along.set_ylabel("rate (Hz)")
        _tuning(across, tuning.orthogonal, rates, shown["orthogonal"], GREY)
        across.set(title="orthogonal axis", xlabel="projection, axes fitted without the picture")
        across.sharey(along)
        for row, imagining in enumerate(imagined, start=1):
            _imagery_row(figure, grid, row, results, imagining, viewing, tuning.unit)
        return _drawing(figure, f"Unit {tuning.unit}")


def _of_unit(results: Results, unit: str) -> tuple[str, str]:
    recording, _, label = unit.rpartition("/")
    return recording, label


def _sessions(results: Results, unit: str) -> list[tuple[Session, Times]]:
    recording, _, label = unit.rpartition("/")
    return [
        (s, np.asarray(s.units.of(label)))
        for s in results.gathered.sessions
        if s.recording == recording and label in s.units.table.index
    ]


def _viewed_trials(results: Results, tuning: Tuning) -> list[_Trials]:
    """Trials of the pool, session by session."""
    found = []
    for session, train in _sessions(results, tuning.unit):
        for run in session.runs:
            viewed = run.trials[run.trials["kind"] == Kind.VIEW]
            if run.pool == tuning.pool and len(viewed):
                found.append(
                    _Trials(viewed["onset_s"].to_numpy(), viewed["item"].to_numpy(), train)
                )
    return found
