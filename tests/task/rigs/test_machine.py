"""What the system tells of itself, read from trees like those below /proc and /sys."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from task.preflight.facts import Power, Screens, SerialDevice
from task.rigs import machine
from task.rigs.machine import (
    Mount,
    Process,
    banners,
    blanking,
    blanking_macos,
    blanking_x,
    disk,
    look,
    more_outputs,
    overlapping,
    painters,
    power,
    primary_of,
    processes,
    screens,
    serial_device,
    synchronised_by,
    xrandr_outputs,
)

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and /sys")
Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A root with these files in it; a text that begins with "->" is a link."""

    def made(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("->"):
                path.symlink_to(text.removeprefix("->"))
            else:
                path.write_text(text, encoding="utf-8")
        return tmp_path

    return made


USB = "sys/devices/pci0/usb1/1-2"
TTY = f"{USB}/1-2:1.0/ttyUSB0/tty/ttyUSB0"
FTDI = {
    "dev/ttyUSB0": "",
    "dev/serial/by-id/usb-FTDI_box": "->../../ttyUSB0",
    f"{USB}/uevent": "DEVTYPE=usb_device\n",
    f"{USB}/idVendor": "0403\n",
    f"{USB}/idProduct": "6001\n",
    f"{USB}/dev": "189:4\n",
    f"{TTY}/uevent": "DEVNAME=ttyUSB0\n",
    f"{TTY}/dev": "188:0\n",
    "sys/class/tty/ttyUSB0": f"->../../../{TTY}",
    "sys/bus/usb-serial/devices/ttyUSB0/latency_timer": "16\n",
    "run/udev/data/c188:0": "E:ID_VENDOR_ID=0403\n",
}
OURS = Process(10, "imagery", frozenset())
MANAGER = Process(20, "ModemManager", frozenset())
HOLDER = Process(30, "gpsd", frozenset(("/dev/ttyUSB0", "/dev/null")))


# The trigger port ----------------------------------------------------------------------------


@linux
def test_a_serial_device_is_known_from_the_systems_files(tree: Tree) -> None:
    root = tree(FTDI)
    found = serial_device("/dev/ttyUSB0", ("/dev/ttyUSB0",), [OURS, HOLDER], root)
    assert found == SerialDevice(
        name="/dev/ttyUSB0",
        plugged_in=("/dev/ttyUSB0",),
        usb_id="0403:6001",
        allowed=True,
        group=(root / "dev/ttyUSB0").group(),
        users=("gpsd (30)",),
        latency_ms=16,
        modem_manager=False,
        ignored=False,
    )


@linux
def test_a_link_leads_to_the_device(tree: Tree) -> None:
    found = serial_device("/dev/serial/by-id/usb-FTDI_box", None, [HOLDER], tree(FTDI))
    assert (found.name, found.usb_id, found.users) == ("/dev/ttyUSB0", "0403:6001", ("gpsd (30)",))


@linux
@pytest.mark.parametrize(
    ("file", "rule"),
    [
        ("run/udev/data/c188:0", "E:ID_MM_DEVICE_IGNORE=1\n"),
        ("run/udev/data/c188:0", "E:ID_MM_PORT_IGNORE=1\n"),
        ("run/udev/data/c189:4", "S:x\nE:ID_MM_DEVICE_IGNORE=1\nE:Y=2\n"),
    ],
)
def test_a_udev_rule_for_the_device_or_the_box_keeps_modem_manager_off(
    tree: Tree, file: str, rule: str
) -> None:
    found = serial_device("/dev/ttyUSB0", None, [MANAGER], tree(FTDI | {file: rule}))
    assert (found.modem_manager, found.ignored) == (True, True)


@linux
def test_a_rule_that_says_0_does_not(tree: Tree) -> None:
    files = FTDI | {"run/udev/data/c188:0": "E:ID_MM_DEVICE_IGNORE=0\n"}
    assert serial_device("/dev/ttyUSB0", None, [MANAGER], tree(files)).ignored is False


@linux
def test_without_udev_nothing_is_known_of_its_rules(tree: Tree) -> None:
    files = {name: text for name, text in FTDI.items() if not name.startswith("run/")}
    assert serial_device("/dev/ttyUSB0", None, [MANAGER], tree(files)).ignored is None


@linux
def test_a_device_without_an_ftdi_chip_has_no_latency_timer(tree: Tree) -> None:
    files = {name: text for name, text in FTDI.items() if not name.startswith("sys/bus")}
    assert serial_device("/dev/ttyUSB0", None, None, tree(files)).latency_ms == 0


@linux
def test_a_pseudo_terminal_hangs_on_nothing(tree: Tree) -> None:
    found = serial_device("/dev/pts/3", None, None, tree({"dev/pts/3": ""}))
    assert (found.name, found.usb_id, found.latency_ms) == ("/dev/pts/3", None, None)
    assert (found.users, found.modem_manager, found.ignored) == (None, None, None)


@linux
@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may do everything")
def test_a_device_that_this_user_may_not_use(tree: Tree) -> None:
    root = tree(FTDI)
    (root / "dev/ttyUSB0").chmod(0)
    assert serial_device("/dev/ttyUSB0", None, None, root).allowed is False


@linux
@pytest.mark.parametrize("port", ["loop://", "socket://localhost:7", "", "/dev/ttyUSB7"])
def test_what_is_no_device_here_has_no_name(tree: Tree, port: str) -> None:
    found = serial_device(port, ("/dev/ttyUSB0",), [MANAGER], tree(FTDI))
    assert found == SerialDevice(None, ("/dev/ttyUSB0",), modem_manager=True)


@linux
def test_programs_are_read_with_the_devices_they_have_open(tree: Tree) -> None:
    root = tree(
        {
            "proc/1/comm": "systemd\n",
            "proc/71/comm": "gpsd\n",
            "proc/71/fd/0": "->/dev/null",
            "proc/71/fd/3": "->/dev/ttyUSB0",
            "proc/71/fd/4": "->socket:[123]",
            "proc/self/comm": "python\n",
            "proc/99/status": "no comm: it has ended\n",
        }
    )
    found = processes(root)
    assert found is not None
    assert sorted(found) == [
        Process(1, "systemd", frozenset()),
        Process(71, "gpsd", frozenset(("/dev/null", "/dev/ttyUSB0"))),
        Process(99, "?", frozenset()),
    ]


def test_without_proc_no_program_is_known(tree: Tree) -> None:
    assert processes(tree({})) is None


@linux
def test_a_port_that_another_program_holds_is_found_out() -> None:
    import subprocess

    ours, theirs = os.openpty()
    name = os.ttyname(theirs)
    command = [sys.executable, "-c", "print(flush=True); input()"]
    with (
        os.fdopen(ours, "rb"),
        os.fdopen(theirs, "r+b", buffering=0) as terminal,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=terminal
        ) as other,
    ):
        assert other.stdout and other.stdin
        other.stdout.readline()  # it runs
        users = serial_device(name, None, processes()).users
        other.stdin.close()
    assert users is not None and f"({other.pid})" in users[0] and len(users) == 1
    assert serial_device(name, None, []).name is None  # it went with its last user


# Screens -------------------------------------------------------------------------------------


XRANDR = """Screen 0: minimum 320 x 200, current 3840 x 1080, maximum 16384 x 16384
eDP-1 connected primary 1920x1080+1920+0 (normal left inverted right x axis) 344mm x 194mm
   1920x1080     60.02*+  59.97
HDMI-1 connected 1920x1080+0+0 (normal left inverted right x axis y axis) 527mm x 296mm
   1920x1080     60.00*+
DP-1 disconnected (normal left inverted right x axis y axis)
DP-2 connected (normal left inverted right x axis y axis)
"""


def test_xrandr_tells_where_each_output_lies() -> None:
    outputs = xrandr_outputs(XRANDR)
    assert outputs == [((1920, 0, 1920, 1080), True), ((0, 0, 1920, 1080), False)]
    assert primary_of(outputs) == (1920, 0)
    assert not overlapping(outputs)


def test_two_outputs_at_one_place_are_mirrored() -> None:
    outputs = xrandr_outputs(XRANDR.replace("+1920+0", "+0+0"))
    assert outputs is not None and overlapping(outputs)
    smaller = xrandr_outputs(XRANDR.replace("1920x1080+1920+0", "800x600+100+100"))
    assert smaller is not None and overlapping(smaller)


def test_without_xrandr_nothing_is_known_of_outputs() -> None:
    assert xrandr_outputs(None) is None
    assert primary_of(None) is None
    assert primary_of([((0, 0, 800, 600), False)]) is None


@linux
def test_more_sockets_than_pictures_are_mirrored(tree: Tree) -> None:
    root = tree(
        {
            "sys/class/drm/card0-eDP-1/enabled": "enabled\n",
            "sys/class/drm/card0-HDMI-A-1/enabled": "enabled\n",
            "sys/class/drm/card0-DP-1/enabled": "disabled\n",
        }
    )
    assert more_outputs(1, root) is True
    assert more_outputs(2, root) is False


def test_where_no_socket_is_known_nothing_is_told(tree: Tree) -> None:
    assert more_outputs(1, tree({})) is None


@linux
def test_the_rigs_screen_is_found_among_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(machine, "run", lambda command: XRANDR)
    left, right = [0, 0, 1920, 1080], [1920, 0, 1920, 1080]
    both = {"screens_px": [left, right]}
    assert screens(both | {"screen_px": right}) == Screens(primary=True, mirrored=False)
    assert screens(both | {"screen_px": left}) == Screens(primary=False, mirrored=False)


@linux
def test_under_wayland_xrandr_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setattr(machine, "run", lambda command: pytest.fail("asked"))
    monkeypatch.setattr(machine, "more_outputs", lambda count: count < 2)
    one = [0, 0, 1920, 1080]
    found = screens({"screens_px": [one], "screen_px": one})
    assert found == Screens(primary=True, mirrored=True)
    found = screens({"screens_px": [one, [1920, 0, 800, 600]], "screen_px": one})
    assert found == Screens(primary=None, mirrored=False)


def test_without_a_window_nothing_is_known_of_screens() -> None:
    assert screens({"kind": "simulated"}) == Screens()


# Disk ----------------------------------------------------------------------------------------


ROOT_MOUNT = Mount("/", "ext4", "rw")


def test_a_line_is_written_and_nothing_stays_behind(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    found = disk(folder, [ROOT_MOUNT])
    assert found.folder == str(folder) and found.error == ""
    assert found.fsync_s is not None and 0 < found.fsync_s < 10
    assert found.free_bytes is not None and found.free_bytes > 0
    assert list(folder.iterdir()) == []


@linux
def test_a_folder_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    found = disk(tmp_path / "file" / "data", [])
    assert found.fsync_s is None and found.error == "Not a directory"
    assert found.free_bytes is not None and found.free_bytes > 0


def test_a_disk_that_fails_in_the_middle_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(machine.os, "fsync", full)
    found = disk(tmp_path, [])
    assert (found.fsync_s, found.error) == (None, "No space left on device")
    assert list(tmp_path.iterdir()) == []


@linux
@pytest.mark.parametrize(
    ("mount", "filesystem", "remote", "volatile"),
    [
        (None, "ext4", False, False),
        (Mount("{}", "nfs4", "rw"), "nfs4", True, False),
        (Mount("{}/data", "tmpfs", "rw"), "tmpfs", False, True),
        (Mount("{}", "ntfs", "rw,remote"), "ntfs", True, False),
        (Mount("{}/dat", "nfs4", "rw"), "ext4", False, False),
    ],
)
def test_the_nearest_mount_is_where_data_lie(
    tmp_path: Path, mount: Mount | None, filesystem: str, remote: bool, volatile: bool
) -> None:
    mounted = [ROOT_MOUNT]
    if mount:
        mounted.append(mount._replace(point=mount.point.format(tmp_path.resolve())))
    found = disk(tmp_path / "data", mounted)
    assert (found.filesystem, found.remote, found.volatile) == (filesystem, remote, volatile)


def test_without_a_mount_nothing_is_known(tmp_path: Path) -> None:
    found = disk(tmp_path, [])
    assert (found.filesystem, found.remote, found.volatile) == (None, None, None)


@pytest.mark.parametrize(
    ("folder", "service"),
    [
        ("/home/x/Dropbox/data", "Dropbox"),
        ("/home/x/OneDrive - Charité/data", "OneDrive"),
        ("/Users/x/Library/Mobile Documents/data", "iCloud"),
        ("/Users/x/Library/CloudStorage/data", "a cloud service"),
        ("/home/x/nextcloud/data", "Nextcloud"),
        ("/home/x/dropbox_analysis/data", ""),
        ("/home/x/boxes/data", ""),
    ],
)
def test_the_folders_of_services_are_known_by_their_names(folder: str, service: str) -> None:
    assert synchronised_by(Path(folder)) == service


# Power ---------------------------------------------------------------------------------------


SUPPLY = "sys/class/power_supply"
MAINS = {f"{SUPPLY}/AC/type": "Mains\n", f"{SUPPLY}/AC/online": "1\n"}
BATTERY = {
    f"{SUPPLY}/BAT0/type": "Battery\n",
    f"{SUPPLY}/BAT0/present": "1\n",
    f"{SUPPLY}/BAT0/capacity": "81\n",
    f"{SUPPLY}/BAT0/status": "Discharging\n",
}
MOUSE = {
    f"{SUPPLY}/hidpp_battery_0/type": "Battery\n",
    f"{SUPPLY}/hidpp_battery_0/scope": "Device\n",
    f"{SUPPLY}/hidpp_battery_0/capacity": "5\n",
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (MAINS, Power(True)),
        (MAINS | MOUSE, Power(True)),
        (MAINS | BATTERY, Power(True, 81.0)),
        (BATTERY | MAINS | {f"{SUPPLY}/AC/online": "0\n"}, Power(False, 81.0)),
        (BATTERY, Power(False, 81.0)),
        (BATTERY | {f"{SUPPLY}/BAT0/status": "Full\n"}, Power(True, 81.0)),
        (
            BATTERY
            | {
                f"{SUPPLY}/BAT1/type": "Battery\n",
                f"{SUPPLY}/BAT1/capacity": "21\n",
                f"{SUPPLY}/BAT1/status": "Unknown\n",
            },
            Power(False, 51.0),
        ),
        (MAINS | BATTERY | {f"{SUPPLY}/BAT0/present": "0\n"}, Power(True)),
        ({}, None),
    ],
)
def test_charger_and_battery(tree: Tree, files: dict[str, str], expected: Power | None) -> None:
    assert power(tree(files)) == expected


# Idle screens and rivals ------------------------------------------------------------------------


XSET = """Screen Saver:
  prefer blanking:  yes    allow exposures:  yes
  timeout:  600    cycle:  600
DPMS (Display Power Management Signaling):
  Standby: 600    Suspend: 600    Off: 600
  DPMS is Enabled
  Monitor is On
"""


def test_xset_tells_of_the_screen_saver() -> None:
    assert blanking_x(XSET) == (
        "the screen saver starts after 600 s",
        "the monitor is switched off when idle (DPMS)",
    )
    quiet = XSET.replace("timeout:  600", "timeout:  0").replace("is Enabled", "is Disabled")
    assert blanking_x(quiet) == ()
    assert blanking_x(None) == ()


def test_pmset_tells_of_the_display_sleep() -> None:
    said = " sleep                1\n displaysleep         10\n disksleep            10\n"
    assert blanking_macos(said) == ("the display sleeps after 10 min",)
    assert blanking_macos(said.replace("displaysleep         10", "displaysleep  0")) == ()
    assert blanking_macos(None) == ()


def gnome(command: Sequence[str]) -> str | None:
    """A GNOME desktop as it comes."""
    return {"idle-delay": "uint32 300\n", "show-banners": "true\n"}.get(command[-1])


@linux
def test_gnome_tells_of_idle_screens_and_notifications(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "ubuntu:GNOME")
    assert blanking(gnome) == ("GNOME switches the screen off after 300 s",)
    assert banners(gnome) is True
    assert banners(lambda _: "false\n") is False
    assert blanking(lambda _: None) == () and banners(lambda _: None) is None


@linux
def test_of_other_desktops_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "KDE")
    assert blanking(gnome) == () and banners(gnome) is None


def test_programs_that_draw_are_told_but_for_the_desktop() -> None:
    card = frozenset(("/dev/dri/renderD128",))
    running = [
        Process(1, "zoom", frozenset(("/dev/nvidia0",))),
        Process(2, "firefox", card),
        Process(3, "firefox", card),
        Process(4, "gnome-shell", card),
        Process(5, "bash", frozenset(("/dev/pts/0",))),
    ]
    assert painters(running) == ("firefox", "zoom")
    assert painters([]) == ()
    assert painters(None) is None


def test_a_program_that_is_absent_fails_or_hangs_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    python = sys.executable
    assert machine.run(("no_such_program_here",)) is None
    assert machine.run((python, "-c", "raise SystemExit(1)")) is None
    assert machine.run((python, "-c", "print('said')")) in ("said\n", "said\r\n")
    monkeypatch.setattr(machine, "_PATIENCE_S", 0.1)
    assert machine.run((python, "-c", "import time; time.sleep(9)")) is None


# All of it -----------------------------------------------------------------------------------


def test_this_machine_is_looked_at_quickly(tmp_path: Path) -> None:
    import time

    start_s = time.perf_counter()
    found = look(tmp_path, held=("caffeinate",))
    assert time.perf_counter() - start_s < 3
    assert found.system in ("Linux", "Windows", "Darwin")
    assert found.held == ("caffeinate",)
    assert found.disk.error == "" and found.screens == Screens()
    assert found.memory_bytes is not None and found.memory_bytes > 1_000_000
    assert found.load is not None and 0 <= found.load <= 1
    assert 0 < found.clock.tick_s < 0.1 and found.clock.now.tzinfo is not None
