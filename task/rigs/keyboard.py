"""The keyboard: key events of the window become presses with a meaning, a time and a person.

A key that is held makes one press however long it repeats; a contact that bounces makes one press;
all else that happens to a key is told too, by another meaning, so that the log has it.  Times are
the clock's when the event is taken from the system, at most one frame after the key moved.
"""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from task.rig import KeyPress
from task.rigfile import RigFile

clock = time.perf_counter

BOUNCE_S = 0.08
REPEAT_GAP_S = 1.1  # the slowest keyboard repeats a held key sooner
_MODIFIERS = {
    side + name
    for name in ("shift", "ctrl", "alt", "meta", "windows", "command", "option")
    for side in ("l", "r")
} | {"capslock", "numlock", "scrolllock", "modeswitch", "function"}
# Names that differ from those of rig files: the numeric pad while NumLock is off, and three keys.
_OTHERWISE = {
    "enter": "return", "pound": "hash", "quoteleft": "grave",
    "num_insert": "num_0", "num_end": "num_1", "num_down": "num_2", "num_page_down": "num_3",
    "num_next": "num_3", "num_left": "num_4", "num_begin": "num_5", "num_right": "num_6",
    "num_home": "num_7", "num_up": "num_8", "num_page_up": "num_9", "num_prior": "num_9",
}  # fmt: skip
_SHIFTS = ("lshift", "rshift")
_MOST_TYPED = 10_000
_CHARACTER = 1 << 32  # symbols from here on are keys that pyglet knows by their character only

Moved = Literal["press", "bounce", "autorepeat"]


class Contacts:
    """Which keys are down, and what it means that one goes down."""

    def __init__(self) -> None:
        self._down: dict[int, float] = {}  # when it was last seen to go down
        self._up: dict[int, float] = {}

    @property
    def down(self) -> tuple[int, ...]:
        """Keys that are down."""
        return tuple(self._down)

    def goes_down(self, key: int, time_s: float) -> Moved:
        """A press; the system's repetition of a held key; or a bounce just after a release.

        A key that goes down twice without a release in between, further apart than a held key
        repeats, is a press: the release was lost.
        """
        before_s = self._down.get(key)
        self._down[key] = time_s
        if before_s is not None:
            return "autorepeat" if time_s - before_s <= REPEAT_GAP_S else "press"
        released_s = self._up.get(key)
        bounced = released_s is not None and time_s - released_s < BOUNCE_S
        return "bounce" if bounced else "press"

    def goes_up(self, key: int, time_s: float) -> None:
        """A release."""
        self._down.pop(key, None)
        self._up[key] = time_s

    def forget(self) -> None:
        """Another window got the keyboard: releases will not be seen."""
        self._down.clear()


class _Window(Protocol):
    @property
    def handle(self) -> Any:
        """Pyglet's window."""


class WindowKeys:
    """The keyboard, through the window that has the focus; see `task.rig.Keys`.

    Meanings that are no answer: "pause" (the operator's key), "interrupt" (the window was closed),
    "held" (a key that was down already when a screen came on), "bounce", "autorepeat" (of a held
    key), "modifier" (Shift, Ctrl and their like alone), and "focus lost" and "focus back" (another
    window got the keyboard: keys do not come here).  A key pressed with Ctrl was pressed
    by the operator.
    """

    def __init__(self, display: _Window, rig: RigFile) -> None:
        self.description: dict[str, object] = {"keyboard": True}
        self._handle = display.handle
        self._meanings = _meanings(rig)
        self._contacts = Contacts()
        self._names: dict[int, str] = {}
        self._with_shift: set[int] = set()  # pressed while Shift was down
        self._unnamed: tuple[int, int, float] | None = None  # its character is yet to come
        self._presses: list[KeyPress] = []
        self._elsewhere = False  # another window has the keyboard
        self._typed: deque[str] = deque(maxlen=_MOST_TYPED)
        _tell_repeats_from_releases(self._handle)
        # Pyglet keeps no method alive: these live as long as the keys do.
        self._handle.push_handlers(
            on_key_press=self._key_pressed,
            on_key_release=self._key_released,
            on_text=self._text_typed,
            on_text_motion=self._cursor_moved,
            on_activate=self._focus_back,
            on_deactivate=self._focus_lost,
            on_close=self._window_closed,
        )

    def listen(self, step: object, onset_s: float) -> Sequence[KeyPress]:
        """What was pressed before the patient could have seen the screen, and what is held."""
        early = self.poll()
        new = {press.key for press in early}
        held = [self._names[key] for key in self._contacts.down if self._names[key] not in new]
        return [*early, *(KeyPress("held", name, onset_s) for name in held)]

    def poll(self) -> Sequence[KeyPress]:
        """Presses since the last call, by meaning; keys without a meaning keep their name."""
        self._handle.dispatch_events()
        self._name_by_symbol()
        taken, self._presses = self._presses, []
        return taken

    def close(self) -> None:
        """The keyboard goes with the window."""

    def typed(self) -> str:
        """Characters typed since the last call; "\\n" is Return and "\\b" takes one back."""
        taken = "".join(self._typed)
        self._typed.clear()
        return taken

    # Called by pyglet; what is told to be handled does not reach PsychoPy, which would keep it ---

    def _key_pressed(self, symbol: int, modifiers: int) -> bool:
        time_s = clock()
        self._name_by_symbol()
        if symbol >= _CHARACTER:
            self._unnamed = symbol, modifiers, time_s
        else:
            self._took(symbol, modifiers, time_s, key_name(symbol))
        return True

    def _key_released(self, symbol: int, modifiers: int) -> bool:
        self._name_by_symbol()
        self._contacts.goes_up(symbol, clock())
        self._with_shift.discard(symbol)
        if self._names.get(symbol) in _SHIFTS:
            self._forget_other_symbols()
        return True

    def _text_typed(self, text: str) -> bool:
        if self._unnamed:
            symbol, modifiers, time_s = self._unnamed
            self._unnamed = None
            self._took(symbol, modifiers, time_s, text.lower())
        self._typed.extend("\n" if character == "\r" else character for character in text)
        return True

    def _cursor_moved(self, motion: int) -> bool:
        from pyglet.window import key

        if motion == key.MOTION_BACKSPACE:
            self._typed.append("\b")
        return True

    def _focus_back(self) -> None:
        if self._elsewhere:
            self._elsewhere = False
            self._presses.append(KeyPress("focus back", "window", clock(), "operator"))

    def _focus_lost(self) -> None:
        self._elsewhere = True
        self._presses.append(KeyPress("focus lost", "window", clock(), "operator"))
        self._contacts.forget()
        self._with_shift.clear()
        self._pyglets_memory.clear()

    def _forget_other_symbols(self) -> None:
        """With Shift up, a key that is still down will come up as another symbol.

        Where digits need Shift (French keyboards) the release of one would never be seen.
        Letters keep their symbol.
        """
        gone = {symbol for symbol in self._with_shift if not _is_letter(symbol)}
        for symbol in gone:
            self._contacts.goes_up(symbol, clock())
        self._pyglets_memory.difference_update(gone)
        self._with_shift -= gone

    @property
    def _pyglets_memory(self) -> set[int]:
        """On X11 pyglet remembers which keys are down, and keeps the next press of them from us."""
        found: set[int] = getattr(self._handle, "pressed_keys", set())
        return found

    def _window_closed(self) -> bool:
        self._presses.append(KeyPress("interrupt", "window closed", clock(), "operator"))
        return True

    def _name_by_symbol(self) -> None:
        """A key whose character did not come (it was pressed with Ctrl) is named by its number."""
        if self._unnamed:
            symbol, modifiers, time_s = self._unnamed
            self._unnamed = None
            self._took(symbol, modifiers, time_s, key_name(symbol))

    def _took(self, symbol: int, modifiers: int, time_s: float, name: str) -> None:
        from pyglet.window import key

        self._names[symbol] = name
        if any(self._names[down] in _SHIFTS for down in self._contacts.down):
            self._with_shift.add(symbol)
        moved = self._contacts.goes_down(symbol, time_s)
        meaning = self._meanings.get(name, "modifier" if name in _MODIFIERS else name)
        by_operator = meaning == "pause" or (modifiers & key.MOD_CTRL and meaning != "modifier")
        self._presses.append(
            KeyPress(
                meaning if moved == "press" else moved,
                name,
                time_s,
                "operator" if by_operator else "patient",
            )
        )


def _tell_repeats_from_releases(handle: Any) -> None:
    """On X11 a held key comes up and goes down again and again, unless one asks it not to.

    Pyglet asks, but for the first connection of a process only; PsychoPy's window has its own.
    """
    connection = getattr(handle, "_x_display", None)
    if connection is not None:
        from pyglet.window.xlib import XkbSetDetectableAutoRepeat

        XkbSetDetectableAutoRepeat(connection, 1, None)


def key_name(symbol: int) -> str:
    """A key's name in rig files: "y", "3", "num_3", "left", "return", "f5"."""
    from pyglet.window import key

    name = str(key.symbol_string(symbol)).lower().lstrip("_")
    return _OTHERWISE.get(name, name)


def _is_letter(symbol: int) -> bool:
    return symbol < 256 and chr(symbol).isalpha()


def _meanings(rig: RigFile) -> Mapping[str, str]:
    answers = {key: str(meaning) for meaning, keys in rig.answers.items() for key in keys}
    return answers | {rig.operator.pause: "pause"}
