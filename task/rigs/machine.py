"""What the operating system tells of the machine before a session.

Linux says most of it in files below /proc, /sys and /run, which are read here below a root that
tests replace.  Of Windows and macOS only what their documentation promises is asked.  What cannot
be known is None, never a guess.
"""

import ctypes
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from task.preflight.facts import Clock, Disk, Machine, Power, Screens, SerialDevice

Run = Callable[[Sequence[str]], str | None]
Box = tuple[int, int, int, int]  # left, top, width, height of a screen, pixels

LINUX = sys.platform.startswith("linux")
ROOT = Path("/")
NOTHING: Mapping[str, object] = {}
_PATIENCE_S = 2.0  # with another program's answer
_LOAD_S = 0.4
_TRIES = 5
_REMOTE = frozenset(
    (
        "9p", "afpfs", "afs", "ceph", "cifs", "davfs", "fuse.rclone", "fuse.sshfs", "glusterfs",
        "ncpfs", "nfs", "nfs4", "smb2", "smb3", "smbfs", "vboxsf", "webdav",
    )
)  # fmt: skip
_VOLATILE = frozenset(("tmpfs", "ramfs"))
_SERVICES = {
    "onedrive": "OneDrive",
    "dropbox": "Dropbox",
    "google drive": "Google Drive",
    "googledrive": "Google Drive",
    "my drive": "Google Drive",
    "icloud": "iCloud",
    "mobile documents": "iCloud",
    "com~apple~clouddocs": "iCloud",
    "cloudstorage": "a cloud service",
    "nextcloud": "Nextcloud",
    "owncloud": "ownCloud",
    "box sync": "Box",
    "seafile": "Seafile",
    "syncthing": "Syncthing",
}
# Those that put the desktop together always draw; they are no rivals.
_DESKTOP = frozenset(
    (
        "Xorg", "Xwayland", "gnome-shell", "kwin_x11", "kwin_wayland", "kwin_wayland_wr",
        "plasmashell", "sway", "weston", "mutter", "cinnamon", "xfwm4", "picom", "compton", "marco",
        "labwc",
    )
)  # fmt: skip


def look(
    data: Path,
    *,
    port: str = "",
    display: Mapping[str, object] = NOTHING,
    held: Sequence[str] = (),
) -> Machine:
    """Look at everything; half a second.

    Parameters
    ----------
    data : the folder in which sessions lie; made if it is not there
    port : name of the trigger port, if it is one of this machine's
    display : description of the display, if there is one
    held : what `task.rigs.awake.kept_awake` yielded
    """
    running = processes()
    return Machine(
        system=platform.system(),
        screens=screens(display),
        port=serial_device(port, plugged_in(), running),
        disk=disk(data, mounts()),
        power=power(),
        clock=clock(),
        held=tuple(held),
        blanking=blanking(),
        banners=banners(),
        load=psutil.cpu_percent(interval=_LOAD_S) / 100,
        memory_bytes=int(psutil.virtual_memory().available),
        painters=painters(running),
    )


def run(command: Sequence[str]) -> str | None:
    """What a program prints; None if it is not there, fails, or takes too long."""
    program = shutil.which(command[0])
    if not program:
        return None
    try:
        done = subprocess.run(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace")


# Screens -------------------------------------------------------------------------------------


def screens(display: Mapping[str, object]) -> Screens:
    """How the rig's screen stands among the others.

    Parameters
    ----------
    display : its description: `screen_px` and `screens_px` are the rectangles of screens
    """
    mine, all_px = display.get("screen_px"), display.get("screens_px")
    if not isinstance(mine, Sequence) or not isinstance(all_px, Sequence):
        return Screens()
    outputs = None
    if sys.platform == "darwin":
        mirrored, primary_at = _mirrored_macos(), (0, 0)
    elif sys.platform == "win32":
        mirrored, primary_at = _mirrored_windows(), (0, 0)
    else:
        if not os.environ.get("WAYLAND_DISPLAY"):
            outputs = xrandr_outputs(run(("xrandr", "--query")))
        mirrored = overlapping(outputs) if outputs else more_outputs(len(all_px))
        primary_at = primary_of(outputs)
    if len(all_px) == 1:
        return Screens(True, mirrored)
    return Screens(None if primary_at is None else tuple(mine[:2]) == primary_at, mirrored)


def xrandr_outputs(said: str | None) -> list[tuple[Box, bool]] | None:
    """Place of every output that shows something, and whether it is the primary one."""
    if said is None:
        return None
    found = []
    for line in said.splitlines():
        name, _, rest = line.partition(" connected ")
        words = rest.split()
        primary = words[:1] == ["primary"]
        place = words[primary] if len(words) > primary else ""
        numbers = place.replace("x", "+").split("+")
        if name and len(numbers) == 4 and all(n.isdigit() for n in numbers):
            width, height, left, top = map(int, numbers)
            found.append(((left, top, width, height), primary))
    return found


def overlapping(outputs: Sequence[tuple[Box, bool]]) -> bool:
    """Whether two outputs show some of the same."""
    boxes = [box for box, _ in outputs]
    return any(
        a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]
        for n, a in enumerate(boxes)
        for b in boxes[:n]
    )


def primary_of(outputs: Sequence[tuple[Box, bool]] | None) -> tuple[int, int] | None:
    """Where the primary output lies, if one is."""
    return next((box[:2] for box, primary in outputs or () if primary), None)


def more_outputs(screens: int, root: Path = ROOT) -> bool | None:
    """Whether more sockets carry a picture than there are pictures; None where none is known."""
    states = root.glob("sys/class/drm/card*-*/enabled")
    carrying = sum(_text(state) == "enabled" for state in states)
    return carrying > screens if carrying else None


def _mirrored_macos() -> bool | None:
    """Quartz Display Services: CGDisplayIsInMirrorSet of every screen that is on."""
    if sys.platform != "darwin":
        return None
    quartz = ctypes.CDLL("/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics")
    ids, count = (ctypes.c_uint32 * 16)(), ctypes.c_uint32()
    if quartz.CGGetOnlineDisplayList(16, ids, ctypes.byref(count)):
        return None
    return any(quartz.CGDisplayIsInMirrorSet(ids[n]) for n in range(count.value))


def _mirrored_windows() -> bool | None:
    """QueryDisplayConfig: two active paths from one source are the same picture twice."""
    if sys.platform != "win32":
        return None
    active, path_size, mode_size = 2, 72, 64
    user32 = ctypes.windll.user32
    paths, modes = ctypes.c_uint32(), ctypes.c_uint32()
    if user32.GetDisplayConfigBufferSizes(active, ctypes.byref(paths), ctypes.byref(modes)):
        return None
    held = ctypes.create_string_buffer(path_size * paths.value)
    rest = ctypes.create_string_buffer(mode_size * modes.value)
    if user32.QueryDisplayConfig(
        active, ctypes.byref(paths), held, ctypes.byref(modes), rest, None
    ):
        return None
    # A path begins with its source: the adapter (8 bytes) and the number of the source (4).
    sources = [held.raw[n * path_size :][:12] for n in range(paths.value)]
    return len(set(sources)) < len(sources)


# The trigger port ----------------------------------------------------------------------------


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
    return Process(int(folder.name), _text(folder / "comm") or "?", frozenset(opened))


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
        vendor, product = _text(folder / "idVendor"), _text(folder / "idProduct")
        if vendor and product:
            return f"{vendor}:{product}"
    return None


def _group(path: Path) -> str | None:
    try:
        return path.group()
    except KeyError:  # a number without a name
        return None


def _latency(device: Path, above: Sequence[Path]) -> int | None:
    value = _text(device / "latency_timer")
    if value is not None and value.isdigit():
        return int(value)
    return 0 if above else None


def _ignored(above: Sequence[Path], data: Path) -> bool | None:
    """Whether a udev rule tells ModemManager to keep off the device, or what it hangs on."""
    if not above or not data.is_dir():
        return None
    for folder in above:
        number = _text(folder / "dev")
        said = (_text(data / f"c{number}") or "").splitlines() if number else []
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


# Disk and power ------------------------------------------------------------------------------


class Mount(NamedTuple):
    """Where a file system hangs, its type, and what the system says besides."""

    point: str
    type: str
    options: str


def mounts() -> list[Mount]:
    """Every file system here."""
    found = psutil.disk_partitions(all=True)
    return [Mount(m.mountpoint, m.fstype.lower(), m.opts) for m in found]


def disk(folder: Path, mounted: Sequence[Mount]) -> Disk:
    """Write a line as a session does, and see where it went."""
    folder = folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fsync_s: float | None = _fsync_s(folder)
        error = ""
    except OSError as wrong:
        fsync_s, error = None, wrong.strerror or str(wrong)
    real = folder.resolve()
    there = next(p for p in (real, *real.parents) if p.exists())
    under = max((m for m in mounted if _lies_in(real, m)), key=lambda m: len(m.point), default=None)
    return Disk(
        str(folder),
        shutil.disk_usage(there).free,
        fsync_s,
        error,
        under.type if under else None,
        _remote(real, under),
        under.type in _VOLATILE if under else None,
        synchronised_by(real),
    )


def _fsync_s(folder: Path) -> float:
    """Median time of writing a line and bringing it to the disk."""
    trial = folder / f".preflight_{os.getpid()}"
    try:
        with trial.open("wb", buffering=0) as stream:
            return statistics.median(_written_s(stream) for _ in range(_TRIES))
    finally:
        trial.unlink(missing_ok=True)


def _written_s(stream: Any) -> float:
    start_s = time.perf_counter()
    if stream.write(b"." * 199 + b"\n") != 200:
        raise OSError(28, "No space left on device")
    os.fsync(stream.fileno())
    return time.perf_counter() - start_s


def _lies_in(folder: Path, mount: Mount) -> bool:
    return folder.is_relative_to(mount.point)


def _remote(folder: Path, mount: Mount | None) -> bool | None:
    if str(folder).startswith("\\\\"):
        return True
    if mount is None:
        return None
    return mount.type in _REMOTE or "remote" in mount.options.split(",")


def synchronised_by(folder: Path) -> str:
    """The service whose folder this lies in, by the names that they give their folders."""
    for part in folder.parts:
        for name, service in _SERVICES.items():
            if part.casefold() == name or part.casefold().startswith((f"{name} ", f"{name}-")):
                return service
    return ""


def power(root: Path = ROOT) -> Power | None:
    """Charger and battery; None where it cannot be known."""
    if not LINUX and root == ROOT:
        found = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
        return Power(found.power_plugged, found.percent) if found else None
    supplies = [_fields(folder) for folder in (root / "sys/class/power_supply").glob("*")]
    batteries = [
        s
        for s in supplies
        if s["type"] == "Battery" and s["scope"] != "Device" and s["present"] != "0"
    ]
    if not batteries:
        return Power(True) if (root / "sys/class/power_supply").is_dir() else None
    charge = [float(s["capacity"]) for s in batteries if s["capacity"].isdigit()]
    chargers = [s["online"] for s in supplies if s["type"] in ("Mains", "USB") and s["online"]]
    if chargers:
        plugged = any(online != "0" for online in chargers)
    else:
        plugged = all(s["status"] != "Discharging" for s in batteries)
    return Power(plugged, statistics.fmean(charge) if charge else None)


def _fields(supply: Path) -> Mapping[str, str]:
    names = ("type", "scope", "present", "capacity", "online", "status")
    return {name: _text(supply / name) or "" for name in names}


# Time, idle screens, rivals ---------------------------------------------------------------------


def clock() -> Clock:
    """Wall time, and the smallest step of the clock that times are taken from."""
    return Clock(datetime.now().astimezone(), _synchronised(), _tick_s())


def _tick_s() -> float:
    ticks = []
    for _ in range(50):
        start = now = time.perf_counter()
        while now == start:
            now = time.perf_counter()
        ticks.append(now - start)
    return min(ticks)


def _synchronised() -> bool | None:
    """Linux: the kernel knows whether something steers its clock (adjtimex)."""
    if not LINUX:
        return None
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))  # asks, changes nothing
    time_error = 5
    return None if state < 0 else state != time_error


def blanking(run: Run = run) -> tuple[str, ...]:
    """Settings that may switch the screen off or lock it."""
    if sys.platform == "win32":
        return _blanking_windows()
    if sys.platform == "darwin":
        return blanking_macos(run(("pmset", "-g")))
    found = []
    if "GNOME" in os.environ.get("XDG_CURRENT_DESKTOP", ""):
        idle = (run(("gsettings", "get", "org.gnome.desktop.session", "idle-delay")) or "").split()
        if idle and idle[-1].isdigit() and int(idle[-1]):
            found.append(f"GNOME switches the screen off after {idle[-1]} s")
    return (*found, *blanking_x(run(("xset", "q"))))


def blanking_x(said: str | None) -> tuple[str, ...]:
    """What `xset q` tells of it."""
    words = (said or "").split()
    after = words[words.index("timeout:") + 1] if "timeout:" in words else "0"
    found = [f"the screen saver starts after {after} s"] if after not in ("0", "") else []
    if "DPMS is Enabled" in (said or ""):
        found.append("the monitor is switched off when idle (DPMS)")
    return tuple(found)


def blanking_macos(said: str | None) -> tuple[str, ...]:
    """What `pmset -g` tells of it."""
    words = (said or "").split()
    if "displaysleep" not in words[:-1]:
        return ()
    after = words[words.index("displaysleep") + 1]
    return () if after == "0" else (f"the display sleeps after {after} min",)


def _blanking_windows() -> tuple[str, ...]:
    if sys.platform != "win32":
        return ()
    get_active, get_timeout = 0x10, 0x0E
    active, after = ctypes.c_int(), ctypes.c_int()
    ask = ctypes.windll.user32.SystemParametersInfoW
    asked = ask(get_active, 0, ctypes.byref(active), 0) and ask(
        get_timeout, 0, ctypes.byref(after), 0
    )
    if asked and active.value and after.value:
        return (f"the screen saver starts after {after.value} s",)
    return ()


def banners(run: Run = run) -> bool | None:
    """Whether notifications appear over what is shown."""
    if sys.platform == "win32":
        import winreg

        key = r"SOFTWARE\Microsoft\Windows\CurrentVersion\PushNotifications"
        try:
            with winreg.OpenKey(winreg.HKEY_CURRENT_USER, key) as settings:
                return bool(winreg.QueryValueEx(settings, "ToastEnabled")[0])
        except OSError:  # never changed: they appear
            return True
    if not LINUX or "GNOME" not in os.environ.get("XDG_CURRENT_DESKTOP", ""):
        return None
    said = run(("gsettings", "get", "org.gnome.desktop.notifications", "show-banners"))
    return None if said is None else said.strip() == "true"


def painters(running: Iterable[Process] | None) -> tuple[str, ...] | None:
    """Programs, but those of the desktop itself, that draw with the graphics card."""
    if running is None:
        return None
    cards = ("/dev/dri/", "/dev/nvidia")
    names = {
        p.name
        for p in running
        if p.name not in _DESKTOP and any(d.startswith(cards) for d in p.devices)
    }
    return tuple(sorted(names))


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
