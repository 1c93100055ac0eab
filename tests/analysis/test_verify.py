"""`verify`: what a whole session says, and that every kind of damage is said, in words."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from analysis.lights import Row
from analysis.timing_figure import TIMING_NAME, write_timing
from analysis.verify import Verification, verify_session
from task.contract.errors import UserError
from task.contract.lights import Light
from task.contract.sessionlog import LOG_NAME, Event
from tests.analysis.hand_made import (
    HZ,
    HandMade,
    plan_of,
    search,
    small_plan,
    step,
    trial,
    view,
    whole_session,
)

Judge = Callable[[HandMade], Verification]


@pytest.fixture
def judged(tmp_path: Path) -> Judge:
    return lambda made: verify_session(made.write(tmp_path / "session"))


def row(verification: Verification, what: str) -> Row:
    return next(row for row in verification.rows if row.what == what)


def not_green(verification: Verification) -> dict[str, tuple[str, str]]:
    return {
        r.what: (r.light.value, r.said) for r in verification.rows if r.light is not Light.GREEN
    }


def test_a_whole_session_is_green_from_top_to_bottom(judged: Judge) -> None:
    verification = judged(whole_session())
    assert verification.light is Light.GREEN
    assert [(r.what, r.said) for r in verification.rows] == [
        ("files", "all there (no rig.toml: shown without a rig file)"),
        ("digests", "protocol.toml, plan.json, manifest.csv are as they were"),
        ("log", "83 events, ended as it should"),
        ("runs", "1 run: completed"),
        ("trials", "7 of 7 shown whole"),
        (
            "order",
            "7 presentations: kind, item, place and codes as planned, each number once",
        ),
        ("frames", "13 steps of fixed length as planned, at 60.000 Hz"),
        ("spacing", "codes at least 2.0 frames apart; planned are 2"),
        ("codes", "72 codes, all taken by the port"),
        ("gaps", "none"),
        ("late frames", "none"),
        ("latency", "flip to code written 50 µs (median), 50 µs (99 %); writing takes 30 µs"),
        ("answers", "search: 1 right, median 0.75 s"),
        ("pauses", "none"),
        ("overrides", "none"),
    ]


def test_the_document_says_the_same_for_machines(judged: Judge) -> None:
    verification = judged(whole_session())
    document = json.loads(json.dumps(verification.document, allow_nan=False))
    assert document["light"] == "green"
    assert (document["subject"], document["protocol"]) == ("P07", "small")
    assert [r["what"] for r in document["rows"]] == [r.what for r in verification.rows]
    numbers = document["numbers"]
    assert numbers["trials"]["whole"] == numbers["trials"]["planned"] == 7
    assert numbers["flip_to_write_s"] == {"median": 5e-5, "p99": 5e-5, "most": 5e-5}
    assert numbers["refresh_hz"] == 60.0


def test_no_session_here_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        verify_session(tmp_path / "nobody")
    assert str(error.value) == f"{tmp_path / 'nobody'}: is no folder; give the folder of a session"


# The folder ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["protocol.toml", "plan.json", "manifest.csv"])
def test_a_changed_copy_is_red(name: str, tmp_path: Path) -> None:
    folder = whole_session().write(tmp_path / "session")
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    verification = verify_session(folder)
    assert row(verification, "digests").said == f"not as the log's header has it: {name}"
    assert verification.light is Light.RED


@pytest.mark.parametrize("name", ["protocol.toml", "plan.json", "manifest.csv", LOG_NAME])
def test_a_missing_file_is_red(name: str, tmp_path: Path) -> None:
    folder = whole_session().write(tmp_path / "session")
    (folder / name).unlink()
    assert row(verify_session(folder), "files") == Row(Light.RED, "files", f"missing: {name}")


def test_a_write_that_was_left_unfinished_is_told(tmp_path: Path) -> None:
    folder = whole_session().write(tmp_path / "session")
    (folder / "plan.json.partial").touch()
    said = "left unfinished by a write: plan.json.partial"
    assert row(verify_session(folder), "files") == Row(Light.YELLOW, "files", said)


def test_another_sessions_plan_is_not_compared_with(tmp_path: Path) -> None:
    folder = whole_session().write(tmp_path / "session")
    (folder / "plan.json").write_text(json.dumps(plan_of([view("dog")])))
    said = "plan.json is missing or is not this session's; nothing was compared with it"
    assert row(verify_session(folder), "trials") == Row(Light.RED, "trials", said)


# The log -----------------------------------------------------------------------------------------


def test_a_log_cut_at_any_byte_is_judged_as_far_as_it_goes(tmp_path: Path) -> None:
    made = HandMade(plan_of([search()]))
    made.log("RUN")
    made.present(0, 0)
    made.code("BLOCK_END")
    made.close_run()
    folder = made.write(tmp_path / "session")
    whole = (folder / LOG_NAME).read_bytes()
    header = whole.index(b"\n") + 1
    for length in range(len(whole)):
        (folder / LOG_NAME).write_bytes(whole[:length])
        verification = verify_session(folder)
        json.dumps(verification.document, allow_nan=False)
        light = Light.RED if length < header else Light.YELLOW
        assert verification.light is light, (length, not_green(verification))
    (folder / LOG_NAME).write_bytes(whole)
    assert verify_session(folder).light is Light.GREEN


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data())
def test_a_log_with_any_byte_changed_is_judged_without_a_crash(
    data: st.DataObject, tmp_path: Path
) -> None:
    folder = whole_session().write(tmp_path / "session")
    text = bytearray((folder / LOG_NAME).read_bytes())
    position = data.draw(st.integers(0, len(text) - 1))
    text[position] = data.draw(st.integers(0, 255))
    (folder / LOG_NAME).write_bytes(text)
    json.dumps(verify_session(folder).document, allow_nan=False)


@pytest.mark.parametrize(
    "damage",
    [
        {"time_s": "soon"},
        {"time_s": float("nan")},
        {"code": "20"},
        {"presentation": 1.5},
        {"sent_s": 3},
    ],
)
def test_an_event_of_the_wrong_kind_is_damage(damage: dict[str, Any], tmp_path: Path) -> None:
    folder = whole_session().write(tmp_path / "session")
    lines = (folder / LOG_NAME).read_text().splitlines()
    lines[30] = json.dumps({**json.loads(lines[30]), **damage})
    (folder / LOG_NAME).write_text("\n".join(lines) + "\n")
    said = f"{folder / LOG_NAME}: is damaged: event 30 has parts of a wrong kind"
    assert row(verify_session(folder), "log") == Row(Light.RED, "log", said)


def test_lines_taken_out_of_a_log_are_missed_by_its_own_count(judged: Judge) -> None:
    made = whole_session()
    del made.events[made.find("IMAGE_OFF")]
    verification = judged(made)
    assert row(verification, "log") == Row(
        Light.RED,
        "log",
        "82 events, but its ending counted otherwise: codes 72, in the log 71",
    )
    assert row(verification, "order").said == (
        "presentation 1 (block 1 trial 1): its code nothing 0 stands where IMAGE_OFF 23 was planned"
    )


@pytest.mark.parametrize(
    ("how", "counted", "light"),
    [
        ("interrupted", -1, "yellow"),
        ("failed", -1, "yellow"),
        ("completed", -1, "red"),
        ("interrupted", 1, "red"),
        ("interrupted", -2, "red"),
    ],
)
def test_an_end_may_come_before_the_last_event_is_counted_but_not_before_it_is_written(
    how: str, counted: int, light: str, judged: Judge
) -> None:
    made = whole_session()
    assert made.ending
    made.ending |= {"how": how, "codes": made.ending["codes"] + counted}
    found = row(judged(made), "log")
    assert found.light.value == light
    if light == "yellow":
        assert found.said == "83 events; the end came before the last of them was counted"


# Plan against log --------------------------------------------------------------------------------


def test_a_session_cut_short_lists_what_was_not_reached(judged: Judge) -> None:
    made = HandMade()
    made.open_run()
    made.show_block(0, last=1)
    made.present(0, 2, steps=1)
    verification = judged(made)
    assert not_green(verification) == {
        "log": ("yellow", "42 events; cut short: it has no ending, and is read to its last line"),
        "runs": ("yellow", "1 run: cut short"),
        "trials": (
            "yellow",
            "2 of 7 shown whole; 5 not reached (block 1 trial 3 to 4, block 2 trial 1 to 3);"
            " 1 presentation cut",
        ),
    }


def test_a_resumed_session_is_whole_again(judged: Judge) -> None:
    made = HandMade()
    made.open_run()
    made.show_block(0)
    made.show_block(1, last=0)
    made.present(1, 1, steps=1)
    made.resume(1)
    made.log("SUPERSEDED", presentations=[5, 6])
    made.show_block(1)
    made.close_run()
    verification = judged(made)
    assert not_green(verification) == {
        "runs": ("yellow", "2 runs: cut short, completed"),
        "trials": ("yellow", "7 of 7 shown whole; 2 presentations superseded"),
    }


def test_the_ending_of_a_run_that_was_resumed_is_its_own(judged: Judge) -> None:
    made = HandMade()
    made.open_run()
    made.show_block(0)
    made.close_run("stopped")
    made.resume(1)
    made.show_block(1)
    made.close_run()
    verification = judged(made)
    assert not_green(verification) == {"runs": ("yellow", "2 runs: stopped, completed")}


def test_a_resumed_run_shown_twice_without_a_word_is_told(judged: Judge) -> None:
    made = HandMade()
    made.open_run()
    made.show_block(0)
    made.resume(0, 2)
    made.show_block(0, first=2)
    made.show_block(1)
    made.close_run()
    said = "7 of 7 shown whole; 2 shown twice (block 1 trial 3 to 4)"
    assert row(judged(made), "trials") == Row(Light.YELLOW, "trials", said)


def test_a_skipped_block_is_no_loss(judged: Judge) -> None:
    made = HandMade()
    made.open_run()
    made.show_block(0, last=1)
    made.present(0, 2, steps=1)
    made.log("INTERRUPTED", 3, why="pause")
    made.log("PAUSE")
    made.frame += 600
    made.log("SKIP", block=0)
    made.show_block(1)
    made.close_run()
    verification = judged(made)
    assert not_green(verification) == {
        "trials": (
            "yellow",
            "5 of 7 shown whole; 2 skipped (block 1 trial 3 to 4); 1 presentation interrupted",
        ),
        "pauses": ("yellow", "1: 10.0 s"),
    }
    assert verification.numbers["trials"]["interrupted"] == [3]
    assert verification.numbers["pauses"][0]["ended_by"] == "skip"


def test_a_trial_interrupted_and_repeated_is_whole(judged: Judge) -> None:
    made = HandMade()
    made.open_run()
    made.open_block(0)
    made.present(0, 0, steps=1)
    made.log("INTERRUPTED", 1, why="pause")
    made.log("PAUSE")
    made.frame += 4500
    made.log("RESUME")
    for place in range(4):
        made.present(0, place)
    made.code("BLOCK_END")
    made.show_block(1)
    made.close_run()
    verification = judged(made)
    assert not_green(verification) == {
        "trials": ("yellow", "7 of 7 shown whole; 1 presentation interrupted"),
        "pauses": ("yellow", "1: 1 min 15 s"),
    }


@pytest.mark.parametrize(("rule", "light"), [("keep", "yellow"), ("repeat", "red")])
def test_an_interrupted_trial_is_repeated_unless_the_protocol_says_otherwise(
    rule: str, light: str, judged: Judge
) -> None:
    made = HandMade({**small_plan(), "interrupted": rule})
    made.open_run()
    made.open_block(0)
    made.present(0, 0, steps=1)
    made.log("INTERRUPTED", 1, why="pause")
    for place in (1, 2, 3):
        made.present(0, place)
    made.code("BLOCK_END")
    made.show_block(1)
    made.close_run()
    name = "cut short and kept so" if rule == "keep" else "missing"
    said = f"6 of 7 shown whole; 1 {name} (block 1 trial 1); 1 presentation interrupted"
    assert not_green(judged(made)) == {"trials": (light, said)}


def test_a_trial_that_is_missing_without_a_reason_is_red(judged: Judge) -> None:
    made = HandMade()
    made.open_run()
    made.open_block(0)
    for place in (0, 2, 3):
        made.present(0, place)
    made.code("BLOCK_END")
    made.show_block(1)
    made.close_run()
    verification = judged(made)
    assert not_green(verification) == {
        "trials": ("red", "6 of 7 shown whole; 1 missing (block 1 trial 2)"),
        "order": (
            "red",
            "presentation 3: block 1 trial 3 follows block 1 trial 1, and nothing says why",
        ),
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"item": "cat"}, "its item is 'cat', planned was 'cup'"),
        ({"kind": "encode"}, "its kind is 'encode', planned was 'view'"),
    ],
)
def test_a_presentation_of_something_else_is_red(
    changes: dict[str, str], said: str, judged: Judge
) -> None:
    made = whole_session()
    made.change(made.find("PRESENTATION", 1), **changes)
    verification = judged(made)
    assert row(verification, "order").said == f"presentation 2 (block 1 trial 2): {said}"
    assert row(verification, "trials").light is Light.RED


def test_a_presentation_of_no_trial_of_the_plan_is_red(judged: Judge) -> None:
    made = whole_session()
    made.change(made.find("PRESENTATION", 1), trial=99)
    said = row(judged(made), "order").said
    assert said.startswith("presentation 2 (block 1 trial 100): the plan has no such trial; ")


def test_codes_in_another_order_are_red(judged: Judge) -> None:
    made = whole_session()
    on, off = made.find("IMAGE_ON", 1), made.find("IMAGE_OFF", 1)
    made.change(on, name="IMAGE_OFF", code=23)
    made.change(off, name="IMAGE_ON", code=20)
    said = "its code IMAGE_OFF 23 stands where IMAGE_ON 20 was planned"
    assert f"presentation 2 (block 1 trial 2): {said}" in row(judged(made), "order").said


def test_a_number_that_announces_another_presentation_is_red(judged: Judge) -> None:
    made = whole_session()
    at = made.find("TRIAL", 6)
    wrong = (made.events[at].code or 0) ^ 1
    made.change(at, code=wrong)
    assert f"its code TRIAL {wrong} stands where TRIAL" in row(judged(made), "order").said


def test_a_presentation_number_used_twice_is_red(judged: Judge) -> None:
    made = whole_session()
    made.change(made.find("PRESENTATION", 4), presentation=4)
    assert "presentation number 4 was given 2 times" in row(judged(made), "order").said


def test_a_code_sent_with_another_value_than_its_table_is_red(judged: Judge) -> None:
    made = whole_session()
    made.change(made.find("BLOCK_END"), code=13)
    assert row(judged(made), "order").said == "code BLOCK_END was sent as 13"


def test_practice_may_be_shown_until_it_is_understood(judged: Judge) -> None:
    plan = plan_of([trial("practice", "dog", *view("dog")["steps"])], [view("cup")])
    plan["blocks"][0] |= {"kind": "practice", "rounds": 3}
    made = HandMade(plan)
    made.open_run()
    made.show_block(0)
    made.show_block(0)
    made.show_block(1)
    made.close_run()
    assert judged(made).light is Light.GREEN


# Frames, spacing, latency ------------------------------------------------------------------------


def test_a_late_frame_lengthens_its_step_and_is_told_with_its_place(judged: Judge) -> None:
    made = whole_session()
    made.late(2, made.find("IMAGE_OFF", 1))
    verification = judged(made)
    frames = made.ending["frames"] if made.ending else 0
    assert not_green(verification) == {
        "late frames": (
            "yellow",
            f"1 of {frames}, 1 in trials; the longest 50.0 ms, block 1 trial 2",
        )
    }
    assert row(verification, "frames").said == (
        "13 steps of fixed length as planned, at 60.000 Hz; 1 longer or shorter, by late frames"
        " that the log has"
    )
    assert verification.numbers["late_frames"]["where"] == [[0, 1, 1]]


@pytest.mark.parametrize(("frames", "light"), [(0.4, Light.GREEN), (0.6, Light.RED)])
def test_a_step_that_nothing_made_longer_is_red(frames: float, light: Light, judged: Judge) -> None:
    made = whole_session()
    at = made.find("IMAGE_OFF", 1)
    for n in range(at, len(made.events)):
        made.change(n, time_s=made.events[n].time_s + frames / HZ)
    found = row(judged(made), "frames")
    assert found.light is light
    if light is Light.RED:
        assert found.said == (
            "1 of 13 steps of fixed length have another and no late frame explains it:"
            " block 1 trial 2 IMAGE_ON 16.6 frames, planned 16"
        )


SOFTWARE = {"pacing": "software: no vertical blank"}
HELD_UP = "the display is paced in software, and other programs held it up"


def held_up(made: HandMade, at: int, frames: float) -> None:
    """From this event on everything comes so much later."""
    for n in range(at, len(made.events)):
        made.change(n, time_s=made.events[n].time_s + frames / HZ)


@pytest.mark.parametrize(("frames", "light"), [(0.6, "yellow"), (1.4, "yellow"), (1.6, "red")])
def test_on_a_display_paced_in_software_steps_may_be_off_by_one_turn_left_out(
    frames: float, light: str, judged: Judge
) -> None:
    made = whole_session()
    made.change(made.find("RUN"), display=SOFTWARE)
    held_up(made, made.find("IMAGE_OFF", 1), frames)
    verification = judged(made)
    found = row(verification, "frames")
    assert found.light.value == light
    assert verification.numbers["steps"]["excused"] == (light == "yellow")
    if light == "yellow":
        assert found.said == (
            f"1 of 13 steps of fixed length off by {frames} frames at most (0 have late frames in"
            f" them or just before): {HELD_UP}"
        )


@pytest.mark.parametrize(("display", "light"), [(SOFTWARE, "yellow"), ({}, "red")])
def test_a_late_frame_excuses_any_length_where_swaps_are_paced_in_software(
    display: dict[str, str], light: str, judged: Judge
) -> None:
    made = whole_session()
    made.change(made.find("RUN"), display=display)
    at = made.find("IMAGE_OFF", 1)
    held_up(made, at, 2.0)
    made.late(1, at)
    found = row(judged(made), "frames")
    assert found.light.value == light
    if light == "yellow":
        assert "off by 3.0 frames at most (1 have late frames in them or just before)" in found.said


def test_a_display_paced_in_software_keeps_the_plans_grid_however_often_it_is_held_up(
    judged: Judge,
) -> None:
    made = whole_session()
    made.change(made.find("RUN"), display=SOFTWARE)
    onsets = [n for n, e in enumerate(made.events) if e.name in ("IMAGE_ON", "IMAGE_OFF")]
    for n in onsets:
        held_up(made, n, 0.3)  # 1 to 4 % slower than planned
    verification = judged(made)
    assert row(verification, "frames").light is Light.GREEN
    assert verification.numbers["refresh_hz"] < 59.4


@pytest.mark.parametrize(("frames", "light"), [(0.9, "yellow"), (1.1, "red")])
def test_codes_of_a_display_paced_in_software_may_come_less_than_a_frame_too_soon(
    frames: float, light: str, judged: Judge
) -> None:
    made = whole_session()
    made.change(made.find("RUN"), display=SOFTWARE)
    at = made.find("TRIAL", 5)
    made.change(at, time_s=made.events[at].time_s - frames / HZ)
    found = row(judged(made), "spacing")
    assert found.light.value == light
    if light == "yellow":
        assert found.said == (
            "1 code came sooner than 2 frames after the one before, the closest after 1.1"
            f" (18.3 ms); {HELD_UP}"
        )


def test_a_step_that_is_a_frame_short_is_red(judged: Judge) -> None:
    made = whole_session()
    for n in range(made.find("IMAGE_OFF", 1), len(made.events)):
        made.change(n, time_s=made.events[n].time_s - 1 / HZ)
    assert "block 1 trial 2 IMAGE_ON 15.0 frames, planned 16" in row(judged(made), "frames").said


@pytest.mark.parametrize(("hz", "light"), [(59.94, "green"), (60.59, "green"), (75.0, "red")])
def test_the_refresh_rate_is_the_one_that_the_flips_show(
    hz: float, light: str, judged: Judge
) -> None:
    made = whole_session()
    start_s = made.events[0].time_s
    made.events = [
        Event(start_s + (e.time_s - start_s) * HZ / hz, e.name, e.code, e.presentation, e.detail)
        for e in made.events
    ]
    found = row(judged(made), "frames")
    assert found.light.value == light
    assert f"at {hz:.3f} Hz" in found.said or f"at {hz:.2f} Hz, planned for 60 Hz" in found.said


def catch_up(made: HandMade, at: int, frames: float) -> None:
    """The swap of an event came late by so many frames, and the next ones came as if it had not."""
    event = made.events[at]
    late_s = frames / HZ
    told = {"interval_s": round((1 + frames) / HZ, 6)}
    bracket = [s + late_s for s in event.detail["sent_s"]]
    made.change(at, time_s=event.time_s + late_s, sent_s=bracket)
    made.events.insert(at, Event(event.time_s + late_s, "LATE_FRAME", detail=told))
    assert made.ending
    made.ending["late_frames"] += 1


def test_a_step_that_is_short_because_it_began_late_is_explained(judged: Judge) -> None:
    made = whole_session()
    catch_up(made, made.find("IMAGE_OFF", 1), 0.7)
    verification = judged(made)
    assert set(not_green(verification)) == {"late frames"}
    assert row(verification, "frames").said.endswith(
        "; 2 longer or shorter, by late frames that the log has"
    )


def test_codes_that_came_close_after_a_late_frame_are_told(judged: Judge) -> None:
    made = whole_session()
    catch_up(made, made.find("IMAGE_ON", 1), 0.7)
    verification = judged(made)
    assert row(verification, "spacing") == Row(
        Light.YELLOW,
        "spacing",
        "1 code came sooner than 2 frames after the one before, the closest after 1.3 (21.7 ms):"
        " the display made up for late frames",
    )


def test_codes_too_close_for_the_recorder_are_red(judged: Judge) -> None:
    made = whole_session()
    at = made.find("TRIAL", 5)
    made.change(at, time_s=made.events[at].time_s - 1 / HZ)
    assert row(judged(made), "spacing") == Row(
        Light.RED,
        "spacing",
        "1 code came sooner than 2 frames after the one before, the closest after 1.0 (16.7 ms);"
        " the recorder may miss some",
    )


def test_runs_are_not_compared_with_each_other(judged: Judge) -> None:
    made = HandMade()
    made.open_run()
    made.show_block(0)
    made.resume(1)
    made.show_block(1)
    made.close_run()
    second = made.find("RUN", 1)
    for n in range(second, len(made.events)):  # a clock that began anew
        early = [s - 90 for s in made.events[n].detail.get("sent_s", ())]
        made.change(n, time_s=made.events[n].time_s - 90, **({"sent_s": early} if early else {}))
    verification = judged(made)
    assert set(not_green(verification)) == {"runs"}


def test_slow_writes_are_yellow(judged: Judge) -> None:
    said = "flip to code written 2020 µs (median), 2020 µs (99 %); writing takes 2000 µs"
    found = row(judged(whole_session(write_s=0.002)), "latency")
    assert found == Row(Light.YELLOW, "latency", said)


# Lines -------------------------------------------------------------------------------------------


def lose(made: HandMade, at: int) -> None:
    made.change(at, lost=True)
    assert made.ending
    made.ending["codes_lost"] += 1


def test_a_lost_code_of_a_trial_that_counts_is_red(judged: Judge) -> None:
    made = whole_session()
    lose(made, made.find("IMAGE_ON", 1))
    said = "1 of 72 codes did not leave the port; in 1 trial to be counted (block 1 trial 2)"
    assert not_green(judged(made)) == {"codes": ("red", said)}


def test_lost_codes_of_a_trial_that_was_shown_again_are_yellow(judged: Judge) -> None:
    made = HandMade()
    made.open_run()
    made.open_block(0)
    made.present(0, 0, steps=1)
    made.log("TRIGGERS_LOST")
    made.log("INTERRUPTED", 1, why="triggers")
    made.frame += 600
    made.log("TRIGGERS_BACK")
    made.code("GAP")
    for place in range(4):
        made.present(0, place)
    made.code("BLOCK_END")
    made.show_block(1)
    made.close_run()
    lose(made, made.find("IMAGE_ON", 0))
    lights = not_green(judged(made))
    assert set(lights) == {"trials", "codes", "gaps"}
    assert lights["codes"] == (
        "yellow",
        "1 of 78 codes did not leave the port; none of them in a trial that counts",
    )
    assert lights["gaps"] == ("yellow", "triggers lost once, back once")


def test_a_box_that_was_gone_and_a_keyboard_that_was_elsewhere_are_told(judged: Judge) -> None:
    made = HandMade()
    made.open_run()
    made.show_block(0)
    made.log("BOX_LOST")
    made.log("BOX_BACK")
    for meaning in ("focus lost", "focus back", "focus lost"):
        made.log("KEY", meaning=meaning, key="window", by="operator")
    made.show_block(1)
    made.close_run()
    said = "response box lost once, back once; another window had the keyboard twice"
    assert not_green(judged(made)) == {"gaps": ("yellow", said)}


@pytest.mark.parametrize("device", ["none", "simulated"])
def test_a_rig_without_triggers_is_yellow(device: str, judged: Judge) -> None:
    made = whole_session()
    made.change(0, port={"device": device})
    said = "72 codes, but the rig has no triggers: no recorder has them"
    assert not_green(judged(made)) == {"codes": ("yellow", said)}


# Answers, and the desk ---------------------------------------------------------------------------


def test_answers_are_counted_by_kind_and_by_who_gave_them(judged: Judge) -> None:
    made = HandMade(plan_of([search(), search(), search("no")]))
    made.open_run()
    made.show_block(0)
    made.close_run()
    made.change(made.find("ANSWER", 0), by="operator", reaction_s=9.0)
    verification = judged(made)
    assert row(verification, "answers").said == (
        "search: 2 right, 1 wrong, 1 entered by the operator, median 0.75 s"
    )


def test_an_answer_scored_wrongly_is_red(judged: Judge) -> None:
    made = whole_session()
    made.change(made.find("ANSWER"), correct=False)
    said = "presentation 4: answer 'yes' was scored wrong, and 'yes' is right"
    assert not_green(judged(made)) == {"answers": ("red", said)}


def test_a_question_without_answer_or_its_absence_is_red(judged: Judge) -> None:
    made = whole_session()
    del made.events[made.find("ANSWER")]
    said = "presentation 4 (block 1 trial 4) asks once and has 0 answers"
    assert not_green(judged(made)) == {"answers": ("red", said)}


def test_notes_and_overrides_are_told(judged: Judge) -> None:
    made = whole_session(overrides={"refresh": "Dr Who"})
    at = made.find("BLOCK", 1)
    made.events.insert(at, Event(made.events[at].time_s, "NOTE", detail={"text": "nurse came"}))
    verification = judged(made)
    assert row(verification, "note").said.endswith(": nurse came")
    assert not_green(verification) == {"overrides": ("yellow", "refresh: Dr Who")}


def test_a_pause_and_its_code_are_one_pause(judged: Judge) -> None:
    made = HandMade()
    made.open_run()
    made.show_block(0)
    made.log("PAUSE")
    made.code("PAUSE")
    made.frame += 118
    made.log("RESUME")
    made.code("RESUME")
    made.show_block(1)
    made.close_run()
    assert not_green(judged(made)) == {"pauses": ("yellow", "1: 2.0 s")}


# The picture -------------------------------------------------------------------------------------


def test_the_timing_is_drawn_into_the_folder(judged: Judge) -> None:
    made = whole_session()
    made.late(2, made.find("IMAGE_OFF", 1))
    verification = judged(made)
    path = write_timing(verification)
    assert path == verification.folder / TIMING_NAME
    assert path
    with Image.open(path) as picture:
        assert picture.size == (1152, 648)
    first = path.read_bytes()
    write_timing(verification)
    assert path.read_bytes() == first
    assert not list(verification.folder.glob("*.partial"))


def test_a_session_in_which_nothing_was_shown_has_no_picture(judged: Judge) -> None:
    assert write_timing(judged(HandMade())) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")
def test_the_picture_is_for_its_owner_only(judged: Judge) -> None:
    path = write_timing(judged(whole_session()))
    assert path and path.stat().st_mode & 0o777 == 0o600


def test_a_baseline_of_ten_seconds_is_measured_to_the_frame(judged: Judge) -> None:
    long = trial("baseline", None, step("BASELINE_ON", 600), step("BASELINE_OFF", 2))
    made = HandMade(plan_of([long, view("dog")]))
    made.open_run()
    made.show_block(0)
    made.close_run()
    assert row(judged(made), "frames").said == "4 steps of fixed length as planned, at 60.000 Hz"


def test_a_folder_that_does_not_take_the_picture_is_one_sentence(judged: Judge) -> None:
    verification = judged(whole_session())
    (verification.folder / TIMING_NAME).mkdir()
    with pytest.raises(UserError) as error:
        write_timing(verification)
    assert str(error.value).startswith(f"{verification.folder / TIMING_NAME}: cannot be written: ")
    assert not list(verification.folder.glob("*.partial"))
