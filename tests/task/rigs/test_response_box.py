"""A pseudo-terminal plays the box."""

import os
import random
import select
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import ValidationError

from task.contract.errors import RigError
from task.peripherals import NOT_ANSWERS, ResponseBox
from task.plan import Step
from task.rig import KeyPress
from task.rigs import response_box
from task.rigs.response_box import CedrusKeys, Identity, identify

tty = pytest.importorskip("tty", reason="Windows has no pseudo-terminals")
STEP = Step("QUESTION_ON", (), 60, ("yes", "no"))
clock = time.perf_counter


class PlayedBox:
    """A Cedrus box: answers commands, sends buttons, has a clock of its own."""

    def __init__(self, link: Path, **answers: bytes) -> None:
        self.answers = {
            "_c1": b"_xid0", "_d2": b"2", "_d3": b"3", "_d4": b"2", "c10": b"", "e5": b"",
        } | answers  # fmt: skip
        self.has_timer = True
        self.rate = 1.0  # box seconds in one of ours
        self.heard: list[str] = []
        self._zero_s = clock()
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(self._slave))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def timer_ms(self, at_s: float) -> int:
        return int((at_s - self._zero_s) * self.rate * 1000)

    def press(self, number: int, at_s: float, pressed: bool = True) -> bytes:
        """The packet of a press at a time by our clock."""
        info = pressed << 4 | number << 5
        return b"k" + bytes([info]) + struct.pack("<I", self.timer_ms(at_s))

    def send(self, data: bytes) -> None:
        os.write(self.master, data)

    def unplug(self) -> None:
        self._stop.set()
        self._thread.join()
        for descriptor in (self.master, self._slave):
            with suppress(OSError):
                os.close(descriptor)

    def _answer(self) -> None:
        asked = ""
        while not self._stop.is_set():
            if not select.select([self.master], [], [], 0.01)[0]:
                continue
            asked += os.read(self.master, 1).decode("latin-1")
            known = [*self.answers, "_e5"]
            if asked in known:
                self.heard.append(asked)
                self._say(asked)
            if asked in known or not any(one.startswith(asked) for one in known):
                asked = ""

    def _say(self, asked: str) -> None:
        if asked == "e5":
            self._zero_s = clock()
        if asked == "c10":
            self.answers["_c1"] = b"_xid0"
        if asked != "_e5":
            os.write(self.master, self.answers[asked])
        elif self.has_timer:
            os.write(self.master, b"_e5" + struct.pack("<I", self.timer_ms(clock())))


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "box"


@pytest.fixture
def table(link: Path) -> ResponseBox:
    return ResponseBox(port=str(link), buttons={"0": "yes", "1": "no"})


@pytest.fixture
def box(link: Path) -> Iterator[PlayedBox]:
    played = PlayedBox(link)
    yield played
    played.unplug()


@pytest.fixture
def keys(box: PlayedBox, table: ResponseBox) -> Iterator[CedrusKeys]:
    opened = CedrusKeys(table)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_box, "_RETRY_S", 0.05)
    monkeypatch.setattr(response_box, "ports_here", lambda: "no serial port is plugged in here")


def polled(keys: CedrusKeys, count: int, within_s: float = 3.0) -> list[KeyPress]:
    """So many presses; what came if they do not come in time."""
    found: list[KeyPress] = []
    until_s = clock() + within_s
    while len(found) < count and clock() < until_s:
        found += keys.poll()
        time.sleep(0.002)
    return found


def meanings(presses: list[KeyPress]) -> list[str]:
    return [press.meaning for press in presses]


def test_the_box_says_who_it_is(box: PlayedBox, table: ResponseBox, link: Path) -> None:
    identity = identify(table)
    assert identity == Identity(str(link), "2", "3", "2")
    assert identity.name == "Cedrus RB-830/840"
    assert box.heard == ["_c1", "_d2", "_d3", "_d4"]


@pytest.mark.parametrize(("product", "name"), [(b"0", "Cedrus Lumina"), (b"5", "Cedrus Riponda")])
def test_other_boxes_are_known(
    box: PlayedBox, table: ResponseBox, product: bytes, name: str
) -> None:
    box.answers["_d2"] = product
    assert identify(table).name == name


def test_a_box_in_another_mode_is_put_into_xid_mode(box: PlayedBox, table: ResponseBox) -> None:
    box.answers["_c1"] = b"_xid3"
    identify(table)
    assert box.heard[:3] == ["_c1", "c10", "_c1"]


def test_a_device_that_says_something_else_is_refused(
    box: PlayedBox, table: ResponseBox, link: Path
) -> None:
    box.answers["_c1"] = b"hello"
    with pytest.raises(RigError) as error:
        identify(table)
    assert str(error.value) == (
        f"the response box's port {str(link)!r} is open, but no Cedrus box answers there: asked"
        " '_c1' it should say '_xid0' and said 'hello'; is it this port, and do the switches on"
        " the box say XID (not keyboard, not E-Prime)?; no serial port is plugged in here"
    )


def test_silence_is_refused(box: PlayedBox, table: ResponseBox) -> None:
    box.answers["_c1"] = b""
    with pytest.raises(RigError, match="asked '_c1' it should say '_xid0' and said nothing; is it"):
        identify(table)


def test_a_box_that_answers_at_another_speed_is_told(
    box: PlayedBox, table: ResponseBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = response_box._Link._mode
    monkeypatch.setattr(
        response_box._Link,
        "_mode",
        lambda self: plain(self) if self._port.baudrate == 19_200 else b"\xf8\x00",
    )
    with pytest.raises(RigError, match="a box answers at 19200 baud: set baud = 19200 in the rig"):
        identify(table)


def test_a_stimtracker_is_no_response_box(box: PlayedBox, table: ResponseBox) -> None:
    box.answers["_d2"] = b"S"
    with pytest.raises(RigError, match=r"is a Cedrus device, but no response box \(product 'S'\)"):
        identify(table)


def test_a_port_that_is_not_there_is_told(table: ResponseBox, link: Path) -> None:
    with pytest.raises(RigError) as error:
        CedrusKeys(table)
    assert str(error.value) == (
        f"the response box's port {str(link)!r} cannot be opened: No such file or directory; no"
        " serial port is plugged in here"
    )


class Plugged:
    manufacturer, product, description, vid, pid = "FTDI", "", "USB Serial", 0x0403, 0x6001

    def __init__(self, device: str, **fields: object) -> None:
        self.device = device
        self.__dict__.update(fields)


@pytest.mark.parametrize("sign", [{"manufacturer": "Cedrus"}, {"pid": 0xF228}])
def test_auto_takes_the_only_cedrus_device(
    box: PlayedBox, link: Path, monkeypatch: pytest.MonkeyPatch, sign: dict[str, object]
) -> None:
    from serial.tools import list_ports

    there = [Plugged("/dev/triggers"), Plugged(str(link), **sign)]
    monkeypatch.setattr(list_ports, "comports", lambda: there)
    assert identify(ResponseBox(buttons={"0": "yes"})).port == str(link)


@pytest.mark.parametrize(
    ("count", "told"), [(0, "no Cedrus device is"), (2, "2 Cedrus devices are")]
)
def test_auto_asks_nothing_of_other_ports(
    monkeypatch: pytest.MonkeyPatch, count: int, told: str
) -> None:
    from serial.tools import list_ports

    there = [Plugged("/dev/a"), *(Plugged("/dev/b", manufacturer="Cedrus") for _ in range(count))]
    monkeypatch.setattr(list_ports, "comports", lambda: there)
    with pytest.raises(RigError) as error:
        identify(ResponseBox(buttons={"0": "yes"}))
    assert str(error.value) == (
        f"the response box cannot be found: {told} plugged in; name its port in the rig file, for"
        ' example port = "/dev/ttyUSB0"; no serial port is plugged in here'
    )


def test_the_log_learns_what_the_box_is(keys: CedrusKeys, link: Path) -> None:
    said = dict(keys.description["response_box"])  # type: ignore[call-overload]
    trip_s = said.pop("timer_round_trip_s")
    assert isinstance(trip_s, float) and 0 < trip_s < 0.1
    assert said == {
        "device": "cedrus",
        "name": "Cedrus RB-830/840",
        "port": str(link),
        "baud": 115200,
        "firmware": "2",
        "buttons": {"0": "yes", "1": "no"},
    }


def test_presses_and_releases_come_with_their_meaning(keys: CedrusKeys, box: PlayedBox) -> None:
    now_s = clock()
    for number, pressed in ((0, True), (0, False), (1, True), (4, True)):
        box.send(box.press(number, now_s, pressed))
    found = polled(keys, 4)
    assert meanings(found) == ["yes", "release", "no", "button 4"]
    assert [press.key for press in found] == ["button 0", "button 0", "button 1", "button 4"]
    assert {press.by for press in found} == {"patient"}
    assert keys.poll() == [] and keys.typed() == ""


def test_swapped_buttons_are_swapped_in_the_rig_file(box: PlayedBox, link: Path) -> None:
    keys = CedrusKeys(ResponseBox(port=str(link), buttons={"0": "no", "1": "yes"}))
    box.send(box.press(0, clock()))
    assert meanings(polled(keys, 1)) == ["no"]
    keys.close()


@pytest.mark.parametrize("cut", range(1, 6))
def test_a_packet_may_come_in_two(keys: CedrusKeys, box: PlayedBox, cut: int) -> None:
    packet = box.press(1, clock())
    box.send(packet[:cut])
    time.sleep(0.01)
    box.send(packet[cut:])
    assert meanings(polled(keys, 1)) == ["no"]


def test_nonsense_is_told_and_the_next_press_found(keys: CedrusKeys, box: PlayedBox) -> None:
    box.send(b"\x00\xffk\x10" + box.press(1, clock()))
    found = polled(keys, 2)
    assert meanings(found) == ["unreadable", "no"]
    assert found[0].key == "00 ff 6b 10"


def late(box: PlayedBox, true_s: list[float], rng: random.Random) -> None:
    """Presses of button 0 at these times, each arriving up to 16 ms late."""
    for at_s in true_s:
        time.sleep(max(0.0, at_s - clock()) + rng.uniform(0, 0.016))
        box.send(box.press(0, at_s) + box.press(0, at_s + 0.0005, pressed=False))


def test_the_boxs_timer_takes_the_jitter_out(keys: CedrusKeys, box: PlayedBox) -> None:
    start_s = clock() + 0.05
    true_s = [start_s + 0.1 * n for n in range(12)]
    late(box, true_s, random.Random(1))
    presses = [p for p in polled(keys, 24) if p.meaning == "yes"]
    errors_s = [press.time_s - at_s for press, at_s in zip(presses, true_s, strict=True)]
    assert max(errors_s) - min(errors_s) < 0.003
    assert min(errors_s) > -0.002 and max(errors_s) < 0.005


def test_a_box_that_cannot_be_asked_for_its_timer_is_timed_by_its_presses(
    box: PlayedBox, table: ResponseBox
) -> None:
    box.has_timer = False
    keys = CedrusKeys(table)
    start_s = clock() + 0.05
    true_s = [start_s + 0.1 * n for n in range(6)]
    late(box, true_s, random.Random(2))
    presses = [p for p in polled(keys, 12) if p.meaning == "yes"]
    assert "timer_round_trip_s" not in keys.description["response_box"]  # type: ignore[operator]
    keys.close()
    errors_s = [press.time_s - at_s for press, at_s in zip(presses, true_s, strict=True)]
    assert max(errors_s) - min(errors_s) < 0.003


def test_the_timer_is_asked_for_again_while_nobody_presses(
    keys: CedrusKeys, box: PlayedBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_box, "_ASK_EVERY_S", 0.1)
    asked = box.heard.count("_e5")
    time.sleep(0.6)
    assert box.heard.count("_e5") >= asked + 2
    assert keys.poll() == []


def test_a_box_whose_clock_drifts_stays_right_because_it_is_asked(
    box: PlayedBox, table: ResponseBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_box, "_ASK_EVERY_S", 0.1)
    monkeypatch.setattr("task.rigs.other_clock._SPAN_S", 0.5)  # a minute's worth in a second
    box.rate = 1.01
    keys = CedrusKeys(table)
    time.sleep(1.5)
    true_s = clock()
    time.sleep(0.01)
    box.send(box.press(0, true_s))
    (press,) = polled(keys, 1)
    keys.close()
    assert press.time_s == pytest.approx(true_s, abs=0.004)  # 0.015 s without


def test_a_timer_that_begins_anew_costs_no_press(keys: CedrusKeys, box: PlayedBox) -> None:
    box._zero_s = clock() + 100  # far from what it was
    before_s = clock()
    box.send(b"k\x10" + struct.pack("<I", 5_000_000))
    box.send(b"k\x00" + struct.pack("<I", 5_000_100))
    found = polled(keys, 2)
    assert meanings(found) == ["yes", "release"]
    assert before_s <= found[0].time_s <= clock()


def test_a_double_press_is_a_bounce(keys: CedrusKeys, box: PlayedBox) -> None:
    time.sleep(0.45)
    now_s = clock()
    for after_s, pressed in ((0.0, True), (0.1, False), (0.15, True), (0.2, False), (0.4, True)):
        box.send(box.press(0, now_s + after_s - 0.4, pressed))
    assert meanings(polled(keys, 5)) == ["yes", "release", "bounce", "release", "yes"]


def wait_for(holds: Callable[[], bool]) -> None:
    until_s = clock() + 3
    while not holds() and clock() < until_s:
        time.sleep(0.002)
    assert holds()


def test_listen_returns_what_was_too_early_and_what_is_held(
    keys: CedrusKeys, box: PlayedBox
) -> None:
    now_s = clock()
    box.send(box.press(0, now_s))
    box.send(box.press(1, now_s))
    box.send(box.press(1, now_s, pressed=False))
    wait_for(lambda: len(keys._waiting) == 3)
    early = keys.listen(STEP, clock())
    assert meanings(list(early)) == ["yes", "no", "release", "held"]
    assert early[-1].key == "button 0"
    assert meanings(list(keys.listen(STEP, clock()))) == ["held"]
    assert keys.poll() == []


def test_a_press_after_the_onset_is_left_for_poll(keys: CedrusKeys, box: PlayedBox) -> None:
    onset_s = clock()
    time.sleep(0.01)
    box.send(box.press(0, clock()))
    wait_for(lambda: len(keys._waiting) == 1)
    assert keys.listen(STEP, onset_s) == []
    assert meanings(polled(keys, 1)) == ["yes"]


def test_a_press_that_arrives_after_the_onset_but_was_before_is_early(
    keys: CedrusKeys, box: PlayedBox
) -> None:
    time.sleep(0.02)
    onset_s = clock()
    keys.listen(STEP, onset_s)
    box.send(box.press(0, onset_s - 0.01))
    found = polled(keys, 1)
    assert meanings(found) == ["early"] and found[0].time_s < onset_s
    assert set(meanings(found)) <= NOT_ANSWERS


def test_an_unplugged_box_is_told_once_and_found_again(
    keys: CedrusKeys, box: PlayedBox, link: Path
) -> None:
    box.send(box.press(0, clock()))
    assert meanings(polled(keys, 1)) == ["yes"]
    box.unplug()
    link.unlink()
    assert meanings(polled(keys, 2, within_s=0.5)) == ["box lost"]
    again = PlayedBox(link)
    assert polled(keys, 1) == [KeyPress("box back", str(link), pytest.approx(clock(), abs=1.0))]
    assert keys.listen(STEP, clock()) == []  # whether a button is held is not known any more
    time.sleep(0.005)
    again.send(again.press(1, clock()))
    assert meanings(polled(keys, 1)) == ["no"]
    again.unplug()


def test_listening_to_a_box_takes_no_time(keys: CedrusKeys, box: PlayedBox) -> None:
    took_s = []
    for _ in range(300):
        before_s = clock()
        keys.poll()
        took_s.append(clock() - before_s)
    assert sorted(took_s)[270] < 0.001


@pytest.mark.parametrize(
    ("buttons", "why"),
    [
        ({}, "at least 1 item"),
        ({"8": "yes"}, "Input should be '0', '1', '2', '3', '4', '5', '6' or '7'"),
        ({"0": "maybe"}, "Input should be 'yes', 'no', '0', '1'"),
    ],
)
def test_buttons_must_have_meanings(buttons: dict[str, str], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        ResponseBox.model_validate({"buttons": buttons})
