from dataclasses import replace

import numpy as np
import pytest

from analysis.gather import Gathered, Session
from analysis.recording import Unit, Waveforms, collect_units
from analysis.unit_table import quality_table, unit_table
from analysis.viewing.quality import unit_quality, waveform_snr
from task.contract.errors import RecordingError

RNG = np.random.default_rng(1)
TRAINS = [np.sort(RNG.uniform(0, 600, n)) for n in (900, 300, 0)]
SHAPES = RNG.normal(size=(50, 32)) + 5 * np.sin(np.arange(32) / 5)


def units(snr=(3.0, np.nan, np.nan), read=lambda label: None):
    made = [
        Unit(f"A{n}_1", 1, train, n, quality={"snr": of})
        for n, (train, of) in enumerate(zip(TRAINS, snr, strict=True), start=1)
    ]
    return collect_units(made, read)


def session(name="day1", recording="p1", of=None):
    return Session(name, "p1", recording, units() if of is None else of, ())


def test_every_unit_has_the_quality_of_its_session():
    found, skipped = quality_table(Gathered((session(),)))
    span = TRAINS[0].min(), np.nextafter(TRAINS[0].max(), np.inf)
    span = (min(span[0], TRAINS[1].min()), max(span[1], np.nextafter(TRAINS[1].max(), np.inf)))
    expected = unit_quality(units(), span)
    for name in ("presence", "isi_below_3ms_percent", "drift_ratio", "rate_hz"):
        np.testing.assert_array_equal(found[name], expected[name])
    assert found["unit"].tolist() == ["p1/A1_1", "p1/A2_1", "p1/A3_1"]
    assert not skipped


def test_a_unit_of_two_sessions_has_one_row_with_the_quality_of_the_busier():
    fewer = replace(units(), spikes_s=tuple(train[: len(train) // 3] for train in TRAINS))
    gathered = Gathered((session("day1", of=fewer), session("day2")))
    quality, _ = quality_table(gathered)
    assert len(quality) == 5  # the silent unit is the same in both
    table = unit_table(gathered, quality).set_index("unit")
    assert table["spikes"].tolist() == [1200, 400, 0]
    busy = quality[quality["session"] == "day2"].set_index("unit")
    assert table.loc["p1/A1_1", "drift_ratio"] == busy.loc["p1/A1_1", "drift_ratio"]


def test_sessions_that_share_a_sorting_have_its_units_once():
    gathered = Gathered((session("day1"), session("day2")))
    quality, _ = quality_table(gathered)
    assert quality["session"].unique().tolist() == ["day1"]
    assert len(unit_table(gathered, quality)) == 3


def test_shapes_give_the_ratio_that_the_sorter_left_out():
    read = {"A2_1": Waveforms(SHAPES), "A3_1": Waveforms(SHAPES[:1])}.get
    found, _ = quality_table(Gathered((session(of=units(read=read)),)))
    assert found["shape_snr"].tolist() == pytest.approx(
        [np.nan, waveform_snr(SHAPES)[0], np.nan], nan_ok=True
    )
    assert found["snr"].tolist() == pytest.approx([3.0, np.nan, np.nan], nan_ok=True)


def test_of_several_wires_the_best_counts():
    wires = np.stack([0.1 * SHAPES, SHAPES], axis=1)
    wires[:, 0] += RNG.normal(size=(50, 32))
    found, _ = quality_table(Gathered((session(of=units(read={"A2_1": Waveforms(wires)}.get)),)))
    assert found["shape_snr"][1] == pytest.approx(waveform_snr(SHAPES)[0])


def test_shapes_that_cannot_be_read_are_listed():
    def read(label):
        if label == "A2_1":
            raise RecordingError("A2.ncs: damaged at byte 5")

    found, skipped = quality_table(Gathered((session(of=units(read=read)),)))
    assert [(s.what, s.why) for s in skipped] == [
        ("day1, shapes of A2_1", "A2.ncs: damaged at byte 5")
    ]
    assert len(found) == 3


def test_a_session_without_spikes_has_units_and_no_quality():
    silent = replace(units(), spikes_s=(np.empty(0),) * 3)
    gathered = Gathered((session(of=silent),))
    quality, _ = quality_table(gathered)
    assert quality.empty
    table = unit_table(gathered, quality)
    assert table["spikes"].tolist() == [0, 0, 0]
