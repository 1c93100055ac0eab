"""Parts of a study: which sessions stay together, side by side in processes, and what is kept."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock

from analysis.cohort import PARTS, Outcome, analyze_parts
from analysis.findings import Results
from analysis.gather import Gathered
from analysis.parts import Part, PartOfStudy, inputs_of, parts_of
from analysis.pipeline import analyze_gathered
from analysis.pooled import pooled_units
from analysis.population_report import write_population
from analysis.study import StudyFile, read_study
from task.contract.errors import AnalysisError, FileError
from task.places import STIMULI
from tests.analysis.conftest import Day

# Which sessions stay together --------------------------------------------------------------------

TABLE = """schema = 1
name = "a table"
[sessions]
table = "sessions.csv"
name = "{name}"
subject = "{patient}"
recording = "{recording}"
events = "{name}.mat"
units = "{name}"
[codes]
image_on = 1
[[run]]
name = "viewing"
pool = "{pool}"
log = "{log}"
images = ["images.csv:image"]
[features]
file = "features.npy"
"""


def tabled(folder: Path, *rows: str) -> StudyFile:
    """A study of sessions `name,patient,recording,pool,log`."""
    header = "name,patient,recording,pool,log"
    (folder / "sessions.csv").write_text("\n".join([header, *rows]) + "\n")
    (folder / "study.toml").write_text(TABLE)
    (folder / "features.npy").write_bytes(b"")
    return read_study(folder / "study.toml")


def together(file: StudyFile) -> list[tuple[str, ...]]:
    return [part.sessions for part in parts_of(file)]


def test_sessions_of_a_patient_that_share_units_pictures_or_a_log_stay_together(
    tmp_path: Path,
) -> None:
    file = tabled(
        tmp_path,
        "a1,A,a,cats,1.txt",
        "b1,B,b1,cats,2.txt",
        "a2,A,a,dogs,3.txt",  # units of a1
        "b2,B,b2,cats,4.txt",  # pictures of b1
        "b3,B,b3,dogs,5.txt",
        "c1,C,c1,owls,1.txt",  # the log of a1
    )
    assert together(file) == [("a1", "a2", "c1"), ("b1", "b2"), ("b3",)]


def test_what_is_tied_by_a_third_session_stays_together(tmp_path: Path) -> None:
    file = tabled(tmp_path, "a1,A,x,cats,1", "a2,A,y,dogs,2", "a3,A,y,cats,3")
    assert together(file) == [("a1", "a2", "a3")]


def test_a_part_has_its_own_rows_only_and_a_name_of_its_own(tmp_path: Path) -> None:
    parts = parts_of(tabled(tmp_path, "s/1,A,x,cats,1", "S 1,A,y,dogs,2", "s:1,B,z,cats,3"))
    assert [part.name for part in parts] == ["A_s_1", "A_S_1_2", "B_s_1"]
    assert [[row["name"] for row in part.file.rows()] for part in parts] == [
        ["s/1"],
        ["S 1"],
        ["s:1"],
    ]


def test_a_study_that_is_wrong_is_refused_before_any_part(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="two sessions are called 'a'"):
        parts_of(tabled(tmp_path, "a,A,x,cats,1", "a,B,y,dogs,2"))


def test_inputs_change_with_a_file_and_with_what_the_study_says_of_it(tmp_path: Path) -> None:
    def inputs(text: str = TABLE) -> dict[str, Any]:
        (tmp_path / "study.toml").write_text(text)
        return inputs_of(parts_of(read_study(tmp_path / "study.toml"))[0])

    tabled(tmp_path, "a,A,x,cats,1.txt", "b,B,y,cats,2.txt")
    (tmp_path / "a.mat").write_bytes(b"events")
    first = inputs()
    assert str(tmp_path / "a.mat") in first["files"]
    assert inputs(TABLE + "# a remark\n[power]\naxis_tuned = 0.8\n") == first
    assert inputs(TABLE + "[space]\ndims = 9\n") != first
    (tmp_path / "2.txt").write_text("the other part's")
    assert inputs() == first
    (tmp_path / "a.mat").write_bytes(b"events and more")
    assert inputs() != first


def test_a_pool_of_several_patients_may_be_split_between_them(
    make_day: Callable[..., Day],
) -> None:
    """What is measured on a unit does not depend on units of other patients."""
    day = make_day(imagery=False)
    (one,) = day.gathered.sessions
    other = replace(
        one,
        name="other",
        subject="other",
        recording="other",
        units=replace(one.units, spikes_s=tuple(t[::2] for t in one.units.spikes_s)),
    )

    def viewed(*sessions: Any) -> pd.DataFrame:
        gathered = Gathered(sessions)
        table = analyze_gathered(day.file, gathered, day.pictures).tables["viewing"]
        return table.set_index("unit").drop(columns=["pool", *(c for c in table if "_q" in c)])

    whole = viewed(one, other)
    split = pd.concat([viewed(one), viewed(other)])
    assert len(whole) > 8
    pd.testing.assert_frame_equal(split.loc[whole.index], whole)


# Processes ---------------------------------------------------------------------------------------

PROTOCOL = 'schema = 1\nname = "short"\n[pictures]\nper_group = 12\n[screening]\nrepeats = 2\n'
SESSION = '[[session]]\nlog = "{0}/session"\nrecording = "{0}/recording"\n'


def imagery(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "task", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True)


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of three patients; of the third the events are lost."""
    folder = tmp_path_factory.mktemp("cohort")
    (folder / "short.toml").write_text(PROTOCOL)
    for n, name in enumerate(("P1", "P2"), start=1):
        made = imagery(
            *("simulate", folder / "short.toml", "--out", folder / name),
            *("--seed", n, "--units", 5),
        )
        assert made.returncode == 0, made.stderr
        renamed(folder / name / "session/session.jsonl", subject=name)
    shutil.copytree(folder / "P2", folder / "P3")
    renamed(folder / "P3/session/session.jsonl", subject="P3", session=3)
    (folder / "P3/recording/Events.nev").unlink()
    (folder / "study.toml").write_text(
        f'schema = 1\nname = "few & <small>"\nstimuli = "{(STIMULI / "objects").as_posix()}"\n'
        "tests = { least_images = 40, shuffles = 99 }\n"
        + "".join(SESSION.format(name) for name in ("P1", "P2", "P3"))
    )
    return folder


def renamed(log: Path, **header: object) -> None:
    first, _, rest = log.read_text(encoding="utf-8").partition("\n")
    log.write_text(json.dumps(json.loads(first) | header) + "\n" + rest, encoding="utf-8")


@pytest.fixture(scope="module")
def interrupted(patients: Path) -> Path:
    """A run that is interrupted when a part is finished."""
    out = patients / "out"

    def interrupt(outcome: Outcome, done: int, total: int) -> None:
        if outcome.folder:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        analyze_parts(read_study(patients / "study.toml"), out, 2, interrupt)
    return out


@pytest.fixture(scope="module")
def finished_first(interrupted: Path) -> list[str]:
    """What lay there then."""
    return sorted(path.name for path in (interrupted / PARTS).iterdir())


@pytest.fixture(scope="module")
def outcomes(patients: Path, interrupted: Path, finished_first: list[str]) -> list[Outcome]:
    """The run that goes on."""
    return analyze_parts(read_study(patients / "study.toml"), interrupted, 2)


def test_an_interruption_keeps_what_is_finished_and_nothing_half(finished_first: list[str]) -> None:
    assert finished_first in (["P1_session"], ["P2_session"], ["P1_session", "P2_session"])


def test_the_next_run_goes_on_with_the_rest(
    outcomes: list[Outcome], finished_first: list[str]
) -> None:
    assert [one.part.name for one in outcomes] == ["P1_session", "P2_session", "P3_session"]
    assert sorted(one.part.name for one in outcomes if one.kept) == finished_first


def test_a_part_that_fails_is_told_and_the_others_are_done(
    outcomes: list[Outcome], patients: Path
) -> None:
    first, second, third = outcomes
    assert first.folder and (first.folder / "report.html").is_file()
    assert second.folder and second.why == ""
    assert third.folder is None
    assert third.why == (
        f"{patients / 'P3/recording'}: holds no events (Blackrock or Ripple .nev, Neuralynx .nev,"
        " eventsRaw.mat, NWB, a table of times and codes)"
    )
    assert not (patients / "out" / PARTS / "P3_session").exists()


def test_the_numbers_do_not_depend_on_how_many_processes_there_are(
    outcomes: list[Outcome], patients: Path
) -> None:
    file = read_study(patients / "study.toml")
    alone = analyze_parts(file, patients / "alone", 1)
    written = [
        write_population(file, of, patients / out)
        for of, out in ((outcomes, "out"), (alone, "alone"))
    ]
    for document in written:
        for part in document["parts"]:
            del part["state"]
    assert written[0] == written[1]
    for table in (patients / "out/tables").glob("*.csv"):
        if table.name != "parts.csv":
            assert table.read_bytes() == (patients / "alone/tables" / table.name).read_bytes()
    assert (patients / "out/population.csv").read_bytes() == (
        patients / "alone/population.csv"
    ).read_bytes()


def test_only_parts_whose_files_changed_are_analysed_again_and_the_page_says_all(
    outcomes: list[Outcome], patients: Path
) -> None:
    os.utime(patients / "P2/recording/Events.nev", (1e9, 1e9))
    done = imagery("population", patients / "study.toml", "--out", patients / "out", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "   1 of 3  P1_session  as it was"
    assert any(line.split("  ")[1:2] == ["P2_session"] for line in map(str.strip, lines[1:3]))
    assert "1 of 3 parts failed; see above" in lines
    assert any("these patients only" in line for line in lines)
    document = json.loads((patients / "out/population.json").read_text(encoding="utf-8"))
    assert [part["state"] for part in document["parts"]] == ["kept", "analysed", "failed"]
    assert document["counts"]["units"] == 10
    share = next(s for s in document["shares"] if s["question"] == "axis_tuned")
    assert share["drawn"] == "units"
    page = (patients / "out/population.html").read_text(encoding="utf-8")
    assert "few &amp; &lt;small&gt;" in page
    assert "1 of 3 parts failed" in page
    assert "10.1126/science.adt8343" in page


def test_where_every_part_fails_the_command_ends_with_the_reasons(
    patients: Path, tmp_path: Path
) -> None:
    text = (patients / "study.toml").read_text()
    lost = patients / "lost.toml"
    lost.write_text(text.partition("[[session]]")[0] + SESSION.format("P3"))
    done = imagery("population", lost, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.startswith(f"no part of {lost} could be analysed:\nP3_session: ")


def test_a_study_with_a_fault_is_refused_with_its_line(patients: Path) -> None:
    wrong = patients / "wrong.toml"
    wrong.write_text((patients / "study.toml").read_text() + "[power]\naxis_tuned = 2.0\n")
    done = imagery("population", wrong)
    assert done.returncode == 2
    assert "wrong.toml:15: power.axis_tuned: should be less than or equal to 1" in done.stderr


def test_two_runs_do_not_write_into_one_folder(patients: Path) -> None:
    (patients / "busy" / PARTS).mkdir(parents=True)
    with (
        FileLock(patients / "busy" / PARTS / ".lock"),
        pytest.raises(AnalysisError) as refused,
    ):
        analyze_parts(read_study(patients / "study.toml"), patients / "busy", 1)
    assert str(refused.value) == (
        f"{patients / 'busy'}: another run is at work here; wait for it, or give another folder"
    )


# Units of all parts ------------------------------------------------------------------------------


@pytest.fixture
def day_outcome(day_results: Results, make_day: Callable[..., Day], tmp_path: Path) -> Outcome:
    """Results of a day with imagery, as a part of a study."""
    (tmp_path / "tables").mkdir()
    for name, table in day_results.tables.items():
        table.to_csv(tmp_path / "tables" / f"{name}.csv", index=False)
    (tmp_path / "report.json").write_text(json.dumps(day_results.document), encoding="utf-8")
    file = make_day().file
    part = Part("day", "patient", ("day",), ("p",), PartOfStudy(file.source, file.study))
    return Outcome(part, tmp_path, "", False, 1.0)


def test_a_unit_has_its_p_of_viewing_and_imagery_in_one_row(
    day_outcome: Outcome, day_results: Results
) -> None:
    pooled = pooled_units([day_outcome])
    imagined = day_results.tables["imagery"].set_index("unit")
    assert pooled.units.index.names == ["part", "unit"]
    assert not pooled.units.index.has_duplicates
    assert len(pooled.units) == len(day_results.tables["units"])
    found = pooled.units.loc["day"]
    pd.testing.assert_series_equal(
        found.loc[imagined.index, "reactivated"], imagined["p"], check_names=False
    )
    assert pooled.smallest_p["reactivated"] == day_results.document["imagery"][0]["smallest_p"]


def test_of_several_pools_that_with_the_most_pictures_counts(day_outcome: Outcome) -> None:
    assert day_outcome.folder
    path = day_outcome.folder / "tables/viewing.csv"
    table = pd.read_csv(path)
    again = table.assign(pool="another", axis_p=0.5)
    pd.concat([again, table]).to_csv(path, index=False)
    numbers = day_outcome.folder / "report.json"
    document = json.loads(numbers.read_text(encoding="utf-8"))
    (viewing,) = document["viewing"]
    document["viewing"] = [{**viewing, "pool": "another", "images": 10}, viewing]
    numbers.write_text(json.dumps(document), encoding="utf-8")
    pooled = pooled_units([day_outcome])
    assert pooled.several_pools == len(table)
    assert set(pooled.units["pool"]) - {""} == {viewing["pool"]}
    found = pooled.units.loc["day"].loc[table["unit"], "axis_tuned"]
    assert found.tolist() == table["axis_p"].tolist()


def test_the_document_has_every_share_that_the_day_allows(
    day_outcome: Outcome, tmp_path: Path
) -> None:
    document = write_population(day_outcome.part.file, [day_outcome], tmp_path / "out")
    asked = {(share["question"], share["of"]) for share in document["shares"]}
    assert {("axis_tuned", None), ("reactivated", None)} <= asked
    assert all(share["drawn"] == "units" for share in document["shares"])
    assert {row["measure"] for row in document["medians"]} >= {"mean_hz", "axis_r2", "during_hz"}
    assert "these patients only" in (tmp_path / "out/population.html").read_text(encoding="utf-8")
