"""Figures of all units of a pool: what they answer to, what is read from them, when, from how much.

As wide as two columns of a journal, as the figures of single units are.  Made from what the report
says of the pool (`numbers`) and, the matrix, from rates; nothing is tested here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis.inference import LEVEL
from analysis.palette import BLUE, GREY, INK, PALE, PALE_BLUE, RED
from analysis.unit_figure import UNIT_STYLE, WIDTH_IN

Floats = NDArray[np.float64]

RANK_BINS = 20
MOST_SD = 3.0  # of the rates of single pictures; means of a bin scatter less
MOST_BIN_SD = 2.0
# Blue to white to orange-red: its ends differ in hue for the colour-blind, too.
BELOW_ABOVE = LinearSegmentedColormap.from_list("below above", [BLUE, "#ffffff", RED])
SHARES = LinearSegmentedColormap.from_list("shares", ["#ffffff", BLUE])


# What units answer to ----------------------------------------------------------------------------


def draw_matrix(
    rates: pd.DataFrame, places: pd.DataFrame, categories: pd.Series | None, r2: pd.Series
) -> Figure:
    """Every unit's rates: to pictures by category, and to pictures by rank on its own axis.

    Parameters
    ----------
    rates : Hz, (n_images, n_units); index: picture
    places : of every picture on each unit's axis fitted without it, (n_images, n_units)
    categories : of each picture, if known
    r2 : of left-out pictures, (n_units,)

    Notes
    -----
    Rates are z-scored unit by unit.  Of every category one half of the pictures is shown; the other
    half decides the order of the units, so that noise alone makes no pattern.
    """
    z = ((rates - rates.mean()) / rates.std(ddof=0)).dropna(axis="columns")
    with rc_context(UNIT_STYLE):
        figure = Figure(figsize=(WIDTH_IN if categories is not None else WIDTH_IN / 2, 3.0))
        panels = figure.subplots(1, 1 if categories is None else 2, squeeze=False)[0]
        if categories is not None:
            _by_category(panels[0], z, categories)
        _by_rank(panels[-1], z, places[z.columns], r2[z.columns])
        figure.tight_layout(pad=0.5, w_pad=2.0)
        return figure


def _by_category(ax: Axes, z: pd.DataFrame, categories: pd.Series) -> None:
    known = categories.loc[z.index].astype(str).sort_values(kind="stable")
    half = known.groupby(known).cumcount() % 2
    chosen, shown = known.index[half == 1], known.index[half == 0]
    means = z.loc[chosen].groupby(known[chosen]).mean()
    order = pd.DataFrame({"best": means.idxmax(), "most": -means.max()})
    units = order.sort_values(["best", "most"], kind="stable").index
    drawn = _heat(ax, z.loc[shown, units].to_numpy().T, MOST_SD)
    sizes = known[shown].value_counts().sort_index()
    ends = sizes.cumsum().to_numpy()
    for end in ends[:-1]:
        ax.axvline(end - 0.5, color=INK, linewidth=0.5)
    names = [name if len(name) <= 12 else f"{name[:11]}…" for name in sizes.index]
    _name_columns(ax, ends - sizes.to_numpy() / 2 - 0.5, names)
    ax.set_ylabel(f"{len(units)} units, by preferred category")
    ax.set_title("pictures by category", loc="left")
    _bar(ax, drawn, "rate (SD of the unit)")


def _name_columns(ax: Axes, middles: Floats, names: Sequence[str]) -> None:
    """Beside each other where they have room, else upright."""
    crowded = sum(map(len, names)) > 36 or len(names) > 7
    ax.set_xticks(middles, names, rotation=90 if crowded else 0)
    ax.tick_params(axis="x", length=0)


def _by_rank(ax: Axes, z: pd.DataFrame, places: pd.DataFrame, r2: pd.Series) -> None:
    units = r2.sort_values(ascending=False, kind="stable").index
    n_bins = min(RANK_BINS, len(z))
    drawn = _heat(ax, np.array([_ranked(z[u], places[u], n_bins) for u in units]), MOST_BIN_SD)
    above = int((r2 > 0).sum())
    if 0 < above < len(units):
        ax.axhline(above - 0.5, color=INK, linewidth=0.6, linestyle="--")
    ax.set_xticks([0, n_bins - 1], ["lowest", "highest"])
    ax.set_xlabel("place on the unit’s own axis", labelpad=-6)
    ax.set_ylabel(f"{len(units)} units, by r² of left-out pictures")
    ax.set_title("pictures by rank on the axis", loc="left")
    _bar(ax, drawn, "mean rate (SD of the unit)")


def _ranked(z: pd.Series, places: pd.Series, n_bins: int) -> Floats:
    """Mean of as many pictures in every bin, from low to high."""
    ranked = z.loc[places.sort_values(kind="stable").index].to_numpy()
    return np.array([part.mean() for part in np.array_split(ranked, n_bins)])


def _heat(ax: Axes, values: Floats, most: float) -> AxesImage:
    drawn = ax.imshow(
        values, cmap=BELOW_ABOVE, vmin=-most, vmax=most, aspect="auto", interpolation="nearest"
    )
    ax.set_yticks([])
    return drawn


def _bar(ax: Axes, drawn: AxesImage, label: str) -> None:
    root = ax.get_figure(root=True)
    assert root is not None
    bar = root.colorbar(drawn, ax=ax, fraction=0.04, pad=0.02, extend="both")
    bar.set_label(label)
    bar.outline.set_linewidth(0.4)


# What is read from them --------------------------------------------------------------------------


def draw_categories(numbers: Mapping[str, Any]) -> Figure | None:
    """The category that is read of the pictures of each, and which categories units prefer."""
    decoded = numbers.get("decoding")
    if not decoded:
        return None
    names = decoded["confusion"]["categories"]
    pictures = np.array(decoded["confusion"]["pictures"], dtype=float)
    height = max(2.4, 0.9 + 0.26 * len(names))
    with rc_context(UNIT_STYLE):
        figure = Figure(figsize=(WIDTH_IN, height))
        left, right = figure.subplots(1, 2, width_ratios=(1.3, 1))
        _confusion(left, names, pictures)
        _preferred(right, names, numbers["per_unit"])
        figure.tight_layout(pad=0.5, w_pad=2.5)
        return figure


def _confusion(ax: Axes, names: Sequence[str], pictures: Floats) -> None:
    of_row = pictures.sum(axis=1, keepdims=True)
    share = pictures / of_row
    drawn = ax.imshow(share, cmap=SHARES, vmin=0, vmax=1, aspect="auto")
    if len(names) <= 12:
        for row, column in np.ndindex(share.shape):
            dark = share[row, column] > 0.85
            ax.text(
                column, row, f"{100 * share[row, column]:.0f}", ha="center", va="center",
                color="white" if dark else INK, fontweight="bold" if row == column else "normal",
            )  # fmt: skip
    labels = [f"{name} ({n:.0f})" for name, n in zip(names, of_row[:, 0], strict=True)]
    ax.set_yticks(range(len(names)), labels)
    ax.set_xticks(range(len(names)), names, rotation=90 if sum(map(len, names)) > 40 else 0)
    ax.tick_params(length=0)
    ax.set(xlabel="category read", ylabel="category shown (pictures)")
    ax.set_title("per cent of the pictures of a row", loc="left")
    root = ax.get_figure(root=True)
    assert root is not None
    bar = root.colorbar(drawn, ax=ax, fraction=0.04, pad=0.02, ticks=[0, 0.5, 1])
    bar.ax.set_yticklabels(["0", "50", "100 %"])
    bar.outline.set_linewidth(0.4)


def _preferred(ax: Axes, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Units that tell categories apart, by the one to which they fire most."""
    selective = [
        str(row["best_category"])
        for row in rows
        if row.get("category_pictures_q") is not None and row["category_pictures_q"] <= LEVEL
    ]
    units = [selective.count(name) for name in names]
    ax.barh(range(len(names)), units, color=BLUE, height=0.7)
    for row, n in enumerate(units):
        ax.text(n, row, f" {n}", va="center", ha="left")
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(axis="y", length=0)
    ax.set(xlabel="units", ylim=(len(names) - 0.5, -0.5), xlim=(0, 1.15 * max(1, *units)))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_title(f"preferred by {len(selective)} selective units", loc="left")


# From how much -----------------------------------------------------------------------------------


def draw_titration(numbers: Mapping[str, Any]) -> Figure | None:
    """Share of tuned units and r² with fewer pictures, and with fewer dimensions."""
    if not numbers.get("titration"):
        return None
    table = pd.DataFrame(numbers["titration"]["rows"])
    by_images = table[table["dims"] == table["dims"].max()].sort_values("images")
    by_dims = table[table["images"] == table["images"].max()].sort_values("dims")
    with rc_context(UNIT_STYLE):
        figure = Figure(figsize=(WIDTH_IN, 2.1))
        panels = figure.subplots(1, 4)
        for ax, rows, key, label in (
            (panels[0], by_images, "images", "pictures"),
            (panels[1], by_dims, "dims", "dimensions"),
        ):
            ax.fill_between(rows[key], rows["low"], rows["high"], color=PALE_BLUE, linewidth=0)
            ax.plot(rows[key], rows["tuned"], "o-", color=BLUE, markersize=3)
            ax.axhline(0.01, color=INK, linewidth=0.7, linestyle=":")
            ax.set(xlabel=label, ylim=(0, 1), xlim=(0, None))
        panels[0].set_ylabel("share of units with p ≤ 0.01")
        lowest = min(0.0, float(table["r2"].min()))
        highest = max(0.05, float(table["r2"].max()))
        for ax, rows, key, label in (
            (panels[2], by_images, "images", "pictures"),
            (panels[3], by_dims, "dims", "dimensions"),
        ):
            ax.plot(rows[key], rows["r2"], "o-", color=RED, markersize=3)
            ax.axhline(0, color=INK, linewidth=0.7, linestyle=":")
            ax.set(xlabel=label, ylim=(1.1 * lowest - 0.01, 1.1 * highest), xlim=(0, None))
        panels[2].set_ylabel("r² of left-out pictures, median")
        figure.tight_layout(pad=0.5, w_pad=1.2)
        return figure


# When --------------------------------------------------------------------------------------------


def draw_course(numbers: Mapping[str, Any]) -> Figure | None:
    """Rates to the pictures highest and lowest on the axis, and when they differ."""
    found = numbers.get("course")
    if not found:
        return None
    curves = pd.DataFrame(found["curves"])
    middle_s = curves["start_s"] + found["bin_s"] / 2
    with rc_context(UNIT_STYLE):
        figure = Figure(figsize=(WIDTH_IN / 2, 2.2))
        ax = figure.subplots()
        ax.axvspan(*numbers["window_s"], color=PALE_BLUE, zorder=0, linewidth=0)
        ax.axvline(0, ymax=0.85, color=GREY, linewidth=0.7)
        ax.axhline(1, color=PALE, linewidth=0.7)
        part = f"{100 * found['share']:.0f} %"
        ax.plot(middle_s, curves["high"], color=RED, label=f"highest {part} on the axis")
        ax.plot(middle_s, curves["low"], "--", color=GREY, label=f"lowest {part}")
        lowest, highest = curves[["high", "low"]].min().min(), curves[["high", "low"]].max().max()
        span = max(highest - lowest, 0.1)
        for stretch in found["apart"]:
            ax.plot([stretch["start"], stretch["stop"]], [lowest - 0.08 * span] * 2, color=INK,
                    linewidth=2, solid_capstyle="butt")  # fmt: skip
        ax.set(
            xlabel="time after the picture came on (s)", ylabel="rate (of the unit’s mean)",
            xlim=(curves["start_s"].min(), curves["start_s"].max() + found["bin_s"]),
            ylim=(lowest - 0.16 * span, highest + 0.3 * span),
        )  # fmt: skip
        ax.legend(loc="upper left", ncols=2, columnspacing=1.2, handlelength=1.5)
        figure.tight_layout(pad=0.5)
        return figure


# By name -----------------------------------------------------------------------------------------

MATRIX = "matrix"
OF_NUMBERS: Mapping[str, Callable[[Mapping[str, Any]], Figure | None]] = {
    "categories": draw_categories,
    "titration": draw_titration,
    "course": draw_course,
}
WORDS = {
    MATRIX: "Rates of all units to all pictures, by category and by rank on each unit's axis",
    "categories": "Category read of the pictures of each category, and units that prefer each",
    "titration": "Share of tuned units and r² by the number of pictures and of dimensions",
    "course": "Rate to the pictures highest and lowest on the axis, over time",
}
