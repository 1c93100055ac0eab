"""What commands show: tables, headlines, progress bars, and how they ask.

Nothing here decides or reads anything; what is shown is handed over.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from task.contract.errors import FileError
from task.contract.rescue import left_elsewhere
from task.flicker import flashes_per_s
from task.plan import PRACTICE, Plan
from task.session import Outcome

if TYPE_CHECKING:
    from task.preflight.ready import Ready

console = Console(soft_wrap=True, highlight=False)
_COLOURS = {"green": "green", "yellow": "yellow", "red": "bold red"}


# Plans ---------------------------------------------------------------------------------------


def say_summary(path: Path, plans: Mapping[float, Plan | FileError]) -> None:
    """What a protocol comes to; `plans` by refresh rate, or why there is none."""
    for line in _summary(path, plans):
        console.print(line)


def _summary(path: Path, plans: Mapping[float, Plan | FileError]) -> Iterator[str | Table]:
    good = [found for found in plans.values() if isinstance(found, Plan)]
    plan = good[0]
    kinds: dict[str, int] = {}
    for trial in (t for b in plan.blocks for t in b.trials):
        kinds[trial.kind.value] = kinds.get(trial.kind.value, 0) + 1
    yield f"[b]{plan.name}[/b]  {escape(str(path))}"
    yield "  trials    " + ", ".join(f"{n} {kind}" for kind, n in kinds.items())
    yield f"  pictures  {len(plan.picture_ids)} of set {plan.stimuli}"
    yield (
        f"  duration  {minutes(plan.fixed_s)} and waits for answers; at most"
        f" {minutes(plan.longest_s)}"
    )
    most = max(flashes_per_s(p.blocks, p.refresh_hz) for p in good)
    approved = f", approved by {escape(plan.safety['approved_by'])}" if plan.safety else ""
    yield f"  flicker   at most {most:g} flashes in any second{approved}"
    for hz, found in plans.items():
        if isinstance(found, FileError):
            keys = ", ".join(dict.fromkeys(fault.key for fault in found.faults))
            why = f"`check --refresh {hz:g}` says why"
            yield f"  [yellow]at {hz:g} Hz  cannot be shown: {keys}; {why}[/]"
        else:
            yield f"  at {hz:g} Hz  fits; codes {found.spacing_frames} frames apart"
    for warning in plan.warnings:
        yield f"  [yellow]note[/]      {warning}"
    used = {s.code for b in plan.blocks for t in b.trials for s in t.steps}
    used |= {"SESSION", "TRIAL", "RUN_START", "RUN_END", "BLOCK_START", "BLOCK_END"}
    used |= {"PAUSE", "RESUME", "SKIP", "REPEAT", "NOTE", "STOP", "GAP"}
    if any(block.kind == PRACTICE for block in plan.blocks):
        used |= {"PRACTICE_START", "PRACTICE_END"}
    if any(step.answers for step in plan.steps):
        used |= {"NO_ANSWER", "ANSWER_0", "ANSWER_1", *(f"ANSWER_{a}" for a in plan.answers)}
    table = Table("code", "value", title=None, box=None, padding=(0, 3, 0, 10))
    for code, value in plan.codes.items():
        if code in used:
            table.add_row(code, str(value))
    yield table


def plan_table(made: Plan) -> Table:
    """Every step of a plan, a row each."""
    frame = made.sweep_frames + made.marker_frames(named=True)
    table = Table("frame", "seconds", "block", "trial", "code", "shown", "frames", box=None)
    for b, block in enumerate(made.blocks):
        frame += made.marker_frames(named=True)
        for t, trial in enumerate(block.trials):
            for step in trial.steps:
                waits = f"{step.frames} at most" if step.answers else f"{step.frames}"
                about = trial.item or trial.kind.value
                seconds = f"{frame / made.refresh_hz:.3f}"
                table.add_row(str(frame), seconds, str(b), str(t), step.code, about, waits)
                frame += step.frames
        frame += made.marker_frames(named=False)
    return table


# The session ---------------------------------------------------------------------------------


def say_rig(ready: "Ready") -> None:
    """What the rig lacks."""
    if ready.virtual:
        console.print(f"no display here: {ready.virtual}")
    if ready.rig.robot:
        console.print("[yellow]a robot answers: this is no session with a patient[/]")
    if ready.rig.triggers.device in ("none", "simulated"):
        console.print("[yellow]rig without triggers: the recording will hold no codes[/]")


def ask(question: str) -> str | None:
    """The operator's answer; None where nobody is there to give one."""
    try:
        return console.input(f"{escape(question)}: ")
    except EOFError:
        return None


def say_outcome(outcome: Outcome) -> None:
    """How a session ended, and how to go on with one that was cut short."""
    console.print(f"{outcome.how}: {outcome.folder}")
    counts = outcome.counts
    console.print(f"{counts['codes']} codes, {counts['late_frames']} late frames")
    if outcome.how != "completed" and not left_elsewhere(outcome.folder):
        console.print(f"to go on with it: imagery resume {outcome.folder}")


def faults_of(outcome: Outcome) -> list[str]:
    """What nobody may overlook at the end of a session."""
    counts, faults = outcome.counts, []
    if outcome.trouble:
        faults.append(f"THE DISK REFUSED THE LOG: {outcome.trouble}")
    if counts["codes_lost"]:
        faults.append(
            f"TRIGGERS LOST: {counts['codes_lost']} of {counts['codes']} codes did not leave the"
            " trigger port; the log says which. Check cable and box before the next session"
        )
    return faults


# Results -------------------------------------------------------------------------------------


def say_headlines(document: Mapping[str, Any], lines: int | None = None) -> None:
    """The result in a few lines: what was aligned, found in viewing, and in imagery."""
    for line in islice(_headlines(document), lines):
        console.print(line)


def _headlines(document: Mapping[str, Any]) -> Iterator[str]:
    counts, aligned = document["counts"], document["alignment_summary"]
    yield (
        f"aligned    {aligned['matched']} of {aligned['sent']} codes in {aligned['runs']} runs,"
        f" residual {aligned['residual_median_ms']:.2f} ms, {aligned['spurious']} unexpected"
    )
    yield (
        f"units      {counts['units']} of {counts['subjects']} patients, {counts['spikes']} spikes"
    )
    for pool in document["viewing"]:
        found = _said(pool["axis"]["q05"])
        yield f"axis       {found} units follow an axis (q <= 0.05): {pool['pool']}"
    for session in document["imagery"]:
        yield f"imagery    {_said(session['reactivated'])} units take part (q <= 0.05)"
        if "axis" in session:
            axis = session["axis"]
            yield (
                f"same axis  mean r {axis['mean_r']:.2f} of imagined rate with the viewing axis,"
                f" p = {axis['swap_p']:.3g} (items exchanged within blocks)"
            )
    if "planted" in document:
        found = document["planted"]["axis_found_of_planted"]
        yield f"planted    {_said(found)} planted axes found again"
    for skipped in document["skipped"][:5]:
        yield f"[yellow]left out[/]   {skipped['what']}: {skipped['why']}"


def _said(share: Mapping[str, Any]) -> str:
    return (
        f"{share['count']} of {share['of']}"
        f" ({share['share']:.0%}, 95 % interval {share['low']:.0%} to {share['high']:.0%})"
    )


def say_part(outcome: Any, done: int, total: int) -> None:
    """A part of a cohort that is finished: how it went, and how many are."""
    where = f"{done:>4} of {total}  {outcome.part.name}"
    if outcome.folder is None:
        console.print(f"{where}  [yellow]failed[/]  {escape(outcome.why)}")
    elif outcome.kept:
        console.print(f"{where}  as it was")
    else:
        console.print(f"{where}  {minutes(outcome.took_s)}")


def say_population(document: Mapping[str, Any]) -> None:
    """Every share of a population in a line."""
    counts = document["counts"]
    console.print(f"units      {counts['units']} of {counts['patients']} patients")
    for share in document["shares"]:
        of = "units" if share["of"] is None else share["of_words"]
        corrected = share["corrected"]["value"]
        sign = "at least " if share["lower_bound"] else ""
        console.print(
            f"{share['question'].replace('_', ' '):<10} "
            f" {share['detected_count']['count']} of {share['detected_count']['of']} {of}"
            f" {share['words']} (q <= 0.05); corrected {sign}{corrected:.0%}"
        )
    console.print(document["for_whom"])


def say_rows(rows: Sequence[Any], document: Mapping[str, Any] | None) -> None:
    """Traffic lights, or all of it as JSON."""
    if document is not None:
        print(json.dumps(document, indent=1, ensure_ascii=False))
        return
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    for row in rows:
        colour = _COLOURS[row.light]
        table.add_row(f"[{colour}]{row.light.value}[/]", row.what, escape(row.said))
    console.print(table)


def say_codes(table: Any) -> None:
    """Counts by code, as a table: those of which something is missing, too much, or misplaced."""
    odd = table[table[["by_place", "lost", "unexpected"]].any(axis=1)]
    whole = len(table) - len(odd)
    if whole:
        console.print(f"{whole} codes are all there" + (", of the others:" if len(odd) else ""))
    if odd.empty:
        return
    shown = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in ("code", *table.columns):
        shown.add_column(name.replace("_", " "), justify="left" if name == "name" else "right")
    for code, row in odd.iterrows():
        cells = [str(code), *(escape(str(value)) if value else "" for value in row)]
        shown.add_row(*cells)
    console.print(shown)


# Words and bars ------------------------------------------------------------------------------


def minutes(seconds: float) -> str:
    """A duration as people say it."""
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar; yields the function that moves it."""
    with stages() as say:
        yield lambda done, total: say(what, done, total)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """Progress bars, one for each stage that reports; yields the function that moves them."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    bars = Progress(
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        auto_refresh=False,
    )
    with bars:
        known: dict[str, Any] = {}

        def say(what: str, done: int, total: int) -> None:
            if what not in known:
                known[what] = bars.add_task(what, total=total)
            bars.update(known[what], completed=done, total=total)
            if done == total or done % 10 == 0:
                bars.refresh()

        yield say
