"""Key events of a window become presses, each with its meaning, its time and who pressed."""

import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.keynames import WORDS
from task.plan import BLANK, Step
from task.rig import KeyPress
from task.rigfile import RigFile
from task.rigs import keyboard
from task.rigs.keyboard import BOUNCE_S, REPEAT_GAP_S, Contacts, WindowKeys
from task.rigs.window import WindowDisplay

RIG = RigFile.model_validate(
    {
        "name": "x",
        "triggers": {"device": "none"},
        "screen": {"full_screen": False, "window_px": (200, 100)},
        "keys": {"yes": ("y", "ñ")},
        "operator": {"pause": "f12"},
    }
)
ASKED = Step("SEARCH_ON", BLANK, 60, ("yes", "no"))
Y, N, SPACE, RETURN, ESCAPE, F12, LCTRL = 0x79, 0x6E, 0x20, 0xFF0D, 0xFF1B, 0xFFC9, 0xFFE3
LSHIFT, ONE, AMPERSAND = 0xFFE1, 0x31, 0x26
CTRL = 2  # pyglet's modifier
ENYE = 47 << 32  # a key that pyglet knows by its character only


# Contacts ------------------------------------------------------------------------------------


def test_a_key_held_makes_one_press_however_long_it_repeats() -> None:
    contacts = Contacts()
    assert contacts.goes_down(Y, 1.0) == "press"
    repeats = [contacts.goes_down(Y, 2.0 + n * 0.03) for n in range(200)]
    assert set(repeats) == {"autorepeat"}
    contacts.goes_up(Y, 9.0)
    assert contacts.down == ()
    assert contacts.goes_down(Y, 9.5) == "press"


@pytest.mark.parametrize(
    ("gap_s", "moved"), [(0.0, "bounce"), (BOUNCE_S - 0.001, "bounce"), (BOUNCE_S, "press")]
)
def test_a_press_just_after_the_release_is_a_bounce(gap_s: float, moved: str) -> None:
    contacts = Contacts()
    contacts.goes_down(Y, -1.0)
    contacts.goes_up(Y, 0.0)
    assert contacts.goes_down(N, 0.0) == "press", "another key does not bounce"
    assert contacts.goes_down(Y, gap_s) == moved
    assert set(contacts.down) == {Y, N}


def test_a_chain_of_bounces_stays_one_press() -> None:
    contacts = Contacts()
    moved = []
    for n in range(6):
        moved.append(contacts.goes_down(Y, n * 0.02))
        contacts.goes_up(Y, n * 0.02 + 0.01)
    assert moved == ["press"] + 5 * ["bounce"]


def test_the_next_press_counts_where_a_release_was_lost() -> None:
    contacts = Contacts()
    contacts.goes_down(Y, 0.0)
    assert contacts.goes_down(Y, REPEAT_GAP_S + 0.01) == "press"
    contacts.forget()
    assert contacts.down == ()
    assert contacts.goes_down(Y, REPEAT_GAP_S + 0.1) == "press"


@given(
    st.lists(st.tuples(st.sampled_from([Y, N]), st.booleans(), st.floats(0.0, 2.0)), max_size=60)
)
def test_every_press_of_a_key_is_a_release_a_lost_release_or_the_first(
    moves: list[tuple[int, bool, float]],
) -> None:
    contacts, now_s = Contacts(), 0.0
    last_down: dict[int, float] = {}
    last_up: dict[int, float] = {}
    for key, goes_down, gap_s in moves:
        now_s += gap_s
        if not goes_down:
            contacts.goes_up(key, now_s)
            last_up[key] = now_s
            last_down.pop(key, None)
            continue
        moved = contacts.goes_down(key, now_s)
        if key in last_down:
            wanted = "press" if now_s - last_down[key] > REPEAT_GAP_S else "autorepeat"
        else:
            wanted = "bounce" if now_s - last_up.get(key, -9.0) < BOUNCE_S else "press"
        assert moved == wanted
        last_down[key] = now_s
        assert key in contacts.down


# The window's keys ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def window(screen: None) -> Iterator[WindowDisplay]:
    """A small window."""
    opened = WindowDisplay(RIG, {}, "")
    yield opened
    opened.close()


@pytest.fixture
def keys(window: WindowDisplay, monkeypatch: pytest.MonkeyPatch) -> Iterator[WindowKeys]:
    """Its keys, by a clock that moves half a second at every event."""
    monkeypatch.setattr(keyboard, "clock", iter(n / 2 for n in range(1, 1000)).__next__)
    listening = WindowKeys(window, RIG)
    yield listening
    window.handle.pop_handlers()


def send(window: WindowDisplay, *events: tuple[object, ...]) -> None:
    """What pyglet would do with events of the system."""
    from pyglet.event import EventDispatcher

    for event in events:
        EventDispatcher.dispatch_event(window.handle, *event)


def press(symbol: int, modifiers: int = 0) -> tuple[tuple[object, ...], tuple[object, ...]]:
    return ("on_key_press", symbol, modifiers), ("on_key_release", symbol, modifiers)


def test_keys_are_told_by_their_meaning_and_others_by_their_name(
    window: WindowDisplay, keys: WindowKeys
) -> None:
    send(window, *press(Y), *press(0xFFB3), *press(F12), *press(0xFFC2), *press(RETURN))
    assert keys.poll() == [
        KeyPress("yes", "y", 0.5, "patient"),
        KeyPress("3", "num_3", 1.5, "patient"),
        KeyPress("pause", "f12", 2.5, "operator"),
        KeyPress("f5", "f5", 3.5, "patient"),
        KeyPress("return", "return", 4.5, "patient"),
    ]
    assert keys.poll() == []


def test_the_numeric_pad_means_numbers_without_num_lock_too(
    window: WindowDisplay, keys: WindowKeys
) -> None:
    for symbol in (0xFF9C, 0xFF99, 0xFF9B, 0xFF96, 0xFF9D):
        send(window, *press(symbol))
    assert [p.meaning for p in keys.poll()] == ["1", "2", "3", "4", "5"]


def test_the_operator_answers_for_the_patient_with_ctrl(
    window: WindowDisplay, keys: WindowKeys
) -> None:
    send(window, ("on_key_press", LCTRL, CTRL), *press(Y, CTRL), *press(0x34, CTRL))
    send(window, ("on_key_release", LCTRL, 0), *press(N))
    assert [(p.meaning, p.key, p.by) for p in keys.poll()] == [
        ("modifier", "lctrl", "patient"),
        ("yes", "y", "operator"),
        ("4", "4", "operator"),
        ("no", "n", "patient"),
    ]


def test_a_key_outside_ascii_is_known_by_its_character(
    window: WindowDisplay, keys: WindowKeys
) -> None:
    send(window, ("on_key_press", ENYE, 0), ("on_text", "Ñ"), ("on_key_release", ENYE, 0))
    send(window, *press(ENYE, CTRL))  # no character comes
    assert [(p.meaning, p.key) for p in keys.poll()] == [
        ("yes", "ñ"),
        ("user_key(2f)", "user_key(2f)"),
    ]


def test_what_happens_to_a_key_beyond_its_press_is_told_and_is_no_answer(
    window: WindowDisplay, keys: WindowKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([1.0, 1.1, 1.15, 1.5, 1.6])
    monkeypatch.setattr(keyboard, "clock", times.__next__)
    send(window, *press(Y), ("on_key_press", Y, 0), ("on_key_press", Y, 0))
    send(window, ("on_key_release", Y, 0))
    assert [(p.meaning, p.key, p.time_s) for p in keys.poll()] == [
        ("yes", "y", 1.0),
        ("bounce", "y", 1.15),
        ("autorepeat", "y", 1.5),
    ]


def test_a_key_that_is_down_when_a_screen_comes_on_is_held(
    window: WindowDisplay, keys: WindowKeys
) -> None:
    send(window, ("on_key_press", Y, 0))
    assert [p.meaning for p in keys.poll()] == ["yes"]
    send(window, ("on_key_press", N, 0))
    early = keys.listen(ASKED, 7.25)
    assert [(p.meaning, p.key) for p in early] == [("no", "n"), ("held", "y")]
    assert early[1].time_s == 7.25
    send(window, ("on_key_release", Y, 0))
    assert [(p.meaning, p.key) for p in keys.listen(ASKED, 8.0)] == [("held", "n")]
    send(window, ("on_key_release", N, 0))
    assert keys.listen(ASKED, 9.0) == []


def test_after_the_focus_was_lost_every_press_counts(
    window: WindowDisplay, keys: WindowKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window.handle, "pressed_keys", {Y}, raising=False)
    send(window, ("on_key_press", Y, 0), ("on_deactivate",))
    assert window.handle.pressed_keys == set(), "or pyglet would keep the next press to itself"
    assert [p.meaning for p in keys.listen(ASKED, 1.0)] == ["yes", "focus lost"]
    send(window, ("on_activate",), ("on_key_press", Y, 0), ("on_activate",))
    assert [p.meaning for p in keys.poll()] == ["focus back", "yes"]


def test_a_key_that_comes_up_as_another_symbol_can_be_pressed_again(
    window: WindowDisplay, keys: WindowKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A French keyboard: "1" is Shift and "&", and Shift comes up first.
    monkeypatch.setattr(window.handle, "pressed_keys", {ONE, Y}, raising=False)
    down = [("on_key_press", symbol, 1) for symbol in (LSHIFT, ONE, Y)]
    send(window, *down, ("on_key_release", LSHIFT, 1), ("on_key_release", AMPERSAND, 0))
    assert [p.meaning for p in keys.poll()] == ["modifier", "1", "yes"]
    assert window.handle.pressed_keys == {Y}, "or pyglet would keep the next press to itself"
    assert [p.key for p in keys.listen(ASKED, 9.0)] == ["y"], "a letter keeps its symbol"
    send(window, ("on_key_press", LSHIFT, 0), ("on_key_press", ONE, 1))
    assert [p.meaning for p in keys.poll()] == ["modifier", "1"]


def test_a_window_that_is_closed_interrupts_and_stays(
    window: WindowDisplay, keys: WindowKeys
) -> None:
    send(window, ("on_close",))
    assert keys.poll() == [KeyPress("interrupt", "window closed", 0.5, "operator")]
    send(window, *press(ESCAPE))  # pyglet would close the window
    assert [p.key for p in keys.poll()] == ["escape"]
    window.flip(None)
    assert not window.handle.has_exit


def test_typed_characters_are_kept_for_notes(window: WindowDisplay, keys: WindowKeys) -> None:
    send(window, ("on_text", "s"), ("on_text", "é"), ("on_text_motion", 0xFF08))
    send(window, ("on_text_motion", 0xFF51), ("on_text", "狗"), ("on_text", "\r"))
    assert keys.typed() == "sé\b狗\n"
    assert keys.typed() == ""
    send(window, *(("on_text", "x"),) * (keyboard._MOST_TYPED + 5))
    assert len(keys.typed()) == keyboard._MOST_TYPED, "a key left under a book fills no memory"


def test_psychopy_keeps_no_keys_behind_our_back(window: WindowDisplay, keys: WindowKeys) -> None:
    from psychopy import event

    event.clearEvents()
    send(window, *press(Y), ("on_text", "y"), ("on_key_press", ENYE, 0), ("on_text", "ñ"))
    assert event.getKeys() == []
    assert [p.key for p in keys.poll()] == ["y", "ñ"]


def test_keys_of_the_real_keyboard(window: WindowDisplay) -> None:
    xdotool = shutil.which("xdotool")
    if not xdotool:
        pytest.skip("xdotool, which presses keys, is not here")
    keys = WindowKeys(window, RIG)
    window.flip(None)
    keys.poll(), keys.typed()
    found: list[KeyPress] = []

    def seen(*command: str) -> None:
        subprocess.run([xdotool, *command], check=True)
        for _ in range(12):
            window.flip(None)
            found.extend(keys.poll())

    began_s = time.perf_counter()
    try:
        seen("key", "y")
        seen("key", "ctrl+n")
        seen("key", "Right")
        seen("key", "F12")
        seen("keydown", "x")
        held = keys.listen(ASKED, 5.0)
        time.sleep(1.0)  # the server repeats it
        window.flip(None)
        found.extend(keys.poll())
        seen("keyup", "x")
    finally:
        subprocess.run([xdotool, "keyup", "x"], check=True)
        window.handle.pop_handlers()
    assert [(p.meaning, p.key, p.by) for p in found] == [
        ("yes", "y", "patient"),
        ("modifier", "lctrl", "patient"),
        ("no", "n", "operator"),
        ("no", "right", "patient"),
        ("pause", "f12", "operator"),
        ("x", "x", "patient"),
    ]
    assert [(p.meaning, p.key, p.time_s) for p in held] == [("held", "x", 5.0)]
    assert all(began_s < p.time_s < time.perf_counter() for p in found)
    assert keys.typed().startswith("yxx")


def test_every_key_that_a_rig_file_may_name_is_one_that_can_be_pressed() -> None:
    from pyglet.window import key

    symbols = [symbol for symbol in vars(key).values() if isinstance(symbol, int)]
    pressed = {keyboard.key_name(symbol) for symbol in symbols}
    assert pressed >= WORDS
    assert pressed >= set("abcdefghijklmnopqrstuvwxyz0123456789")
