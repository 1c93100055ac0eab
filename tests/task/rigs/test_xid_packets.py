"""The box's bytes, whole, split, torn and spoilt."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.rig import KeyPress
from task.rigs.xid_packets import Button, Message, Nonsense, Packets, Presses, Timer


def packet(number: int, pressed: bool, timer_ms: int, port: int = 0) -> bytes:
    return b"k" + bytes([port | pressed << 4 | number << 5]) + struct.pack("<I", timer_ms)


def near(timer_ms: int) -> bool:
    """A timer that stands at about a million."""
    return 990_000 <= timer_ms <= 1_100_000


messages = st.one_of(
    st.builds(
        Button, st.integers(0, 3), st.integers(0, 7), st.booleans(), st.integers(0, 2**32 - 1)
    ),
    st.builds(Timer, st.integers(0, 2**32 - 1)),
)


def wire(message: Message) -> bytes:
    match message:
        case Button(port, number, pressed, timer_ms):
            return packet(number, pressed, timer_ms, port)
        case Timer(timer_ms):
            return b"_e5" + struct.pack("<I", timer_ms)
    return b""


def test_a_press_is_six_bytes() -> None:
    found = Packets(near).feed(bytes.fromhex("6b 30 40 42 0f 00"))
    assert found == [Button(port=0, number=1, pressed=True, timer_ms=1_000_000)]


def test_a_release_on_another_socket() -> None:
    found = Packets(near).feed(bytes.fromhex("6b e1 40 42 0f 00"))
    assert found == [Button(port=1, number=7, pressed=False, timer_ms=1_000_000)]


def test_an_answer_about_the_timer_is_seven_bytes() -> None:
    assert Packets(near).feed(b"_e5\x40\x42\x0f\x00") == [Timer(1_000_000)]


@given(st.lists(messages, max_size=8), st.data())
def test_messages_come_out_however_they_are_split(said: list[Message], data: st.DataObject) -> None:
    stream = b"".join(map(wire, said))
    packets, found = Packets(lambda _: True), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += packets.feed(stream[:size])
        stream = stream[size:]
    assert found + packets.silence() == said


@pytest.mark.parametrize("cut", range(1, 6))
def test_a_torn_message_costs_none_of_the_next(cut: int) -> None:
    whole = packet(0, True, 1_000_000)
    for torn in (whole[:cut], whole[cut:]):
        packets = Packets(near)
        found = packets.feed(torn + packet(2, True, 1_000_100)) + packets.silence()
        assert found == [Nonsense(torn), Button(0, 2, True, 1_000_100)]


@given(st.binary(max_size=30), st.lists(st.integers(0, 7), min_size=1, max_size=5))
def test_after_any_nonsense_every_button_is_found(noise: bytes, numbers: list[int]) -> None:
    packets = Packets(near)
    pressed = [Button(0, number, True, 1_000_000 + n) for n, number in enumerate(numbers)]
    found = packets.feed(noise) + packets.silence()
    found += packets.feed(b"".join(map(wire, pressed))) + packets.silence()
    assert found[-len(pressed) :] == pressed


@given(st.binary(max_size=60))
def test_no_byte_is_dropped(noise: bytes) -> None:
    packets = Packets(near)
    found = packets.feed(noise) + packets.silence()
    sizes = [len(m.data) if isinstance(m, Nonsense) else len(wire(m)) for m in found]
    assert sum(sizes) == len(noise)


def test_a_timer_that_began_anew_is_believed_if_nothing_else_fits() -> None:
    packets = Packets(near)
    assert packets.feed(packet(3, True, 12)) == []
    assert packets.silence() == [Button(0, 3, True, 12)]


def test_nonsense_is_shown_as_hexadecimal() -> None:
    assert Nonsense(b"\x01\xff").key == "01 ff"
    assert Nonsense(bytes(20)).key == "00 " * 12 + "..."


def press(number: int, pressed: bool = True, port: int = 0) -> Button:
    return Button(port, number, pressed, 0)


def test_the_meaning_of_a_button_stands_in_the_rig_file_only() -> None:
    presses = Presses({"0": "no", "5": "yes"})
    assert presses.take(press(0), 1.0) == KeyPress("no", "button 0", 1.0)
    assert presses.take(press(5), 2.0) == KeyPress("yes", "button 5", 2.0)


def test_a_button_without_meaning_and_other_sockets_keep_their_names() -> None:
    presses = Presses({"0": "no"})
    assert presses.take(press(3), 1.0) == KeyPress("button 3", "button 3", 1.0)
    assert presses.take(press(0, port=2), 1.0) == KeyPress(
        "port 2 button 0", "port 2 button 0", 1.0
    )


@pytest.mark.parametrize(("after_s", "meaning"), [(0.079, "bounce"), (0.0801, "yes")])
def test_a_press_right_after_the_release_is_a_bounce(after_s: float, meaning: str) -> None:
    presses = Presses({"0": "yes", "1": "no"})
    presses.take(press(0), 9.0)
    assert presses.take(press(0, pressed=False), 10.0) == KeyPress("release", "button 0", 10.0)
    assert presses.take(press(1), 10.01).meaning == "no"
    assert presses.take(press(0), 10.0 + after_s).meaning == meaning


def test_held_buttons_are_those_that_were_down_before() -> None:
    presses = Presses({"0": "yes", "1": "no"})
    presses.take(press(0), 1.0)
    presses.take(press(1), 2.0)
    assert presses.held(2.0) == [KeyPress("held", "button 0", 1.0)]
    presses.take(press(0, pressed=False), 3.0)
    assert presses.held(4.0) == [KeyPress("held", "button 1", 2.0)]
    presses.forget()
    assert presses.held(4.0) == []
