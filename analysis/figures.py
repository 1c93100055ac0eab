"""Pictures of the report: residuals of the alignment, populations, units one by one.

Every number comes from the results; only what is there for the eye alone (rasters, response curves,
histograms) is made here.  The same results give the same picture, to the byte.
"""

import io
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from numpy.typing import NDArray

from analysis.alignment_figure import draw_residuals
from analysis.axis import axis_weights, projections
from analysis.findings import Imagining, Results, Tuning, Viewing
from analysis.gather import Session
from analysis.imagery import ImaginedCode
from analysis.inference import LEVEL
from analysis.palette import BLUE, DPI, GREY, INK, PALE, PALE_BLUE, PALE_RED, RED, STYLE, WIDTH_IN
from analysis.responses import Window
from task.contract.sessionlog import Kind

Floats = NDArray[np.float64]

MOST_RUNS = 4
SHARE_COMPARED = 5  # response curves: the fifth of the pictures highest and lowest on the axis


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure: its address, which holds the whole image, and what it shows in words."""

    uri: str
    alt: str


def _drawing(figure: Figure, alt: str) -> Drawing:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", dpi=DPI, metadata={"Date": None, "Creator": None})
    text = re.sub(r"\s*\n\s*", " ", stream.getvalue()).replace("base64, ", "base64,")
    return Drawing("data:image/svg+xml," + quote(text, safe=" =:/;,.()+-"), alt)


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
        return _drawing(figure, "Residuals of the alignment over time, run by run")


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
        return _drawing(figure, "Drift and residuals of all runs")


# Populations -------------------------------------------------------------------------------------


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
            _stacked(ax, viewing.fit.r2.clip(edges[0]), viewing.fit.q <= LEVEL, edges)
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
        return _drawing(figure, "Distribution over units of the r² of left-out pictures")


def _stacked(ax: Axes, values: pd.Series, tuned: pd.Series, edges: Floats) -> None:
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


def imagined_r(imagining: Imagining, tuned: Iterable[str]) -> Drawing:
    """How imagery follows what viewing says: r of every unit, and their mean against chance."""
    code = imagining.code
    assert code
    asked = {
        "projection on the preferred axis": code.axis,
        "projection on the orthogonal axis": code.orthogonal,
        "rate when the picture was seen": code.viewing,
    }
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 4.3))
        grid = figure.subplots(2, 3)
        for (over, under), (name, answer) in zip(grid.T, asked.items(), strict=True):
            r = answer.units["r"]
            _stacked(over, r, pd.Series(r.index.isin(list(tuned)), r.index), np.linspace(-1, 1, 21))
            over.set(title=f"imagery rate and\n{name}", xlabel="r of a unit", xlim=(-1, 1))
            over.set_ylim(0, 1.4 * over.get_ylim()[1])
            over.legend(loc="upper left", fontsize=7)
            _against_chance(under, answer)
        grid[0, 0].set_ylabel("units")
        grid[1, 0].set_ylabel("exchanges of items")
        figure.tight_layout(pad=0.6, w_pad=1.5, h_pad=1.2)
        return _drawing(figure, "Correlation of imagery rates with what is known from viewing")


def _against_chance(ax: Axes, code: ImaginedCode) -> None:
    kept = code.units["r"].notna().to_numpy()
    r, null = code.units["r"].to_numpy()[kept], code.null[:, kept]
    if code.two_sided:
        r, null = np.abs(r), np.abs(null)
    ax.hist(null.mean(axis=1), bins=30, color=PALE, label="items exchanged within blocks")
    ax.axvline(float(r.mean()), color=RED, linewidth=2, label="observed")
    ax.set_xlabel("mean over units of |r|" if code.two_sided else "mean over units of r")
    ax.margins(y=0.3)
    ax.legend(loc="upper left", fontsize=7)


# Units -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Around:
    """Spikes of a unit around trials.

    Attributes
    ----------
    time_s, trial : of each spike: seconds after the onset, and the position of its trial
    item : picture of each trial
    window_s : what is looked at
    """

    time_s: Floats
    trial: NDArray[np.intp]
    item: NDArray[Any]
    window_s: Window


# Spikes of one recording, and the onsets and pictures of its trials.
_Part = tuple[Floats, Floats, NDArray[Any]]


def _around(parts: Sequence[_Part], window_s: Window) -> _Around:
    times, trials, trials_before = [], [], 0
    for train_s, onset_s, _ in parts:
        first, stop = np.searchsorted(train_s, onset_s[:, None] + np.array(window_s)).T
        trial = np.repeat(np.arange(len(onset_s)), stop - first)
        spikes = [np.arange(*ends) for ends in zip(first, stop, strict=True)]
        times.append(train_s[np.concatenate(spikes)] - onset_s[trial])
        trials.append(trial + trials_before)
        trials_before += len(onset_s)
    items = np.concatenate([item for _, _, item in parts])
    return _Around(np.concatenate(times), np.concatenate(trials), items, window_s)


def unit(results: Results, tuning: Tuning) -> Drawing:
    """One unit in viewing, and below in imagery that is compared with this viewing."""
    viewing = next(v for v in results.viewings if v.pool == tuning.pool)
    imagined = [
        i for i in results.imaginings if i.pool == tuning.pool and tuning.unit in i.trials.during
    ]
    with rc_context(STYLE):
        height = 0.15 + 2.6 * (1 + len(imagined))
        figure = Figure(figsize=(WIDTH_IN, height))
        grid = figure.add_gridspec(
            1 + len(imagined), 3, left=0.055, right=0.99, top=1 - 0.27 / height,
            bottom=0.42 / height, wspace=0.2, hspace=0.36, width_ratios=(1.3, 1, 1),
        )  # fmt: skip
        _viewing_row(figure, grid, results, viewing, tuning)
        for row, imagining in enumerate(imagined, start=1):
            _imagery_row(figure, grid, row, imagining, viewing, tuning.unit)
        return _drawing(figure, f"Unit {tuning.unit}: spikes, tuning, and imagery if recorded")


def _viewing_row(
    figure: Figure, grid: GridSpec, results: Results, viewing: Viewing, tuning: Tuning
) -> None:
    numbers = next(s for s in results.document["shown"]["units"] if s["unit"] == tuning.unit)
    counted = next(v["window_s"] for v in results.document["viewing"] if v["pool"] == tuning.pool)
    bin_s, margin_s = (0.02, 0.2) if counted[1] < 1 else (0.05, 0.5)
    around = _around(_viewed(viewing, tuning.unit), (-margin_s, counted[1] + margin_s))
    ranked = list(tuning.preferred.sort_values().index)
    few = max(1, len(ranked) // SHARE_COMPARED)
    raster, curve = _raster_and_curve(figure, grid, 0)
    _raster(raster, around, ranked)
    raster.set(ylabel="pictures,\nby axis", title="viewing", yticks=[])
    groups = {"highest fifth": (ranked[-few:], BLUE), "lowest fifth": (ranked[:few], GREY)}
    _curves(curve, around, groups, bin_s)
    curve.axvspan(*counted, color=PALE_BLUE, zorder=0, linewidth=0)
    curve.set_xlabel("seconds after the picture came on")
    along, across = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[0, 2])
    rates = viewing.rates[tuning.unit]
    _tuning(along, tuning.preferred, rates, numbers["preferred"], BLUE)
    _tuning(across, tuning.orthogonal, rates, numbers["orthogonal"], INK)
    along.set(title="preferred axis", ylabel="rate in viewing (Hz)")
    across.set(title="orthogonal axis")


def _viewed(viewing: Viewing, unit: str) -> list[_Part]:
    recording, _, label = unit.rpartition("/")
    found = []
    for session, run in viewing.members:
        if session.recording == recording and label in session.units.table.index:
            viewed = run.of(Kind.VIEW)
            onset_s, item = viewed["onset_s"].to_numpy(float), viewed["item"].to_numpy()
            found.append((_train(session, label), onset_s, item))
    return found


def _train(session: Session, label: str) -> Floats:
    return session.units.spikes_s[list(session.units.table.index).index(label)]


def _imagery_row(
    figure: Figure, grid: GridSpec, row: int, imagining: Imagining, viewing: Viewing, unit: str
) -> None:
    trials, seen = imagining.trials, viewing.rates[unit]
    along = _imagined_projection(imagining, viewing, unit)
    ranked = list(along.index)
    during, before = imagining.windows["during_s"], imagining.windows["before_s"]
    onset_s, item = imagining.cue_s.to_numpy(float), trials.item.to_numpy()
    train_s = _train(imagining.session, unit.rpartition("/")[2])
    around = _around([(train_s, onset_s, item)], (min(-1.0, before[0]), during[1] + 0.5))
    raster, curve = _raster_and_curve(figure, grid, row)
    _raster(raster, around, ranked)
    raster.set_yticks(range(len(ranked)), [str(n) for n in range(1, len(ranked) + 1)])
    raster.set(ylabel="pictures,\nby axis", title=f"imagery ({imagining.session.name})")
    half = len(ranked) // 2
    groups = {"upper half": (ranked[-half:], RED), "lower half": (ranked[:half], GREY)}
    _curves(curve, around, groups, 0.25)
    curve.axvspan(*before, color="#e6e6e6", zorder=0, linewidth=0)
    curve.axvspan(*during, color=PALE_RED, zorder=0, linewidth=0)
    curve.set_xlabel("seconds after the cue")
    rate = trials.during[unit].groupby(trials.item)
    imagined = pd.DataFrame({"rate": rate.mean(), "sem": rate.sem()}).loc[ranked]
    by_axis, by_rate = figure.add_subplot(grid[row, 1]), figure.add_subplot(grid[row, 2])
    _numbered(by_axis, along, imagined)
    _numbered(by_rate, seen.loc[ranked], imagined)
    by_axis.set(title="imagery along the preferred axis", ylabel="rate in imagery (Hz)")
    by_axis.set_xlabel("projection, axis fitted without these pictures")
    by_rate.set(title="imagery and viewing", xlabel="rate in viewing (Hz)")


def _imagined_projection(imagining: Imagining, viewing: Viewing, unit: str) -> pd.Series:
    """Imagined pictures on the axis fitted without them, ascending."""
    items = pd.Index(imagining.trials.item.unique())
    weights = axis_weights(viewing.rates[[unit]].drop(index=items), viewing.space)
    return projections(weights, viewing.space.at(items))[unit].sort_values()


def imagined_order(imagining: Imagining, viewing: Viewing, unit: str) -> list[str]:
    """Imagined pictures in the order of their numbers in the figure of a unit."""
    return list(map(str, _imagined_projection(imagining, viewing, unit).index))


def _raster_and_curve(figure: Figure, grid: GridSpec, row: int) -> tuple[Axes, Axes]:
    cells = grid[row, 0].subgridspec(2, 1, height_ratios=(1.6, 1), hspace=0.08)
    raster, curve = figure.add_subplot(cells[0]), figure.add_subplot(cells[1])
    raster.tick_params(labelbottom=False)
    return raster, curve


def _raster(ax: Axes, around: _Around, ranked: Sequence[Any]) -> None:
    """Spikes, trial by trial; pictures from bottom to top in the order given."""
    order = np.argsort(pd.Index(ranked).get_indexer(pd.Index(around.item)), kind="stable")
    line = np.empty(len(order))
    line[order] = (np.arange(len(order)) + 0.5) * len(ranked) / len(order) - 0.5
    size = float(np.clip(200 / len(order), 0.7, 2.2))
    ax.axvline(0, color=GREY, linewidth=0.8)
    ax.plot(
        around.time_s, line[around.trial], "|", color=INK, markersize=size, markeredgewidth=0.6,
        rasterized=True,
    )  # fmt: skip
    ax.set(xlim=around.window_s, ylim=(-0.5, len(ranked) - 0.5))


def _curves(
    ax: Axes, around: _Around, groups: Mapping[str, tuple[Sequence[Any], str]], bin_s: float
) -> None:
    """Mean rate over time of groups of pictures; a last bin that is not whole is left out."""
    start, stop = around.window_s
    edges = start + bin_s * np.arange(int((stop - start) / bin_s + 1e-6) + 1)
    for name, (items, color) in groups.items():
        member = np.isin(around.item, list(items))
        counts, _ = np.histogram(around.time_s[member[around.trial]], edges)
        rate_hz = counts / (max(1, member.sum()) * bin_s)
        ax.plot(edges[:-1] + bin_s / 2, rate_hz, color=color, linewidth=1.3, label=name)
    ax.axvline(0, color=GREY, linewidth=0.8)
    ax.set(xlim=around.window_s, ylim=(0, max(1.0, 1.45 * ax.dataLim.ymax)), ylabel="Hz")
    ax.legend(loc="upper left", fontsize=7, handlelength=1.2, borderaxespad=0.1, ncols=2)


def _tuning(
    ax: Axes, projection: pd.Series, rates: pd.Series, bins: Sequence[Mapping[str, Any]], color: str
) -> None:
    """Rate along an axis: every picture, and means of bins with their standard errors."""
    of = pd.DataFrame(list(bins))
    ax.plot(projection, rates[projection.index], ".", color=PALE, markersize=3, rasterized=True)
    ax.errorbar(of["projection"], of["rate"], of["sem"], color=color, marker="o", markersize=4)
    top = max(float(rates.quantile(0.99)), float((of["rate"] + of["sem"].fillna(0)).max()))
    ax.set(ylim=(-0.03 * top, 1.12 * top), xlabel="projection, fitted without the picture")
    ax.locator_params(axis="x", nbins=6)


def _numbered(ax: Axes, known: pd.Series, imagined: pd.DataFrame) -> None:
    """Imagined pictures as the numbers that the raster gives them, with standard errors."""
    ax.errorbar(known, imagined["rate"], imagined["sem"], fmt="none", ecolor=PALE, zorder=1)
    ax.scatter(known, imagined["rate"], s=95, facecolor="white", edgecolor=RED, zorder=2)
    for n, (x, y) in enumerate(zip(known, imagined["rate"], strict=True), start=1):
        ax.text(x, y, str(n), fontsize=7, color=INK, ha="center", va="center", zorder=3)
    ax.margins(0.1)
    ax.locator_params(axis="x", nbins=6)
