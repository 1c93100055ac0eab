"""A trigger device with eight lines at a serial port.  Each kind has its own dialect."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from task.contract.errors import RigError
from task.rig import Sent
from task.rigs.triggers.apart import Apart
from task.rigs.triggers.wire import Wire, refused

clock = time.perf_counter
_SETTLE_S = 0.1  # before closing, so that the last bytes have left


def one_byte(value: int) -> bytes:
    """The value itself."""
    return bytes((value,))


def says_nothing(wire: Wire) -> dict[str, object]:
    """A device that does not tell what it is."""
    return {}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one kind of device is spoken to.

    Parameters
    ----------
    code : the bytes of a value, 1-255
    rest : the bytes that bring the lines to rest, sent after opening and before closing; also after
        each code where the device does not end it itself
    greet : identifies the device and sets it up; what it told, for the log.  Raises RigError
    leave : bytes after the last rest
    talks : it says things that nobody reads
    patience_s : how long it may take to answer
    dtr, rts : control lines while the port is open
    """

    code: Callable[[int], bytes] = one_byte
    rest: bytes = b"\x00"
    greet: Callable[[Wire], dict[str, object]] = says_nothing
    leave: bytes = b""
    talks: bool = False
    patience_s: float = 0.1
    dtr: bool = True
    rts: bool = True


class SerialPort:
    """The device, open."""

    def __init__(self, triggers: Any, dialect: Dialect) -> None:
        """Open the port and bring the lines to rest.

        Raises
        ------
        RigError
            If there is no such port, it cannot be opened, or something else is at its end.
        """
        self.pulse_s, self.gap_s = triggers.pulse_s, triggers.gap_s
        self._apart = Apart(self.pulse_s, self.gap_s)
        self._triggers, self._dialect = triggers, dialect
        after_code = dialect.rest if triggers.latched else b""
        self._bytes = (after_code, *(dialect.code(value) for value in range(1, 256)))
        self.description: dict[str, object] = {
            "device": triggers.device,
            "port": triggers.port,
            "baud": triggers.bits_per_s,
        }
        self._usb: tuple[int, int, str | None] | None = None
        self._open()

    def set(self, value: int) -> Sent:
        """The bytes of a value.  A failure is told, never raised: we are in a flip."""
        data = self._bytes[value]
        if data:
            self._apart.wait(value)
        before_s = clock()
        done = not data or self._wire.send(data)
        sent = Sent(before_s, clock(), done)
        if data:
            self._apart.changed(value, sent.after_s)
        if self._dialect.talks:
            self._wire.forget()
        return sent

    def there(self) -> bool:
        """Whether the port still answers."""
        return self._wire.there()

    def reopen(self) -> bool:
        """Close, open, identify, rest; what waited in the port is dropped."""
        self._wire.close()
        try:
            self._open()
        except RigError:
            return False
        return True

    def close(self) -> None:
        """Lines to rest, and time for those bytes to leave."""
        self._wire.send(self._dialect.rest + self._dialect.leave)
        time.sleep(_SETTLE_S)
        self._wire.close()

    def _open(self) -> None:
        dialect = self._dialect
        self._wire = Wire(
            self._triggers,
            patience_s=dialect.patience_s,
            dtr=dialect.dtr,
            rts=dialect.rts,
            was=self._usb,
        )
        self._usb = self._wire.usb
        self.description |= {"port": self._wire.name} | self._wire.low_latency()
        if self._usb:
            vendor, product, number = self._usb
            self.description |= {"usb": f"{vendor:04x}:{product:04x}", "serial_number": number}
        try:
            self.description |= dialect.greet(self._wire)
            if not self._wire.send(dialect.rest):
                raise refused(self._wire, "it takes no bytes")
        except RigError:
            self._wire.close()
            raise
