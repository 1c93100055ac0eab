import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.readers import nwb_series
from analysis.readers.nwb import read_events, recognises
from task.contract.errors import RecordingError
from tests.analysis.readers import nwb_written as nwb

TIMES_S = [1.5, 2.25, 2.125, 7.0]


def refusal(path: Path) -> str:
    with pytest.raises(RecordingError) as refused:
        read_events(path)
    return str(refused.value)


@pytest.fixture(scope="module")
def written_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nwb") / "any.nwb"
    return nwb.write(path, nwb.series("events", np.array([1, 2]), timestamps=[1.0, 2.0]))


def codes_by_port(events: pd.DataFrame) -> dict[str, list[int]]:
    return {port: part["code"].tolist() for port, part in events.groupby("port", sort=False)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "any.nwb"


# Real files --------------------------------------------------------------------------------------


def test_events_of_the_extension_that_became_the_standard_are_read(
    shared_data: Callable[[str], Path],
) -> None:
    folder = shared_data("nwb_small")
    name = "ndx_events_test_events.nwb"
    expected = json.loads((folder / "expected.json").read_bytes())["files"][name]
    events = read_events(folder / name)
    assert events[["code", "time_s"]].to_numpy().tolist() == expected["ttl_events"]
    assert {*events["port"]} == {"ttl_events"}
    assert {*events["code"]} <= {*expected["defined_codes"]}


def test_edges_of_real_signals_are_events_where_nothing_else_is(
    shared_data: Callable[[str], Path],
) -> None:
    folder = shared_data("nwb_small")
    name = "neuroconv_mock_ttl_examples.nwb"
    expected = json.loads((folder / "expected.json").read_bytes())["files"][name]["series"]
    events = read_events(folder / name)
    assert {*events["port"]} == {*expected} and len(expected) == 9
    for port, told in expected.items():
        mine = events[events["port"] == port]
        rising_s = mine.loc[mine["code"] == 1, "time_s"]
        assert rising_s.tolist() == pytest.approx(told["rising_at_s"], abs=1e-9)
        assert len(rising_s) == told["rising_edges"]
        assert (mine["code"] == 0).sum() == told["falling_edges"]


def test_a_real_file_without_events_says_so(shared_data: Callable[[str], Path]) -> None:
    path = shared_data("nwb_small") / "A8604-211122.nwb"
    assert refusal(path) == (
        f"{path}: holds no events: no table of events, no series of codes with times, no signal of"
        " two levels"
    )


# Tables of events --------------------------------------------------------------------------------


def test_a_table_of_events_is_a_port_and_keeps_its_order(path: Path) -> None:
    nwb.write(path, nwb.events_table("port_1", TIMES_S, value=[20, 0, 21, 0xFFFF]))
    events = read_events(path)
    assert list(events) == ["time_s", "code", "port"]
    assert events["time_s"].tolist() == TIMES_S
    assert events["code"].tolist() == [20, 0, 21, 0xFFFF]
    assert {*events["port"]} == {"port_1"}
    assert (events["time_s"].dtype, events["code"].dtype) == (np.float64, np.int64)


def test_tables_of_events_stay_apart(path: Path) -> None:
    first = nwb.events_table("port_1", [1.0, 2.0], ttl=[5, 0])
    second = nwb.events_table("port_2", [1.0, 2.0], ttl_code=[5, 6])
    events = read_events(nwb.write(path, first, second))
    assert codes_by_port(events) == {"port_1": [5, 0], "port_2": [5, 6]}


def test_several_columns_of_codes_are_a_port_each(path: Path) -> None:
    table = nwb.events_table("edges", [1.0, 2.0], full_word=[5, 4], ttl=[1, 0], edge=["up", "down"])
    events = read_events(nwb.write(path, table))
    assert codes_by_port(events) == {"edges.full_word": [5, 4], "edges.ttl": [1, 0]}
    assert events["time_s"].tolist() == [1.0, 2.0, 1.0, 2.0]


def test_a_number_that_is_called_no_code_is_none_where_there_are_codes(path: Path) -> None:
    shown = nwb.events_table("shown", [1.0, 2.0], image_index=[3, 4], duration=[0.5, 0.5])
    sent = nwb.events_table("sent", [1.0, 2.0], code=[20, 21], trial=[7, 8])
    assert codes_by_port(read_events(nwb.write(path, shown, sent))) == {"sent": [20, 21]}
    other = nwb.write(path.with_name("b.nwb"), shown)
    assert codes_by_port(read_events(other)) == {"shown": [3, 4]}


def test_a_table_with_times_alone_is_one_kind_of_event(path: Path) -> None:
    line = nwb.events_table("DIGITAL-IN-01", [1.0, 2.0], duration=[0.5, np.nan])
    silent = nwb.events_table("DIGITAL-IN-02", [])
    events = read_events(nwb.write(path, line, silent))
    assert codes_by_port(events) == {"DIGITAL-IN-01": [1, 1]}


def test_texts_in_a_table_are_codes_where_they_are_numbers(path: Path) -> None:
    texts = ["20", "patient moved", " 0x15 ", "3.0"]
    table = nwb.events_table("events", TIMES_S, annotation=texts)
    events = read_events(nwb.write(path, table))
    assert events[["time_s", "code"]].to_numpy().tolist() == [[1.5, 20], [2.125, 21], [7.0, 3]]


# Series ------------------------------------------------------------------------------------------


def test_annotations_are_codes_with_their_runs(path: Path) -> None:
    codes = nwb.annotations("events", ["61", "1", "0x14", "66"], TIMES_S)
    runs = nwb.series("experiment_ids", np.array([80, 80, 81, 81]), timestamps=TIMES_S)
    events = read_events(nwb.write(path, codes, runs))
    assert list(events) == ["time_s", "code", "port", "run"]
    assert events["code"].tolist() == [61, 1, 20, 66]
    assert events["run"].tolist() == [80, 80, 81, 81]
    assert {*events["port"]} == {"events"}


def test_notes_between_annotations_are_no_codes_and_their_runs_are_left_out(path: Path) -> None:
    codes = nwb.annotations("events", ["note", "1", "2", "note"], TIMES_S)
    runs = nwb.series("experiment_ids", np.array([1, 2, 3, 4]), timestamps=TIMES_S)
    events = read_events(nwb.write(path, codes, runs))
    assert events[["time_s", "code", "run"]].to_numpy().tolist() == [[2.25, 1, 2], [2.125, 2, 3]]


def test_notes_alone_are_no_events(path: Path) -> None:
    nwb.write(path, nwb.annotations("notes", ["start", "1st image", "a20"], [1.0, 2.0, 3.0]))
    assert refusal(path).endswith("; the texts of notes are no codes")


@pytest.mark.parametrize("kind", ["int16", "uint8", "int64", "float64"])
def test_a_series_of_words_with_times_is_a_port(path: Path, kind: str) -> None:
    ttl = nwb.series("events_ttl", np.array([20, 0, 21, 127], kind), timestamps=TIMES_S)
    frames = nwb.series("movieframe_time", np.arange(4), timestamps=TIMES_S)
    events = read_events(nwb.write(path, ttl, frames))
    assert codes_by_port(events) == {"events_ttl": [20, 0, 21, 127]}
    assert events["time_s"].tolist() == TIMES_S


def test_words_that_nothing_calls_codes_are_ports_where_nothing_else_is(path: Path) -> None:
    first = nwb.series("box", np.array([20, 21]), timestamps=[1.0, 2.0])
    second = nwb.series("other", np.array([7, 8]), timestamps=[1.0, 2.0])
    events = read_events(nwb.write(path, first, second))
    assert codes_by_port(events) == {"box": [20, 21], "other": [7, 8]}


def test_words_of_16_lines_that_were_kept_signed_are_put_right(path: Path) -> None:
    words = np.array([-32768, -1, 5], np.int16)
    events = read_events(nwb.write(path, nwb.series("ttl", words, timestamps=[1.0, 2.0, 3.0])))
    assert events["code"].tolist() == [0x8000, 0xFFFF, 5]


def test_words_of_8_lines_that_were_kept_signed_are_put_right(path: Path) -> None:
    words = np.array([-128, -1, 5], np.int8)
    events = read_events(nwb.write(path, nwb.series("ttl", words, timestamps=[1.0, 2.0, 3.0])))
    assert events["code"].tolist() == [0x80, 0xFF, 5]


def test_a_fast_stream_of_codes_at_even_times_is_no_signal(path: Path) -> None:
    times_s = np.arange(400) * 0.2
    nwb.write(path, nwb.series("events", np.tile([20, 21], 200), timestamps=times_s))
    assert read_events(path)["code"].tolist() == [20, 21] * 200


def test_behavioural_events_are_ports(path: Path) -> None:
    def fill(file: object) -> None:
        from pynwb import TimeSeries
        from pynwb.behavior import BehavioralEvents

        with pytest.warns(UserWarning, match="BehavioralEvents is deprecated"):
            box = BehavioralEvents(name="BehavioralEvents")
        box.add_timeseries(TimeSeries(name="ttl", data=[3, 4], timestamps=[1.0, 2.0], unit=""))
        module = file.create_processing_module("behavior", "what was done")  # type: ignore[attr-defined]
        module.add(box)

    assert codes_by_port(read_events(nwb.write(path, fill))) == {"ttl": [3, 4]}


def test_ports_of_the_same_name_are_told_apart_by_where_they_lie(path: Path) -> None:
    nwb.write(path, nwb.series("events", np.array([1, 2]), timestamps=[1.0, 2.0]))
    with h5py.File(path, "a") as file:
        file.copy("acquisition/events", file["analysis"], "events")
    assert codes_by_port(read_events(path)) == {
        "acquisition/events": [1, 2],
        "analysis/events": [1, 2],
    }


def test_times_that_two_series_share_are_found(path: Path) -> None:
    def fill(file: object) -> None:
        from pynwb import TimeSeries

        first = TimeSeries(name="ttl", data=[1, 2], timestamps=[1.0, 2.0], unit="")
        file.add_acquisition(first)  # type: ignore[attr-defined]
        linked = TimeSeries(name="ttl_b", data=[3, 4], timestamps=first, unit="")
        file.add_acquisition(linked)  # type: ignore[attr-defined]

    events = read_events(nwb.write(path, fill))
    assert codes_by_port(events) == {"ttl": [1, 2], "ttl_b": [3, 4]}
    assert events["time_s"].tolist() == [1.0, 2.0, 1.0, 2.0]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 0xFFFF)), min_size=1, max_size=40))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    written_once: Path,
    rows: list[tuple[int, int]],
) -> None:
    path = tmp_path_factory.mktemp("nwb") / "any.nwb"
    path.write_bytes(written_once.read_bytes())
    times_s = [time_us / 1e6 for time_us, _ in rows]
    words = np.array([code for _, code in rows], np.uint16)
    nwb.change(path, "acquisition/events/data", words)
    nwb.change(path, "acquisition/events/timestamps", times_s)
    events = read_events(path)
    assert events["time_s"].tolist() == times_s
    assert events["code"].tolist() == words.tolist()


# ndx-events 0.2 ----------------------------------------------------------------------------------


def test_pulses_of_the_older_extension_have_their_values(path: Path) -> None:
    nwb.labelled(
        nwb.write(path), "TTLs", "TTLs", np.array([3, 0, 3], np.uint8), ["", "a", "b", "c"]
    )
    assert codes_by_port(read_events(path)) == {"TTLs": [3, 0, 3]}


def test_labels_that_are_numbers_are_the_codes(path: Path) -> None:
    data = np.array([1, 0, 1], np.uint8)
    nwb.labelled(nwb.write(path), "LabeledEvents", "a", data, ["20", "21", "never"])
    nwb.labelled(path, "LabeledEvents", "b", data, ["XD0 ON", "XD0 OFF"])
    assert codes_by_port(read_events(path)) == {"a": [21, 20, 21], "b": [1, 0, 1]}


def test_a_label_that_is_not_there_is_refused(path: Path) -> None:
    nwb.labelled(nwb.write(path), "LabeledEvents", "a", np.array([0, 2]), ["20", "21"])
    assert refusal(path) == f"{path}: /acquisition/a/data names labels that are not there"


def test_rows_of_labels_are_laid_out_in_time(path: Path) -> None:
    nwb.write(path)
    with h5py.File(path, "a") as file:
        group = file["acquisition"].create_group("sent")
        group.attrs["neurodata_type"] = "AnnotatedEventsTable"
        group["id"] = [0, 1, 2]
        group["label"] = np.array(["20", "pause", "21"], h5py.string_dtype())
        group["event_times"] = [1.0, 5.0, 4.0, 2.0, 6.0]
        group["event_times_index"] = [2, 3, 5]
    events = read_events(path)
    assert events[["time_s", "code"]].to_numpy().tolist() == [[1, 20], [2, 21], [5, 20], [6, 21]]


# Signals -----------------------------------------------------------------------------------------


def pulses(rate_hz: float, seconds: float, high: float) -> np.ndarray:
    times_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.where((times_s % 1) >= 0.5, high, 0.0)


def test_an_edge_lies_at_the_first_sample_beyond_halfway(path: Path) -> None:
    data = [*[0] * 90, 1, 3, *[4] * 90, 2, *[0] * 17]
    nwb.write(path, nwb.series("line", np.tile(data, 30), rate=1000.0, starting_time=2.0))
    events = read_events(path)
    assert events["time_s"][:2].tolist() == [2.091, 2.182]
    assert events["code"].tolist() == [1, 0] * 30


def test_signals_are_not_events_where_there_are_words(path: Path) -> None:
    line = nwb.series("line", pulses(1000, 3, 5), rate=1000.0)
    words = nwb.series("box", np.array([20, 21]), timestamps=[1.0, 2.0])
    assert codes_by_port(read_events(nwb.write(path, line, words))) == {"box": [20, 21]}


def test_a_signal_with_times_of_its_own_has_edges_too(path: Path) -> None:
    data, times_s = pulses(1000, 3, 5), 10 + np.arange(3000) / 1000
    nwb.write(path, nwb.series("line", data, timestamps=times_s))
    events = read_events(path)
    assert events["time_s"].tolist() == times_s[[500, 1000, 1500, 2000, 2500]].tolist()
    assert events["code"].tolist() == [1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    "data",
    [
        np.sin(np.arange(5000) / 50),
        np.random.default_rng(0).normal(size=5000),
        np.arange(5000) % 100,
        np.zeros(5000),
        np.where(np.arange(5000) == 7, np.nan, pulses(1000, 5, 1)),
    ],
    ids=["sine", "noise", "ramp", "flat", "missing"],
)
def test_a_signal_without_two_levels_has_no_edges(path: Path, data: np.ndarray) -> None:
    nwb.write(path, nwb.series("lfp", data, rate=1000.0))
    assert "holds no events" in refusal(path)


# Refusals ----------------------------------------------------------------------------------------


def test_more_codes_than_times_are_refused(path: Path) -> None:
    nwb.write(path, nwb.series("events", np.array([1, 2, 3]), timestamps=[1.0, 2.0, 4.0]))
    nwb.change(path, "acquisition/events/timestamps", [1.0, 2.0])
    assert refusal(path) == f"{path}: /acquisition/events has 3 values, but 2 times"


def test_runs_that_belong_to_no_events_are_refused(path: Path) -> None:
    codes = nwb.series("events", np.array([1, 2, 3]), timestamps=[1.0, 2.0, 4.0])
    runs = nwb.series("experiment_ids", np.array([80, 80]), timestamps=[1.0, 2.0])
    assert refusal(nwb.write(path, codes, runs)) == (
        f"{path}: /acquisition/experiment_ids has the runs of 2 events, but no series of codes has"
        " as many at the same times"
    )


@pytest.mark.parametrize(("time", "said"), [(np.nan, "nan"), (1e300, "1e+300")])
def test_what_is_no_time_is_refused_with_its_row(path: Path, time: float, said: str) -> None:
    nwb.write(path, nwb.series("events", np.array([1, 2, 3]), timestamps=[1.0, time, 4.0]))
    assert refusal(path) == (
        f"{path}: /acquisition/events/timestamps: row 2 is {said}, which is no time in s from the"
        " start of a session"
    )


def test_a_code_that_no_lines_can_carry_is_refused(path: Path) -> None:
    nwb.write(path, nwb.series("events", np.array([1, -40_000]), timestamps=[1.0, 2.0]))
    assert refusal(path) == (
        f"{path}: /acquisition/events: -40000 (in place 2) is no word of 16 or 32 lines"
    )


def test_a_missing_code_is_refused(path: Path) -> None:
    nwb.write(path, nwb.series("events", np.array([1, np.nan]), timestamps=[1.0, 2.0]))
    assert refusal(path) == f"{path}: /acquisition/events: row 2 has no code"


def test_events_in_another_file_are_not_fetched(path: Path, tmp_path: Path) -> None:
    other = nwb.write(
        tmp_path / "b.nwb", nwb.series("events", np.array([1, 2]), timestamps=[1.0, 2.0])
    )
    nwb.write(path)
    with h5py.File(path, "a") as file:
        file["acquisition/events"] = h5py.ExternalLink(str(other), "/acquisition/events")
    assert refusal(path) == (
        f"{path}: /acquisition/events lies in another file ({other}), which is not opened; export"
        " the recording into one file"
    )


def test_an_nwb_file_is_known_by_its_name(tmp_path: Path) -> None:
    assert recognises(tmp_path / "a.NWB") and not recognises(tmp_path / "a.h5")


def test_edges_are_the_same_however_much_is_read_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nwb.write(path, nwb.series("line", pulses(100, 5, 5), rate=100.0))
    whole = read_events(path)
    for at_once in (1, 7, 50, 100):
        monkeypatch.setattr(nwb_series, "_AT_ONCE", at_once)
        pd.testing.assert_frame_equal(read_events(path), whole)
    assert whole["code"].tolist() == [1, 0, 1, 0, 1, 0, 1, 0, 1]
