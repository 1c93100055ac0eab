"""A rig is opened whole or not at all; a robot does not take the keyboard away."""

from collections.abc import Callable

import pytest

from task.contract.errors import RigError
from task.plan import BLANK, Step
from task.rig import KeyPress
from task.rigfile import RigFile
from task.rigs import bedside, triggers
from task.rigs.simulated import Robot
from task.rigs.triggers.serial_port import SerialPort
from task.triggers import RawByte

ASKED = Step("SEARCH_ON", BLANK, 120, ("yes", "no"), "yes")
RATED = Step("RATING_ON", BLANK, 120, tuple("12345"))
READ = Step("TEXT_ON", BLANK, 120, ("any",))


def rig_file(*, robot: bool) -> RigFile:
    return RigFile.model_validate({"name": "x", "triggers": {"port": "loop://"}, "robot": robot})


class Window:
    """A window in which somebody presses another key whenever one looks: F1, F2 ..."""

    def __init__(self, *_: object) -> None:
        self.closed = False
        self.handle = self
        self._symbols = iter(range(0xFFBE, 0xFFCA))
        self._handlers: dict[str, Callable[..., object]] = {}

    def push_handlers(self, **handlers: Callable[..., object]) -> None:
        self._handlers = handlers

    def dispatch_events(self) -> None:
        symbol = next(self._symbols)
        self._handlers["on_key_press"](symbol, 0)
        self._handlers["on_key_release"](symbol, 0)

    def close(self) -> None:
        self.closed = True


def test_a_port_is_given_back_where_no_window_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[SerialPort] = []

    def open_port(device: RawByte) -> SerialPort:
        port = triggers.open_port(device)
        assert isinstance(port, SerialPort)
        opened.append(port)
        return port

    def no_window(*_: object) -> None:
        raise RigError("no window can be opened")

    monkeypatch.setattr(bedside, "open_port", open_port)
    monkeypatch.setattr(bedside, "WindowDisplay", no_window)
    with pytest.raises(RigError, match="no window can be opened"):
        bedside.open_rig(rig_file(robot=False), {}, "", 0)
    assert not opened[0].set(5).done, "it is closed"


@pytest.mark.parametrize("robot", [False, True])
def test_whoever_stands_at_the_keyboard_is_heard(
    robot: bool, screen: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bedside, "WindowDisplay", Window)
    rig = bedside.open_rig(rig_file(robot=robot), {}, "", 0)
    assert [press.meaning for press in rig.keys.listen(ASKED, -1000.0)] == ["f1"]
    meanings = [press.meaning for press in rig.keys.poll()]
    assert meanings[0] == "f2" and len(meanings) == 1 + robot
    rig.close()


class Clock:
    """A clock that stands until it is moved."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def answer_of(robot: Robot, clock: Clock, step: Step) -> KeyPress:
    onset_s = clock.now_s
    assert robot.listen(step, onset_s) == ()
    assert robot.poll() == ()
    clock.now_s += 2.0
    (press,) = robot.poll()
    assert robot.poll() == ()
    assert onset_s < press.time_s <= clock.now_s
    return press


def test_a_robot_answers_once_and_never_too_early() -> None:
    clock = Clock()
    robot = Robot(clock, 1)
    searched = [answer_of(robot, clock, ASKED).meaning for _ in range(300)]
    assert 0.8 < searched.count("yes") / 300 < 0.97
    rated = [answer_of(robot, clock, RATED).meaning for _ in range(300)]
    assert set(rated) == set("12345")
    assert answer_of(robot, clock, READ).meaning == "any"


def test_the_same_seed_makes_the_same_robot() -> None:
    def answers(seed: int) -> list[str]:
        clock = Clock()
        robot = Robot(clock, seed)
        return [answer_of(robot, clock, RATED).meaning for _ in range(20)]

    assert answers(1) == answers(1) != answers(2)
