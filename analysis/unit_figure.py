"""The figure of one unit, drawn from what is kept of it: spikes, tuning, imagery against viewing.

As wide as two columns of a journal, its letters no smaller than 5 points there.  The same record
gives the same file, to the byte.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from numpy.typing import NDArray

from analysis.palette import BLUE, GREY, INK, PALE, PALE_BLUE, PALE_GREY, PALE_RED, RED, STYLE
from analysis.unit_record import Record
from task.contract.errors import UserError

FORMATS = ("svg", "pdf", "png")
WIDTH_IN = 7.2  # 183 mm
PRINT_DPI = 300  # of spikes and dots, which are pixels in every format
HEAD_IN, VIEWING_IN, IMAGERY_IN = 0.24, 2.2, 2.6
UNIT_STYLE = STYLE | {
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 6.5,
    "lines.linewidth": 1.1,
    "pdf.fonttype": 42,
}
SMALL = 6  # points
MOST_BLOCKS = 24  # stretches of a block beside the raster that can be told apart
MOST_WIDE = 300  # trials in a raster whose ticks are not drawn finer
LONGEST_NAME, LONGEST_TITLE = 15, 40

Floats = NDArray[np.float64]


def draw_unit(unit: Record) -> Figure:
    """One row for every pool in which the unit saw pictures, and below one for every imagery.

    Parameters
    ----------
    unit : as `unit_record` makes it
    """
    with rc_context(UNIT_STYLE):
        rows = [
            *((_viewing, one, VIEWING_IN) for one in unit["viewing"]),
            *((_imagery, one, IMAGERY_IN) for one in unit["imagery"]),
        ]
        height_in = HEAD_IN + sum(of for *_, of in rows)
        figure = Figure(figsize=(WIDTH_IN, height_in))
        figure.text(0.01, 1 - 0.05 / height_in, _head(unit), va="top", fontweight="bold")
        top_in = height_in - HEAD_IN
        for draw, part, row_in in rows:
            grid = figure.add_gridspec(
                1, 3, width_ratios=(1.25, 1, 1), wspace=0.36, left=0.125, right=0.99,
                top=(top_in - 0.2) / height_in, bottom=(top_in - row_in + 0.38) / height_in,
            )  # fmt: skip
            draw(figure, grid, part)
            top_in -= row_in
        return figure


def picture(unit: Record, kind: str, dpi: int = PRINT_DPI) -> bytes:
    """The figure as a file of one of `FORMATS`."""
    return file_of(draw_unit(unit), kind, dpi)


def write_unit_figure(path: Path, unit: Record) -> None:
    """Write the figure into a file.

    Raises
    ------
    UserError
        If the file is of no known kind, or cannot be written.
    """
    write_figure(path, lambda: draw_unit(unit))


def file_of(figure: Figure, kind: str, dpi: int = PRINT_DPI) -> bytes:
    """A figure as a file of one of `FORMATS`."""
    stream = io.BytesIO()
    dated = {"png": "Software", "svg": "Date", "pdf": "CreationDate"}
    with rc_context(UNIT_STYLE):
        figure.savefig(stream, format=kind, dpi=dpi, metadata={dated[kind]: None})
    return stream.getvalue()


def write_figure(path: Path, draw: Callable[[], Figure]) -> None:
    """Draw, and write into a file; errors as `write_unit_figure`."""
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        known = ", ".join(f".{one}" for one in FORMATS)
        raise UserError(f"{path}: figures are written as {known}")
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(file_of(draw(), kind))
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def _head(unit: Record) -> str:
    about = unit["about"]
    return ", ".join(str(x) for x in (unit["unit"], about.get("area")) if x)


# Viewing -----------------------------------------------------------------------------------------


def _viewing(figure: Figure, grid: GridSpec, seen: Record) -> None:
    raster, curve = _raster_and_curve(figure, grid)
    order = np.argsort(seen["trials"], kind="stable")
    _spikes(raster, seen, order)
    # As many lines for each picture, however often it was shown.
    lines = len(order)
    raster.set_yticks([0, lines - 1], ["1", str(len(seen["pictures"]))])
    raster.set_ylabel("pictures, ranked\nalong the axis", labelpad=-4)
    _title(raster, f"Viewing: {seen['pool']}")
    _curves(curve, seen["curves"], {"highest fifth": BLUE, "lowest fifth": GREY})
    curve.axvspan(*seen["window_s"], color=PALE_BLUE, zorder=0, linewidth=0)
    curve.set_xlabel("time after the picture came on (s)")
    along, across = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[0, 2])
    top = _top(seen)
    for ax, name, color in ((along, "preferred", BLUE), (across, "orthogonal", INK)):
        _tuning(ax, seen, name, color)
        ax.set(ylim=(-0.03 * top, top), title=f"{name} axis: r = {_r(seen[f'{name}_r'])}")
    along.set_ylabel("rate in viewing (Hz)")


def _top(seen: Record) -> float:
    """The same height for both axes: all bins, and all pictures but the most extreme."""
    bins = seen["preferred_bins"] + seen["orthogonal_bins"]
    highest = max((b["rate_hz"] + (b["sem_hz"] or 0) for b in bins), default=0.0)
    return 1.12 * max(float(np.quantile(_numbers(seen["rate_hz"]), 0.99)), highest, 0.1)


def _tuning(ax: Axes, seen: Record, name: str, color: str) -> None:
    """Rate along an axis: every picture, and means of bins with their standard errors."""
    bins = seen[f"{name}_bins"]
    rates = _numbers(seen["rate_hz"])
    ax.plot(
        _numbers(seen[name]), rates, ".", color=PALE, markersize=2.5, markeredgewidth=0,
        rasterized=True,
    )  # fmt: skip
    x, y, error = (_numbers([b[key] for b in bins]) for key in ("projection", "rate_hz", "sem_hz"))
    ax.errorbar(x, y, error, color=color, marker="o", markersize=3)
    ax.set_xlabel("projection, picture left out")
    ax.locator_params(nbins=5)


def _r(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".replace("-", "−")


# Imagery -----------------------------------------------------------------------------------------


def _imagery(figure: Figure, grid: GridSpec, imagined: Record) -> None:
    raster, curve = _raster_and_curve(figure, grid)
    trials, windows = imagined["trials"], imagined["windows_s"]
    order = np.lexsort((_ranks(trials["block"]), trials["item"]))
    _spikes(raster, imagined, order)
    _name_lines(raster, imagined, order)
    _title(raster, f"Imagery: {imagined['session']}")
    colors = {"upper half": RED, "lower half": GREY, "all pictures": RED}
    _curves(curve, imagined["curves"], colors)
    curve.axvspan(*windows["before"], color=PALE_GREY, zorder=0, linewidth=0)
    curve.axvspan(*windows["during"], color=PALE_RED, zorder=0, linewidth=0)
    curve.set_xlabel("time after the cue (s)")
    left, right = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[0, 2])
    left.set(ylabel="rate in imagery (Hz)", title="imagery along the preferred axis")
    if imagined["viewing_hz"] is None:
        _items(left, imagined, np.arange(1.0, len(imagined["items"]) + 1))
        left.set(xlabel="picture", title="imagery, picture by picture")
        right.set_axis_off()
        right.text(0.5, 0.5, "not recorded\nin viewing", ha="center", va="center", color=GREY)
        return
    _items(left, imagined, _numbers(imagined["preferred"]))
    left.set_xlabel("projection, pictures left out")
    _items(right, imagined, _numbers(imagined["viewing_hz"]), imagined["viewing_sem_hz"])
    right.set(title="imagery against viewing", xlabel="rate in viewing (Hz)")


def _ranks(values: Sequence[Any]) -> list[int]:
    """Numbers of blocks in the order in which they came."""
    known = {value: n for n, value in enumerate(dict.fromkeys(values))}
    return [known[value] for value in values]


def _name_lines(ax: Axes, imagined: Record, order: NDArray[np.intp]) -> None:
    """Beside the raster the pictures, and the blocks in which they were imagined."""
    item, block = (np.array(imagined["trials"][key])[order] for key in ("item", "block"))
    names = imagined["items"]
    middles = [float(np.flatnonzero(item == n).mean()) for n in range(len(names))]
    ax.set_yticks(middles, [f"{_cut(name)} {n}" for n, name in enumerate(names, start=1)])
    ax.tick_params(axis="y", length=0, labelsize=SMALL if len(names) <= 12 else SMALL - 1, pad=1)
    for line in np.flatnonzero(np.diff(item)):
        ax.axhline(line + 0.5, color=GREY, linewidth=0.4)
    starts = np.flatnonzero(np.append(True, (np.diff(item) != 0) | (block[1:] != block[:-1])))
    if len(starts) > MOST_BLOCKS:
        return
    for start, stop in zip(starts, [*starts[1:], len(item)], strict=True):
        at = (1.015, (start + stop - 1) / 2)
        where = ax.get_yaxis_transform()
        ax.text(*at, str(block[start]), transform=where, fontsize=SMALL - 1, va="center_baseline")
    ax.text(1.015, 1.02, "block", transform=ax.transAxes, fontsize=SMALL - 0.5)


def _cut(name: str) -> str:
    """Short enough to stand beside the raster; names often differ in their ends."""
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME // 2]}…{name[-(LONGEST_NAME // 2) :]}"


def _items(
    ax: Axes, imagined: Record, known: Floats, errors: Sequence[float | None] | None = None
) -> None:
    """Imagined pictures with standard errors, called by their numbers in the raster."""
    y = _numbers(imagined["rate_hz"])
    x_error = None if errors is None else _numbers(errors)
    ax.errorbar(
        known, y, _numbers(imagined["sem_hz"]), x_error, fmt="o", color=RED, markersize=3.5,
        ecolor=PALE, elinewidth=0.9,
    )  # fmt: skip
    ax.margins(0.12)
    ax.autoscale_view()
    ax.locator_params(nbins=5)
    _number_points(ax, known, y)


def _number_points(ax: Axes, x: Floats, y: Floats) -> None:
    """The number of each point beside it, on the side that is farthest from all others."""
    root = ax.get_figure(root=True)
    assert root is not None
    points = ax.transData.transform(np.column_stack([x, y])) * 72 / root.dpi
    known = np.flatnonzero(np.isfinite(points).all(axis=1))
    taken = {n: points[n] for n in known}
    for n in known:
        others = np.array([at for m, at in taken.items() if m != n] or [(np.inf, np.inf)])
        room = [np.linalg.norm(others - points[n] - side, axis=1).min() for side in _BESIDE]
        side = _BESIDE[int(np.argmax(np.round(room)))]
        ax.annotate(
            str(n + 1), (x[n], y[n]), xytext=side, textcoords="offset points", fontsize=SMALL,
            ha="center", va="center_baseline",
        )  # fmt: skip
        taken[len(points) + n] = points[n] + side


_BESIDE = 6.5 * np.array(
    [(1, 0), (-1, 0), (0, 1), (0, -1), (0.8, 0.8), (-0.8, 0.8), (0.8, -0.8), (-0.8, -0.8)]
)  # points


# Both --------------------------------------------------------------------------------------------


def _raster_and_curve(figure: Figure, grid: GridSpec) -> tuple[Axes, Axes]:
    cells = grid[0, 0].subgridspec(2, 1, height_ratios=(1.7, 1), hspace=0.08)
    raster, curve = figure.add_subplot(cells[0]), figure.add_subplot(cells[1])
    raster.tick_params(labelbottom=False)
    return raster, curve


def _spikes(ax: Axes, part: Record, order: NDArray[np.intp]) -> None:
    """Spikes, a line for each trial, from bottom to top in the order given."""
    spikes = [part["spikes_ms"][trial] for trial in order]
    line = np.repeat(np.arange(len(spikes)), [len(of) for of in spikes])
    time_s = np.array([at for of in spikes for at in of], dtype=float) / 1000
    size = float(np.clip(110 / max(len(order), 1), 0.4, 2.0))
    width = 0.5 if len(order) <= MOST_WIDE else 0.4
    ax.axvline(0, color=GREY, linewidth=0.7)
    ax.plot(time_s, line, "|", color=INK, markersize=size, markeredgewidth=width, rasterized=True)
    ax.set(xlim=_seconds(part["around_ms"]), ylim=(-0.5, len(order) - 0.5))


def _curves(ax: Axes, curves: Mapping[str, Any], colors: Mapping[str, str]) -> None:
    """Mean rate over time with its standard error."""
    by_name = {group["pictures"]: group for group in curves["groups"]}
    highest = 1.0
    for name, color in colors.items():
        if name not in by_name:
            continue
        rate = _numbers(by_name[name]["rate_hz"])
        error = _numbers(by_name[name]["sem_hz"] or np.zeros(len(rate)))
        middle_s = (curves["start_ms"] + curves["bin_ms"] * (np.arange(len(rate)) + 0.5)) / 1000
        ax.plot(middle_s, rate, color=color, label=name)
        ax.fill_between(middle_s, rate - error, rate + error, color=color, alpha=0.25, linewidth=0)
        highest = max(highest, float((rate + error).max()))
    stop_ms = curves["start_ms"] + curves["bin_ms"] * len(curves["groups"][0]["rate_hz"])
    ax.axvline(0, color=GREY, linewidth=0.7)
    ax.set(xlim=_seconds((curves["start_ms"], stop_ms)), ylim=(0, 1.4 * highest), ylabel="Hz")
    ax.legend(loc="upper left", handlelength=1.0, borderaxespad=0.1, ncols=2, columnspacing=1.2)


def _title(ax: Axes, said: str) -> None:
    """What a row is of, as far as there is room beside the next panel."""
    short = said if len(said) <= LONGEST_TITLE else f"{said[: LONGEST_TITLE - 1]}…"
    ax.set_title(short, loc="left", fontweight="bold")


def _seconds(window_ms: Sequence[int]) -> tuple[float, float]:
    return window_ms[0] / 1000, window_ms[1] / 1000


def _numbers(values: Sequence[float | None] | Floats) -> Floats:
    return np.array(values, dtype=float)
