"""Show a plan and log what happened: blocks, trials, answers, and whatever interrupts them.

The only loop in which time matters runs in `task.stage`, a frame at a time; here is what comes
after what.  The same loop runs on a hospital's rig, on a virtual display, and in virtual time.

The first presentation of a trial has the trial's place in the plan for its number, so that the
plan and the recording alone tell what was shown; repeated ones get numbers beyond the plan's.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from task.alarms import TRIGGERS_LOST, Alarms
from task.contract.codes import (
    MAX_PRESENTATION,
    Code,
    announce_presentation,
    announce_session,
)
from task.contract.errors import UserError
from task.contract.sessionlog import Event, Kind
from task.countdown import at, screens_of
from task.flow import START, Command, Position, next_position
from task.lines import Message
from task.logwriter import LogWriter
from task.pause import Interrupted, Pause, Stopped, interrupted
from task.peripherals import NOT_ANSWERS
from task.plan import (
    ANY_KEY,
    BLANK,
    PRACTICE,
    SOONEST_ANSWER_S,
    Block,
    Plan,
    Screen,
    Step,
    Trial,
    sounds_of,
)
from task.rig import KeyPress, Rig
from task.stage import Stage

Progress = Callable[[int, int], None]

RUN_ENDED = "the run ended"  # why a presentation was cut short by no one's wish
_BEFORE_GOING_ON_S = 1.0


@dataclass(frozen=True, slots=True)
class Going:
    """Where a session begins, or goes on.

    Attributes
    ----------
    position : the first trial
    used : numbers of presentations that were given before
    passed : presentations of the pass through its block that goes on
    superseded : presentations of the block that is shown again
    cut : the presentation that was on the screen when the run before ended
    clock_offset_s : what brings the rig's clock to that of the log
    overrides : checks before this run that were red, and who answered for going on
    rig : name, digest and file of the rig that it goes on with
    """

    position: Position = START
    used: Collection[int] = field(default_factory=frozenset)
    passed: tuple[int, ...] = ()
    superseded: tuple[int, ...] = ()
    cut: int | None = None
    clock_offset_s: float = 0.0
    resumed: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)
    rig: Mapping[str, str] = field(default_factory=dict)


def present(
    plan: Plan,
    rig: Rig,
    log: LogWriter,
    session: int,
    *,
    progress: Progress | None = None,
    going: Going | None = None,
) -> str:
    """Show `plan` to its end; return how the session ended.

    Parameters
    ----------
    session : the number announced on the lines
    progress : called between blocks with trials done and trials in all
    going : where it goes on, if it was begun before
    """
    going = going or Going()
    presenter = _Presenter(plan, rig, log, session, going)
    ending = "failed"
    try:
        presenter.open_run()
        presenter.show_from(going.position, progress)
        ending = "completed"
    except Stopped:
        ending = "stopped"
    except KeyboardInterrupt:
        ending = "interrupted"
    except UserError as error:  # a part of the rig is gone for good
        presenter.failed(str(error))
        raise
    finally:
        try:
            presenter.close_run(ending)
        finally:  # the log ends even where there is no display left to end the run on
            log.end({"how": ending, **presenter.counts})
    return ending


class _Presenter:
    """Where in the plan we are, and what must be known of what was shown."""

    def __init__(self, plan: Plan, rig: Rig, log: LogWriter, session: int, going: Going) -> None:
        self._plan, self._rig, self._log, self._session = plan, rig, log, session
        self._going = going
        self._stage = Stage(plan, rig, log, clock_offset_s=going.clock_offset_s)
        self._alarms = Alarms(self._stage, log)
        self._pause = Pause(
            self._stage, rig, self._alarms, make_ready=self._load_soon, try_port=self._try_port
        )
        self._numbers = _Numbers(plan, going.used)
        self._block: int | None = None  # the one that is open
        self._pass = list(going.passed)  # presentations of this pass through it
        self._round, self._wrong = 1, 0  # passes through a block, scored answers not right in it
        self._screens: list[Screen] = []  # of the open block
        self._loading: Iterator[None] = iter(())
        self._asked_for: Interrupted | None = None  # to be heeded between trials
        self._closing = False  # nothing keeps the run from ending
        self.counts = self._stage.counts

    # The session ------------------------------------------------------------------------

    def open_run(self) -> None:
        """The sweep of the lines, then the session's name."""
        self._load([BLANK])
        self._stage.plan_sweep()
        rig = self._rig
        detail: dict[str, Any] = {
            "display": rig.display.description,
            "port": rig.port.description,
            "keys": rig.keys.description,
        }
        if rig.sound:
            detail["sound"] = rig.sound.description
        if self._going.resumed:
            detail["resumed"] = self._going.position._asdict()
            detail["overrides"] = dict(self._going.overrides)
            detail["rig"] = dict(self._going.rig)
        self._show(BLANK, self._plan.sweep_frames, [Event(0.0, "RUN", detail=detail)])
        self._mark(Code.RUN_START, named=True)
        if self._going.cut is not None:
            detail = {"why": RUN_ENDED}
            self._stage.write([Event(self._now_s, "INTERRUPTED", None, self._going.cut, detail)])
        if self._going.superseded:
            self._supersede(self._going.superseded)

    def show_from(self, position: Position | None, progress: Progress | None) -> None:
        """Every trial from `position` on, as the operator's commands have it."""
        while True:
            try:
                self._go_to(position, progress)
                if position is None:
                    return
                command = self._show_trial(position)
            except Interrupted as interruption:
                if position is None:
                    return
                command = self._hold(interruption)
            if command is Command.REPEAT_BLOCK:
                self._supersede(tuple(self._pass))
                self._block = None
                self._round += 1
            position = next_position(self._plan, position, command)

    def failed(self, why: str) -> None:
        """Why the run cannot go on."""
        self._stage.write([Event(self._now_s, "FAILED", detail={"why": why})])

    def close_run(self, ending: str) -> None:
        """Lines to rest first: a stop may come while a code is on them.  Then the end codes."""
        self._closing = True
        self._stage.rest()
        self._stage.silence()
        self._stage.dim()
        self._stage.untimed()
        self._show(BLANK, self._plan.spacing_frames)
        if ending != "completed":
            self._mark(Code.STOP)
        self._mark(Code.RUN_END)

    def _go_to(self, position: Position | None, progress: Progress | None) -> None:
        """End the block that is over, open the one that begins."""
        block = position.block if position else None
        if self._block is not None and block != self._block:
            ended, self._block = self._block, None
            if self._plan.blocks[ended].kind == PRACTICE:
                self._mark(Code.PRACTICE_END)
            self._mark(Code.BLOCK_END)
            self._round = 1
            if progress:  # between blocks, where nobody minds if drawing it takes its time
                done = self._plan.number_of(ended, len(self._plan.blocks[ended].trials)) - 1
                progress(done, self._plan.trials)
        if position and self._block is None:
            self._open_block(position)
        if self._asked_for:
            asked, self._asked_for = self._asked_for, None
            raise asked

    def _open_block(self, position: Position) -> None:
        block = self._plan.blocks[position.block]
        trials = block.trials[position.trial :]
        first, *_ = screens = [
            list(screens_of(trial.steps, self._plan.refresh_hz)) for trial in trials
        ]
        self._screens = [BLANK, *chain.from_iterable(screens)]
        if _waits(trials[0]):  # the patient reads while the pictures are made ready
            self._load([BLANK, *first])
            self._loading = self._rig.display.prepare(self._screens)
        else:
            self._load(self._screens)
        self._stage.sounding.prepare(self._screens)
        self._stage.untimed()
        self._stage.dim()
        if self._stage.lost:
            self._try_port()
        self._block, self._wrong = position.block, 0
        if position.trial == 0:
            self._pass = []
        self._mark(Code.BLOCK_START, named=True, detail={"block": position.block})
        if block.kind == PRACTICE:
            self._mark(Code.PRACTICE_START)

    def _load(self, screens: Iterable[Screen]) -> None:
        """Make screens ready at once; what is being made ready meanwhile is part of them."""
        self._loading = iter(())
        for _ in self._rig.display.prepare(screens):
            pass
        self._stage.untimed()

    def _load_soon(self, screen: Screen) -> None:
        """Make one screen ready at once, and the rest of the block a little with every call."""
        if not self._rig.display.ready(screen):
            self._loading = self._rig.display.prepare([BLANK, screen, *self._screens])
        while next(self._loading, self) is None and not self._rig.display.ready(screen):
            pass

    def _supersede(self, presentations: Sequence[int]) -> None:
        """A pass through a block that is given up: another takes its place."""
        detail = {"presentations": list(presentations)}
        self._stage.write([Event(self._now_s, "SUPERSEDED", detail=detail)])

    def _mark(
        self, code: Code, *, named: bool = False, detail: Mapping[str, Any] | None = None
    ) -> None:
        """A blank screen as long as it takes to send `code`, after the session's name if asked."""
        values = announce_session(self._session) if named and self._plan.announced else ()
        name = self._announcement("SESSION", values)
        messages = (*name, Message(code.name, self._plan.codes[code.name]))
        self._stage.lines.plan(self._stage.frame, messages)
        begins = [Event(0.0, "BLOCK", detail=detail)] if detail else []
        self._show(BLANK, len(messages) * self._plan.spacing_frames, begins)

    def _about(self, trial: Trial, position: Position) -> dict[str, Any]:
        about: dict[str, Any] = {"kind": trial.kind.value, **position._asdict()}
        if condition := self._plan.blocks[position.block].condition:
            about["condition"] = condition
        return about if trial.item is None else {**about, "item": trial.item}

    def _announcement(
        self, name: str, values: tuple[int, ...], number: int | None = None
    ) -> tuple[Message, ...]:
        """An announcement, its first value as the session's own table has it."""
        own = (self._plan.codes[name], *values[1:]) if values else ()
        return tuple(Message(name, value, number) for value in own)

    # A trial ----------------------------------------------------------------------------

    def _show_trial(self, position: Position) -> Command:
        block = self._plan.blocks[position.block]
        trial = block.trials[position.trial]
        for _ in self._loading if not _waits(trial) else ():
            self._stage.untimed()
        self._run_up(position)
        number = self._numbers.give(position)
        self._pass.append(number)
        begins = [Event(0.0, "PRESENTATION", None, number, self._about(trial, position))]
        payload = self._plan.announced and number < MAX_PRESENTATION
        identity = announce_presentation(self._session, number) if payload else ()
        try:
            for place, step in enumerate(trial.steps):
                onset = Message(step.code, self._plan.codes[step.code], number)
                numbering = self._announcement("TRIAL", identity, number)
                self._stage.lines.plan(self._stage.frame, (onset, *numbering))
                self._stage.begin_step(step.screen, number)
                if step.answers:
                    self._ask(step, number, begins)
                else:
                    coming = self._coming(position, place + 1)
                    self._show(step.screen, step.frames, begins, number, coming)
                self._stage.end_step()
                begins, identity = [], ()
        except Interrupted as interruption:
            detail = {"why": interruption.why}
            self._stage.write([Event(self._now_s, "INTERRUPTED", None, number, detail)])
            self._stage.lines.drop_planned()
            if self._plan.interrupted == "keep":
                interruption.resume = Command.NEXT
            raise
        if position.trial + 1 == len(block.trials):
            return self._after_block(block)
        return Command.NEXT

    def _after_block(self, block: Block) -> Command:
        """Whether practice was understood; if not, another round, or the operator decides."""
        if block.kind != PRACTICE or not self._wrong:
            return Command.NEXT
        if self._round < block.rounds:
            why = f"{_answers_not_right(self._wrong)} in the practice"
            self._stage.write([Event(self._now_s, "REPEAT", detail={"why": why})])
            self._stage.send("REPEAT")
            return Command.REPEAT_BLOCK
        detail: dict[str, Any] = {"why": "practice not understood", "wrong": self._wrong}
        self._stage.write([Event(self._now_s, "PAUSE", detail=detail)])
        said = f"The practice was not understood\n({_answers_not_right(self._wrong)})"
        return self._hold(Interrupted("practice not understood", title=said, resume=Command.NEXT))

    def _ask(self, step: Step, number: int, begins: Sequence[Event]) -> None:
        """Show a step until it is answered or its time is over."""
        onset_s: float | None = None
        answered = False
        last = self._stage.frame + step.frames
        while (self._stage.frame < last and not answered) or not self._idle:
            # Nothing is planned for after the step before its own codes have left the lines.
            until = self._stage.frame + self._plan.spacing_frames
            screen = at(step.screen, last - self._stage.frame, self._plan.refresh_hz)
            time_s = self._stage.flip(screen, until, begins if onset_s is None else ())
            if next(self._loading, self) is None:
                self._stage.untimed()
            if onset_s is None:
                onset_s = time_s
                early = self._rig.keys.listen(step, onset_s)
                self._log_presses(self._heeded(early, number), number, "EARLY_KEY")
            for press in self._heeded(self._rig.keys.poll(), number):
                if press.time_s < onset_s + SOONEST_ANSWER_S:
                    self._log_presses([press], number, "EARLY_KEY")
                elif not answered and _answers(step, press):
                    answered = True
                    self._answer(step, press, number, onset_s)
                else:
                    self._log_presses([press], number, "KEY")
            if self._stage.frame == last and not answered:
                answered = True
                self._wrong += step.correct is not None
                self._stage.write([Event(time_s, "NO_ANSWER", None, number, {"to": step.code})])
                self._stage.send("NO_ANSWER", number)

    def _answer(self, step: Step, press: KeyPress, number: int, onset_s: float) -> None:
        said: dict[str, Any] = {
            "to": step.code,
            "answer": press.meaning,
            "key": press.key,
            "by": press.by,
            "reaction_s": round(press.time_s - onset_s, 6),
        }
        if step.correct is not None:
            said["correct"] = press.meaning == step.correct
            self._wrong += press.meaning != step.correct
        self._stage.write([Event(press.time_s, "ANSWER", None, number, said)])
        self._stage.send(f"ANSWER_{_ANSWER_NUMBERS.get(press.meaning, _GO_ON)}", number)

    def _show(
        self,
        screen: Screen,
        frames: int,
        begins: Sequence[Event] = (),
        number: int | None = None,
        coming: Sequence[tuple[int, Screen]] = (),
    ) -> None:
        """A screen for so many frames; only a presentation is ever interrupted.

        `coming`: sounding screens soon after it, and after how many frames.
        """
        last = self._stage.frame + frames
        untold = deque(coming)
        while self._stage.frame < last:
            self._stage.flip(screen, last, begins)
            begins = ()
            left = last - self._stage.frame
            while untold and left + untold[0][0] <= self._stage.sounding.lead_frames:
                later, sounding = untold.popleft()
                self._stage.foretell(sounding, left + later + 1)
            presses = self._heeded(self._rig.keys.poll(), number)
            self._log_presses(presses, number, "KEY")

    def _coming(self, position: Position, place: int) -> list[tuple[int, Screen]]:
        """Sounding screens from a step of a trial on, if nothing unforeseen happens.

        As many as may have to be set by the time that step begins, but for those that are set;
        none after an answer, whose time nobody knows.
        """
        trials = self._plan.blocks[position.block].trials[position.trial :]
        found, later = [], 0
        for step in islice(chain.from_iterable(trial.steps for trial in trials), place, None):
            if later > self._stage.sounding.lead_frames:
                break
            if sounds_of([step.screen]):
                found.append((later, step.screen))
            if step.answers:
                break
            later += step.frames
        return found[self._stage.sounding.foretold :]

    def _run_up(self, position: Position) -> None:
        """An empty screen before a trial whose first sound could not be set earlier."""
        if (coming := self._coming(position, 0)) and coming[0][0] == 0:
            self._show(BLANK, self._stage.sounding.lead_frames, coming=coming)

    @property
    def _idle(self) -> bool:
        return self._stage.lines.idle(self._stage.frame)

    @property
    def _now_s(self) -> float:
        """The time of the last swap: when what is not timed by itself happened."""
        return self._stage.last_s

    # Interruptions ----------------------------------------------------------------------

    def _heeded(self, presses: Iterable[KeyPress], number: int | None) -> Iterator[KeyPress]:
        """What was pressed, but for the operator's keys; raises where the task must stand still."""
        wish: KeyPress | None = None
        for press in presses:
            if self._closing:
                yield press
            elif press.meaning in ("interrupt", "pause"):
                wish = wish if wish and wish.meaning == "interrupt" else press
            elif not self._alarms.heard(press):
                yield press
        if wish and wish.meaning == "interrupt":
            interrupted(self._stage, wish)
        if wish:
            self._stage.write([Event(wish.time_s, "PAUSE", detail={"key": wish.key})])
            self._interrupt(Interrupted("pause"), number)
        if not self._closing:
            for alarm in self._alarms.raised():
                self._heed(alarm, number)

    def _heed(self, alarm: str, number: int | None) -> None:
        """The protocol may go on without triggers, or not at all."""
        rule = self._plan.triggers_lost if alarm == TRIGGERS_LOST else "pause"
        if rule == "stop":
            raise Stopped
        if rule == "pause":
            self._interrupt(Interrupted(alarm), number)

    def _interrupt(self, interruption: Interrupted, number: int | None) -> None:
        """Now, in a presentation; between two, before the next begins."""
        if number is not None:
            raise interruption
        self._asked_for = interruption

    def _hold(self, interruption: Interrupted) -> Command:
        """The operator's screen, until the task goes on."""
        command = self._pause.until_told(interruption.title)
        self._asked_for = None  # whatever it was, it was on that screen
        self._stage.send(command.upper())
        self._wait_and_send(_BEFORE_GOING_ON_S)
        chosen = {"skip": Command.SKIP_BLOCK, "repeat": Command.REPEAT_BLOCK}
        return chosen.get(command, interruption.resume)

    def _wait_and_send(self, seconds: float) -> None:
        """An empty screen for a time, and until nothing waits to be sent."""
        last = self._stage.frame + round(seconds * self._plan.refresh_hz)
        while self._stage.frame < last or not self._idle:
            self._stage.flip_freely(BLANK)

    def _try_port(self) -> None:
        """If the trigger box is back, its lines are swept again and a mark is set."""
        if not self._rig.port.reopen():
            return
        self._stage.lost = False
        self._alarms.over(TRIGGERS_LOST)
        self._stage.rest()
        self._stage.write([Event(self._now_s, "TRIGGERS_BACK")])
        self._stage.untimed()
        self._stage.plan_sweep()
        self._show(BLANK, self._plan.sweep_frames)
        self._mark(Code.GAP, named=True)

    # Keys -------------------------------------------------------------------------------

    def _log_presses(self, presses: Iterable[KeyPress], number: int | None, name: str) -> None:
        for press in presses:
            detail = {"meaning": press.meaning, "key": press.key, "by": press.by}
            self._stage.write([Event(press.time_s, name, None, number, detail)])


class _Numbers:
    """Numbers of presentations: a trial's place in the plan, then such as nobody had."""

    def __init__(self, plan: Plan, used: Collection[int]) -> None:
        self._plan, self._used = plan, set(used)
        self._next = max([plan.trials, *used]) + 1

    def give(self, position: Position) -> int:
        """The number of the presentation that begins."""
        number = self._plan.number_of(*position)
        if number in self._used:
            number, self._next = self._next, self._next + 1
        self._used.add(number)
        return number


def _answers_not_right(wrong: int) -> str:
    return "1 answer not right" if wrong == 1 else f"{wrong} answers not right"


def _waits(trial: Trial) -> bool:
    """Whether somebody reads and presses a key: time to make pictures ready."""
    return trial.kind is Kind.TEXT and bool(trial.steps[0].answers)


def _answers(step: Step, press: KeyPress) -> bool:
    if press.meaning in NOT_ANSWERS:
        return False
    return press.meaning in step.answers or ANY_KEY in step.answers


_ANSWER_NUMBERS = {"no": "0", "yes": "1", **{n: n for n in "0123456789"}}
_GO_ON = "1"  # any other key, where every key will do
