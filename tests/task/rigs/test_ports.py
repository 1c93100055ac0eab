"""Serial ports and who holds them, read from trees like those below /proc and /sys."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from task.preflight.facts import SerialDevice
from task.rigs.ports import Process, processes, serial_device

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and /sys")
Tree = Callable[..., Path]


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
