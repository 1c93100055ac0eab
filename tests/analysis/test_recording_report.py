"""What is said of a recording before it is analysed."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from typer.testing import CliRunner

from analysis.recording_report import report_recording
from analysis.synthetic.neuralynx import EventFile
from task.cli import app
from task.contract.errors import RecordingError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with EventFile(tmp_path / "Events.nev") as file:
        file.start_recording(0.5)
        file.append([(1.0, 20), (1.01, 0), (2.0, 23), (2.01, 0), (3.0, 20)])
    spikes = np.array([[1, 7, 1e6, 0], [1, 7, 2e6, 0], [2, 9, 3e6, 0]])
    savemat(tmp_path / "A3_cells.mat", {"spikes": spikes})
    savemat(tmp_path / "brainArea.mat", {"brainArea": np.array([[3, 1, 7, 13]])})
    (tmp_path / "light.csv").write_text("time_s,value\n0,1\n0.001,2\n0.002,1\n")
    return tmp_path


def test_every_part_has_its_sentence(folder: Path) -> None:
    rows, document = report_recording(folder)
    assert [(row.light, row.what, row.said) for row in rows] == [
        (
            "green",
            "events",
            "board 0 port 0 input: 3 words from 1.000 to 3.000 s: 20 (2x), 23 (1x)",
        ),
        ("green", "units", "2 units, 3 spikes; 2 not said"),
        ("green", "analog", "1 file: light"),
        ("green", "chosen", f"units of OSort: {folder.name}"),
    ]
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["events"][0]["codes"] == {"20": 2, "23": 1}
    assert [unit["spikes"] for unit in document["units"]] == [2, 1]
    assert document["analog"] == [{"file": "light.csv", "channels": ["light"]}]


def test_a_damaged_file_is_red_and_the_rest_is_read(folder: Path) -> None:
    events = (folder / "Events.nev").read_bytes()
    (folder / "Events.nev").write_bytes(events[:-7])
    rows, _ = report_recording(folder)
    assert [row.light for row in rows[:2]] == ["red", "green"]
    result = CliRunner().invoke(app, ["recording", str(folder)])
    assert result.exit_code == 2
    assert "2 units, 3 spikes" in result.output


def test_an_empty_folder_says_what_is_missing(tmp_path: Path) -> None:
    rows, _ = report_recording(tmp_path)
    assert [(row.light, row.what) for row in rows] == [
        ("yellow", "events"),
        ("yellow", "units"),
        ("green", "analog"),
    ]


def test_the_command_prints_json(folder: Path) -> None:
    result = CliRunner().invoke(app, ["recording", str(folder), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.output)["recording"] == folder.name


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError) as refused:
        report_recording(tmp_path / "absent")
    assert str(refused.value) == (
        f"{tmp_path / 'absent'}: cannot be read: No such file or directory"
    )
