"""The picture of a session's timing: flips, late frames, and how fast codes were written."""

import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import timing
from analysis.palette import BLUE, GREY, INK, PALE_BLUE, RED
from analysis.verify import Verification
from task.contract.errors import UserError
from task.contract.sessionlog import Event

TIMING_NAME = "timing.png"
_STYLE: Any = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}


def write_timing(verification: Verification) -> Path | None:
    """Draw a session's timing into its folder; None where nothing was shown.

    Raises
    ------
    UserError
        If the folder does not take it.
    """
    log, plan = verification.log, verification.plan
    if log is None or plan is None or not any(event.code for event in log.events):
        return None
    path = verification.folder / TIMING_NAME
    partial = path.with_name(f"{TIMING_NAME}.partial")
    picture = _picture(plan, log.events)
    try:
        partial.write_bytes(picture)
        partial.chmod(0o600)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
    return path


def _picture(plan: Any, events: Sequence[Event]) -> bytes:
    codes, late = timing.codes_of(events), timing.late_frames(events)
    period = timing.period_s(timing.step_lengths(plan, events), float(plan["refresh_hz"]))
    offsets_s = timing.run_offsets_s(events)
    with rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 5.4))
        grid = figure.add_gridspec(2, 2, width_ratios=(3, 1), hspace=0.3, wspace=0.25)
        flips = figure.add_subplot(grid[0, 0])
        frames = figure.add_subplot(grid[1, 0], sharex=flips)
        latency = figure.add_subplot(grid[:, 1])
        _flips(flips, timing.flip_jitter(codes, period), offsets_s)
        _late(frames, late, offsets_s, period)
        for axes in (flips, frames):
            _blocks(axes, events, offsets_s)
        _latency(latency, codes)
        figure.subplots_adjust(left=0.07, right=0.99, top=0.95, bottom=0.09)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=120, metadata={"Software": None})
        return stream.getvalue()


def _minutes(table: pd.DataFrame, offsets_s: dict[int, float]) -> Any:
    return (table["time_s"] - table["run"].map(offsets_s)).to_numpy(dtype=float) / 60


def _flips(ax: Axes, jitter: pd.DataFrame, offsets_s: dict[int, float]) -> None:
    off_ms = jitter["off_s"].to_numpy() * 1e3
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.plot(_minutes(jitter, offsets_s), off_ms, ".", color=BLUE, markersize=2)
    reach = max(0.5, 1.1 * float(np.abs(off_ms).max(initial=0.0)))
    ax.set(ylim=(-reach, reach), ylabel="flip off whole frames (ms)")
    ax.set_title("Flips of neighbouring codes", loc="left")


def _late(ax: Axes, late: pd.DataFrame, offsets_s: dict[int, float], period: float) -> None:
    interval_ms = late["interval_s"].to_numpy() * 1e3
    ax.axhline(period * 1e3, color=GREY, linewidth=0.8)
    ax.vlines(_minutes(late, offsets_s), period * 1e3, interval_ms, color=RED, linewidth=1.2)
    ax.set(ylabel="frame interval (ms)", xlabel="minutes, runs laid end to end")
    ax.set_ylim(0, max(3e3 * period, 1.1 * float(np.nanmax(interval_ms, initial=0.0))))
    ax.set_title(f"Late frames: {len(late)}", loc="left")


def _blocks(ax: Axes, events: Sequence[Event], offsets_s: dict[int, float]) -> None:
    for number, (block, run, start_s, stop_s) in enumerate(_spans(events)):
        begin, end = ((s - offsets_s[run]) / 60 for s in (start_s, stop_s))
        if number % 2 == 0:
            ax.axvspan(begin, end, color=PALE_BLUE, linewidth=0, zorder=0)
        top = ax.get_xaxis_transform()
        ax.text(begin, 0.99, f" {block + 1}", transform=top, va="top", color=INK, fontsize=7)


def _spans(events: Sequence[Event]) -> Iterator[tuple[int, int, float, float]]:
    """Block, run, start and stop of every pass through a block."""
    run, begun = 0, None
    last_s = 0.0
    for event in events:
        run += event.name == "RUN"
        opens = event.name == "BLOCK" and isinstance(event.detail.get("block"), int)
        if begun and (opens or event.name in ("RUN", "BLOCK_END")):
            yield (*begun, event.time_s if event.name != "RUN" else last_s)
            begun = None
        if opens:
            begun = event.detail["block"], run, event.time_s
        last_s = event.time_s
    if begun:
        yield (*begun, last_s)


def _latency(ax: Axes, codes: pd.DataFrame) -> None:
    latency_us = timing.flip_to_write(codes) * 1e6
    if len(latency_us):
        most = max(100.0, float(np.quantile(latency_us, 0.995)))
        ax.hist(latency_us.clip(max=most), bins=np.linspace(0, most, 41).tolist(), color=BLUE)
        for share in (0.5, 0.99):
            ax.axvline(float(np.quantile(latency_us, share)), color=INK, linewidth=0.8, ls=":")
    ax.set(xlabel="flip to code written (µs)", ylabel="codes")
    ax.set_title("Codes: median and 99 %", loc="left")
