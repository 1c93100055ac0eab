"""Serial ports: which one, why not, and what becomes of bytes."""

import errno
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import serial
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from task.contract.errors import RigError
from task.rigs.triggers import open_port, wire
from task.rigs.triggers.wire import Wire
from task.triggers import Bbtk, Mmbts, RawByte, TriggerBox

Plug = Callable[..., None]


def plugged(
    device: str, description: str, usb: tuple[int, int] | None = None, number: str | None = None
) -> ListPortInfo:
    port = ListPortInfo(device, skip_link_detection=True)
    port.description = description
    if usb:
        port.vid, port.pid = usb
        port.serial_number = number
    return port


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Plug:
    """What is plugged in: nothing, until it is said."""

    def these(*ports: ListPortInfo) -> None:
        monkeypatch.setattr(list_ports, "comports", lambda: list(ports))

    these()
    return these


@pytest.fixture
def loop() -> Wire:
    return Wire(RawByte(port="loop://"))


def test_bytes_that_are_taken_in_parts_are_completed_at_once(loop: Wire) -> None:
    taken: list[bytes] = []

    def two_at_most(data: bytes) -> int:
        taken.append(data[:2])
        return len(data[:2])

    loop._write = two_at_most
    assert loop.send(b"WRITE")
    assert taken == [b"WR", b"IT", b"E"]


def takes(sizes: Sequence[int], into: bytearray) -> Callable[[bytes], int]:
    """A port that takes so many bytes at each write."""
    left = list(sizes)

    def write(data: bytes) -> int:
        size = min(left.pop(0), len(data))
        into.extend(data[:size])
        return size

    return write


@pytest.mark.parametrize(
    ("sizes", "heard"),
    [
        ([1, 0, 9], b"0CFF"),  # the first code comes late, but the digits keep their places
        ([0, 9], b"FF"),  # nothing of the first code was taken: it never comes
        ([2, 9], b"0CFF"),
    ],
)
def test_a_device_that_counts_bytes_does_not_lose_its_place(
    sizes: list[int], heard: bytes, loop: Wire
) -> None:
    received = bytearray()
    loop._write = takes(sizes, received)
    assert loop.send(b"0C") == (sizes[0] == 2)
    assert loop.send(b"FF")
    assert received == heard


def test_a_code_is_lost_while_the_rest_of_another_waits(loop: Wire) -> None:
    received = bytearray()
    loop._write = takes([1, 0, 0, 9], received)
    assert not loop.send(b"0C")
    assert not loop.send(b"AA")  # still nothing is taken
    assert loop.send(b"FF")
    assert received == b"0CFF"


def test_a_write_that_took_nothing_is_told() -> None:
    port: Any = open_port(RawByte(port="loop://"))
    port._wire._write = lambda data: 0  # as Windows does, without an error
    assert not port.set(5).done
    port.close()


def test_a_loop_takes_every_value() -> None:
    port: Any = open_port(RawByte(port="loop://"))
    for value in range(256):
        assert port.set(value).done
    assert port._wire.port.read(257) == bytes((0, *range(256)))
    port.close()


def test_a_socket_takes_every_value() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = open_port(RawByte(port=f"socket://127.0.0.1:{server.getsockname()[1]}"))
        accepted, _ = server.accept()
        with accepted:
            assert port.set(200).done
            port.close()
            received = b""
            while data := accepted.recv(99):
                received += data
    assert received == b"\x00\xc8\x00"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        pytest.param(
            "/dev/ttyABSENT",
            "No such file or directory",
            marks=pytest.mark.skipif(os.name == "nt", reason="Windows names its ports otherwise"),
        ),
        ("strange://x", "invalid URL, protocol 'strange' not known"),
    ],
)
def test_a_port_that_cannot_be_opened_is_told_with_those_that_are_there(
    name: str, why: str, plug: Plug
) -> None:
    plug(plugged("/dev/ttyUSB7", "Serial", (0x0403, 0x6001)), plugged("/dev/ttyS0", "n/a"))
    with pytest.raises(RigError) as error:
        open_port(RawByte(port=name))
    assert str(error.value) == (
        f"the trigger port {name!r} cannot be opened: {why};"
        " ports found here: /dev/ttyUSB7 (Serial, 0403:6001), /dev/ttyS0 (n/a)"
    )


def test_a_port_in_use_is_told(cable: Any, plug: Plug) -> None:
    first = open_port(RawByte(port=cable.name))
    with pytest.raises(RigError) as error:
        open_port(RawByte(port=cable.name))
    assert str(error.value) == (
        f"the trigger port {cable.name!r} cannot be opened: another program holds it: close it, or"
        " wait if it was plugged in just now: on Linux ModemManager then holds it for some seconds"
        ' and may send bytes to it, unless a udev rule says ENV{ID_MM_DEVICE_IGNORE}="1";'
        " no serial port is plugged in here"
    )
    first.close()


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EAGAIN])
def test_both_kinds_of_being_in_use_are_known(number: int) -> None:
    why = wire._why("/dev/ttyUSB0", serial.SerialException(number, "busy"))
    assert why.startswith("another program holds it: ")


def test_missing_rights_are_told_with_the_group_to_join(tmp_path: Any) -> None:
    refused = serial.SerialException(errno.EACCES, "could not open port")
    refused.__context__ = PermissionError(errno.EACCES, "Permission denied")
    assert wire._why(str(tmp_path / "absent"), refused) == (
        "Permission denied; it belongs to the group 'dialout': join it (sudo usermod -aG dialout"
        " YOUR_NAME) and log in again"
    )


MMBTS = (0x2341, 0x8037)


def test_auto_takes_the_one_device_that_is_plugged_in(cable: Any, plug: Plug) -> None:
    plug(plugged("/dev/ttyS0", "n/a"), plugged(cable.name, "Arduino Micro", MMBTS, "SN1"))
    port = open_port(Mmbts(device="mmbts", mode="pulse", port="auto"))
    assert port.description["port"] == cable.name
    assert (port.description["usb"], port.description["serial_number"]) == ("2341:8037", "SN1")
    port.close()


@pytest.mark.parametrize(("count", "told"), [(0, "no device has"), (2, "2 devices have")])
def test_auto_guesses_nothing(count: int, told: str, plug: Plug) -> None:
    plug(*(plugged(f"/dev/ttyACM{n}", "Micro", MMBTS) for n in range(count)))
    here = ", ".join(f"/dev/ttyACM{n} (Micro, 2341:8037)" for n in range(count))
    with pytest.raises(RigError) as error:
        open_port(Mmbts(device="mmbts", mode="pulse", port="auto"))
    assert str(error.value) == (
        f"the trigger port cannot be found: {told} the USB id 2341:8037; name it in the rig file,"
        ' for example port = "/dev/ttyACM0"; '
        + (f"ports found here: {here}" if here else "no serial port is plugged in here")
    )


def test_auto_knows_a_triggerbox(cable: Any, plug: Plug) -> None:
    plug(plugged(cable.name, "TriggerBox VirtualSerial Port", (0x1103, 0x0021)))
    port = open_port(TriggerBox(device="brain_products_triggerbox", port="auto"))
    port.close()


def test_a_device_that_comes_back_under_another_name_is_found(
    cable: Any, plug: Plug, tmp_path: Any
) -> None:
    box = (0x0403, 0x6001)
    plug(plugged(cable.name, "box", box, "A1"), plugged("/dev/ttyUSB5", "other", box, "A2"))
    port = open_port(RawByte(port=cable.name))
    cable.pull()
    assert not port.set(5).done
    cable.plug()
    other = tmp_path / "ttyOTHER"
    other.symlink_to(Path(cable.name).readlink())
    plug(plugged(str(other), "box", box, "A1"), plugged("/dev/ttyUSB5", "other", box, "A2"))
    assert port.reopen()
    assert port.description["port"] == str(other)
    assert port.set(6).done
    assert cable.got(2) == b"\x00\x06"
    port.close()


def test_a_box_is_never_opened_at_the_speed_that_sends_it_to_its_bootloader(
    monkeypatch: pytest.MonkeyPatch, cable: Any
) -> None:
    speeds: list[int] = []
    original = serial.serial_for_url

    def noted(*args: Any, **kwargs: Any) -> Any:
        port = original(*args, **kwargs)
        speeds.append(port.baudrate)
        return port

    monkeypatch.setattr(serial, "serial_for_url", noted)
    open_port(Mmbts(device="mmbts", mode="simple", port=cable.name)).close()
    assert speeds == [9600]


def test_control_lines_are_as_the_device_wants_them() -> None:
    port: Any = open_port(Mmbts(device="mmbts", mode="simple", port="loop://"))
    assert (port._wire.port.dtr, port._wire.port.rts) == (True, False)
    port.close()
    port = open_port(Bbtk(device="bbtk", port="loop://"))
    assert (port._wire.port.dtr, port._wire.port.rts) == (True, True)
    port.close()


@pytest.mark.skipif(os.name == "nt", reason="descriptors are POSIX")
def test_a_closed_port_never_writes_into_what_has_its_number_now(cable: Any, tmp_path: Any) -> None:
    port: Any = open_port(RawByte(port=cable.name))
    number = port._wire.port.fileno()
    port.close()
    descriptors = [os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY) for _ in range(20)]
    assert number in descriptors
    assert not port.set(5).done
    assert (tmp_path / "log").read_bytes() == b""
    for descriptor in descriptors:
        os.close(descriptor)
