"""Show a plan and log what happened.  The only loop in which time matters.

Per frame: draw, swap, change the trigger lines in the swap, write what happened, look at the keys.
Nothing else; pictures are made ready before a block.  The same loop runs on a hospital's rig, on a
virtual display, and in virtual time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from task.contract.codes import (
    SWEEP_OFFSETS,
    SWEEP_VALUES,
    Code,
    announce_presentation,
    announce_session,
)
from task.contract.sessionlog import Event, LogWriter
from task.flow import START, Command, Position, next_position
from task.lines import Lines, Message
from task.plan import ANY_KEY, BLANK, Plan, Screen, Step, Trial, announced
from task.rig import KeyPress, Rig, Sent, pulse_frames

LATE_PERIODS = 1.5
Progress = Callable[[int, int], None]


class _Stopped(Exception):  # noqa: N818 - not an error: the operator's wish
    """The operator ended the session."""


def present(
    plan: Plan,
    rig: Rig,
    log: LogWriter,
    session: int,
    *,
    progress: Progress | None = None,
    position: Position = START,
) -> str:
    """Show `plan` from `position` to its end; return how the session ended.

    Parameters
    ----------
    session : the number announced on the lines
    progress : called between blocks with trials done and trials in all
    """
    presenter = _Presenter(plan, rig, log, session)
    ending = "failed"
    try:
        presenter.open_run()
        presenter.show_from(position, progress)
        ending = "completed"
    except _Stopped:
        ending = "stopped"
    except KeyboardInterrupt:
        ending = "interrupted"
    finally:
        try:
            presenter.close_run(ending)
        finally:  # the log ends even where there is no display left to end the run on
            log.end({"how": ending, **presenter.counts})
    return ending


class _Presenter:
    """What is on the screen and on the lines, and what to remember from one frame to the next."""

    def __init__(self, plan: Plan, rig: Rig, log: LogWriter, session: int) -> None:
        self._plan, self._rig, self._log, self._session = plan, rig, log, session
        self._lines = self._resting_lines()
        self._numbered = announced(plan)
        self._frame = 0  # of this run
        self._last_flip_s: float | None = None
        self._late_s = LATE_PERIODS / plan.refresh_hz
        self._presentation = 0
        self._trials_done = 0
        self._stoppable = True
        self._rising: Message | None = None  # what the flip under way puts on the lines
        self._sent: Sent | None = None  # once it is there
        self.counts: dict[str, int] = {
            "presentations": 0, "codes": 0, "late_frames": 0, "codes_lost": 0, "rests_lost": 0,
            "frames": 0,
        }  # fmt: skip

    # The session ------------------------------------------------------------------------

    def open_run(self) -> None:
        """The sweep of the lines, then the session's name."""
        self._rig.display.prepare([BLANK])
        spacing = self._plan.spacing_frames
        for value, offset in zip(SWEEP_VALUES, SWEEP_OFFSETS, strict=True):
            self._lines.plan_at(self._frame + offset * spacing, Message("SWEEP", value))
        device = {"display": self._rig.display.description, "port": self._rig.port.description}
        self._show(BLANK, self._plan.sweep_frames, Event(0.0, "RUN", detail=device))
        self._mark(Code.RUN_START, named=True)

    def show_from(self, position: Position | None, progress: Progress | None) -> None:
        """Every trial from `position` on."""
        block = -1
        while position is not None:
            if position.block != block:
                block = position.block
                self._open_block(block)
            self._show_trial(self._plan.blocks[block].trials[position.trial], position)
            self._trials_done += 1
            position = next_position(self._plan, position, Command.NEXT)
            if position is None or position.block != block:
                self._mark(Code.BLOCK_END)
                if progress:  # between blocks, where nobody minds if drawing it takes its time
                    progress(self._trials_done, self._plan.trials)

    def close_run(self, ending: str) -> None:
        """Lines to rest first: a stop may come while a code is on them.  Then the end codes."""
        self._stoppable = False
        self._rig.port.set(0)
        self._lines = self._resting_lines()
        self._last_flip_s = None
        self._frame = 0
        self._show(BLANK, self._plan.spacing_frames)
        if ending != "completed":
            self._mark(Code.STOP)
        self._mark(Code.RUN_END)

    def _resting_lines(self) -> Lines:
        pulse = pulse_frames(self._rig.port.pulse_s, self._plan.refresh_hz)
        return Lines(spacing_frames=self._plan.spacing_frames, pulse_frames=pulse)

    def _open_block(self, block: int) -> None:
        screens = [s.screen for t in self._plan.blocks[block].trials for s in t.steps]
        self._rig.display.prepare([BLANK, *screens])
        self._last_flip_s = None  # loading takes its time; no frame was late
        self._mark(Code.BLOCK_START, named=True, detail={"block": block})

    def _mark(
        self, code: Code, *, named: bool = False, detail: Mapping[str, Any] | None = None
    ) -> None:
        """A blank screen as long as it takes to send `code`, after the session's name if asked."""
        values = announce_session(self._session) if named and self._numbered else ()
        name = self._announcement("SESSION", values)
        messages = (*name, Message(code.name, self._plan.codes[code.name]))
        self._lines.plan(self._frame, messages)
        begins = Event(0.0, "BLOCK", detail=detail) if detail else None
        self._show(BLANK, len(messages) * self._plan.spacing_frames, begins)

    def _announcement(
        self, name: str, values: tuple[int, ...], number: int | None = None
    ) -> tuple[Message, ...]:
        """An announcement, its first value as the session's own table has it."""
        own = (self._plan.codes[name], *values[1:]) if values else ()
        return tuple(Message(name, value, number) for value in own)

    # A trial ----------------------------------------------------------------------------

    def _show_trial(self, trial: Trial, position: Position) -> None:
        self._presentation += 1
        self.counts["presentations"] += 1
        number = self._presentation
        about = {"kind": trial.kind.value, "block": position.block, "trial": position.trial}
        if trial.item is not None:
            about["item"] = trial.item
        begins: Event | None = Event(0.0, "PRESENTATION", None, number, about)
        identity = announce_presentation(self._session, number) if self._numbered else ()
        for step in trial.steps:
            onset = Message(step.code, self._plan.codes[step.code], number)
            numbering = self._announcement("TRIAL", identity, number)
            self._lines.plan(self._frame, (onset, *numbering))
            if step.answers:
                self._ask(step, number, begins)
            else:
                self._show(step.screen, step.frames, begins)
            begins, identity = None, ()

    def _ask(self, step: Step, number: int, begins: Event | None) -> None:
        """Show a step until it is answered or its time is over."""
        onset_s: float | None = None
        answered = False
        last = self._frame + step.frames
        while (self._frame < last and not answered) or not self._lines.idle(self._frame):
            # Nothing is planned for after the step before its own codes have left the lines.
            until = self._frame + self._plan.spacing_frames
            time_s = self._flip(step.screen, until, begins if onset_s is None else None)
            if onset_s is None:
                onset_s = time_s
                early = self._rig.keys.listen(step, onset_s)
                self._log_presses(self._unless_stopped(early), number, "EARLY_KEY")
            for press in self._unless_stopped(self._rig.keys.poll()):
                if not answered and (press.meaning in step.answers or ANY_KEY in step.answers):
                    answered = True
                    self._answer(step, press, number, onset_s)
                else:
                    self._log_presses([press], number, "KEY")
            if self._frame == last and not answered:
                answered = True
                self._log.write([Event(time_s, "NO_ANSWER", None, number)])
                self._lines.request(Message("NO_ANSWER", self._plan.codes["NO_ANSWER"], number))

    def _answer(self, step: Step, press: KeyPress, number: int, onset_s: float) -> None:
        said = {
            "answer": press.meaning,
            "key": press.key,
            "reaction_s": round(press.time_s - onset_s, 6),
        }
        if step.correct is not None:
            said["correct"] = press.meaning == step.correct
        self._log.write([Event(press.time_s, "ANSWER", None, number, said)])
        code = f"ANSWER_{_ANSWER_NUMBERS.get(press.meaning, _GO_ON)}"
        self._lines.request(Message(code, self._plan.codes[code], number))

    # A frame ----------------------------------------------------------------------------

    def _show(self, screen: Screen, frames: int, begins: Event | None = None) -> None:
        last = self._frame + frames
        while self._frame < last:
            self._flip(screen, last, begins)
            begins = None
            self._log_presses(self._unless_stopped(self._rig.keys.poll()), None, "KEY")

    def _flip(self, screen: Screen, planned_until: int, begins: Event | None) -> float:
        message = self._lines.at(self._frame, planned_until)
        self._rising, self._sent = message, None
        self._rig.display.draw(screen)
        try:
            time_s = self._rig.display.flip(self._set_lines if message else None)
        except BaseException:  # cut short; what has reached the lines is in the log all the same
            if self._sent:
                self._log_frame(self._sent.before_s, begins, message)
            raise
        self._log_frame(time_s, begins, message)
        self._last_flip_s = time_s
        self._frame += 1
        self.counts["frames"] += 1
        return time_s

    def _set_lines(self) -> None:
        """Called inside the flip."""
        if self._rising:
            self._sent = self._rig.port.set(self._rising.value)

    def _log_frame(self, time_s: float, begins: Event | None, message: Message | None) -> None:
        events = [replace(begins, time_s=time_s)] if begins else []
        if self._last_flip_s is not None and time_s - self._last_flip_s > self._late_s:
            self.counts["late_frames"] += 1
            interval = {"interval_s": round(time_s - self._last_flip_s, 6)}
            events.append(Event(time_s, "LATE_FRAME", detail=interval))
        if message and self._sent:
            events += self._code_events(time_s, message, self._sent)
        if events:
            self._log.write(events)

    def _code_events(self, time_s: float, message: Message, sent: Sent) -> list[Event]:
        """A code that was sent; a rest only if it was lost."""
        self.counts["codes"] += bool(message.value)
        if sent.done and not message.value:
            return []
        detail: dict[str, Any] = {"sent_s": [round(sent.before_s, 7), round(sent.after_s, 7)]}
        if not sent.done:
            self.counts["codes_lost" if message.value else "rests_lost"] += 1
            detail["lost"] = True
        return [Event(time_s, message.name, message.value or None, message.presentation, detail)]

    def _unless_stopped(self, presses: Iterable[KeyPress]) -> Iterator[KeyPress]:
        for press in presses:
            if press.meaning == "stop" and self._stoppable:
                self._log.write([Event(press.time_s, "STOP", detail={"key": press.key})])
                raise _Stopped
            yield press

    def _log_presses(self, presses: Iterable[KeyPress], number: int | None, name: str) -> None:
        for press in presses:
            detail = {"meaning": press.meaning, "key": press.key}
            self._log.write([Event(press.time_s, name, None, number, detail)])


_ANSWER_NUMBERS = {"no": "0", "yes": "1", **{n: n for n in "12345"}}
_GO_ON = "1"  # any other key, where every key will do
