"""A serial port: found, opened or refused in words, written to without ever waiting."""

import io
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from task.contract.errors import RigError
from task.triggers import AUTO, SerialDevice

_POSIX = os.name == "posix"
_Usb = tuple[int, int, str | None]  # vendor, product, serial number


class Wire:
    """An open serial port, and the device at its end."""

    def __init__(
        self,
        device: SerialDevice,
        *,
        patience_s: float = 0.1,
        dtr: bool = True,
        rts: bool = True,
        was: _Usb | None = None,
    ) -> None:
        """Find and open the port.

        Parameters
        ----------
        patience_s : how long to wait for an answer
        dtr, rts : control lines while the port is open
        was : the USB device to look for, which may have another port name since it was replugged

        Raises
        ------
        RigError
            If there is no such port or it cannot be opened.
        """
        import serial

        self._failed = _failures(serial.SerialException)
        unusable: tuple[type[Exception], ...] = (*self._failed, ValueError)
        self.name = _where(device, was)
        try:
            self.port: Any = serial.serial_for_url(
                self.name,
                do_not_open=True,
                baudrate=device.bits_per_s,
                timeout=patience_s,
                write_timeout=None if _POSIX else 0,
                exclusive=True,
            )
            self.port.dtr, self.port.rts = dtr, rts
            self.port.open()
        except unusable as error:
            raise RigError(
                f"the trigger port {self.name!r} cannot be opened: {_why(self.name, error)};"
                f" {ports_here()}"
            ) from None
        self.usb = _usb_of(self.name) or was
        self._write = _writer(self.port)
        self._owed = b""  # the rest of a code of which the device has taken a part

    def send(self, data: bytes) -> bool:
        """Hand over bytes at once; whether all were taken.  Never raises, never waits.

        A code that was taken in part is completed before the next one, so that a device that counts
        bytes does not lose its place.
        """
        left = self._owed + data
        while left and (taken := self._take(left)):
            left = left[taken:]
        begun = len(left) < len(data)
        self._owed = left if begun else left[: len(left) - len(data)]
        return not left

    def ask(self, question: bytes, size: int) -> bytes:
        """The `size` bytes that the device answers, fewer if it falls silent."""
        self.forget()
        self.send(question)
        return self._read(lambda: self.port.read(size))

    def line(self) -> bytes:
        """The next line that the device says; empty if it is silent."""
        return self._read(self.port.readline)

    def control(self, line: str, high: bool) -> bool:
        """Raise or lower RTS or DTR; whether that was possible.  May wait for the USB."""
        try:
            setattr(self.port, line, high)
        except self._failed:
            return False
        return self.port.is_open is True

    def there(self) -> bool:
        """Whether the port can still be asked what came: one that was unplugged cannot."""
        try:
            return int(self.port.in_waiting) >= 0
        except self._failed:
            return False

    def forget(self) -> None:
        """Drop what the device said and nobody read."""
        if self.port.is_open:
            with suppress(*self._failed):
                self.port.reset_input_buffer()

    def discard(self) -> None:
        """Drop what has not left yet: a code must not come late, and closing would wait for it."""
        if self.port.is_open:
            with suppress(*self._failed, AttributeError):  # sockets have no such buffer
                self.port.reset_output_buffer()

    def close(self) -> None:
        """Give the port back."""
        self._write = _nobody  # the descriptor's number may soon be another file's
        self._owed = b""
        self.discard()
        with suppress(*self._failed):
            self.port.close()

    def low_latency(self) -> dict[str, object]:
        """Ask for answers without delay; what came of it, for the log."""
        unable: tuple[type[Exception], ...] = (
            *self._failed,
            NotImplementedError,
            AttributeError,
            ValueError,
        )
        try:
            self.port.set_low_latency_mode(True)
            done = True
        except unable:
            done = False
        found: dict[str, object] = {"low_latency": done}
        timer = Path("/sys/bus/usb-serial/devices", Path(self.name).name, "latency_timer")
        with suppress(OSError, ValueError):
            found["latency_timer_ms"] = int(timer.read_text(encoding="ascii"))
        return found

    def _take(self, data: bytes) -> int:
        try:
            return self._write(data) or 0
        except self._failed:
            return 0

    def _read(self, read: Callable[[], bytes]) -> bytes:
        try:
            return read()
        except self._failed:
            return b""


def refused(wire: Wire, what: str) -> RigError:
    """The port is open, and at its end is not what the rig file says."""
    return RigError(f"the trigger port {wire.name!r} is open, but {what}; {ports_here()}")


def shown(answer: bytes) -> str:
    """An answer as a person can read it."""
    return repr(answer)[1:] if answer else "nothing"


def ports_here() -> str:
    """Which serial ports are plugged in, for the message that one cannot be used."""
    from serial.tools.list_ports import comports

    found = [f"{port.device} ({_about(port)})" for port in comports()]
    return f"ports found here: {', '.join(found)}" if found else "no serial port is plugged in here"


def _about(port: Any) -> str:
    return f"{port.description}{f', {port.vid:04x}:{port.pid:04x}' if port.vid is not None else ''}"


def _where(device: SerialDevice, was: _Usb | None) -> str:
    """The port's name: where the device is plugged in again, what the rig file says, or found."""
    from serial.tools.list_ports import comports

    again = [port.device for port in comports() if was and _usb(port) == was]
    if len(again) == 1:
        return str(again[0])
    if device.port != AUTO:
        return device.port
    known = [port.device for port in comports() if (port.vid, port.pid) in device.usb_ids]
    if len(known) == 1:
        return str(known[0])
    ids = " or ".join(f"{vendor:04x}:{product:04x}" for vendor, product in sorted(device.usb_ids))
    count = f"{len(known)} devices have" if known else "no device has"
    raise RigError(
        f"the trigger port cannot be found: {count} the USB id {ids}; name it in the rig file, for"
        f' example port = "/dev/ttyACM0"; {ports_here()}'
    )


def _usb(port: Any) -> _Usb | None:
    return (port.vid, port.pid, port.serial_number) if port.vid is not None else None


def _usb_of(name: str) -> _Usb | None:
    """The USB device behind a port, also where the port is named by a link."""
    from serial.tools.list_ports import comports

    names = {name, os.path.realpath(name)}
    return next((_usb(port) for port in comports() if port.device in names), None)


def _failures(of_pyserial: type[Exception]) -> tuple[type[Exception], ...]:
    """What a port raises that is gone."""
    if not _POSIX:
        return (of_pyserial, OSError)
    import termios

    return (of_pyserial, OSError, termios.error)


def _why(name: str, error: Exception) -> str:
    """Why a port cannot be opened, and what to do."""
    cause = error.__context__ or error
    plain = getattr(cause, "strerror", None) or str(cause)
    number = getattr(error, "errno", None) or getattr(cause, "errno", None)
    if "PermissionError" in str(error) and not _POSIX:
        number = 16  # so Windows calls a port that another program holds
    if number == 13:
        return f"{plain}; it belongs to the group {_group(name)!r}: {_JOIN.format(_group(name))}"
    if number in (11, 16, 35):
        return f"another program holds it: {_HOLDER}"
    return plain


_JOIN = "join it (sudo usermod -aG {} YOUR_NAME) and log in again"
_HOLDER = (
    "close it, or wait if it was plugged in just now: on Linux ModemManager then holds it for some"
    ' seconds and may send bytes to it, unless a udev rule says ENV{ID_MM_DEVICE_IGNORE}="1"'
)


def _group(name: str) -> str:
    try:
        return Path(name).group()
    except (OSError, KeyError, NotImplementedError):
        return "dialout"


def _nobody(data: bytes) -> int:
    """Where a port is closed."""
    return 0


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
