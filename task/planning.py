"""From a protocol to the exact frames of a session.  Pure: no clock, no screen, no disk.

Order comes from `random.Random(seed).random()`, the one method whose sequence Python promises to
keep across versions; the plan is saved with the session all the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from task.chances import chances_of
from task.choosing import pool_of, with_ids
from task.code_table import announces, code_table, warnings_of
from task.contract.catalog import Catalog
from task.contract.codes import MAX_PRESENTATION
from task.contract.errors import FileError, PlanError
from task.contract.sessionlog import Kind
from task.flicker import check_flashes
from task.frames import Frames
from task.imagining import check_cues, imagery_blocks
from task.plan import Block, PictureItem, Plan
from task.protocol import Faults, Imagery, Pictures, Protocol, ProtocolFile
from task.published import warning
from task.screening import at_their_quickest, parts_of, screening_blocks
from task.screens import scale_in, scaled
from task.trials import after, before

USUAL_REFRESH_HZ = (60.0, 75.0, 120.0, 144.0)  # what `check` reports if no rate is said
_SOONEST_NEXT_CUE_S = 1.5
_MANY_QUESTIONS = 4


def plan_file(
    file: ProtocolFile,
    catalog: Catalog,
    *,
    seed: int,
    refresh_hz: float,
    spacing_frames: int,
    at_once: int | None = None,
    announced: bool = True,
    room_deg: tuple[float, float] | None = None,
) -> Plan:
    """The plan of a protocol file; faults name the file's lines.

    Raises
    ------
    FileError
        With everything that keeps the protocol from being shown.
    """
    try:
        return make_plan(
            file.protocol,
            catalog,
            seed=seed,
            refresh_hz=refresh_hz,
            spacing_frames=spacing_frames,
            at_once=at_once,
            announced=announced,
            room_deg=room_deg,
        )
    except PlanError as error:
        faults = [file.fault(path, what) for path, what in error.faults]
        raise FileError(sorted(faults, key=lambda fault: fault.line or 0)) from None


def make_plan(
    protocol: Protocol,
    catalog: Catalog,
    *,
    seed: int,
    refresh_hz: float,
    spacing_frames: int,
    at_once: int | None = None,
    announced: bool = True,
    room_deg: tuple[float, float] | None = None,
) -> Plan:
    """The same arguments always give the same plan, on every machine.

    Parameters
    ----------
    seed : of every random choice; the protocol's own seed goes before it
    refresh_hz : of the display
    spacing_frames : from one code's onset to the next, at least: the device's pulse and gap
    at_once : most pictures that the display can hold ready; any number if not said
    announced : whether the device can number sessions and presentations on the lines
    room_deg : width and height of the screen, degrees; where it is small, so are words

    Raises
    ------
    PlanError
        With everything that keeps the protocol from being shown.
    """
    seed = protocol.seed if protocol.seed is not None else seed
    faults: Faults = []
    codes = code_table(protocol, faults)
    announced = announced and announces(codes)
    frames = Frames(refresh_hz, protocol.round_to_frames, spacing_frames, announced, faults)
    chances = chances_of(seed, protocol.seeds)
    _check_tables(protocol, faults)
    protocol = with_ids(protocol, catalog, faults)
    task: list[Block] = []
    if protocol.screening:
        task = screening_blocks(protocol, catalog, chances, frames, at_once, faults)
    elif protocol.imagery:
        check_cues(protocol, catalog, faults)
        task = imagery_blocks(protocol, catalog, chances, frames, faults)
    _check_practice(protocol, catalog, faults)
    blocks = [*before(protocol, frames), *task, *after(protocol, frames)]
    smaller = scale_in(room_deg) if room_deg else 1.0
    quickest = at_their_quickest(protocol, frames)
    check_flashes([*blocks, *quickest], refresh_hz, protocol.safety, faults)
    if sum(len(block.trials) for block in blocks) >= MAX_PRESENTATION:
        path = ("screening", "repeats") if protocol.screening else ("imagery", "items")
        faults.append((path, f"more than {MAX_PRESENTATION - 1} trials; make two sessions of it"))
    if faults:
        raise PlanError(faults)
    made = Plan(
        name=protocol.name,
        refresh_hz=refresh_hz,
        seed=seed,
        spacing_frames=spacing_frames,
        codes=codes,
        stimuli=protocol.stimuli,
        blocks=tuple(_scaled(blocks, smaller)) if smaller < 1 else tuple(blocks),
        picture_ids=_shown(blocks, catalog),
        banner=protocol.banner,
        theme=protocol.look.theme,
        interrupted=protocol.interruptions.trial,
        triggers_lost=protocol.interruptions.triggers,
        safety=protocol.safety.model_dump() if protocol.safety else None,
        announced=announced,
        warnings=(
            *_warnings(protocol, codes),
            *_warnings_of_parts(task),
            *_warnings_of_answers(blocks),
            *_warnings_of_size(smaller, room_deg),
        ),
    )
    if protocol.longest_min and made.longest_s > 60 * protocol.longest_min:
        what = f"the session may take {made.longest_s / 60:.1f} minutes, more than this"
        raise PlanError([(("longest_min",), f"{what}; show less, or shorten breaks and waits")])
    return made


def _scaled(blocks: Sequence[Block], factor: float) -> Iterator[Block]:
    """The same blocks, all but pictures alone smaller."""
    for block in blocks:
        trials = (
            replace(t, steps=tuple(replace(s, screen=scaled(s.screen, factor)) for s in t.steps))
            for t in block.trials
        )
        yield replace(block, trials=tuple(trials))


def _warnings_of_answers(blocks: Sequence[Block]) -> list[str]:
    """Catch questions that one key answers rightly."""
    asked = [t for b in blocks for t in b.trials if t.kind is Kind.QUESTION and t.steps[0].correct]
    right = {trial.steps[0].correct for trial in asked}
    if len(asked) < _MANY_QUESTIONS or len(right) > 1:
        return []
    return [
        f"all {len(asked)} questions about pictures are rightly answered {right.pop()!r}: whoever"
        " always presses that key scores 100 %; ask also what is wrong of some pictures"
    ]


def _warnings_of_size(smaller: float, room_deg: tuple[float, float] | None) -> list[str]:
    if smaller == 1 or not room_deg:
        return []
    wide, high = room_deg
    return [
        f"the screen is {wide:.1f} by {high:.1f} degrees: words, scales and puzzles are drawn at"
        f" {100 * smaller:.0f} % of their size; only pictures alone keep theirs"
    ]


def _shown(blocks: Sequence[Block], catalog: Catalog) -> tuple[str, ...]:
    """Every picture on any screen, in the order of the set."""
    steps = (step for block in blocks for trial in block.trials for step in trial.steps)
    items = (item for step in steps for item in step.screen)
    used = {item.picture for item in items if isinstance(item, PictureItem)}
    return tuple(i for i in catalog.pictures if i in used)


def _check_tables(protocol: Protocol, faults: Faults) -> None:
    """Find what one table of the protocol says against another."""
    if protocol.imagery and protocol.pictures != Pictures():
        what = "chooses those of a screening; in an imagery session it would do nothing"
        faults.append((("pictures",), what))
    ids = [question.id for question in protocol.questionnaire]
    for n, name in enumerate(ids):
        if name in ids[:n]:
            what = f"{name!r} is another question's too; give each its own"
            faults.append((("questionnaire", n, "id"), what))


def _check_practice(protocol: Protocol, catalog: Catalog, faults: Faults) -> None:
    """Find practice pictures that the session may show."""
    if not protocol.practice:
        return
    path = ("practice", "pictures")
    pool: set[str] = set()
    if protocol.screening:
        pool.update(*(pool_of(part.protocol.pictures, catalog) for part in parts_of(protocol)))
    elif protocol.imagery:
        pool.update(protocol.imagery.named[1])
    if both := [i for i in protocol.practice.pictures if i in pool]:
        drawn = protocol.pictures.per_group or protocol.pictures.of_group
        may_be = "may be shown" if drawn else "shown"
        faults.append(
            (
                path,
                f"{', '.join(both)} {may_be} in the session too; practise with other pictures, or"
                " exclude these from the session",
            )
        )


def _variants(task: Imagery) -> Iterator[tuple[str, Imagery]]:
    """What holds in all blocks, and in those of every part; and of which it is said."""
    yield "", task
    for part in task.part:
        said = {key: value for key, value in part if value is not None}
        yield f" in part {part.name!r}", task.model_copy(update=said)


def _warnings_of_parts(blocks: Sequence[Block]) -> list[str]:
    """Items that are imagined under one condition only, where there are several."""
    cued: dict[str, dict[str, None]] = {}
    for block in blocks:
        for trial in block.trials:
            if trial.kind is Kind.IMAGINE and trial.item:
                cued.setdefault(block.condition, {})[trial.item] = None
    said = []
    for condition, items in cued.items() if len(cued) > 1 else ():
        others = {i for other, these in cued.items() if other != condition for i in these}
        if condition and (alone := [i for i in items if i not in others]):
            said.append(
                f"{', '.join(alone)}: imagined in part {condition!r} only; what differs between"
                " parts cannot be told there from what differs between items"
            )
    return said


def _warnings(protocol: Protocol, codes: Mapping[str, int]) -> list[str]:
    task, texts = protocol.imagery, protocol.texts
    said = [warning(task.design)] if task and task.design else []
    closed = [(of, own) for of, own in _variants(task) if own.eyes_closed] if task else []
    said += [
        f"eyes closed{of}, with a rating after each: the patient opens the eyes to rate and must"
        f" close them again; make imagery.after_s at least {_SOONEST_NEXT_CUE_S:g}, or rating_s 0"
        for of, own in closed
        if own.rating_s and own.after_s < _SOONEST_NEXT_CUE_S
    ]
    if texts.instructions and not texts.text_s:
        said.append("texts.text_s = 0: the pages of instructions are left out")
    rest = protocol.rest
    rests_closed = rest.eyes == "closed" and (rest.before_s or rest.after_s)
    if not texts.text_s and (rests_closed or closed):
        said.append("texts.text_s = 0: no page tells the patient to close the eyes; say it aloud")
    return said + warnings_of(codes)
