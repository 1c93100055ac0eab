"""One frame after another: what is on the screen, on the lines, in the loudspeaker, in the log.

Per frame: draw, swap, change the trigger lines in the swap, write what happened.  Nothing else.
The log's clock is the rig's, moved so that a resumed run counts on from the first.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from task.contract.codes import SWEEP_OFFSETS, SWEEP_VALUES
from task.contract.sessionlog import Event
from task.lines import Lines, Message
from task.logwriter import LogWriter
from task.plan import Plan, Screen, SoundItem, ToneItem
from task.rig import Rig, Sent, pulse_frames
from task.sounding import Sounding

LATE_PERIODS = 1.5
_ASK_PORT_EVERY_S = 0.5


class Stage:
    """What is shown and sent, and what to remember from one frame to the next.

    Attributes
    ----------
    frame : number of the next flip of this run
    last_s : time of the last swap, on the rig's clock
    sounding : which sounds are set for which screen
    counts : of the run, for the log's ending
    lost : whether the port refused a change of the lines, or was found to be gone, since this was
        last set to False
    """

    def __init__(self, plan: Plan, rig: Rig, log: LogWriter, *, clock_offset_s: float) -> None:
        self._plan, self._rig, self._log = plan, rig, log
        self._offset_s = clock_offset_s
        self._late_s = LATE_PERIODS / plan.refresh_hz
        self._patch = bool(rig.display.description.get("sync_patch"))
        self._lit = False
        self._ask_port_s = 0.0  # when the port is asked next whether it is still there
        self._last_flip_s: float | None = None
        self._rising: Message | None = None  # what the flip under way puts on the lines
        self._sent: Sent | None = None  # once it is there
        self.lines = self._resting_lines()
        self.sounding = Sounding(rig.sound, plan.refresh_hz)
        self.frame = 0
        self.last_s = 0.0  # the time of the last swap
        self.lost = False
        self.counts: dict[str, int] = {
            "presentations": 0, "codes": 0, "late_frames": 0, "codes_lost": 0, "rests_lost": 0,
            "frames": 0,
        }  # fmt: skip

    # What is to come --------------------------------------------------------------------

    def send(self, name: str, presentation: int | None = None) -> None:
        """A code that nobody planned: an answer, an operator's command."""
        self.lines.request(Message(name, self._plan.codes[name], presentation))

    def plan_sweep(self) -> None:
        """Every line alone, in a rhythm that is found again in a recording."""
        for value, offset in zip(SWEEP_VALUES, SWEEP_OFFSETS, strict=True):
            at = self.frame + offset * self._plan.spacing_frames
            self.lines.plan_at(at, Message("SWEEP", value))

    def rest(self) -> None:
        """Lines to rest at once, whatever was planned."""
        self._rig.port.set(0)
        self.lines = self._resting_lines()

    def untimed(self) -> None:
        """The next frame may come late, and nobody minds."""
        self._last_flip_s = None

    def foretell(self, screen: Screen, frames: int) -> None:
        """Set the sounds of a screen that will come on with the swap after so many more."""
        self.sounding.foretell(screen, self._swap_s(frames))

    def begin_step(self, screen: Screen, number: int) -> None:
        """A new screen: the photodiode's patch changes, sounds that are not set yet are now."""
        self._lit = not self._lit
        self.sounding.begin(screen, number, self._swap_s(1))

    def dim(self) -> None:
        """The photodiode's patch as it is at rest."""
        self._lit = False

    def silence(self) -> None:
        """No sound any more, not even one that was set to begin."""
        self.sounding.silence()
        self.end_step()

    def end_step(self) -> None:
        """Log the sounds that began."""
        for sound, presentation in self.sounding.began():
            detail = {**_named(sound.item), "asked_s": round(sound.asked_s + self._offset_s, 6)}
            if sound.started_s is not None:
                detail["started_s"] = round(sound.started_s + self._offset_s, 6)
            if sound.problem:
                detail["problem"] = sound.problem
            time_s = sound.asked_s if sound.started_s is None else sound.started_s
            self.write([Event(time_s, "SOUND", None, presentation, detail)])

    # What happens -----------------------------------------------------------------------

    def flip(self, screen: Screen, planned_until: int, begins: Sequence[Event] = ()) -> float:
        """One frame; `begins` are events of its swap.  The time of the swap on the rig's clock."""
        message = self.lines.at(self.frame, planned_until)
        self._rising, self._sent = message, None
        self._rig.display.draw(screen, self._lit)
        try:
            time_s = self._rig.display.flip(self._set_lines if message else None)
        except BaseException:  # cut short; what has reached the lines is in the log all the same
            if self._sent:
                self._log_frame(self._sent.before_s, begins, message)
            raise
        self._log_frame(time_s, begins, message)
        if time_s >= self._ask_port_s:
            self._ask_port_s = time_s + _ASK_PORT_EVERY_S
            self.lost = self.lost or not self._rig.port.there()
        self._last_flip_s = self.last_s = time_s
        self.frame += 1
        self.counts["frames"] += 1
        return time_s

    def flip_freely(self, screen: Screen) -> float:
        """A frame for which nothing is planned: it may come late, and codes may rise in it."""
        self.untimed()
        return self.flip(screen, self.frame + 2 * self._plan.spacing_frames)

    def write(self, events: Iterable[Event]) -> None:
        """Events into the log, their times on its clock; counted once they are there."""
        told = [replace(e, time_s=e.time_s + self._offset_s) for e in events]
        self._log.write(told)
        for event in told:
            for what in _counted(event):
                self.counts[what] += 1

    def _swap_s(self, frames: int) -> float:
        """When the swap after so many will be."""
        return (self._last_flip_s or self.last_s) + frames / self._plan.refresh_hz

    def _set_lines(self) -> None:
        """Called inside the flip."""
        if self._rising:
            self._sent = self._rig.port.set(self._rising.value)

    def _log_frame(self, time_s: float, begins: Sequence[Event], message: Message | None) -> None:
        events = [replace(event, time_s=time_s) for event in begins]
        if self._last_flip_s is not None and time_s - self._last_flip_s > self._late_s:
            interval = {"interval_s": round(time_s - self._last_flip_s, 6)}
            events.append(Event(time_s, "LATE_FRAME", detail=interval))
        if message and self._sent:
            events += self._code_events(time_s, message, self._sent)
        if events:
            self.write(events)

    def _code_events(self, time_s: float, message: Message, sent: Sent) -> list[Event]:
        """A code that was sent; a rest only if it was lost."""
        if sent.done and not message.value:
            return []
        bracket = [round(s + self._offset_s, 7) for s in (sent.before_s, sent.after_s)]
        detail: dict[str, Any] = {"sent_s": bracket}
        if self._patch and message.presentation is not None:
            detail["lit"] = int(self._lit)
        if not sent.done:
            self.lost = True
            detail["lost"] = True
        return [Event(time_s, message.name, message.value or None, message.presentation, detail)]

    def _resting_lines(self) -> Lines:
        pulse = pulse_frames(self._rig.port.pulse_s, self._plan.refresh_hz)
        return Lines(spacing_frames=self._plan.spacing_frames, pulse_frames=pulse)


def _counted(event: Event) -> Iterator[str]:
    """The counts that an event belongs to."""
    if event.name == "PRESENTATION":
        yield "presentations"
    if event.name == "LATE_FRAME":
        yield "late_frames"
    if event.code is not None:
        yield "codes"
    if event.detail.get("lost"):
        yield "rests_lost" if event.code is None else "codes_lost"


def _named(item: ToneItem | SoundItem) -> dict[str, Any]:
    if isinstance(item, ToneItem):
        return {"tone_hz": item.frequency_hz, "tone_s": item.duration_s}
    return {"file": item.file}
