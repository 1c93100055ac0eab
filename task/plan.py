"""From a protocol to the exact frames of a session.  Pure: no clock, no screen, no disk.

A plan is a tuple of blocks, a block of trials, a trial of steps.  A step holds one screen for a
number of frames, or until an answer ends it, and sends one code on its first frame; the first step
of a trial is followed on the lines by the number of its presentation.  Showing a plan takes no
decisions.

Order comes from `random.Random(seed).random()`, the one method whose sequence Python promises to
keep across versions; the plan is saved with the session all the same.
"""

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from task.contract.catalog import Catalog
from task.contract.codes import (
    CODE_TABLE,
    MAX_PRESENTATION,
    SWEEP_OFFSETS,
    announce_presentation,
    announce_session,
)
from task.contract.errors import FileError, PlanError
from task.contract.sessionlog import Kind
from task.contract.settings import KeyPath, did_you_mean
from task.order import alternate, cyclic_pairs, shuffled, shuffled_repeats
from task.protocol import Protocol, ProtocolFile, Safety

VERSION = 1
FLASHES_PER_S = 3.0
USUAL_REFRESH_HZ = (60.0, 75.0, 120.0, 144.0)  # what `check` reports if no rate is said
_FRAME_TOLERANCE_S = 0.0005


@dataclass(frozen=True, slots=True)
class PictureItem:
    """A picture on the screen; centre and width in degrees of visual angle."""

    picture: str
    width_deg: float
    x_deg: float = 0.0
    y_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class TextItem:
    """Words on the screen; centre and line height in degrees, turned clockwise."""

    text: str
    height_deg: float
    x_deg: float = 0.0
    y_deg: float = 0.0
    turn_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class SoundItem:
    """A sound that starts with the step."""

    file: str


@dataclass(frozen=True, slots=True)
class MovieItem:
    """A movie that starts with the step; centre and width in degrees."""

    file: str
    width_deg: float
    x_deg: float = 0.0
    y_deg: float = 0.0


Item = PictureItem | TextItem | SoundItem | MovieItem
Screen = tuple[Item, ...]
BLANK: Screen = ()
ANY_KEY = "any"


@dataclass(frozen=True, slots=True)
class Step:
    """One screen.

    Attributes
    ----------
    code : name of the code on its first frame
    screen : what is drawn; nothing is a blank screen
    frames : how long, at most
    answers : logical answers that end it early, `any` for every key; none for a fixed length
    correct : the right one of these, where there is one
    """

    code: str
    screen: Screen
    frames: int
    answers: tuple[str, ...] = ()
    correct: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """Steps shown one after another; `item` is the picture that it is about, if any."""

    kind: Kind
    steps: tuple[Step, ...]
    item: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Trials shown together; pictures are made ready before a block, never in it."""

    kind: str
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Plan:
    """All that will be shown, in order.

    Attributes
    ----------
    spacing_frames : from one code's onset to the next, at least
    codes : name -> value on the lines
    picture_ids : every picture that is shown, in the order of the set
    banner : small print at the foot of every screen
    warnings : what the user should know, in words
    """

    name: str
    refresh_hz: float
    seed: int
    spacing_frames: int
    codes: Mapping[str, int]
    stimuli: str
    blocks: tuple[Block, ...]
    picture_ids: tuple[str, ...]
    banner: str = ""
    safety: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = field(default=())

    @property
    def trials(self) -> int:
        """Number of trials."""
        return sum(len(block.trials) for block in self.blocks)

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything the patient reads, each text once."""
        items = (i for b in self.blocks for t in b.trials for s in t.steps for i in s.screen)
        shown = (item.text for item in items if isinstance(item, TextItem))
        return tuple(dict.fromkeys((self.banner, *shown)))

    @property
    def longest_s(self) -> float:
        """Duration if every text and question takes as long as it may."""
        steps = [s for b in self.blocks for t in b.trials for s in t.steps]
        last_codes = sum(bool(s.answers) for s in steps) * self.spacing_frames  # NO_ANSWER
        frames = sum(s.frames for s in steps) + last_codes + self._marker_frames
        return frames / self.refresh_hz

    @property
    def fixed_s(self) -> float:
        """Duration of all that does not wait for an answer."""
        steps = [s for b in self.blocks for t in b.trials for s in t.steps if not s.answers]
        return (sum(s.frames for s in steps) + self._marker_frames) / self.refresh_hz

    @property
    def sweep_frames(self) -> int:
        """Length of the line sweep that opens a run."""
        return (SWEEP_OFFSETS[-1] + 2) * self.spacing_frames

    @property
    def _marker_frames(self) -> int:
        """Frames of a run that belong to no trial."""
        opening = self.sweep_frames + self.marker_frames(named=True)
        block = self.marker_frames(named=True) + self.marker_frames(named=False)
        closing = self.spacing_frames + self.marker_frames(named=False)
        return opening + len(self.blocks) * block + closing

    def marker_frames(self, *, named: bool) -> int:
        """Length of the empty screen on which a run's or a block's own code is sent."""
        session = len(announce_session(0)) if named and announced(self) else 0
        return (1 + session) * self.spacing_frames

    @cached_property
    def text(self) -> str:
        """The plan as JSON: what `plan --json` prints and a session folder keeps."""
        document = {"schema": VERSION, **_fields(self)}
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False, default=_fields)

    @property
    def document(self) -> dict[str, Any]:
        """The same as JSON values."""
        values: dict[str, Any] = json.loads(self.text)
        return values

    @cached_property
    def sha256(self) -> str:
        """Digest of `text`."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def _fields(value: Any) -> dict[str, Any]:
    """Fields of one of the types above; much faster than `dataclasses.asdict`."""
    named = {field.name: getattr(value, field.name) for field in fields(value)}
    return {"medium": _MEDIA[type(value)], **named} if type(value) in _MEDIA else named


_MEDIA = {PictureItem: "picture", TextItem: "text", SoundItem: "sound", MovieItem: "movie"}


def plan_file(
    file: ProtocolFile, catalog: Catalog, *, seed: int, refresh_hz: float, spacing_frames: int
) -> Plan:
    """The plan of a protocol file; faults name the file's lines.

    Raises
    ------
    FileError
        With everything that keeps the protocol from being shown.
    """
    try:
        return make_plan(
            file.protocol, catalog, seed=seed, refresh_hz=refresh_hz, spacing_frames=spacing_frames
        )
    except PlanError as error:
        faults = [file.source.fault(path, what) for path, what in error.faults]
        raise FileError(sorted(faults, key=lambda fault: fault.line or 0)) from None


def make_plan(
    protocol: Protocol, catalog: Catalog, *, seed: int, refresh_hz: float, spacing_frames: int
) -> Plan:
    """The same arguments always give the same plan, on every machine.

    Parameters
    ----------
    seed : of every random choice; the protocol's own seed goes before it
    refresh_hz : of the display
    spacing_frames : from one code's onset to the next, at least: the device's pulse and gap

    Raises
    ------
    PlanError
        With everything that keeps the protocol from being shown.
    """
    seed = protocol.seed if protocol.seed is not None else seed
    faults: list[tuple[KeyPath, str]] = []
    codes = _codes(protocol, faults)
    frames = _Frames(refresh_hz, protocol.round_to_frames, spacing_frames, faults)
    rng = random.Random(seed)
    if protocol.screening:
        pictures = _chosen(protocol, catalog, rng, faults)
        blocks = _screening_blocks(protocol, pictures, rng, frames)
    else:
        pictures = _items(protocol, catalog, faults)
        blocks = _imagery_blocks(protocol, catalog, pictures, rng, frames)
    _check_codes_fit(protocol, blocks, spacing_frames, faults)
    _check_flashes(blocks, refresh_hz, protocol.safety, faults)
    if sum(len(block.trials) for block in blocks) >= MAX_PRESENTATION:
        path = ("screening", "repeats") if protocol.screening else ("imagery", "items")
        faults.append((path, f"more than {MAX_PRESENTATION - 1} trials; make two sessions of it"))
    if faults:
        raise PlanError(faults)
    used = set(pictures)
    return Plan(
        name=protocol.name,
        refresh_hz=refresh_hz,
        seed=seed,
        spacing_frames=spacing_frames,
        codes=codes,
        stimuli=protocol.stimuli,
        blocks=tuple(blocks),
        picture_ids=tuple(i for i in catalog.pictures if i in used),
        banner=protocol.banner,
        safety=protocol.safety.model_dump() if protocol.safety else None,
        warnings=tuple(_warnings(codes)),
    )


# Pictures and codes --------------------------------------------------------------------------


def _chosen(
    protocol: Protocol, catalog: Catalog, rng: random.Random, faults: list[tuple[KeyPath, str]]
) -> list[str]:
    chosen = protocol.pictures
    groups = list(dict.fromkeys(p.group for p in catalog.pictures.values()))
    for group in chosen.groups:
        if group not in groups:
            hint = did_you_mean(group, groups) or f"; it has {', '.join(groups)}"
            faults.append((("pictures", "groups"), f"no group {group!r} in the set{hint}"))
    _known(("pictures", "ids"), chosen.ids, catalog, faults)
    _known(("pictures", "exclude"), chosen.exclude, catalog, faults)
    if chosen.ids:
        pool = [i for i in chosen.ids if i in catalog.pictures]
    else:
        wanted = chosen.groups or groups
        pool = [p.id for p in catalog.pictures.values() if p.group in wanted]
    pool = [i for i in pool if i not in chosen.exclude]
    if chosen.per_group:
        pool = _sample_groups(pool, chosen.per_group, catalog, rng)
    if len(pool) < 2 and not faults:
        faults.append((("pictures",), f"{_count(len(pool), 'picture')} left; choose at least two"))
    return pool


def _sample_groups(
    pool: Sequence[str], per_group: int, catalog: Catalog, rng: random.Random
) -> list[str]:
    kept: set[str] = set()
    for group in dict.fromkeys(catalog.pictures[i].group for i in pool):
        members = [i for i in pool if catalog.pictures[i].group == group]
        kept.update(shuffled(members, rng)[:per_group])
    return [i for i in pool if i in kept]


def _items(protocol: Protocol, catalog: Catalog, faults: list[tuple[KeyPath, str]]) -> list[str]:
    assert protocol.imagery
    _known(("imagery", "items"), protocol.imagery.items, catalog, faults)
    words = protocol.imagery.words
    for item in protocol.imagery.items:
        picture = catalog.pictures.get(item)
        if picture and item not in words and protocol.language not in picture.names:
            faults.append(
                (
                    ("imagery", "items"),
                    f"{item} has no name in language {protocol.language!r};"
                    f' give its cue word: [imagery.words] {item} = "..."',
                )
            )
    return list(protocol.imagery.items)


def _known(
    path: KeyPath, ids: Sequence[str], catalog: Catalog, faults: list[tuple[KeyPath, str]]
) -> None:
    for item in ids:
        if item not in catalog.pictures:
            hint = did_you_mean(item, catalog.pictures)
            faults.append((path, f"no picture {item!r} in set {catalog.name!r}{hint}"))


def _codes(protocol: Protocol, faults: list[tuple[KeyPath, str]]) -> dict[str, int]:
    table = dict(CODE_TABLE)
    own: dict[str, str] = {}
    for name, value in protocol.codes.items():
        if name.upper() in own:
            faults.append((("codes", name), f"is {own[name.upper()]} again; give each code once"))
        elif name.upper() in table:
            own[name.upper()] = name
            table[name.upper()] = value
        else:
            hint = did_you_mean(name.upper(), table).lower() or f"; known: {', '.join(table)}"
            faults.append((("codes", name), f"no such code{hint}"))
    by_value: dict[int, list[str]] = {}
    for name, value in table.items():
        by_value.setdefault(value, []).append(name)
    for value, names in by_value.items():
        for name in names if len(names) > 1 else ():
            if name in own:
                others = ", ".join(n for n in names if n != name)
                faults.append((("codes", own[name]), f"{value} is also {others}; one value each"))
    return table


def _warnings(codes: Mapping[str, int]) -> list[str]:
    changed = {name: value for name, value in codes.items() if value != CODE_TABLE[name]}
    said = []
    payload = [f"{n} = {v}" for n, v in changed.items() if v >= 128]
    if payload:
        said.append(
            f"{', '.join(payload)}: values from 128 on are payload; sessions and presentations"
            " are not announced on the lines, so a lost log cannot be rebuilt from the recording"
        )
    odd = [f"{n} = {v}" for n, v in changed.items() if v.bit_count() % 2]
    if odd:
        said.append(
            f"{', '.join(odd)}: an odd number of lines; one dead line can turn it into another code"
        )
    return said


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


# Times and frames ----------------------------------------------------------------------------


class _Frames:
    """Times as whole frames of one display; collects the times that are none."""

    def __init__(
        self,
        refresh_hz: float,
        round_to_frames: bool,
        spacing_frames: int,
        faults: list[tuple[KeyPath, str]],
    ) -> None:
        self._hz, self._round, self._faults = refresh_hz, round_to_frames, faults
        self.one_code = spacing_frames
        self._asked: dict[KeyPath, int] = {}

    def __call__(self, path: KeyPath, seconds: float) -> int:
        if path not in self._asked:
            self._asked[path] = self._whole(path, seconds)
        return self._asked[path]

    def _whole(self, path: KeyPath, seconds: float) -> int:
        exact = seconds * self._hz
        frames = round(exact)
        if self._round:
            return max(frames, 1)
        if frames and abs(exact - frames) <= _FRAME_TOLERANCE_S * self._hz:
            return frames
        below, above = int(exact), int(exact) + 1
        near = " or ".join(
            f"{n / self._hz:.4f} s ({_count(n, 'frame')})" for n in (below, above) if n
        )
        self._faults.append(
            (
                path,
                f"{seconds:g} s is {exact:.2f} frames at {self._hz:g} Hz; use {near},"
                " or round_to_frames = true",
            )
        )
        return max(frames, 1)

    def at_most(self, seconds: float) -> int:
        """Longest wait for an answer: nobody minds half a frame."""
        return max(1, round(seconds * self._hz))


# The two tasks -------------------------------------------------------------------------------


def _screening_blocks(
    protocol: Protocol, pictures: Sequence[str], rng: random.Random, frames: _Frames
) -> list[Block]:
    task = protocol.screening
    assert task
    image = frames(("screening", "image_s"), task.image_s)
    blank = frames(("screening", "blank_s"), task.blank_s)
    between = _fixation(protocol)
    order = shuffled_repeats(pictures, task.repeats, rng)
    size = task.break_after or max(1, len(pictures))
    chunks = [order[i : i + size] for i in range(0, len(order), size)]
    blocks = []
    for number, chunk in enumerate(chunks):
        text = protocol.texts.screening if number == 0 else protocol.texts.pause
        opening = _text(
            protocol, frames, text, protocol.texts.text_s if number == 0 else task.break_s
        )
        views = [
            Trial(
                Kind.VIEW,
                (
                    Step("IMAGE_ON", (PictureItem(item, protocol.look.picture_deg),), image),
                    Step("IMAGE_OFF", between, blank),
                ),
                item,
            )
            for item in chunk
        ]
        blocks.append(Block("screening", (*opening, *views)))
    return [*blocks, _closing(protocol, frames)]


def _imagery_blocks(
    protocol: Protocol,
    catalog: Catalog,
    items: Sequence[str],
    rng: random.Random,
    frames: _Frames,
) -> list[Block]:
    task = protocol.imagery
    assert task
    blocks = []
    for number, pair in enumerate(cyclic_pairs(items, rng)):
        text = protocol.texts.imagery if number == 0 else protocol.texts.pause
        opening = _text(
            protocol, frames, text, protocol.texts.text_s if number == 0 else task.break_s
        )
        trials = [*opening]
        for item in shuffled_repeats(pair, task.encode_views, rng):
            trials.append(_encode(protocol, item, frames))
        if task.search_s:
            trials.append(_search(protocol, rng, frames))
        baseline = frames(("imagery", "baseline_s"), task.baseline_s)
        trials.append(
            Trial(
                Kind.BASELINE,
                (
                    Step("BASELINE_ON", BLANK, baseline),
                    Step("BASELINE_OFF", BLANK, frames.one_code),
                ),
            )
        )
        for item in alternate(pair, task.cues_per_item):
            trials.append(_imagine(protocol, catalog, item, frames))
        blocks.append(Block("imagery", tuple(trials)))
    return [*blocks, _closing(protocol, frames)]


def _encode(protocol: Protocol, item: str, frames: _Frames) -> Trial:
    task = protocol.imagery
    assert task
    seen = frames(("imagery", "encode_s"), task.encode_s)
    blank = frames(("imagery", "encode_blank_s"), task.encode_blank_s)
    picture = (PictureItem(item, protocol.look.picture_deg),)
    return Trial(
        Kind.ENCODE,
        (Step("ENCODE_ON", picture, seen), Step("ENCODE_OFF", _fixation(protocol), blank)),
        item,
    )


def _imagine(protocol: Protocol, catalog: Catalog, item: str, frames: _Frames) -> Trial:
    task = protocol.imagery
    assert task
    steps = [
        Step("CUE_ON", _cue(protocol, catalog, item), frames(("imagery", "cue_s"), task.cue_s)),
        Step("IMAGERY_ON", BLANK, frames(("imagery", "imagine_s"), task.imagine_s)),
        Step("IMAGERY_OFF", BLANK, frames(("imagery", "after_s"), task.after_s)),
    ]
    if task.rating_s:
        steps += [
            Step("RATING_ON", _rating(protocol), frames.at_most(task.rating_s), tuple("12345")),
            Step("RATING_OFF", BLANK, frames(("imagery", "after_s"), task.after_s)),
        ]
    return Trial(Kind.IMAGINE, tuple(steps), item)


def _cue(protocol: Protocol, catalog: Catalog, item: str) -> Screen:
    task, look = protocol.imagery, protocol.look
    assert task
    picture = catalog.pictures.get(item)
    names = picture.names if picture else {}
    word = task.words.get(item, names.get(protocol.language, item))
    miniature = look.picture_deg / 3
    shown: list[Item] = []
    if task.cue != "word":
        shown.append(PictureItem(item, miniature, y_deg=miniature / 2 if "word" in task.cue else 0))
    if task.cue != "picture":
        low = -look.text_deg * (1 + 1.1 * word.count("\n")) if shown else 0.0
        shown.append(TextItem(word, look.text_deg * 1.5, y_deg=low))
    return tuple(shown)


def _rating(protocol: Protocol) -> Screen:
    texts, height = protocol.texts, protocol.look.text_deg
    step_deg = 2.4
    numbers = [
        TextItem(str(n), height * 1.4, x_deg=(n - 3) * step_deg, y_deg=0) for n in range(1, 6)
    ]
    return (
        TextItem(texts.rating, height, y_deg=3),
        *numbers,
        TextItem(texts.rating_low, height * 0.75, x_deg=-2 * step_deg, y_deg=-1.8),
        TextItem(texts.rating_high, height * 0.75, x_deg=2 * step_deg, y_deg=-1.8),
    )


def _search(protocol: Protocol, rng: random.Random, frames: _Frames) -> Trial:
    """A T among Ls, every letter turned at random: found only by looking at one after another."""
    task, height = protocol.imagery, protocol.look.text_deg
    assert task
    target = rng.random() < 0.5
    cells = shuffled([(x, y) for x in range(-3, 4) for y in range(-2, 3)], rng)[:20]
    letters = ["T" if target and n == 0 else "L" for n in range(len(cells))]
    shown = [
        TextItem(
            letter,
            height,
            x_deg=1.7 * x + 0.5 * (rng.random() - 0.5),
            y_deg=1.5 * y - 0.6 + 0.4 * (rng.random() - 0.5),
            turn_deg=90.0 * int(4 * rng.random()),
        )
        for letter, (x, y) in zip(letters, cells, strict=True)
    ]
    question = TextItem(protocol.texts.search, height, y_deg=4.4)
    return Trial(
        Kind.SEARCH,
        (
            Step(
                "SEARCH_ON",
                (question, *shown),
                frames.at_most(task.search_s),
                ("yes", "no"),
                "yes" if target else "no",
            ),
            Step("SEARCH_OFF", BLANK, frames(("imagery", "after_s"), task.after_s)),
        ),
    )


def _text(protocol: Protocol, frames: _Frames, text: str, longest_s: float) -> tuple[Trial, ...]:
    if not longest_s:
        return ()
    lines = (TextItem(text, protocol.look.text_deg),)
    after = Step("TEXT_OFF", _fixation(protocol), frames.at_most(1.0))
    read = Step("TEXT_ON", lines, frames.at_most(longest_s), (ANY_KEY,))
    return (Trial(Kind.TEXT, (read, after)),)


def _closing(protocol: Protocol, frames: _Frames) -> Block:
    text = TextItem(protocol.texts.end, protocol.look.text_deg)
    seen = Step("TEXT_ON", (text,), frames.at_most(2.0))
    gone = Step("TEXT_OFF", BLANK, frames.at_most(0.25))
    return Block("end", (Trial(Kind.TEXT, (seen, gone)),))


def _fixation(protocol: Protocol) -> Screen:
    return (TextItem("+", 0.6),) if protocol.look.fixation else BLANK


# What a session must keep --------------------------------------------------------------------


def announced(plan: Plan) -> bool:
    """Whether presentations are numbered on the lines: the table leaves the payload free."""
    return all(value < 128 for value in plan.codes.values())


_IDENTITY_CODES = 1 + len(announce_presentation(0, 0))
_LENGTH_KEYS: Mapping[str, KeyPath] = {
    "IMAGE_ON": ("screening", "image_s"),
    "IMAGE_OFF": ("screening", "blank_s"),
    "ENCODE_ON": ("imagery", "encode_s"),
    "ENCODE_OFF": ("imagery", "encode_blank_s"),
    "BASELINE_ON": ("imagery", "baseline_s"),
    "CUE_ON": ("imagery", "cue_s"),
    "IMAGERY_ON": ("imagery", "imagine_s"),
    "IMAGERY_OFF": ("imagery", "after_s"),
}


def _check_codes_fit(
    protocol: Protocol,
    blocks: Sequence[Block],
    spacing_frames: int,
    faults: list[tuple[KeyPath, str]],
) -> None:
    said: set[str] = set()
    payload_free = all(value < 128 for value in protocol.codes.values())
    for trial in (t for b in blocks for t in b.trials):
        for position, step in enumerate(trial.steps):
            codes = _IDENTITY_CODES if position == 0 and payload_free else 1
            path = _LENGTH_KEYS.get(step.code)
            needed = codes * spacing_frames
            if path and step.frames < needed and step.code not in said:
                said.add(step.code)
                faults.append(
                    (
                        path,
                        f"{_count(step.frames, 'frame')} cannot hold"
                        f" {_count(codes, 'trigger code')}, each of {spacing_frames} frames;"
                        f" at least {needed} frames are needed",
                    )
                )


def flashes_per_s(blocks: Sequence[Block], refresh_hz: float) -> float:
    """Most picture or text onsets in any one second, half-open, if answers come at once."""
    onsets: list[int] = []
    now = 0
    for step in (s for b in blocks for t in b.trials for s in t.steps):
        if step.screen and not _only_fixation(step.screen):
            onsets.append(now)
        now += step.frames if not step.answers else round(refresh_hz * 0.2)
    first, most = 0, 0
    for last, frame in enumerate(onsets):
        while frame - onsets[first] >= refresh_hz - 1e-6:
            first += 1
        most = max(most, last - first + 1)
    return float(most)


def _only_fixation(screen: Screen) -> bool:
    return all(isinstance(item, TextItem) and item.text == "+" for item in screen)


def _check_flashes(
    blocks: Sequence[Block],
    refresh_hz: float,
    safety: Safety | None,
    faults: list[tuple[KeyPath, str]],
) -> None:
    most = flashes_per_s(blocks, refresh_hz)
    allowed = safety.flashes_per_s if safety else FLASHES_PER_S
    if most > allowed:
        task = "screening" if any(b.kind == "screening" for b in blocks) else "imagery"
        path = (task, "blank_s" if task == "screening" else "encode_blank_s")
        faults.append(
            (
                path,
                f"{most:g} flashes in one second, where {allowed:g} are allowed: flicker can"
                " trigger a seizure; make image and blank longer, or record who approves it"
                " under [safety] (flashes_per_s, approved_by, reason)",
            )
        )
