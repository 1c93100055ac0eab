"""A picture of a session: every block over time, its codes as ticks, and a trial of each kind.

Only for the eye; every number in it comes from `task.schedule`.
"""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from task.contract.errors import UserError
from task.contract.sessionlog import Kind
from task.phases import EMPTY, PHASES, SEARCHING, Phase, phase_of
from task.plan import Plan, Trial
from task.schedule import USUAL, Moment, Span, lasts, schedule

FORMATS = (".svg", ".png", ".pdf")
WIDTH_IN = 9.6
_DPI = 200
_ROW_IN, _FEW_ROWS_IN = 0.3, 0.42  # height of a block's row, and where there are few
_TRIAL_IN = 0.62
_ALMOST_EMPTY = 1 / 250  # of the width: gaps between pictures that are shorter are not told apart
_MANY_TICKS = 600  # of the picture: from then on they are drawn as dots, to keep files small
_LEFT, _WIDE = 0.165, 0.65  # of the rows, shares of the width
_FAR_LEFT = (0.012 - _LEFT) / _WIDE
_LONG_NAME = 17
_INK, _GREY = "#222222", "#8a8a8a"
_WHOLE = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": _INK,
    "axes.linewidth": 0.8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "hatch.linewidth": 0.5,
    "svg.hashsalt": "imagery",
    "svg.fonttype": "path",
}


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of one phase in a block; times from the block's begin, seconds."""

    phase: Phase
    begins_s: float
    lasts_s: float
    waits: bool


def write_plan(path: Path, plan: Plan) -> None:
    """Draw a plan into a file.

    Raises
    ------
    UserError
        If the file is of no known kind, or cannot be written.
    """
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise UserError(f"{path}: a picture is written as {', '.join(FORMATS)}")
    dated = {".png": "Software", ".svg": "Date", ".pdf": "CreationDate"}[kind]
    stream = io.BytesIO()
    with rc_context(_STYLE):
        figure(plan).savefig(stream, format=kind[1:], dpi=_DPI, metadata={dated: None})
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(stream.getvalue())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def address(plan: Plan) -> str:
    """The picture as an address that holds all of it, for a page."""
    stream = io.StringIO()
    with rc_context(_STYLE):
        figure(plan).savefig(
            stream, format="svg", dpi=_DPI, metadata={"Date": None, "Creator": None}
        )
    text = re.sub(r"\s*\n\s*", " ", stream.getvalue()).replace("base64, ", "base64,")
    return "data:image/svg+xml," + quote(text, safe=" =:/;,.()+-")


def figure(plan: Plan) -> Figure:
    """Blocks above, a trial of each kind below."""
    spans = schedule(plan)
    kinds = list(trials_by_kind(plan))
    rows_in = len(spans) * (_ROW_IN if len(spans) > 12 else _FEW_ROWS_IN) + 0.2
    below_in = len(kinds) * _TRIAL_IN
    head_in, axis_in, between_in, foot_in = 1.15, 0.45, 0.5, 0.3
    height_in = head_in + rows_in + axis_in + between_in + below_in + foot_in
    made = Figure(figsize=(WIDTH_IN, height_in))
    made.text(0.012, 1 - 0.1 / height_in, plan.name, fontsize=11, fontweight="bold", va="top")
    made.text(0.012, 1 - 0.36 / height_in, _said(plan), va="top")
    made.text(0.012, 0.06 / height_in, USUAL, fontsize=7, color=_GREY, va="bottom")
    _legend(made, spans, 1 - 0.55 / height_in)
    above = made.add_axes(
        (_LEFT, (height_in - head_in - rows_in) / height_in, _WIDE, rows_in / height_in)
    )
    _draw_blocks(above, plan, spans)
    top_in = height_in - head_in - rows_in - axis_in - between_in
    made.text(
        0.012, (top_in + 0.16) / height_in, "A trial of each kind, with its codes",
        fontweight="bold", va="bottom",
    )  # fmt: skip
    for number, (what, trial) in enumerate(kinds):
        bottom = (top_in - (number + 1) * _TRIAL_IN) / height_in
        axes = made.add_axes((_LEFT, bottom, 0.985 - _LEFT, (_TRIAL_IN - 0.04) / height_in))
        _draw_trial(axes, plan, what, trial)
    return made


def _said(plan: Plan) -> str:
    least, usual, longest = map(_time, lasts(plan))
    return (
        f"about {usual}; {least} if all is answered at once, {longest} at most.  {plan.trials}"
        f" trials, {len(plan.picture_ids)} pictures of set {plan.stimuli}, {plan.refresh_hz:g} Hz,"
        f" seed {plan.seed}"
    )


def _legend(made: Figure, spans: Sequence[Span], top: float) -> None:
    used = {phase_of(m.step) for span in spans for m in span.moments}
    handles = [Patch(facecolor=phase.colour, label=phase.name) for phase in PHASES if phase in used]
    waiting = Patch(facecolor="white", edgecolor=_INK, hatch="/////", label="until answered")
    made.legend(
        handles=[*handles, waiting], loc="upper left", bbox_to_anchor=(0.006, top),
        ncols=len(handles) + 1, columnspacing=1.2, handlelength=1.3, handletextpad=0.5,
        borderaxespad=0,
    )  # fmt: skip


# Blocks ---------------------------------------------------------------------------------------


def _draw_blocks(axes: Axes, plan: Plan, spans: Sequence[Span]) -> None:
    """A row for each block: what is done in it, codes below, its longest duration as a line."""
    usual_s = max(span.lasts.usual_s for span in spans)
    reach_s = min(max(span.lasts.longest_s for span in spans), 1.6 * usual_s)
    ticks = sum(len(span.moments) for span in spans)
    for row, span in enumerate(spans):
        for band in bands(span, _ALMOST_EMPTY * reach_s):
            _bar(axes, band.begins_s, band.lasts_s, row - 0.38, 0.46, band.phase, band.waits)
        begins_s = [m.begins.usual_s - span.begins.usual_s for m in span.moments]
        axes.vlines(
            begins_s, row + 0.1, row + 0.28, color=_INK, linewidth=_tick_width(len(begins_s)),
            rasterized=ticks > _MANY_TICKS,
        )  # fmt: skip
        _draw_longest(axes, row, span, reach_s)
        axes.text(
            1.015, row - 0.1, _durations(span), transform=axes.get_yaxis_transform(),
            va="center", clip_on=False, fontsize=7.5,
        )  # fmt: skip
    labels = [f"{span.block + 1} {_name(plan, span)}" for span in spans]
    axes.set(ylim=(len(spans) - 0.5, -0.5), xlim=(0, reach_s))
    axes.set_yticks([row - 0.1 for row in range(len(spans))], labels)
    axes.tick_params(axis="y", length=0)
    for row, span in enumerate(spans):
        axes.text(
            _FAR_LEFT, row - 0.1, _time(span.begins.usual_s), transform=axes.get_yaxis_transform(),
            va="center", clip_on=False, fontsize=7.5, color=_GREY,
        )  # fmt: skip
    for x, said in ((_FAR_LEFT, "begins"), (1.015, "usual (least to longest)")):
        axes.text(
            x, -0.62, said, transform=axes.get_yaxis_transform(), va="bottom", fontsize=6.5,
            color=_GREY,
        )  # fmt: skip
    _label_times(axes, reach_s)
    axes.set_xlabel("from the start of the block, min:s", fontsize=7.5, color=_GREY)


def _name(plan: Plan, span: Span) -> str:
    condition = plan.blocks[span.block].condition
    name = f"{span.kind}, {condition}" if condition else span.kind
    return name if len(name) <= _LONG_NAME else f"{name[: _LONG_NAME - 1]}…"


def _draw_longest(axes: Axes, row: int, span: Span, reach_s: float) -> None:
    usual_s, longest_s = span.lasts.usual_s, span.lasts.longest_s
    if longest_s - usual_s < 1:
        return
    axes.plot([usual_s, min(longest_s, reach_s)], [row - 0.15] * 2, color=_GREY, linewidth=0.8)
    beyond = longest_s > reach_s
    marker = ">" if beyond else "|"
    axes.plot(
        [min(longest_s, reach_s)], [row - 0.15], marker=marker, color=_GREY, markersize=4,
        clip_on=False,
    )  # fmt: skip


def _tick_width(number: int) -> float:
    """Thinner where they stand close."""
    return 0.6 if number < 120 else 0.3 if number < 400 else 0.15


def bands(span: Span, short_s: float) -> Iterator[Band]:
    """What is done in a block, one stretch after another, as a rule.

    Empty screens of at most `short_s` belong to what was done before them.
    """
    told = [(_told(moment, short_s), moment) for moment in span.moments]
    for number in range(1, len(told)):
        if told[number][0] is None:
            told[number] = (told[number - 1][0], told[number][1])
    for (phase, waits), group in groupby(told, lambda pair: (pair[0] or EMPTY, _waits(pair[1]))):
        moments = [moment for _, moment in group]
        begins_s = moments[0].begins.usual_s - span.begins.usual_s
        yield Band(phase, begins_s, sum(m.lasts.usual_s for m in moments), waits)


def _told(moment: Moment, short_s: float) -> Phase | None:
    """None for an empty screen that is too short to be told apart."""
    phase = phase_of(moment.step)
    return None if phase is EMPTY and moment.lasts.usual_s <= short_s else phase


def _waits(moment: Moment) -> bool:
    return bool(moment.step.answers)


def _bar(
    axes: Axes, left: float, width: float, top: float, height: float, phase: Phase, waits: bool
) -> None:
    axes.barh(
        top, width, height, left=left, align="edge", color=phase.colour, linewidth=0,
        hatch="/////" if waits else None, edgecolor=_hatch(phase) if waits else None,
    )  # fmt: skip


def _hatch(phase: Phase) -> str:
    return _INK if phase is SEARCHING else "white"


def _durations(span: Span) -> str:
    least, usual, longest = map(_time, span.lasts)
    return usual if least == longest else f"{usual} ({least} to {longest})"


def _label_times(axes: Axes, reach_s: float) -> None:
    step_s = next((s for s in _WHOLE if reach_s / s <= 12), _WHOLE[-1])
    at_s = range(0, int(reach_s) + 1, step_s)
    axes.set_xticks(list(at_s), [_time(s) for s in at_s])


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


# A trial of each kind -------------------------------------------------------------------------


def trials_by_kind(plan: Plan) -> Iterator[tuple[str, Trial]]:
    """The first trial of every kind and timing, but for texts, named by what it is."""
    seen = set()
    for block in plan.blocks:
        for trial in block.trials:
            key = (trial.kind, tuple((step.code, step.frames) for step in trial.steps))
            if trial.kind not in (Kind.TEXT, Kind.PRACTICE) and key not in seen:
                seen.add(key)
                name = trial.kind.value
                yield f"{name}, {block.condition}" if block.condition else name, trial


def _draw_trial(axes: Axes, plan: Plan, what: str, trial: Trial) -> None:
    """Steps in order, not to scale: what is short can be read too."""
    widths = list(_widths([step.frames / plan.refresh_hz for step in trial.steps]))
    left = 0.0
    for step, width in zip(trial.steps, widths, strict=True):
        _bar(axes, left, width - 0.004, 0.0, 0.3, phase_of(step), bool(step.answers))
        axes.plot([left, left], [0.0, 0.5], color=_INK, linewidth=0.8)
        code = f"{step.code} {plan.codes[step.code]}"
        axes.text(left + 0.006, 0.4, code, va="center", fontsize=7)
        seconds = f"{step.frames / plan.refresh_hz:.4g} s"
        said = f"≤ {seconds}" if step.answers else seconds
        axes.text(left + 0.006, -0.16, said, va="center", fontsize=7, color=_INK)
        left += width
    axes.set(xlim=(0, 1), ylim=(-0.35, 0.65))
    axes.axis("off")
    axes.text(-0.01, 0.15, what, ha="right", va="center", clip_on=False)


def _widths(durations_s: Sequence[float]) -> Iterable[float]:
    """Shares of the width: room for a code each, the rest by the root of the duration."""
    room = 0.125
    rest = max(0.0, 1 - room * len(durations_s))
    roots = [seconds**0.5 for seconds in durations_s]
    widths = [room + rest * root / sum(roots) for root in roots]
    return [width / sum(widths) for width in widths]
