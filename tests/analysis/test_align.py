"""Logs and recordings brought together: faults put in on purpose, and refusals."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.align import align
from analysis.evidence import AlignmentRefused
from analysis.identity import identify
from task.contract.codes import Code, announce_presentation
from tests.analysis.streams import SESSION, TRUE_S, Recorded, imagery, screening

# What must be found ------------------------------------------------------------------------------


def test_a_sound_session_is_measured_word_by_word() -> None:
    rng = np.random.default_rng(1)
    session = Recorded(imagery(rng, 5.0, 4), rng, drift_ppm=20.0)
    found = session.align()
    assert found.measured.all()
    assert (found.uncertainty_s == 0).all()
    np.testing.assert_array_equal(found.pairs["sent"], np.arange(len(session.sent)))
    np.testing.assert_array_equal(found.pairs["seen"], np.arange(len(session.seen)))
    np.testing.assert_array_equal(found.time_s, session.seen["time_s"])
    assert found.drift_ppm == pytest.approx(20.0, abs=0.2)
    assert len(found.clock.pieces) == 1
    assert found.lost.empty and found.spurious.empty and found.replaced.empty


FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "some of everything": {"lost": 0.05, "unsent": 0.05, "replaced": 0.05, "bounced": 0.05},
    "30 % lost, 20 % unsent": {"lost": 0.3, "unsent": 0.2},
    "heavy, at the drift limit": {
        "lost": 0.3,
        "unsent": 0.2,
        "replaced": 0.03,
        "drift_ppm": 500.0,
    },
    "the other limit": {"lost": 0.02, "unsent": 0.02, "drift_ppm": -500.0},
    "the clock leaps an hour": {"lost": 0.02, "unsent": 0.02, "jump_s": 3600.0},
    "the clock is set back an hour": {"lost": 0.02, "unsent": 0.02, "jump_s": -3600.0},
    "the clock leaps one picture": {"lost": 0.05, "unsent": 0.05, "jump_s": 0.4},
    "the clock leaps a little": {"jump_s": 0.03, "drift_ppm": -480.0},
    "recording begins late": {"kept": (0.35, 1.0), "lost": 0.05, "unsent": 0.05},
    "recording ends early": {"kept": (0.0, 0.65), "lost": 0.05, "unsent": 0.05},
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_numbered_streams_survive_every_fault_without_a_wrong_word(
    faults: dict[str, Any], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    stream = screening(rng, 400)
    stream += imagery(rng, max(stream)[0] + 20, 4)
    session = Recorded(stream, rng, **faults).numbered()
    found = session.align()
    assert session.off_s(found).max() < TRUE_S
    assert session.recall(found) >= 0.99


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_streams_without_numbers_take_no_wrong_word(faults: dict[str, Any], seed: int) -> None:
    rng = np.random.default_rng(seed)
    session = Recorded(imagery(rng, 5.0, 8), rng, **faults)
    found = session.align()
    assert session.off_s(found).max() < TRUE_S
    assert session.recall(found) >= 0.97


def test_inferred_times_keep_to_their_stated_uncertainty() -> None:
    rng = np.random.default_rng(4)
    session = Recorded(imagery(rng, 5.0, 8), rng, lost=0.2, drift_ppm=30.0)
    found = session.align()
    lost = ~found.measured.to_numpy()
    off_s = np.abs(found.time_s.to_numpy() - session.true_s)[lost]
    assert found.lost.sum() == lost.sum() > 50
    assert (off_s <= found.uncertainty_s.to_numpy()[lost]).mean() > 0.9
    assert off_s.max() < 1e-3


@pytest.mark.parametrize("step_s", [86.4e-6, 0.0100144])
def test_times_beyond_what_was_recorded_keep_to_their_uncertainty(step_s: float) -> None:
    """A short recorded part tells the drift only so well."""
    rng = np.random.default_rng(4)
    session = Recorded(imagery(rng, 5.0, 10), rng, drift_ppm=50.0, kept=(0.0, 0.15))
    session.sent["time_s"] = np.floor(session.sent["time_s"] / step_s) * step_s
    found = session.align()
    off_s = np.abs(found.time_s.to_numpy() - session.true_s)
    late = ~found.measured.to_numpy()
    assert late.sum() > 400
    assert (off_s <= found.uncertainty_s.to_numpy() + 1e-9)[late].mean() > 0.95


def test_a_recording_full_of_the_same_codes_hides_nothing() -> None:
    rng = np.random.default_rng(30)
    session = Recorded(imagery(rng, 5.0, 6), rng)
    codes = np.unique(session.sent["code"])
    other_s = np.sort(rng.uniform(2000, 40_000, 30_000 * len(codes)))
    more = pd.DataFrame({"time_s": other_s, "code": rng.choice(codes, len(other_s))})
    found = align(session.sent, pd.concat([session.seen, more], ignore_index=True))
    assert found.measured.all()
    seen_s = found.time_s.to_numpy()
    assert np.abs(seen_s - session.true_s).max() < TRUE_S


def test_header_rows_were_never_sent_and_are_not_lost() -> None:
    rng = np.random.default_rng(5)
    session = Recorded(imagery(rng, 60.0, 4), rng)
    header = pd.DataFrame({"time_s": [1e6 + 10.0], "code": [0]})
    found = align(pd.concat([header, session.sent], ignore_index=True), session.seen)
    assert found.lost.empty
    assert found.measured.tolist() == [False] + [True] * len(session.sent)
    assert found.time_s[0] == pytest.approx(10.0, abs=2e-3)
    assert found.pairs["sent"].iloc[0] == 1


def test_rests_and_a_recording_out_of_order_by_milliseconds_change_nothing() -> None:
    rng = np.random.default_rng(6)
    session = Recorded(imagery(rng, 5.0, 4), rng)
    rests = session.seen.assign(time_s=session.seen["time_s"] + 0.01, code=0)
    mixed = pd.concat([session.seen, rests]).sort_values("time_s", ignore_index=True)
    swapped = np.arange(len(mixed))
    swapped[100:102] = 101, 100
    mixed = mixed.iloc[swapped].reset_index(drop=True)
    found = align(session.sent, mixed)
    plain = session.align()
    np.testing.assert_array_equal(found.time_s, plain.time_s)
    np.testing.assert_array_equal(
        mixed["code"].to_numpy()[found.pairs["seen"]], session.sent["code"]
    )


@given(
    offset_s=st.floats(-1e9, 1e9),
    log_offset_s=st.floats(-1e9, 1e9),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=15, deadline=None)
def test_when_a_clock_starts_and_how_words_are_sorted_makes_no_difference(
    offset_s: float, log_offset_s: float, seed: int
) -> None:
    rng = np.random.default_rng(7)
    session = Recorded(imagery(rng, 5.0, 4), rng, lost=0.1, unsent=0.1)
    plain = session.align()
    order = np.random.default_rng(seed).permutation(len(session.seen))
    shuffled = session.seen.iloc[order].reset_index(drop=True)
    shifted = align(
        session.sent.assign(time_s=session.sent["time_s"] + log_offset_s),
        shuffled.assign(time_s=shuffled["time_s"] + offset_s),
    )
    np.testing.assert_array_equal(shifted.pairs["sent"], plain.pairs["sent"])
    np.testing.assert_array_equal(order[shifted.pairs["seen"]], plain.pairs["seen"])


def test_the_index_of_the_log_is_kept() -> None:
    rng = np.random.default_rng(8)
    session = Recorded(imagery(rng, 5.0, 4), rng)
    sent = session.sent.set_index(pd.Index([f"row {n}" for n in range(len(session.sent))]))
    found = align(sent, session.seen.set_index(session.seen.index + 1000))
    assert found.time_s.index.equals(sent.index)
    assert found.measured.index.equals(sent.index)
    assert found.pairs["seen"].iloc[0] == 0


def test_the_right_one_of_several_runs_with_the_same_codes_is_found() -> None:
    rng = np.random.default_rng(9)
    runs = [Recorded(imagery(rng, 5.0 + 2000 * k, 4), rng) for k in range(3)]
    assert all((run.sent["code"] == runs[0].sent["code"]).all() for run in runs)
    seen = pd.concat([run.seen for run in runs], ignore_index=True)
    for number, run in enumerate(runs):
        found = align(run.sent, seen)
        assert found.measured.all()
        assert set(found.pairs["seen"] // len(run.seen)) == {number}


# The log's clock ---------------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [0.0100144, 0.001])
def test_a_stepping_clock_is_recognised_and_forgiven(step_s: float) -> None:
    rng = np.random.default_rng(10)
    session = Recorded(imagery(rng, 5.0, 8), rng)
    session.sent["time_s"] = np.floor(session.sent["time_s"] / step_s) * step_s
    found = session.align()
    assert found.measured.all()
    assert found.tick_s == pytest.approx(step_s, rel=1e-3)


def test_the_frames_of_a_display_are_not_taken_for_steps_of_the_clock() -> None:
    rng = np.random.default_rng(12)
    found = Recorded(screening(rng, 300), rng).numbered().align()
    assert np.isnan(found.tick_s)
    assert found.evidence.tolerance_s < 0.004


def test_a_clock_that_bends_is_followed() -> None:
    rng = np.random.default_rng(13)
    session = Recorded(imagery(rng, 5.0, 8), rng)
    passed_s = session.sent["time_s"] - session.sent["time_s"].iloc[0]
    session.sent["time_s"] += 0.08 * np.exp(-passed_s / 150)  # a computer warming up
    found = session.align()
    assert found.measured.all()
    assert len(found.clock.pieces) > 1 and found.clock.jumps == 0
    assert found.pairs["residual_s"].abs().quantile(0.99) < 0.003
    seen_s = found.to_recording(session.sent["time_s"])
    assert np.abs(seen_s - session.true_s).max() < 0.003


def test_a_clock_set_back_shows_times_twice_and_these_have_no_recording_time() -> None:
    rng = np.random.default_rng(14)
    session = Recorded(imagery(rng, 5.0, 8), rng, jump_s=-100.0)
    found = session.align()
    assert found.clock.jumps == 1
    assert session.off_s(found).max() < TRUE_S
    log_s = session.sent["time_s"].to_numpy()
    back = int(np.argmin(np.diff(log_s)))
    twice = np.array([log_s[back] - 10.0])
    assert np.isnan(found.to_recording(twice)).all()
    times = np.linspace(log_s[0] - 50, log_s[-1] + 50, 5000)
    seen_s = found.to_recording(times)
    known = np.isfinite(seen_s)
    assert (np.diff(seen_s[known]) >= 0).all()
    assert (~known).mean() == pytest.approx(100 / np.ptp(times), abs=0.02)


# Rows stamped wrongly ----------------------------------------------------------------------------


def test_rows_that_are_stamped_wrongly_are_found_between_their_neighbours() -> None:
    rng = np.random.default_rng(15)
    session = Recorded(imagery(rng, 5.0, 8), rng)
    rows = [40, 90, 91, 300]
    session.sent.loc[rows, "time_s"] -= [0.587, 1.001, 0.957, 0.02]
    found = session.align()
    assert found.measured.all()
    assert found.pairs.loc[found.pairs["placed"], "sent"].tolist() == rows
    assert session.off_s(found).max() < TRUE_S
    assert found.pairs["residual_s"][91] == pytest.approx(0.957, abs=2e-3)


def test_a_lost_word_beside_a_misstamped_row_does_not_hide_it() -> None:
    rng = np.random.default_rng(16)
    session = Recorded(imagery(rng, 5.0, 8), rng)
    session.sent.loc[91, "time_s"] -= 0.3
    session.seen = session.seen.drop(index=90).reset_index(drop=True)
    found = session.align()
    assert found.measured[91] and not found.measured[90]


def test_where_words_are_often_lost_a_row_is_not_given_a_word_by_its_place() -> None:
    rng = np.random.default_rng(17)
    session = Recorded(imagery(rng, 5.0, 8), rng, lost=0.2, unsent=0.2)
    row = int(np.flatnonzero(session.whole)[100])
    session.sent.loc[row, "time_s"] -= 0.3
    found = session.align()
    assert not found.pairs["placed"].any()
    assert not found.measured[row]
    assert session.off_s(found).max() < TRUE_S


# What went wrong on the lines --------------------------------------------------------------------


def test_a_dead_line_shows_as_codes_that_turn_into_others() -> None:
    rng = np.random.default_rng(18)
    session = Recorded(imagery(rng, 5.0, 8), rng)
    dead = session.seen["code"] == Code.RATING_ON
    session.seen["code"] = session.seen["code"].mask(dead, int(Code.RATING_ON) & ~2)
    found = session.align()
    assert found.lost.to_dict() == {int(Code.RATING_ON): 64}
    assert found.spurious.to_dict() == {int(Code.RATING_ON) & ~2: 64}
    assert found.replaced.to_dict() == {(int(Code.RATING_ON), int(Code.RATING_ON) & ~2): 64}


def test_a_line_that_flickers_for_seconds_does_not_drown_the_others() -> None:
    rng = np.random.default_rng(27)
    session = Recorded(imagery(rng, 5.0, 6), rng)
    n = 30_000
    storm = pd.DataFrame(
        {
            "time_s": session.true_s[150] + np.cumsum(rng.exponential(4e-4, n)),
            "code": np.where(np.arange(n) % 2, int(Code.CUE_ON), int(Code.IMAGERY_ON)),
        }
    )
    session.seen = pd.concat([session.seen, storm]).sort_values("time_s", ignore_index=True)
    found = session.align()
    assert session.off_s(found).max() < TRUE_S
    assert found.measured.all()


def test_a_clock_that_leaps_by_one_picture_near_its_start_is_followed() -> None:
    rng = np.random.default_rng(28)
    session = Recorded(screening(rng, 200), rng)
    session.sent.loc[28:, "time_s"] += 0.4
    found = session.numbered().align()
    assert session.off_s(found).max() < TRUE_S
    assert found.measured.all() and found.clock.jumps == 1


def test_a_verdict_is_two_sentences_of_numbers() -> None:
    rng = np.random.default_rng(19)
    session = Recorded(imagery(rng, 5.0, 4), rng, drift_ppm=20.0)
    session.seen = session.seen.drop(index=[50, 51]).reset_index(drop=True)
    assert session.align().verdict == (
        "258 of 260 rows have their word (0 found by place), 2 are lost, 0 words are unexpected;"
        " the best rival clock explains 56 rows. The clock is straight: drift +20.0 ppm, residuals"
        " 0.07 ms (median) and 0.23 ms (99 %)."
    )


# Refusals ----------------------------------------------------------------------------------------

WRONG = "check that this is the recording of this log, and the port that carried the codes"


def refusal(sent: pd.DataFrame, seen: pd.DataFrame) -> AlignmentRefused:
    with pytest.raises(AlignmentRefused) as caught:
        align(sent, seen)
    return caught.value


def test_another_session_at_a_persons_pace_is_refused() -> None:
    one, other = (
        Recorded(imagery(rng, 5.0, 8), rng) for rng in map(np.random.default_rng, (20, 21))
    )
    assert (one.sent["code"] == other.sent["code"]).all()
    refused = refusal(one.sent, other.seen)
    assert str(refused).startswith("log and recording cannot be aligned: ")
    assert str(refused).endswith(WRONG)
    assert refused.evidence.share < 0.5


def test_another_session_of_the_same_plan_is_refused_by_its_numbers() -> None:
    rng = np.random.default_rng(22)
    session = Recorded(screening(rng, 300), rng)
    session.sent["trial"] = identify(session.sent["code"], SESSION)
    other = session.seen["code"].to_numpy().copy()
    for place in np.flatnonzero(other == Code.TRIAL):
        number = (other[place + 1] & 0x7F) << 7 | other[place + 2] & 0x7F
        other[place : place + 4] = announce_presentation(SESSION + 1, int(number))
    session.seen["code"] = other
    session.seen["trial"] = identify(session.seen["code"], SESSION + 1)
    refused = refusal(session.sent, session.seen)
    assert refused.evidence.agreeing == 0


def test_numbers_that_cannot_be_read_are_not_passed_over() -> None:
    rng = np.random.default_rng(29)
    stream = screening(rng, 200)
    stream += imagery(rng, max(stream)[0] + 20, 6)
    session = Recorded(stream, rng)
    session.seen = session.seen[session.seen["code"] < 128].reset_index(drop=True)
    session.numbered()
    refused = refusal(session.sent, session.seen)
    assert str(refused) == (
        "log and recording cannot be aligned: codes and times agree, but of 600 numbered rows 0"
        " have a word with the same number and 0 one with another; see that the words with the"
        " numbers, 128 and above, are recorded too; to go on all the same: --accept numbers"
    )
    found = align(session.sent, session.seen.drop(columns="trial"))
    assert session.off_s(found).max() < TRUE_S


def test_fixed_rate_without_numbers_is_refused() -> None:
    rng = np.random.default_rng(23)
    session = Recorded(screening(rng, 300, numbered=False), rng)
    assert str(refusal(session.sent, session.seen)) == (
        "log and recording cannot be aligned: the best clock explains 603 rows, but one that is off"
        " by more than 14 ms explains 594: the words come too regularly to tell the two apart; name"
        " the port, or the stretch of the recording, that holds this run alone; to go on all the"
        " same: --accept rival"
    )


def test_the_same_stream_with_numbers_or_with_jitter_is_accepted() -> None:
    rng = np.random.default_rng(23)
    assert Recorded(screening(rng, 300), rng).numbered().align().measured.all()
    assert Recorded(screening(rng, 300, False, jitter=12), rng).align().measured.all()


def test_too_much_drift_is_named() -> None:
    rng = np.random.default_rng(24)
    session = Recorded(imagery(rng, 5.0, 8), rng, drift_ppm=700.0)
    assert str(refusal(session.sent, session.seen)) == (
        "log and recording cannot be aligned: the clocks drift apart by +700 ppm, more than the 550"
        " that a sound pair of clocks may; check the sampling rate from which the recording's times"
        " were computed; to go on all the same: --accept drift"
    )


def test_too_little_is_no_evidence() -> None:
    rng = np.random.default_rng(25)
    session = Recorded(imagery(rng, 5.0, 4), rng)
    assert str(refusal(session.sent.head(29), session.seen)) == (
        "log and recording cannot be aligned: the log has 29 rows with a code, and fewer than 30"
        f" prove nothing; {WRONG}"
    )
    assert str(refusal(session.sent, session.seen.assign(code=0))) == (
        f"log and recording cannot be aligned: the recording holds no words; {WRONG}"
    )
    few = refusal(session.sent, session.seen.head(20))
    assert few.evidence.matched < 30


def test_a_lost_part_is_not_laid_on_a_like_part_of_another_run() -> None:
    """Blocks of one task are alike for a minute; a jump of the clock must prove more than that."""
    rng = np.random.default_rng(26)
    before = Recorded(imagery(rng, 5.0, 6), rng)
    session = Recorded(imagery(rng, 2000.0, 8), rng, kept=(0.3, 1.0))
    found = align(session.sent, pd.concat([before.seen, session.seen], ignore_index=True))
    assert found.clock.jumps == 0
    assert (found.pairs["seen"] >= len(before.seen)).all()
    assert not found.measured[: round(0.3 * len(session.sent))].any()


def test_where_words_come_but_none_fits_no_time_is_told() -> None:
    rng = np.random.default_rng(41)
    session = Recorded(imagery(rng, 5.0, 8), rng)
    rows, half = len(session.sent), len(session.sent) // 2
    late = session.seen["time_s"].to_numpy(copy=True)
    late[half:] += rng.uniform(0.1, 0.4, rows - half).cumsum() + 0.3  # no clock at all
    seen = session.seen.assign(time_s=late)
    found = align(session.sent, seen)
    gap = found.unknown.astype({"first": int, "last": int}).to_dict("records")[-1]
    assert half - 100 < gap["first"] <= half and gap["last"] == rows - 1
    assert gap["words"] > 0.5 * (rows - half)
    assert found.measured[: gap["first"]].all()
    assert found.time_s[half:].isna().all()
    assert np.isinf(found.uncertainty_s[half:]).all()
    assert np.isnan(found.to_recording(session.sent["time_s"].iloc[half:])).all()
    said = f" From row {gap['first']} to row {rows - 1} of the log no clock fits the "
    assert said in found.verdict


def test_where_no_words_come_times_are_inferred() -> None:
    rng = np.random.default_rng(42)
    session = Recorded(imagery(rng, 5.0, 8), rng, kept=(0.0, 0.5))
    found = session.align()
    assert found.unknown.empty
    assert np.isfinite(found.time_s).all()


def test_a_word_far_out_beside_all_others_is_chance() -> None:
    """The log steps by 10 ms, so the tolerance is wide; a lost row's chance word is not near."""
    rng = np.random.default_rng(43)
    session = Recorded(imagery(rng, 5.0, 8), rng)
    session.sent["time_s"] = np.floor(session.sent["time_s"] / 0.0100144) * 0.0100144
    assert session.align().evidence.tolerance_s == pytest.approx(0.014, abs=0.001)
    for off_s, own in ((0.0075, True), (0.0105, False)):
        late = session.seen["time_s"].to_numpy(copy=True)
        expected_s = session.align().pairs["residual_s"].to_numpy()
        late[100] += off_s - expected_s[100]
        found = align(session.sent, session.seen.assign(time_s=late))
        assert (100 in found.pairs.loc[~found.pairs["placed"], "sent"].to_numpy()) == own


@pytest.mark.parametrize(("rows", "believed"), [(4, False), (5, True)])
def test_a_few_words_after_a_long_silence_prove_nothing(rows: int, believed: bool) -> None:
    """The clock may have been set in the silence, and the words be other rows' of their codes."""
    rng = np.random.default_rng(44)
    session = Recorded(imagery(rng, 5.0, 8), rng)
    kept = np.r_[0:rows, 200 : len(session.sent)]
    found = align(session.sent, session.seen.iloc[kept])
    assert found.measured[:rows].all() == believed
    assert found.measured[:rows].any() == believed
    assert found.measured[200:].all()


def test_in_a_numbered_stream_a_part_without_its_numbers_is_not_believed() -> None:
    """Every block begins with the same words: those of a later block are no jump of the clock."""
    rng, rows, time_s, number = np.random.default_rng(45), [], 100.0, 0
    for _ in range(6):
        for code in (48, 12, 3, 93, 41, 65, 76, 10, 51, 33, 34, 35):
            rows.append((time_s, code, -1))
            time_s += 0.08
        for _ in range(20):
            number += 1
            for code in (20, 21, 22):
                rows.append((time_s, code, number))
                time_s += rng.uniform(0.1, 0.9)
        time_s += 20.0
    sent = pd.DataFrame(rows, columns=["time_s", "code", "trial"])
    fifth, sixth = 4 * 72, 5 * 72
    seen = sent.iloc[np.r_[0:fifth, sixth : sixth + 12]].assign(time_s=lambda t: t["time_s"] + 500)
    found = align(sent.head(fifth + 18), seen.reset_index(drop=True))
    assert found.measured[: fifth - 1].all()
    assert not found.measured[fifth:].any()
    assert found.clock.jumps == 0
