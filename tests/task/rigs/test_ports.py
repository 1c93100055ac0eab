"""Real bytes through a real port: a pseudo-terminal, a loop, a socket."""

import os
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest

from task.contract.errors import RigError
from task.rig import Sent, TriggerPort
from task.rigfile import Triggers
from task.rigs import ports
from task.rigs.ports import NoPort, SerialPort, open_port


@pytest.fixture
def ends() -> Iterator[tuple[int, str]]:
    """A pseudo-terminal: the recorder's end, and the name under which the port is opened."""
    tty = pytest.importorskip("tty", reason="Windows has no pseudo-terminals")
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    yield master, os.ttyname(slave)
    os.close(slave)
    with suppress(OSError):  # a test may have closed it
        os.close(master)


@pytest.fixture
def far_end(ends: tuple[int, str]) -> int:
    return ends[0]


@pytest.fixture
def terminal(ends: tuple[int, str]) -> str:
    return ends[1]


@pytest.fixture
def port(terminal: str) -> Iterator[TriggerPort]:
    opened = open_port(Triggers(port=terminal))
    yield opened
    opened.close()


def received(far_end: int, size: int) -> bytes:
    """What arrived; the system hands bytes over in its own time, a second at most."""
    data = b""
    while len(data) < size and select.select([far_end], [], [], 1.0)[0]:
        data += os.read(far_end, size - len(data))
    return data


def test_the_port_is_brought_to_rest_when_it_opens(port: TriggerPort, far_end: int) -> None:
    assert received(far_end, 1) == b"\x00"


def test_every_value_is_one_byte_and_nothing_else(port: TriggerPort, far_end: int) -> None:
    for value in range(256):
        sent = port.set(value)
        assert sent.done and sent.before_s <= sent.after_s
    assert received(far_end, 257) == bytes((0, *range(256)))


def test_the_port_is_brought_to_rest_when_it_closes(terminal: str, far_end: int) -> None:
    port = open_port(Triggers(port=terminal))
    port.set(5)
    port.close()
    assert received(far_end, 3) == b"\x00\x05\x00"


def test_the_log_learns_what_the_port_is(terminal: str, port: TriggerPort) -> None:
    assert port.description == {"device": "serial", "port": terminal, "baud": 115_200}
    assert (port.pulse_s, port.gap_s) == (0.005, 0.005)


def test_a_pulled_cable_is_told_and_raises_nothing(port: TriggerPort, far_end: int) -> None:
    os.close(far_end)
    sent = [port.set(value) for value in (5, 0, 6)]
    assert [one.done for one in sent] == [False, False, False]


def test_a_device_that_takes_nothing_is_told_and_keeps_nobody_waiting(port: TriggerPort) -> None:
    sent: list[Sent] = []
    while not sent or (sent[-1].done and len(sent) < 1_000_000):
        sent.append(port.set(1))  # nobody reads at the other end
    assert not sent[-1].done
    assert sent[-1].after_s - sent[-1].before_s < 1.0
    assert not port.set(0).done


def test_a_write_that_took_nothing_is_told() -> None:
    port = SerialPort(Triggers(port="loop://"))
    port._write = lambda data: 0  # as Windows does, without an error
    assert not port.set(5).done
    port.close()


def test_a_loop_takes_every_value() -> None:
    port = SerialPort(Triggers(port="loop://"))
    assert port.set(200).done
    assert port._serial.read(2) == b"\x00\xc8"
    port.close()


def test_a_socket_takes_every_value() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = SerialPort(Triggers(port=f"socket://127.0.0.1:{server.getsockname()[1]}"))
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
        ("/dev/ttyABSENT", "No such file or directory"),
        ("strange://x", "invalid URL, protocol 'strange' not known"),
    ],
)
def test_a_port_that_cannot_be_opened_is_told_with_those_that_are_there(
    name: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform == "win32" and name.startswith("/dev"):
        pytest.skip("Windows names its ports otherwise")
    monkeypatch.setattr(ports, "_ports_here", lambda: "no serial port is plugged in here")
    with pytest.raises(RigError) as error:
        open_port(Triggers(port=name))
    assert str(error.value) == (
        f"the trigger port {name!r} cannot be opened: {why}; no serial port is plugged in here"
    )


def test_ports_that_are_there_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    from serial.tools import list_ports, list_ports_common

    found = list_ports_common.ListPortInfo("/dev/ttyUSB7", skip_link_detection=True)
    found.description = "TriggerBox"
    monkeypatch.setattr(list_ports, "comports", lambda: [found])
    assert ports._ports_here() == "ports found here: /dev/ttyUSB7 (TriggerBox)"
    monkeypatch.setattr(list_ports, "comports", list)
    assert ports._ports_here() == "no serial port is plugged in here"


def test_a_rig_without_a_box_takes_codes_for_the_log_only() -> None:
    port = open_port(Triggers(device="none"))
    assert isinstance(port, NoPort)
    assert port.set(9).done
    assert port.description == {"device": "none"}
    port.close()
