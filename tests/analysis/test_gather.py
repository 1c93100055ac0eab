"""A session of ours and its recording brought together as the study decides."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

import analysis.gather
from analysis.gather import Session, gather
from analysis.recording import Unit, Units, collect_units
from analysis.study import Study, StudyFile
from analysis.synthetic.clock import Clock
from task.contract.codes import Code
from task.contract.errors import RecordingError, UserError
from task.contract.settings import Settings
from tests.analysis.hand_made import plan_of, whole_session
from tests.analysis.lab import SESSION, Lab, write_ncs

UNITS = {"spikes": np.array([[1, 1, 510e6, 0], [1, 1, 511e6, 0]])}


@pytest.fixture
def lab() -> Lab:
    return Lab(clock=Clock(offset_s=500.0, drift_ppm=30.0))


@pytest.fixture
def recorded(lab: Lab, tmp_path: Path) -> Path:
    """A folder with a session, and its recording with units and the photodiode's channel."""
    lab.made.write(tmp_path / "session")
    lab.record(tmp_path / "recording")
    savemat(tmp_path / "recording" / "A1_cells.mat", UNITS)
    write_ncs(tmp_path / "recording" / "CSC97.ncs", *lab.light())
    return tmp_path


def gathered(folder: Path, **decided: Any) -> Session:
    """The session, as a study with these decisions has it."""
    study = study_of(folder, **decided)
    return gather(study).sessions[0]


def study_of(folder: Path, **decided: Any) -> StudyFile:
    values = {
        "schema": 1,
        "name": "a session",
        "features": {"file": "none.npz"},
        "session": [{"log": "session", "recording": "recording", **decided}],
    }
    study = Study.model_validate_json(json.dumps(values))
    return StudyFile(Settings(folder / "study.toml", values, {}), study)


def test_onsets_are_when_codes_were_unless_light_is_asked_for(lab: Lab, recorded: Path) -> None:
    by_code = gathered(recorded).runs[0]
    by_light = gathered(recorded, photodiode="CSC97.ncs").runs[0]
    late_s = (by_light.trials["onset_s"] - by_code.trials["onset_s"]).to_numpy()
    lit = np.array([state for _, state in lab.made.patch])
    assert by_light.trials["measured"].all()
    assert set(np.round(late_s, 3)) <= {lab.rise_s, lab.fall_s}
    assert np.ptp(lit) == 1
    assert by_code.alignment.light is None
    assert by_light.alignment.light is not None
    assert by_light.alignment.light.missed == 0
    assert "Screen changes are when light came: " in by_light.alignment.verdict


@pytest.mark.parametrize("named", ["CSC97.ncs", "CSC97", "CSC97.ncs:CSC97"])
def test_the_photodiode_is_named_by_file_or_channel(recorded: Path, named: str) -> None:
    assert gathered(recorded, photodiode=named).runs[0].alignment.light is not None


def test_a_photodiode_that_is_not_there_is_refused(recorded: Path) -> None:
    with pytest.raises(RecordingError) as refused:
        gathered(recorded, photodiode="CSC98")
    assert str(refused.value) == (
        f"{recorded / 'recording'}: no file has an analog channel 'CSC98'; there are CSC97"
    )


def test_a_change_without_light_is_inferred(lab: Lab, recorded: Path) -> None:
    write_ncs(recorded / "recording" / "CSC97.ncs", *lab.light(without=(4, 5)))
    run = gathered(recorded, photodiode="CSC97").runs[0]
    assert (~run.trials["measured"]).sum() in (1, 2)
    assert run.alignment.light is not None and run.alignment.light.missed == 2


def test_units_may_lie_elsewhere(recorded: Path) -> None:
    (recorded / "sorted").mkdir()
    savemat(recorded / "sorted" / "A5_cells.mat", UNITS)
    session = gathered(recorded, units="sorted")
    assert session.units.table.index.tolist() == ["A5_1"]


def test_units_of_another_clock_are_left_out(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recorder that was restarted: times before and after have nothing to do with each other."""
    events = analysis.gather.read_events(recorded / "recording")
    before = events.head(20).assign(clock=1)
    both = pd.concat([before, events.assign(clock=2)], ignore_index=True)
    units = collect_units(
        Unit(f"chan1_1 clock {clock}", 1, [510.0 + clock], 1, quality={"clock": clock})
        for clock in (1, 2)
    )
    monkeypatch.setattr(analysis.gather, "read_events", lambda path: both)
    monkeypatch.setattr(analysis.gather, "read_units", lambda path, **more: units)
    session = gathered(recorded)
    assert isinstance(session.units, Units)
    assert session.units.table.index.tolist() == ["chan1_1 clock 2"]
    assert session.units.spikes_s[0].tolist() == [512.0]
    assert (session.runs[0].alignment.pairs["seen"] >= 20).all()


def test_a_session_in_two_files_of_its_recorder_is_found_whole(lab: Lab, recorded: Path) -> None:
    half = len(lab.codes) // 2
    (recorded / "recording" / "Events.nev").unlink()
    for name, codes in (("Events", lab.codes[:half]), ("Events_0001", lab.codes[half:])):
        part = lab.record(recorded / name, codes) / "Events.nev"
        part.rename(recorded / "recording" / f"{name}.nev")
    found = gathered(recorded).runs[0].alignment
    assert found.measured.mean() > 0.99


def test_trials_while_the_recorder_was_off_are_left_out_and_said(lab: Lab, tmp_path: Path) -> None:
    """A hole in the recording: no spike there is no silence."""
    lab = Lab(made=whole_session(plan=plan_of(*[SESSION[0] * 16] * 3), lit=True))
    lab.made.write(tmp_path / "session")
    times_s = [t for t, _ in lab.codes]
    middle_s = (times_s[0] + times_s[-1]) / 2
    heard = [(t, v) for t, v in lab.codes if abs(t - middle_s) > 20]
    lab.record(tmp_path / "recording", heard)
    savemat(tmp_path / "recording" / "A1_cells.mat", UNITS)
    study = study_of(tmp_path)
    found = gather(study)
    trials = found.sessions[0].runs[0].trials
    onset_s = trials["onset_s"].to_numpy() - lab.clock.offset_s
    assert not (np.abs(onset_s - middle_s) < 19.9).any()
    lost = sum(abs(t - middle_s) <= 20 for t, v in lab.codes if v == int(Code.IMAGE_ON))
    assert lost > 30
    assert f"{lost} trials were not recorded" in [skipped.why for skipped in found.skipped]


def test_what_the_study_decides_reaches_the_alignment(recorded: Path) -> None:
    with pytest.raises(UserError, match="has no port 'serial'"):
        gathered(recorded, port="serial")
    with pytest.raises(UserError, match="on the best clock|holds no words|no minute"):
        gathered(recorded, between_s=[0, 505.0])
