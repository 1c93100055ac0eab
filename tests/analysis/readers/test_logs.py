import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.readers import lab_log, read_log, session_log
from task.contract.codes import CODE_TABLE
from task.contract.errors import LogError
from task.contract.sessionlog import Event, Header
from task.logwriter import LogWriter

HEADER = Header(
    session=1,
    subject="P1",
    protocol="p",
    protocol_sha256="",
    plan_sha256="",
    catalog="c",
    catalog_sha256="",
    seed=0,
    rig="r",
    started="2026-01-01T00:00:00+00:00",
    codes=CODE_TABLE,
    software={},
)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(text: str | bytes) -> Path:
        path = tmp_path / "newold80.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


Written = Callable[[str | bytes], Path]


def refusal(path: Path) -> str:
    with pytest.raises(LogError) as refused:
        read_log(path)
    return str(refused.value)


# Text logs ---------------------------------------------------------------------------------------


def test_a_row_has_a_time_in_seconds_a_code_and_a_note(written: Written) -> None:
    log = read_log(written("733550657729514;0;1,1,100,v3;\n733550658254699;55;;\n"))
    assert log["time_s"].tolist() == [733550657729514 * 86400e-9, 733550658254699 * 86400e-9]
    assert log["code"].tolist() == [0, 55]
    assert log["note"].tolist() == ["1,1,100,v3", ""]
    assert (log["time_s"].dtype, log["code"].dtype) == (np.float64, np.int64)


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=5))
def test_a_tick_is_a_billionth_of_a_day(
    tmp_path_factory: pytest.TempPathFactory, ticks: list[int]
) -> None:
    path = tmp_path_factory.mktemp("log") / "a.txt"
    path.write_text("".join(f"{tick};1;;\n" for tick in ticks))
    exact = [float(Fraction(tick * 24 * 60 * 60, 10**9)) for tick in ticks]
    assert read_log(path)["time_s"].tolist() == exact


@pytest.mark.parametrize(
    "text",
    [
        "1000;1;;\r\n2000;2;a;\r\n",
        "\n1000;1;;\n   \n2000;2;a;\n\n",
        "\ufeff1000;1;;\n2000;2;a;",
        "1000;1;\n2000;2;a\n",
    ],
)
def test_line_ends_empty_lines_and_last_semicolons_do_not_matter(
    written: Written, text: str
) -> None:
    log = read_log(written(text))
    assert log[["code", "note"]].to_numpy().tolist() == [[1, ""], [2, "a"]]


def test_a_note_keeps_its_spaces_and_semicolons(written: Written) -> None:
    assert read_log(written("1;1; red car;2.jpg ;\n"))["note"].item() == " red car;2.jpg "


def test_a_note_in_the_encoding_of_an_old_machine_is_read(written: Written) -> None:
    assert read_log(written(b"1;1;mu\xf1eca.jpg;\n"))["note"].item() == "muñeca.jpg"


def test_every_line_that_is_none_is_named(written: Written) -> None:
    path = written("1000;1;;\n2000;x;;\n\n3000\n-4;1;;\n5000;70000;;\n6000;1;;\n7000.5;1;;\n")
    assert refusal(path) == "\n".join(
        [
            f"{path}:2: is not 'time;code;note;' but '2000;x;;'",
            f"{path}:4: is not 'time;code;note;' but '3000'",
            f"{path}:5: is not 'time;code;note;' but '-4;1;;'",
            f"{path}:6: is not 'time;code;note;' but '5000;70000;;'",
            f"{path}:8: is not 'time;code;note;' but '7000.5;1;;'",
        ]
    )


def test_a_file_that_is_no_log_at_all_is_refused_in_few_words(written: Written) -> None:
    path = written("\nScenario - newold\n" * 500)
    assert refusal(path) == (
        f"{path}: holds no row of 'time;code;note;', and its first line, 'Scenario - newold', names"
        " no columns of a table"
    )


def test_of_many_lines_that_are_none_ten_are_named(written: Written) -> None:
    path = written("1;1;;\n" + "lorem ipsum\n" * 500)
    lines = refusal(path).splitlines()
    assert lines[0] == f"{path}:2: is not 'time;code;note;' but 'lorem ipsum'"
    assert len(lines) == 11
    assert lines[-1] == f"{path}: and 490 lines more"


@pytest.mark.parametrize("end", ["2000;22;a", "2000;22;", "2000;22"])
def test_a_last_line_that_is_cut_short_is_named(written: Written, end: str) -> None:
    path = written(f"1000;1;;\n{end}")
    said = f"is not 'time;code;note;' but {end!r}"
    if end.count(";") == 2:
        said = f"is cut short: {end!r}; copy the log again"
    assert refusal(path) == f"{path}:2: {said}"


def test_zeros_that_a_crash_left_are_named(written: Written) -> None:
    path = written(b"1000;1;;\n2000;2" + bytes(5000))
    assert refusal(path) == (
        f"{path}:2: holds nothing but zero bytes from here to the end: the computer went down"
        " before the rest was written; delete this line"
    )


def test_a_number_of_any_length_is_no_traceback(written: Written) -> None:
    digits = "9" * 5000
    path = written(f"1;1;;\n{digits};1;;\n1;{digits};;\n")
    assert refusal(path).count("\n") == 1


def test_a_log_in_two_bytes_a_letter_is_read(written: Written) -> None:
    log = read_log(written("1000;1;;\r\n2000;2;ä;\r\n".encode("utf-16")))
    assert log[["code", "note"]].to_numpy().tolist() == [[1, ""], [2, "ä"]]


LOG = "".join(f"{733550657729514 + 5794 * n};{n % 60};{n},{n % 7}.jpg;\n" for n in range(40))


@given(st.integers(1, len(LOG) - 1))
def test_a_log_that_was_cut_short_gives_no_other_rows(
    tmp_path_factory: pytest.TempPathFactory, size: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "a.txt"
    path.write_text(LOG[:size])
    whole = LOG[:size].count("\n")
    try:
        log = read_log(path)
    except LogError as error:
        assert str(error).startswith(f"{path}:{whole + 1}: ") or not whole
    else:
        path.write_text(LOG)
        assert len(log) == LOG[: size + 1].count("\n")
        assert log.equals(read_log(path)[: len(log)])


@settings(max_examples=200)
@given(st.data())
def test_any_damage_to_a_log_is_a_clear_error_or_a_log(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(LOG.encode(data.draw(st.sampled_from(["utf-8", "utf-16"]))))
    a, b = sorted(data.draw(st.integers(0, len(content) - 1)) for _ in range(2))
    how = data.draw(st.sampled_from(["flip", "cut", "zero", "repeat", "put"]))
    if how == "flip":
        content[a] ^= 1 << data.draw(st.integers(0, 7))
    elif how == "put":
        content[a:a] = data.draw(st.binary(max_size=4))
    else:
        content[a:b] = {"cut": b"", "zero": bytes(b - a), "repeat": content[a:b] * 2}[how]
    path = tmp_path_factory.mktemp("log") / "a.txt"
    path.write_bytes(content)
    lab_log.recognises(path)
    try:
        log = lab_log.read_log(path)
    except LogError as error:
        assert str(error).startswith(str(path)) and len(str(error)) < 5_000
    else:
        assert np.isfinite(log["time_s"]).all() and log["code"].between(0, 0xFFFF).all()


@pytest.mark.parametrize(
    ("name", "text", "known"),
    [
        ("a.txt", "733550657729514;0;1,1,100,v3;\n", True),
        ("a.csv", "\n733550657729514;0;1,1,100,v3;\n", True),
        ("a.TXT", "lorem ipsum\n", True),
        ("a.log", "", True),
        ("a.csv", "", False),
        ("a.txt", "time_s\tcode\n1\t2\n", False),
        ("a.txt", "time;code;note;\n1;2;;\n", False),
        ("a.csv", "lorem ipsum\n", False),
        ("a.mat", "733550657729514;0;1,1,100,v3;\n", False),
    ],
)
def test_a_text_log_is_known_by_its_first_line(
    tmp_path: Path, name: str, text: str, known: bool
) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert lab_log.recognises(path) == known


def test_a_log_without_rows_is_refused(written: Written) -> None:
    path = written("\n \n")
    assert refusal(path) == f"{path}: holds no row of 'time;code;note;'"


def test_the_largest_word_is_a_code(written: Written) -> None:
    assert read_log(written("1;65535;;"))["code"].item() == 65535


def test_published_logs_have_the_rows_known_of_them(shared_data: Callable[[str], Path]) -> None:
    release = shared_data("human_newold")
    known = json.loads((release / "expected.json").read_text())
    total = headers = 0
    for pair in known["pairs"]:
        log = read_log(release / "events" / pair["folder"] / f"newold{pair['run']}.txt")
        assert len(log) == pair["log_rows"], pair
        total += len(log)
        headers += int((log["code"] == 0).sum())
    assert total == known["pairs_summary"]["log_rows"]
    assert headers == known["pairs_summary"]["log_header_rows"]


# Our own logs ------------------------------------------------------------------------------------


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A session folder whose log has codes of a trial, and events without a code."""
    log = LogWriter(tmp_path / "session.jsonl", replace(HEADER))
    log.write(
        [
            Event(0.0, "RUN"),
            Event(0.5, "RUN_START", 6),
            Event(1.0, "PRESENTATION", None, 7, {"kind": "view", "item": "dog"}),
            Event(1.0, "IMAGE_ON", 20, 7),
            Event(1.25, "IMAGE_OFF", 23, 7),
        ]
    )
    log.end({"how": "completed"})
    return tmp_path


@pytest.mark.parametrize("name", ["", "session.jsonl"])
def test_our_own_log_gives_every_event_that_has_a_code(session: Path, name: str) -> None:
    log = read_log(session / name)
    assert log[["time_s", "code", "note"]].to_numpy().tolist() == [
        [0.5, 6, "RUN_START"],
        [1.0, 20, "IMAGE_ON"],
        [1.25, 23, "IMAGE_OFF"],
    ]
    assert log["presentation"].tolist() == [pd.NA, 7, 7]
    kinds = [str(log[c].dtype) for c in ("time_s", "code", "presentation", "run")]
    assert kinds == ["float64", "int64", "Int64", "int64"]


def test_codes_of_a_session_that_was_resumed_know_their_run(session: Path) -> None:
    path = session / "session.jsonl"
    with path.open("ab") as log:  # the last event was cut in flight, and the clock began anew
        log.write(b'{"time_s":2.5,"name":"IMA\n')
        for event in (
            '{"resumed":{"block":0,"trial":0},"time_s":0.25,"name":"RUN"}',
            '{"time_s":0.5,"name":"RUN_START","code":6}',
            '{"ending":{"how":"interrupted"}}',
            '{"resumed":{"block":0,"trial":1},"time_s":9.0,"name":"RUN"}',
            '{"time_s":9.5,"name":"RUN_START","code":6}',
        ):
            log.write(event.encode() + b"\n")
    assert session_log.read_log(session)["run"].tolist() == [1, 1, 1, 2, 3]


def test_codes_before_any_run_are_of_the_first(tmp_path: Path) -> None:
    log = LogWriter(tmp_path / "session.jsonl", HEADER)
    log.write([Event(0.5, "RUN_START", 6), Event(0.6, "RUN"), Event(1.0, "IMAGE_ON", 20, 7)])
    log.end({"how": "completed"})
    assert session_log.read_log(tmp_path)["run"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("time_s", "code", "presentation"),
    [
        ("NaN", "5", "1"),
        ("Infinity", "5", "1"),
        ('"1"', "5", "1"),
        ("true", "5", "1"),
        ("1" * 400, "5", "1"),
        ("1.0", "-1", "1"),
        ("1.0", "65536", "1"),
        ("1.0", "5.0", "1"),
        ("1.0", "true", "1"),
        ("1.0", "[]", "1"),
        ("1.0", "5", "1.5"),
        ("1.0", "5", "1" * 40),
    ],
)
def test_an_event_that_is_damaged_is_named(
    session: Path, time_s: str, code: str, presentation: str
) -> None:
    path = session / "session.jsonl"
    lines = path.read_bytes().splitlines()
    lines[2] = (
        f'{{"time_s":{time_s},"name":"X","code":{code},"presentation":{presentation}}}'.encode()
    )
    path.write_bytes(b"\n".join(lines) + b"\n")
    shown = [repr(json.loads(text))[:40] for text in (time_s, code, presentation)]
    assert refusal(session) == (
        f"{session}: event 2 (X) is damaged: time_s {shown[0]}, code {shown[1]}, presentation"
        f" {shown[2]}"
    )


def test_a_folder_without_a_log_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == (
        f"{tmp_path}: is nothing that can be read here; known are a session folder of this program,"
        " text of time;code;note;, a table with named columns"
    )


# Neither -----------------------------------------------------------------------------------------


def test_a_file_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.xlsx"
    path.write_bytes(b"PK")
    assert refusal(path) == (
        f"{path}: is nothing that can be read here; known are a session folder of this program,"
        " text of time;code;note;, a table with named columns"
    )
    absent = tmp_path / "absent.txt"
    assert refusal(absent) == f"{absent}: cannot be read: No such file or directory"
