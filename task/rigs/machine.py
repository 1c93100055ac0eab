"""What the machine is like before a session: everything found out, nothing judged.

Power and clock are asked here, the rest in modules of its own.
"""

import ctypes
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import psutil

from task.preflight.facts import Clock, Machine, Power
from task.rigs.disturbances import banners, blanking, painters
from task.rigs.outputs import screens
from task.rigs.ports import plugged_in, processes, serial_device
from task.rigs.storage import disk, mounts
from task.rigs.system import LINUX, ROOT, text_of

NOTHING: Mapping[str, object] = {}
_LOAD_S = 0.4


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
    return {name: text_of(supply / name) or "" for name in names}


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
