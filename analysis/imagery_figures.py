"""Figures of a session of imagery: whether, how much and when it follows what was seen.

As wide as two columns of a journal, as the figures of single units are.  What is tested stands in
the numbers of the report; here it is drawn, with what chance gives beside it.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.figures import Drawing, drawing, stacked
from analysis.findings import Imagining
from analysis.imagery import ImaginedCode
from analysis.imagery_course_figure import draw_courses
from analysis.imagined.along import along_axes
from analysis.imagined.asked_numbers import profile_tables
from analysis.palette import BLUE, GREY, INK, PALE, PALE_BLUE, RED
from analysis.population_figure import BELOW_ABOVE
from analysis.unit_figure import UNIT_STYLE, WIDTH_IN, write_figure
from task.contract.errors import UserError

Floats = NDArray[np.float64]
Numbers = Mapping[str, Any]

WIDEST_GAIN = 1.5  # Hz per Hz; what lies beyond is drawn at the border
MOST_SD = 2.0
MOST_POINTS = 0.995  # of the points are within the borders, the others on them
LONGEST_NAME = 14
SHOWN_AS = {"viewing": "seen (screening)", "encoding": "seen (encoding)", "imagery": "imagined"}
QUESTIONS = {"block": "which item of the block", "session": "which item of the session"}


def drawn(imagining: Imagining, numbers: Numbers) -> dict[str, Drawing]:
    """All figures of a session that there is something for, by name.

    Parameters
    ----------
    numbers : of the session, as the report has them
    """
    made = {}
    tuned = [row["unit"] for row in numbers["per_unit"] if row.get("axis_tuned")]
    with rc_context(UNIT_STYLE):
        if imagining.code is not None:
            said = "Correlation of imagery rates with what is known from viewing"
            made["codes"] = drawing(draw_codes(imagining, tuned), said)
        for name, (draw, said) in OF_NUMBERS.items():
            figure = draw(numbers)
            if figure is not None:
                made[name] = drawing(figure, said)
    return made


# Does imagery follow viewing? --------------------------------------------------------------------


def draw_codes(imagining: Imagining, tuned: Iterable[str]) -> Figure:
    """How imagery follows what viewing says: r of every unit, and their mean against chance."""
    code = imagining.code
    assert code
    asked = {
        "projection on the preferred axis": code.axis,
        "projection on the orthogonal axis": code.orthogonal,
        "rate when the picture was seen": code.viewing,
    }
    figure = Figure(figsize=(WIDTH_IN, 3.4))
    grid = figure.subplots(2, 3)
    for (over, under), (name, answer) in zip(grid.T, asked.items(), strict=True):
        r = answer.units["r"]
        stacked(over, r, pd.Series(r.index.isin(list(tuned)), r.index), np.linspace(-1, 1, 21))
        over.set(title=f"imagery rate and\n{name}", xlabel="r of a unit", xlim=(-1, 1))
        over.set_ylim(0, 1.5 * over.get_ylim()[1])
        _legend(over)
        _against_chance(under, answer)
    grid[0, 0].set_ylabel("units")
    grid[1, 0].set_ylabel("exchanges of items")
    figure.tight_layout(pad=0.6, w_pad=1.5, h_pad=1.2)
    return figure


def _against_chance(ax: Axes, code: ImaginedCode) -> None:
    kept = code.units["r"].notna().to_numpy()
    r, null = code.units["r"].to_numpy()[kept], code.null[:, kept]
    if code.two_sided:
        r, null = np.abs(r), np.abs(null)
    ax.hist(null.mean(axis=1), bins=30, color=PALE, label="items exchanged within blocks")
    ax.axvline(float(r.mean()), color=RED, linewidth=2, label="observed")
    ax.set_xlabel("mean over units of |r|" if code.two_sided else "mean over units of r")
    ax.margins(y=0.35)
    _legend(ax)


def _legend(ax: Axes) -> None:
    """On white, since a line may stand behind it."""
    ax.legend(loc="upper left", fontsize=6, frameon=True, framealpha=1, edgecolor="none",
              borderaxespad=0.1)  # fmt: skip


def draw_along(numbers: Numbers) -> Figure | None:
    """Imagined rate against the place on the axis, the items of all units, axis by axis."""
    alongs = along_axes(*profile_tables(numbers["profiles"]))
    if not any(len(of.points) for of in alongs.values()):
        return None
    figure = Figure(figsize=(WIDTH_IN, 2.5))
    panels = figure.subplots(1, 2, sharey=True)
    for ax, (axis, color) in zip(panels, (("preferred", BLUE), ("orthogonal", INK)), strict=True):
        of = alongs.get(axis)
        if of is None or not len(of.points):
            _nothing(ax)
            continue
        ax.plot(
            *of.points[["place", "rate"]].to_numpy().T, ".", color=PALE, markersize=2.5,
            markeredgewidth=0, rasterized=True,
        )  # fmt: skip
        across = np.array([of.points["place"].min(), of.points["place"].max()])
        ax.plot(across, of.slope * across, color=color, linewidth=0.8)
        bins = of.bins
        ax.errorbar(
            bins["place"], bins["rate"], bins["sem"], fmt="o", color=color, markersize=4,
            elinewidth=1.0,
        )  # fmt: skip
        ax.axhline(0, color=INK, linewidth=0.5, linestyle=":")
        ax.set(
            title=f"{axis} axis: slope {of.slope:.2f}, {of.units} units".replace("-", "−"),
            xlabel="place of the item on the axis (SD)",
        )
    panels[0].set_ylabel("rate when imagined (SD)")
    figure.tight_layout(pad=0.6, w_pad=2)
    return figure


def _nothing(ax: Axes) -> None:
    ax.set_axis_off()
    ax.text(0.5, 0.5, "could not be asked", ha="center", va="center", color=GREY)


# How much weaker? --------------------------------------------------------------------------------


def draw_gap(numbers: Numbers) -> Figure | None:
    """Imagined against seen rates of all units, and the gain of each with that of all."""
    if not numbers["gap"]:
        return None
    profiles, _ = profile_tables(numbers["profiles"])
    figure = Figure(figsize=(WIDTH_IN, 2.8))
    left, right = figure.subplots(1, 2)
    if {"encoding", "imagery"} <= set(profiles):
        gain = numbers["gap"]["gain"]
        _rates_against_rates(left, profiles["encoding"], profiles["imagery"], gain)
    else:
        _nothing(left)
    _gains(right, pd.DataFrame(numbers["per_unit"]), numbers["gap"])
    figure.tight_layout(pad=0.6, w_pad=2)
    return figure


def _rates_against_rates(ax: Axes, seen: pd.DataFrame, imagined: pd.DataFrame, gain: float) -> None:
    """Both less the unit's mean over the items."""
    x, y = ((of - of.mean()).to_numpy().ravel() for of in (seen, imagined))
    wide, high = (1.05 * max(0.1, float(np.nanquantile(np.abs(v), MOST_POINTS))) for v in (x, y))
    ax.plot(
        x.clip(-wide, wide), y.clip(-high, high), ".", color=GREY, markersize=2.5,
        markeredgewidth=0, rasterized=True,
    )  # fmt: skip
    across = np.array([-wide, wide])
    ax.plot(across, across, "--", color=INK, linewidth=0.7, label="as strong as seen: 1")
    ax.plot(across, gain * across, color=BLUE, label=f"gain of all units: {gain:.3f}")
    ax.set(
        xlim=(-wide, wide), ylim=(-1.05 * high, 1.5 * high), title="items of all units",
        xlabel="rate when seen, less the unit’s mean (Hz)",
        ylabel="rate when imagined,\nless the unit’s mean (Hz)",
    )  # fmt: skip
    ax.legend(loc="upper left")


def _gains(ax: Axes, units: pd.DataFrame, together: Numbers) -> None:
    """Every unit's gain with its interval, from low to high."""
    known = units[["gain", "gain_low", "gain_high"]].astype(float).dropna(subset=["gain"])
    known = known.sort_values("gain").fillna({"gain_low": -np.inf, "gain_high": np.inf})
    row = np.arange(len(known))
    low, high = (known[f"gain_{of}"].clip(-WIDEST_GAIN, WIDEST_GAIN) for of in ("low", "high"))
    ax.hlines(row, low, high, color=PALE, linewidth=0.8)
    ax.plot(
        known["gain"].clip(-WIDEST_GAIN, WIDEST_GAIN), row, ".", color=INK, markersize=3,
        label="a unit, 95 % interval",
    )  # fmt: skip
    if together["low"] is not None and together["high"] is not None:
        ax.axvspan(together["low"], together["high"], color=PALE_BLUE, zorder=0, linewidth=0)
    ax.axvline(together["gain"], color=BLUE, label="all units together")
    for at, style in ((0, ":"), (1, "--")):
        ax.axvline(at, color=INK, linewidth=0.7, linestyle=style)
    ax.set(
        xlim=(-WIDEST_GAIN, WIDEST_GAIN), ylim=(-1, max(1.0, 1.25 * len(known))), yticks=[],
        xlabel="gain of imagery (Hz per Hz seen)", ylabel=f"{len(known)} units, ranked",
        title="0: nothing of it, 1: as strong as seen",
    )  # fmt: skip
    ax.legend(loc="upper left")


# Item by item ------------------------------------------------------------------------------------


def draw_matrices(numbers: Numbers) -> Figure | None:
    """Rates of all units to all items, seen and imagined side by side, in one order."""
    profiles, _ = profile_tables(numbers["profiles"])
    if not profiles:
        return None
    order = unit_order(next(iter(profiles.values())))
    items = next(iter(profiles.values())).index
    figure = Figure(figsize=(WIDTH_IN, 3.6))
    panels = figure.subplots(1, len(profiles), sharey=True, squeeze=False)[0]
    figure.subplots_adjust(left=0.04, right=0.9, top=0.94, bottom=0.2, wspace=0.05)
    for ax, (name, of) in zip(panels, profiles.items(), strict=True):
        image = ax.imshow(
            _standardised(of)[order].to_numpy().T, aspect="auto", cmap=BELOW_ABOVE, vmin=-MOST_SD,
            vmax=MOST_SD, interpolation="nearest",
        )  # fmt: skip
        ax.set_title(SHOWN_AS[name])
        ax.set_xticks(range(len(items)), [_cut(str(item)) for item in items], rotation=90)
        ax.tick_params(axis="both", length=0)
        ax.spines[:].set_visible(False)
    panels[0].set_ylabel(f"{len(order)} units")
    panels[0].set_yticks([])
    beside = figure.add_axes((0.915, 0.35, 0.015, 0.45))
    figure.colorbar(image, cax=beside, label="rate (SD of the unit over items)",
                    ticks=[-2, -1, 0, 1, 2])  # fmt: skip
    return figure


def unit_order(profile: pd.DataFrame) -> list[Any]:
    """Units by the item to which they fire most, then by how far that one stands out.

    Parameters
    ----------
    profile : (n_items, n_units); units that do not vary come last
    """
    of = _standardised(profile)
    table = pd.DataFrame(
        {"best": of.fillna(0).to_numpy().argmax(axis=0), "height": -of.max()}, of.columns
    )
    table["best"] = table["best"].where(table["height"].notna(), len(of))
    return list(table.sort_values(["best", "height"], kind="stable").index)


def _standardised(profile: pd.DataFrame) -> pd.DataFrame:
    spread = profile.std(ddof=0)
    return (profile - profile.mean()) / spread.where(spread > 0)


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


# What can be read? -------------------------------------------------------------------------------


def draw_decoding(numbers: Numbers) -> Figure | None:
    """Each decoder's share of right answers, in what its own design gives by chance."""
    decoding = numbers["decoding"]
    if not decoding:
        return None
    figure = Figure(figsize=(WIDTH_IN, 0.8 + 0.34 * len(decoding)))
    panels = figure.subplots(1, 2, sharey=True)
    rows = range(len(decoding))[::-1]
    for ax, (question, words) in zip(panels, QUESTIONS.items(), strict=True):
        for row, of in zip(rows, decoding.values(), strict=True):
            _one_decoder(ax, row, of[question])
        ax.set(title=words, xlabel="share read right", xlim=(-0.02, 1.02), ylim=(-0.6, len(rows)))
    panels[0].set_yticks(list(rows), [_trained(name) for name in decoding])
    panels[0].tick_params(axis="y", length=0)
    marks, names = panels[1].get_legend_handles_labels()
    by_name = dict(zip(names, marks, strict=True))
    known = {name: by_name[name] for name in sorted(by_name)}
    figure.legend(known.values(), known.keys(), loc="upper center", ncols=3)
    height = figure.get_figheight()
    figure.subplots_adjust(
        left=0.19, right=0.995, top=1 - 0.42 / height, bottom=0.36 / height, wspace=0.06
    )
    return figure


def _trained(name: str) -> str:
    return {"object space": "other pictures,\nby object space"}.get(name, name)


def _one_decoder(ax: Axes, row: int, of: Numbers) -> None:
    ax.barh(
        row, of["chance_high"] - of["chance_low"], 0.6, of["chance_low"], color=PALE,
        label="chance of this design, 95 %",
    )  # fmt: skip
    ax.plot([of["chance"]] * 2, [row - 0.3, row + 0.3], color=GREY, label="its mean")
    seen, low, high = (of[name] for name in ("accuracy", "accuracy_low", "accuracy_high"))
    bounds = None if low is None else [[max(0.0, seen - low)], [max(0.0, high - seen)]]
    ax.errorbar(
        [seen], [row], xerr=bounds, fmt="o", color=RED, markersize=4,
        label="observed, 95 % interval",
    )  # fmt: skip


# Those for which the numbers of a session are enough, and what they show.
OF_NUMBERS: Mapping[str, tuple[Callable[[Numbers], Figure | None], str]] = {
    "along": (draw_along, "Imagined rates against places of the items on both axes"),
    "gap": (draw_gap, "Imagined against seen rates, and the gain of every unit"),
    "courses": (draw_courses, "Tuning and decoding in imagery around the cue"),
    "matrices": (draw_matrices, "Rates of all units to all items, seen and imagined"),
    "decoding": (draw_decoding, "How often the imagined item is read right, and chance"),
}


def write_session_figure(
    path: Path, document: Numbers, name: str, session: str | None = None
) -> None:
    """Write one of `OF_NUMBERS` into a file.

    Parameters
    ----------
    document : report.json of an analysis
    session : of several, the first, if not said

    Raises
    ------
    UserError
        If there is no such session, nothing to draw of it, or the file cannot be written.
    """
    sessions = {numbers["session"]: numbers for numbers in document["imagery"]}
    if not sessions:
        raise UserError("there is no session of imagery in these results")
    if session is not None and session not in sessions:
        known = ", ".join(map(repr, sessions))
        raise UserError(f"no session of imagery is called {session!r}; there is {known}")
    numbers = sessions[session] if session else next(iter(sessions.values()))
    draw, _ = OF_NUMBERS[name]

    def drawn_or_refused() -> Figure:
        with rc_context(UNIT_STYLE):
            figure = draw(numbers)
        if figure is None:
            reasons = "; ".join(numbers["not_asked"]) or "it was not asked"
            raise UserError(f"no {name} of {numbers['session']!r}: {reasons}")
        return figure

    write_figure(path, drawn_or_refused)
