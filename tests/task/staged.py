"""A stage for presenting without hardware: a display, lines and keys that do as they are told."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from task.contract.codes import SWEEP_VALUES, Label, read_labels
from task.contract.sessionlog import Event, Header, SessionLog
from task.plan import Item, Plan, Screen, Step
from task.rig import KeyPress, Rig, Sent

SESSION = 654_321
PERIOD_S = 1 / 60
PlanOf = Callable[..., Plan]

# A short session of each kind, and one without a key to press.
SCREENING = "[screening]\nrepeats = 2\nbreak_s = 4\n[texts]\ntext_s = 3\n"
IMAGERY = """[imagery]
items = ["dog", "cat", "cow", "owl", "cup", "hat"]
encode_views = 1
cues_per_item = 2
encode_s = 0.5
search_s = 2
baseline_s = 0.5
cue_s = 0.5
imagine_s = 0.5
rating_s = 1
break_s = 1
"""
TINY = """[pictures]
ids = ["dog", "cat"]
[screening]
repeats = 1
break_s = 0
[texts]
text_s = 0
"""


class Stage:
    """A display in virtual time whose flips can be late, or fail, at will."""

    refresh_hz = 60.0

    def __init__(self) -> None:
        self.description: dict[str, object] = {"kind": "stage"}
        self.now_s = 100.0
        self.flips = 0
        self.extra_s: dict[int, float] = {}  # by number of the flip, from 0
        self.raises: dict[int, tuple[bool, BaseException]] = {}  # after the lines were set, or not
        self.gone_from: int | None = None  # no flip from this one on
        self.prepared: set[Any] = set()
        self.shown: list[Screen] = []
        self.patch: list[bool] = []

    texture_mb = 800

    def texture_bytes(self, item: Item) -> int:
        return 1

    def prepare(self, screens: Iterable[Screen]) -> Iterator[None]:
        wanted = {item for screen in screens for item in screen}
        self.prepared &= wanted
        return map(self.prepared.add, sorted(wanted - self.prepared, key=repr))

    def ready(self, screen: Screen) -> bool:
        return set(screen) <= self.prepared

    def draw(self, screen: Screen, lit: bool = False) -> None:
        assert set(screen) <= self.prepared, "drawn before it was made ready"
        self._drawn = screen
        self.patch.append(lit)

    def flip(self, on_flip: Callable[[], None] | None) -> float:
        number, self.flips = self.flips, self.flips + 1
        assert number < 100_000, "the session does not end"
        if self.gone_from is not None and number >= self.gone_from:
            raise RuntimeError("no display left")
        after, error = self.raises.pop(number, (False, None))
        if error and not after:
            raise error
        self.now_s += PERIOD_S + self.extra_s.get(number, 0.0)
        if on_flip:
            on_flip()
        if error:
            raise error
        self.shown.append(self._drawn)
        return self.now_s

    def close(self) -> None:
        """Nothing to give back."""


class Box:
    """Lines that remember; from `fails_from` on, or for the values in `deaf_to`, they fail."""

    pulse_s = gap_s = 0.005

    def __init__(self, stage: Stage) -> None:
        self.description: dict[str, object] = {"device": "box"}
        self.edges: list[tuple[float, int]] = []
        self.deaf_to: set[int] = set()
        self._stage = stage

    def set(self, value: int) -> Sent:
        done = value not in self.deaf_to
        if done:
            self.edges.append((self._stage.now_s, value))
        return Sent(self._stage.now_s, self._stage.now_s, done)

    def there(self) -> bool:
        return True

    def reopen(self) -> bool:
        return not self.deaf_to

    def close(self) -> None:
        """Nothing to give back."""


@dataclass
class Script:
    """Keys pressed at given flips, and answers so many frames after a question came on."""

    stage: Stage
    description: dict[str, object] = field(default_factory=dict, init=False)
    at: dict[int, list[str]] = field(default_factory=dict)  # by number of flips made
    early: list[str] = field(default_factory=list)
    after: dict[int, list[str]] = field(default_factory=dict)  # by flips since the onset
    onset: int | None = None
    typing: dict[int, str] = field(default_factory=dict)  # by number of flips made

    def listen(self, step: Step, onset_s: float) -> Sequence[KeyPress]:
        self.onset = self.stage.flips
        assert onset_s == self.stage.now_s
        return self._presses(self.early)

    def poll(self) -> Sequence[KeyPress]:
        found = self._presses(self.at.pop(self.stage.flips, []))
        if self.onset is not None:
            found += self._presses(self.after.get(self.stage.flips - self.onset, []))
        return found

    def typed(self) -> str:
        return self.typing.pop(self.stage.flips, "")

    def close(self) -> None:
        """Nothing to give back."""

    def _presses(self, meanings: Sequence[str]) -> list[KeyPress]:
        """`=r` is the key r, with no meaning of its own."""
        return [
            KeyPress(m.lstrip("="), m[1:] if m[0] == "=" else f"key {m}", self.stage.now_s - 0.004)
            for m in meanings
        ]


@dataclass
class Shown:
    """A session presented: how it ended, its log, what the recorder saw."""

    how: str
    log: SessionLog
    edges: list[tuple[float, int]]

    @property
    def values(self) -> list[int]:
        return [value for _, value in self.edges if value]

    @property
    def labels(self) -> list[Label]:
        """Events of the lines after the sweep."""
        return read_labels(self.values[len(SWEEP_VALUES) :])

    def events(self, name: str) -> list[Event]:
        return [event for event in self.log.events if event.name == name]

    @property
    def coded(self) -> list[Event]:
        return [event for event in self.log.events if event.code is not None]


Present = Callable[..., Shown]


def header_of(plan: Plan) -> Header:
    return Header(
        SESSION, "x", plan.name, "0", plan.sha256, "pets", "0", plan.seed, "test", "now",
        dict(plan.codes), {}, plan.safety,
    )  # fmt: skip


def staged(at: dict[int, list[str]] | None = None) -> tuple[Rig, Stage, Box, Script]:
    stage = Stage()
    box, keys = Box(stage), Script(stage, at or {})
    return Rig("test", stage, box, keys), stage, box, keys


def planned_codes(plan: Plan, answers: Sequence[str]) -> list[tuple[int | None, str]]:
    """Presentation and name of every code of a whole session, sweep and announcements left out."""
    codes: list[tuple[int | None, str]] = [(None, "RUN_START")]
    given = iter(answers)
    number = 0
    for block in plan.blocks:
        codes.append((None, "BLOCK_START"))
        for trial in block.trials:
            number += 1
            for step in trial.steps:
                codes.append((number, step.code))
                if step.answers:
                    codes.append((number, next(given)))
        codes.append((None, "BLOCK_END"))
    return [*codes, (None, "RUN_END")]


def assert_lines_rest_between_codes(edges: Sequence[tuple[float, int]]) -> None:
    assert edges[-1][1] == 0
    assert all(bool(a) != bool(b) or not (a or b) for (_, a), (_, b) in pairwise(edges))


def assert_lines_and_log_agree(session: Shown) -> None:
    logged = [(e.time_s, e.code) for e in session.coded if "lost" not in e.detail]
    seen = [(round(time_s, 7), value) for time_s, value in session.edges if value]
    assert logged == seen
    own = {value: name for name, value in session.log.header.codes.items()}
    named = [(e.presentation, e.name) for e in session.coded[len(SWEEP_VALUES) :]]
    named = [pair for pair in named if pair[1] not in ("SESSION", "TRIAL")]
    decoded = [(label.presentation, own[label.code]) for label in session.labels]
    if session.how == "completed":
        assert decoded == named
        assert {label.session for label in session.labels} == {SESSION}
        return
    # The run was cut short: its last number, or the session's, may not have been announced whole.
    last = max((n for n, _ in named if n is not None), default=None)
    allowed = [
        {named_as, (None if named_as[0] == last else named_as[0], named_as[1])}
        for named_as in named
    ]
    assert all(one in several for one, several in zip(decoded, allowed, strict=True))
    assert {label.session for label in session.labels} <= {SESSION, None}
