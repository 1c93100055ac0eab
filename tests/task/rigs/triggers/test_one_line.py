"""One line: trains that can be read back, and pulses that keep their times."""

import os
import select
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.contract.errors import RigError
from task.rigs.triggers import open_port
from task.rigs.triggers.one_line import train
from task.triggers import PulseTrain, SinglePulse

SLACK_S = 0.09  # of a busy machine; a pulse would still be told from the next one's place


def read_back(onsets_s: list[float]) -> int:
    """The value of a train from the onsets of its pulses, as a person would do it."""
    assert onsets_s[0] == min(onsets_s)
    places = [round((onset_s - onsets_s[0]) / 0.1) for onset_s in onsets_s[1:]]
    return sum(1 << (8 - place) for place in places)


@given(st.integers(1, 255))
def test_a_train_tells_its_value(value: int) -> None:
    edges = train(value)
    ups = [time_s for time_s, up in edges if up]
    downs = [time_s for time_s, up in edges if not up]
    assert read_back(ups) == value
    assert all(abs(down - up - 0.02) < 1e-9 for up, down in zip(ups, downs, strict=True))
    assert [up for _, up in edges] == [True, False] * len(ups)
    assert [time_s for time_s, _ in edges] == sorted(time_s for time_s, _ in edges)


@given(st.integers(1, 255), st.integers(1, 255))
def test_trains_at_the_plans_distance_do_not_touch(first: int, second: int) -> None:
    settings = PulseTrain(device="pulse_train", port="x")
    spacing_s = settings.pulse_s + settings.gap_s
    assert spacing_s == pytest.approx(0.9)
    assert train(first)[-1][0] <= settings.pulse_s + 1e-9
    assert spacing_s + train(second)[0][0] - train(first)[-1][0] > 0.07


def test_rest_is_no_train() -> None:
    assert train(0) == ()


def edges_heard(descriptor: int, size: int) -> list[tuple[int, float]]:
    """Bytes as they come, with their times."""
    heard: list[tuple[int, float]] = []
    while len(heard) < size and select.select([descriptor], [], [], 2.0)[0]:
        heard += [(byte, time.perf_counter()) for byte in os.read(descriptor, 99)]
    return heard


def test_a_train_is_played_in_time(cable: Any) -> None:
    port = open_port(PulseTrain(device="pulse_train", port=cable.name, high=4))
    cable.got(1)
    cable.deafen()
    sent = port.set(0b1000_0001)
    assert sent.done and sent.after_s - sent.before_s < 0.05
    assert port.set(0).done, "rest waits for nothing and cuts nothing"
    heard = edges_heard(cable._master, 6)
    assert [byte for byte, _ in heard] == [4, 0, 4, 0, 4, 0]
    expected = [0.0, 0.02, 0.1, 0.12, 0.8, 0.82]
    for (_, time_s), after_s in zip(heard, expected, strict=True):
        assert -0.001 < time_s - sent.before_s - after_s < SLACK_S
    port.close()


def test_a_code_that_would_fall_into_a_train_is_lost_and_changes_nothing(cable: Any) -> None:
    port = open_port(PulseTrain(device="pulse_train", port=cable.name))
    assert port.set(0b1000_0000).done
    assert not port.set(255).done
    assert cable.got(5) == b"\x00\xff\x00\xff\x00"
    time.sleep(0.15)
    assert cable.heard == b"\x00\xff\x00\xff\x00"
    assert port.set(0b1000_0000).done, "the train is over"
    port.close()


def test_closing_cuts_a_train_and_lowers_the_line(cable: Any) -> None:
    port = open_port(PulseTrain(device="pulse_train", port=cable.name))
    port.set(255)
    started_s = time.perf_counter()
    port.close()
    assert time.perf_counter() - started_s < 0.5
    heard = cable.got(2)
    time.sleep(0.15)
    assert cable.heard == heard
    assert heard.endswith(b"\x00")


def test_what_a_train_lost_is_told_with_the_next_code(cable: Any) -> None:
    port: Any = open_port(PulseTrain(device="pulse_train", port=cable.name))
    assert port.set(128).done
    cable.pull()
    while port._player.ok:
        time.sleep(0.001)
    time.sleep(0.15)  # the train is over
    assert not port.set(128).done
    cable.plug()
    assert port.reopen()
    assert port.set(128).done
    port.close()


@pytest.mark.parametrize("line", ["rts", "dtr"])
def test_a_control_line_goes_up_and_down(line: Any) -> None:
    port: Any = open_port(SinglePulse(device="single_pulse", port="loop://", line=line))
    opened = port._line._wire.port
    seen = [getattr(opened, line)]
    for value in (5, 0, 6):
        assert port.set(value).done
        time.sleep(0.05)
        seen.append(getattr(opened, line))
    assert seen == [False, True, False, True]
    assert port.description["line"] == line
    port.close()
    assert getattr(opened, line) is False
    assert opened.is_open is False


def test_a_train_can_be_played_on_a_control_line(monkeypatch: pytest.MonkeyPatch) -> None:
    port: Any = open_port(PulseTrain(device="pulse_train", port="loop://", line="rts"))
    seen: list[Any] = []
    monkeypatch.setattr(
        port._line._wire, "control", lambda line, high: seen.append((line, high)) or True
    )
    assert port.set(0b1000_0000).done
    time.sleep(0.2)
    assert seen == [("rts", True), ("rts", False)] * 2
    port.close()


def test_a_control_line_that_is_gone_is_told_with_the_next_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port: Any = open_port(SinglePulse(device="single_pulse", port="loop://", line="rts"))
    monkeypatch.setattr(port._line._wire, "control", lambda line, high: False)
    assert port.set(5).done, "nobody knows yet"
    while port._player.ok:
        time.sleep(0.001)
    assert not port.set(6).done
    assert port.reopen()
    assert port.set(7).done
    port.close()


def test_a_port_without_control_lines_is_refused(cable: Any) -> None:
    with pytest.raises(RigError) as error:
        open_port(SinglePulse(device="single_pulse", port=cable.name, line="rts"))
    assert "is open, but its line RTS cannot be changed; " in str(error.value)
