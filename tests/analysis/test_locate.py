"""Logs found in whole recordings: ports, lines, attempts, runs, and what the user decides."""

import numpy as np
import pandas as pd
import pytest

from analysis.align import Alignment
from analysis.evidence import AlignmentRefused
from analysis.lines import Lines
from analysis.locate import Choice, locate, stretches
from task.contract.codes import Code, announce_presentation, announce_session
from task.contract.errors import UserError
from tests.analysis.streams import SESSION, TRUE_S, Recorded, imagery, screening


def heard(table: pd.DataFrame, port: str = "digital") -> pd.DataFrame:
    """Words as a reader gives them, with returns to rest."""
    rests = table.assign(time_s=table["time_s"] + 0.004, code=0)
    both = pd.concat([table, rests]).sort_values("time_s", kind="stable", ignore_index=True)
    return both[["time_s", "code"]].assign(port=port)


def off_s(session: Recorded, found: Alignment, events: pd.DataFrame) -> np.ndarray:
    seen_s = events["time_s"].to_numpy()[found.pairs["seen"]]
    return np.abs(seen_s - session.true_s[found.pairs["sent"]])


def sound(seed: int = 1, blocks: int = 4, **faults: float) -> Recorded:
    rng = np.random.default_rng(seed)
    return Recorded(imagery(rng, 5.0, blocks), rng, **faults)


# Ports -------------------------------------------------------------------------------------------


def test_the_port_that_carried_the_codes_is_found_among_others() -> None:
    session, rng = sound(), np.random.default_rng(2)
    pulses = pd.DataFrame({"time_s": np.arange(0, 400, 0.0337), "code": 1})
    noise = session.seen.assign(time_s=rng.permutation(session.seen["time_s"]))
    events = pd.concat(
        [heard(pulses, "sma 2"), heard(noise, "serial"), heard(session.seen)], ignore_index=True
    ).sort_values("time_s", kind="stable", ignore_index=True)
    found = locate(session.sent, events)
    assert found.port == "digital"
    assert found.measured.all()
    assert off_s(session, found, events).max() < TRUE_S
    assert set(events["port"][found.pairs["seen"]]) == {"digital"}
    assert len(found.unexpected) == 0


def test_equal_words_on_two_ports_are_not_mixed() -> None:
    """Half of the words on each port: those of one are taken, and never the other's as well."""
    session = sound()
    half = np.arange(len(session.seen)) % 2 == 0
    parts = [heard(session.seen[half], "a"), heard(session.seen[~half], "b")]
    both = pd.concat(parts).sort_values("time_s", kind="stable", ignore_index=True)
    found = locate(session.sent, both)
    assert set(both["port"][found.pairs["seen"]]) == {found.port}
    assert len(found.pairs) == len(session.seen) // 2


def test_a_port_that_is_named_is_the_only_one_looked_at() -> None:
    session = sound()
    events = pd.concat([heard(session.seen, "a"), heard(session.seen, "b")], ignore_index=True)
    assert locate(session.sent, events).port == "a"
    assert locate(session.sent, events, choice=Choice(port="b")).port == "b"
    with pytest.raises(UserError) as refused:
        locate(session.sent, events, choice=Choice(port="c"))
    assert str(refused.value) == "the recording has no port 'c'; it has 'a', 'b'"


def test_the_same_words_elsewhere_on_another_port_are_a_rival() -> None:
    """Two runs alike to the millisecond, one on each port, file or clock: which is the log's?"""
    session = sound()
    later = session.seen.assign(time_s=session.seen["time_s"] + 636.0)
    for column in ("port", "file", "clock"):
        parts = [heard(session.seen).assign(**{column: 1}), heard(later).assign(**{column: 2})]
        events = pd.concat(parts, ignore_index=True).astype({"port": str})
        with pytest.raises(AlignmentRefused) as refused:
            locate(session.sent, events)
        assert refused.value.check == "rival"
        assert refused.value.what.endswith("636 s away")
    delayed = heard(session.seen.assign(time_s=session.seen["time_s"] + 0.01), "b")
    both = pd.concat([heard(session.seen.drop(index=9), "a"), delayed], ignore_index=True)
    with pytest.raises(AlignmentRefused, match="0.01 s away"):
        locate(session.sent, both)
    assert locate(session.sent, both, choice=Choice(port="a")).port == "a"


def test_words_on_two_ports_at_the_same_times_are_no_rivals() -> None:
    session = sound()
    events = pd.concat([heard(session.seen, "a"), heard(session.seen, "b")], ignore_index=True)
    assert locate(session.sent, events).measured.all()


def test_a_stretch_without_words_is_said() -> None:
    session = sound()
    parts = [heard(session.seen).assign(file=name) for name in ("a.nev", "b.nev")]
    events = pd.concat(parts, ignore_index=True)
    with pytest.raises(AlignmentRefused) as refused:
        locate(session.sent, events, choice=Choice(between_s=(1e6, 2e6)))
    first_s, last_s = session.seen["time_s"].iloc[[0, -1]]
    assert str(refused.value) == (
        "log and recording cannot be aligned: from 1e+06 to 2e+06 s the recording holds no words;"
        f" its words lie from {first_s:.1f} to {last_s:.1f} s"
    )


def test_another_session_is_called_that() -> None:
    rng = np.random.default_rng(8)
    ours = Recorded(screening(rng, 300), rng)
    code = ours.seen["code"].to_numpy(copy=True)
    for place in np.flatnonzero(code == Code.TRIAL):
        number = (code[place + 1] & 0x7F) << 7 | code[place + 2] & 0x7F
        code[place : place + 4] = announce_presentation(77, int(number))
    for place in np.flatnonzero(code == Code.SESSION):
        code[place : place + 5] = announce_session(77)
    with pytest.raises(AlignmentRefused) as refused:
        locate(ours.sent, heard(ours.seen.assign(code=code)), SESSION)
    assert str(refused.value).startswith(
        f"log and recording cannot be aligned: the log is of session {SESSION}, the recording"
        " announces 77; this is the recording of another session"
    )


def test_a_recording_without_words_is_refused() -> None:
    session = sound()
    nothing = heard(session.seen.iloc[:0])
    with pytest.raises(AlignmentRefused) as refused:
        locate(session.sent, nothing)
    assert str(refused.value) == (
        "log and recording cannot be aligned: the recording holds no words; tried: the recording"
        " (0 words); check that this is the recording of this log, and the port that carried the"
        " codes"
    )


# Lines -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bit", [1, 2, 4, 8, 16, 32, 64])
def test_a_dead_line_is_found_and_costs_no_word(bit: int) -> None:
    session = sound(3)
    events = heard(session.seen.assign(code=session.seen["code"] & ~bit))
    found = locate(session.sent, events)
    sent = session.sent["code"].to_numpy()
    altered = int((sent & bit > 0).sum())
    gone = sent & ~bit == 0
    assert off_s(session, found, events).max() < TRUE_S
    assert found.measured.to_numpy()[~gone].all()
    if altered >= 5:
        assert found.lines == Lines(dead=(bit,))
        assert found.replaced.sum() == altered - gone.sum()


@pytest.mark.parametrize("bit", [1, 16, 128, 256])
def test_a_stuck_line_is_found_and_costs_no_word(bit: int) -> None:
    session = sound(4)
    events = heard(session.seen)
    events["code"] |= bit
    found = locate(session.sent, events)
    assert found.lines == Lines(stuck=(bit,))
    assert found.measured.all()
    assert off_s(session, found, events).max() < TRUE_S


def test_rests_of_a_stuck_line_do_not_stand_in_for_lost_words_that_look_alike() -> None:
    """Every code on a frame of 120 Hz, as of a log that steps: rests 10 ms on are near enough."""
    rng = np.random.default_rng(4)
    stream = [(round(at * 120) / 120, 1 if code == Code.CUE_ON else code)
              for at, code in imagery(rng, 5.0, 4)]  # fmt: skip
    session = Recorded(stream, rng)
    alike = np.flatnonzero(session.seen["code"] == 1)
    words = session.seen.drop(index=np.delete(alike, np.s_[::4]))
    rests = session.seen.assign(time_s=session.seen["time_s"] + 0.01, code=0)
    events = pd.concat([words, rests]).sort_values("time_s", ignore_index=True)
    events = events.assign(code=events["code"] | 1, port="digital")
    found = locate(session.sent, events)
    assert found.lines == Lines(stuck=(1,))
    assert off_s(session, found, events).max() < TRUE_S
    assert len(found.pairs) == len(words)


def test_floating_high_lines_are_left_out() -> None:
    session, rng = sound(5), np.random.default_rng(6)
    junk = rng.integers(0, 4, len(session.seen)) << 8
    events = heard(session.seen.assign(code=session.seen["code"] | junk))
    found = locate(session.sent, events)
    assert found.lines == Lines(floating=(256, 512))
    assert found.measured.all()
    assert "lines 8 (value 256), 9 (value 512) floating (up by chance)." in found.verdict.lower()


def test_a_dead_line_in_a_numbered_stream_neither_hides_nor_doubts_it() -> None:
    rng = np.random.default_rng(7)
    session = Recorded(screening(rng, 300, jitter=6), rng)
    for bit in (1, 16, 128):
        codes = session.seen["code"] & ~bit
        events = heard(session.seen.assign(code=codes))
        found = locate(session.sent, events, SESSION)
        there = session.sent["code"].to_numpy() & ~bit > 0
        assert off_s(session, found, events).max() < TRUE_S
        assert found.measured.to_numpy()[there].mean() > 0.99, bit


@pytest.mark.parametrize("bit", [1, 8, 128])
def test_leaving_lines_out_does_not_make_another_session_ours(bit: int) -> None:
    """Every word at the very same time, but of another session, and no announcement whole."""
    rng = np.random.default_rng(8)
    ours = Recorded(screening(rng, 300), rng)
    words = ours.seen.copy()
    code = words["code"].to_numpy(copy=True)
    for place in np.flatnonzero(code == Code.TRIAL):
        number = (code[place + 1] & 0x7F) << 7 | code[place + 2] & 0x7F
        code[place : place + 4] = announce_presentation(SESSION + 1, int(number))
    for place in np.flatnonzero(code == Code.SESSION):
        code[place : place + 5] = announce_session(SESSION + 1)
    words["code"] = code ^ np.where(code >= 128, rng.integers(0, 2, len(code)) * bit, 0)
    with pytest.raises(AlignmentRefused):
        locate(ours.sent, heard(words), SESSION)


def test_a_line_that_only_announcements_blame_is_sound() -> None:
    """Another session at the very same times, 256 presentations on, by chance with like checks."""
    rng = np.random.default_rng(8)
    ours = Recorded(screening(rng, 200), rng)
    code = ours.seen["code"].to_numpy(copy=True)
    announced = np.flatnonzero(code == Code.TRIAL)
    code[announced + 1] ^= 256 >> 7
    code[announced + 3] ^= 256 >> 7
    code |= rng.integers(0, 256, len(code)) << 8  # lines that do float
    with pytest.raises(AlignmentRefused, match="of 200 words that name the session 0 are"):
        locate(ours.sent, heard(ours.seen.assign(code=code)).iloc[4:], SESSION)


def test_the_words_of_another_port_with_junk_are_chance_and_refused() -> None:
    """About 70 % of the codes of another task match once the high bits are masked."""
    rng = np.random.default_rng(9)
    session, other = sound(10), sound(11)
    junk = rng.integers(0, 256, len(other.seen)) << 8
    with pytest.raises(AlignmentRefused):
        locate(session.sent, heard(other.seen.assign(code=other.seen["code"] | junk)))


# Attempts and runs -------------------------------------------------------------------------------


def attempts(rng: np.random.Generator, *starts_s: float) -> list[Recorded]:
    """The same run begun several times, each at a person's pace."""
    return [
        Recorded([(s, Code.RUN_START), *imagery(rng, s + 1, 4), (s + 900, Code.RUN_END)], rng)
        for s in starts_s
    ]


def test_an_aborted_start_is_listed_and_not_used() -> None:
    aborted, again, other = attempts(np.random.default_rng(12), 0.0, 700.0, 3000.0)
    words = pd.concat([aborted.seen.head(80), again.seen, other.seen], ignore_index=True)
    events = heard(words)
    found = locate(again.sent, events)
    held = stretches(again.sent, events, found)
    mine = held[held["matched"] > 0]
    assert mine["start_s"].min() == pytest.approx(700.0, abs=0.01)
    assert mine["matched"].sum() == len(again.sent)
    assert held.loc[held["start_s"] < 700, "matched"].sum() == 0
    assert held.loc[held["start_s"] < 700, "words"].sum() >= 79


def test_only_the_stretch_that_is_named_is_looked_at() -> None:
    first, second = attempts(np.random.default_rng(13), 0.0, 2000.0)
    events = heard(pd.concat([first.seen, second.seen], ignore_index=True))
    assert locate(second.sent, events, choice=Choice(between_s=(1990, 3500))).measured.all()
    with pytest.raises(AlignmentRefused):
        locate(second.sent, events, choice=Choice(between_s=(0, 1990)))


def resumed(gap_s: float, short: int = 0) -> tuple[Recorded, pd.DataFrame]:
    """A session in three runs; the laptop's clock begins anew in each."""
    rng = np.random.default_rng(14)
    session = Recorded(imagery(rng, 5.0, 9), rng)
    n = len(session.sent)
    last = 2 * n // 3 + short if short else n
    run = np.searchsorted([n // 3, 2 * n // 3], np.arange(n), side="right") + 1
    log = session.sent.assign(run=run)
    log["time_s"] += np.array([0.0, gap_s, -7.3 * gap_s])[run - 1]
    return session, log.iloc[:last]


@pytest.mark.parametrize("gap_s", [0.0, 0.4, -12345.678])
def test_runs_of_a_resumed_session_each_have_their_own_clock(gap_s: float) -> None:
    session, log = resumed(gap_s)
    events = heard(session.seen)
    found = locate(log, events)
    assert found.runs["found"].all()
    assert off_s(session, found, events).max() < TRUE_S
    assert found.measured.mean() > 0.99
    assert found.evidence.jumps == 0


def test_a_run_too_short_for_a_clock_of_its_own_has_no_times() -> None:
    session, log = resumed(-500.0, short=12)
    found = locate(log, heard(session.seen))
    assert found.runs["found"].tolist() == [True, True, False]
    tail = log["run"].to_numpy() == 3
    assert found.time_s[tail].isna().all()
    assert np.isinf(found.uncertainty_s[tail]).all()
    assert not found.measured[tail].any()
    assert found.verdict.endswith(
        "Run 3 of the log (12 rows) was not found: its times are not known."
    )


@pytest.mark.parametrize("rows", [12, 25, 40])
@pytest.mark.parametrize("recorded", [True, False])
def test_a_short_run_whose_clock_began_at_the_same_time_takes_no_word_of_the_next(
    rows: int, recorded: bool
) -> None:
    """A start that was aborted, then the whole run, each counted from its own zero."""
    rng = np.random.default_rng(15)
    aborted = Recorded(imagery(rng, 5.0, 1)[:rows], rng)
    whole = Recorded(imagery(rng, 105.0, 4), rng)
    again = whole.sent["time_s"] - 100.0
    log = pd.concat(
        [aborted.sent.assign(run=1), whole.sent.assign(time_s=again, run=2)], ignore_index=True
    )
    parts = [aborted.seen, whole.seen] if recorded else [whole.seen]
    events = heard(pd.concat(parts, ignore_index=True))
    found = locate(log, events)
    true_s = np.concatenate([aborted.true_s, whole.true_s])
    seen_s = events["time_s"].to_numpy()[found.pairs["seen"]]
    assert np.abs(seen_s - true_s[found.pairs["sent"]]).max() < TRUE_S
    assert found.measured[rows:].all()
    told = np.isfinite(found.time_s)
    assert (np.abs(found.time_s - true_s)[told] <= found.uncertainty_s[told] + TRUE_S).all()
    if not found.runs.loc[1, "found"]:
        unknown = found.to_recording(aborted.sent["time_s"].iloc[1:2])
        assert np.isnan(unknown).all()


def test_a_short_run_on_the_same_clock_is_found() -> None:
    session, log = resumed(0.0, short=12)
    found = locate(log, heard(session.seen))
    assert found.runs["found"].all() and found.measured.all()


# What the user decides ---------------------------------------------------------------------------


def regular() -> Recorded:
    rng = np.random.default_rng(23)
    return Recorded(screening(rng, 300, numbered=False), rng)


def test_a_check_is_overridden_by_name_and_that_is_said() -> None:
    session = regular()
    events = heard(session.seen)
    with pytest.raises(AlignmentRefused) as refused:
        locate(session.sent, events)
    assert refused.value.check == "rival"
    found = locate(session.sent, events, choice=Choice(accept=("rival",)))
    assert found.evidence.overridden == ("rival",)
    assert found.verdict.endswith("OVERRIDDEN: the check 'rival'.")
    assert found.measured.all()


def test_a_check_that_did_not_fail_is_not_said_to_be_overridden() -> None:
    session = sound()
    found = locate(session.sent, heard(session.seen), choice=Choice(accept=("drift", "jumps")))
    assert found.evidence.overridden == ()


def test_a_check_of_another_name_is_refused() -> None:
    with pytest.raises(UserError) as refused:
        Choice(accept=("all",))
    assert str(refused.value) == (
        "there is no check 'all'; the checks are share, numbers, rival, drift, jumps"
    )


def test_where_there_is_no_clock_nothing_can_be_overridden() -> None:
    session = sound(10)
    every = Choice(accept=("share", "numbers", "rival", "drift", "jumps"))
    with pytest.raises(AlignmentRefused) as refused:
        locate(session.sent, heard(session.seen.head(20)), choice=every)
    assert refused.value.check == ""
