"""What is tried before a session, and asked: pictures read, lines swept, a tone, every key.

The rig is the one that a session will use, or the simulated one.  A question nobody answers leaves
its check grey.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from task.contract.codes import SWEEP_VALUES
from task.contract.lights import Light
from task.peripherals import NOT_ANSWERS
from task.plan import DeskItem, Plan, Screen, SoundItem, Step, ToneItem
from task.preflight.lights import Check
from task.rig import Display, KeyPress, Keys, Sound, TriggerPort

Ask = Callable[[str], str | None]
"""Puts a question to the operator; None where nobody is there to answer."""

STAND_S = 0.25  # long enough to be read on a recorder's screen
SWEEP_S = 10.0
KEY_S = 10.0
TONE = ToneItem(660.0, 0.5)
_LEAD_S = 0.5  # from asking for a tone to its start: more than any device needs
_PATIENCE_S = 1.5
_CODE = "QUESTION_ON"
_SLACK_S = 0.010  # no ear hears whether a sound ends with its screen or so much later
_SEES = {
    "single_pulse": "{n} pulses",
    "pulse_train": "{n} trains of pulses",
}


def undecodable(files: Mapping[str, Path]) -> dict[str, str]:
    """Pictures that cannot be read to their last pixel, and why; a few at a time."""
    with ThreadPoolExecutor() as readers:
        said = readers.map(_why_not, files.values())
        return {name: why for name, why in zip(files, said, strict=True) if why}


def _why_not(file: Path) -> str:
    try:
        with Image.open(file) as image:
            image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return getattr(error, "strerror", None) or "it is damaged, or no picture"
    return ""


# Sound files ---------------------------------------------------------------------------------


def overlong(plan: Plan, files: Mapping[str, Path]) -> list[str]:
    """Sound files that go on when their screen is over; those that cannot be read are left out.

    Parameters
    ----------
    files : file of every sound, by the name that the plan uses
    """
    frames: dict[str, int] = {}
    for step in plan.steps:
        for item in step.screen:
            if isinstance(item, SoundItem):
                frames[item.file] = min(step.frames, frames.get(item.file, step.frames))
    if not frames:
        return []
    from task.rigs.waveforms import lasts_s

    said = []
    for name, most in frames.items():
        cue_s, sound_s = most / plan.refresh_hz, lasts_s(files[name])
        if sound_s is not None and sound_s > cue_s + _SLACK_S:
            said.append(f"{name} lasts {sound_s:.2f} s, its cue {cue_s:.2f} s")
    return said


# The lines -----------------------------------------------------------------------------------


def sweep(port: TriggerPort, wait: Callable[[float], None] = time.sleep) -> int:
    """Raise each of the eight lines alone, twice where ten seconds hold it; returns codes lost.

    No code opens or ends it: every event raises an even number of lines, so single lines are no
    message, and what lies outside a run belongs to no session.  It needs no working line to be
    found, either.
    """
    stand_s, rest_s = max(STAND_S, port.pulse_s), max(STAND_S, port.gap_s)
    times = 2 if 2 * len(SWEEP_VALUES) * (stand_s + rest_s) <= SWEEP_S else 1
    lost = 0
    for value in SWEEP_VALUES * times:
        for state, length_s in ((value, stand_s), (0, rest_s)):
            lost += not port.set(state).done
            wait(length_s)
    return lost


def sweep_check(port: TriggerPort, ask: Ask, wait: Callable[[float], None] = time.sleep) -> Check:
    """Sweep the lines, and ask what the recorder saw."""
    device = str(port.description.get("device"))
    lost = sweep(port, wait)
    if lost:
        return Check("sweep", Light.RED, f"the port refused {lost} changes of the lines", _CABLE)
    if device in _SEES:
        n = len(SWEEP_VALUES) * (1 if port.pulse_s > STAND_S else 2)
        return _pulses_seen(_SEES[device].format(n=n), ask)
    question = "Did the recorder see 1, 2, 4, 8, 16, 32, 64, 128? yes, or those it did not see"
    while (answer := ask(question)) is not None:
        check = sweep_answer(answer)
        if check:
            return check
        question = 'Please answer "yes", "no", "skip", or the missing ones, such as "4 64"'
    return _NOT_ASKED


def _pulses_seen(what: str, ask: Ask) -> Check:
    answer = ask(f"Did the recorder see {what}? yes or no")
    if answer is None or answer.strip().casefold() not in _YES | _NO:
        return _NOT_ASKED
    if answer.strip().casefold() in _YES:
        return Check("sweep", Light.GREEN, f"the recorder saw {what}")
    return Check("sweep", Light.RED, f"the recorder did not see {what}", _CABLE)


def sweep_answer(answer: str) -> Check | None:
    """What the operator says of the sweep; None if it cannot be understood."""
    said = answer.replace(",", " ").casefold().split()
    if not said or said == ["skip"]:
        return _NOT_ASKED
    if len(said) == 1 and said[0] in _YES:
        return Check("sweep", Light.GREEN, "the recorder saw all eight lines")
    if len(said) == 1 and said[0] in _NO:
        return Check("sweep", Light.RED, "the recorder did not see the lines", _CABLE)
    missing = [v for v in SWEEP_VALUES if str(v) in said]
    if {str(v) for v in missing} != set(said):
        return None
    lines = ", ".join(f"{value} (line {value.bit_length()})" for value in missing)
    return Check("sweep", Light.RED, f"the recorder did not see {lines}", _CABLE)


_YES = frozenset(("y", "yes"))
_NO = frozenset(("n", "no"))
_CABLE = "check the cable from the trigger box to the recorder, pin by pin, and its input range"
_NOT_ASKED = Check("sweep", Light.GREY, "the lines were swept; nobody said what the recorder saw")


# The tone ------------------------------------------------------------------------------------


def tone_check(
    sound: Sound,
    ask: Ask,
    *,
    clock: Callable[[], float] = time.perf_counter,
    wait: Callable[[float], None] = time.sleep,
) -> Check:
    """Play a tone, and ask whether it was heard."""
    sound.prepare([TONE])
    sound.start(TONE, clock() + _LEAD_S)
    wait(_LEAD_S + TONE.duration_s)
    begun = list(sound.started())
    if not begun:  # a device that fails is given up only after a while
        wait(_PATIENCE_S)
        begun = list(sound.started())
    problem = begun[0].problem if begun else "the device does not say that it began"
    if problem:
        return Check("tone", Light.RED, f"the tone did not sound: {problem}", _LOUDER)
    answer = (ask("Did you hear a tone? yes or no") or "").strip().casefold()
    if answer in _YES:
        return Check("tone", Light.GREEN, "heard")
    if answer in _NO:
        return Check("tone", Light.RED, "the tone was not heard", _LOUDER)
    return Check("tone", Light.GREY, "a tone was played; nobody said whether it was heard")


_LOUDER = "check loudspeaker, volume and mute, and the device under [sound] in the rig file"


# The keys ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Asked:
    """What came of asking for one meaning: the right key, wrong ones before it, or neither."""

    meaning: str
    key: str = ""
    wrong: list[KeyPress] = field(default_factory=list)
    skipped: bool = False


def keys_check(
    display: Display,
    keys: Keys,
    meanings: Sequence[str],
    *,
    on_box: Collection[str] = (),
    skip_key: str = "escape",
    key_s: float = KEY_S,
) -> Check:
    """Ask for each key by its meaning, on the patient's screen.

    Parameters
    ----------
    meanings : the answers that the protocol asks for (`Plan.answers`)
    on_box : those for which the patient's box has a button, which then must be pressed
    skip_key : the operator's key that ends the asking, named on the screen
    key_s : how long each key is waited for
    """
    asked: list[_Asked] = []
    for meaning in meanings:
        asked.append(_ask_key(display, keys, meaning, meaning in on_box, skip_key, key_s))
        if asked[-1].skipped or _silent(asked[-2:]):
            break
    _show(display, ())
    return keys_found(asked, meanings)


def _silent(asked: Sequence[_Asked]) -> bool:
    """Whether two keys in a row did not come: the others would not either."""
    return len(asked) == 2 and not any(one.key or one.wrong for one in asked)


def _ask_key(
    display: Display, keys: Keys, meaning: str, on_box: bool, skip_key: str, key_s: float
) -> _Asked:
    asked = _Asked(meaning)
    title = DeskItem(f"Press on the box: {meaning}" if on_box else f"Press: {meaning}", 1.2)
    foot = DeskItem(f"operator: {skip_key} to leave this out", 0.5, y_deg=-4.0)
    screen: Screen = (title, foot)
    now_s = _show(display, screen)
    keys.listen(Step(_CODE, screen, 1, (meaning,)), now_s)
    ends_s = now_s + key_s
    while now_s < ends_s and not (asked.key or asked.skipped):
        for press in keys.poll():
            if press.by == "operator":
                asked.skipped = True
            elif press.meaning == meaning and (not on_box or _is_button(press)):
                asked.key = press.key
            elif press.meaning not in NOT_ANSWERS:
                if press.meaning != meaning:
                    asked.wrong.append(press)
                screen = (title, DeskItem(_wrong_key(press, meaning), 0.7, y_deg=3.0), foot)
                _show(display, screen)
        display.draw(screen)
        now_s = display.flip(None)
    return asked


def _is_button(press: KeyPress) -> bool:
    """Whether it came from the box, whose keys are called `button 0` and so on."""
    return "button" in press.key


def _wrong_key(press: KeyPress, wanted: str) -> str:
    if press.meaning == wanted:
        return f"{press.key} is on the keyboard; press the button on the box"
    if press.meaning == press.key:
        return f"{press.key} has no meaning here"
    return f"{press.key} means: {press.meaning}"


def _show(display: Display, screen: Screen) -> float:
    """Make a screen ready and show it; returns when."""
    for _ in display.prepare([screen]):
        pass
    display.draw(screen)
    return display.flip(None)


def keys_found(asked: Sequence[_Asked], meanings: Sequence[str]) -> Check:
    """What pressing told of the keys."""
    if not meanings:
        return Check("keys", Light.GREEN, "the protocol asks for no answers")
    pressed = [one.meaning for one in asked if one.key]
    silent = [one.meaning for one in asked if not one.key and not one.skipped]
    wrong = [
        f"for {one.meaning} came {press.key} ({_means(press)})"
        for one in asked
        for press in one.wrong[:1]
    ]
    if silent:
        what = "nothing was pressed" if not pressed else f"no key came for {', '.join(silent)}"
        found = "; ".join([what, *wrong])
        return Check(
            "keys", Light.RED, found, "check that the box is plugged in, and [keys] in the rig file"
        )
    if wrong:
        todo = "if a button sent another's meaning, correct [keys] in the rig file"
        return Check("keys", Light.YELLOW, "; ".join(wrong), todo)
    if len(pressed) < len(meanings):
        left = ", ".join(m for m in meanings if m not in pressed)
        return Check("keys", Light.GREY, f"left out: {left}")
    named = ", ".join(f"{one.meaning} ({one.key})" for one in asked)
    return Check("keys", Light.GREEN, f"{named}: each key means what it says")


def _means(press: KeyPress) -> str:
    return "no meaning" if press.meaning == press.key else press.meaning
