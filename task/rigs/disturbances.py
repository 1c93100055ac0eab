"""What may come over the screen, or darken it, while a patient looks at it."""

import ctypes
import os
import sys
from collections.abc import Iterable

from task.rigs.ports import Process
from task.rigs.system import LINUX, Run, run

# Those that put the desktop together always draw; they are no rivals.
_DESKTOP = frozenset(
    (
        "Xorg", "Xwayland", "gnome-shell", "kwin_x11", "kwin_wayland", "kwin_wayland_wr",
        "plasmashell", "sway", "weston", "mutter", "cinnamon", "xfwm4", "picom", "compton", "marco",
        "labwc",
    )
)  # fmt: skip


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
