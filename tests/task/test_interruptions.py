"""Pause, skip, repeat, notes, a lost cable, a full disk, a resumed session: nothing is lost."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.contract.codes import CODE_TABLE, SWEEP_VALUES
from task.contract.errors import RigError
from task.contract.sessionlog import Event, read_log
from task.flow import Position
from task.logwriter import LogWriter
from task.plan import DeskItem, TextItem
from task.present import Going, present
from task.rig import Rig
from tests.task.staged import (
    IMAGERY,
    SCREENING,
    SESSION,
    TINY,
    Box,
    PlanOf,
    Present,
    Script,
    Shown,
    Stage,
    assert_lines_and_log_agree,
    assert_lines_rest_between_codes,
    header_of,
    staged,
)

BEFORE_TRIALS = 36 * 2 + 6 * 2 + 6 * 2  # sweep, RUN_START and BLOCK_START with their names


def paused_at(flip: int, *keys: str, every: int = 40) -> tuple[Rig, Stage, Box, Script]:
    """Pause after so many flips; then a key of the desk every 40 flips, which a pause may take."""
    rig, stage, box, script = staged({flip: ["pause"]})
    for n, key in enumerate(keys, start=1):
        script.at[flip + n * every] = [f"={key}"]
    return rig, stage, box, script


def begun(session: Shown) -> list[tuple[int | None, int, int]]:
    return [
        (e.presentation, e.detail["block"], e.detail["trial"])
        for e in session.events("PRESENTATION")
    ]


def uncoded(session: Shown, name: str) -> list[Event]:
    return [e for e in session.events(name) if e.code is None]


# Pause ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["repeat", "keep"])
def test_a_pause_cuts_a_trial_short_at_once_and_it_is_shown_again_if_the_rule_says_so(
    rule: str, plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(f'{TINY}[interruptions]\ntrial = "{rule}"\n')
    rig, stage, box, _ = paused_at(BEFORE_TRIALS + 5, "r")
    session = shown(plan, rig)
    assert session.how == "completed"
    again = [(4, 0, 0)] if rule == "repeat" else []
    assert begun(session) == [(1, 0, 0), *again, (2, 0, 1), (3, 1, 0)]
    (interrupted,) = session.events("INTERRUPTED")
    assert (interrupted.presentation, interrupted.detail) == (1, {"why": "pause"})
    picture = stage.shown[BEFORE_TRIALS + 4]
    assert picture and stage.shown[BEFORE_TRIALS + 5] != picture  # gone with the next frame
    assert [e.detail for e in uncoded(session, "PAUSE")] == [{"key": "key pause"}]
    assert [e.detail for e in uncoded(session, "RESUME")] == [{"key": "r"}]
    values = [v for v in session.values if v in (CODE_TABLE["PAUSE"], CODE_TABLE["RESUME"])]
    assert values == [CODE_TABLE["PAUSE"], CODE_TABLE["RESUME"]]
    assert_lines_rest_between_codes(box.edges)
    assert [e.code for e in session.coded] == session.values


@given(flip=st.integers(1, 330))
def test_a_pause_at_any_moment_loses_no_trial_and_no_code(
    flip: int, plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(TINY)
    rig, _, box, _ = paused_at(flip, "r", "r", "r")
    session = shown(plan, rig)
    assert session.how == "completed"
    whole = {e.presentation for e in session.events("PRESENTATION")} - {
        e.presentation for e in session.events("INTERRUPTED")
    }
    places = {(b, t) for n, b, t in begun(session) if n in whole}
    assert places == {(0, 0), (0, 1), (1, 0)}
    assert [e.code for e in session.coded] == session.values
    assert_lines_rest_between_codes(box.edges)
    assert session.log.ending and session.log.ending["late_frames"] == 0


def test_the_recording_alone_tells_which_presentation_each_event_belongs_to_after_a_pause(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, _, _, _ = paused_at(BEFORE_TRIALS + 5, "r")
    session = shown(plan_of(TINY), rig)
    own = {value: name for name, value in session.log.header.codes.items()}
    read = [(label.presentation, own[label.code]) for label in session.labels]
    cut = read.index((None, "PAUSE"))
    assert read[cut - 1] in ((None, "IMAGE_ON"), (1, "IMAGE_ON"))
    assert (4, "IMAGE_ON") in read and (4, "IMAGE_OFF") in read and (1, "IMAGE_OFF") not in read


def test_the_patient_can_do_nothing_on_the_pause_screen(plan_of: PlanOf, shown: Present) -> None:
    rig, _, _, script = staged({BEFORE_TRIALS + 5: ["pause"]})
    for n, key in enumerate(("yes", "no", "1", "5", "x"), start=1):
        script.at[BEFORE_TRIALS + 5 + 10 * n] = [key]
    script.at[BEFORE_TRIALS + 200] = ["=r"]
    session = shown(plan_of(TINY), rig)
    assert session.how == "completed" and len(session.events("PAUSE")) == 2  # key and code
    resumed = uncoded(session, "RESUME")[0].time_s - uncoded(session, "PAUSE")[0].time_s
    assert resumed == pytest.approx(195 / 60)


def test_pausing_between_trials_shows_every_trial_once(plan_of: PlanOf, shown: Present) -> None:
    rig, _, _, _ = paused_at(10, "r", every=400)
    session = shown(plan_of(TINY), rig)
    assert begun(session) == [(1, 0, 0), (2, 0, 1), (3, 1, 0)]
    assert session.events("INTERRUPTED") == []


def test_stop_must_be_confirmed_and_anything_else_goes_back(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, stage, _, _ = paused_at(BEFORE_TRIALS + 5, "q", "x", "q", "q")
    session = shown(plan_of(TINY), rig)
    assert session.how == "stopped"
    asked = [
        i.text for s in stage.shown for i in s if isinstance(i, TextItem) and "End the" in i.text
    ]
    assert asked[0] == "End the session?\n\nQ again ends it\nany other key goes back"
    assert session.values[-2:] == [CODE_TABLE["STOP"], CODE_TABLE["RUN_END"]]
    assert [e.detail for e in uncoded(session, "STOP")] == [{"key": "q"}]


def test_skip_goes_to_the_next_block(plan_of: PlanOf, shown: Present) -> None:
    plan = plan_of(SCREENING)
    rig, _, _, _ = paused_at(BEFORE_TRIALS + 300, "k")
    session = shown(plan, rig)
    blocks = [e.detail["block"] for e in session.events("PRESENTATION")]
    assert blocks.count(0) < len(plan.blocks[0].trials)
    assert blocks.count(1) == len(plan.blocks[1].trials)
    first = next(e for e in session.events("PRESENTATION") if e.detail["block"] == 1)
    assert first.presentation == len(plan.blocks[0].trials) + 1  # its place in the plan


def test_repeat_begins_the_block_again_with_new_numbers_and_marks_the_old(
    plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(TINY)
    rig, _, _, _ = paused_at(BEFORE_TRIALS + 30, "b")
    session = shown(plan, rig)
    assert begun(session) == [(1, 0, 0), (2, 0, 1), (4, 0, 0), (5, 0, 1), (3, 1, 0)]
    (superseded,) = session.events("SUPERSEDED")
    assert superseded.detail == {"presentations": [1, 2]}
    assert [e.detail["block"] for e in session.events("BLOCK")] == [0, 0, 1]


def test_a_note_has_the_time_at_which_it_was_begun(plan_of: PlanOf, shown: Present) -> None:
    rig, stage, _, script = paused_at(BEFORE_TRIALS + 5, "t")
    script.typing = {BEFORE_TRIALS + 45: "t", BEFORE_TRIALS + 60: "nurse cama\be \r in"}
    script.at |= {BEFORE_TRIALS + 80: ["=return"], BEFORE_TRIALS + 99: ["=r"]}
    session = shown(plan_of(TINY), rig)
    (note,) = uncoded(session, "NOTE")
    assert note.detail == {"text": "nurse came  in"}
    code = next(e for e in session.events("NOTE") if e.code)
    assert code.time_s - note.time_s == pytest.approx(0.004 + 1 / 60, abs=1e-6)
    seen = {i.text for s in stage.shown for i in s if isinstance(i, TextItem)}
    assert any(text.startswith("Note: nurse came  in_") for text in seen)


def test_a_note_that_is_ended_while_it_is_typed_is_whole(plan_of: PlanOf, shown: Present) -> None:
    rig, _, _, script = paused_at(BEFORE_TRIALS + 5, "t")
    script.typing = {BEFORE_TRIALS + 60: "nur", BEFORE_TRIALS + 80: "se\nr"}
    script.at |= {BEFORE_TRIALS + 80: ["=return"], BEFORE_TRIALS + 99: ["=r"]}
    (note,) = uncoded(shown(plan_of(TINY), rig), "NOTE")
    assert note.detail == {"text": "nurse"}


def test_a_long_note_is_broken_into_lines_and_its_end_is_shown(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, stage, _, script = paused_at(BEFORE_TRIALS + 5, "t")
    text = "long words " * 60 + "end"
    script.typing = {BEFORE_TRIALS + 60: text}
    script.at |= {BEFORE_TRIALS + 80: ["=return"], BEFORE_TRIALS + 99: ["=r"]}
    session = shown(plan_of(TINY), rig)
    assert [e.detail for e in uncoded(session, "NOTE")] == [{"text": text}]
    seen = {i.text for s in stage.shown for i in s if isinstance(i, DeskItem)}
    (note,) = (words for words in seen if "end_\n\nEnter keeps it" in words)
    assert len(note.splitlines()) == 8
    assert max(map(len, note.splitlines())) <= 64


# Answers -------------------------------------------------------------------------------------


def test_what_is_pressed_sooner_than_anybody_can_react_is_no_answer(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, _, _, script = staged()
    script.after = {5: ["yes"], 6: ["held"], 30: ["bounce", "yes"]}
    session = shown(plan_of(SCREENING), rig)
    answers = session.events("ANSWER")
    assert all(e.detail["reaction_s"] == pytest.approx(0.496) for e in answers)
    early = [(e.detail["meaning"]) for e in session.events("EARLY_KEY")]
    assert early[:2] == ["yes", "held"]
    assert {e.detail["meaning"] for e in session.events("KEY")} == {"bounce"}


def test_practice_is_shown_again_until_it_is_understood_and_never_counts(
    plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(f'{IMAGERY}[practice]\npictures = ["key", "pen"]\nrounds = 2\n')
    rig, _, _, script = staged()
    script.after = {20: ["1", "yes"]}  # "1" is wrong for every second one
    script.at = {n: ["=r"] for n in range(0, 90_000, 1000)}
    session = shown(plan, rig)
    kinds = [(e.detail["kind"], e.detail["block"]) for e in session.events("PRESENTATION")]
    assert {b for k, b in kinds if k == "practice"} == {0}
    assert kinds.count(("practice", 0)) == 2 * (2 + 4 + 4)
    said = session.events("REPEAT")[0].detail
    assert said == {"why": "2 answers not right in the practice"}
    assert session.how == "completed"
    names = [e.name for e in session.coded]
    assert names.count("PRACTICE_START") == 2 and names.count("PRACTICE_END") == 1


# The cable -----------------------------------------------------------------------------------


class _Cut:
    """A cable that is out between two flips."""

    def __init__(self, stage: Stage, box: Box, out: int, back: int) -> None:
        self._set, self._stage, self._out, self._back = box.set, stage, out, back
        box.set = self.set  # type: ignore[method-assign]
        self._reopen = box.reopen
        box.reopen = self.there  # type: ignore[method-assign]

    def there(self) -> bool:
        return self._reopen() and not self._out <= self._stage.flips < self._back

    def set(self, value: int) -> Any:
        sent = self._set(value) if self.there() else None
        now_s = self._stage.now_s
        return sent or type(self._set(0))(now_s, now_s, False)


def test_a_lost_cable_pauses_the_task_and_a_sweep_and_a_mark_follow_when_it_is_back(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, stage, box, script = staged()
    _Cut(stage, box, BEFORE_TRIALS + 2, BEFORE_TRIALS + 400)
    script.at = {BEFORE_TRIALS + 900: ["=r"]}
    session = shown(plan_of(TINY), rig)
    assert session.how == "completed"
    assert begun(session) == [(1, 0, 0), (4, 0, 0), (2, 0, 1), (3, 1, 0)]
    assert [e.detail["why"] for e in session.events("INTERRUPTED")] == ["triggers lost"]
    assert len(session.events("TRIGGERS_LOST")) == len(session.events("TRIGGERS_BACK")) == 1
    assert [e.code for e in session.events("SWEEP")] == 2 * list(SWEEP_VALUES)
    assert [e.code for e in session.events("GAP")] == [CODE_TABLE["GAP"]]
    alarms = [i.text for s in stage.shown for i in s if isinstance(i, TextItem) and i.alert]
    assert set(alarms) == {"TRIGGERS LOST"}
    back = {i.text for s in stage.shown for i in s if isinstance(i, TextItem)}
    assert "The triggers are back" in back


def test_a_lost_cable_is_seen_while_no_code_is_due(plan_of: PlanOf, shown: Present) -> None:
    rig, stage, box, script = staged()
    box.there = lambda: stage.flips < 400  # type: ignore[method-assign]
    box.reopen = box.there  # type: ignore[method-assign]
    script.at = {600: ["=r"]}
    plan = plan_of("[rest]\nbefore_s = 20\n" + TINY)
    session = shown(plan, rig)
    (lost,) = session.events("TRIGGERS_LOST")
    assert lost.time_s - 100 == pytest.approx(400 / 60, abs=0.6)
    assert session.log.ending and session.log.ending["codes_lost"] == 0


def test_a_cable_that_comes_and_goes_is_waited_for_and_told_once(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, stage, box, script = staged()
    _Cut(stage, box, BEFORE_TRIALS + 2, BEFORE_TRIALS + 400)
    _Cut(stage, box, BEFORE_TRIALS + 440, BEFORE_TRIALS + 600)  # in the sweep
    script.at = {BEFORE_TRIALS + 1000: ["=r"]}
    session = shown(plan_of(TINY), rig)
    assert session.how == "completed"
    assert [e.detail["why"] for e in session.events("INTERRUPTED")] == ["triggers lost"]
    assert len(session.events("TRIGGERS_LOST")) == len(session.events("TRIGGERS_BACK")) == 2
    assert [e.code for e in session.events("RESUME") if e.code] == [CODE_TABLE["RESUME"]]


def told(stage: Stage) -> list[str]:
    """Titles of the operator's screens, one after another."""
    titles = [s[0].text for s in stage.shown if s and isinstance(s[0], DeskItem)]
    return [title for n, title in enumerate(titles) if n == 0 or titles[n - 1] != title]


def test_one_cable_that_is_back_does_not_hide_that_another_is_out(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, stage, box, script = staged()
    _Cut(stage, box, BEFORE_TRIALS + 2, BEFORE_TRIALS + 400)
    script.at = {
        BEFORE_TRIALS + 50: ["box lost"],
        BEFORE_TRIALS + 100: ["box back"],
        BEFORE_TRIALS + 900: ["=r"],
    }
    session = shown(plan_of(TINY), rig)
    assert told(stage) == [
        "TRIGGERS LOST",
        "TRIGGERS LOST\nRESPONSE BOX LOST",
        "TRIGGERS LOST",
        "The triggers are back",
    ]
    assert len(session.events("BOX_LOST")) == len(session.events("BOX_BACK")) == 1


def test_a_box_that_is_lost_in_a_pause_is_told_and_may_be_done_without(
    plan_of: PlanOf, shown: Present
) -> None:
    rig, stage, _, script = staged()
    script.at = {
        BEFORE_TRIALS + 5: ["pause"], BEFORE_TRIALS + 50: ["box lost"],
        BEFORE_TRIALS + 100: ["=r"], BEFORE_TRIALS + 190: ["box back"],
    }  # fmt: skip
    session = shown(plan_of(TINY), rig)
    assert session.how == "completed"
    assert told(stage) == ["Pause", "RESPONSE BOX LOST"]
    assert len(session.events("BOX_LOST")) == len(session.events("BOX_BACK")) == 1
    assert len(session.events("INTERRUPTED")) == 1


def test_what_is_pressed_together_with_pause_is_logged(plan_of: PlanOf, shown: Present) -> None:
    rig, _, _, script = staged()
    script.at = {BEFORE_TRIALS + 5: ["pause", "yes"], BEFORE_TRIALS + 50: ["=r"]}
    session = shown(plan_of(TINY), rig)
    assert [e.detail["meaning"] for e in session.events("KEY")] == ["yes"]
    assert len(session.events("INTERRUPTED")) == 1


def test_a_cable_that_stays_out_can_be_done_without(plan_of: PlanOf, shown: Present) -> None:
    rig, stage, box, script = staged()
    _Cut(stage, box, BEFORE_TRIALS + 2, 100_000)
    script.at = {BEFORE_TRIALS + 300: ["=r"]}
    session = shown(plan_of(TINY), rig)
    assert session.how == "completed"
    assert len(session.events("TRIGGERS_LOST")) == 1
    assert session.log.ending and session.log.ending["codes_lost"] > 8


def test_the_protocol_may_go_on_or_stop_instead(plan_of: PlanOf, shown: Present) -> None:
    for rule, how in (("continue", "completed"), ("stop", "stopped")):
        rig, stage, box, _ = staged()
        _Cut(stage, box, BEFORE_TRIALS + 2, BEFORE_TRIALS + 20)
        session = shown(plan_of(f'{TINY}[interruptions]\ntriggers = "{rule}"\n'), rig)
        assert session.how == how
        assert len(session.events("TRIGGERS_LOST")) == 1
        # With "continue" the box is tried again before the next block, where nobody looks.
        assert len(session.events("GAP")) == (rule == "continue")


# The disk ------------------------------------------------------------------------------------


def full_disk(monkeypatch: pytest.MonkeyPatch, full: Callable[[int], bool]) -> None:
    write = os.write

    def refusing(descriptor: int, data: bytes) -> int:
        if full(descriptor):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", refusing)


def test_a_full_disk_is_told_the_operator_and_the_log_goes_on_elsewhere(
    plan_of: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(TINY)
    rig, stage, box, script = staged({BEFORE_TRIALS + 200: ["=r"]})
    path = tmp_path / "session" / "session.jsonl"
    path.parent.mkdir()
    log = LogWriter(path, header_of(plan), elsewhere=[tmp_path / "rescued"])
    home = os.fstat(log.descriptor).st_ino
    with monkeypatch.context() as patched:
        full_disk(
            patched,
            lambda d: os.fstat(d).st_ino == home and stage.flips > BEFORE_TRIALS,
        )
        patched.setattr(Path, "replace", _refuse)
        assert present(plan, rig, log, SESSION) == "completed"
    other = tmp_path / "rescued" / f"{tmp_path.name}_session_session_1.jsonl"
    assert log.trouble == (
        f"{path}: cannot be written: No space left on device; the log goes on in {other};"
        " copy it over session.jsonl before you resume or analyse"
    )
    logged = read_log(other)
    assert [e.code for e in logged.events if e.code] == [v for _, v in box.edges if v]
    assert logged.ending and other.stat().st_mode & 0o077 == 0
    alarms = {i.text for s in stage.shown for i in s if isinstance(i, TextItem) and i.alert}
    assert alarms == {"THE DISK REFUSES THE LOG"}
    said = {" ".join(i.text.split()) for s in stage.shown for i in s if isinstance(i, TextItem)}
    assert any("cannot be written: No space left on device; the log" in text for text in said)


def _refuse(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_that_went_elsewhere_comes_home_at_the_end_if_there_is_space_again(
    plan_of: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(TINY)
    rig, stage, box, _ = staged({BEFORE_TRIALS + 200: ["=r"]})
    path = tmp_path / "session.jsonl"
    log = LogWriter(path, header_of(plan), elsewhere=[tmp_path / "rescued"])
    home = os.fstat(log.descriptor).st_ino
    full_disk(monkeypatch, lambda d: os.fstat(d).st_ino == home and stage.flips > 150)
    assert present(plan, rig, log, SESSION) == "completed"
    assert [e.code for e in read_log(path).events if e.code] == [v for _, v in box.edges if v]
    assert list((tmp_path / "rescued").iterdir()) == []
    assert log.trouble.endswith("; it was brought back to its folder when the session ended")


@pytest.mark.parametrize("back", [False, True])
def test_a_log_whose_disk_is_gone_goes_on_with_what_follows(
    back: bool, plan_of: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(TINY)
    rig, stage, box, _ = staged({BEFORE_TRIALS + 200: ["=r"]})
    path = tmp_path / "session" / "session.jsonl"
    path.parent.mkdir()
    rescued = tmp_path / "rescued"
    rescued.mkdir()
    (rescued / f"{tmp_path.name}_session_session_1.jsonl").write_text("of a session before")
    log = LogWriter(path, header_of(plan), elsewhere=[rescued])
    home = os.fstat(log.descriptor).st_ino
    read = Path.read_bytes

    def unplugged() -> bool:
        return stage.flips > BEFORE_TRIALS and not (back and log.ending)

    def gone(file: Path) -> bytes:
        if file == path and unplugged():
            raise OSError(errno.EIO, "Input/output error")
        return read(file)

    with monkeypatch.context() as patched:
        full_disk(patched, lambda d: os.fstat(d).st_ino == home and unplugged())
        patched.setattr(Path, "read_bytes", gone)
        assert present(plan, rig, log, SESSION) == "completed"
    rest = rescued / f"{tmp_path.name}_session_session_2.jsonl"
    refused = f"{path}: cannot be written: No space left on device; what follows goes on in {rest}"
    if back:
        assert not rest.exists()
        home_again = "; it was brought back to its folder when the session ended"
        assert log.trouble == refused + home_again
    else:
        assert log.trouble == (
            f"{refused}; copy session.jsonl and {rest.name}, one after the other, over"
            " session.jsonl before you resume or analyse"
        )
        path.write_bytes(path.read_bytes() + rest.read_bytes())
    assert [e.code for e in read_log(path).events if e.code] == [v for _, v in box.edges if v]


def test_where_no_disk_takes_the_log_it_waits_in_memory_for_one_that_does(
    plan_of: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(TINY)
    rig, stage, box, _ = staged({BEFORE_TRIALS + 200: ["=r"]})
    path = tmp_path / "session.jsonl"
    log = LogWriter(path, header_of(plan), elsewhere=[])
    full_disk(monkeypatch, lambda _: 150 < stage.flips < 300)
    assert present(plan, rig, log, SESSION) == "completed"
    assert [e.code for e in read_log(path).events if e.code] == [v for _, v in box.edges if v]


# Resumed -------------------------------------------------------------------------------------


def test_a_resumed_session_goes_on_in_the_same_log_with_new_numbers(
    plan_of: PlanOf, tmp_path: Path
) -> None:
    plan = plan_of(TINY)
    path = tmp_path / "session.jsonl"
    rig, stage, box, _ = staged({BEFORE_TRIALS + 30: ["interrupt"]})
    assert present(plan, rig, LogWriter(path, header_of(plan)), SESSION) == "interrupted"
    with path.open("ab") as log:
        log.write(b'{"time_s":10')  # a line cut in flight
    going = Going(
        Position(0, 0), frozenset({1, 2}), superseded=(1, 2), clock_offset_s=500.0, resumed=True
    )
    rig, _, later, _ = staged()
    assert present(plan, rig, LogWriter(path, None), SESSION, going=going) == "completed"
    whole = read_log(path)
    session = Shown("completed", whole, box.edges + later.edges)
    assert begun(session) == [(1, 0, 0), (2, 0, 1), (4, 0, 0), (5, 0, 1), (3, 1, 0)]
    assert [e.name for e in whole.events].count("RUN") == 2
    assert [e.detail["how"] for e in whole.events if e.name == "ENDED"] == ["interrupted"]
    assert [e.detail for e in whole.events if e.name == "SUPERSEDED"] == [{"presentations": [1, 2]}]
    runs = [e.detail.get("resumed") for e in whole.events if e.name == "RUN"]
    assert runs == [None, {"block": 0, "trial": 0}]
    assert [e.code for e in session.coded] == session.values
    times = [e.time_s for e in session.coded]
    assert times == sorted(times)


def test_lines_and_log_agree_where_nothing_is_interrupted(plan_of: PlanOf, shown: Present) -> None:
    assert_lines_and_log_agree(shown(plan_of(TINY), staged()[0]))


# A part of the rig that is gone -----------------------------------------------------------------


def test_why_a_session_failed_stands_in_its_log(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of(TINY)
    rig, stage, box, _ = staged()
    stage.raises[BEFORE_TRIALS + 9] = (False, RigError("the screen is lost"))
    path = tmp_path / "session.jsonl"
    log = LogWriter(path, header_of(plan))
    with pytest.raises(RigError, match="^the screen is lost$"):
        present(plan, rig, log, SESSION)
    logged = read_log(path)
    (failed,) = (e for e in logged.events if e.name == "FAILED")
    assert failed.detail == {"why": "the screen is lost"}
    assert logged.ending and logged.ending["how"] == "failed"
    assert box.edges[-1][1] == 0


def test_a_key_pressed_while_the_run_ends_is_logged_once(plan_of: PlanOf, shown: Present) -> None:
    rig, _, _, script = paused_at(BEFORE_TRIALS + 5, "q", "q")
    script.at[BEFORE_TRIALS + 87] = ["yes"]
    session = shown(plan_of(TINY), rig)
    assert session.how == "stopped"
    assert [e.detail["key"] for e in session.events("KEY")] == ["key yes"]
