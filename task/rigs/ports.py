"""Trigger boxes: how a value gets from here to the eight lines.

`serial` puts each byte on the lines as it comes (Arduino, BioSemi, Blackrock's RS-232 input, a
pseudo-terminal to the simulated recorder).
"""

import io
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from task.contract.errors import RigError
from task.rig import Sent, TriggerPort
from task.rigfile import Triggers

clock = time.perf_counter
_POSIX = os.name == "posix"
_SETTLE_S = 0.1  # before closing, so that the last byte has left


class SerialPort:
    """Each byte is the state of the lines."""

    def __init__(self, triggers: Triggers) -> None:
        """Open the port, once for the session, and bring the lines to rest.

        Raises
        ------
        RigError
            If there is no such port or it cannot be opened.
        """
        import serial

        self.pulse_s, self.gap_s = triggers.pulse_s, triggers.gap_s
        self._failed: type[Exception] = serial.SerialException
        try:
            self._serial: Any = serial.serial_for_url(
                triggers.port, baudrate=triggers.baud, write_timeout=None if _POSIX else 0
            )
        except (serial.SerialException, OSError, ValueError) as error:
            raise RigError(
                f"the trigger port {triggers.port!r} cannot be opened: {_plain(error)};"
                f" {_ports_here()}"
            ) from None
        self.description: dict[str, object] = {
            "device": "serial",
            "port": triggers.port,
            "baud": triggers.baud,
        }
        self._write = _writer(self._serial)
        self.set(0)

    def set(self, value: int) -> Sent:
        """One byte.  A failure is told by the returned value and never raised: we are in a flip."""
        before_s = clock()
        try:
            done = self._write(bytes((value,))) == 1
        except (self._failed, OSError):
            done = False
        return Sent(before_s, clock(), done)

    def close(self) -> None:
        """Lines to rest, and time for that byte to leave."""
        self.set(0)
        time.sleep(_SETTLE_S)
        self._serial.close()


class NoPort:
    """A rig without a trigger box: codes stand in the log only."""

    pulse_s, gap_s = 0.005, 0.005

    def __init__(self) -> None:
        self.description: dict[str, object] = {"device": "none"}

    def set(self, value: int) -> Sent:
        """Nothing to set."""
        now_s = clock()
        return Sent(now_s, now_s, True)

    def close(self) -> None:
        """Nothing to close."""


# The names that `task.rigfile.Triggers.device` knows.
DEVICES: Mapping[str, Callable[[Triggers], TriggerPort]] = {
    "serial": SerialPort,
    "none": lambda _: NoPort(),
}


def open_port(triggers: Triggers) -> TriggerPort:
    """The trigger box that a rig file names.

    Raises
    ------
    RigError
        If it cannot be opened.
    """
    return DEVICES[triggers.device](triggers)


def _writer(port: Any) -> Callable[[bytes], int]:
    """What writes to an open port without waiting.

    On POSIX not pyserial's: it waits, or with no time to wait tries for ever, while the buffer of a
    device that hangs is full.
    """
    if not _POSIX:
        return port.write  # type: ignore[no-any-return]
    try:
        descriptor = port.fileno()
    except io.UnsupportedOperation:  # loop://
        return port.write  # type: ignore[no-any-return]
    return partial(os.write, descriptor)


def _plain(error: Exception) -> str:
    reason = error.__context__ if error.__context__ else error
    return getattr(reason, "strerror", None) or str(error)


def _ports_here() -> str:
    from serial.tools.list_ports import comports

    found = [f"{port.device} ({port.description})" for port in comports()]
    return f"ports found here: {', '.join(found)}" if found else "no serial port is plugged in here"
