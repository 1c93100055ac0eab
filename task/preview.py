"""A page with every screen that the patient will see, in order: drawn without a window, to be read
without the program and without a network.

A screen is drawn once, however often it comes.  Of a stream of pictures the first of each block is
drawn in full, the others as small pictures in their order.
"""

import base64
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from task.bitmaps import THEMES, Theme, bitmap
from task.countdown import at
from task.drawing import drawn
from task.phases import phase_of
from task.placing import Canvas
from task.plan import (
    ANY_KEY,
    PictureItem,
    Plan,
    Screen,
    SoundItem,
    Step,
    TextItem,
    ToneItem,
    Trial,
)
from task.schedule import USUAL, Moment, Span, Times, lasts, schedule
from task.screens import FIXATION, only_fixation

Progress = Callable[[int, int], None]

FEW_PICTURES = 8  # of a block that are all drawn in full
_FEW_LETTERS = 4
# Widest that screens are drawn on the page, and small pictures, by how many of them there are.
_SCREEN_PX = ((60, 1280), (250, 960), (1000, 640), (20_000, 400))
_SMALL_PX = ((1000, 48), (4000, 36), (20_000, 24))


# What the page says ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Card:
    """Screens of a block that look alike, at the first of them.

    Attributes
    ----------
    image : number of its drawing
    kind : of the trial, of which it is step `number`
    others : how many other pictures are shown in the same way
    times : how often it comes in the block
    """

    image: int
    kind: str
    colour: str
    code: str
    value: int
    at: str
    between: str
    lasts: str
    words: str
    heard: str
    answers: str
    others: int
    times: int


@dataclass(frozen=True, slots=True)
class Chip:
    """A trial in the row of all trials of a block: a small picture, or a letter."""

    letter: str
    place: tuple[int, int] | None
    colour: str
    said: str


@dataclass(frozen=True, slots=True)
class Section:
    """A block of the page; `kind` with the part of the protocol that it belongs to."""

    number: int
    kind: str
    at: str
    lasts: str
    trials: int
    rounds: int
    cards: tuple[Card, ...]
    chips: tuple[Chip, ...]


class _Drawings:
    """Numbers of screens that are to be drawn, each once."""

    def __init__(self) -> None:
        self.screens: dict[Screen, int] = {}

    def number_of(self, screen: Screen) -> int:
        return self.screens.setdefault(screen, len(self.screens))


class _Sheet(NamedTuple):
    """Small pictures side by side: how large each is, and where it stands."""

    side_px: int
    columns: int
    places: Mapping[str, tuple[int, int]]


def write_preview(
    out: Path,
    plan: Plan,
    canvas: Canvas,
    files: Mapping[str, Path],
    *,
    facts: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = (),
    overview: str = "",
    progress: Progress | None = None,
) -> int:
    """Write the page; its size in bytes.

    Parameters
    ----------
    files : file of every picture
    facts : what stands in its head besides what the plan tells: name and value
    notes : what somebody should know, a sentence each
    overview : address of a picture of the session, with the whole picture in it
    progress : called with drawings done and drawings in all

    Raises
    ------
    StimulusError
        If a picture cannot be read.
    OSError
        If the page cannot be written.
    """
    drawings, theme = _Drawings(), THEMES[plan.theme]
    sheet = _sheet_of(plan)
    spans = schedule(plan)
    sections = [_section(plan, span, drawings, sheet) for span in spans]
    total = len(drawings.screens) + len(sheet.places)
    say = progress or (lambda done, total: None)
    images = []
    for number, screen in enumerate(drawings.screens):
        images.append(
            _address(drawn(screen, canvas, files, theme, plan.banner), len(drawings.screens))
        )
        say(number + 1, total)
    small = _drawn_sheet(sheet, files, theme, lambda done: say(len(images) + done, total))
    text = (
        _environment()
        .get_template("preview.html")
        .render(
            plan=plan,
            canvas=canvas,
            facts=[*_facts(plan, canvas, len(images)), *facts],
            notes=[*plan.warnings, *notes],
            overview=overview,
            usual=USUAL,
            sections=sections,
            images=images,
            small=small,
            sheet=sheet,
            ground=theme.ground,
        )
    )
    data = text.lstrip().encode("utf-8")
    partial = out.with_name(f"{out.name}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return len(data)


def _facts(plan: Plan, canvas: Canvas, screens: int) -> Iterator[tuple[str, str]]:
    least, usual, longest = (f"{seconds / 60:.1f}" for seconds in lasts(plan))
    yield "duration", f"about {usual} min; {least} if all is answered at once, {longest} at most"
    yield (
        "trials",
        f"{plan.trials} in {len(plan.blocks)} blocks; {screens} different drawings below",
    )
    yield "pictures", f"{len(plan.picture_ids)} of set {plan.stimuli}"
    wide, high = (px / canvas.px_per_deg for px in canvas[:2])
    yield "screen", f"{canvas.width_px} × {canvas.height_px} px, {wide:.1f} × {high:.1f} degrees"
    yield "refresh", f"{plan.refresh_hz:g} Hz; codes at least {plan.spacing_frames} frames apart"
    yield "seed", str(plan.seed)


# Blocks ---------------------------------------------------------------------------------------


def _section(plan: Plan, span: Span, drawings: _Drawings, sheet: _Sheet) -> Section:
    block = plan.blocks[span.block]
    return Section(
        span.block + 1,
        f"{span.kind}, {block.condition}" if block.condition else span.kind,
        clock(span.begins.usual_s),
        _range(span.lasts),
        len(block.trials),
        block.rounds,
        tuple(_cards(plan, span, drawings)),
        tuple(_chips(block.trials, span, sheet)),
    )


def _cards(plan: Plan, span: Span, drawings: _Drawings) -> Iterator[Card]:
    """Every screen of a block that is unlike those before it."""
    trials = plan.blocks[span.block].trials
    streams = _streams(span)
    alike: dict[object, list[Moment]] = {}
    for moment in span.moments:
        step = moment.step
        look = "a picture" if step.code in streams and _lone(step.screen) else step.screen
        key = (trials[moment.trial].kind, step.code, look, step.frames, step.answers, step.correct)
        alike.setdefault(key, []).append(moment)
    for moments in alike.values():
        yield _card(plan, trials[moments[0].trial], moments, drawings)


def _streams(span: Span) -> set[str]:
    """Codes with which more pictures come than are drawn in full."""
    shown: dict[str, set[Screen]] = {}
    for moment in span.moments:
        if _lone(moment.step.screen):
            shown.setdefault(moment.step.code, set()).add(moment.step.screen)
    return {code for code, screens in shown.items() if len(screens) > FEW_PICTURES}


def _lone(screen: Screen) -> bool:
    return len(screen) == 1 and isinstance(screen[0], PictureItem)


def _card(plan: Plan, trial: Trial, moments: Sequence[Moment], drawings: _Drawings) -> Card:
    first, step = moments[0], moments[0].step
    screens = {moment.step.screen for moment in moments}
    return Card(
        image=drawings.number_of(_visible(at(step.screen, step.frames, plan.refresh_hz))),
        kind=trial.kind.value,
        colour=phase_of(step).colour,
        code=step.code,
        value=plan.codes[step.code],
        at=clock(first.begins.usual_s, exact=_exact(first.begins)),
        between=_between(first.begins),
        lasts=_lasts(step, plan.refresh_hz),
        words=_words(step.screen),
        heard=", ".join(map(_heard, _sounds(step.screen))),
        answers=_answers(step),
        others=len(screens) - 1,
        times=len(moments),
    )


def _visible(screen: Screen) -> Screen:
    return tuple(item for item in screen if isinstance(item, PictureItem | TextItem))


def _sounds(screen: Screen) -> Iterator[ToneItem | SoundItem]:
    return (item for item in screen if isinstance(item, ToneItem | SoundItem))


def _heard(sound: ToneItem | SoundItem) -> str:
    if isinstance(sound, SoundItem):
        return sound.file
    return f"{sound.frequency_hz:g} Hz for {sound.duration_s:g} s"


def _words(screen: Screen) -> str:
    """What is to be read and seen, in a line."""
    pictures = [item.picture for item in screen if isinstance(item, PictureItem)]
    texts = [" ".join(i.text.split()) for i in screen if isinstance(i, TextItem)]
    letters = [text for text in texts if len(text) == 1 and text.isalpha()]
    if len(letters) > _FEW_LETTERS:
        texts = [text for text in texts if text not in letters]
        pictures.append(f"{len(letters)} letters")
    if texts == [FIXATION]:
        return "a cross"
    said = [*pictures, *(f"“{text}”" for text in texts)]
    return " · ".join(said) or ("an empty screen" if only_fixation(screen) else "")


def _answers(step: Step) -> str:
    if not step.answers:
        return ""
    if ANY_KEY in step.answers:
        return "any key"
    right = f"; right is {step.correct}" if step.correct else ""
    return f"{', '.join(step.answers)}{right}"


def _lasts(step: Step, refresh_hz: float) -> str:
    seconds = f"{step.frames / refresh_hz:.4g} s"
    return (
        f"until answered, {seconds} at most" if step.answers else f"{seconds}, {step.frames} frames"
    )


def _chips(trials: Sequence[Trial], span: Span, sheet: _Sheet) -> Iterator[Chip]:
    begins = {moment.trial: moment for moment in reversed(span.moments)}
    for number, trial in enumerate(trials):
        moment = begins[number]
        place = sheet.places.get(trial.item or "") if _shows(trial) else None
        about = f" {trial.item}" if trial.item else ""
        right = f", right is {trial.steps[0].correct}" if trial.steps[0].correct else ""
        said = f"{clock(moment.begins.usual_s)} {trial.kind.value}{about}{right}"
        letter = "?" if trial.steps[0].code == "QUESTION_ON" else trial.kind.value[:1].upper()
        colour = max((phase_of(step) for step in trial.steps), key=_telling).colour
        yield Chip(letter, place, colour, said)


def _shows(trial: Trial) -> bool:
    """Whether a trial is about a picture, and not a question about the one before it."""
    return trial.item is not None and trial.steps[0].code != "QUESTION_ON"


def _telling(phase: tuple[str, str]) -> int:
    """Of a trial's phases, which one says what it is: imagining before its cue and its rating."""
    order = ("empty screen", "answering", "cue", "reading", "seeing", "searching", "imagining")
    return order.index(phase[0]) if phase[0] in order else len(order)


# Times in words -------------------------------------------------------------------------------


def clock(seconds: float, *, exact: bool = False) -> str:
    """`1:02`, `1:02:03`; with hundredths where it is known so exactly."""
    whole = round(seconds, 2) if exact else round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(int(minutes), 60)
    said = f"{rest:05.2f}" if exact else f"{int(rest):02d}"
    return f"{hours}:{minutes:02d}:{said}" if hours else f"{minutes}:{said}"


def _exact(times: Times) -> bool:
    return times.longest_s - times.least_s < 0.005


def _between(times: Times) -> str:
    if _exact(times):
        return ""
    return f"between {clock(times.least_s)} and {clock(times.longest_s)}"


def _range(times: Times) -> str:
    if round(times.least_s) == round(times.longest_s):
        return clock(times.usual_s)
    return f"{clock(times.usual_s)} ({clock(times.least_s)} to {clock(times.longest_s)})"


# Drawings -------------------------------------------------------------------------------------


def _for(number: int, sizes: Iterable[tuple[int, int]]) -> int:
    """The size for so many."""
    return next(px for most, px in sizes if number <= most)


def _address(image: Image.Image, of: int) -> str:
    """An address that holds the whole drawing."""
    width = min(image.width, _for(of, _SCREEN_PX))
    if width < image.width:
        size = width, round(image.height * width / image.width)
        image = image.resize(size, Image.Resampling.LANCZOS)
    return _as_webp(image, 90)


def _as_webp(image: Image.Image, quality: int) -> str:
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "WEBP", quality=quality, method=3)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _sheet_of(plan: Plan) -> _Sheet:
    side_px = _for(len(plan.picture_ids), _SMALL_PX)
    columns = max(1, min(len(plan.picture_ids), 6000 // side_px // 2))
    places = {
        picture: (n % columns * side_px, n // columns * side_px)
        for n, picture in enumerate(plan.picture_ids)
    }
    return _Sheet(side_px, columns, places)


def _drawn_sheet(
    sheet: _Sheet, files: Mapping[str, Path], theme: Theme, done: Callable[[int], None]
) -> str:
    side_px, columns, places = sheet
    rows = -(-len(places) // columns)
    image = Image.new("RGB", (columns * side_px, max(1, rows) * side_px), (theme.ground,) * 3)
    for number, (picture, (left, top)) in enumerate(places.items(), start=1):
        small = bitmap(PictureItem(picture, float(side_px)), 1.0, files, theme)
        small.thumbnail((side_px, side_px))
        image.paste(
            small, (left + (side_px - small.width) // 2, top + (side_px - small.height) // 2)
        )
        done(number)
    return _as_webp(image, 60)


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        lstrip_blocks=True,
        trim_blocks=True,
    )
