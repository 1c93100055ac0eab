"""The picture of an alignment: residuals over time, and every word that was found, lost or unsent.

Of a refused one it shows what spoke against it: minute by minute, which offsets between the two
clocks the most rows have in common.  A sound pair makes one line of them.
"""

import io
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.align import Alignment
from analysis.evidence import LEAST_SHARE, AlignmentRefused
from analysis.palette import BLUE, DPI, GREY, INK, PALE, RED, STYLE, WIDTH_IN
from analysis.voting import minute_votes
from task.contract.errors import UserError

FORMATS = (".png", ".svg", ".pdf")


def write_alignment(
    path: Path, found: Alignment, log: pd.DataFrame, events: pd.DataFrame, title: str
) -> None:
    """Draw an alignment into a file.

    Parameters
    ----------
    log, events : of which `found` has rows

    Raises
    ------
    UserError
        If the file is of no known kind, or cannot be written.
    """
    with rc_context(STYLE):
        bent = len(found.clock.pieces) > 1
        figure = Figure(figsize=(WIDTH_IN, 5.6 if bent else 4.2))
        ratios = (3, 1.3, 2.5) if bent else (3, 1.3)
        axes = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios)
        draw_residuals(axes[0], found)
        _ticks(axes[1], found, events["time_s"].to_numpy(float))
        if bent:
            _bend(axes[2], found, log["time_s"].to_numpy(float))
        axes[-1].set_xlabel("minutes since the first code in the recording")
        _head(figure, title, found.verdict)
        _write(path, figure)


def write_refusal(
    path: Path, refusal: AlignmentRefused, log: pd.DataFrame, words: pd.DataFrame, title: str
) -> None:
    """Draw why a log and the words of a recording were not brought together.

    Raises
    ------
    UserError
        If the file is of no known kind, or cannot be written.
    """
    votes = minute_votes(log, words)
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 4.2))
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 2))
        best = votes[votes["best"]]
        minutes = best["log_s"] / 60
        top.bar(minutes, best["share"], width=0.8, color=BLUE)
        top.axhline(LEAST_SHARE, color=RED, linewidth=1)
        top.set(ylim=(0, 1.02), ylabel="rows on the\nbest offset (share)")
        others = votes[~votes["best"]]
        middle_s = float(best["offset_s"].median())
        for part, color, size in ((others, PALE, 8), (best, BLUE, 14)):
            off_s = part["offset_s"] - middle_s
            bottom.scatter(part["log_s"] / 60, off_s, s=size, color=color, linewidth=0)
        bottom.set(ylabel="offset of the clocks,\nless its median (s)")
        passed_s = float(np.clip(np.diff(log["time_s"].to_numpy(float)), 0, None).sum())
        bottom.set_xlim(0, max(passed_s / 60, 1.0))
        bottom.set_xlabel("minutes since the first row of the log")
        _head(figure, title, f"REFUSED: {refusal.what}; {refusal.advice}.")
        _write(path, figure)


def draw_residuals(ax: Axes, found: Alignment) -> None:
    """Recorded less expected time of every word over time; rows whose word was lost below."""
    time_s = found.time_s.to_numpy()
    minutes = (time_s - time_s[found.pairs["sent"]].min()) / 60
    at = minutes[found.pairs["sent"]]
    residual_ms = found.pairs["residual_s"].to_numpy() * 1e3
    placed = found.pairs["placed"].to_numpy()
    reach = max(1.0, 1.1 * float(np.abs(residual_ms[~placed]).max(initial=0.0)))
    lost = minutes[found.missing]
    lost = lost[(lost > 0) & (lost < at.max())]
    ax.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    ax.plot(at[~placed], residual_ms[~placed], ".", color=BLUE, markersize=2.5, rasterized=True)
    beyond = residual_ms[placed].clip(-0.95 * reach, 0.95 * reach)
    ax.plot(at[placed], beyond, "^", color=RED, markersize=5)
    ax.plot(lost, np.full(len(lost), -0.95 * reach), "|", color=INK, markersize=8)
    ax.set(ylim=(-reach, reach), xlim=(0, at.max()), ylabel="residual (ms)")


def _ticks(ax: Axes, found: Alignment, seen_s: np.ndarray) -> None:
    """Words found, lost, and unexpected, one above the other."""
    time_s = found.time_s.to_numpy()
    first_s = time_s[found.pairs["sent"]].min()
    kinds = (
        ("found", time_s[found.pairs["sent"]], BLUE),
        ("lost", time_s[found.missing], INK),
        ("unexpected", seen_s[found.unexpected], RED),
    )
    for row, (_, times_s, color) in enumerate(kinds):
        minutes = (times_s - first_s) / 60
        ax.vlines(minutes, row - 0.38, row + 0.38, color=color, linewidth=0.6, rasterized=True)
    labels = [f"{len(times_s)} {name}" for name, times_s, _ in kinds]
    ax.set(yticks=range(len(kinds)), yticklabels=labels, ylim=(len(kinds) - 0.5, -0.5))
    ax.tick_params(axis="y", length=0)


def _bend(ax: Axes, found: Alignment, log_s: np.ndarray) -> None:
    """How far the clocks depart from running evenly, and the clock through that."""
    pairs = found.pairs[~found.pairs["placed"]]
    sent = pairs["sent"].to_numpy()
    time_s = found.time_s.to_numpy()
    first_s, begin_s = time_s[sent[0]], log_s[sent[0]]

    def off_ms(log_s: np.ndarray, seen_s: np.ndarray) -> np.ndarray:
        even_s = (log_s - begin_s) * (1 + found.drift_ppm * 1e-6)
        return np.asarray((seen_s - first_s - even_s) * 1e3)

    ax.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    minutes = (time_s[sent] - first_s) / 60
    ax.plot(minutes, off_ms(log_s[sent], time_s[sent]), ".", color=BLUE, markersize=2.5)
    for piece in found.clock.pieces:
        ends_s = np.array([piece.start_s, piece.end_s])
        fitted_s = piece(ends_s)
        ax.plot((fitted_s - first_s) / 60, off_ms(ends_s, fitted_s), color=RED, linewidth=1)
    ax.set_ylabel("off an even\nclock (ms)")


def _head(figure: Figure, title: str, said: str) -> None:
    height_in = figure.get_figheight()
    lines = textwrap.wrap(said, 165)
    figure.text(0.012, 1 - 0.14 / height_in, title, fontsize=10.5, fontweight="bold", va="top")
    below = 1 - 0.38 / height_in
    figure.text(0.012, below, "\n".join(lines), fontsize=8, va="top", color=INK)
    top = below - (0.15 * len(lines) + 0.2) / height_in
    figure.subplots_adjust(left=0.11, right=0.985, top=top, bottom=0.5 / height_in, hspace=0.15)


def _write(path: Path, figure: Figure) -> None:
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise UserError(f"{path}: pictures are written as {', '.join(FORMATS)}")
    stream = io.BytesIO()
    dated = {".png": "Software", ".svg": "Date", ".pdf": "CreationDate"}
    figure.savefig(stream, format=kind[1:], dpi=DPI, metadata={dated[kind]: None})
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(stream.getvalue())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
