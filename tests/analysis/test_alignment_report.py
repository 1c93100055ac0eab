"""What is said of an alignment and of a refusal; the command; and its pictures."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from analysis.alignment_figure import write_alignment, write_refusal
from analysis.alignment_report import AlignmentReport, codes_table, report_alignment
from analysis.locate import Choice
from analysis.synthetic.neuralynx import EventFile
from task.cli import app
from task.contract.errors import UserError
from tests.analysis.streams import Recorded, imagery

TICK_S = 86.4e-6


@pytest.fixture
def session() -> Recorded:
    rng = np.random.default_rng(3)
    return Recorded(imagery(rng, 5.0, 4), rng, lost=0.01, unsent=0.01, drift_ppm=20.0)


def write_log(path: Path, sent: pd.DataFrame) -> Path:
    """A text log of a laboratory."""
    ticks = np.round(sent["time_s"] / TICK_S).astype(int)
    lines = [f"{t};{code};;" for t, code in zip(ticks, sent["code"], strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_events(folder: Path, seen: pd.DataFrame) -> Path:
    """A Neuralynx event file."""
    path = folder / "Events.nev"
    with EventFile(path) as file:
        words = list(zip(seen["time_s"], seen["code"], strict=True))
        rests = [(time_s + 5e-4, 0) for time_s, _ in words]
        changes = sorted([*words, *rests])
        file.append([(t, int(c)) for n, (t, c) in enumerate(changes) if c or changes[n - 1][1]])
    return path


@pytest.fixture
def files(session: Recorded, tmp_path: Path) -> tuple[Path, Path]:
    return write_log(tmp_path / "run.txt", session.sent), write_events(tmp_path, session.seen)


@pytest.fixture
def report(files: tuple[Path, Path]) -> AlignmentReport:
    return report_alignment(*files)


def said(report: AlignmentReport, what: str) -> str:
    return next(row.said for row in report.rows if row.what == what)


def test_the_verdict_comes_first(report: AlignmentReport, session: Recorded) -> None:
    assert report.rows[0].what == "verdict"
    matched = report.document["alignment"]["evidence"]["matched"]
    assert matched == session.whole.sum()
    assert said(report, "verdict") == (
        f"log and recording belong together: {matched} of {len(session.sent)} rows that could be"
        f" heard are explained, by the best rival clock {report.found.evidence.rival}"
    )


def test_words_lines_clock_and_residuals_are_said(
    report: AlignmentReport, session: Recorded
) -> None:
    lost = int((~session.whole).sum())
    unexpected = len(session.seen) - int(session.whole.sum())
    assert said(report, "words") == (
        f"{session.whole.sum()} of {len(session.sent)} rows are measured; {lost} lost, their times"
        f" inferred; {unexpected} words unexpected"
    )
    assert said(report, "lines") == "all lines sound"
    assert said(report, "clock").startswith("recording against log +20.")
    assert said(report, "residuals").endswith("(absolute; recorded against expected)")
    assert said(report, "lies at").endswith(f"({len(session.seen)} words, board 0 port 0 input)")


def test_the_document_is_json_with_every_event(report: AlignmentReport, session: Recorded) -> None:
    document = json.loads(json.dumps(report.document, allow_nan=False))
    events = document["alignment"]["events"]
    assert len(events) == len(session.sent)
    assert [e["measured"] for e in events] == session.whole.tolist()
    for event, true_s in zip(events, session.true_s, strict=True):
        assert abs(event["time_s"] - true_s) < (1e-6 if event["measured"] else 2e-3)
        assert (event["uncertainty_s"] == 0) == event["measured"]
    assert document["refusal"] is None
    assert document["choice"] == {"port": "", "between_s": [None, None], "accept": []}


def test_counts_by_code_add_up(report: AlignmentReport, session: Recorded) -> None:
    table = codes_table(report.log, report.found)
    assert table["sent"].sum() == len(session.sent)
    assert (table["measured"] + table["lost"] == table["sent"]).all()
    assert table["unexpected"].sum() == len(report.found.unexpected)
    for code, row in table.iterrows():
        mine = session.sent["code"].to_numpy() == code
        assert row["sent"] == mine.sum()
        assert row["measured"] == (mine & session.whole).sum()


def test_codes_are_named_as_the_log_names_them(tmp_path: Path, session: Recorded) -> None:
    report = report_of(tmp_path, session)
    log = report.log
    assert set(codes_table(log, report.found)["name"]) == {""}
    named = log.assign(note=np.where(log["code"] == 24, "picture", [f"n{n}" for n in log.index]))
    table = codes_table(named, report.found)
    assert table.loc[24, "name"] == "picture"
    assert table.loc[27, "name"] == ""


def report_of(folder: Path, session: Recorded) -> AlignmentReport:
    log = write_log(folder / "log.txt", session.sent)
    return report_alignment(log, write_events(folder, session.seen))


def test_a_dead_line_is_said_and_what_arrived_in_its_place(
    tmp_path: Path, session: Recorded
) -> None:
    session.seen["code"] &= ~16
    report = report_of(tmp_path, session)
    assert said(report, "lines") == "line 4 (value 16) dead (never up)"
    assert said(report, "changed") == (
        "arrived as another word: 27 as 11 (32x), 48 as 32 (32x), 24 as 8 (30x)"
    )
    assert report.document["alignment"]["lines"] == {"dead": [16], "stuck": [], "floating": []}


def test_a_refusal_is_a_report_too(tmp_path: Path, session: Recorded) -> None:
    rng = np.random.default_rng(4)
    other = Recorded(imagery(rng, 5.0, 4), rng)
    log = write_log(tmp_path / "log.txt", session.sent)
    report = report_alignment(log, write_events(tmp_path, other.seen))
    assert report.found is None and report.light == "red"
    assert report.rows[0].said == str(report.refusal)
    assert said(report, "not used").endswith(f"({len(other.seen)} words, board 0 port 0 input)")
    document = json.loads(json.dumps(report.document, allow_nan=False))
    assert document["alignment"] is None
    assert document["refusal"]["tried"].startswith("port 'board 0 port 0 input'")


def test_an_overridden_check_makes_the_verdict_red(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    session = Recorded(imagery(rng, 5.0, 4), rng, drift_ppm=700.0)
    log, events = write_log(tmp_path / "l.txt", session.sent), write_events(tmp_path, session.seen)
    assert report_alignment(log, events).refusal.check == "drift"
    report = report_alignment(log, events, Choice(accept=("drift",)))
    assert report.rows[0].light == "red"
    assert said(report, "verdict").startswith("OVERRIDDEN, against the check drift: log and")
    assert report.document["alignment"]["evidence"]["overridden"] == ["drift"]


# The command -------------------------------------------------------------------------------------


def test_the_command_says_the_verdict_first_and_draws(files: tuple[Path, Path]) -> None:
    picture = files[0].with_name("picture.png")
    result = CliRunner().invoke(app, ["align", *map(str, files), "--plot", str(picture)])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("green  verdict")
    assert "by place" in result.output
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_command_prints_json_and_nothing_else(files: tuple[Path, Path]) -> None:
    result = CliRunner().invoke(app, ["align", *map(str, files), "--json"])
    assert json.loads(result.output)["alignment"]["evidence"]["overridden"] == []


def test_a_refusal_ends_the_command_with_2_and_still_draws(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    picture = tmp_path / "refused.svg"
    command = ["align", *map(str, files), "--between", "0", "20", "--plot", str(picture)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert result.output.startswith("red")
    assert b"<svg" in picture.read_bytes()


def test_a_stretch_that_no_clock_fits_is_red(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    session = Recorded(imagery(rng, 5.0, 8), rng)
    rows = len(session.sent)
    late = session.seen["time_s"].to_numpy(copy=True)
    late[rows // 2 :] += rng.uniform(0.1, 0.4, rows - rows // 2).cumsum() + 0.3
    log = write_log(tmp_path / "log.txt", session.sent)
    report = report_alignment(log, write_events(tmp_path, session.seen.assign(time_s=late)))
    (row,) = [one for one in report.rows if "no clock fits" in one.said]
    assert row.light == "red"
    assert row.said.startswith(f"rows {rows // 2} to {rows - 1} of the log have no time: no clock")


# Pictures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [".png", ".svg", ".pdf"])
def test_the_same_alignment_gives_the_same_picture(
    report: AlignmentReport, tmp_path: Path, kind: str
) -> None:
    pictures = [tmp_path / f"{n}{kind}" for n in range(2)]
    for path in pictures:
        write_alignment(path, report.found, report.log, report.events, "a run")
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert not list(tmp_path.glob("*.partial"))


def test_a_picture_of_another_kind_is_refused(report: AlignmentReport, tmp_path: Path) -> None:
    path = tmp_path / "picture.bmp"
    with pytest.raises(UserError) as refused:
        write_alignment(path, report.found, report.log, report.events, "a run")
    assert str(refused.value) == f"{path}: pictures are written as .png, .svg, .pdf"


def test_a_picture_that_cannot_be_written_is_said(report: AlignmentReport, tmp_path: Path) -> None:
    path = tmp_path / "absent" / "picture.png"
    with pytest.raises(UserError) as refused:
        write_alignment(path, report.found, report.log, report.events, "a run")
    assert str(refused.value) == f"{path}: cannot be written: No such file or directory"


def test_a_refusal_without_a_single_common_code_has_a_picture(
    session: Recorded, tmp_path: Path
) -> None:
    other = session.seen.assign(code=session.seen["code"] + 256)
    log = write_log(tmp_path / "log.txt", session.sent.head(20))
    report = report_alignment(log, write_events(tmp_path, other))
    write_refusal(tmp_path / "p.png", report.refusal, report.log, report.events, "nothing")
    assert (tmp_path / "p.png").stat().st_size > 1000
