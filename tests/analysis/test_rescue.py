"""A log that is lost is rebuilt from the recording: equal where it was heard, and never a guess."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.gather import gather
from analysis.heard import read_words, sessions_announced
from analysis.lights import Row
from analysis.readers import read_events
from analysis.readers.plan import read_plan
from analysis.rescue import Rescued, rescue, write_rescued
from analysis.study import short_study
from analysis.synthetic.clock import Clock
from analysis.synthetic.recorder import record
from analysis.verify import verify_session
from task import plan as task_plan
from task.contract.errors import AnalysisError
from task.contract.lights import Light
from task.contract.sessionlog import SessionLog, read_log
from task.recovery import going_on
from tests.analysis.hand_made import HandMade, plan_of, search, view
from tests.analysis.lost_log import (
    DISTURBED,
    IMAGERY,
    INTERRUPTED,
    KEPT,
    NO_TEXTS,
    SCREENING,
    Lost,
    damaged,
    held_up,
    lose,
)

CAUTION = (
    "the lines tell which trial of the plan it was, not which picture: make sure that the plan is"
    " that of this session"
)
CASES: dict[str, dict[str, Any]] = {
    "screening": {"text": SCREENING},
    "imagery": {"text": IMAGERY},
    "screening, interrupted": {"text": SCREENING, "runs": DISTURBED},
    "imagery, interrupted": {"text": IMAGERY, "runs": INTERRUPTED},
    "imagery, what is cut short left so": {"text": IMAGERY + KEPT, "runs": INTERRUPTED},
    "imagery without texts, interrupted": {"text": IMAGERY + NO_TEXTS, "runs": INTERRUPTED},
    "practice, not understood at first": {"text": SCREENING, "rig_seed": 2},
    "imagery, not over yet": {"text": IMAGERY, "runs": INTERRUPTED[:2]},
}
OURS = ["inferred", "undecided"]  # columns that no log's table has
Get = Callable[[str], Lost]


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Get:
    """A case by its name, made once."""
    made: dict[str, Lost] = {}

    def get(name: str) -> Lost:
        if name not in made:
            made[name] = lose(tmp_path_factory.mktemp("lost") / "x", **CASES[name])
        return made[name]

    return get


def shown(log: SessionLog) -> dict[int | None, dict[str, Any]]:
    """Presentations by their number."""
    about = [e for e in log.events if e.name == "PRESENTATION"]
    return {e.presentation: {k: v for k, v in e.detail.items() if k != "inferred"} for e in about}


def told(log: SessionLog, name: str, *keys: str) -> list[tuple[Any, ...]]:
    """Presentation and some details of the events of a name that are no codes."""
    events = [e for e in log.events if e.name == name and e.code is None]
    return [(e.presentation, *(e.detail.get(key) for key in keys)) for e in events]


def wrong(found: Rescued, trials: pd.DataFrame) -> list[str]:
    """Rebuilt trials that are none of the log's, or not as the log has them."""
    return [fault for _, row in found.trials.iterrows() for fault in _faults(row, trials)]


def _faults(row: "pd.Series[Any]", trials: pd.DataFrame) -> Iterator[str]:
    apart_s = (trials["onset_s"] - row["onset_s"]).abs()
    log, said = trials.loc[apart_s.idxmin()], f"{row['item']} at {row['onset_s']:.3f} s"
    if apart_s.min() > 0.03:
        if not row["undecided"]:
            yield f"{said}: nothing was shown then that counts"
        return
    for name in ("kind", "item", "block"):
        if log[name] != row[name]:
            yield f"{said}: its {name} was {log[name]}"
    for name in {"stop_s", "cue_s", "blank_s"} & set(trials.columns):
        if abs(log[name] - row[name]) > 0.03:
            yield f"{said}: its {name} was {log[name]}"
    for name in {"rating", "confidence"} & set(trials.columns):
        if row[name] == row[name] and log[name] != row[name]:
            yield f"{said}: its {name} was {log[name]}"


def absent(found: Rescued, trials: pd.DataFrame) -> pd.DataFrame:
    """Trials of the log that were not rebuilt."""
    onset_s = np.array([*found.trials["onset_s"], -np.inf])
    near = [np.min(abs(onset_s - each)) < 0.03 for each in trials["onset_s"]]
    return trials[~np.array(near, bool)]


def heard(made: HandMade) -> pd.DataFrame:
    """A session made by hand, as a recorder has it."""
    rows = [(e.time_s, e.code, "TTL") for e in made.events if e.code]
    return pd.DataFrame(rows, columns=["time_s", "code", "port"])


# Equal to the log ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_the_trial_table_is_the_log_s(name: str, lost: Get) -> None:
    session = lost(name)
    found = rescue(session.words, session.plan)
    assert len(found.trials) >= 20
    pd.testing.assert_frame_equal(found.trials.drop(columns=OURS), session.trials)
    assert found.trials["measured"].all() and not found.trials["inferred"].any()


@pytest.mark.parametrize("name", CASES)
def test_presentations_blocks_and_what_was_given_up_are_the_log_s(name: str, lost: Get) -> None:
    session = lost(name)
    found = rescue(session.words, session.plan).log
    assert found.header.session == 9
    assert shown(found) == shown(session.log)
    assert told(found, "INTERRUPTED", "why") == told(session.log, "INTERRUPTED", "why")
    assert told(found, "SUPERSEDED", "presentations") == told(
        session.log, "SUPERSEDED", "presentations"
    )
    assert told(found, "BLOCK", "block") == told(session.log, "BLOCK", "block")
    assert told(found, "RUN", "resumed") == told(session.log, "RUN", "resumed")


def test_the_cases_hold_what_they_are_for(lost: Get) -> None:
    assert told(lost("imagery, interrupted").log, "SUPERSEDED", "presentations")
    assert told(lost("practice, not understood at first").log, "SUPERSEDED", "presentations")
    assert len(told(lost("screening, interrupted").log, "RUN")) == 3
    assert told(lost("imagery, interrupted").log, "SKIP")


@pytest.mark.parametrize("name", ["imagery, interrupted", "screening, interrupted"])
def test_every_code_of_the_log_is_there(name: str, lost: Get) -> None:
    session = lost(name)
    found = rescue(session.words, session.plan).log
    sent = [(e.name, e.code, e.presentation) for e in session.log.events if e.code]
    assert [(e.name, e.code, e.presentation) for e in found.events if e.code] == sent


def test_answers_are_the_log_s_and_their_codes_hardly_later(lost: Get) -> None:
    session = lost("screening")
    found = rescue(session.words, session.plan).log
    keys = ("to", "answer", "correct")
    assert told(found, "ANSWER", *keys) == told(session.log, "ANSWER", *keys)
    assert told(found, "NO_ANSWER", *keys) == told(session.log, "NO_ANSWER", *keys)
    pairs = zip(*(told(log, "ANSWER", "reaction_s") for log in (found, session.log)), strict=True)
    late_s = [mine - theirs for (_, mine), (_, theirs) in pairs]
    assert min(late_s) > 0 and max(late_s) < 0.05


def test_how_the_session_ended_is_heard(lost: Get) -> None:
    for name, ending in (("imagery", "completed"), ("imagery, not over yet", "stopped")):
        session = lost(name)
        assert rescue(session.words, session.plan).log.ending == {"how": ending}


@pytest.mark.parametrize("at_trial", [True, False])
def test_a_rebuilt_session_goes_on_where_the_log_would(at_trial: bool, lost: Get) -> None:
    session = lost("imagery, not over yet")
    plan = task_plan.read_plan((session.folder / "plan.json").read_text(encoding="utf-8"))
    now = datetime(2026, 3, 14, tzinfo=UTC)
    found = rescue(session.words, session.plan).log
    found = replace(found, header=replace(found.header, started=now.isoformat()))
    mine, theirs = (
        replace(going_on(plan, log, at_trial=at_trial, now_s=0.0, now=now), clock_offset_s=0.0)
        for log in (found, session.log)
    )
    assert mine == theirs


def test_nothing_more_is_said_of_a_session_that_was_heard_whole(lost: Get) -> None:
    session = lost("imagery")
    found = rescue(session.words, session.plan)
    assert (found.session, found.port, found.unplaced) == (9, "TTL", ())
    assert found.said == (
        "session 9: 55 presentations, 55 by the numbers on the lines, 0 by their neighbours",
        CAUTION,
    )


# Damaged recordings ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", range(4))
def test_lost_and_spurious_words_make_no_trial_wrong(name: str, seed: int, lost: Get) -> None:
    session = lost(name)
    found = rescue(damaged(session.words, seed, lost=0.02, spurious=0.02), session.plan)
    assert not wrong(found, session.trials)
    assert len(absent(found, session.trials)) <= 3  # all but a few are rebuilt


def test_of_lost_words_hardly_a_trial_is_lost(lost: Get) -> None:
    session, rebuilt, inferred, reckoned = lost("screening, interrupted"), 0, 0, 0
    for seed in range(10):
        words = damaged(session.words, 100 + seed, lost=0.02, spurious=0.02)
        trials = rescue(words, session.plan).trials
        rebuilt += len(trials)
        inferred, reckoned = (
            inferred + trials["inferred"].sum(),
            reckoned - trials["measured"].sum(),
        )
    assert rebuilt >= 0.99 * 10 * len(session.trials)
    assert inferred > 0.04 * rebuilt  # a number of four words is lost with any of them
    assert reckoned + rebuilt > 0.01 * rebuilt


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("share", "bursts"), [(0.1, 0), (0.25, 0), (0.02, 3)])
def test_however_much_is_lost_no_trial_is_wrong(
    name: str, share: float, bursts: int, lost: Get
) -> None:
    session = lost(name)
    words = damaged(session.words, 11, lost=share, spurious=share / 2, bursts=bursts)
    try:
        found = rescue(words, session.plan)
    except AnalysisError as refusal:  # a quarter of the words: no session may be whole any more
        assert share == 0.25 and str(refusal)
        return
    assert not wrong(found, session.trials)


def test_what_was_not_rebuilt_is_listed(lost: Get) -> None:
    session = lost("screening, interrupted")
    for seed in range(6):
        found = rescue(damaged(session.words, seed, lost=0.1, spurious=0.05), session.plan)
        missing = absent(found, session.trials)
        unplaced_s = [each.onset_s for each in found.unplaced]
        near = [any(abs(at_s - s) < 0.1 for at_s in unplaced_s) for s in missing["onset_s"]]
        listed = [int(said.split()[0]) for said in found.said if " not heard " in said]
        assert len(missing) - sum(near) <= sum(listed)


@pytest.mark.parametrize("line", [1 << n for n in range(8)])
def test_a_dead_line_loses_nothing(line: int, lost: Get) -> None:
    session = lost("imagery, interrupted")
    words = session.words.assign(code=session.words["code"] & ~line)
    found = rescue(words, session.plan)
    pd.testing.assert_frame_equal(found.trials.drop(columns=OURS), session.trials)
    [said] = [said for said in found.said if "restored" in said]
    number = line.bit_length() - 1
    assert said.startswith(f"line {number} (value {line}) dead (never up): ")
    assert said.endswith(" codes restored from what the other lines show")


@pytest.mark.parametrize("line", [1, 16, 64])
def test_a_stuck_line_loses_nothing(line: int, lost: Get) -> None:
    session = lost("imagery")
    words = session.words.assign(code=session.words["code"] | line)
    found = rescue(words, session.plan)
    pd.testing.assert_frame_equal(found.trials.drop(columns=OURS), session.trials)
    assert any(said.startswith(f"line {line.bit_length() - 1} (value {line}) stuck") for said in
               found.said)  # fmt: skip


def test_other_lines_of_a_wider_port_do_no_harm(lost: Get) -> None:
    session = lost("imagery")
    toggled = session.words.iloc[::7].assign(code=lambda t: t["code"] | 0x0400)
    toggled["time_s"] += 0.003
    words = pd.concat([session.words, toggled]).sort_values("time_s", ignore_index=True)
    found = rescue(words, session.plan)
    pd.testing.assert_frame_equal(found.trials.drop(columns=OURS), session.trials)


def test_words_that_bounce_count_once(lost: Get) -> None:
    session = lost("imagery")
    again = session.words.iloc[::5].assign(time_s=lambda t: t["time_s"] + 0.002)
    words = pd.concat([session.words, again]).sort_values("time_s", ignore_index=True)
    found = rescue(words, session.plan)
    pd.testing.assert_frame_equal(found.trials.drop(columns=OURS), session.trials)


@pytest.mark.parametrize("seed", range(3))
def test_a_display_that_was_held_up_makes_no_time_wrong(seed: int, lost: Get) -> None:
    session = lost("screening, interrupted")
    words, moved = held_up(session.words, seed, times=15)
    trials = session.trials.assign(
        onset_s=moved(session.trials["onset_s"]), stop_s=moved(session.trials["stop_s"])
    )
    found = rescue(damaged(words, seed, lost=0.02), session.plan)
    assert not wrong(found, trials)
    assert len(absent(found, trials)) <= 6


def test_a_recording_that_begins_late_has_what_followed(lost: Get) -> None:
    session = lost("screening")
    start_s = float(session.words["time_s"].iloc[0]) + 12.0
    found = rescue(session.words[session.words["time_s"] >= start_s], session.plan)
    later = session.trials[session.trials["onset_s"] >= start_s].reset_index(drop=True)
    pd.testing.assert_frame_equal(found.trials.drop(columns=OURS), later)
    first = shown(session.log)[int(later["presentation"].iloc[0])]
    before = first["block"], first["trial"]
    missing = sum((e["block"], e["trial"]) < before for e in shown(session.log).values())
    assert any(said.startswith(f"{missing} trials not heard whole: block 1 trial 1,")
               for said in found.said)  # fmt: skip


def test_a_recording_that_ends_early_has_what_came_before(lost: Get) -> None:
    session = lost("imagery")
    stop_s = float(session.words["time_s"].iloc[0]) + 100.0
    found = rescue(session.words[session.words["time_s"] < stop_s], session.plan)
    earlier = session.trials[session.trials["stop_s"] < stop_s]
    pd.testing.assert_frame_equal(found.trials.drop(columns=OURS), earlier)
    assert found.log.ending is None
    assert "the end of the session was not heard" in found.said


# What is lost is reckoned, marked, or left out ---------------------------------------------------


def without(words: pd.DataFrame, *places: int) -> pd.DataFrame:
    return words.drop(index=list(places)).reset_index(drop=True)


def place_of(words: pd.DataFrame, time_s: float) -> int:
    return int((words["time_s"] - time_s).abs().idxmin())


def test_a_lost_onset_is_reckoned_back_from_its_number(lost: Get) -> None:
    session = lost("screening")
    row = session.trials.iloc[30]
    found = rescue(without(session.words, place_of(session.words, row["onset_s"])), session.plan)
    rebuilt = found.trials.iloc[30]
    assert not rebuilt["measured"] and not rebuilt["inferred"]
    assert rebuilt["item"] == row["item"]
    assert abs(rebuilt["onset_s"] - row["onset_s"]) < 0.003
    assert "1 of 542 codes were not heard: their times follow from the plan's frames" in found.said


def test_a_lost_number_is_that_between_its_neighbours(lost: Get) -> None:
    session = lost("screening")
    row = session.trials.iloc[30]
    found = rescue(
        without(session.words, place_of(session.words, row["onset_s"]) + 2), session.plan
    )
    rebuilt = found.trials.iloc[30]
    assert rebuilt["inferred"] and rebuilt["measured"]
    assert rebuilt["presentation"] == row["presentation"] and rebuilt["item"] == row["item"]
    assert found.said[0] == (
        "session 9: 78 presentations, 77 by the numbers on the lines, 1 by their neighbours"
    )


def test_a_presentation_without_onset_and_number_is_found_by_the_plan_s_time(lost: Get) -> None:
    session = lost("screening")
    row = session.trials.iloc[30]
    first = place_of(session.words, row["onset_s"])
    found = rescue(without(session.words, *range(first, first + 5)), session.plan)
    rebuilt = found.trials.iloc[30]
    assert rebuilt["inferred"] and not rebuilt["measured"]
    assert rebuilt["item"] == row["item"]
    assert abs(rebuilt["onset_s"] - row["onset_s"]) < 0.003


def test_a_presentation_of_which_no_word_was_heard_is_left_out_and_listed(lost: Get) -> None:
    session = lost("screening")
    row = session.trials.iloc[30]
    first = place_of(session.words, row["onset_s"])
    found = rescue(without(session.words, *range(first, first + 6)), session.plan)
    assert len(found.trials) == len(session.trials) - 1
    assert row["presentation"] not in found.trials["presentation"].to_numpy()
    about = shown(session.log)[int(row["presentation"])]
    place = f"block {about['block'] + 1} trial {about['trial'] + 1}"
    assert f"1 trial not heard whole: {place}" in found.said


def test_a_lost_answer_is_none_and_two_answers_are_none(lost: Get) -> None:
    session = lost("imagery")
    [answer, *_] = [e for e in session.log.events if e.name.startswith("ANSWER_")
                    and e.presentation == int(session.trials["presentation"].iloc[-1])]  # fmt: skip
    sent = [e for e in session.log.events if e.code]
    place = sent.index(answer)
    gone = rescue(without(session.words, place), session.plan)
    assert np.isnan(gone.trials["rating"].iloc[-1])
    assert gone.trials["confidence"].iloc[-1] == session.trials["confidence"].iloc[-1]
    assert "1 answer to 60 questions not heard" in gone.said
    other = session.words.iloc[[place]].assign(
        time_s=lambda t: t["time_s"] + 0.01, code=session.plan["codes"]["ANSWER_1"] ^ 0
    )
    other["code"] = next(session.plan["codes"][f"ANSWER_{n}"] for n in (1, 2)
                         if session.plan["codes"][f"ANSWER_{n}"] != answer.code)  # fmt: skip
    both = pd.concat([session.words, other]).sort_values("time_s", ignore_index=True)
    assert np.isnan(rescue(both, session.plan).trials["rating"].iloc[-1])


def test_an_onset_is_not_reckoned_where_the_display_was_held_up(lost: Get) -> None:
    """Between onset and number: from the one side it began earlier, from the other later."""
    session = lost("screening")
    row = session.trials.iloc[30]
    place = place_of(session.words, row["onset_s"])
    words = session.words.copy()
    words.loc[words.index > place, "time_s"] += 0.1
    found = rescue(without(words, place), session.plan)
    assert row["presentation"] not in found.trials["presentation"].to_numpy()
    assert not wrong(found, session.trials.assign(
        onset_s=session.trials["onset_s"] + 0.1 * (session.trials.index > 30),
        stop_s=session.trials["stop_s"] + 0.1 * (session.trials.index >= 30),
    ))  # fmt: skip


# Where several trials are possible ---------------------------------------------------------------


def views(n: int) -> dict[str, Any]:
    return plan_of([view(f"picture{k}") for k in range(n)], [search()], stimuli="pets")


def resumed(last: int) -> HandMade:
    """Four pictures, the last cut short; another run shows one more, and so many after it."""
    made = HandMade(views(8))
    made.open_run()
    made.open_block(0)
    for place in range(3):
        made.present(0, place)
    made.present(0, 3, steps=1)
    made.close_run("interrupted")
    made.resume(0, 3)
    made.open_block(0)
    for place in range(3, 4 + last):
        made.present(0, place)
    return made


def test_where_two_trials_are_possible_none_is_taken() -> None:
    """At the trial that was cut short, or at the start of its block: pictures are all alike."""
    made = resumed(0)
    found = rescue(heard(made), made.plan)
    assert found.trials["item"].tolist() == ["picture0", "picture1", "picture2"]
    assert [(each.number, each.possible) for each in found.unplaced] == [(10, ((0, 0), (0, 3)))]
    onset_s = found.unplaced[0].onset_s
    assert found.said[1:] == (
        "the end of the session was not heard",
        "1 presentation left out, for it cannot be told which trial of the plan they were:"
        f" IMAGE_ON at {onset_s:.1f} s, number 10 (block 1 trial 1 or block 1 trial 4)",
        "kept, but perhaps given up when they were shown: presentations 4, 1, 2, 3",
        CAUTION,
    )
    assert found.trials["undecided"].all()


def test_the_next_number_of_the_plan_decides() -> None:
    made = resumed(1)
    found = rescue(heard(made), made.plan)
    assert found.trials["item"].tolist() == [f"picture{k}" for k in range(5)]
    assert found.trials["presentation"].tolist() == [1, 2, 3, 10, 5]
    assert not found.unplaced and not found.trials["undecided"].any()


# Several sessions, several ports -----------------------------------------------------------------


def joined(first: Lost, second: Lost) -> pd.DataFrame:
    later_s = float(first.words["time_s"].iloc[-1]) - float(second.words["time_s"].iloc[0]) + 20.0
    moved = second.words.assign(time_s=second.words["time_s"] + later_s)
    return pd.concat([first.words, moved], ignore_index=True)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Lost]:
    """Another session of the same protocol, in another order."""

    def make(text: str) -> Lost:
        return lose(tmp_path_factory.mktemp("other") / "x", text, seed=5, session=70_000)

    return make


def test_the_session_that_follows_the_plan_is_found_among_others(
    lost: Get, other: Callable[[str], Lost]
) -> None:
    """Questions come at other places in another order."""
    first, second = lost("screening"), other(SCREENING)
    words = joined(first, second)
    found = rescue(words, first.plan)
    assert found.session == 9
    pd.testing.assert_frame_equal(found.trials.drop(columns=OURS), first.trials)
    assert rescue(words, second.plan).session == 70_000
    [said] = [said for said in found.said if said.startswith("also there")]
    assert said.startswith("also there: session 70000 from ")


def test_of_several_that_follow_the_plan_one_must_be_named(
    lost: Get, other: Callable[[str], Lost]
) -> None:
    first = lost("imagery")
    words = joined(first, other(IMAGERY))
    later_s = float(words["time_s"].iloc[len(first.words)])
    with pytest.raises(AnalysisError) as refusal:
        rescue(words, first.plan)
    listed = "numbered as in the plan, 55 of them with its onset; 0 words lost or without a sense"
    assert str(refusal.value) == (
        "several sessions follow plan 'short'; say which one is meant:\n"
        f"  session 9 from 500.0 s: 55 presentations {listed}, 530 heard\n"
        f"  session 70000 from {later_s:.1f} s: 55 presentations {listed}, 530 heard"
    )
    found = rescue(words, first.plan, session=9)
    pd.testing.assert_frame_equal(found.trials.drop(columns=OURS), first.trials)


def test_a_session_that_is_not_there_is_refused(lost: Get) -> None:
    session = lost("imagery")
    with pytest.raises(AnalysisError) as refusal:
        rescue(session.words, session.plan, session=10)
    assert str(refusal.value) == (
        "session 10 is not announced in the recording, which has\n"
        "  session 9 from 500.0 s: 55 presentations numbered as in the plan, 55 of them with its"
        " onset; 0 words lost or without a sense, 530 heard"
    )


def test_another_protocol_s_plan_is_refused(lost: Get) -> None:
    session = lost("imagery")
    with pytest.raises(AnalysisError) as refusal:
        rescue(session.words, lost("screening").plan)
    assert str(refusal.value).startswith(
        "no session here follows plan 'quick'; the recording has\n  session 9 from 500.0 s: "
    )
    with pytest.raises(AnalysisError) as refusal:
        rescue(session.words, lost("screening").plan, session=9)
    assert str(refusal.value).startswith(
        "session 9 does not follow plan 'quick'; the recording has\n  session 9 from 500.0 s: "
    )


def test_other_durations_are_another_plan_s(lost: Get) -> None:
    session = lost("imagery")
    slower = {**session.plan, "refresh_hz": 40.0}
    with pytest.raises(AnalysisError, match="^no session here follows plan 'short'"):
        rescue(session.words, slower)


def test_a_recording_without_a_session_is_refused(lost: Get) -> None:
    session = lost("imagery")
    nobody = session.words[session.words["code"] < 128]
    with pytest.raises(AnalysisError) as refusal:
        rescue(nobody, session.plan)
    assert str(refusal.value) == (
        f"the recording's {len(nobody)} words announce no session: it holds none of this"
        " program's, or the lines that name them were dead"
    )


def test_a_plan_that_numbers_nothing_is_refused(lost: Get) -> None:
    session = lost("imagery")
    with pytest.raises(AnalysisError) as refusal:
        rescue(session.words, {**session.plan, "announced": False})
    assert str(refusal.value) == (
        "the sessions of plan 'short' do not number their presentations on the lines (its code"
        " table leaves no room): what was shown cannot be read off a recording"
    )


def test_the_port_with_most_announcements_is_read_and_named(lost: Get) -> None:
    session = lost("imagery")
    few = session.words.iloc[:200].assign(port="echo")
    noise = session.words.iloc[:50].assign(port="buttons", code=7)
    found = rescue(pd.concat([noise, few, session.words]), session.plan)
    assert found.port == "TTL"
    assert found.said[0] == (
        "read from port 'TTL', where sessions are announced most often; left: 'buttons', 'echo'"
    )
    pd.testing.assert_frame_equal(found.trials.drop(columns=OURS), session.trials)


def test_a_laboratory_s_own_codes_are_read_with_its_table(tmp_path: Path) -> None:
    table = "[codes]\nimage_on = 113\ntrial = 114\nsession = 116\nimage_off = 119\n"
    session = lose(tmp_path / "x", SCREENING + table)
    assert session.plan["codes"]["TRIAL"] == 114
    found = rescue(session.words, session.plan)
    pd.testing.assert_frame_equal(found.trials.drop(columns=OURS), session.trials)


def test_a_garbled_name_is_no_session_of_its_own(lost: Get) -> None:
    session = lost("imagery")
    table = session.plan["codes"]
    place = int(session.words.index[session.words["code"] == table["SESSION"]][2])
    words = session.words.copy()
    for n, value in enumerate((131, 200, 129, 200)):  # some other session's, by chance
        words.loc[place + 1 + n, "code"] = value
    said = sessions_announced(read_words(words["time_s"], words["code"], session.plan))
    found = rescue(words, session.plan)
    assert found.session == 9 and {each.number for each in said} >= {9}
    pd.testing.assert_frame_equal(found.trials.drop(columns=OURS), session.trials)


# The folder --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(lost: Get, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lost, Path, Path]:
    """An interrupted session, its recording with units, and its rebuilt folder."""
    session, folder = lost("imagery, interrupted"), tmp_path_factory.mktemp("rescued")
    plan = read_plan(session.folder / "plan.json")
    items = sorted({t["item"] for b in plan["blocks"] for t in b["trials"] if t["item"]})
    space = pd.DataFrame(np.random.default_rng(0).normal(size=(len(items), 5)), index=items)
    recording = folder / "recording"
    record(session.edges, plan, space, recording, n_units=2, seed=1,
           clock=Clock(offset_s=500.0, drift_ppm=10.0, jitter_s=0.0002))  # fmt: skip
    found = rescue(read_events(recording), plan)
    out = folder / "session"
    write_rescued(
        found, session.folder / "plan.json", out, subject="P1",
        started="2026-03-14T10:00:00.000+01:00", stimuli=session.stimuli, recording=recording,
        protocol=session.folder / "protocol.toml",
    )  # fmt: skip
    return session, recording, out


def test_the_folder_is_analysed_as_the_session_s_own(written: tuple[Lost, Path, Path]) -> None:
    session, recording, out = written
    own, rebuilt = (
        gather(short_study(folder, recording, session.stimuli)).sessions[0].runs[0]
        for folder in (session.folder, out)
    )
    assert rebuilt.trials["measured"].all()
    pd.testing.assert_frame_equal(rebuilt.trials, own.trials)


def test_the_folder_holds_the_plan_byte_for_byte_and_the_table(
    written: tuple[Lost, Path, Path],
) -> None:
    session, _, out = written
    names = ["manifest.csv", "plan.json", "protocol.toml", "session.jsonl", "trials.csv"]
    assert sorted(path.name for path in out.iterdir()) == names
    for name in ("plan.json", "protocol.toml", "manifest.csv"):
        assert (out / name).read_bytes() == (session.folder / name).read_bytes()
    table = pd.read_csv(out / "trials.csv")
    assert table["item"].tolist() == session.trials["item"].tolist()
    assert table["presentation"].tolist() == session.trials["presentation"].tolist()


def test_the_header_says_that_the_log_was_rebuilt(written: tuple[Lost, Path, Path]) -> None:
    session, _, out = written
    header = read_log(out).header
    assert header.software["rebuilt"].startswith("from a recording and the plan, by imagery ")
    assert header.software["rebuilt_from"] == "recording"
    assert (header.subject, header.started) == ("P1", "2026-03-14T10:00:00.000+01:00")
    own = session.log.header
    for name in ("session", "protocol", "plan_sha256", "protocol_sha256", "catalog",
                 "catalog_sha256", "seed", "codes"):  # fmt: skip
        assert getattr(header, name) == getattr(own, name)
    assert (header.rig, header.rig_sha256) == ("unknown", "")


def test_the_folder_verifies_but_for_what_only_the_log_knew(
    written: tuple[Lost, Path, Path],
) -> None:
    session, _, out = written
    own, rebuilt = (
        {row.what: row for row in verify_session(folder).rows if row.what != "note"}
        for folder in (session.folder, out)
    )
    assert rebuilt["latency"] == Row(
        Light.YELLOW, "latency", "the log has no clock readings around its codes"
    )
    for what in ("trials", "order", "codes", "gaps", "late frames", "overrides"):
        assert rebuilt[what] == own[what]
    assert rebuilt["files"].light is Light.GREEN and rebuilt["digests"].light is Light.GREEN
    assert rebuilt["answers"].light is Light.GREEN and rebuilt["frames"].light is Light.GREEN


def again(written: tuple[Lost, Path, Path], out: Path, **changed: Any) -> None:
    session, recording, _ = written
    found = rescue(session.words, session.plan)
    given: dict[str, Any] = {
        "subject": "P1", "started": "2026-03-14T10:00:00+01:00",
        "stimuli": session.stimuli, "recording": recording,
    }  # fmt: skip
    write_rescued(found, session.folder / "plan.json", out, **{**given, **changed})


def test_a_folder_that_holds_something_is_left_alone(
    written: tuple[Lost, Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(AnalysisError) as refusal:
        again(written, tmp_path)
    assert str(refusal.value) == f"{tmp_path}: holds something already; name a new folder"
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("started", ["yesterday", "2026-03-14T10:00:00"])
def test_a_start_without_a_zone_is_refused(
    started: str, written: tuple[Lost, Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(AnalysisError) as refusal:
        again(written, tmp_path / "out", started=started)
    assert str(refusal.value) == (
        f"started {started!r}: give date, time and zone, as in 2026-03-14T10:00:00+01:00"
    )
    assert not (tmp_path / "out").exists()


def test_a_set_that_lacks_what_was_shown_is_refused(
    written: tuple[Lost, Path, Path], tmp_path: Path
) -> None:
    lines = (written[0].stimuli / "manifest.csv").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("tiger,")]
    few = tmp_path / "few"
    few.mkdir()
    (few / "images").symlink_to(written[0].stimuli / "images")
    (few / "manifest.csv").write_text("\n".join(kept) + "\n", encoding="utf-8")
    with pytest.raises(AnalysisError) as refusal:
        again(written, tmp_path / "out", stimuli=few)
    assert str(refusal.value) == f"{few}: is not the set that was shown: it lacks tiger"


def test_another_plan_s_file_is_refused(
    written: tuple[Lost, Path, Path], lost: Get, tmp_path: Path
) -> None:
    other = lost("screening").folder / "plan.json"
    found = rescue(written[0].words, written[0].plan)
    with pytest.raises(AnalysisError) as refusal:
        write_rescued(
            found, other, tmp_path / "out", subject="P1", started="2026-03-14T10:00:00+01:00",
            stimuli=written[0].stimuli, recording=written[1],
        )  # fmt: skip
    assert str(refusal.value) == f"{other}: is not the plan by which the session was rebuilt"


def test_a_protocol_that_is_not_there_is_said(
    written: tuple[Lost, Path, Path], tmp_path: Path
) -> None:
    gone = tmp_path / "gone.toml"
    with pytest.raises(AnalysisError) as refusal:
        again(written, tmp_path / "out", protocol=gone)
    assert str(refusal.value) == f"{gone}: cannot be read: No such file or directory"


def test_a_place_that_cannot_be_written_is_said(
    written: tuple[Lost, Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AnalysisError) as refusal:
        again(written, tmp_path / "file" / "out")
    assert str(refusal.value) == f"{tmp_path / 'file' / 'out'}: cannot be written: Not a directory"
