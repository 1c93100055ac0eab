"""The task stands still: the operator reads, writes a note, and says how it goes on."""

from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from task.alarms import TRIGGERS_LOST, Alarms
from task.contract.sessionlog import Event
from task.desk import Desk
from task.flow import Command
from task.plan import Screen
from task.rig import KeyPress, Rig
from task.stage import Stage

_REOPEN_EVERY_S = 1.0


class Stopped(Exception):  # noqa: N818 - not an error: the operator's wish
    """The operator ended the session, or the protocol's rule did."""


class Interrupted(Exception):  # noqa: N818 - not an error: the operator's wish, or a cable's
    """The task stands still until the operator says how it goes on.

    `title` is what the operator reads if nothing is amiss, `resume` where the task goes on if
    nothing else is said.
    """

    def __init__(
        self, why: str, *, title: str = "Pause", resume: Command = Command.REPEAT_TRIAL
    ) -> None:
        super().__init__(why)
        self.why, self.title, self.resume = why, title, resume


def interrupted(stage: Stage, press: KeyPress) -> NoReturn:
    """A signal, or the window was closed: the run ends."""
    stage.write([Event(press.time_s, "INTERRUPT", detail={"key": press.key})])
    raise KeyboardInterrupt


class Pause:
    """The operator's screen and keys."""

    def __init__(
        self,
        stage: Stage,
        rig: Rig,
        alarms: Alarms,
        *,
        make_ready: Callable[[Screen], None],
        try_port: Callable[[], None],
    ) -> None:
        """Nothing is shown yet.

        Parameters
        ----------
        make_ready : called before a screen is drawn
        try_port : called now and then while the trigger box is lost
        """
        self._stage, self._rig, self._alarms = stage, rig, alarms
        self._make_ready, self._try_port = make_ready, try_port

    def until_told(self, title: str) -> str:
        """The command with which it ends: "resume", "skip" or "repeat".

        Raises
        ------
        Stopped
            If the operator ends the session.
        """
        self._stage.silence()
        self._stage.dim()
        self._stage.send("PAUSE")
        self._alarms.forget_mended()
        desk, command = Desk(title), ""
        tried_s = self._stage.last_s
        while not command:
            self._alarms.raised()  # they are on the desk
            desk = self._alarms.on(desk, title)
            self._show(desk.screen(self._rig.operator))
            desk, command = self._at_desk(desk)
            lost = TRIGGERS_LOST in self._alarms.standing
            if lost and self._stage.last_s - tried_s >= _REOPEN_EVERY_S:
                tried_s = self._stage.last_s
                self._try_port()
        if command == "stop":
            raise Stopped
        return command

    def _show(self, screen: Screen) -> None:
        self._make_ready(screen)
        self._stage.flip_freely(screen)

    def _at_desk(self, desk: Desk) -> tuple[Desk, str]:
        """What the operator pressed and typed; a note is logged as soon as it is written."""
        presses, characters = self._rig.keys.poll(), self._rig.keys.typed()
        for press in presses:
            if press.meaning == "interrupt":
                interrupted(self._stage, press)
            if self._alarms.heard(press):
                continue
            typing = desk.note
            desk, command = desk.pressed(press, self._rig.operator)
            if typing is None and desk.note is not None:
                characters = ""  # the key that began the note is no part of it
                self._stage.send("NOTE")
            if command == "note":
                last, _, characters = characters.partition("\n")
                detail = {"text": desk.typed(_printable(last)).note}
                self._stage.write([Event(desk.begun_s, "NOTE", detail=detail)])
                desk = replace(desk, note=None, about=desk.about or "The note is in the log")
            elif command:
                self._stage.write([Event(press.time_s, command.upper(), detail={"key": press.key})])
                return desk, command
        return desk.typed(_printable(characters)), ""


def _printable(characters: str) -> str:
    return "".join(c for c in characters if c == "\b" or c.isprintable())
