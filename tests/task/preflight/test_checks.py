"""Every light turns at its border, and says what to do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from task.contract.catalog import Catalog, Picture
from task.contract.codes import CODE_TABLE
from task.contract.errors import RigError, StimulusError
from task.contract.lights import Light
from task.contract.sessionlog import Kind
from task.plan import Block, Item, PictureItem, Plan, SoundItem, Step, TextItem, ToneItem, Trial
from task.preflight.checks import MB, automatic, session_bytes
from task.preflight.facts import Clock, Disk, Machine, Power, Screens, SerialDevice
from task.preflight.layout import WHAT_TO_DO
from task.preflight.lights import NAMES, Attempt, Check, worst
from task.rigfile import RigFile
from task.rigs.simulated import Robot, SimulatedDisplay, SimulatedPort

GREEN, YELLOW, RED, GREY = Light.GREEN, Light.YELLOW, Light.RED, Light.GREY
WINDOW: dict[str, object] = {
    "kind": "window",
    "renderer": "a graphics card",
    "size_px": [1920, 1080],
    "measured_hz": 60.02,
    "refresh_hz": 60.0,
    "pacing": "vertical blank",
    "screens_px": [[0, 0, 1920, 1080]],
    "screen_px": [0, 0, 1920, 1080],
    "covers_screen": True,
    "mirrored": False,
    "compositor": "none",
}
SERIAL: dict[str, object] = {"device": "serial", "port": "/dev/ttyUSB0", "baud": 115200}
FTDI = SerialDevice(
    "/dev/ttyUSB0",
    ("/dev/ttyUSB0 (FT232R, 0403:6001)",),
    "0403:6001",
    True,
    "dialout",
    (),
    1,
    False,
    None,
)
NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
MACHINE = Machine(
    system="Linux",
    screens=Screens(True, False),
    port=FTDI,
    disk=Disk("/data", 500_000 * MB, 0.001, "", "ext4", False, False),
    power=Power(True, None),
    clock=Clock(NOON, True, 1e-7),
    held=("XScreenSaverSuspend", "systemd-inhibit"),
    blanking=(),
    banners=False,
    load=0.1,
    memory_bytes=8_000 * MB,
    painters=(),
)


class Window(SimulatedDisplay):
    """A display with a description, and textures of a size."""

    def __init__(self, bytes_of: Callable[[Item], int] = lambda _: 1000, **changed: object) -> None:
        super().__init__(60.0)
        self.description = WINDOW | changed
        self.bytes_of = bytes_of

    def texture_bytes(self, item: Item) -> int:
        return self.bytes_of(item)


class Loudspeaker:
    """Plays nothing here."""

    def __init__(self, device: str = "Speakers") -> None:
        self.description: dict[str, object] = {"device": device, "volume": 0.5, "not_used": {}}

    def prepare(self, items: Sequence[object]) -> None:
        for item in items:
            if isinstance(item, SoundItem):
                raise StimulusError(f"{item.file}: cannot be played")

    def start(self, item: object, at_s: float) -> None: ...

    def silence(self) -> None: ...

    def started(self) -> tuple[()]:
        return ()

    def close(self) -> None: ...


def port(**description: object) -> SimulatedPort:
    made = SimulatedPort(lambda: 0.0, 0.005, 0.005)
    made.description = description
    return made


def plan(*items: Item, answers: tuple[str, ...] = ("yes", "no")) -> Plan:
    """A block for each item, each shown for a second."""
    blocks = tuple(
        Block("screening", (Trial(Kind.VIEW, (Step("IMAGE_ON", (item,), 60, answers),), "dog"),))
        for item in items
    )
    return Plan("x", 60.0, 1, 2, dict(CODE_TABLE), "pets", blocks, ("dog",))


CATALOG = Catalog("pets", {"dog": Picture("dog", Path("dog.png"), "0", "animal", {})}, "0")
DOG = PictureItem("dog", 5.0)


def rig(**changed: Any) -> RigFile:
    made: dict[str, Any] = {"name": "x", "triggers": {"port": "/dev/ttyUSB0"}}
    return RigFile.model_validate(made | changed)


def checks(**changed: Any) -> Mapping[str, Check]:
    """The lights of a good machine, but for what is changed."""
    given: dict[str, Any] = {
        "rig": rig(),
        "machine": MACHINE,
        "catalog": Attempt(CATALOG),
        "plan": Attempt(plan(DOG)),
        "display": Attempt(Window()),
        "port": Attempt(port(**SERIAL)),
        "keys": Attempt(Robot(lambda: 0.0, 1)),
        "sound": Attempt(None),
        "undecodable": {},
        "outside": Attempt(()),
        "overlong": (),
    }
    found = automatic(**(given | changed))
    assert [c.name for c in found] == sorted((c.name for c in found), key=NAMES.index)
    return {check.name: check for check in found}


def on(name: str, **changed: Any) -> Check:
    return checks(**changed)[name]


def machine(name: str, **changed: Any) -> Check:
    """One light of a machine of which something is changed."""
    return on(name, machine=replace(MACHINE, **changed))


def test_a_good_machine_is_green_but_for_what_somebody_must_look_at() -> None:
    found = checks()
    assert worst(list(found.values())) is GREEN
    assert {c.name: c.found for c in found.values() if c.light is not GREEN} == {
        "sweep": "nobody was asked",
        "keys": "nobody was asked",
    }
    assert {name: check.found for name, check in found.items() if check.light is GREEN} == {
        "protocol": "1 trials, at most 0 min",
        "pictures": "all 1 of set pets are as they were",
        "decoding": "all 1 that are shown can be read",
        "fonts": "every character of 1 text can be drawn",
        "layout": "everything has room on the screen",
        "textures": "the largest block takes 0.0 MB of 800 MB",
        "display": "1920 x 1080 px, a graphics card",
        "refresh": "60.02 Hz measured, the plan is for 60 Hz",
        "full-screen": "the window covers the screen",
        "primary": "the rig's screen is the primary one",
        "mirrored": "no two screens show the same",
        "compositor": "none: the window is shown as it is swapped",
        "port": "serial on /dev/ttyUSB0, baud 115200",
        "port-rights": "/dev/ttyUSB0 can be read and written",
        "port-users": "nobody else has /dev/ttyUSB0 open, as far as can be seen",
        "modem-manager": "ModemManager is not running",
        "latency-timer": "1 ms",
        "sound": "none is needed",
        "disk-space": "500.0 GB free",
        "disk-write": "a line is on the disk after 1.0 ms",
        "data-folder": "/data, on this machine",
        "memory": "8.0 GB free",
        "processors": "10% busy",
        "graphics": "no other program draws with the graphics card, as far as seen",
        "power": "no battery: mains",
        "sleep": "kept off while a session runs by systemd-inhibit",
        "screen-off": "kept off while a session runs by XScreenSaverSuspend",
        "notifications": "they do not appear on the screen",
        "clock": "2026-03-14 12:00:00 UTC, ticks of 0.1 \N{MICRO SIGN}s, kept right over the"
        " network",
    }


def test_what_is_not_known_is_grey_and_says_what_to_look_at() -> None:
    unknown = Machine(
        "Windows", Screens(), SerialDevice(), Disk("C:\\data"), None, Clock(NOON, None, 1e-7)
    )
    window = Window(compositor="the system's")
    found = checks(machine=unknown, display=Attempt(window))
    assert {c.name: c.todo for c in found.values() if c.light is GREY and c.todo} == {
        "compositor": "look yourself: a photodiode tells how long after the log the picture comes",
        "primary": "look yourself: is the rig's screen the primary one?",
        "mirrored": "look yourself: do two screens show the same? They must not",
        "disk-space": "look yourself: is there room for 100 MB?",
        "data-folder": "look yourself: does C:\\data lie on this machine's own disk?",
        "memory": "look yourself: is enough of it free?",
        "processors": "look yourself: do other programs keep them busy?",
        "graphics": "look yourself: close browsers, video calls and other programs that draw",
        "power": "look yourself: is the charger plugged in?",
        "notifications": 'look yourself: is "do not disturb" on?',
        "clock": "look yourself: are date and time right?",
    }


# What is shown -------------------------------------------------------------------------------


def test_a_protocol_without_a_plan_is_red_and_nobody_can_answer_for_it() -> None:
    found = checks(plan=Attempt(None, "p.toml:3: image_s: is too short"))
    assert found["protocol"] == Check(
        "protocol", RED, "p.toml:3: image_s: is too short", essential=True
    )
    assert not {"decoding", "fonts", "layout", "textures"} & set(found)


def test_a_set_that_changed_is_red() -> None:
    found = checks(catalog=Attempt(None, "m.csv:2: picture 'dog': file 'dog.png' is missing"))
    assert found["pictures"] == Check(
        "pictures", RED, "m.csv:2: picture 'dog': file 'dog.png' is missing", essential=True
    )
    assert "decoding" not in found


def test_pictures_that_cannot_be_read_are_named_five_of_them() -> None:
    damaged = {f"p{n}": "it is damaged, or no picture" for n in range(7)}
    check = on("decoding", undecodable=damaged)
    named = ", ".join(f"p{n} (it is damaged, or no picture)" for n in range(5))
    assert check == Check(
        "decoding",
        RED,
        f"cannot be read: {named} and 2 more",
        "build or import the set again",
        essential=True,
    )


def test_a_character_that_no_font_has_is_red() -> None:
    check = on("fonts", plan=Attempt(plan(TextItem("a\U0010fffdb", 1.0))))
    assert check == Check(
        "fonts",
        RED,
        "no font here has \U0010fffd in 'a\\U0010fffdb'",
        "use other words, or install a font",
    )


def test_what_has_no_room_is_red_and_nobody_can_answer_for_it() -> None:
    check = on("layout", outside=Attempt(["'a' needs a screen 30.0 degrees wide", "'b' too"]))
    assert check == Check(
        "layout",
        RED,
        "'a' needs a screen 30.0 degrees wide, 'b' too",
        WHAT_TO_DO,
        essential=True,
    )


def test_nothing_is_said_of_room_where_a_picture_cannot_be_read() -> None:
    assert "layout" not in checks(outside=Attempt(None, "dog.png: cannot be read"))
    assert "layout" not in checks(display=Attempt(None, "no window"))


@pytest.mark.parametrize(("megabytes", "light"), [(800, GREEN), (801, RED)])
def test_the_largest_block_must_fit_into_the_textures(megabytes: int, light: Light) -> None:
    sizes = {"dog": megabytes * MB, "cat": MB}
    window = Window(lambda item: sizes[item.picture] if isinstance(item, PictureItem) else 0)
    shown = Attempt(plan(DOG, PictureItem("cat", 5.0), ToneItem(440.0, 0.1)))
    check = on("textures", display=Attempt(window), plan=shown)
    assert check.found == f"the largest block takes {megabytes} MB of 800 MB"
    assert check.light is light and check.essential is (light is RED)
    assert check.todo == (
        "make blocks shorter (break_after) or pictures smaller (picture_deg), or raise texture_mb"
        " in the rig file"
        if light is RED
        else ""
    )


def test_a_picture_shown_often_is_one_texture() -> None:
    step = Step("IMAGE_ON", (DOG,), 60)
    block = Block("screening", (Trial(Kind.VIEW, (step, step), "dog"),) * 10)
    shown = replace(plan(DOG), blocks=(block,))
    window = Window(lambda _: 10 * MB)
    check = on("textures", display=Attempt(window), plan=Attempt(shown))
    assert check.found == "the largest block takes 10 MB of 800 MB"


def test_a_picture_whose_size_cannot_be_read_is_red() -> None:
    def broken(_: Item) -> int:
        raise StimulusError("dog.png: is no picture")

    check = on("textures", display=Attempt(Window(broken)))
    assert check == Check("textures", RED, "dog.png: is no picture", essential=True)


# The display ---------------------------------------------------------------------------------


def test_without_a_display_nothing_else_is_said_of_it() -> None:
    found = checks(display=Attempt(None, "no window can be opened"))
    assert found["display"] == Check("display", RED, "no window can be opened", essential=True)
    assert not {"refresh", "full-screen", "primary", "mirrored", "compositor"} & set(found)


@pytest.mark.parametrize(
    ("measured_hz", "light"), [(59.41, GREEN), (59.39, RED), (60.59, GREEN), (60.61, RED)]
)
def test_a_rate_more_than_1_percent_off_the_plan_is_red(measured_hz: float, light: Light) -> None:
    check = on("refresh", display=Attempt(Window(measured_hz=measured_hz)))
    assert check.light is light and not check.essential
    assert check.found == f"{measured_hz:.2f} Hz measured, the plan is for 60 Hz"
    todo = "set the display, or refresh_hz under [screen] in the rig file"
    assert check.todo == (todo if light is RED else "")


def test_a_rate_that_cannot_be_measured_is_red() -> None:
    assert on("refresh", display=Attempt(Window(measured_hz=None))) == Check(
        "refresh",
        RED,
        "cannot be measured: swaps are too irregular",
        "close other programs, switch off variable refresh and the compositor, use one screen",
    )


def test_a_virtual_display_is_not_for_patients() -> None:
    assert on("refresh", display=Attempt(Window(pacing="software: no vertical blank"))) == Check(
        "refresh",
        YELLOW,
        "virtual display, paced by the clock: not for patients",
        "for a patient take a screen of this machine, with its graphics driver",
    )


def test_a_simulated_display_has_no_screen_to_check() -> None:
    found = checks(display=Attempt(SimulatedDisplay(60.0)))
    assert found["refresh"] == Check("refresh", GREY, "not a real display")
    assert "mirrored" not in found


def test_a_window_that_leaves_some_of_the_screen_free_is_yellow() -> None:
    windowed = on("full-screen", rig=rig(screen={"full_screen": False}))
    assert windowed == Check(
        "full-screen",
        YELLOW,
        "a window: timing is exact only if it fills the screen",
        "set full_screen = true under [screen] in the rig file",
    )
    assert on("full-screen", display=Attempt(Window(covers_screen=False))) == Check(
        "full-screen",
        YELLOW,
        "the window does not cover the screen",
        "switch display scaling and docks off",
    )


def test_a_screen_that_is_not_there_is_red() -> None:
    assert on("display", rig=rig(screen={"number": 1})) == Check(
        "display",
        RED,
        "there is no screen number 1",
        "plug it in, or set number under [screen] in the rig file; the first screen is 0",
    )


def test_the_response_box_is_named() -> None:
    keys = Robot(lambda: 0.0, 1)
    keys.description = {"response_box": {"name": "Cedrus RB-830", "port": "COM4", "firmware": "2"}}
    assert on("response-box", keys=Attempt(keys)) == Check(
        "response-box", GREEN, "Cedrus RB-830 at COM4, firmware 2"
    )


def test_a_robot_is_no_patient() -> None:
    assert on("patient", rig=rig(robot=True)) == Check(
        "patient",
        YELLOW,
        "a robot answers: this is no session",
        "robot = false, or no such line in the rig file, before a patient sits here",
    )


def test_a_screen_that_is_not_the_primary_one_is_yellow() -> None:
    two = Window(screens_px=[[0, 0, 1920, 1080], [1920, 0, 800, 600]])
    check = on(
        "primary",
        display=Attempt(two),
        machine=replace(MACHINE, screens=Screens(False, False)),
    )
    assert check == Check(
        "primary",
        YELLOW,
        "the rig's screen is not the primary one; there are 2 screens",
        "make it the primary one in the display settings, or set number under [screen]",
    )


@pytest.mark.parametrize(("by_system", "by_window"), [(True, False), (False, True), (None, True)])
def test_mirrored_screens_are_red_whoever_saw_it(by_system: bool | None, by_window: bool) -> None:
    check = on(
        "mirrored",
        display=Attempt(Window(mirrored=by_window)),
        machine=replace(MACHINE, screens=Screens(True, by_system)),
    )
    assert check == Check(
        "mirrored",
        RED,
        "two screens show the same: one of them is not in time",
        "extend the desktop instead, or unplug the other screen",
    )


@pytest.mark.parametrize(
    ("compositor", "system", "found", "todo"),
    [
        (
            "wayland",
            "Linux",
            "Wayland: the desktop puts the picture together, more than 1 ms of jitter",
            'log in with a desktop "on Xorg"',
        ),
        (
            "running",
            "Linux",
            "the desktop puts the picture together before it is shown",
            "switch the desktop's compositor off while a session runs",
        ),
        (
            "the system's",
            "Darwin",
            "macOS puts the picture together: it comes about a frame later",
            "measure it with a photodiode, or take a machine with Linux or Windows",
        ),
    ],
)
def test_whoever_puts_the_picture_together_is_yellow(
    compositor: str, system: str, found: str, todo: str
) -> None:
    check = on(
        "compositor",
        display=Attempt(Window(compositor=compositor)),
        machine=replace(MACHINE, system=system),
    )
    assert check == Check("compositor", YELLOW, found, todo)


# The trigger port ----------------------------------------------------------------------------


def test_a_port_that_cannot_be_opened_is_red_with_what_is_plugged_in() -> None:
    gone = replace(FTDI, name=None, plugged_in=("/dev/ttyACM0 (Micro, 2341:8037)",))
    found = checks(
        port=Attempt(None, "the trigger port '/dev/ttyUSB0' cannot be opened"),
        machine=replace(MACHINE, port=gone),
    )
    assert found["port"] == Check(
        "port",
        RED,
        "the trigger port '/dev/ttyUSB0' cannot be opened",
        "plugged in here: /dev/ttyACM0 (Micro, 2341:8037)",
        essential=True,
    )
    assert not {"port-rights", "port-users", "modem-manager", "latency-timer", "sweep"} & set(found)


def test_what_is_plugged_in_is_said_once() -> None:
    said = "cannot be opened; ports found here: /dev/ttyUSB0 (FT232R, 0403:6001)"
    assert on("port", port=Attempt(None, said)).todo == ""


@pytest.mark.parametrize("device", ["none", "simulated"])
def test_a_rig_without_triggers_is_yellow_and_has_no_lines_to_sweep(device: str) -> None:
    found = checks(port=Attempt(port(device=device)))
    assert found["port"] == Check(
        "port",
        YELLOW,
        "a rig without triggers: the recording will hold no codes",
        "for a patient take a rig file that names the trigger device",
    )
    assert "sweep" not in found


def test_the_port_says_what_it_identified() -> None:
    about = {"device": "cedrus", "port": "COM3", "baud": 115200, "x": None, "low_latency": True}
    about["product"] = "c-pod"
    assert on("port", port=Attempt(port(**about))).found == (
        "cedrus on COM3, baud 115200, product c-pod"
    )


def test_a_port_that_this_user_may_not_use_is_red() -> None:
    check = machine("port-rights", port=replace(FTDI, allowed=False))
    assert check == Check(
        "port-rights",
        RED,
        "this user may not use /dev/ttyUSB0",
        "sudo usermod -a -G dialout $USER, then log out and in again",
    )


def test_a_port_that_others_have_open_is_red() -> None:
    check = machine("port-users", port=replace(FTDI, users=("gpsd (71)", "screen (902)")))
    assert check == Check(
        "port-users",
        RED,
        "/dev/ttyUSB0 is also open in gpsd (71), screen (902)",
        "end that program: whatever it writes becomes a code",
    )


def test_modem_manager_must_be_told_to_leave_the_device_alone() -> None:
    free = replace(FTDI, modem_manager=True, ignored=False)
    assert machine("modem-manager", port=free) == Check(
        "modem-manager",
        YELLOW,
        "ModemManager is running and may write to /dev/ttyUSB0: false codes",
        'put into /etc/udev/rules.d/99-triggers.rules: ATTRS{idVendor}=="0403",'
        ' ATTRS{idProduct}=="6001", ENV{ID_MM_DEVICE_IGNORE}="1"; then plug the device in again',
    )
    told = machine("modem-manager", port=replace(free, ignored=True))
    assert told == Check(
        "modem-manager", GREEN, "ModemManager is running and leaves the device alone"
    )
    unknown = machine("modem-manager", port=replace(free, ignored=None))
    assert unknown.light is GREY
    assert unknown.todo == (
        "look yourself: ModemManager is running: does a udev rule keep it off the device?"
    )


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("/dev/ttyUSB0", "echo 1 | sudo tee /sys/bus/usb-serial/devices/ttyUSB0/latency_timer"),
        ("COM3", "Device Manager, Ports, Advanced: Latency Timer 1"),
    ],
)
def test_a_slow_latency_timer_is_yellow(name: str, how: str) -> None:
    check = machine("latency-timer", port=replace(FTDI, name=name, latency_ms=16))
    assert check == Check(
        "latency-timer", YELLOW, "16 ms: the device's replies come late (codes do not)", how
    )


def test_of_what_is_no_usb_device_nothing_of_usb_is_said() -> None:
    terminal = SerialDevice("/dev/pts/3", (), None, True, "tty", (), 0, True, False)
    found = checks(machine=replace(MACHINE, port=terminal))
    assert not {"modem-manager", "latency-timer"} & set(found)


# Sound and keys ------------------------------------------------------------------------------


TONES = Attempt(plan(ToneItem(440.0, 0.1)))


def test_a_protocol_with_sounds_needs_a_rig_with_sound() -> None:
    assert on("sound", plan=TONES) == Check(
        "sound",
        RED,
        "the protocol needs sound, the rig has none",
        "take a rig file with [sound], or a protocol without sounds",
    )
    failed = on("sound", plan=TONES, sound=Attempt(None, "no sound device is plugged in"))
    assert failed == Check("sound", RED, "no sound device is plugged in")


def test_a_loudspeaker_is_green_and_a_tone_is_still_to_be_heard() -> None:
    found = checks(plan=TONES, sound=Attempt(Loudspeaker()))
    assert found["sound"] == Check("sound", GREEN, "device Speakers, volume 0.5")
    assert found["tone"] == Check("tone", GREY, "nobody was asked")


def test_a_sound_file_that_cannot_be_played_is_red() -> None:
    spoken = Attempt(plan(SoundItem("dog.wav")))
    assert on("sound", plan=spoken, sound=Attempt(Loudspeaker())) == Check(
        "sound", RED, "dog.wav: cannot be played", essential=True
    )


def test_sounds_longer_than_their_cues_are_red_and_somebody_may_answer_for_them() -> None:
    assert on(
        "sound", plan=TONES, sound=Attempt(Loudspeaker()), overlong=["a.wav lasts 2.00 s"]
    ) == Check(
        "sound", RED, "a.wav lasts 2.00 s", "make imagery.cue_s longer, or the files shorter"
    )


@pytest.mark.parametrize(("shown", "light"), [(TONES, RED), (Attempt(plan(DOG)), YELLOW)])
def test_bluetooth_is_refused_where_sounds_matter(shown: Attempt[Plan], light: Light) -> None:
    check = on("sound", plan=shown, sound=Attempt(Loudspeaker("Bluetooth headset")))
    assert check == Check(
        "sound",
        light,
        "device Bluetooth headset, volume 0.5: by Bluetooth sounds come late, and never equally",
        "use a cable",
    )


def test_keys_that_cannot_be_opened_are_red_and_those_nobody_needs_are_not_asked_for() -> None:
    failed = on("keys", keys=Attempt(None, "no response box answers"))
    assert failed == Check("keys", RED, "no response box answers", essential=True)
    assert "keys" not in checks(plan=Attempt(plan(DOG, answers=("any",))))


# Disk, memory, power -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "light", "found", "todo"),
    [
        (100 * MB - 1, RED, "100 MB free; 100 MB are needed", "make room, or give another folder"),
        (100 * MB, YELLOW, "100 MB free", "make room soon"),
        (1000 * MB - 1, YELLOW, "1000 MB free", "make room soon"),
        (1000 * MB, GREEN, "1.0 GB free", ""),
    ],
)
def test_room_on_the_disk(free: int, light: Light, found: str, todo: str) -> None:
    check = machine("disk-space", disk=replace(MACHINE.disk, free_bytes=free))
    assert (check.light, check.found) == (light, found)
    assert check.todo == (f"{todo} with --data" if light is RED else todo)


def test_a_long_session_needs_more_room() -> None:
    long = replace(plan(DOG), name="x" * 50 * MB)  # the plan itself lies in the session's folder
    needed = session_bytes(long)
    assert needed > 100 * MB
    full = replace(MACHINE, disk=replace(MACHINE.disk, free_bytes=needed - 1))
    enough = replace(MACHINE, disk=replace(MACHINE.disk, free_bytes=needed))
    found = [on("disk-space", plan=Attempt(long), machine=m).light for m in (full, enough)]
    assert found == [RED, YELLOW]


@pytest.mark.parametrize(("fsync_s", "light"), [(0.020, GREEN), (0.0201, YELLOW)])
def test_a_slow_disk_is_yellow(fsync_s: float, light: Light) -> None:
    check = machine("disk-write", disk=replace(MACHINE.disk, fsync_s=fsync_s))
    assert check.light is light
    assert check.found == f"a line is on the disk after {1000 * fsync_s:.1f} ms"


def test_a_folder_that_takes_nothing_is_red_and_nobody_can_answer_for_it() -> None:
    disk = replace(MACHINE.disk, fsync_s=None, error="Read-only file system")
    assert machine("disk-write", disk=disk) == Check(
        "disk-write",
        RED,
        "/data: nothing can be written here: Read-only file system",
        "give another folder with --data",
        essential=True,
    )


@pytest.mark.parametrize(
    ("where", "found", "todo"),
    [
        (
            {"synchronised": "OneDrive"},
            "/data is copied elsewhere by OneDrive",
            "patient data: give a folder on this machine's own disk with --data",
        ),
        (
            {"remote": True, "filesystem": "nfs4"},
            "/data lies on another machine (nfs4)",
            "a lost network stops the log: give a folder on this machine's own disk with --data",
        ),
        (
            {"volatile": True, "filesystem": "tmpfs"},
            "/data lies in memory (tmpfs)",
            "it is gone when the machine is off: give a folder on this machine's own disk with"
            " --data",
        ),
    ],
)
def test_data_that_lie_elsewhere_are_yellow(where: dict[str, Any], found: str, todo: str) -> None:
    check = machine("data-folder", disk=replace(MACHINE.disk, **where))
    assert check == Check("data-folder", YELLOW, found, todo)


@pytest.mark.parametrize(
    ("free", "light", "found"),
    [
        (310 * MB - 1, RED, "310 MB free; 310 MB are needed"),
        (310 * MB, YELLOW, "310 MB free"),
        (620 * MB, GREEN, "620 MB free"),
    ],
)
def test_memory_must_hold_the_largest_block(free: int, light: Light, found: str) -> None:
    check = on(
        "memory",
        display=Attempt(Window(lambda _: 10 * MB)),
        machine=replace(MACHINE, memory_bytes=free),
    )
    assert (check.light, check.found) == (light, found)


@pytest.mark.parametrize(("load", "light"), [(0.5, GREEN), (0.51, YELLOW)])
def test_busy_processors_are_yellow(load: float, light: Light) -> None:
    assert machine("processors", load=load).light is light


def test_other_programs_that_draw_are_named() -> None:
    assert machine("graphics", painters=("firefox", "zoom")) == Check(
        "graphics", YELLOW, "also drawing: firefox, zoom", "close them: they make frames late"
    )


@pytest.mark.parametrize(
    ("power", "light", "found"),
    [
        (Power(True, 12.0), GREEN, "charger plugged in, battery 12 %"),
        (Power(False, 30.0), YELLOW, "no charger, battery 30 %"),
        (Power(False, 29.9), RED, "no charger, battery 30 %"),
        (Power(False, 29.0), RED, "no charger, battery 29 %"),
    ],
)
def test_a_battery_must_last(power: Power, light: Light, found: str) -> None:
    check = machine("power", power=power)
    todo = "" if light is GREEN else "plug the charger in"
    assert check == Check("power", light, found, todo)


def test_a_machine_that_nothing_keeps_awake_is_yellow() -> None:
    asleep = replace(MACHINE, held=(), blanking=("the screen saver starts after 600 s",))
    found = checks(machine=asleep)
    assert found["sleep"] == Check(
        "sleep",
        YELLOW,
        "nothing here can keep the machine from sleeping",
        "switch sleep off in the power settings, and leave the lid open",
    )
    assert found["screen-off"] == Check(
        "screen-off",
        YELLOW,
        "the screen saver starts after 600 s",
        "switch screen saver, screen lock and energy saving off",
    )


def test_what_keeps_the_machine_awake_need_not_keep_the_screen_on() -> None:
    found = checks(machine=replace(MACHINE, held=("systemd-inhibit",)))
    assert (found["sleep"].light, found["screen-off"].light) == (GREEN, YELLOW)
    found = checks(machine=replace(MACHINE, held=("XScreenSaverSuspend",)))
    assert (found["sleep"].light, found["screen-off"].light) == (YELLOW, GREEN)


def test_notifications_are_yellow() -> None:
    assert machine("notifications", banners=True) == Check(
        "notifications", YELLOW, "they appear on the screen", 'switch "do not disturb" on'
    )


@pytest.mark.parametrize(
    ("clock", "light", "todo"),
    [
        (Clock(NOON.replace(year=2024), True, 1e-7), RED, "set date and time"),
        (Clock(NOON.replace(year=2100), True, 1e-7), RED, "set date and time"),
        (
            Clock(NOON, True, 0.0011),
            RED,
            "take another machine: the clock is too coarse",
        ),
        (Clock(NOON, False, 1e-7), YELLOW, "compare it with the recorder's clock"),
    ],
)
def test_a_clock_must_be_right_and_fine(clock: Clock, light: Light, todo: str) -> None:
    check = machine("clock", clock=clock)
    assert (check.light, check.todo) == (light, todo)


def test_a_bug_is_no_red_light() -> None:
    def bug(_: Item) -> int:
        raise RuntimeError("ours")

    with pytest.raises(RuntimeError, match="ours"):
        checks(display=Attempt(Window(bug)))


def test_an_error_of_the_rig_is_a_red_light() -> None:
    def narrow(_: Item) -> int:
        raise RigError("does not fit on the screen")

    assert on("textures", display=Attempt(Window(narrow))).found == "does not fit on the screen"
