"""The serial ports of this machine, and who else uses them: programs, ModemManager."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from task.preflight.facts import SerialDevice
from task.rigs.system import ROOT, text_of


class Process(NamedTuple):
    """A program that runs, and the devices it has open as far as we may see."""

    pid: int
    name: str
    devices: frozenset[str]


def processes(root: Path = ROOT) -> list[Process] | None:
    """Every program but this one; None where there is no /proc."""
    found = [_process(folder) for folder in (root / "proc").glob("[0-9]*")]
    own = os.getpid() if root == ROOT else None
    return [p for p in found if p.pid != own] if found else None


def _process(folder: Path) -> Process:
    opened = set()
    try:
        for descriptor in os.scandir(folder / "fd"):
            target = _link(descriptor.path)
            if target.startswith("/dev/"):
                opened.add(target)
    except OSError:  # another user's, or over by now
        pass
    return Process(int(folder.name), text_of(folder / "comm") or "?", frozenset(opened))


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - thousands of them: no Path for each
    except OSError:
        return ""


def plugged_in() -> tuple[str, ...]:
    """Every serial port of this machine."""
    from serial.tools.list_ports import comports

    return tuple(_described(port) for port in comports())


def _described(port: Any) -> str:
    about = [port.description] if port.description not in (None, "n/a") else []
    if port.vid is not None:
        about.append(f"{port.vid:04x}:{port.pid:04x}")
    return f"{port.device} ({', '.join(about)})" if about else str(port.device)


def serial_device(
    port: str,
    plugged_in: tuple[str, ...] | None,
    running: Sequence[Process] | None,
    root: Path = ROOT,
) -> SerialDevice:
    """What is known of the device behind a port; of "loop://" and the like there is nothing."""
    manager = None if running is None else any(p.name == "ModemManager" for p in running)
    if sys.platform == "win32":
        return SerialDevice(port, plugged_in, latency_ms=_latency_windows(port))
    if not port.startswith("/dev/") or not (root / port[1:]).exists():
        return SerialDevice(None, plugged_in, modem_manager=manager)
    path = (root / port[1:]).resolve()  # a port may be named by a link, such as /dev/serial/by-id
    name = f"/{path.relative_to(root.resolve()).as_posix()}"
    users = None if running is None else _users(name, running)
    above = _above(root / "sys/class/tty" / path.name)
    return SerialDevice(
        name,
        plugged_in,
        _usb_id(above),
        os.access(path, os.R_OK | os.W_OK),
        _group(path),
        users,
        _latency(root / "sys/bus/usb-serial/devices" / path.name, above),
        manager,
        _ignored(above, root / "run/udev/data"),
    )


def _users(device: str, running: Iterable[Process]) -> tuple[str, ...]:
    return tuple(f"{p.name} ({p.pid})" for p in running if device in p.devices)


def _above(device: Path) -> list[Path]:
    """The folder of a device in /sys and those of what it hangs on, nearest first."""
    if not device.exists():
        return []
    real = device.resolve()
    return [folder for folder in (real, *real.parents) if (folder / "uevent").is_file()]


def _usb_id(above: Iterable[Path]) -> str | None:
    for folder in above:
        vendor, product = text_of(folder / "idVendor"), text_of(folder / "idProduct")
        if vendor and product:
            return f"{vendor}:{product}"
    return None


def _group(path: Path) -> str | None:
    try:
        return path.group()
    except KeyError:  # a number without a name
        return None


def _latency(device: Path, above: Sequence[Path]) -> int | None:
    value = text_of(device / "latency_timer")
    if value is not None and value.isdigit():
        return int(value)
    return 0 if above else None


def _ignored(above: Sequence[Path], data: Path) -> bool | None:
    """Whether a udev rule tells ModemManager to keep off the device, or what it hangs on."""
    if not above or not data.is_dir():
        return None
    for folder in above:
        number = text_of(folder / "dev")
        said = (text_of(data / f"c{number}") or "").splitlines() if number else []
        if {"E:ID_MM_DEVICE_IGNORE=1", "E:ID_MM_PORT_IGNORE=1"} & set(said):
            return True
    return False


def _latency_windows(port: str) -> int | None:
    """FTDI's driver keeps the timer of every port in the registry (AN232B-04)."""
    if sys.platform != "win32":
        return None
    import winreg

    ftdi = r"SYSTEM\CurrentControlSet\Enum\FTDIBUS"
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, ftdi) as devices:
            for number in range(winreg.QueryInfoKey(devices)[0]):
                name = rf"{winreg.EnumKey(devices, number)}\0000\Device Parameters"
                with winreg.OpenKey(devices, name) as settings:
                    if winreg.QueryValueEx(settings, "PortName")[0] == port:
                        return int(winreg.QueryValueEx(settings, "LatencyTimer")[0])
    except OSError:
        return None
    return 0
