"""A whole day in virtual time: simulate, analyze, select, simulate, analyze; and the real demo."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from analysis.readers import read_events, read_units
from task.contract.sessionlog import read_log
from task.places import PROTOCOLS, STIMULI


def imagery(*arguments, status=0):
    """Run a command as a user does; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "task", *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr + done.stdout
    return done.stdout if status == 0 else done.stderr


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """A morning and an afternoon of one simulated patient, analysed."""
    folder = tmp_path_factory.mktemp("day")
    (folder / "morning.toml").write_text(
        'schema = 1\nname = "morning"\n[pictures]\nper_group = 29\n[screening]\nrepeats = 3\n'
    )
    imagery("simulate", folder / "morning.toml", "--out", folder / "am", "--seed", 4)
    imagery("analyze", folder / "am/session", folder / "am/recording", "--out", folder / "am/found")
    imagery("select", folder / "am/found", "--n", 8, "--out", folder / "afternoon.toml")
    imagery("simulate", folder / "afternoon.toml", "--out", folder / "pm", "--seed", 4)
    (folder / "day.toml").write_text(
        f'schema = 1\nname = "day"\nstimuli = "{STIMULI / "objects"}"\n'
        'planted = "am/recording/planted.csv"\nsorted_together = true\n'
        '[[session]]\nlog = "am/session"\nrecording = "am/recording"\n'
        '[[session]]\nlog = "pm/session"\nrecording = "pm/recording"\n'
    )
    imagery("analyze", folder / "day.toml")
    return folder


@pytest.fixture(scope="module")
def report(day):
    return json.loads((day / "day_results/report.json").read_text(encoding="utf-8"))


def test_every_code_that_was_sent_is_found_in_the_recording(day, report):
    for half in ("am", "pm"):
        log = read_log(day / half / "session")
        sent = [event.code for event in log.events if event.code]
        events = read_events(day / half / "recording")
        assert events.loc[events["code"] != 0, "code"].tolist() == sent
    assert report["alignment_summary"]["share_matched"] == 1.0
    assert abs(report["alignment_summary"]["drift_ppm_median"] - 20.0) < 0.5


def test_planted_axes_are_found_again(report):
    found = report["planted"]
    assert found["axis_found_of_planted"]["share"] >= 0.7
    assert found["axis_found_of_others"]["share"] <= 0.3
    assert found["projection_r_median"] >= 0.6


def test_the_imagined_items_are_those_that_were_selected(day, report):
    plan = json.loads((day / "pm/session/plan.json").read_text(encoding="utf-8"))
    assert sorted(plan["picture_ids"]) == report["imagery"][0]["items"]
    assert report["imagery"][0]["trials"] == 64
    assert report["imagery"][0]["trials_per_item"] == [8, 8]


def test_the_page_and_every_table_are_there(day):
    results = day / "day_results"
    page = (results / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src=|url\(|@import |<link |<script src)["']?https?:""", page)
    assert 'src="data:' in page
    names = {path.stem for path in (results / "tables").glob("*.csv")}
    assert {"alignment", "axes", "imagery", "pictures", "trials", "units", "viewing"} <= names
    trials = pd.read_csv(results / "tables/trials.csv")
    assert (trials["kind"] == "view").sum() == 3 * 145


def test_the_same_seed_gives_the_same_day(day, tmp_path):
    imagery("simulate", day / "morning.toml", "--out", tmp_path / "again", "--seed", 4)
    header = 16_384  # which names the file
    first = (day / "am/recording/Events.nev").read_bytes()[header:]
    assert (tmp_path / "again/recording/Events.nev").read_bytes()[header:] == first
    trains = read_units(day / "am/recording").spikes_s
    for one, other in zip(trains, read_units(tmp_path / "again/recording").spikes_s, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_recording_of_another_session_is_refused_in_words(day):
    said = imagery(
        "analyze", day / "am/session", day / "pm/recording", "--out", day / "wrong", status=2
    )
    said = " ".join(said.split())
    assert said.startswith(f"{day / 'am/session'}, {day / 'pm/recording'}: log and recording")
    assert "log and recording cannot be aligned: " in said
    assert "Traceback" not in said
    assert not (day / "wrong").exists()


def short(folder, day, **changed):
    """The morning of the day copied into `folder`, with files replaced; what `analyze` left out."""
    shutil.copytree(day / "am/session", folder / "session")
    shutil.copytree(day / "am/recording", folder / "recording")
    for name, data in changed.items():
        (folder / name.replace("__", "/").replace("_dot_", ".")).write_bytes(data)
    imagery("analyze", folder / "session", folder / "recording", "--out", folder / "found")
    document = json.loads((folder / "found/report.json").read_text(encoding="utf-8"))
    return [skipped["why"] for skipped in document["skipped"]], document


def test_trials_after_the_end_of_the_recording_are_left_out_and_said(day, tmp_path):
    data = (day / "am/recording/Events.nev").read_bytes()
    records = (len(data) - 16_384) // 184
    half = data[: 16_384 + records // 2 * 184]
    left_out, document = short(tmp_path, day, recording__Events_dot_nev=half)
    [why] = [why for why in left_out if "trials were not recorded" in why]
    assert int(why.split()[0]) + document["viewing"][0]["presentations"] == 3 * 145


def test_a_log_that_was_cut_short_is_said(day, tmp_path):
    lines = (day / "am/session/session.jsonl").read_bytes().splitlines(keepends=True)
    cut = b"".join(lines[: len(lines) // 2])
    left_out, _ = short(tmp_path, day, session__session_dot_jsonl=cut)
    [why] = [why for why in left_out if "cut short" in why]
    assert "more of its codes are in the recording" in why


def test_a_session_named_twice_is_refused(day):
    text = (day / "day.toml").read_text()
    twice = text + '[[session]]\nlog = "am/session"\nrecording = "am/recording"\n'
    (day / "twice.toml").write_text(twice)
    said = imagery("analyze", day / "twice.toml", status=2).rstrip()
    assert said.endswith(f"{day / 'twice.toml'}:13: session[3].log: is the log of am/session again")


def test_another_picture_set_than_the_one_shown_is_refused(day):
    text = (day / "day.toml").read_text().replace("/objects", "/objects_colour")
    (day / "colour.toml").write_text(text)
    said = imagery("analyze", day / "colour.toml", status=2).strip()
    assert said == (
        f"{day / 'colour.toml'}:7: session[1].log: the session showed set 'objects', and"
        f" {STIMULI / 'objects_colour'} is another one or has changed since; name the set that was"
        " shown (the session folder has its list)"
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The real thing: window, bytes, recorder, files; four and a half minutes."""
    folder = tmp_path_factory.mktemp("demo") / "day"
    said = imagery("demo", "--out", folder, "--seed", 2)
    return folder, said


def test_the_demo_ends_with_six_lines_and_a_report(demo):
    folder, said = demo
    lines = said.rstrip().splitlines()
    assert lines[-1] == f"report: {folder / 'results/report.html'}"
    assert lines.index("The day in six lines") == len(lines) - 9
    assert (folder / "results/report.html").stat().st_size > 100_000


def test_every_byte_of_the_demo_reached_the_recorder(demo):
    folder, _ = demo
    for what, session in zip(
        ("screening", "imagery"),
        sorted((folder / "sessions/demo").iterdir(), reverse=True),
        strict=True,
    ):
        log = read_log(session)
        assert log.ending is not None
        assert log.ending["how"] == "completed"
        sent = [event.code for event in log.events if event.code]
        recordings = [read_events(f) for f in sorted((folder / "recordings").iterdir())]
        seen = [r.loc[r["code"] != 0, "code"].tolist() for r in recordings]
        assert sent in seen, what


def test_the_demo_finds_planted_axes_and_has_few_late_frames(demo):
    folder, _ = demo
    report = json.loads((folder / "results/report.json").read_text(encoding="utf-8"))
    assert report["planted"]["axis_found_of_planted"]["share"] >= 0.7
    assert abs(report["alignment_summary"]["drift_ppm_median"] - 35.0) < 20.0
    for session in (folder / "sessions/demo").iterdir():
        ending = read_log(session).ending
        assert ending["late_frames"] < 0.02 * ending["frames"]


def test_the_shipped_protocols_are_where_the_demo_looks():
    assert (PROTOCOLS / "demo.toml").is_file()
    assert (PROTOCOLS / "demo_imagery.toml").is_file()
