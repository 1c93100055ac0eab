"""Recorders with one input for triggers: a code is a train of pulses, or one pulse like any other.

What comes after the flip is played by deadline on a thread of its own, and so is RTS or DTR: those
wait for the USB, which a flip must not.
"""

import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Event, Thread

from task.rig import Sent, TriggerPort
from task.rigs.triggers.serial_port import Dialect, SerialPort
from task.rigs.triggers.wire import Wire, refused
from task.triggers import TRAIN_BITS, TRAIN_ONSETS_S, TRAIN_PULSE_S, PulseTrain, SinglePulse

clock = time.perf_counter
_NAP_S = 0.05  # longest sleep of the player, which may be asked to stop
Edges = Sequence[tuple[float, bool]]  # seconds after the code, line up or down


def train(value: int) -> Edges:
    """A pulse, then one for each bit that is set, that of 128 first; nothing for rest."""
    if not value:
        return ()
    bits = (1, *(value >> bit & 1 for bit in reversed(range(TRAIN_BITS))))
    onsets = [n * TRAIN_ONSETS_S for n, bit in enumerate(bits) if bit]
    return tuple(
        edge for onset in onsets for edge in ((onset, True), (onset + TRAIN_PULSE_S, False))
    )


def level(value: int) -> Edges:
    """Up with a code, down with rest."""
    return ((0.0, bool(value)),)


def open_single_pulse(triggers: SinglePulse) -> TriggerPort:
    """One pulse for each code; a byte needs no player."""
    line = _opened(triggers)
    return line if triggers.line == "byte" else PlayedPort(triggers, line, level)


def open_train(triggers: PulseTrain) -> TriggerPort:
    """A train for each code, played on a port of single pulses."""
    said = triggers.model_dump(exclude={"device"})
    line = _opened(SinglePulse(device="single_pulse", **said))
    return PlayedPort(triggers, line, train)


def _opened(triggers: SinglePulse) -> SerialPort:
    if triggers.line == "byte":
        high = bytes((triggers.high,))
        return SerialPort(triggers, Dialect(code=lambda _: high))
    return ControlLine(triggers)


class ControlLine(SerialPort):
    """RTS or DTR of a serial port, down while nothing is said."""

    def __init__(self, triggers: SinglePulse) -> None:
        """Open the port with both lines down.

        Raises
        ------
        RigError
            If there is no such port, it cannot be opened, or it has no such line.
        """
        self._line = triggers.line
        super().__init__(triggers, Dialect(rest=b"", greet=self._lower, dtr=False, rts=False))

    def set(self, value: int) -> Sent:
        """Up or down.  Waits for the USB, a millisecond or so: not for a flip."""
        before_s = clock()
        done = self._wire.control(self._line, value > 0)
        return Sent(before_s, clock(), done)

    def close(self) -> None:
        """Down first."""
        self.set(0)
        super().close()

    def _lower(self, wire: Wire) -> dict[str, object]:
        if not wire.control(self._line, False):
            raise refused(wire, f"its line {self._line.upper()} cannot be changed")
        return {"line": self._line}


class PlayedPort:
    """A line that follows edges in time."""

    def __init__(
        self, triggers: PulseTrain | SinglePulse, line: SerialPort, edges: Callable[[int], Edges]
    ) -> None:
        """Take over an open line at rest; `edges` are those of a value."""
        self.pulse_s, self.gap_s = triggers.pulse_s, triggers.gap_s
        self._device, self._line = triggers.device, line
        self._first_in_flip = triggers.line == "byte"
        self._edges = [edges(value) for value in range(256)]
        self._free_s = 0.0  # when the code under way is over
        self._player = Player(line)
        self.description = line.description | {"device": triggers.device}

    def set(self, value: int) -> Sent:
        """Begin a code.  Told as lost: one that would fall into a train, or on a line that is gone.

        What a thread finds out later is told with the next code.
        """
        before_s = clock()
        edges = self._edges[value]
        if not edges:
            return Sent(before_s, before_s, True)
        done = before_s >= self._free_s and self._player.ok
        if done and self._first_in_flip:
            done = self._line.set(value).done
            edges = edges[1:]
        if done:
            self._free_s = before_s + (edges[-1][0] if edges else 0.0)
            self._player.play(before_s, edges)
        return Sent(before_s, clock(), done)

    def there(self) -> bool:
        """As the port is."""
        return self._line.there()

    def reopen(self) -> bool:
        """The rest of a train is dropped."""
        self._player.stop()
        back = self._line.reopen()
        self._free_s = 0.0
        self._player = Player(self._line)
        self.description |= self._line.description | {"device": self._device}
        return back

    def close(self) -> None:
        """The rest of a train is dropped; line down."""
        self._player.stop()
        self._line.close()


class Player:
    """Moves a line when its times have come."""

    def __init__(self, line: SerialPort) -> None:
        self.ok = True  # whether the last edge reached the line
        self._line = line
        self._due: SimpleQueue[tuple[float, bool] | None] = SimpleQueue()
        self._stopping = Event()
        self._thread = Thread(target=self._play, name="trigger line", daemon=True)
        self._thread.start()

    def play(self, start_s: float, edges: Edges) -> None:
        """Edges at times after `start_s`, after those that wait."""
        for after_s, up in edges:
            self._due.put((start_s + after_s, up))

    def stop(self) -> None:
        """Play no more."""
        self._stopping.set()
        self._due.put(None)
        self._thread.join()

    def _play(self) -> None:
        while (edge := self._due.get()) is not None:
            due_s, up = edge
            while (wait_s := due_s - clock()) > 0 and not self._stopping.is_set():
                time.sleep(min(wait_s, _NAP_S))
            if self._stopping.is_set():
                return
            self.ok = self._line.set(int(up)).done
