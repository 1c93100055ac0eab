"""What is tried and asked before a session: lines, tone, keys, pictures."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from task.contract.codes import (
    SWEEP_VALUES,
    Code,
    announce_presentation,
    announce_session,
    read_labels,
)
from task.contract.lights import Light
from task.plan import SoundItem, Step, TextItem, ToneItem
from task.preflight.lights import Check
from task.preflight.tryout import (
    Ask,
    keys_check,
    sweep,
    sweep_answer,
    sweep_check,
    tone_check,
    undecodable,
)
from task.rig import KeyPress, Sent, SoundStart
from task.rigs.simulated import Robot, SimulatedDisplay, SimulatedPort

GREEN, YELLOW, RED, GREY = Light.GREEN, Light.YELLOW, Light.RED, Light.GREY
CABLE = "check the cable from the trigger box to the recorder, pin by pin, and its input range"
LOUDER = "check loudspeaker, volume and mute, and the device under [sound] in the rig file"
BOX = "check that the box is plugged in, and [keys] in the rig file"


class Time:
    """A clock that waiting moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def wait(self, length_s: float) -> None:
        self.now_s += length_s


def answering(*answers: str | None) -> tuple[Ask, list[str]]:
    """Somebody who gives these answers; the questions are kept."""
    left, questions = list(answers), []

    def ask(question: str) -> str | None:
        questions.append(question)
        return left.pop(0)

    return ask, questions


def nobody(question: str) -> str | None:
    return None


# The lines -----------------------------------------------------------------------------------


def swept(pulse_s: float = 0.005, gap_s: float = 0.005) -> list[tuple[float, int]]:
    time = Time()
    port = SimulatedPort(time, pulse_s, gap_s)
    assert sweep(port, time.wait) == 0
    return [*port.edges, (time.now_s, 0)]


def test_each_line_is_raised_alone_twice_and_slowly_enough_to_be_read() -> None:
    edges = swept()
    assert [value for _, value in edges if value] == [*SWEEP_VALUES, *SWEEP_VALUES]
    assert all(bool(before) != bool(after) for (_, before), (_, after) in pairwise(edges[:-1]))
    assert {round(b - a, 6) for (a, _), (b, _) in pairwise(edges)} == {0.25}
    assert edges[-1][0] == 8.0


def test_a_slow_device_is_swept_once_and_still_within_ten_seconds() -> None:
    edges = swept(pulse_s=0.82, gap_s=0.08)
    assert [value for _, value in edges if value] == list(SWEEP_VALUES)
    assert 8 < edges[-1][0] < 10


def test_a_sweep_is_no_message_in_a_recording() -> None:
    session, run = 77, (Code.RUN_START, *announce_session(77), Code.BLOCK_START, Code.IMAGE_ON)
    stream = (*run, *announce_presentation(session, 3), Code.IMAGE_OFF, Code.BLOCK_END)
    lone = [value for _, value in swept() if value]
    assert not set(lone) & set(Code)
    known = set(map(int, Code))
    labels = [x for x in read_labels([*lone, *stream, Code.RUN_END, *lone]) if x.code in known]
    alone = read_labels([*stream, Code.RUN_END])
    assert [x[1:] for x in labels] == [x[1:] for x in alone]


class Refusing(SimulatedPort):
    """A port that takes nothing after a while."""

    def set(self, value: int) -> Sent:
        sent = super().set(value)
        return sent._replace(done=len(self.edges) <= 29)


@pytest.fixture
def port() -> SimulatedPort:
    made = SimulatedPort(Time(), 0.005, 0.005)
    made.description = {"device": "serial"}
    return made


def test_codes_that_the_port_refuses_are_red_whatever_the_recorder_saw() -> None:
    port = Refusing(Time(), 0.005, 0.005)
    port.description = {"device": "serial"}
    check = sweep_check(port, answering("yes")[0], Time().wait)
    assert check == Check("sweep", RED, "the port refused 3 changes of the lines", CABLE)


QUESTION = "Did the recorder see 1, 2, 4, 8, 16, 32, 64, 128? yes, or those it did not see"


def test_the_operator_is_asked_until_the_answer_is_understood(port: SimulatedPort) -> None:
    ask, questions = answering("perhaps", "4 and 8", "4, 64")
    check = sweep_check(port, ask, Time().wait)
    again = 'Please answer "yes", "no", "skip", or the missing ones, such as "4 64"'
    assert questions == [QUESTION, again, again]
    assert check == Check("sweep", RED, "the recorder did not see 4 (line 3), 64 (line 7)", CABLE)


def test_where_nobody_answers_the_sweep_stays_grey(port: SimulatedPort) -> None:
    check = sweep_check(port, nobody, Time().wait)
    assert check == Check("sweep", GREY, "the lines were swept; nobody said what the recorder saw")
    assert len(port.edges) == 32


@pytest.mark.parametrize(
    ("answer", "light", "found"),
    [
        ("yes", GREEN, "the recorder saw all eight lines"),
        (" Y ", GREEN, "the recorder saw all eight lines"),
        ("no", RED, "the recorder did not see the lines"),
        ("128", RED, "the recorder did not see 128 (line 8)"),
        ("2 1", RED, "the recorder did not see 1 (line 1), 2 (line 2)"),
        ("skip", GREY, "the lines were swept; nobody said what the recorder saw"),
        ("", GREY, "the lines were swept; nobody said what the recorder saw"),
    ],
)
def test_what_the_operator_says_of_the_sweep(answer: str, light: Light, found: str) -> None:
    assert sweep_answer(answer) == Check("sweep", light, found, CABLE if light is RED else "")


@pytest.mark.parametrize("answer", ["3", "1 3", "yes 4", "all", "1248"])
def test_an_answer_that_means_nothing_is_no_answer(answer: str) -> None:
    assert sweep_answer(answer) is None


@pytest.mark.parametrize(
    ("device", "pulse_s", "seen"),
    [("single_pulse", 0.005, "16 pulses"), ("pulse_train", 0.82, "8 trains of pulses")],
)
def test_a_rig_of_one_line_is_asked_for_its_pulses(device: str, pulse_s: float, seen: str) -> None:
    def check(*answers: str | None) -> tuple[Check, list[str]]:
        port = SimulatedPort(Time(), pulse_s, 0.08)
        port.description = {"device": device}
        ask, questions = answering(*answers)
        return sweep_check(port, ask, Time().wait), questions

    question = [f"Did the recorder see {seen}? yes or no"]
    assert check("yes") == (Check("sweep", GREEN, f"the recorder saw {seen}"), question)
    assert check("no") == (Check("sweep", RED, f"the recorder did not see {seen}", CABLE), question)
    assert check(None)[0].light is GREY


# The tone ------------------------------------------------------------------------------------


class Loudspeaker:
    """Sounds on time, or says why not, or says nothing; a failure is known after a while."""

    description: dict[str, object] = {}

    def __init__(self, time: Time, problem: str | None = "") -> None:
        self.time, self.problem = time, problem
        self.ready: list[ToneItem | SoundItem] = []
        self.begun: list[SoundStart] = []

    def prepare(self, items: Iterable[ToneItem | SoundItem]) -> None:
        self.ready += items

    def start(self, item: ToneItem | SoundItem, at_s: float) -> None:
        assert item in self.ready
        self.begun.append(SoundStart(item, at_s, None, self.problem or ""))

    def silence(self) -> None: ...

    def started(self) -> Sequence[SoundStart]:
        known_s = self.begun[0].asked_s + (1.0 if self.problem else 0.0)
        return self.begun if self.problem is not None and self.time.now_s >= known_s else ()

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Yes", Check("tone", GREEN, "heard")),
        ("n", Check("tone", RED, "the tone was not heard", LOUDER)),
        (None, Check("tone", GREY, "a tone was played; nobody said whether it was heard")),
        ("what?", Check("tone", GREY, "a tone was played; nobody said whether it was heard")),
    ],
)
def test_a_tone_is_played_to_its_end_before_the_question(
    answer: str | None, expected: Check
) -> None:
    time = Time()
    sound = Loudspeaker(time)
    ask, questions = answering(answer)
    assert tone_check(sound, ask, clock=time, wait=time.wait) == expected
    assert questions == ["Did you hear a tone? yes or no"]
    (start,) = sound.begun
    assert isinstance(start.item, ToneItem)
    assert time.now_s >= start.asked_s + start.item.duration_s


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        ("the device is gone", "the device is gone"),
        (None, "the device does not say that it began"),
    ],
)
def test_a_tone_that_did_not_sound_is_red_and_nobody_is_asked(
    problem: str | None, said: str
) -> None:
    time = Time()
    ask, questions = answering()
    check = tone_check(Loudspeaker(time, problem), ask, clock=time, wait=time.wait)
    assert check == Check("tone", RED, f"the tone did not sound: {said}", LOUDER)
    assert questions == []


# The keys ------------------------------------------------------------------------------------


class Screen(SimulatedDisplay):
    """Keeps what was shown."""

    def __init__(self) -> None:
        super().__init__(60.0)
        self.texts: list[str] = []

    def draw(self, screen: object, lit: bool = False) -> None:
        assert isinstance(screen, tuple)
        shown = [item.text for item in screen if isinstance(item, TextItem)]
        self.texts += [text for text in shown if text not in self.texts]


class Hand:
    """Presses keys when asked: for each question, what comes after so many seconds."""

    def __init__(self, display: Screen, *presses: Sequence[tuple[float, KeyPress]]) -> None:
        self._display, self._turns = display, iter(presses)
        self._due: list[tuple[float, KeyPress]] = []
        self.asked: list[tuple[str, ...]] = []

    description: Mapping[str, object] = {}

    def listen(self, step: Step, onset_s: float) -> Sequence[KeyPress]:
        self.asked.append(step.answers)
        self._due = [(onset_s + after_s, press) for after_s, press in next(self._turns, ())]
        return (KeyPress("yes", "y", onset_s),)  # too early: does not count

    def poll(self) -> Sequence[KeyPress]:
        now_s = self._display.now_s
        due = [press for at_s, press in self._due if at_s <= now_s]
        self._due = [(at_s, press) for at_s, press in self._due if at_s > now_s]
        return due

    def typed(self) -> str:
        return ""


def press(meaning: str, key: str = "", by: str = "patient") -> KeyPress:
    return KeyPress(meaning, key or meaning, 0.0, by)


YES, NO = press("yes", "y"), press("no", "n")
PAUSE = press("pause", "escape", "operator")


def asked(*presses: Sequence[tuple[float, KeyPress]]) -> tuple[Check, Screen, Hand]:
    display = Screen()
    hand = Hand(display, *presses)
    return keys_check(display, hand, ("yes", "no")), display, hand


def test_each_key_is_asked_for_by_its_meaning() -> None:
    check, display, hand = asked([(0.5, YES)], [(0.5, NO)])
    assert check == Check("keys", GREEN, "yes (y), no (n): each key means what it says")
    assert hand.asked == [("yes",), ("no",)]
    assert display.texts == [
        "Press: yes",
        "operator: escape to leave this out",
        "Press: no",
    ]
    assert display.now_s < 2


def test_with_a_box_its_buttons_are_asked_for_and_the_keyboard_does_not_do() -> None:
    display = Screen()
    buttons = press("yes", "button 0"), press("no", "button 1")
    hand = Hand(display, [(0.5, YES), (1.0, buttons[0])], [(0.5, buttons[1])])
    check = keys_check(display, hand, ("yes", "no"), on_box=("yes", "no"))
    assert check == Check(
        "keys", GREEN, "yes (button 0), no (button 1): each key means what it says"
    )
    assert display.texts == [
        "Press on the box: yes",
        "operator: escape to leave this out",
        "y is on the keyboard; press the button on the box",
        "Press on the box: no",
    ]


def test_swapped_buttons_are_told_on_the_screen_and_leave_a_mark() -> None:
    check, display, _ = asked([(0.5, NO), (1.5, YES)], [(0.5, YES), (1.5, NO)])
    assert check == Check(
        "keys",
        YELLOW,
        "for yes came n (no); for no came y (yes)",
        "if a button sent another's meaning, correct [keys] in the rig file",
    )
    assert {"n means: no", "y means: yes"} <= set(display.texts)


def test_a_silent_box_is_red_after_ten_seconds_a_key() -> None:
    check, display, _ = asked()
    assert check == Check("keys", RED, "nothing was pressed", BOX)
    assert 20 < display.now_s < 21


def test_of_a_silent_box_two_keys_are_asked_for_and_no_more() -> None:
    display = Screen()
    hand = Hand(display)
    assert keys_check(display, hand, tuple("12345")).found == "nothing was pressed"
    assert hand.asked == [("1",), ("2",)]
    display = Screen()
    hand = Hand(display, [(0.1, press("1"))], [], [(0.1, press("3"))], [], [])
    check = keys_check(display, hand, tuple("123456"))
    assert check == Check("keys", RED, "no key came for 2, 4, 5", BOX)
    assert hand.asked == [("1",), ("2",), ("3",), ("4",), ("5",)]


def test_a_key_that_never_comes_is_red_with_what_came_instead() -> None:
    stranger = press("button 3", "button 3")
    check, display, _ = asked([(0.5, YES)], [(0.5, stranger), (1.0, YES)])
    assert check == Check("keys", RED, "no key came for no; for no came button 3 (no meaning)", BOX)
    assert "button 3 has no meaning here" in display.texts


def test_a_key_in_the_last_moment_counts_and_after_it_does_not() -> None:
    assert asked([(9.9, YES)], [(0.1, NO)])[0].light is GREEN
    assert asked([(10.1, YES)], [(0.1, NO)])[0].found == "no key came for yes"


def test_the_operator_can_leave_the_keys_out() -> None:
    check, display, hand = asked([(0.5, YES)], [(0.5, PAUSE)])
    assert check == Check("keys", GREY, "left out: no")
    check, display, hand = asked([(0.5, PAUSE)])
    assert check == Check("keys", GREY, "left out: yes, no")
    assert hand.asked == [("yes",)]


def test_an_answer_that_the_operator_enters_is_no_proof_of_the_patients_key() -> None:
    assert asked([(0.5, press("yes", "y", "operator"))])[0].light is GREY


@pytest.mark.parametrize("meaning", ["held", "bounce", "autorepeat", "modifier"])
def test_what_is_no_press_is_no_wrong_key(meaning: str) -> None:
    check, _, _ = asked([(0.3, press(meaning, "n")), (0.5, YES)], [(0.5, NO)])
    assert check.light is GREEN


def test_a_protocol_without_questions_needs_no_keys() -> None:
    display = Screen()
    check = keys_check(display, Hand(display), ())
    assert check == Check("keys", GREEN, "the protocol asks for no answers")


def test_a_robot_presses_every_key() -> None:
    display = Screen()
    robot = Robot(lambda: display.now_s, 1)
    assert keys_check(display, robot, ("yes", "no", "3")).light is GREEN


# Pictures ------------------------------------------------------------------------------------


@pytest.fixture
def picture(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "dog.png"
    Image.effect_noise((200, 200), 50).save(path)
    return path


def test_every_picture_is_read_to_its_last_pixel(picture: Path) -> None:
    cut = picture.with_name("cut.png")
    cut.write_bytes(picture.read_bytes()[:-1000])
    words = picture.with_name("words.png")
    words.write_text("no picture", encoding="utf-8")
    files = {"dog": picture, "cut": cut, "words": words, "gone": picture.with_name("gone.png")}
    assert undecodable(files) == {
        "cut": "it is damaged, or no picture",
        "words": "it is damaged, or no picture",
        "gone": "No such file or directory",
    }
    assert undecodable({"dog": picture}) == {}
