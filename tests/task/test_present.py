"""What was planned, what went over the lines, and what stands in the log are one and the same."""

import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.contract.codes import CODE_TABLE, SWEEP_OFFSETS, SWEEP_VALUES, read_labels
from task.contract.sessionlog import Event, read_log
from task.flow import Position
from task.plan import Screen
from task.present import Going
from task.rigs.simulated import SimulatedPort, simulated_rig
from tests.task.staged import (
    IMAGERY,
    PERIOD_S,
    SCREENING,
    TINY,
    PlanOf,
    Present,
    Shown,
    assert_lines_and_log_agree,
    assert_lines_rest_between_codes,
    planned_codes,
    staged,
)

ROOT = Path(__file__).parents[2]

GO_ON = '[interruptions]\ntriggers = "continue"\n'


# A whole session -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", [SCREENING, IMAGERY, TINY], ids=["screening", "imagery", "tiny"])
@pytest.mark.parametrize("refresh_hz", [60.0, 120.0])
@given(seed=st.integers(0, 2**32))
def test_lines_log_and_plan_say_the_same(
    text: str, refresh_hz: float, seed: int, plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(f"round_to_frames = true\n{text}", seed=seed, refresh_hz=refresh_hz)
    rig = simulated_rig(refresh_hz, pulse_s=0.005, gap_s=0.005, seed=seed)
    session = shown(plan, rig)
    assert session.how == "completed"
    assert_lines_and_log_agree(session)
    assert_lines_rest_between_codes(session.edges)
    own = {value: name for name, value in plan.codes.items()}
    answers = [own[label.code] for label in session.labels if own[label.code][:6] == "ANSWER"]
    decoded = [(label.presentation, own[label.code]) for label in session.labels]
    assert decoded == planned_codes(plan, answers)


def test_the_log_maps_every_presentation_to_the_plan(plan_of: PlanOf, shown: Present) -> None:
    plan = plan_of(IMAGERY)
    session = shown(plan, simulated_rig(60.0, pulse_s=0.005, gap_s=0.005, seed=1))
    begun = session.events("PRESENTATION")
    expected = [
        (b, t, trial.kind.value, trial.item)
        for b, block in enumerate(plan.blocks)
        for t, trial in enumerate(block.trials)
    ]
    found = [
        (e.detail["block"], e.detail["trial"], e.detail["kind"], e.detail.get("item"))
        for e in begun
    ]
    assert found == expected
    assert [e.presentation for e in begun] == list(range(1, plan.trials + 1))
    first_codes = {e.presentation: e.time_s for e in reversed(session.coded) if e.presentation}
    assert [e.time_s for e in begun] == [first_codes[e.presentation] for e in begun]


def test_every_step_lasts_the_frames_of_the_plan(plan_of: PlanOf, shown: Present) -> None:
    plan = plan_of("[screening]\n")
    rig = simulated_rig(60.0, pulse_s=0.005, gap_s=0.005, seed=1)
    session = shown(plan, rig)
    times = {
        (e.presentation, e.name): e.time_s
        for e in session.coded
        if e.name in ("IMAGE_ON", "IMAGE_OFF")
    }
    on = [times[n, "IMAGE_ON"] for n, _ in times if (n, "IMAGE_OFF") in times][::2]
    off = [times[n, "IMAGE_OFF"] for n, _ in times if (n, "IMAGE_ON") in times][::2]
    assert {round((b - a) * 60) for a, b in zip(on, off, strict=True)} == {16}
    inside = [round((b - a) * 60) for a, b in pairwise(on) if b - a < 0.5]
    assert set(inside) == {24} and len(inside) == 4 * 11


def test_a_session_opens_with_the_sweep_in_its_rhythm(plan_of: PlanOf, shown: Present) -> None:
    session = shown(plan_of(TINY), staged()[0])
    sweep = session.events("SWEEP")
    assert [e.code for e in sweep] == list(SWEEP_VALUES)
    frames = [round((e.time_s - sweep[0].time_s) * 60) for e in sweep]
    assert frames == [2 * offset for offset in SWEEP_OFFSETS]


def test_the_log_begins_with_what_the_rig_is_and_ends_with_counts(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, stage, _, _ = staged()
    session = shown(plan_of(TINY), rig)
    assert session.log.events[0] == Event(
        session.log.events[0].time_s,
        "RUN",
        detail={"display": {"kind": "stage"}, "port": {"device": "box"}, "keys": {}},
    )
    assert session.log.ending == {
        "how": "completed",
        "presentations": 3,
        "codes": len(session.values),
        "late_frames": 0,
        "codes_lost": 0,
        "rests_lost": 0,
        "frames": stage.flips,
    }


def test_only_what_was_made_ready_is_drawn_and_every_frame_as_planned(
    plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(TINY)
    rig, stage, _, _ = staged()  # its display refuses what was not prepared
    shown(plan, rig)
    frames = Counter(stage.shown)
    for step in (s for b in plan.blocks for t in b.trials for s in t.steps):
        assert not step.screen or frames[step.screen] >= step.frames


def test_progress_is_told_between_blocks(plan_of: PlanOf, shown: Present) -> None:
    told: list[tuple[int, int]] = []
    plan = plan_of(TINY)
    shown(plan, staged()[0], progress=lambda done, total: told.append((done, total)))
    done = accumulate(len(block.trials) for block in plan.blocks)
    assert told == [(n, 3) for n in done]
    assert len(told) > 1


def test_a_session_can_begin_at_a_later_trial(plan_of: PlanOf, shown: Present) -> None:
    session = shown(plan_of(TINY), staged()[0], going=Going(position=Position(0, 1)))
    begun = [
        (e.presentation, e.detail["block"], e.detail["trial"])
        for e in session.events("PRESENTATION")
    ]
    assert begun == [(2, 0, 1), (3, 1, 0)]


# Durations -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [SCREENING, IMAGERY, TINY], ids=["screening", "imagery", "tiny"])
@pytest.mark.parametrize("spacing_frames", [2, 3])
def test_a_session_that_nobody_answers_takes_the_longest_time(
    text: str, spacing_frames: int, plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(text, spacing_frames=spacing_frames)
    rig, stage, _, _ = staged()
    session = shown(plan, rig)
    assert stage.flips == round(plan.longest_s * 60)
    asked = [s for b in plan.blocks for t in b.trials for s in t.steps if s.answers]
    assert len(session.events("NO_ANSWER")) == 2 * len(asked)  # the event and its code
    assert_lines_and_log_agree(session)


def test_what_waits_for_no_answer_takes_the_fixed_time(plan_of: PlanOf, shown: Present) -> None:
    plan = plan_of(IMAGERY)
    rig, stage, _, keys = staged()
    keys.after = {10: ["yes", "1"]}
    session = shown(plan, rig)
    asked = [s for b in plan.blocks for t in b.trials for s in t.steps if s.answers]
    assert len(session.events("ANSWER")) == len(asked)
    # An answer seen after the flip of frame 10 rises on frame 11 and is off the lines on frame 13.
    assert stage.flips == round(plan.fixed_s * 60) + 13 * len(asked)


# Answers -------------------------------------------------------------------------------------


def test_an_answer_is_logged_with_its_reaction_time_and_coded(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, _, _, keys = staged()
    keys.after = {20: ["no", "4"]}
    plan = plan_of(IMAGERY)
    session = shown(plan, rig)
    searches = [e for e in session.events("ANSWER") if "correct" in e.detail]
    ratings = [e for e in session.events("ANSWER") if e.detail["answer"] == "4"]
    assert len(searches) == 6 and len(ratings) == 24
    truth = [s.correct for b in plan.blocks for t in b.trials for s in t.steps if s.correct]
    assert [e.detail["correct"] for e in searches] == [right == "no" for right in truth]
    assert ratings[0].detail == {
        "to": "RATING_ON",
        "by": "patient",
        "answer": "4",
        "key": "key 4",
        "reaction_s": pytest.approx(20 * PERIOD_S - 0.004, abs=1e-6),
    }
    codes = session.events("ANSWER_4")
    assert [c.presentation for c in codes] == [r.presentation for r in ratings]
    for code, rating in zip(codes, ratings, strict=True):
        assert code.code == CODE_TABLE["ANSWER_4"]
        assert code.time_s == pytest.approx(rating.time_s + 0.004 + PERIOD_S)
    assert {c.code for c in session.events("ANSWER_0")} == {CODE_TABLE["ANSWER_0"]}


def test_an_answer_during_the_announcement_waits_for_its_end(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, stage, _, keys = staged()
    keys.after = {0: ["yes", "1"]}
    plan = plan_of(IMAGERY)
    session = shown(plan, rig)
    assert_lines_and_log_agree(session)
    asked = {t.kind: t for b in plan.blocks for t in b.trials if t.steps[0].answers}
    assert set(asked) == {"text", "search"}
    for event in session.events("ANSWER_1"):
        onset = next(e for e in session.coded if e.presentation == event.presentation)
        if onset.name in ("TEXT_ON", "SEARCH_ON"):
            assert round((event.time_s - onset.time_s) * 60) == 10  # five codes, two frames each


def test_the_first_answer_counts_and_the_others_are_kept_as_keys(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, _, _, keys = staged()
    keys.after = {7: ["f5", "2", "3"], 8: ["4"]}
    session = shown(plan_of(IMAGERY), rig)
    kinds = {e.presentation: e.detail["kind"] for e in session.events("PRESENTATION")}
    ratings = [e for e in session.events("ANSWER") if kinds[e.presentation] == "imagine"]
    assert {e.detail["answer"] for e in ratings} == {"2"} and len(ratings) == 24
    presses = {e.detail["meaning"] for e in session.events("KEY")}
    assert presses == {"f5", "2", "3", "4"}  # "2" is no answer to a search
    assert len(session.events("ANSWER_2")) == len(ratings)


@pytest.mark.parametrize(
    ("key", "code"),
    [("f5", "ANSWER_1"), ("yes", "ANSWER_1"), ("no", "ANSWER_0"), ("3", "ANSWER_3")],
)
def test_any_key_goes_on_from_a_text(key: str, code: str, plan_of: PlanOf, shown: Present) -> None:
    rig, _, _, keys = staged()
    keys.after = {30: [key]}
    session = shown(plan_of(SCREENING), rig)
    assert [e.detail["answer"] for e in session.events("ANSWER")] == [key, key]
    assert len(session.events(code)) == 2
    assert_lines_and_log_agree(session)


def test_a_key_pressed_before_the_question_came_on_is_early_and_no_answer(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, _, _, keys = staged()
    keys.early = ["yes"]
    session = shown(plan_of(SCREENING), rig)
    assert session.events("ANSWER") == []
    assert {e.detail["meaning"] for e in session.events("EARLY_KEY")} == {"yes"}


@pytest.mark.parametrize(("frame", "name"), [(179, "ANSWER"), (180, "NO_ANSWER")])
def test_an_answer_counts_until_the_last_frame_ends(
    frame: int, name: str, plan_of: PlanOf, shown: Present
) -> None:
    """Three seconds are 180 flips; what is seen after the flip of the 180th came before it."""
    rig, _, _, keys = staged()
    keys.after = {frame: ["yes"]}
    session = shown(plan_of("[screening]\nrepeats = 1\n[texts]\ntext_s = 3\n"), rig)
    assert [e.name for e in session.log.events if e.name in ("ANSWER", "NO_ANSWER")][0] == name
    assert_lines_and_log_agree(session)


# Endings -------------------------------------------------------------------------------------


def assert_ended_well(session: Shown, how: str) -> None:
    own = {value: name for name, value in session.log.header.codes.items()}
    assert session.log.ending and session.log.ending["how"] == how
    assert [own[value] for value in session.values[-2:]] == ["STOP", "RUN_END"]
    assert_lines_rest_between_codes(session.edges)
    assert [event.code for event in session.coded] == session.values
    if len(session.events("SWEEP")) == len(SWEEP_VALUES):
        assert_lines_and_log_agree(session)


def test_a_signal_ends_the_run_at_any_moment(plan_of: PlanOf, shown: Present) -> None:
    plan = plan_of(TINY)
    frames = round(plan.longest_s * 60) - 4  # but for the end codes
    for flip in range(1, frames + 1):
        rig, stage, _, _ = staged({flip: ["interrupt"]})
        session = shown(plan, rig)
        assert session.how == "interrupted"
        assert stage.flips == flip + 2 + 2 + 2  # rest, STOP, RUN_END
        assert session.events("INTERRUPT")[0].detail == {"key": "key interrupt"}
        assert_ended_well(session, "interrupted")


def test_a_signal_is_heard_even_in_the_frame_in_which_a_question_comes_on(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, _, _, keys = staged()
    keys.early = ["interrupt"]
    session = shown(plan_of(SCREENING), rig)
    assert session.how == "interrupted"
    assert_ended_well(session, "interrupted")


@pytest.mark.parametrize("after", [False, True], ids=["before the swap", "after the swap"])
def test_an_interrupt_in_a_flip_ends_the_run_and_loses_no_code(
    after: bool, plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(TINY)
    for flip in range(round(plan.longest_s * 60) - 4):
        rig, stage, _, _ = staged()
        stage.raises[flip] = (after, KeyboardInterrupt())
        session = shown(plan, rig)
        assert session.how == "interrupted"
        assert_ended_well(session, "interrupted")


def test_an_error_of_the_display_is_raised_and_leaves_a_whole_log(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, stage, _, _ = staged()
    stage.raises[100] = (False, RuntimeError("lost the context"))
    with pytest.raises(RuntimeError, match="lost the context") as raised:
        shown(plan_of(TINY), rig)
    assert_ended_well(raised.value.shown, "failed")  # type: ignore[attr-defined]


def test_a_display_that_is_gone_leaves_a_whole_log_and_resting_lines(
    plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(TINY)
    for flip in (0, 1, 75, 76, 100, 101):
        rig, stage, box, _ = staged()
        stage.gone_from = flip
        with pytest.raises(RuntimeError, match="no display left") as raised:
            shown(plan, rig)
        session = raised.value.shown  # type: ignore[attr-defined]
        assert session.log.ending["how"] == "failed"
        assert box.edges[-1][1] == 0
        assert [event.code for event in session.coded] == session.values


# What goes wrong -----------------------------------------------------------------------------


def test_late_frames_are_logged_with_their_interval(plan_of: PlanOf, shown: Present) -> None:
    rig, stage, _, _ = staged()
    stage.extra_s = {90: 0.6 * PERIOD_S, 110: 0.05, 120: 0.4 * PERIOD_S}
    session = shown(plan_of(TINY), rig)
    late = session.events("LATE_FRAME")
    assert [e.detail["interval_s"] for e in late] == [
        pytest.approx(1.6 * PERIOD_S, abs=1e-6),
        pytest.approx(PERIOD_S + 0.05, abs=1e-6),
    ]
    assert session.log.ending and session.log.ending["late_frames"] == 2


def test_loading_the_pictures_of_a_block_makes_no_frame_late(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, stage, _, _ = staged()
    prepare = stage.prepare

    def slowly(screens: Iterable[Screen]) -> Iterator[None]:
        for made in prepare(screens):
            stage.now_s += 2.0
            yield made

    stage.prepare = slowly  # type: ignore[method-assign]
    assert shown(plan_of(TINY), rig).events("LATE_FRAME") == []


def test_a_port_that_fails_is_logged_and_the_session_goes_on(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, _, box, _ = staged()
    box.deaf_to = {CODE_TABLE["IMAGE_ON"]}
    session = shown(plan_of(TINY + GO_ON), rig)
    assert session.how == "completed"
    lost = [e for e in session.log.events if "lost" in e.detail]
    assert [(e.name, e.code) for e in lost] == [("IMAGE_ON", 20)] * 2
    assert session.log.ending and session.log.ending["codes_lost"] == 2
    kept = [(e.time_s, e.code) for e in session.coded if "lost" not in e.detail]
    assert kept == [(round(t, 7), value) for t, value in session.edges if value]


def test_lines_that_could_not_be_brought_to_rest_are_logged(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, _, box, _ = staged()
    box.deaf_to = {0}
    session = shown(plan_of(TINY + GO_ON), rig)
    rests = session.events("REST")
    assert len(rests) == len(session.values)
    assert all(e.code is None and e.detail["lost"] is True for e in rests)
    ending = session.log.ending
    assert ending and (ending["rests_lost"], ending["codes_lost"]) == (len(rests), 0)


# A table of one's own ------------------------------------------------------------------------


def test_a_table_of_ones_own_is_sent_announcements_and_all(plan_of: PlanOf, shown: Present) -> None:
    plan = plan_of(f"{TINY}[codes]\nsession = 108\ntrial = 111\nimage_on = 103\n")
    session = shown(plan, staged()[0])
    assert {e.code for e in session.events("IMAGE_ON")} == {103}
    assert [e.code for e in session.events("SESSION")[::5]] == [108] * 3
    assert [e.code for e in session.events("TRIAL")[::4]] == [111] * 3
    standard = {value: CODE_TABLE[name] for name, value in plan.codes.items()}
    values = [standard.get(value, value) for value in session.values[len(SWEEP_VALUES) :]]
    numbers = [label.presentation for label in read_labels(values) if label.code == 20]
    assert numbers == [1, 2]


def test_a_table_that_takes_the_payload_sends_no_announcements(
    plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(f"{TINY}[codes]\nimage_on = 200\n")
    rig, stage, _, _ = staged()
    session = shown(plan, rig)
    assert session.events("SESSION") == session.events("TRIAL") == []
    assert [e.presentation for e in session.events("IMAGE_ON")] == [1, 2]
    assert stage.flips == round(plan.longest_s * 60)
    assert [e.code for e in session.coded] == session.values


# The death of the process --------------------------------------------------------------------

CHILD = """
    import os, sys, time
    from pathlib import Path

    sys.path.insert(0, {root!r})
    from task.contract.sessionlog import Header
    from task.logwriter import LogWriter
    from task.plan import Block, Plan, Step, Trial, BLANK
    from task.contract.codes import CODE_TABLE
    from task.contract.sessionlog import Kind
    from task.present import Going, present
    from task.rigs.simulated import simulated_rig

    view = Trial(Kind.VIEW, (Step("IMAGE_ON", BLANK, 16), Step("IMAGE_OFF", BLANK, 8)), "dog")
    blocks = (Block("screening", (view,) * 9999),)
    plan = Plan("x", 60.0, 0, 2, CODE_TABLE, "pets", blocks, ("dog",))
    rig = simulated_rig(60.0, pulse_s=0.005, gap_s=0.005, seed=0)
    set_lines = rig.port.set

    def telling(value):
        sent = set_lines(value)
        if value:
            os.write(1, bytes((value,)))  # the recorder, which survives
        return sent

    rig.port.set = telling
    header = Header(7, "x", "x", "0", "0", "pets", "0", 0, "r", "now", CODE_TABLE, {{}})
    present(plan, rig, LogWriter(Path(sys.argv[1]), header), 7)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("codes", [1, 9, 1000, 5003])
def test_a_killed_process_leaves_a_log_up_to_the_last_event(codes: int, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    script = textwrap.dedent(CHILD).format(root=str(ROOT))
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        seen = process.stdout.read(codes)
        process.send_signal(signal.SIGKILL)
        seen += process.stdout.read()
    log = read_log(path)
    logged = [event.code for event in log.events if event.code is not None]
    assert log.ending is None
    assert logged in (list(seen), list(seen)[:-1])  # at most the event in flight is lost
    assert len(seen) >= codes and process.returncode == -signal.SIGKILL


def test_the_simulated_port_keeps_every_edge_with_its_time() -> None:
    rig = simulated_rig(50.0, pulse_s=0.01, gap_s=0.01, seed=0)
    rig.display.flip(lambda: rig.port.set(9))
    rig.display.flip(None)
    rig.close()
    assert isinstance(rig.port, SimulatedPort)
    assert rig.port.edges == [(0.02, 9), (0.04, 0)]
