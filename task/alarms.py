"""What a session has to go without: trigger box, response box, disk.  Each is told once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from task.contract.sessionlog import Event
from task.desk import Desk
from task.logwriter import LogWriter
from task.rig import KeyPress
from task.stage import Stage

TRIGGERS_LOST = "triggers lost"
BOX_LOST = "response box lost"
DISK_REFUSES = "disk"


@dataclass(frozen=True, slots=True)
class Alarm:
    """What the operator reads: what is lost, what to do, what going on means, that it is back."""

    title: str
    about: str
    going_on: str
    mended: str = ""


_ALARMS: Mapping[str, Alarm] = {
    TRIGGERS_LOST: Alarm(
        "TRIGGERS LOST",
        "Check the cable of the trigger box",
        "go on without triggers",
        "The triggers are back",
    ),
    BOX_LOST: Alarm(
        "RESPONSE BOX LOST",
        "Check the cable of the response box",
        "go on with the keyboard",
        "The response box is back",
    ),
}


class Alarms:
    """What is lost just now.

    Attributes
    ----------
    standing : alarms that are not over, the oldest first
    """

    def __init__(self, stage: Stage, log: LogWriter) -> None:
        self._stage, self._log = stage, log
        self.standing: dict[str, Alarm] = {}
        self._mended = ""  # what the operator reads if nothing stands
        self._untold: list[str] = []

    def heard(self, press: KeyPress) -> bool:
        """Whether a press is news of the response box."""
        if press.meaning == "box lost":
            self._raise(BOX_LOST, _ALARMS[BOX_LOST], Event(press.time_s, "BOX_LOST"))
        elif press.meaning == "box back":
            self._stage.write([Event(press.time_s, "BOX_BACK")])
            self.over(BOX_LOST)
        return press.meaning in ("box lost", "box back")

    def raised(self) -> list[str]:
        """Alarms since the last call."""
        now_s = self._stage.last_s
        if self._stage.lost:
            self._raise(TRIGGERS_LOST, _ALARMS[TRIGGERS_LOST], Event(now_s, "TRIGGERS_LOST"))
        if trouble := self._log.trouble:
            told = Alarm("THE DISK REFUSES THE LOG", trouble, "go on")
            event = Event(now_s, "LOG_MOVED", detail={"why": trouble})
            self._raise(DISK_REFUSES, told, event)
        raised, self._untold = self._untold, []
        return raised

    def over(self, which: str) -> None:
        """It is back."""
        if alarm := self.standing.pop(which, None):
            self._mended = alarm.mended

    def forget_mended(self) -> None:
        """What came back before is no news any more."""
        self._mended = ""

    def on(self, desk: Desk, title: str) -> Desk:
        """The desk with what stands on it; with `title` if nothing is or was amiss."""
        alarms = list(self.standing.values())
        if not alarms:
            about = "" if desk.alarm else desk.about
            title = self._mended or title
            return replace(desk, title=title, about=about, alarm=False, going_on="go on")
        return replace(
            desk,
            title="\n".join(alarm.title for alarm in alarms),
            about=". ".join(alarm.about for alarm in alarms),
            alarm=True,
            going_on=alarms[0].going_on if len(alarms) == 1 else "go on without them",
        )

    def _raise(self, which: str, alarm: Alarm, event: Event) -> None:
        if which not in self.standing:
            self.standing[which] = alarm
            self._untold.append(which)
            self._stage.write([event])
