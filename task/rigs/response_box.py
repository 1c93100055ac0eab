"""The patient's response box: a Cedrus pad or Lumina on a serial port.

A thread of its own reads the port, so that arrival is known at once.  The box's own timer says when
a button was pressed, without the jitter of the USB; it is turned into the rig's clock by readings
that the box is asked for at the start and every few seconds.  A box of the first generation cannot
be asked: its presses themselves are the readings.

A box that is unplugged is told once and looked for until it is back.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from task.contract.errors import RigError
from task.peripherals import ResponseBox
from task.plan import Step
from task.rig import KeyPress
from task.rigs.other_clock import OtherClock
from task.rigs.triggers.wire import ports_here, shown
from task.rigs.xid_packets import Button, Message, Nonsense, Packets, Presses, Timer
from task.triggers import XID_BAUDS

clock = time.perf_counter

_PATIENCE_S = 0.25  # an XID device answers in a few milliseconds; USB adds up to 16
_SILENCE_S = 0.05  # a message takes 0.6 ms
_ASK_EVERY_S = 5.0
_RETRY_S = 0.5
_BETWEEN_BYTES_S = 0.001  # boxes of the first generation need it
_READINGS = 8
_EARLY_S, _LATE_S = 0.25, 10.0
_FTDI, _CEDRUS = 0x0403, range(0xF228, 0xF230)
_PRODUCTS = {"0": "Lumina", "1": "SV-1 voice key", "2": "RB response pad", "5": "Riponda"}
_RB_BUTTONS = {"1": "RB-530/540", "2": "RB-730/740", "3": "RB-830/840", "4": "RB-834/844"}


class Identity(NamedTuple):
    """Which box answers where."""

    port: str
    product: str
    model: str
    firmware: str

    @property
    def name(self) -> str:
        """As a person calls it."""
        known = _PRODUCTS[self.product]
        return f"Cedrus {_RB_BUTTONS.get(self.model, known) if self.product == '2' else known}"


def identify(box: ResponseBox) -> Identity:
    """Ask the box who it is, and let it go again.

    Raises
    ------
    RigError
        If it is not there, not readable, or something else.
    """
    link = _Link(box)
    link.close()
    return link.identity


class CedrusKeys:
    """The buttons as keys; see `task.rig.Keys`."""

    def __init__(self, box: ResponseBox) -> None:
        """Find the box, put it into XID mode, read its clock and start to listen.

        Raises
        ------
        RigError
            As `identify`.
        """
        self._box = box
        self._presses = Presses({str(number): meaning for number, meaning in box.buttons.items()})
        self._waiting: deque[KeyPress] = deque()
        self._onset_s = -float("inf")
        self._ours = OtherClock()
        self._closing = threading.Event()
        self._link = self._connect()
        self.description: dict[str, object] = {
            "response_box": self._link.description | {"buttons": dict(box.buttons)}
        }
        self._thread = threading.Thread(target=self._run, name="response box", daemon=True)
        self._thread.start()

    def listen(self, step: Step, onset_s: float) -> Sequence[KeyPress]:
        """A screen came on: what was pressed before it, and what is still held down."""
        self._onset_s = onset_s
        pressed = self._taken()
        self._waiting.extendleft(reversed([p for p in pressed if p.time_s >= onset_s]))
        return [p for p in pressed if p.time_s < onset_s] + self._presses.held(onset_s)

    def poll(self) -> Sequence[KeyPress]:
        """What came since the last call; `early` if it was pressed before the screen came on."""
        return [self._told(press) for press in self._taken()]

    def typed(self) -> str:
        """A box types nothing."""
        return ""

    def close(self) -> None:
        """Stop listening; give the port back."""
        self._closing.set()
        self._thread.join(timeout=2)
        self._link.close()

    def _taken(self) -> list[KeyPress]:
        return [self._waiting.popleft() for _ in range(len(self._waiting))]

    def _told(self, press: KeyPress) -> KeyPress:
        answer = press.meaning in self._box.buttons.values()
        return press._replace(meaning="early") if answer and press.time_s < self._onset_s else press

    # From here on: the reading thread, but for the first connection.

    def _connect(self) -> "_Link":
        link = _Link(self._box)
        self._ours.restart()
        self._packets = Packets(self._plausible)
        self._came_s = self._asked_s = clock()
        for timer_ms, arrival_s in link.readings():
            self._ours.add(timer_ms / 1000, arrival_s)
        return link

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._turn()
            except self._link.gone:
                self._lost()

    def _turn(self) -> None:
        """Wait for bytes, a moment at most."""
        data = self._link.read()
        if data:
            self._came_s = clock()
        for message in self._packets.feed(data) if data else self._packets.silence():
            self._take(message)
        if self._link.has_timer and clock() - max(self._asked_s, self._came_s) > _ASK_EVERY_S:
            self._asked_s = clock()
            self._link.ask_timer()

    def _take(self, message: Message) -> None:
        match message:
            case Nonsense():
                self._waiting.append(KeyPress("unreadable", message.key, self._came_s))
            case Timer(timer_ms):
                self._time_s(timer_ms)
            case Button():
                press = self._presses.take(message, self._time_s(message.timer_ms))
                self._waiting.append(press)

    def _time_s(self, timer_ms: int) -> float:
        """When it was by the rig's clock; never after it came."""
        timer_s = timer_ms / 1000
        if not self._plausible(timer_ms):
            self._ours.restart()  # the box began to count anew
        self._ours.add(timer_s, self._came_s)
        ours_s = self._ours.ours(timer_s)
        return self._came_s if ours_s is None else min(self._came_s, ours_s)

    def _plausible(self, timer_ms: int) -> bool:
        ours_s = self._ours.ours(timer_ms / 1000)
        return ours_s is None or -_EARLY_S <= self._came_s - ours_s <= _LATE_S

    def _lost(self) -> None:
        """Tell it, and look for the box until it is back."""
        self._waiting.append(KeyPress("box lost", self._link.identity.port, clock()))
        self._presses.forget()
        self._link.close()
        while not self._closing.wait(_RETRY_S):
            with suppress(RigError):
                self._link = self._connect()
                self._waiting.append(KeyPress("box back", self._link.identity.port, clock()))
                return


class _Link:
    """An open port with a box in XID mode at its end."""

    def __init__(self, box: ResponseBox) -> None:
        import serial

        self.gone = _failures(serial.SerialException)
        unusable: tuple[type[Exception], ...] = (*self.gone, ValueError)
        self.has_timer = False
        name = _find() if box.port == "auto" else box.port
        try:
            self._port: Any = serial.serial_for_url(
                name,
                baudrate=box.baud,
                timeout=_PATIENCE_S,
                write_timeout=_PATIENCE_S,
                exclusive=True,
            )
        except unusable as error:
            cause = error.__context__ or error
            why = getattr(cause, "strerror", None) or str(cause)
            raise RigError(
                f"the response box's port {name!r} cannot be opened: {why}; {ports_here()}"
            ) from None
        try:
            self._greet(name, box.baud)
        except self.gone as error:
            self.close()
            raise RigError(f"the response box at {name!r} went away: {error}") from None
        except RigError:
            self.close()
            raise

    def read(self) -> bytes:
        """What came; nothing after a moment of silence."""
        first: bytes = self._port.read(1)
        return first + self._port.read(self._port.in_waiting) if first else first

    def ask_timer(self) -> float:
        """Ask for the timer; the time at which the question was complete."""
        return self._send(b"_e5")

    def readings(self) -> list[tuple[int, float]]:
        """The box's timer, set to 0 before, and when that reached us: the quickest of several."""
        reset_s = self._send(b"e5")
        found = []
        for _ in range(_READINGS):
            answer, asked_s, came_s = self._ask(b"_e5", 7)
            if not answer:
                break  # a box of the first generation
            if len(answer) == 7 and answer.startswith(b"_e5"):
                found.append((came_s - asked_s, int.from_bytes(answer[3:], "little"), came_s))
        self._port.timeout = _SILENCE_S
        self.has_timer = bool(found)
        if not found:
            return [(0, reset_s + _BETWEEN_BYTES_S)]
        trip_s, timer_ms, came_s = min(found)
        self.description["timer_round_trip_s"] = round(trip_s, 6)
        return [(timer_ms, came_s)]

    def close(self) -> None:
        """Give the port back."""
        with suppress(*self.gone):
            self._port.close()

    def _greet(self, name: str, baud: int) -> None:
        answer = self._mode()
        if answer.startswith(b"_xid") and answer != b"_xid0":
            self._send(b"c10")
            answer = self._mode()
        if answer != b"_xid0":
            raise RigError(
                f"the response box's port {name!r} is open, but no Cedrus box answers there: asked"
                f" '_c1' it should say '_xid0' and said {shown(answer)};"
                f" {self._elsewhere(baud)}; {ports_here()}"
            )
        product, model, firmware = (
            self._ask(b"_d" + number, 1)[0].decode("latin-1") for number in (b"2", b"3", b"4")
        )
        if product not in _PRODUCTS:
            raise RigError(
                f"the device at {name!r} is a Cedrus device, but no response box (product"
                f" {product!r}); name the port of the box"
            )
        self.identity = Identity(name, product, model, firmware)
        self.description: dict[str, object] = {
            "device": "cedrus",
            "name": self.identity.name,
            "port": name,
            "baud": baud,
            "firmware": firmware,
            **_low_latency(self._port, name, self.gone),
        }

    def _elsewhere(self, baud: int) -> str:
        """At which other speed a box answers, if at any."""
        for other in XID_BAUDS:
            if other != baud:
                self._port.baudrate = other
                if self._mode().startswith(b"_xid"):
                    return f"a box answers at {other} baud: set baud = {other} in the rig file"
        return (
            "is it this port, and do the switches on the box say XID (not keyboard, not E-Prime)?"
        )

    def _mode(self) -> bytes:
        return self._ask(b"_c1", 5)[0]

    def _ask(self, question: bytes, size: int) -> tuple[bytes, float, float]:
        """Answer, when it was asked for, and when it came."""
        self._port.reset_input_buffer()
        asked_s = self._send(question)
        answer: bytes = self._port.read(size)
        return answer, asked_s, clock()

    def _send(self, command: bytes) -> float:
        """Byte by byte; the time before the last."""
        for n in range(len(command)):
            if n:
                time.sleep(_BETWEEN_BYTES_S)
            sent_s = clock()
            self._port.write(command[n : n + 1])
        return sent_s


def _find() -> str:
    """The port of the only thing plugged in that calls itself Cedrus.

    No other port is asked: it may be the trigger box, and a question would be codes.
    """
    from serial.tools.list_ports import comports

    found = [port.device for port in comports() if _of_cedrus(port)]
    if len(found) == 1:
        return str(found[0])
    count = f"{len(found)} Cedrus devices are" if found else "no Cedrus device is"
    raise RigError(
        f"the response box cannot be found: {count} plugged in; name its port in the rig file, for"
        f' example port = "/dev/ttyUSB0"; {ports_here()}'
    )


def _of_cedrus(port: Any) -> bool:
    words = f"{port.manufacturer} {port.product} {port.description}".lower()
    return "cedrus" in words or (port.vid == _FTDI and port.pid in _CEDRUS)


def _low_latency(port: Any, name: str, gone: tuple[type[Exception], ...]) -> dict[str, object]:
    """Ask the port to hand over bytes at once; how long it may keep them, where that is told."""
    with suppress(*gone, NotImplementedError, AttributeError, ValueError):
        port.set_low_latency_mode(True)
    timer = Path("/sys/bus/usb-serial/devices", Path(os.path.realpath(name)).name, "latency_timer")
    with suppress(OSError):
        timer.write_text("1", encoding="ascii")
    with suppress(OSError, ValueError):
        return {"latency_timer_ms": int(timer.read_text(encoding="ascii"))}
    return {}


def _failures(of_pyserial: type[Exception]) -> tuple[type[Exception], ...]:
    """What a port raises that is gone."""
    if os.name != "posix":
        return (of_pyserial, OSError)
    import termios

    return (of_pyserial, OSError, termios.error)
