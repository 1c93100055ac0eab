"""What a session will be, to the frame: the types that a plan is made of, and its file.

A plan is a tuple of blocks, a block of trials, a trial of steps.  A step holds one screen for a
number of frames, or until an answer ends it, and sends one code on its first frame; the first step
of a trial is followed on the lines by the number of its presentation.  Showing a plan takes no
decisions.  `task.planning` makes plans.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from task.contract.codes import SWEEP_OFFSETS, announce_session
from task.contract.errors import UserError
from task.contract.sessionlog import Kind

VERSION = 1
ANY_KEY = "any"
PRACTICE = "practice"  # the kind of a block whose trials do not count
SOONEST_ANSWER_S = 0.1  # nobody reacts faster: what comes before was meant for something else


@dataclass(frozen=True, slots=True)
class PictureItem:
    """A picture on the screen; centre and width in degrees of visual angle."""

    picture: str
    width_deg: float
    x_deg: float = 0.0
    y_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class TextItem:
    """Words on the screen; centre and line height in degrees, turned clockwise.

    `alert` words are for the operator and stand on a panel of their own.
    """

    text: str
    height_deg: float
    x_deg: float = 0.0
    y_deg: float = 0.0
    turn_deg: float = 0.0
    alert: bool = False


@dataclass(frozen=True, slots=True)
class DeskItem(TextItem):
    """Words for the operator; degrees are those of a screen of 30 by 17, whatever the screen is.

    Words that are too long are drawn smaller: a pause must never fail.  None is ever in a plan.
    """


@dataclass(frozen=True, slots=True)
class CountdownItem:
    """The seconds that a step has left; centre and height in degrees."""

    height_deg: float
    x_deg: float = 0.0
    y_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class ToneItem:
    """A pure tone that starts with the step."""

    frequency_hz: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class SoundItem:
    """A sound file that starts with the step."""

    file: str


VisualItem = PictureItem | TextItem
Item = PictureItem | TextItem | CountdownItem | ToneItem | SoundItem
Screen = tuple[Item, ...]
BLANK: Screen = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One screen.

    Attributes
    ----------
    code : name of the code on its first frame
    screen : what is drawn and sounded; nothing is a blank screen
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
    """Steps shown one after another.

    `item` is the picture that it is about, or the id of a question of a questionnaire, if any.
    """

    kind: Kind
    steps: tuple[Step, ...]
    item: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Trials shown together; pictures are made ready before a block, never in it.

    `rounds`: how often it is shown at most, if its questions are not all answered rightly;
    `condition`: the part of the protocol that it belongs to, if it has parts.
    """

    kind: str
    trials: tuple[Trial, ...]
    rounds: int = 1
    condition: str = ""


@dataclass(frozen=True)
class Plan:
    """All that will be shown, in order.

    Attributes
    ----------
    spacing_frames : from one code's onset to the next, at least
    codes : name -> value on the lines
    picture_ids : every picture that is shown, in the order of the set
    banner : small print at the foot of every screen
    theme : "light" or "dark"
    interrupted : whether a trial cut short is shown again ("repeat") or left out ("keep")
    triggers_lost : "pause", "continue" or "stop"
    announced : whether sessions and presentations are numbered on the lines
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
    theme: str = "light"
    interrupted: str = "repeat"
    triggers_lost: str = "pause"
    safety: Mapping[str, Any] | None = None
    announced: bool = True
    warnings: tuple[str, ...] = field(default=())

    @property
    def trials(self) -> int:
        """Number of trials."""
        return sum(len(block.trials) for block in self.blocks)

    def number_of(self, block: int, trial: int) -> int:
        """The number of a trial's first presentation: its place in the plan, from 1."""
        return sum(len(b.trials) for b in self.blocks[:block]) + trial + 1

    @property
    def steps(self) -> Iterator[Step]:
        """Every step, in order."""
        return (s for b in self.blocks for t in b.trials for s in t.steps)

    @property
    def items(self) -> dict[Item, None]:
        """All that is ever shown or sounded, each once."""
        return dict.fromkeys(item for step in self.steps for item in step.screen)

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything the patient reads, each text once."""
        shown = (item.text for item in self.items if isinstance(item, TextItem))
        return tuple(dict.fromkeys((self.banner, *shown)))

    @property
    def sounds(self) -> tuple[ToneItem | SoundItem, ...]:
        """Everything the patient hears, each sound once."""
        return sounds_of([tuple(self.items)])

    @property
    def answers(self) -> tuple[str, ...]:
        """Every answer that can be asked for, each once."""
        asked = (answer for step in self.steps for answer in step.answers)
        return tuple(dict.fromkeys(answer for answer in asked if answer != ANY_KEY))

    @property
    def longest_s(self) -> float:
        """Duration if every text and question takes as long as it may, practice once."""
        steps = list(self.steps)
        last_codes = sum(bool(s.answers) for s in steps) * self.spacing_frames  # NO_ANSWER
        frames = sum(s.frames for s in steps) + last_codes + self._marker_frames
        return frames / self.refresh_hz

    @property
    def fixed_s(self) -> float:
        """Duration of all that does not wait for an answer."""
        frames = sum(s.frames for s in self.steps if not s.answers)
        return (frames + self._marker_frames) / self.refresh_hz

    @property
    def sweep_frames(self) -> int:
        """Length of the line sweep that opens a run."""
        return (SWEEP_OFFSETS[-1] + 2) * self.spacing_frames

    @property
    def _marker_frames(self) -> int:
        """Frames of a run that belong to no trial."""
        opening = self.sweep_frames + self.marker_frames(named=True)
        block = self.marker_frames(named=True) + self.marker_frames(named=False)
        practice = sum(block.kind == PRACTICE for block in self.blocks) * 2 * self.spacing_frames
        closing = self.spacing_frames + self.marker_frames(named=False)
        return opening + len(self.blocks) * block + practice + closing

    def marker_frames(self, *, named: bool) -> int:
        """Length of the empty screen on which a run's or a block's own code is sent."""
        session = len(announce_session(0)) if named and self.announced else 0
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


def sounds_of(screens: Iterable[Screen]) -> tuple[ToneItem | SoundItem, ...]:
    """What is heard with screens, each sound once."""
    items = (item for screen in screens for item in screen)
    return tuple(dict.fromkeys(i for i in items if isinstance(i, ToneItem | SoundItem)))


def read_plan(text: str) -> Plan:
    """The plan of a session folder; its `text` is `text` again.

    Raises
    ------
    UserError
        If it is none, or one of another version.
    """
    try:
        document = json.loads(text)
        if document.pop("schema") != VERSION:
            raise UserError(f"plan.json: is of another version of imagery than {VERSION}")
        document["blocks"] = tuple(map(_block, document["blocks"]))
        for name in ("picture_ids", "warnings"):
            document[name] = tuple(document[name])
        return Plan(**document)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"plan.json: is damaged: {error}") from None


def _block(value: Mapping[str, Any]) -> Block:
    trials = tuple(map(_trial, value["trials"]))
    return Block(value["kind"], trials, value["rounds"], value.get("condition", ""))


def _trial(value: Mapping[str, Any]) -> Trial:
    return Trial(Kind(value["kind"]), tuple(map(_step, value["steps"])), value["item"])


def _step(value: Mapping[str, Any]) -> Step:
    screen = tuple(map(_item, value["screen"]))
    return Step(value["code"], screen, value["frames"], tuple(value["answers"]), value["correct"])


def _item(value: Mapping[str, Any]) -> Item:
    told = dict(value)
    made: Item = _ITEMS[told.pop("medium")](**told)
    return made


def _fields(value: Any) -> dict[str, Any]:
    """Fields of one of the types above; much faster than `dataclasses.asdict`."""
    named = {field.name: getattr(value, field.name) for field in fields(value)}
    if named.get("condition") == "":  # as in plans made before there were parts
        del named["condition"]
    return {"medium": _MEDIA[type(value)], **named} if type(value) in _MEDIA else named


_ITEMS: Mapping[str, Any] = {
    "picture": PictureItem,
    "text": TextItem,
    "countdown": CountdownItem,
    "tone": ToneItem,
    "sound": SoundItem,
}
_MEDIA = {kind: medium for medium, kind in _ITEMS.items()}
