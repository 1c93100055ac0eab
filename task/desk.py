"""The operator's desk: what the pause screen says, and what its keys do.  Pure.

The words are the operator's, in English; the patient sees a calm screen.  Every key of the desk is
one that never answers for the patient.
"""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace

from task.peripherals import NOT_ANSWERS
from task.plan import DeskItem, Screen
from task.rig import KeyPress

_TITLE_DEG = 1.2
_ABOUT_DEG = 0.6
_LINE_DEG = 0.7
_TITLE_Y_DEG, _BELOW_DEG = 4.2, 2.0  # the title's last line, and where the rest begins
_PITCH = 1.45  # from line to line, in letter heights
_LINE_LETTERS, _ABOUT_LETTERS = 64, 80
_NOTE_LINES = 6  # as many are shown, the last ones


@dataclass(frozen=True, slots=True)
class Desk:
    """What the operator has before the eyes.

    Attributes
    ----------
    title : what happened
    about : more of it, in small print
    alarm : whether it is something that must be mended
    note : the note being typed, None while none is
    begun_s : when it was begun
    ending : whether the session ends with the next press of the same key
    going_on : what it means to go on
    """

    title: str
    alarm: bool = False
    note: str | None = None
    begun_s: float = 0.0
    ending: bool = False
    about: str = ""
    going_on: str = "go on"

    def pressed(self, press: KeyPress, keys: Mapping[str, str]) -> tuple["Desk", str]:
        """The desk after a key, and the command given with it ("" for none).

        Commands: "resume", "skip", "repeat", "stop", "note" (typed to its end).
        """
        if press.meaning in NOT_ANSWERS:  # a key held down, or one that bounces, is no second press
            return self, ""
        if self.note is not None:
            return self._typing(press)
        command = next((name for name, key in keys.items() if key == press.key), "")
        if self.ending:
            return (self, "stop") if command == "stop" else (replace(self, ending=False), "")
        if command == "stop":
            return replace(self, ending=True), ""
        if command == "note":
            return replace(self, note="", begun_s=press.time_s), ""
        return self, command if command in ("resume", "skip", "repeat") else ""

    def typed(self, characters: str) -> "Desk":
        """The desk after characters of a note."""
        if self.note is None:
            return self
        note = self.note
        for character in characters:
            note = note[:-1] if character == "\b" else note + character
        return replace(self, note=note)

    def screen(self, keys: Mapping[str, str]) -> Screen:
        """What is shown: the title always at one place, and all else hung up below it."""
        more = self.title.count("\n") * _PITCH * _TITLE_DEG  # grows upwards
        title = DeskItem(self.title, _TITLE_DEG, y_deg=_TITLE_Y_DEG + more / 2, alert=self.alarm)
        if not self.about or self.ending or self.note is not None:
            return title, _hung(self._below(keys), _LINE_DEG, _BELOW_DEG)
        lines = _lines(self.about, _ABOUT_LETTERS)
        keys_deg = _BELOW_DEG - (len(lines) + 1) * _PITCH * _ABOUT_DEG
        return (
            title,
            _hung("\n".join(lines), _ABOUT_DEG, _BELOW_DEG),
            _hung(self._below(keys), _LINE_DEG, keys_deg),
        )

    def _typing(self, press: KeyPress) -> tuple["Desk", str]:
        if press.key in ("return", "enter", "num_enter"):
            return self, "note"
        if press.key == "escape":
            return replace(self, note=None), ""
        return self, ""

    def _below(self, keys: Mapping[str, str]) -> str:
        if self.note is not None:
            written = "\n".join(_lines(f"Note: {self.note}_", _LINE_LETTERS)[-_NOTE_LINES:])
            return f"{written}\n\nEnter keeps it, Escape throws it away"
        if self.ending:
            return (
                f"End the session?\n\n{keys['stop'].upper()} again ends it\nany other key goes back"
            )
        return "\n".join(
            f"{keys[command].upper()}\t{what}"
            for command, what in (
                ("resume", self.going_on),
                ("repeat", "begin this block again"),
                ("skip", "skip the rest of this block"),
                ("note", "write a note"),
                ("stop", "end the session"),
            )
        )


def _hung(text: str, height_deg: float, top_deg: float) -> DeskItem:
    """Lines of text that begin at a height."""
    lines = text.count("\n") + 1
    return DeskItem(text, height_deg, y_deg=top_deg - lines * _PITCH * height_deg / 2)


def _lines(text: str, letters: int) -> list[str]:
    """Broken between words; a blank at the end stays, so that the cursor moves."""
    return textwrap.wrap(text, letters, drop_whitespace=False, break_on_hyphens=False)
