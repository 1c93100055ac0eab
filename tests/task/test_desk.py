"""What the operator's keys do on the pause screen, and what it says."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.bitmaps import extent
from task.desk import Desk
from task.plan import DeskItem
from task.rig import OPERATOR_KEYS, KeyPress

PAUSED = Desk("Pause")
TYPING = Desk("Pause", note="")
ENDING = Desk("Pause", ending=True)


def press(key: str, meaning: str = "", time_s: float = 1.0) -> KeyPress:
    return KeyPress(meaning or key, key, time_s)


def text_of(desk: Desk) -> str:
    return "\n".join(item.text for item in desk.screen(OPERATOR_KEYS) if hasattr(item, "text"))


@pytest.mark.parametrize(("key", "command"), [("r", "resume"), ("k", "skip"), ("b", "repeat")])
def test_a_key_of_the_desk_gives_its_command_at_once(key: str, command: str) -> None:
    assert PAUSED.pressed(press(key), OPERATOR_KEYS) == (PAUSED, command)


@pytest.mark.parametrize("key", ["escape", "return", "yes", "space", "1", "x", "R", ""])
def test_any_other_key_does_nothing(key: str) -> None:
    assert PAUSED.pressed(press(key), OPERATOR_KEYS) == (PAUSED, "")


def test_the_commands_follow_the_keys_of_the_rig() -> None:
    keys = {**OPERATOR_KEYS, "resume": "f1", "stop": "f12"}
    assert PAUSED.pressed(press("f1"), keys) == (PAUSED, "resume")
    assert PAUSED.pressed(press("r"), keys) == (PAUSED, "")
    desk, _ = PAUSED.pressed(press("f12"), keys)
    assert desk.pressed(press("f12"), keys)[1] == "stop"
    assert "F12" in "".join(getattr(i, "text", "") for i in desk.screen(keys))


def test_stop_is_asked_about_and_a_second_press_confirms_it() -> None:
    desk, command = PAUSED.pressed(press("q"), OPERATOR_KEYS)
    assert (desk, command) == (ENDING, "")
    assert "End the session?\n\nQ again ends it\nany other key goes back" in text_of(desk)
    assert desk.pressed(press("q"), OPERATOR_KEYS)[1] == "stop"


@pytest.mark.parametrize("key", ["r", "k", "b", "t", "escape", "return", "x", "1"])
def test_any_other_key_goes_back_from_stop_and_gives_no_command(key: str) -> None:
    assert ENDING.pressed(press(key), OPERATOR_KEYS) == (PAUSED, "")


@given(st.lists(st.sampled_from([*"rkbtqx", "escape", "return"]), max_size=20))
def test_a_session_never_ends_but_by_two_presses_in_a_row(keys: list[str]) -> None:
    desk, before = PAUSED, ""
    for key in keys:
        typing = desk.note is not None
        desk, command = desk.pressed(press(key), OPERATOR_KEYS)
        if command == "note":
            desk = PAUSED
        assert command != "stop" or (key == before == "q" and not typing)
        before = key


@pytest.mark.parametrize("meaning", ["autorepeat", "bounce", "held"])
def test_a_key_that_is_held_or_bounces_is_no_second_press(meaning: str) -> None:
    assert ENDING.pressed(press("q", meaning), OPERATOR_KEYS) == (ENDING, "")


@pytest.mark.parametrize(("meaning", "key"), list(product(["autorepeat", "bounce"], "rkb")))
def test_a_key_that_repeats_gives_no_command(meaning: str, key: str) -> None:
    assert PAUSED.pressed(press(key, meaning), OPERATOR_KEYS)[1] == ""


# Notes ---------------------------------------------------------------------------------------


def test_a_note_has_the_time_of_the_key_that_began_it() -> None:
    desk, command = PAUSED.pressed(press("t", time_s=7.5), OPERATOR_KEYS)
    assert (desk.note, desk.begun_s, command) == ("", 7.5, "")


@pytest.mark.parametrize("key", ["r", "k", "b", "q", "t", "x", "yes", "space"])
def test_while_a_note_is_typed_no_key_is_a_command(key: str) -> None:
    assert TYPING.pressed(press(key), OPERATOR_KEYS) == (TYPING, "")


@pytest.mark.parametrize("key", ["return", "enter", "num_enter"])
def test_enter_keeps_a_note(key: str) -> None:
    desk = TYPING.typed("nurse came in")
    assert desk.pressed(press(key), OPERATOR_KEYS) == (desk, "note")


def test_escape_throws_a_note_away_and_stays_in_the_pause() -> None:
    assert TYPING.typed("oh").pressed(press("escape"), OPERATOR_KEYS) == (PAUSED, "")


@given(st.lists(st.sampled_from("ab \b"), max_size=30))
def test_backspace_takes_one_character_back_and_none_from_nothing(typed: list[str]) -> None:
    expected: list[str] = []
    for character in typed:
        if character == "\b":
            del expected[-1:]
        else:
            expected.append(character)
    whole, single = TYPING.typed("".join(typed)), TYPING
    for character in typed:
        single = single.typed(character)
    assert whole.note == single.note == "".join(expected)


def test_what_is_typed_outside_a_note_is_nothing() -> None:
    assert PAUSED.typed("rq") == PAUSED


@pytest.mark.parametrize(
    ("desk", "words"),
    [
        (PAUSED, "Pause"),
        (PAUSED, "R\tgo on"),
        (PAUSED, "B\tbegin this block again"),
        (PAUSED, "K\tskip the rest of this block"),
        (PAUSED, "T\twrite a note"),
        (PAUSED, "Q\tend the session"),
        (TYPING.typed("ab c"), "Note: ab c_\n\nEnter keeps it, Escape throws it away"),
    ],
)
def test_the_screen_says_what_every_key_does(desk: Desk, words: str) -> None:
    assert words in text_of(desk)


REFUSED = "/home/somebody/imagery/data/P07/session.jsonl: no space left; it goes on in /tmp. " * 3
DESKS = {
    "pause": PAUSED,
    "lost": Desk("TRIGGERS LOST", alarm=True, about="Check the cable and the box"),
    "refused": Desk("THE DISK REFUSES THE LOG", alarm=True, about=REFUSED),
    "ending": Desk("THE DISK REFUSES THE LOG", alarm=True, about=REFUSED, ending=True),
    "practice": Desk("The practice was not understood\n(3 answers not right)"),
    "typing": Desk("Pause", note="somebody came in " * 40, about=REFUSED),
}


@pytest.mark.parametrize("desk", DESKS.values(), ids=DESKS)
def test_everything_stands_centred_below_each_other_and_on_the_screen(desk: Desk) -> None:
    scale, last_deg = 40.0, 8.5  # of the screen of 17 degrees that a desk is drawn for
    for item in desk.screen(OPERATOR_KEYS):
        assert isinstance(item, DeskItem)
        size = extent(item, scale, {})
        half_deg = size.height / scale / 2
        assert item.x_deg == 0 and size.width < 30 * scale
        assert item.y_deg + half_deg < last_deg, "above what comes below it"
        last_deg = item.y_deg - half_deg
    assert last_deg > -8.5


def test_the_title_stands_still_whatever_comes_below_it() -> None:
    places = {desk.screen(OPERATOR_KEYS)[0].y_deg for name, desk in DESKS.items()  # type: ignore[union-attr]
              if name != "practice"}  # fmt: skip
    assert len(places) == 1


@pytest.mark.parametrize("alarm", [False, True])
def test_only_an_alarm_stands_on_a_panel(alarm: bool) -> None:
    title, *others = Desk("TRIGGERS LOST", alarm=alarm).screen(OPERATOR_KEYS)
    assert [getattr(i, "alert", False) for i in (title, *others)] == [
        alarm, *[False] * len(others)
    ]  # fmt: skip
