"""What a Cedrus box says: its bytes as messages, and its buttons as key presses.

In XID mode a button is six bytes: `k`; a byte with the port (bits 0-3), pressed or released (bit 4)
and the button (bits 5-7); the box's timer, 32 bits of milliseconds, little-endian.  An answer to
`_e5` is these three characters and the timer.  Whatever else comes is told, never dropped.
"""

import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple

from task.rig import KeyPress

BOUNCE_S = 0.08
_BUTTON_SIZE = 6
_TIMER = b"_e5"
_TIMER_SIZE = 7
_SHOWN = 12  # bytes of nonsense that the log gets to see


class Button(NamedTuple):
    """A button went down or up; `port` 0 is the box itself, others are its sockets."""

    port: int
    number: int
    pressed: bool
    timer_ms: int

    @property
    def key(self) -> str:
        """Its name in the log."""
        where = f"port {self.port} " if self.port else ""
        return f"{where}button {self.number}"


class Timer(NamedTuple):
    """The box's timer, as asked for."""

    timer_ms: int


class Nonsense(NamedTuple):
    """Bytes that are no message."""

    data: bytes

    @property
    def key(self) -> str:
        """Its name in the log."""
        return self.data[:_SHOWN].hex(" ") + (" ..." if len(self.data) > _SHOWN else "")


Message = Button | Timer | Nonsense


class Packets:
    """Finds messages in a stream of bytes, and finds them again after bytes were lost.

    Parameters
    ----------
    plausible : whether the box's timer can stand at this number of milliseconds now
    """

    def __init__(self, plausible: Callable[[int], bool]) -> None:
        self._plausible = plausible
        self._buffer = b""
        self._skipped = b""

    def feed(self, data: bytes) -> list[Message]:
        """Messages that are complete with these bytes."""
        self._buffer += data
        return self._parse(silent=False)

    def silence(self) -> list[Message]:
        """Nothing came for longer than a message takes: what waits will not be completed."""
        return self._parse(silent=True)

    def _parse(self, *, silent: bool) -> list[Message]:
        found: list[Message] = []
        while self._buffer:
            message, size = self._first(silent=silent)
            if message is None and size == 0:
                break
            if message is None:
                self._skipped += self._buffer[:size]
            else:
                found += self._nonsense()
                found.append(message)
            self._buffer = self._buffer[size:]
        return found + (self._nonsense() if silent or not self._buffer else [])

    def _first(self, *, silent: bool) -> tuple[Button | Timer | None, int]:
        """Message at the start of the buffer, if any, and how many bytes are done with."""
        message = _message(self._buffer)
        if message is None:
            return None, int(silent or not _begins(self._buffer))
        if isinstance(message, Timer):
            return message, _TIMER_SIZE
        if not self._plausible(message.timer_ms):
            # The true start of a message may hide in one that only looks like it.
            if any(self._sound(self._buffer[n:]) for n in range(1, _BUTTON_SIZE)):
                return None, 1
            if not silent and len(self._buffer) < 2 * _BUTTON_SIZE - 1:
                return None, 0
        return message, _BUTTON_SIZE

    def _sound(self, data: bytes) -> bool:
        message = _message(data)
        return isinstance(message, Button) and self._plausible(message.timer_ms)

    def _nonsense(self) -> list[Message]:
        skipped, self._skipped = self._skipped, b""
        return [Nonsense(skipped)] if skipped else []


class Presses:
    """Buttons as key presses: by meaning, bounces told apart, held buttons known."""

    def __init__(self, meanings: Mapping[str, str]) -> None:
        self._meanings = meanings
        self._down: dict[str, float] = {}
        self._released_s: dict[str, float] = {}

    def take(self, button: Button, time_s: float) -> KeyPress:
        """What a button's going down or up means."""
        key = button.key
        if not button.pressed:
            self._down.pop(key, None)
            self._released_s[key] = time_s
            return KeyPress("release", key, time_s)
        self._down[key] = time_s
        if time_s - self._released_s.get(key, -1e9) < BOUNCE_S:
            return KeyPress("bounce", key, time_s)
        meaning = self._meanings.get(str(button.number)) if button.port == 0 else None
        return KeyPress(meaning or key, key, time_s)

    def held(self, since_before_s: float) -> list[KeyPress]:
        """Buttons that are down, and were so before a time."""
        down = tuple(self._down.items())
        return [KeyPress("held", key, time_s) for key, time_s in down if time_s < since_before_s]

    def forget(self) -> None:
        """Which buttons are down is not known any more."""
        self._down.clear()
        self._released_s.clear()


def _begins(data: bytes) -> bool:
    """Whether a message could begin so."""
    button = data[0] == ord("k") and (len(data) < 2 or data[1] & 0x0C == 0)
    return button or _TIMER.startswith(data[: len(_TIMER)])


def _message(data: bytes) -> Button | Timer | None:
    """The message at the start, if all of it is there."""
    if not _begins(data):
        return None
    if data[0] == ord("k") and len(data) >= _BUTTON_SIZE:
        _, info, timer_ms = struct.unpack_from("<cBI", data)
        return Button(info & 0x0F, info >> 5, bool(info & 0x10), timer_ms)
    if data[0] == _TIMER[0] and len(data) >= _TIMER_SIZE:
        return Timer(*struct.unpack_from("<I", data, len(_TIMER)))
    return None
