"""Every device, byte by byte, at the far end of a cable; and what all of them have in common.

The bytes are those of the makers' documents and of other programs that drive the devices; none of
them has been seen on hardware here.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import TypeAdapter

from task.contract.errors import RigError
from task.rig import TriggerPort
from task.rigs.triggers import open_port, wire
from task.rigs.triggers.apart import Apart
from task.triggers import MODELS, Triggers

Answer = Callable[[bytes], bytes]
NOT_SERIAL = {"none", "parallel", "simulated"}


def says_nothing(heard: bytes) -> bytes:
    return b""


def xid(
    *, mode: bytes = b"0", product: bytes = b"4", firmware: bytes = b"2", pulse: bytes = b""
) -> Answer:
    """A Cedrus device: its mode before it is told another, and the pulse that it claims."""

    def answer(heard: bytes) -> bytes:
        if heard.endswith(b"_c1"):
            return b"_xid" + (b"0" if b"c10" in heard else mode)
        if heard.endswith(b"_mp"):
            return b"_mp" + (pulse or heard[-7:-3])
        known = {b"_d2": product, b"_d3": b"1", b"_d4": firmware}
        return known.get(heard[-3:], b"")

    return answer


def usb2ttl8(model: str = "USB2TTL8") -> Answer:
    """Answers commands with lines, but the one that sets its mode."""

    def answer(heard: bytes) -> bytes:
        if heard.endswith(b"GET CONFIG\n"):
            return b"OK\n" + json.dumps({"model_name": model, "serial": 7}).encode() + b"\n"
        return b"1\n" if heard.splitlines()[-1].startswith(b"WRITE") else b""

    return answer


def answers_a_list(heard: bytes) -> bytes:
    return b"[]\n" if heard.endswith(b"GET CONFIG\n") else b""


@dataclass(frozen=True)
class Played:
    """What a rig file says, and what the device then hears."""

    opening: bytes
    code_12: bytes
    code_255: bytes
    rest: bytes
    closing: bytes
    settings: Mapping[str, Any] | None = None
    answer: Answer = says_nothing


RAW = Played(b"\x00", b"\x0c", b"\xff", b"\x00", b"\x00")
DEVICES = {
    "serial": RAW,
    "biosemi": Played(b"\x00", b"\x0c", b"\xff", b"", b"\x00"),
    "blackrock": Played(b"", b"\x0c", b"\xff", b"", b""),
    "brain_products_triggerbox": Played(b"\x00", b"\x0c", b"\xff", b"\x00", b"\x00\xff"),
    "brain_products_triggerbox_plus": Played(b"\x00", b"\x0c", b"\xff", b"\x00", b"\x00\xff"),
    "mmbts pulse": Played(b"\x00", b"\x0c", b"\xff", b"", b"\x00", {"mode": "pulse"}),
    "mmbts simple": Played(b"\x00", b"\x0c", b"\xff", b"\x00", b"\x00", {"mode": "simple"}),
    "cedrus": Played(
        b"_c1_d2_d3_d4mp\x05\x00\x00\x00_mpmh\x00\x00",
        b"mh\x0c\x00",
        b"mh\xff\x00",
        b"",
        b"mh\x00\x00",
        answer=xid(),
    ),
    "usb2ttl8": Played(
        b"SET DATA_MODE WRITE\nGET CONFIG\nWRITE 0\n",
        b"WRITE 12\n",
        b"WRITE 255\n",
        b"WRITE 0\n",
        b"WRITE 0\n",
        answer=usb2ttl8(),
    ),
    "bbtk": Played(b"RR00", b"0C", b"FF", b"00", b"00RR"),
    "single_pulse": Played(b"\x00", b"\xff", b"\xff", b"\x00", b"\x00"),
    "single_pulse of line 4": Played(b"\x00", b"\x08", b"\x08", b"\x00", b"\x00", {"high": 8}),
    # Of a train the first edge only: the rest takes its time, and closing drops it.
    "pulse_train": Played(b"\x00", b"\xff", b"\xff", b"", b"\x00"),
}


def rig_settings(name: str, port: str) -> Triggers:
    """What a rig file says of this device on this port."""
    said = {"device": name.split()[0], "port": port, **(DEVICES[name].settings or {})}
    return TypeAdapter(Triggers).validate_python(said)


def opened(name: str, cable: Any) -> TriggerPort:
    cable.answer = DEVICES[name].answer
    return open_port(rig_settings(name, cable.name))


@pytest.fixture(params=DEVICES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def port(name: str, cable: Any) -> Iterator[TriggerPort]:
    port = opened(name, cable)
    yield port
    port.close()


def test_every_device_with_a_serial_port_is_played() -> None:
    assert {name.split()[0] for name in DEVICES} == set(MODELS) - NOT_SERIAL


@pytest.mark.parametrize("code", [12, 255])
def test_the_device_hears_these_bytes_and_no_others(name: str, code: int, cable: Any) -> None:
    played = DEVICES[name]
    said = played.code_12 if code == 12 else played.code_255
    expected = played.opening + said + played.rest + played.closing
    port = opened(name, cable)
    assert cable.got(len(played.opening)) == played.opening
    assert port.set(code).done and port.set(0).done
    port.close()
    assert cable.got(len(expected)) == expected


def test_the_plan_and_the_port_agree(name: str, port: TriggerPort, cable: Any) -> None:
    said = rig_settings(name, cable.name)
    assert (port.pulse_s, port.gap_s) == (said.pulse_s, said.gap_s)
    assert port.description["device"] == said.device
    assert port.description["port"] == cable.name
    assert port.description["low_latency"] is False  # a pseudo-terminal has none


def test_a_code_takes_as_many_bytes_as_the_plan_reckons(name: str) -> None:
    said = rig_settings(name, "x")
    assert len(DEVICES[name].code_255) == said.code_bytes


def test_a_write_is_bracketed_by_the_clock(port: TriggerPort) -> None:
    before_s = time.perf_counter()
    sent = port.set(5)
    assert before_s <= sent.before_s <= sent.after_s <= time.perf_counter()


def test_a_pulled_cable_is_told_and_raises_nothing(port: TriggerPort, cable: Any) -> None:
    cable.pull()
    assert [port.set(5).done, port.set(6).done] == [False, False]
    port.set(0)
    assert not port.reopen()
    assert not port.set(7).done


def test_a_pulled_cable_is_seen_without_a_code(port: TriggerPort, cable: Any) -> None:
    assert port.there() and port.there()
    cable.pull()
    assert not port.there()


def test_a_device_that_is_back_is_opened_identified_and_at_rest(
    name: str, port: TriggerPort, cable: Any
) -> None:
    played = DEVICES[name]
    cable.pull()
    port.set(5)
    assert not port.reopen()
    cable.plug()
    assert port.reopen()
    assert port.set(12).done
    expected = played.opening + played.code_12
    assert cable.got(len(expected)) == expected


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes as fast as they can be written, to fill buffers."""
    monkeypatch.setattr(Apart, "wait", lambda *_: None)


@pytest.mark.parametrize(
    "name", sorted(set(DEVICES) - {"pulse_train"})
)  # too slow to fill a buffer
def test_a_device_that_hangs_keeps_nobody_waiting(name: str, cable: Any, hurried: None) -> None:
    port = opened(name, cable)
    cable.got(len(DEVICES[name].opening))
    cable.deafen()
    longest_s = 0.0
    for _ in range(200_000):
        sent = port.set(1)
        longest_s = max(longest_s, sent.after_s - sent.before_s)
        if not sent.done:
            break
    assert not sent.done
    assert not port.set(1).done
    assert longest_s < 0.2  # nothing waits for the device; the machine may be busy
    started_s = time.perf_counter()
    port.close()
    assert time.perf_counter() - started_s < 2.0


def test_codes_that_waited_in_a_hanging_device_do_not_come_when_it_is_back(
    cable: Any, hurried: None
) -> None:
    port = opened("serial", cable)
    cable.deafen()
    sent = 0
    while port.set(7).done:
        sent += 1
    cable.answer, heard_before = says_nothing, len(cable.heard)
    assert port.reopen()
    cable.listen()
    assert port.set(9).done
    while not cable.heard.endswith(b"\x00\x09"):
        time.sleep(0.001)
    assert len(cable.heard) - heard_before < sent / 2  # what the far end had taken is not ours
    port.close()


def test_a_closed_port_takes_nothing(name: str, cable: Any) -> None:
    port = opened(name, cable)
    port.close()
    assert not port.set(5).done


@pytest.mark.parametrize("mode", [b"1", b"2"])
def test_a_cedrus_device_in_another_mode_is_brought_into_its_own(mode: bytes, cable: Any) -> None:
    cable.answer = xid(mode=mode, product=b"S")
    port = open_port(rig_settings("cedrus", cable.name))
    assert cable.heard.startswith(b"_c1c10_c1_d2")
    told = {name: port.description[name] for name in ("product", "model", "firmware", "pulse_ms")}
    assert told == {"product": "StimTracker", "model": "1", "firmware": "2", "pulse_ms": 5}
    port.close()


XID_SILENCE = (
    "no Cedrus XID device answers there: asked '_c1' it should say '_xid0' and said {};"
    " is it this port, and is the device set to 115200 baud (others are 57600, 38400, 19200,"
    " 9600)?"
)
TTL_SILENCE = (
    "no USB2TTL8 answers there: asked 'GET CONFIG' it should name its model 'USB2TTL8' and said"
    " {}; is it this port?"
)


@pytest.mark.parametrize(
    ("name", "answer", "why"),
    [
        ("cedrus", says_nothing, XID_SILENCE.format("nothing")),
        ("cedrus", lambda heard: b"hello", XID_SILENCE.format("'hello'")),
        ("cedrus", lambda heard: b"_xi", XID_SILENCE.format("'_xi'")),
        ("cedrus", lambda heard: b"_xid1", XID_SILENCE.format("'_xid1'")),
        (
            "cedrus",
            xid(firmware=b"1", product=b"2"),
            "the Cedrus device there is of the first generation (firmware '1'), which takes other"
            " commands; use one of the second generation",
        ),
        (
            "cedrus",
            xid(pulse=b"\x09\x00\x00\x00"),
            "the Cedrus device there did not take pulses of 5 ms: asked '_mp' it should say"
            r" '_mp\x05\x00\x00\x00' and said '_mp\t\x00\x00\x00'",
        ),
        ("usb2ttl8", says_nothing, TTL_SILENCE.format("nothing")),
        ("usb2ttl8", answers_a_list, TTL_SILENCE.format(r"'[]\n'")),
        (
            "usb2ttl8",
            usb2ttl8("MilliKey"),
            TTL_SILENCE.format(r"""'OK\n{"model_name": "MilliKey", "serial": 7}\n'"""),
        ),
    ],
)
def test_a_device_that_answers_otherwise_is_refused(
    name: str, answer: Answer, why: str, cable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "ports_here", lambda: "no serial port is plugged in here")
    cable.answer = answer
    with pytest.raises(RigError) as error:
        open_port(rig_settings(name, cable.name))
    assert str(error.value) == (
        f"the trigger port {cable.name!r} is open, but {why}; no serial port is plugged in here"
    )


def test_a_device_that_was_exchanged_for_another_is_not_back(cable: Any) -> None:
    port = opened("cedrus", cable)
    cable.answer = says_nothing
    assert not port.reopen()
    assert not port.set(5).done
    cable.answer = xid()
    assert port.reopen()
    port.close()


def test_what_a_device_says_is_dropped_before_it_fills_its_buffer(cable: Any) -> None:
    port = opened("usb2ttl8", cable)
    before = len(cable.got(len(DEVICES["usb2ttl8"].opening)))
    cable.answer = lambda heard: b"1" * 400 + b"\n"
    for n in range(100):  # 40 kB of answers and more; a terminal holds 4
        port.set(5)
        port.set(0)
        cable.got(before + (n + 1) * len(b"WRITE 5\nWRITE 0\n"))
    assert cable.heard[before:] == b"WRITE 5\nWRITE 0\n" * 100
    port.close()


def test_a_first_generation_stimtracker_takes_the_same_commands(cable: Any) -> None:
    cable.answer = xid(product=b"S", firmware=b"1")
    port = open_port(rig_settings("cedrus", cable.name))
    assert port.description["product"] == "StimTracker"
    port.close()
