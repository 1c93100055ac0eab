"""Sounds and the photodiode's patch, frame by frame, against what was shown and logged."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from task.plan import Plan, Screen, SoundItem, Step, ToneItem, sounds_of
from task.rig import KeyPress, Rig, SoundStart
from tests.task.staged import PERIOD_S, TINY, Box, PlanOf, Present, Script, Shown, Stage, staged

Heard = ToneItem | SoundItem

# Nobody is asked anything: every frame of the session is known beforehand.
TONES = """[imagery]
items = ["dog", "cat", "cow", "owl", "cup", "hat"]
cue = "tone"
eyes_closed = true
encode_views = 1
cues_per_item = 2
encode_s = 0.4
search_s = 0
baseline_s = 0.5
cue_s = 0.5
imagine_s = 0.5
after_s = 0.4
rating_s = 0
break_s = 0
[rest]
before_s = 1
eyes = "closed"
[texts]
text_s = 0
"""
SPOKEN = TONES.replace(
    'cue = "tone"',
    'cue = ["sound", "word"]\nsounds = {dog = "d", cat = "c", cow = "w", owl = "o", cup = "u",'
    ' hat = "h"}',
)


class Speaker:
    """A loudspeaker in virtual time; it may know some time ahead that a sound begins."""

    def __init__(self, stage: Stage, lead_s: float, knows_s: float = 0.0) -> None:
        self.description: dict[str, object] = {"lead_s": lead_s}
        # When, what, for when; without what was silenced before it sounded.
        self.calls: list[tuple[float, Heard, float]] = []
        self.prepared: set[Heard] = set()
        self._stage, self._knows_s = stage, knows_s
        self._waiting: list[SoundStart] = []

    def prepare(self, items: Iterable[Heard]) -> None:
        self.prepared = set(items)

    def start(self, item: Heard, at_s: float) -> None:
        assert item in self.prepared, "sounded before it was made ready"
        self.calls.append((self._stage.now_s, item, at_s))
        self._waiting.append(SoundStart(item, at_s, at_s))

    def silence(self) -> None:
        for n, sound in enumerate(self._waiting):
            if sound.asked_s > self._stage.now_s:
                self._waiting[n] = sound._replace(started_s=None, problem="silenced")
                self.calls = [c for c in self.calls if c[1:] != (sound.item, sound.asked_s)]

    def started(self) -> Sequence[SoundStart]:
        now_s = self._stage.now_s + self._knows_s + 1e-9
        told = [sound for sound in self._waiting if sound.asked_s <= now_s or sound.problem]
        self._waiting = [sound for sound in self._waiting if sound not in told]
        return told

    def close(self) -> None:
        """Nothing to give back."""


def sounding(lead_s: float, knows_s: float = 0.0) -> tuple[Rig, Stage, Script, Speaker]:
    rig, stage, box, script = staged()
    speaker = Speaker(stage, lead_s, knows_s)
    return Rig("test", stage, box, script, speaker), stage, script, speaker


Onset = tuple[float, int, tuple[Heard, ...]]


def onsets_of(plan: Plan, session: Shown) -> list[Onset]:
    """Swap, presentation and sounds of every step with a sound that came on the screen."""
    found = []
    for begun in session.events("PRESENTATION"):
        trial = plan.blocks[begun.detail["block"]].trials[begun.detail["trial"]]
        times = {e.name: e.time_s for e in session.coded if e.presentation == begun.presentation}
        for step in trial.steps:
            heard = sounds_of([step.screen])
            if heard and step.code in times:
                assert begun.presentation
                found.append((times[step.code], begun.presentation, heard))
    return found


def assert_every_onset_is_heard(
    onsets: Sequence[Onset], speaker: Speaker, *, lead_s: float = 0.0
) -> None:
    """Each sound was set for its swap, and early enough; nothing else was heard."""
    calls = list(speaker.calls)
    for onset_s, _, heard in onsets:
        for item in heard:
            mine = [c for c in calls if c[1] == item and abs(c[2] - onset_s) <= PERIOD_S + 1e-6]
            assert len(mine) == 1, (onset_s, item)
            calls.remove(mine[0])
            assert mine[0][2] - mine[0][0] >= lead_s - 1e-9
    assert not calls


# Sounds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [TONES, SPOKEN], ids=["tones", "spoken"])
@pytest.mark.parametrize("lead_s", [0.0, 0.004, 0.02, 0.03])
def test_every_sound_is_set_for_the_swap_of_its_screen_and_far_enough_ahead(
    lead_s: float, text: str, plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(text)
    rig, _, _, speaker = sounding(lead_s)
    session = shown(plan, rig)
    onsets = onsets_of(plan, session)
    assert len(onsets) == 1 + 6 * (4 * 2 + 2 if "tone" in text.split("eyes")[0] else 4 * 3)
    assert_every_onset_is_heard(onsets, speaker, lead_s=lead_s)
    exact = [abs(call[2] - onset[0]) for call, onset in zip(speaker.calls, onsets, strict=True)]
    assert max(exact) < 1e-6


@pytest.mark.parametrize("lead_s", [0.05, 0.12])
def test_also_the_first_cue_of_a_block_is_set_far_enough_ahead(
    lead_s: float, plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(TONES)
    rig, _, _, speaker = sounding(lead_s)
    assert_every_onset_is_heard(onsets_of(plan, shown(plan, rig)), speaker, lead_s=lead_s)


@pytest.mark.parametrize("lead_s", [0.05, 0.12, 0.3])
def test_sounds_after_a_screen_that_is_long_enough_are_set_ahead_of_it(
    lead_s: float, plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(TONES)
    rig, _, _, speaker = sounding(lead_s)
    session = shown(plan, rig)
    starts = [e.time_s for e in session.coded]
    late = [
        at_s - called_s
        for called_s, _, at_s in speaker.calls
        if at_s - max((s for s in starts if s < at_s - 1e-6), default=0.0) > lead_s + 2 * PERIOD_S
        and at_s - called_s < lead_s
    ]
    assert late == []


def test_a_frame_that_is_late_before_a_sound_is_set_moves_it(
    plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(TONES)
    rig, stage, _, speaker = sounding(0.03)
    stage.extra_s = dict.fromkeys(range(100, 2500, 190), 0.04)
    onsets = onsets_of(plan, shown(plan, rig))
    off = [abs(call[2] - onset[0]) for call, onset in zip(speaker.calls, onsets, strict=True)]
    moved = [o for o in off if o > 1e-6]  # late between setting and swap: that nobody can know
    assert len(moved) <= 2 and max(off) <= 0.041


@given(flip=st.integers(100, 1500))
@settings(max_examples=40)
def test_after_a_pause_at_any_moment_each_screen_is_heard_when_it_is_shown(
    flip: int, plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(TONES)
    rig, _, script, speaker = sounding(0.03)
    script.at = {flip: ["pause"], **{flip + n: ["=r"] for n in (60, 160, 260)}}
    session = shown(plan, rig)
    assert session.how == "completed"
    assert_every_onset_is_heard(onsets_of(plan, session), speaker)
    for sound in session.events("SOUND"):
        told = sound.detail.get("problem", "")
        assert (sound.presentation is None) == (told == "silenced"), sound


def flips_of_cues(plan_of: PlanOf, shown: Present) -> list[int]:
    """Number of the flip of every cue of an undisturbed session."""
    session = shown(plan_of(TONES), sounding(0.03)[0])
    return [round((e.time_s - 100.0) / PERIOD_S) for e in session.events("CUE_ON")]


@pytest.mark.parametrize("before", [1, 2])
def test_a_cue_that_follows_a_pause_sounds_where_a_trial_cut_short_is_left_out(
    before: int, plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(f'{TONES}[interruptions]\ntrial = "keep"\n')
    rig, _, script, speaker = sounding(0.03)
    flip = flips_of_cues(plan_of, shown)[1] - before
    script.at = {flip: ["pause"], flip + 60: ["=r"]}
    session = shown(plan, rig)
    assert len(session.events("INTERRUPTED")) == 1
    assert_every_onset_is_heard(onsets_of(plan, session), speaker)


def test_a_sound_whose_screen_follows_an_answer_is_set_for_the_next_swap(
    plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(
        TONES.replace("rating_s = 0", "rating_s = 1").replace("after_s = 0.4", "after_s = 1.5")
    )
    for after in (7, 20, 59):
        rig, _, script, speaker = sounding(0.03)
        script.after = {after: ["3"]}
        session = shown(plan, rig)
        assert len(session.events("ANSWER")) == 24
        assert_every_onset_is_heard(onsets_of(plan, session), speaker, lead_s=0.03)


def test_no_plan_asks_for_a_sound_right_after_an_answer_whose_time_nobody_knows(
    plan_of: PlanOf,
) -> None:
    rated = "rating_s = 1\nconfidence_s = 1\nsearch_s = 2"
    for text in (TONES, SPOKEN):
        plan = plan_of(
            text.replace("text_s = 0", "")
            .replace("search_s = 0\n", "")
            .replace("rating_s = 0", rated)
        )
        for block in plan.blocks:
            steps = [s for t in block.trials for s in t.steps]
            assert not any(a.answers and sounds_of([b.screen]) for a, b in pairwise(steps))


def presentations_of_sounds(session: Shown) -> list[tuple[float, int | None]]:
    return [(e.detail["asked_s"], e.presentation) for e in session.events("SOUND")]


def assert_sounds_are_logged_with_their_presentation(plan: Plan, session: Shown) -> None:
    expected = [
        (round(t, 6), number) for t, number, heard in onsets_of(plan, session) for _ in heard
    ]
    found = presentations_of_sounds(session)
    assert [number for _, number in found] == [number for _, number in expected]
    assert [t for t, _ in found] == pytest.approx([t for t, _ in expected], abs=1e-5)


def test_every_sound_is_logged_with_its_presentation(plan_of: PlanOf, shown: Present) -> None:
    plan = plan_of(TONES)
    session = shown(plan, sounding(0.03)[0])
    assert_sounds_are_logged_with_their_presentation(plan, session)
    first = session.events("SOUND")[0]
    assert set(first.detail) == {"tone_hz", "tone_s", "asked_s", "started_s"}
    assert first.time_s == pytest.approx(first.detail["started_s"], abs=1e-6)
    assert first.code is None


def test_a_sound_known_before_its_screen_is_logged_with_its_presentation(
    plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(TONES)
    session = shown(plan, sounding(0.03, knows_s=0.03)[0])
    assert_sounds_are_logged_with_their_presentation(plan, session)


def test_the_sound_of_a_trial_cut_short_is_logged_with_its_presentation(
    plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(TONES)
    rig, _, script, _ = sounding(0.03)
    flip = flips_of_cues(plan_of, shown)[1] + 10
    script.at = {flip: ["pause"], flip + 60: ["=r"]}
    session = shown(plan, rig)
    assert_sounds_are_logged_with_their_presentation(plan, session)


def test_a_rig_without_sound_says_so_of_each_sound(plan_of: PlanOf, shown: Present) -> None:
    plan = plan_of(TONES)
    session = shown(plan, staged()[0])
    expected = [t for t, _, heard in onsets_of(plan, session) for _ in heard]
    assert [e.time_s for e in session.events("SOUND")] == pytest.approx(expected, abs=1e-5)
    assert {e.detail["problem"] for e in session.events("SOUND")} == {"this rig has no sound"}


def test_a_session_with_sounds_has_the_frames_of_one_without(
    plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(TONES)
    stages = []
    for rig, stage in ((r, s) for r, s, _, _ in (sounding(0.12), staged())):
        shown(plan, rig)
        stages.append(stage)
    assert stages[0].shown == stages[1].shown


# The photodiode's patch ----------------------------------------------------------------------


def patched() -> tuple[Rig, Stage, Script]:
    rig, stage, _, script = staged()
    stage.description["sync_patch"] = "top left"
    return rig, stage, script


def flip_of(time_s: float) -> int:
    return round((time_s - 100.0) / PERIOD_S) - 1


def test_the_patch_changes_at_every_onset_and_offset_and_the_log_has_its_state(
    plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(TONES)
    rig, stage, _ = patched()
    session = shown(plan, rig)
    steps = {s.code for s in plan.steps}
    coded = [e for e in session.coded if e.name in steps and e.presentation]
    onsets = [e for e in coded if e.name != "TRIAL"]
    assert [e.detail["lit"] for e in onsets] == [
        int(stage.patch[flip_of(e.time_s)]) for e in onsets
    ]
    opened = {flip_of(e.time_s) for e in session.events("BLOCK")}
    changes = [n for n in range(1, len(stage.patch)) if stage.patch[n] != stage.patch[n - 1]]
    shown_at = [flip_of(e.time_s) for e in onsets]
    assert set(shown_at) <= set(changes)
    # Any other change is a return to the dark where a block opens or the run ends.
    others = set(changes) - set(shown_at)
    assert all(not stage.patch[n] for n in others) and len(others) <= len(opened) + 1


def test_the_patch_is_dark_on_screens_that_are_no_step(plan_of: PlanOf, shown: Present) -> None:
    plan = plan_of(TINY)
    rig, stage, script = patched()
    script.at = {100: ["pause"], 160: ["=r"]}
    session = shown(plan, rig)
    (cut,) = session.events("INTERRUPTED")
    again = session.events("PRESENTATION")[1]
    assert not any(stage.patch[flip_of(cut.time_s) + 1 : flip_of(again.time_s)])
    assert not any(stage.patch[: flip_of(session.events("PRESENTATION")[0].time_s)])
    assert stage.patch[flip_of(again.time_s)] and not stage.patch[-1]


def test_without_a_patch_the_log_tells_nothing_of_it(plan_of: PlanOf, shown: Present) -> None:
    session = shown(plan_of(TINY), staged()[0])
    assert not any("lit" in e.detail for e in session.log.events)


# Late frames ---------------------------------------------------------------------------------


class Slow(Stage):
    """A display that takes its time to make a picture ready."""

    def prepare(self, screens: Iterable[Screen]) -> Iterator[None]:
        for made in super().prepare(screens):
            self.now_s += 0.3
            yield made


class Patient(Script):
    """Who is asked once a picture has been made ready, some time after the screen came on."""

    def listen(self, step: Step, onset_s: float) -> Sequence[KeyPress]:
        self.onset = self.stage.flips
        return ()


@pytest.mark.parametrize("text_s", [0, 3])
def test_making_pictures_ready_makes_no_frame_late_whenever_it_is_done(
    text_s: int, plan_of: PlanOf, shown: Present
) -> None:
    text = f"[screening]\nrepeats = 2\nbreak_s = {text_s}\n[texts]\ntext_s = {text_s}\n"
    slow = Slow()
    patient = Patient(slow, {400: ["pause"], 500: ["=r"]})
    session = shown(plan_of(text), Rig("test", slow, Box(slow), patient))
    assert session.how == "completed" and len(session.events("INTERRUPTED")) == 1
    assert session.events("LATE_FRAME") == []
    assert session.log.ending and session.log.ending["late_frames"] == 0


@given(late=st.sets(st.integers(100, 140), max_size=5), periods=st.sampled_from([0.49, 0.51, 3.0]))
def test_a_frame_is_late_from_one_and_a_half_periods_on(
    late: set[int], periods: float, plan_of: PlanOf, shown: Present
) -> None:
    rig, stage, _, _ = staged()
    stage.extra_s = dict.fromkeys(late, periods * PERIOD_S)
    session = shown(plan_of(TINY), rig)
    found = [e.detail["interval_s"] for e in session.events("LATE_FRAME")]
    expected = [(1 + periods) * PERIOD_S] * (len(late) if periods > 0.5 else 0)
    assert found == pytest.approx(expected, abs=1e-6)
