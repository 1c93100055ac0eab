"""`loopback`: codes against a simulated recorder, light against a photodiode's made-up trace."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile

from analysis.lights import Row
from analysis.loopback import Loopback, evaluate
from analysis.readers.neuralynx_csc import SAMPLES
from analysis.synthetic.clock import Clock
from analysis.synthetic.neuralynx import EventFile
from task.contract.errors import AnalysisError, RecordingError, UserError
from task.contract.lights import Light
from tests.analysis.hand_made import plan_of, view, whole_session
from tests.analysis.lab import PULSE_S, RATE_HZ, SESSION, Lab, write_ncs


@pytest.fixture
def lab() -> Lab:
    return Lab()


def evaluated(lab: Lab, folder: Path, threshold: str = "auto", **light: object) -> Loopback:
    """A lab's session, its recording and its photodiode."""
    trace = write_ncs(folder / "CSC1.ncs", *lab.light(**light))  # type: ignore[arg-type]
    session = lab.made.write(folder / "session")
    return evaluate(session, lab.record(folder / "recording"), trace, threshold)


def row(found: Loopback, what: str) -> Row:
    return next(row for row in found.rows if row.what == what)


def not_green(found: Loopback) -> set[str]:
    return {row.what for row in found.rows if row.light is not Light.GREEN}


# Codes -------------------------------------------------------------------------------------------


def test_a_clean_loop_is_green(lab: Lab, tmp_path: Path) -> None:
    found = evaluate(lab.made.write(tmp_path / "session"), lab.record(tmp_path / "recording"))
    assert found.light is Light.GREEN
    assert [(r.what, r.said) for r in found.rows] == [
        ("codes", "180 of 180 codes are in the recording"),
        ("unexpected", "none"),
        ("clock", "the recorder's clock runs +30.0 ppm against the presenter's"),
        (
            "jitter",
            "recorded against logged flip: SD 0.000 ms; 1 % -0.000, 50 % +0.000, 99 % +0.000 ms",
        ),
        ("lines", "all eight arrived, each alone"),
        ("pulses", "codes stand 8.00 ms (8.00 to 8.00); rests of at least 25.33 ms"),
    ]
    assert found.rig_line == ""
    json.dumps(found.document, allow_nan=False)


def test_jitter_is_measured(tmp_path: Path) -> None:
    lab = Lab(clock=Clock(500.0, 30.0, 0.0003, "normal"))
    found = evaluate(lab.made.write(tmp_path / "session"), lab.record(tmp_path / "recording"))
    jitter = found.numbers["jitter_s"]
    assert jitter["sd"] == pytest.approx(0.0003, rel=0.2)
    assert jitter["p99"] == pytest.approx(2.33 * 0.0003, rel=0.3)
    assert jitter["p1"] == pytest.approx(-2.33 * 0.0003, rel=0.3)
    assert row(found, "jitter").light is Light.GREEN


def test_much_jitter_is_yellow(tmp_path: Path) -> None:
    lab = Lab(clock=Clock(500.0, 30.0, 0.0006, "normal"))
    found = evaluate(lab.made.write(tmp_path / "session"), lab.record(tmp_path / "recording"))
    assert not_green(found) == {"jitter"}


def test_lost_and_unexpected_codes_are_named(lab: Lab, tmp_path: Path) -> None:
    codes = lab.codes
    lost = [n for n, (_, value) in enumerate(codes) if value == 20][3:5]
    heard = [c for n, c in enumerate(codes) if n not in lost]
    heard = sorted([*heard, (codes[60][0] + 0.015, 77)])
    recording = lab.record(tmp_path / "recording", heard)
    found = evaluate(lab.made.write(tmp_path / "session"), recording)
    assert row(found, "codes") == Row(
        Light.RED, "codes", "178 of 180 codes are in the recording; lost: 20 (twice)"
    )
    assert row(found, "unexpected") == Row(
        Light.YELLOW, "unexpected", "1 code that nobody sent: 77"
    )
    assert found.numbers["codes"]["lost_by_code"] == {"20": 2}


def test_a_dead_line_is_named(lab: Lab, tmp_path: Path) -> None:
    heard = [(t, v & ~16) for t, v in lab.codes if v & ~16]
    recording = lab.record(tmp_path / "recording", heard)
    found = evaluate(lab.made.write(tmp_path / "session"), recording)
    said = "the sweep arrived without 16 (line 4): dead line, or a sweep too fast"
    assert row(found, "lines") == Row(Light.RED, "lines", said)
    assert row(found, "changed").light is Light.RED
    assert [20, 4, 24] in found.numbers["codes"]["replaced"]


def test_codes_that_join_are_red(lab: Lab, tmp_path: Path) -> None:
    session = lab.made.write(tmp_path / "session")
    recording = tmp_path / "recording"
    recording.mkdir()
    with EventFile(recording / "Events.nev") as events:
        events.start_recording(500)
        changes = [c for t, v in lab.codes for c in ((t, v), (t + PULSE_S, 0))]
        del changes[41]
        events.append([(500 + t, v) for t, v in changes])
    found = evaluate(session, recording)
    assert row(found, "pulses").light is Light.RED
    assert "one code followed another without a rest once" in row(found, "pulses").said


def test_a_recording_of_something_else_is_red_and_says_so(lab: Lab, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    codes = [(100 + 0.3 * n, int(v)) for n, v in enumerate(rng.integers(1, 127, 200))]
    recording = lab.record(tmp_path / "recording", codes)
    found = evaluate(lab.made.write(tmp_path / "session"), recording)
    assert found.light is Light.RED
    assert found.rows[0].said.startswith("log and recording cannot be aligned: ")


# Light -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "light",
    [
        {},
        {"noise": 0.03},
        {"ripple": 0.2, "noise": 0.03},
        {"ripple": 0.2, "flicker_hz": 120.0},
        {"ripple": 0.2, "flicker_hz": 1000.0, "noise": 0.02},
        {"low": 6000.0, "high": -2000.0, "ripple": 0.2, "noise": 0.03},
    ],
    ids=["clean", "noise", "ripple", "slow ripple", "fast ripple", "inverted"],
)
def test_latency_of_light_is_found_within_a_fifth_of_a_millisecond(
    light: dict[str, float], tmp_path: Path
) -> None:
    lab = Lab(jitter_s=0.0001)
    found = evaluated(lab, tmp_path, **light)
    latency = found.numbers["latency_s"]
    assert latency["to_lit"]["median_s"] == pytest.approx(0.005, abs=0.0002)
    assert latency["to_unlit"]["median_s"] == pytest.approx(0.007, abs=0.0002)
    for which in ("to_lit", "to_unlit"):
        assert latency[which]["n"] == 24
        assert latency[which]["sd_s"] == pytest.approx(0.0001, abs=0.0001)
    seen = found.numbers["light"]
    assert (seen["missed"], seen["extra"], seen["wrong_way"]) == (0, 0, 0)
    assert seen["inverted"] is (light.get("low", 0) > 0)
    assert not_green(found) == ({"polarity"} if seen["inverted"] else set())


def test_a_backlight_that_is_switched_is_met_with_a_warning(tmp_path: Path) -> None:
    found = evaluated(Lab(), tmp_path, ripple=1, flicker_hz=1000.0)
    latency = found.numbers["latency_s"]
    assert latency["to_lit"]["median_s"] == pytest.approx(0.005, abs=0.0005)
    assert latency["to_unlit"]["median_s"] == pytest.approx(0.007, abs=0.0006)
    assert row(found, "trace").light is Light.YELLOW
    assert row(found, "trace").said.endswith(
        "the backlight is dimmed by switching: set it to full brightness"
    )


def test_a_clean_trace_says_what_to_put_into_the_rig_file(tmp_path: Path) -> None:
    found = evaluated(Lab(fall_s=0.005), tmp_path)
    assert found.light is Light.GREEN
    assert found.rig_line.startswith("# photodiode_s = [0.00")
    assert found.rig_line.endswith("]  # median, 5 %, 95 %; measured 2026-03-14, n = 48")
    values = json.loads(found.rig_line.split("=")[1].split("#")[0])
    np.testing.assert_allclose(values, 0.005, atol=0.0002)
    assert row(found, "latency").said.endswith(": usual for Linux and Windows at 60 Hz")
    assert row(found, "light").said == "48 of 48 screen changes have their light; 0 missed, 0 extra"


def test_missed_and_extra_light_is_counted_and_red(tmp_path: Path) -> None:
    lab = Lab()
    flash_s = (
        lab.made.patch[10][0] + 0.17
    )  # where the patch is dark, or lit: it is seen in the dark
    lit = lab.made.patch[10][1]
    extra = flash_s if not lit else lab.made.patch[11][0] + 0.05
    found = evaluated(lab, tmp_path, without=(4, 5), more=(extra,))
    seen = found.numbers["light"]
    assert (seen["missed"], seen["extra"], seen["wrong_way"]) == (2, 2, 0)
    at_s = lab.clock.reading_s(np.array([lab.made.patch[n][0] for n in (4, 5)]))
    np.testing.assert_allclose(seen["missed_at_s"], at_s, atol=1e-3)
    assert row(found, "light") == Row(
        Light.RED, "light", "46 of 48 screen changes have their light; 2 missed, 2 extra"
    )


def test_a_patch_that_the_log_has_the_wrong_way_is_red(tmp_path: Path) -> None:
    lab = Lab()
    at = [n for n, e in enumerate(lab.made.events) if e.name == "IMAGE_ON"][5]
    lab.made.change(at, lit=1 - lab.made.events[at].detail["lit"])
    found = evaluated(lab, tmp_path)
    said = "1 change the other way than the log says"
    assert row(found, "polarity") == Row(Light.RED, "polarity", said)


def test_the_patch_going_dark_between_blocks_is_nothing_extra(tmp_path: Path) -> None:
    odd = [view("dog"), *[view("cup")] * 7]
    odd[0] = {**odd[0], "steps": odd[0]["steps"][:1]}  # one change fewer: it ends lit
    lab = Lab(whole_session(plan=plan_of(odd, odd), lit=True))
    found = evaluated(lab, tmp_path)
    assert (found.numbers["light"]["dimmed"], found.numbers["light"]["extra"]) == (2, 0)
    assert row(found, "light").light is Light.GREEN


@pytest.mark.parametrize(
    ("latency_s", "light", "said"),
    [
        (0.0071, "green", "usual for Linux and Windows at 60 Hz"),
        (0.0190, "yellow", "the display keeps a frame or two back; see that it stays"),
        (0.0010, "yellow", "sooner than usual; is the patch at the top?"),
        (
            0.0600,
            "yellow",
            "later than any display that was measured; look at cable, box and display before a"
            " patient comes",
        ),
        (
            -0.0050,
            "yellow",
            "light before its code; look at cable, box and display before a patient comes",
        ),
    ],
)
def test_an_unusual_latency_is_told(
    latency_s: float, light: str, said: str, tmp_path: Path
) -> None:
    found = evaluated(Lab(rise_s=latency_s, fall_s=latency_s), tmp_path)
    assert row(found, "latency").light.value == light
    assert row(found, "latency").said.endswith(said)
    assert found.numbers["latency_s"]["to_lit"]["median_s"] == pytest.approx(latency_s, abs=2e-4)


def test_scatter_beyond_that_of_known_presenters_is_yellow(tmp_path: Path) -> None:
    found = evaluated(Lab(fall_s=0.005, jitter_s=0.0015), tmp_path)
    assert not_green(found) == {"to lit", "to unlit"}


def test_a_threshold_moves_where_an_edge_is_timed(lab: Lab, tmp_path: Path) -> None:
    found = evaluated(lab, tmp_path, threshold="4000")
    assert found.numbers["trace"]["threshold"] == 4000
    with pytest.raises(AnalysisError) as error:
        evaluate(tmp_path / "session", tmp_path / "recording", tmp_path / "CSC1.ncs", "9000")
    assert str(error.value) == ("the threshold 9000 does not lie between the levels -2000 and 6000")
    with pytest.raises(UserError) as wrong:
        evaluate(tmp_path / "session", tmp_path / "recording", None, "half")
    assert str(wrong.value) == "threshold 'half': give a number, or auto"


def test_a_gap_in_the_trace_leaves_its_changes_out(lab: Lab, tmp_path: Path) -> None:
    times_s, values = lab.light()
    kept = np.ones(len(times_s), bool)
    kept[40 * SAMPLES : 60 * SAMPLES] = False
    trace = write_ncs(tmp_path / "CSC1.ncs", times_s[kept], values[kept])
    session = lab.made.write(tmp_path / "session")
    found = evaluate(session, lab.record(tmp_path / "recording"), trace)
    outside = found.numbers["trace"]["onsets_outside"]
    assert outside >= 3
    assert row(found, "trace").said.endswith(f"1 gap; {outside} screen changes outside it")
    assert found.numbers["light"]["missed"] == 0
    assert found.numbers["latency_s"]["to_lit"]["median_s"] == pytest.approx(0.005, abs=2e-4)


def test_a_trace_without_two_levels_is_refused(lab: Lab, tmp_path: Path) -> None:
    times_s, values = lab.light()
    noise = lab.rng.standard_normal(len(values)) * 100
    trace = write_ncs(tmp_path / "CSC1.ncs", times_s, noise)
    session, recording = lab.made.write(tmp_path / "session"), lab.record(tmp_path / "recording")
    with pytest.raises(AnalysisError, match=r"^the trace has no two levels .*: is the sensor on"):
        evaluate(session, recording, trace)


def test_a_session_without_a_patch_is_refused(tmp_path: Path) -> None:
    lab = Lab(whole_session(plan=plan_of(*SESSION)))
    trace = write_ncs(tmp_path / "CSC1.ncs", *Lab().light())
    session, recording = lab.made.write(tmp_path / "session"), lab.record(tmp_path / "recording")
    with pytest.raises(AnalysisError) as error:
        evaluate(session, recording, trace)
    assert str(error.value) == (
        "the log tells of no patch: put `sync_patch` into the rig file and record a session"
    )


def test_a_trace_of_another_time_is_refused(lab: Lab, tmp_path: Path) -> None:
    times_s, values = lab.light()
    trace = write_ncs(tmp_path / "CSC1.ncs", times_s + 1000, values)
    session, recording = lab.made.write(tmp_path / "session"), lab.record(tmp_path / "recording")
    with pytest.raises(AnalysisError, match="does not cover a single screen change"):
        evaluate(session, recording, trace)


def test_a_table_will_do_as_well(tmp_path: Path) -> None:
    lab = Lab(fall_s=0.005)
    times_s, values = lab.light(rate_hz=2000)
    path = tmp_path / "light.csv"
    pd.DataFrame({"time_s": times_s, "value": values}).to_csv(path, index=False)
    session, recording = lab.made.write(tmp_path / "session"), lab.record(tmp_path / "recording")
    found = evaluate(session, recording, path)
    assert found.numbers["latency_s"]["to_lit"]["median_s"] == pytest.approx(0.005, abs=3e-4)


def test_a_sound_file_tells_scatter_and_no_latency(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    plan = plan_of(*[[view("dog") for _ in range(6)] for _ in range(4)])
    for block in plan["blocks"]:
        for shown in block["trials"]:  # a rhythm that can be found again
            shown["steps"][1] = {**shown["steps"][1], "frames": int(rng.integers(8, 40))}
    lab = Lab(whole_session(plan=plan, lit=True), jitter_s=0.0002)
    times_s, values = lab.light()
    path = tmp_path / "light.wav"
    wavfile.write(path, RATE_HZ, values.astype(np.int16))
    session, recording = lab.made.write(tmp_path / "session"), lab.record(tmp_path / "recording")
    found = evaluate(session, recording, path)
    assert found.rig_line == ""
    assert row(found, "latency").light is Light.YELLOW
    assert set(found.numbers["latency_s"]["to_lit"]) == {"n", "sd_s"}
    assert found.numbers["latency_s"]["to_lit"]["sd_s"] == pytest.approx(0.0002, abs=0.0001)


def test_a_damaged_trace_is_refused(lab: Lab, tmp_path: Path) -> None:
    session, recording = lab.made.write(tmp_path / "session"), lab.record(tmp_path / "recording")
    with pytest.raises(RecordingError):
        evaluate(session, recording, tmp_path / "nothing.ncs")
