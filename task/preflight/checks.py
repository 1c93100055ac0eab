"""What must hold before a patient sits down: facts in, a traffic light for each out.

Nothing is looked up here.  `task.rigs.machine` knows the machine; `task.preflight.tryout` tries
the rig and asks the operator.
"""

from collections.abc import Iterator, Mapping, Sequence

from task.contract.catalog import Catalog
from task.contract.lights import Light
from task.fonts import undrawable
from task.plan import Item, Plan, SoundItem, ToneItem, VisualItem
from task.preflight.facts import Clock, Disk, Machine, Power, Screens, SerialDevice
from task.preflight.layout import WHAT_TO_DO
from task.preflight.lights import Attempt, Check, attempt, merged
from task.rig import PACED, Display, Keys, Sound, TriggerPort
from task.rigfile import RigFile

MB = 1_000_000
LEAST_DISK_BYTES = 100 * MB
USUAL_DISK_BYTES = 1000 * MB
SLOW_FSYNC_S = 0.020
LOW_BATTERY = 30
MEMORY_BYTES = 300 * MB  # of the presenter, without textures
_UNASKED = "nobody was asked"
_NO_LINES = ("none", "simulated")  # trigger devices
_BYTES_PER_STEP = 500  # of the log; about 400 as measured
_KEEP_MACHINE = frozenset(
    ("systemd-inhibit", "gnome-session-inhibit", "kde-inhibit", "caffeinate",
     "SetThreadExecutionState")
)  # fmt: skip
_KEEP_SCREEN = _KEEP_MACHINE - {"systemd-inhibit"} | {"XScreenSaverSuspend"}


def automatic(
    *,
    rig: RigFile,
    machine: Machine,
    catalog: Attempt[Catalog],
    plan: Attempt[Plan],
    display: Attempt[Display],
    port: Attempt[TriggerPort],
    keys: Attempt[Keys],
    sound: Attempt[Sound],
    undecodable: Mapping[str, str],
    outside: Attempt[Sequence[str]],
    overlong: Sequence[str],
) -> list[Check]:
    """Every check that asks nobody; grey what somebody must press, hear or see elsewhere.

    Parameters
    ----------
    sound : neither got nor said anything where the rig file has no sound
    undecodable : pictures that cannot be read, and why (`task.preflight.tryout.undecodable`)
    outside : what has no room on the screen (`task.preflight.layout.outside`)
    overlong : sound files longer than their cues (`task.preflight.tryout.overlong`)
    """
    shown = plan.got
    largest = _largest(shown, display.got)
    checks = [
        _protocol(plan),
        *_pictures(catalog, shown, undecodable),
        *(_fonts(shown) if shown else ()),
        *(_layout(outside) if shown and display.got else ()),
        *(_textures(largest, display.got) if display.got else ()),
        *_display(display, rig, shown, machine),
        _port(port, rig, machine.port),
        *_device(machine.port),
        _sound(sound, shown.sounds if shown else (), overlong),
        *_box(keys),
        *_questions(port, keys, sound, shown),
        *_robot(rig),
        *_disk(machine.disk, shown),
        _memory(machine.memory_bytes, largest.got or 0),
        _load(machine.load),
        _painters(machine.painters),
        _power(machine.power),
        *_awake(machine),
        _banners(machine.banners),
        _clock(machine.clock),
    ]
    return merged(checks, ())


# What is shown -------------------------------------------------------------------------------


def _protocol(plan: Attempt[Plan]) -> Check:
    if plan.got is None:
        return _essential("protocol", plan.said or "no plan can be made of it")
    trials, minutes = plan.got.trials, plan.got.longest_s / 60
    return _green("protocol", f"{trials} trials, at most {minutes:.0f} min")


def _pictures(
    catalog: Attempt[Catalog], plan: Plan | None, undecodable: Mapping[str, str]
) -> Iterator[Check]:
    if catalog.got is None:
        yield _essential("pictures", catalog.said)
        return
    yield _green(
        "pictures", f"all {len(catalog.got.pictures)} of set {catalog.got.name} are as they were"
    )
    if undecodable:
        which = _some([f"{name} ({why})" for name, why in undecodable.items()])
        yield _essential("decoding", f"cannot be read: {which}", "build or import the set again")
    elif plan:
        yield _green("decoding", f"all {len(plan.picture_ids)} that are shown can be read")


def _fonts(plan: Plan) -> Iterator[Check]:
    strange = {text: missing for text in plan.texts if (missing := undrawable(text))}
    if strange:
        which = _some([f"{missing} in {text!r}" for text, missing in strange.items()])
        yield Check(
            "fonts", Light.RED, f"no font here has {which}", "use other words, or install a font"
        )
    else:
        yield _green("fonts", f"every character of {_count(len(plan.texts), 'text')} can be drawn")


def _layout(outside: Attempt[Sequence[str]]) -> Iterator[Check]:
    if outside.got:
        yield _essential("layout", _some(outside.got), WHAT_TO_DO)
    elif outside.got is not None:  # else a picture cannot be read, and another row says so
        yield _green("layout", "everything has room on the screen")


def _largest(plan: Plan | None, display: Display | None) -> Attempt[int]:
    """Bytes of the textures of the block that needs most."""
    if plan is None or display is None:
        return Attempt(None)
    known: dict[Item, int] = {}

    def bytes_of(item: Item) -> int:
        if item not in known:
            known[item] = display.texture_bytes(item)
        return known[item]

    def largest() -> int:
        blocks = [
            {
                i
                for t in block.trials
                for s in t.steps
                for i in s.screen
                if isinstance(i, VisualItem)
            }
            for block in plan.blocks
        ]
        return max((sum(map(bytes_of, items)) for items in blocks), default=0)

    return attempt(largest)


def _textures(largest: Attempt[int], display: Display) -> Iterator[Check]:
    if largest.said:
        yield _essential("textures", largest.said)
    elif largest.got is not None:
        found = f"the largest block takes {_size(largest.got)} of {display.texture_mb} MB"
        if largest.got > display.texture_mb * MB:
            yield _essential(
                "textures",
                found,
                "make blocks shorter (break_after) or pictures smaller (picture_deg), or raise"
                " texture_mb in the rig file",
            )
        else:
            yield _green("textures", found)


# The display ---------------------------------------------------------------------------------


def _display(
    display: Attempt[Display], rig: RigFile, plan: Plan | None, machine: Machine
) -> Iterator[Check]:
    if display.got is None:
        yield _essential("display", display.said)
        return
    about = display.got.description
    if _missing(rig.screen.number, about.get("screens_px")):
        todo = "plug it in, or set number under [screen] in the rig file; the first screen is 0"
        yield Check("display", Light.RED, f"there is no screen number {rig.screen.number}", todo)
    else:
        yield _green("display", _said_of_display(about))
    yield _refresh(about, plan)
    if about.get("kind") != "window":
        return
    yield _full_screen(rig, about)
    yield _primary(machine.screens, about.get("screens_px"))
    yield _mirrored(machine.screens.mirrored, about.get("mirrored"))
    yield _compositor(about.get("compositor"), machine.system)


def _missing(number: int, screens_px: object) -> bool:
    return isinstance(screens_px, Sequence) and number >= len(screens_px)


def _said_of_display(about: Mapping[str, object]) -> str:
    size = about.get("size_px")
    px = f"{size[0]} x {size[1]} px, " if isinstance(size, Sequence) else ""
    return f"{px}{about.get('renderer', about.get('kind', 'a display'))}"


def _refresh(about: Mapping[str, object], plan: Plan | None) -> Check:
    measured = about.get("measured_hz")
    if about.get("pacing") == PACED:
        return Check(
            "refresh",
            Light.YELLOW,
            "virtual display, paced by the clock: not for patients",
            "for a patient take a screen of this machine, with its graphics driver",
        )
    if not isinstance(measured, float):
        if about.get("kind") == "window":
            return Check(
                "refresh",
                Light.RED,
                "cannot be measured: swaps are too irregular",
                "close other programs, switch off variable refresh and the compositor, use one"
                " screen",
            )
        return _grey("refresh", "not a real display")
    wanted = plan.refresh_hz if plan else about.get("refresh_hz")
    if not isinstance(wanted, float):
        return _grey("refresh", f"{measured:.2f} Hz; there is no plan to compare with")
    if abs(measured / wanted - 1) > 0.01:
        return Check(
            "refresh",
            Light.RED,
            f"{measured:.2f} Hz measured, the plan is for {wanted:g} Hz",
            "set the display, or refresh_hz under [screen] in the rig file",
        )
    return _green("refresh", f"{measured:.2f} Hz measured, the plan is for {wanted:g} Hz")


def _full_screen(rig: RigFile, about: Mapping[str, object]) -> Check:
    if not rig.screen.full_screen:
        found = "a window: timing is exact only if it fills the screen"
        todo = "set full_screen = true under [screen] in the rig file"
        return Check("full-screen", Light.YELLOW, found, todo)
    if about.get("covers_screen") is False:
        found = "the window does not cover the screen"
        return Check("full-screen", Light.YELLOW, found, "switch display scaling and docks off")
    return _green("full-screen", "the window covers the screen")


def _primary(screens: Screens, all_px: object) -> Check:
    count = len(all_px) if isinstance(all_px, Sequence) else 1
    several = f"; there are {count} screens" if count > 1 else ""
    if screens.primary is None:
        return _unknown("primary", f"is the rig's screen the primary one?{several}")
    if screens.primary:
        return _green("primary", f"the rig's screen is the primary one{several}")
    todo = "make it the primary one in the display settings, or set number under [screen]"
    return Check("primary", Light.YELLOW, f"the rig's screen is not the primary one{several}", todo)


def _mirrored(by_system: bool | None, by_window: object) -> Check:
    if by_system or by_window:
        found = "two screens show the same: one of them is not in time"
        todo = "extend the desktop instead, or unplug the other screen"
        return Check("mirrored", Light.RED, found, todo)
    if by_system is None:
        return _unknown("mirrored", "do two screens show the same? They must not")
    return _green("mirrored", "no two screens show the same")


def _compositor(found: object, system: str) -> Check:
    name = "compositor"
    if found == "none":
        return _green(name, "none: the window is shown as it is swapped")
    if found == "wayland":
        said = "Wayland: the desktop puts the picture together, more than 1 ms of jitter"
        return Check(name, Light.YELLOW, said, 'log in with a desktop "on Xorg"')
    if found == "running":
        said = "the desktop puts the picture together before it is shown"
        todo = "switch the desktop's compositor off while a session runs"
        return Check(name, Light.YELLOW, said, todo)
    if system == "Darwin":
        said = "macOS puts the picture together: it comes about a frame later"
        todo = "measure it with a photodiode, or take a machine with Linux or Windows"
        return Check(name, Light.YELLOW, said, todo)
    return _unknown(name, "a photodiode tells how long after the log the picture comes")


# The trigger port ----------------------------------------------------------------------------


def _port(port: Attempt[TriggerPort], rig: RigFile, device: SerialDevice) -> Check:
    if port.got is None:
        listed = device.plugged_in
        there = f"plugged in here: {', '.join(listed)}" if listed else ""
        told = listed and listed[0].split(" ")[0] in port.said
        return _essential("port", port.said, "" if told else there)
    about = dict(port.got.description)
    kind = about.pop("device", rig.triggers.device)
    if kind in _NO_LINES:
        return Check(
            "port",
            Light.YELLOW,
            "a rig without triggers: the recording will hold no codes",
            "for a patient take a rig file that names the trigger device",
        )
    place = f" on {about.pop('port')}" if about.get("port") else ""
    return _green("port", ", ".join([f"{kind}{place}", *_details(about)]))


def _details(about: Mapping[str, object]) -> Iterator[str]:
    """What a device tells of itself, in words; not what it could not do."""
    for key, value in about.items():
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            yield f"{key.replace('_', ' ')} {value}"


def _device(device: SerialDevice) -> Iterator[Check]:
    """What only a device of this machine has; nothing is said of sockets and the like."""
    if device.name is None:
        return
    if device.allowed is not None:
        yield _rights(device.name, device.allowed, device.group)
    if device.users:
        yield Check(
            "port-users",
            Light.RED,
            f"{device.name} is also open in {', '.join(device.users)}",
            "end that program: whatever it writes becomes a code",
        )
    elif device.users is not None:
        yield _green("port-users", f"nobody else has {device.name} open, as far as can be seen")
    if device.usb_id and device.modem_manager is not None:
        yield _modem_manager(device)
    if device.latency_ms:
        yield _latency(device.name, device.latency_ms)


def _rights(name: str, allowed: bool, group: str | None) -> Check:
    if allowed:
        return _green("port-rights", f"{name} can be read and written")
    member = f"sudo usermod -a -G {group or 'dialout'} $USER"
    return Check(
        "port-rights",
        Light.RED,
        f"this user may not use {name}",
        f"{member}, then log out and in again",
    )


def _modem_manager(device: SerialDevice) -> Check:
    name = "modem-manager"
    if not device.modem_manager:
        return _green(name, "ModemManager is not running")
    if device.ignored:
        return _green(name, "ModemManager is running and leaves the device alone")
    if device.ignored is None:
        return _unknown(name, "ModemManager is running: does a udev rule keep it off the device?")
    vendor, _, product = (device.usb_id or "").partition(":")
    return Check(
        name,
        Light.YELLOW,
        f"ModemManager is running and may write to {device.name}: false codes",
        "put into /etc/udev/rules.d/99-triggers.rules:"
        f' ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}",'
        ' ENV{ID_MM_DEVICE_IGNORE}="1"; then plug the device in again',
    )


def _latency(name: str, latency_ms: int) -> Check:
    if latency_ms <= 1:
        return _green("latency-timer", f"{latency_ms} ms")
    short = name.rpartition("/")[2]
    how = (
        f"echo 1 | sudo tee /sys/bus/usb-serial/devices/{short}/latency_timer"
        if name.startswith("/")
        else "Device Manager, Ports, Advanced: Latency Timer 1"
    )
    return Check(
        "latency-timer",
        Light.YELLOW,
        f"{latency_ms} ms: the device's replies come late (codes do not)",
        how,
    )


# Sound ---------------------------------------------------------------------------------------


def _sound(
    sound: Attempt[Sound], needed: Sequence[ToneItem | SoundItem], overlong: Sequence[str]
) -> Check:
    speaker = sound.got
    if speaker is None:
        if needed:
            what = sound.said or "the protocol needs sound, the rig has none"
            todo = "take a rig file with [sound], or a protocol without sounds"
            return Check("sound", Light.RED, what, "" if sound.said else todo)
        return _green("sound", "none is needed")
    unready = attempt(lambda: speaker.prepare(needed)).said
    if unready:
        return _essential("sound", unready)
    if overlong:
        todo = "make imagery.cue_s longer, or the files shorter"
        return Check("sound", Light.RED, _some(overlong), todo)
    about = ", ".join(_details(speaker.description))
    if any(word in about.casefold() for word in ("bluetooth", "bluez")):
        light = Light.RED if needed else Light.YELLOW
        return Check(
            "sound", light, f"{about}: by Bluetooth sounds come late, and never equally",
            "use a cable",
        )  # fmt: skip
    return _green("sound", about)


def _box(keys: Attempt[Keys]) -> Iterator[Check]:
    found = keys.got.description.get("response_box") if keys.got else None
    if isinstance(found, Mapping):
        which = f"{found['name']} at {found['port']}, firmware {found['firmware']}"
        yield _green("response-box", which)


def _robot(rig: RigFile) -> Iterator[Check]:
    if rig.robot:
        todo = "robot = false, or no such line in the rig file, before a patient sits here"
        yield Check("patient", Light.YELLOW, "a robot answers: this is no session", todo)


def _questions(
    port: Attempt[TriggerPort], keys: Attempt[Keys], sound: Attempt[Sound], plan: Plan | None
) -> Iterator[Check]:
    """Placeholders of what `task.preflight.tryout` asks."""
    if port.got and port.got.description.get("device") not in _NO_LINES:
        yield _grey("sweep", _UNASKED)
    if sound.got:
        yield _grey("tone", _UNASKED)
    if keys.got is None:
        yield _essential("keys", keys.said)
    elif plan and plan.answers:
        yield _grey("keys", _UNASKED)


# Disk, memory, power -------------------------------------------------------------------------


def session_bytes(plan: Plan) -> int:
    """Room that a session takes on the disk, twice what is expected."""
    return 2 * (len(plan.text) + _BYTES_PER_STEP * sum(1 for _ in plan.steps) + MB)


def _disk(disk: Disk, plan: Plan | None) -> Iterator[Check]:
    yield _disk_space(disk, max(LEAST_DISK_BYTES, session_bytes(plan) if plan else 0))
    if disk.fsync_s is None:
        yield _essential(
            "disk-write", f"{disk.folder}: nothing can be written here: {disk.error}",
            "give another folder with --data",
        )  # fmt: skip
    else:
        yield _disk_write(disk.fsync_s)
    yield _data_folder(disk)


def _disk_space(disk: Disk, needed: int) -> Check:
    if disk.free_bytes is None:
        return _unknown("disk-space", f"is there room for {_size(needed)}?")
    found = f"{_size(disk.free_bytes)} free"
    if disk.free_bytes < needed:
        todo = "make room, or give another folder with --data"
        return Check("disk-space", Light.RED, f"{found}; {_size(needed)} are needed", todo)
    if disk.free_bytes < USUAL_DISK_BYTES:
        return Check("disk-space", Light.YELLOW, found, "make room soon")
    return _green("disk-space", found)


def _disk_write(fsync_s: float) -> Check:
    found = f"a line is on the disk after {1000 * fsync_s:.1f} ms"
    if fsync_s > SLOW_FSYNC_S:
        todo = "a power cut may lose the last second: give a folder on a faster disk with --data"
        return Check("disk-write", Light.YELLOW, found, todo)
    return _green("disk-write", found)


def _data_folder(disk: Disk) -> Check:
    name, todo = "data-folder", "give a folder on this machine's own disk with --data"
    if disk.synchronised:
        found = f"{disk.folder} is copied elsewhere by {disk.synchronised}"
        return Check(name, Light.YELLOW, found, f"patient data: {todo}")
    if disk.remote:
        found = f"{disk.folder} lies on another machine ({disk.filesystem or 'network'})"
        return Check(name, Light.YELLOW, found, f"a lost network stops the log: {todo}")
    if disk.volatile:
        found = f"{disk.folder} lies in memory ({disk.filesystem})"
        return Check(name, Light.YELLOW, found, f"it is gone when the machine is off: {todo}")
    if disk.remote is None:
        return _unknown(name, f"does {disk.folder} lie on this machine's own disk?")
    return _green(name, f"{disk.folder}, on this machine")


def _memory(free: int | None, textures: int) -> Check:
    if free is None:
        return _unknown("memory", "is enough of it free?")
    needed = MEMORY_BYTES + textures
    found = f"{_size(free)} free"
    if free < needed:
        found = f"{found}; {_size(needed)} are needed"
        return Check("memory", Light.RED, found, "close other programs")
    if free < 2 * needed:
        return Check("memory", Light.YELLOW, found, "close other programs")
    return _green("memory", found)


def _load(load: float | None) -> Check:
    if load is None:
        return _unknown("processors", "do other programs keep them busy?")
    if load > 0.5:
        return Check(
            "processors", Light.YELLOW, f"{load:.0%} busy with other programs", "close them"
        )
    return _green("processors", f"{load:.0%} busy")


def _painters(painters: tuple[str, ...] | None) -> Check:
    if painters is None:
        return _unknown("graphics", "close browsers, video calls and other programs that draw")
    if painters:
        found = f"also drawing: {', '.join(painters)}"
        return Check("graphics", Light.YELLOW, found, "close them: they make frames late")
    return _green("graphics", "no other program draws with the graphics card, as far as seen")


def _power(power: Power | None) -> Check:
    if power is None or power.plugged is None:
        return _unknown("power", "is the charger plugged in?")
    if power.percent is None:
        return _green("power", "no battery: mains")
    if power.plugged:
        return _green("power", f"charger plugged in, battery {power.percent:.0f} %")
    light = Light.RED if power.percent < LOW_BATTERY else Light.YELLOW
    return Check(
        "power", light, f"no charger, battery {power.percent:.0f} %", "plug the charger in"
    )


def _awake(machine: Machine) -> Iterator[Check]:
    held = set(machine.held)
    if held & _KEEP_MACHINE:
        by = ", ".join(sorted(held & _KEEP_MACHINE))
        yield _green("sleep", f"kept off while a session runs by {by}")
    else:
        found = "nothing here can keep the machine from sleeping"
        todo = "switch sleep off in the power settings, and leave the lid open"
        yield Check("sleep", Light.YELLOW, found, todo)
    if held & _KEEP_SCREEN:
        by = ", ".join(sorted(held & _KEEP_SCREEN))
        yield _green("screen-off", f"kept off while a session runs by {by}")
    else:
        found = "; ".join(machine.blanking) or "nothing here can keep the screen from going off"
        todo = "switch screen saver, screen lock and energy saving off"
        yield Check("screen-off", Light.YELLOW, found, todo)


def _banners(banners: bool | None) -> Check:
    if banners is None:
        return _unknown("notifications", 'is "do not disturb" on?')
    if banners:
        found = "they appear on the screen"
        return Check("notifications", Light.YELLOW, found, 'switch "do not disturb" on')
    return _green("notifications", "they do not appear on the screen")


def _clock(clock: Clock) -> Check:
    found = f"{clock.now:%Y-%m-%d %H:%M:%S %Z}, ticks of {1e6 * clock.tick_s:.2g} \N{MICRO SIGN}s"
    if not 2025 <= clock.now.year < 2100:
        return Check("clock", Light.RED, found, "set date and time")
    if clock.tick_s > 0.001:
        return Check("clock", Light.RED, found, "take another machine: the clock is too coarse")
    if clock.synchronised is None:
        return _grey("clock", found, "look yourself: are date and time right?")
    if not clock.synchronised:
        found = f"{found}; nothing keeps it right"
        return Check("clock", Light.YELLOW, found, "compare it with the recorder's clock")
    return _green("clock", f"{found}, kept right over the network")


# Rows and words ------------------------------------------------------------------------------


def _green(name: str, found: str) -> Check:
    return Check(name, Light.GREEN, found)


def _essential(name: str, found: str, todo: str = "") -> Check:
    return Check(name, Light.RED, found, todo, essential=True)


def _grey(name: str, found: str, todo: str = "") -> Check:
    return Check(name, Light.GREY, found, todo)


def _unknown(name: str, question: str) -> Check:
    return _grey(name, "this cannot be known here", f"look yourself: {question}")


def _some(parts: Sequence[str], most: int = 5) -> str:
    more = f" and {len(parts) - most} more" if len(parts) > most else ""
    return ", ".join(parts[:most]) + more


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _size(size: int) -> str:
    if size >= 1000 * MB:
        return f"{size / 1000 / MB:.1f} GB"
    return f"{size / MB:.0f} MB" if size >= 10 * MB else f"{size / MB:.1f} MB"
