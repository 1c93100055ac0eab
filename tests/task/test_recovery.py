"""A session that was cut short goes on where it was, by its own log, and counts as one."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from task.contract.catalog import MANIFEST, read_catalog
from task.contract.errors import RigError, UserError
from task.contract.sessionlog import LOG_NAME, SessionLog, read_log
from task.flow import START, Command, Position, next_position
from task.logwriter import LogWriter
from task.plan import Plan
from task.planning import plan_file
from task.present import Going, present
from task.protocol import read_protocol
from task.recovery import going_on
from task.rig import KeyPress, Rig
from task.rigs.simulated import simulated_rig
from task.session import read_session, resume_session, run_session
from tests.task.staged import SCREENING, SESSION, TINY, PlanOf, header_of, staged

NOW = datetime.fromisoformat("2026-03-14T10:00:00+00:00")


def interrupted(plan: Plan, path: Path, flip: int) -> None:
    rig, _, _, _ = staged({flip: ["interrupt"]})
    header = replace(header_of(plan), started=(NOW - timedelta(seconds=50)).isoformat())
    present(plan, rig, LogWriter(path, header), SESSION)


@given(flip=st.integers(1, 2600))
def test_every_trial_is_shown_to_its_end_in_some_run(
    flip: int, plan_of: PlanOf, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plan = plan_of(SCREENING)
    path = tmp_path_factory.mktemp("s") / LOG_NAME
    interrupted(plan, path, flip)
    log = read_log(path)
    assert log.ending
    begun = [e for e in log.events if e.name == "PRESENTATION"]
    following: Position | None = START  # the trial after the last that came to its last step
    done = True
    if begun:
        last = Position(begun[-1].detail["block"], begun[-1].detail["trial"])
        sent = {e.name for e in log.events if e.presentation == begun[-1].presentation}
        done = {step.code for step in plan.blocks[last.block].trials[last.trial].steps} <= sent
        following = next_position(plan, last, Command.NEXT) if done else last
    if following is None:
        with pytest.raises(UserError, match="was shown to its end; there is nothing to resume"):
            going_on(plan, log, at_trial=False, now_s=5.0, now=NOW)
        return
    shown = {e.presentation for e in begun}
    again = {e.presentation for e in begun if e.detail["block"] == following.block}
    at_trial = going_on(plan, log, at_trial=True, now_s=5.0, now=NOW)
    assert (at_trial.position, at_trial.superseded) == (following, ())
    assert at_trial.used == shown and set(at_trial.passed) == again
    assert (at_trial.cut is None) == done
    at_block = going_on(plan, log, at_trial=False, now_s=5.0, now=NOW)
    assert (at_block.position, at_block.passed) == ((following.block, 0), ())
    assert at_block.used == shown and set(at_block.superseded) == again


@given(
    runs=st.lists(
        st.tuples(st.integers(1, 900), st.booleans(), st.integers(1, 900), st.sampled_from("rrbk")),
        max_size=4,
    ),
    rule=st.sampled_from(["repeat", "keep"]),
)
@settings(max_examples=60)
def test_whatever_cut_it_short_each_trial_counts_once(
    runs: list[tuple[int, bool, int, str]],
    rule: str,
    plan_of: PlanOf,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Pauses that end with resume, repeat or skip; ends of the run; resumed at trial or block."""
    plan = plan_of(f'{SCREENING}\n[interruptions]\ntrial = "{rule}"\n')
    path = tmp_path_factory.mktemp("s") / LOG_NAME
    going = Going()
    for n, (pause, at_trial, ends, command) in enumerate((*runs, (0, True, 10**6, "r"))):
        rig = staged({pause: ["pause"], pause + 30: [f"={command}"], ends: ["interrupt"]})[0]
        header = replace(header_of(plan), started=NOW.isoformat()) if n == 0 else None
        how = present(plan, rig, LogWriter(path, header), SESSION, going=going)
        log = read_log(path)
        if how == "completed":
            break
        try:
            going = going_on(plan, log, at_trial=at_trial, now_s=100.0, now=NOW)
        except UserError:  # only the last codes of the run were missing
            break
    counted = Counter(whole_presentations(plan, log))
    assert max(counted.values()) == 1
    left_out = {
        (b, t) for b, block in enumerate(plan.blocks) for t in range(len(block.trials))
    } - set(counted)
    cut = [e for e in log.events if e.name == "INTERRUPTED" and rule == "keep"]
    skipped = [e for e in log.events if e.name == "SKIP" and e.code is None]
    assert not left_out or cut or skipped
    if not skipped:
        assert len(left_out) <= len(cut)


def whole_presentations(plan: Plan, log: SessionLog) -> list[tuple[int, int]]:
    """Places of the trials that count."""
    given_up = {n for e in log.events if e.name == "SUPERSEDED" for n in e.detail["presentations"]}
    given_up |= {e.presentation for e in log.events if e.name == "INTERRUPTED"}
    return [
        (e.detail["block"], e.detail["trial"])
        for e in log.events
        if e.name == "PRESENTATION" and e.presentation not in given_up
    ]


def test_a_block_begun_again_gives_up_what_an_earlier_run_showed_of_it(
    plan_of: PlanOf, tmp_path: Path
) -> None:
    plan = plan_of(SCREENING)
    interrupted(plan, tmp_path / LOG_NAME, 420)
    going = going_on(plan, read_log(tmp_path), at_trial=True, now_s=5.0, now=NOW)
    assert going.position.trial > 1 and len(going.passed) >= going.position.trial
    rig = staged({160: ["pause"], 220: ["=b"], 380: ["interrupt"]})[0]
    present(plan, rig, LogWriter(tmp_path / LOG_NAME, None), SESSION, going=going)
    log = read_log(tmp_path)
    (given_up,) = (e.detail["presentations"] for e in log.events if e.name == "SUPERSEDED")
    assert set(given_up) >= set(going.passed)
    again = going_on(plan, log, at_trial=False, now_s=5.0, now=NOW)
    assert again.position == (going.position.block, 0)
    assert not set(again.superseded) & set(given_up)


def test_the_log_counts_on_by_wall_time_and_never_back(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of(TINY)
    interrupted(plan, tmp_path / LOG_NAME, 110)
    log = read_log(tmp_path)
    first_s, last_s = log.events[0].time_s, log.events[-1].time_s
    going = going_on(plan, log, at_trial=False, now_s=7.0, now=NOW)
    assert 7.0 + going.clock_offset_s == pytest.approx(first_s + 50)
    early = going_on(plan, log, at_trial=False, now_s=7.0, now=NOW - timedelta(hours=1))
    assert 7.0 + early.clock_offset_s == pytest.approx(last_s + 1)


@pytest.fixture
def begun(tmp_path: Path, pet_folder: Path) -> Callable[[Rig], Path]:
    """A session folder in which a screening was begun on a rig."""

    def made(rig: Rig) -> Path:
        path = tmp_path / "p.toml"
        path.write_text(f'schema = 1\nname = "x"\nstimuli = "pets"\n{SCREENING}')
        file = read_protocol(path)
        catalog = read_catalog(pet_folder)
        plan = plan_file(file, catalog, seed=3, refresh_hz=60.0, spacing_frames=2)
        folder = tmp_path / "session"
        folder.mkdir()
        run_session(
            folder, file, None, catalog, pet_folder / MANIFEST, plan, rig, subject="P1", session=5
        )  # fmt: skip
        return folder

    return made


def test_a_session_folder_is_all_that_is_needed_to_go_on(begun: Callable[[Rig], Path]) -> None:
    folder = begun(staged({800: ["interrupt"]})[0])
    rig, _, box, _ = staged()
    outcome = resume_session(folder, rig, at_trial=False, now_s=100.0)
    assert outcome.how == "completed"
    plan, log = read_session(folder)
    places = [
        (e.detail["block"], e.detail["trial"]) for e in log.events if e.name == "PRESENTATION"
    ]
    assert set(places) == {
        (b, t) for b, block in enumerate(plan.blocks) for t in range(len(block.trials))
    }
    numbers = [e.presentation for e in log.events if e.name == "PRESENTATION"]
    assert len(set(numbers)) == len(numbers)
    later = [e.code for e in log.events if e.code is not None][
        -len([v for _, v in box.edges if v]) :
    ]
    assert later == [v for _, v in box.edges if v]


def test_a_session_can_be_resumed_again_and_again(begun: Callable[[Rig], Path]) -> None:
    folder = begun(staged({500: ["interrupt"]})[0])
    for flip in (400, 300, 350):
        rig = staged({flip: ["interrupt"]})[0]
        assert resume_session(folder, rig, at_trial=True, now_s=100.0).how == "interrupted"
    assert resume_session(folder, staged()[0], at_trial=True, now_s=100.0).how == "completed"
    names = [e.name for e in read_log(folder).events]
    assert (names.count("RUN"), names.count("ENDED")) == (5, 4)


def test_a_display_of_another_rate_is_refused_and_nothing_is_written(
    begun: Callable[[Rig], Path],
) -> None:
    folder = begun(staged({500: ["interrupt"]})[0])
    before = (folder / LOG_NAME).read_bytes()
    rig = simulated_rig(120.0, pulse_s=0.005, gap_s=0.005, seed=1)
    with pytest.raises(RigError, match="the display runs at 120.00 Hz, the plan is for 60 Hz"):
        resume_session(folder, rig, at_trial=False, now_s=0.0)
    assert (folder / LOG_NAME).read_bytes() == before


def test_a_plan_that_is_not_the_sessions_is_refused(begun: Callable[[Rig], Path]) -> None:
    folder = begun(staged({500: ["interrupt"]})[0])
    plan = folder / "plan.json"
    plan.write_text(plan.read_text(encoding="utf-8").replace('"seed":3', '"seed":4'))
    with pytest.raises(UserError, match="is not the plan that this session was shown by"):
        read_session(folder)
    plan.write_text("{}")
    with pytest.raises(UserError, match="plan.json: is damaged: 'schema'"):
        read_session(folder)
    plan.unlink()
    with pytest.raises(UserError, match="plan.json: cannot be read: No such file"):
        read_session(folder)


def test_a_log_without_events_begins_at_the_beginning(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of(TINY)
    log = LogWriter(tmp_path / LOG_NAME, header_of(plan))
    log.end({})
    going = going_on(plan, read_log(tmp_path), at_trial=False, now_s=9.0, now=NOW)
    assert (going.position, going.used, going.clock_offset_s) == ((0, 0), frozenset(), 0.0)


def test_a_session_that_is_running_is_not_resumed(
    begun: Callable[[Rig], Path], tmp_path: Path
) -> None:
    rig, stage, _, script = staged({800: ["interrupt"]})
    told: list[str] = []
    poll = script.poll

    def meanwhile() -> Sequence[KeyPress]:
        if stage.flips == 300:
            with pytest.raises(UserError) as error:
                resume_session(tmp_path / "session", staged()[0], at_trial=False, now_s=100.0)
            told.append(str(error.value))
        return poll()

    script.poll = meanwhile  # type: ignore[method-assign]
    folder = begun(rig)
    assert told == [
        f"{folder}: this session is running just now, in another window of this computer or on"
        " another; end it there first"
    ]
    assert resume_session(folder, staged()[0], at_trial=False, now_s=100.0).how == "completed"
    assert not [file for file in folder.iterdir() if file.name.startswith(".")]
