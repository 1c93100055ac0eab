"""The task stands still: the operator reads, writes a note, and says how it goes on."""

from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from task.contract.sessionlog import Event
from task.desk import Desk
from task.flow import Command
from task.plan import Screen
from task.rig import KeyPress, Rig
from task.stage import Stage

TRIGGERS_LOST = "triggers lost"
_REOPEN_EVERY_S = 1.0


class Stopped(Exception):  # noqa: N818 - not an error: the operator's wish
    """The operator ended the session, or the protocol's rule did."""


class Interrupted(Exception):  # noqa: N818 - not an error: the operator's wish, or a cable's
    """The task stands still until the operator says how it goes on.

    `resume` is where it then does, if nothing else is said.
    """

    def __init__(self, why: str, desk: Desk, resume: Command = Command.REPEAT_TRIAL) -> None:
        super().__init__(why)
        self.why, self.desk, self.resume = why, desk, resume


def interrupted(stage: Stage, press: KeyPress) -> NoReturn:
    """A signal, or the window was closed: the run ends."""
    stage.write([Event(press.time_s, "INTERRUPT", detail={"key": press.key})])
    raise KeyboardInterrupt


class Pause:
    """The operator's screen and keys."""

    def __init__(self, stage: Stage, rig: Rig, make_ready: Callable[[Screen], None]) -> None:
        """`make_ready`: called before a screen is drawn."""
        self._stage, self._rig, self._make_ready = stage, rig, make_ready

    def until_told(self, interruption: Interrupted, try_port: Callable[[], bool]) -> str:
        """The command with which it ends: "resume", "skip" or "repeat".

        Parameters
        ----------
        try_port : called now and then while the trigger box is lost; whether it is back

        Raises
        ------
        Stopped
            If the operator ends the session.
        """
        self._stage.silence()
        self._stage.dim()
        self._stage.send("PAUSE")
        desk, command = interruption.desk, ""
        waiting = interruption.why == TRIGGERS_LOST
        tried_s = self._stage.last_s
        while not command:
            self._show(desk.screen(self._rig.operator))
            desk, command = self._at_desk(desk)
            if waiting and self._stage.last_s - tried_s >= _REOPEN_EVERY_S:
                tried_s = self._stage.last_s
                if try_port():
                    waiting, desk = False, desk.mended("The triggers are back")
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
            if press.meaning == "box back":
                desk = desk.mended("The response box is back")
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
