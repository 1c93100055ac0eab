import json
from collections.abc import Callable
from fractions import Fraction
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analysis.readers.tables import holds_events, read_events, read_log, recognises
from task.contract.errors import LogError, RecordingError

Written = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(text: str | bytes, name: str = "a.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def refusal(path: Path, read: Callable[[Path], object] = read_log) -> str:
    with pytest.raises(LogError if read is read_log else RecordingError) as refused:
        read(path)
    return str(refused.value)


def rows(table: pd.DataFrame) -> list[list[object]]:
    return list(map(list, table.itertuples(index=False, name=None)))


# Logs --------------------------------------------------------------------------------------------


def test_a_log_has_times_codes_and_notes_in_its_own_order(written: Written) -> None:
    log = read_log(written("time_s,code,note\n2.5,55,on\n1.25,0x2A,\n-1e-2,0,left\n"))
    assert rows(log) == [[2.5, 55, "on"], [1.25, 42, ""], [-0.01, 0, "left"]]
    assert list(log) == ["time_s", "code", "note"]
    assert [str(log[name].dtype) for name in ("time_s", "code")] == ["float64", "int64"]
    assert log["note"].dtype == pd.Series(["a"]).dtype


def test_a_log_may_number_its_presentations_and_its_runs(written: Written) -> None:
    log = read_log(written("Trial,time_s,code,Run\n,1,6,1\n7,2,20,1\n8.0,3,20,2\nn/a,4,7,2\n"))
    assert log["trial"].tolist() == [pd.NA, 7, 8, pd.NA]
    assert log["run"].tolist() == [1, 1, 2, 2]
    assert [str(log[name].dtype) for name in ("trial", "run")] == ["Int64", "int64"]
    assert set(log["note"]) == {""}


def test_what_other_columns_say_is_the_note(written: Written) -> None:
    log = read_log(written("time_s,code,trial_type,Item,port,rt\n1,5,go,dog,A,0.5\n2,6,,n/a,,\n"))
    assert log["note"].tolist() == ["go; Item=dog; port=A; rt=0.5", ""]


def test_the_only_other_column_is_the_note_as_it_stands(written: Written) -> None:
    log = read_log(written('time_s,code,Picture\n1,5," a ""cat"", asleep"\n'))
    assert log["note"].item() == ' a "cat", asleep'


def test_a_row_without_a_code_was_never_sent(written: Written) -> None:
    log = read_log(written("onset\tvalue\ttrial_type\n1\tn/a\tpause\n2\t5\tgo\n", "a.tsv"))
    assert rows(log) == [[1.0, 0, "pause"], [2.0, 5, "go"]]


def test_a_row_with_neither_a_time_nor_a_code_is_left_out(written: Written) -> None:
    table = "trial,time_s,code\n1,1.0,5\n2,,\n3,n/a,NaN\n4,2.0,6\n"
    assert read_log(written(table))["trial"].tolist() == [1, 4]
    assert read_events(written(table))["code"].tolist() == [5, 6]


# Events ------------------------------------------------------------------------------------------


def test_events_have_ports_and_keep_returns_to_zero(written: Written) -> None:
    events = read_events(written("time_us,ttl,line\n2000000,32,in\n2000001,0,in\n1000000,32,out\n"))
    assert rows(events) == [[2.0, 32, "in"], [2.000001, 0, "in"], [1.0, 32, "out"]]
    assert list(events) == ["time_s", "code", "port"]


def test_events_may_tell_runs(written: Written) -> None:
    events = read_events(written("time_s;code;run\n2;32;80\n3;0;81\n"))
    assert rows(events) == [[2.0, 32, "", 80], [3.0, 0, "", 81]]


def test_events_without_a_code_are_no_change_of_the_lines(written: Written) -> None:
    path = written("onset\tduration\tvalue\n1\t0\tn/a\n2\t0\t5\n", "sub-1_events.tsv")
    assert rows(read_events(path)) == [[2.0, 5, ""]]
    path = written("time_s,code\n1,5\n,\n2,\n3,6\n")
    said = "has a time and no code: write n/a if there is none"
    assert refusal(path, read_events) == f"{path}:4: {said}"
    none = written("onset\tvalue\n1\tn/a\n", "sub-2_events.tsv")
    assert refusal(none, read_events) == f"{none}: holds no row with a code"


def test_words_of_a_recording_that_were_taken_for_signed_are_put_right(written: Written) -> None:
    path = written("time_s,code\n1,-32768\n2,-1\n3,65535\n")
    assert read_events(path)["code"].tolist() == [0x8000, 0xFFFF, 0xFFFF]
    assert refusal(path) == "\n".join(
        f"{path}:{line}: code: {text!r} is no code, which is a whole number from 0 to 65535"
        for line, text in ((2, "-32768"), (3, "-1"))
    )


def test_a_side_car_says_what_values_mean(written: Written) -> None:
    side_car = {
        "value": {"Levels": {"20": "yes", "21": {"Description": "no"}}},
        "trial_type": {"LongName": "kind", "Levels": {"go": "a green square"}},
        "onset": "text",
    }
    written(json.dumps(side_car), "sub-1_events.json")
    path = written(
        "onset\tduration\tvalue\ttrial_type\n1\t0.5\t20\tgo\n2\tn/a\t21\tstop\n3\tn/a\t22\tn/a\n",
        "sub-1_events.tsv",
    )
    assert read_log(path)["note"].tolist() == [
        "duration=0.5; go: a green square; yes",
        "stop; no",
        "",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON: Expecting property name enclosed in double quotes: line 1 column 2"),
        ("[" * 100_000, "is no JSON: maximum recursion depth exceeded"),
        ("[]", "is no side-car: it does not describe columns by name"),
    ],
)
def test_a_side_car_that_is_none_is_refused(written: Written, text: str, said: str) -> None:
    side_car = written(text, "sub-1_events.json")
    path = written("onset\tvalue\n1\t20\n", "sub-1_events.tsv")
    assert refusal(path).startswith(f"{side_car}: {said}")
    assert read_events(path)["code"].tolist() == [20]


# Columns -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "written_as", "time_s"),
    [
        ("time_s", "1.5", 1.5),
        ("Onset", "1.5", 1.5),
        (" TIME (ms) ", "1.5", 0.0015),
        ("timestamp [µs]", "1500000", 1.5),
        ("Time_μs", "1500000", 1.5),
        ("Event Time US", "1500000", 1.5),
        ("onset_seconds", "1.5", 1.5),
        ("timestamps_ns", "1500000000", 1.5),
    ],
)
def test_the_name_of_a_time_tells_its_unit(
    written: Written, name: str, written_as: str, time_s: float
) -> None:
    path = written(f"{name},code\n{written_as},5\n")
    assert read_log(path)["time_s"].item() == time_s
    assert holds_events(path)


@pytest.mark.parametrize("name", ["code", "VALUE", "Trigger", "ttl", "Event Code", "marker_value"])
def test_a_code_goes_by_several_names(written: Written, name: str) -> None:
    assert read_log(written(f"{name},time_s\n5,1\n"))["code"].item() == 5


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (
            "Timestamp,code",
            "'Timestamp' is a time without a unit: call the column time_s, time_ms or time_us",
        ),
        (
            "onset,time_ms,code",
            "'onset' and 'time_ms' may each be the time: keep one, and give the others other names",
        ),
        (
            "a,code,b",
            "names no column of times: call it time_s, time_ms or time_us (the line names 'a',"
            " 'code', 'b')",
        ),
        (
            "time_s,Value,trigger,value",
            "'Value' and 'trigger' and 'value' may each be the code: keep one, and give the others"
            " other names",
        ),
        (
            "onset,trial_type",
            "'trial_type' says what happened, but not which code was sent: add a column 'value' (as"
            " in BIDS) or 'code'",
        ),
        ("time_s,b", "names no column of codes: call it code (the line names 'time_s', 'b')"),
        (
            "time_s,code,line,port",
            "'line' and 'port' may each be the port: keep one, and give the others other names",
        ),
        (
            "time_s,code,run,Run",
            "'run' and 'Run' may each be the run: keep one, and give the others other names",
        ),
        (
            "time_s,code,trial,presentation",
            "'trial' and 'presentation' may each be the trial: keep one, and give the others other"
            " names",
        ),
    ],
)
def test_columns_that_are_not_clear_are_refused_by_name(
    written: Written, header: str, said: str
) -> None:
    path = written(f"\n# exported\n{header}\n")
    assert refusal(path) == f"{path}:3: {said}"
    assert refusal(path, read_events) == f"{path}:3: {said}"


def test_all_that_is_wrong_with_the_names_is_said_at_once(written: Written) -> None:
    path = written("1.5,55,6,7,8,9,10,11,12\n")
    listed = "the line names '1.5', '55', '6', '7', '8', '9', '10', '11', ..."
    assert refusal(path) == (
        f"{path}:1: names no column of times: call it time_s, time_ms or time_us ({listed})\n"
        f"{path}:1: names no column of codes: call it code ({listed})"
    )


def test_a_time_with_a_unit_goes_before_one_without(written: Written) -> None:
    log = read_log(written("Time,time_ms,code\n12:30,1500,5\n"))
    assert rows(log) == [[1.5, 5, "12:30"]]


# How it is written -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "time_s,code,note\n1.5,5,a\n2,6,b\n",
        "time_s\tcode\tnote\r\n1.5\t5\ta\r\n2\t6\tb\r\n",
        "time_s;code;note\r\n1,5;5;a\r\n2;6;b\r\n",
        "time_s\tcode\tnote\n1,5\t5\ta\n2\t6\tb",
        "sep=;\r\ntime_s;code;note\r\n1,5;5;a\r\n2;6;b\r\n",
        "time_s,code,note\r1.5,5,a\r2,6,b\r",
        '"time_s","code","note"\n"1.5","5","a"\n"2","6","b"\n\n  \n,,\n',
        "# a\n\ntime_s,code,note\n# b, c\n1.5,5,a\n#\n2,6,b\n# d",
        "time_s,code,note,,\n1.5,5,a,,\n2,6,b\n",
        "time_s ; code ; note\n 1,5 ; 5 ;a\n2;6.0;b\n",
        "\ufefftime_s,code,note\n1.5,5,a\n2,6,b\n",
        "\ufefftime_s\tcode\tnote\n1,5\t5\ta\n2\t6\tb\n".encode("utf-16-le"),
        "\ufefftime_s,code,note\n1.5,5,a\n2,6,b\n".encode("utf-16-be"),
    ],
)
def test_one_table_may_be_written_in_many_ways(written: Written, text: str | bytes) -> None:
    assert rows(read_log(written(text))) == [[1.5, 5, "a"], [2.0, 6, "b"]]


@pytest.mark.parametrize(("note", "encoding"), [("muñeca", "cp1252"), ("\x81", "latin-1")])
def test_notes_in_the_letters_of_an_old_machine_are_read(
    written: Written, note: str, encoding: str
) -> None:
    path = written(f"time_s,code,note\n1,5,{note}\n".encode(encoding))
    assert read_log(path)["note"].item() == note


@given(
    st.integers(-(10**18), 10**18 - 1),
    st.sampled_from([("time_s", 0), ("time_ms", 3), ("time_us", 6), ("time_ns", 9)]),
    st.integers(0, 9),
    st.sampled_from([".", ","]),
)
def test_a_time_is_the_float_nearest_to_what_is_written(
    tmp_path_factory: pytest.TempPathFactory, digits: int, unit: tuple[str, int], n: int, mark: str
) -> None:
    path = tmp_path_factory.mktemp("table") / "a.csv"
    whole, part = divmod(abs(digits), 10**n)
    text = f"{'-' if digits < 0 else ''}{whole}" + (f"{mark}{part:0{n}}" if n else "")
    path.write_text(f"{unit[0]};code\n{text};1\n")
    exact = Fraction(digits, 10**n * 10 ** unit[1])
    for more in ("", f"0{mark}5e-3;2\n"):  # plain numbers, and some with a power of their own
        path.write_text(f"{unit[0]};code\n{text};1\n{more}")
        assert read_log(path)["time_s"][0] == float(exact)


letters = st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f\x85")
notes = st.text(letters, max_size=8).filter(lambda text: text != "n/a" and not text.startswith("#"))
codes = st.integers(0, 0xFFFF)


@given(
    st.lists(st.tuples(st.floats(-1e9, 1e9), codes, notes), min_size=1, max_size=6),
    st.sampled_from([(",", "."), ("\t", "."), ("\t", ","), (";", "."), (";", ",")]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.permutations(["time_s", "code", "note"]),
)
def test_what_pandas_writes_comes_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[tuple[float, int, str]],
    marks: tuple[str, str],
    encoding: str,
    line_end: str,
    order: list[str],
) -> None:
    path = tmp_path_factory.mktemp("table") / "a.csv"
    table = pd.DataFrame(values, columns=["time_s", "code", "note"])
    table[order].to_csv(
        path, index=False, sep=marks[0], decimal=marks[1], encoding=encoding,
        lineterminator=line_end,
    )  # fmt: skip
    log = read_log(path)
    assert log["time_s"].to_numpy().tobytes() == table["time_s"].to_numpy().tobytes()
    assert log["code"].tolist() == table["code"].tolist()
    assert log["note"].tolist() == table["note"].tolist()


@given(
    st.lists(st.tuples(st.integers(0, 10**19), codes, st.integers(1, 9)), min_size=1, max_size=6),
    st.sampled_from([",", "\t", ";"]),
)
def test_exported_events_come_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[int, int, int]], separator: str
) -> None:
    path = tmp_path_factory.mktemp("table") / "a.csv"
    table = pd.DataFrame(values, columns=["time_us", "code", "run"], dtype=object)
    table.to_csv(path, index=False, sep=separator)
    events = read_events(path)
    assert events["time_s"].tolist() == [float(Fraction(us, 10**6)) for us, _, _ in values]
    assert events[["code", "run"]].to_numpy().tolist() == [[c, r] for _, c, r in values]


@pytest.mark.parametrize("rows_at_a_time", [1, 2, 3, 4, 5])
def test_a_table_is_the_same_however_it_is_read_in_blocks(
    written: Written, rows_at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'time_s,code,note\n1,5,a\n2,6,"two\nlines"\n# left\n\n3,,c\n4,x,d\n5,8\n6,9,"f'
    path = written(text)
    monkeypatch.setattr("analysis.readers.tables._ROWS", rows_at_a_time)
    assert refusal(path) == (
        f"{path}:8: code: 'x' is no code, which is a whole number from 0 to 65535\n"
        f"{path}:9: has 2 of 3 columns: is it cut short?\n"
        f"{path}:10: its quotes do not close as they should: unexpected end of data"
    )
    whole = text.replace("x", "7").replace("\n5,8\n", "\n5,8,e\n") + '"'
    log = read_log(written(whole))
    assert log["code"].tolist() == [5, 6, 0, 7, 8, 9]
    assert log["note"].tolist() == ["a", "two\nlines", "c", "d", "e", "f"]


# What is refused ---------------------------------------------------------------------------------


def test_every_row_that_is_none_is_named(written: Written) -> None:
    path = written(
        "time_s,code,trial,run\n1,5,1,1\n1e400,5,1,1\nnan,5,1,1\n1_0,5,1,1\n1,5.5,1,1\n"
        "1,1_0,1,1\n1,65536,x,\n٣,5,1,1\n1,5,-1,-1\n\n1:30,5,1\n1,5,1,1,1\n1,0xG,1,1\n1,٣,1,1\n"
    )
    code = "is no code, which is a whole number from 0 to 65535"
    assert refusal(path).splitlines() == [
        f"{path}:3: time_s: '1e400' is no time",
        f"{path}:4: time_s: 'nan' is no time, and the row has a code",
        f"{path}:5: time_s: '1_0' is no time",
        f"{path}:6: code: '5.5' {code}",
        f"{path}:7: code: '1_0' {code}",
        f"{path}:8: code: '65536' {code}; run: '' is no whole number; trial: 'x' is no whole"
        " number",
        f"{path}:9: time_s: '٣' is no time",
        f"{path}:10: run: '-1' is no whole number; trial: '-1' is no whole number",
        f"{path}:12: has 3 of 4 columns: is it cut short?",
        f"{path}:13: has 5 columns, where 4 are named",
        f"{path}: and 2 lines more",
    ]


def test_a_number_of_any_length_is_no_traceback(written: Written) -> None:
    path = written(f"time_s,code\n{'9' * 5000},{'9' * 5000}\n1,-4611686018427387904\n")
    assert refusal(path).count("\n") == 1


@pytest.mark.parametrize(
    ("text", "name"),
    [("time_s,code\n1,55\n2,5", "code"), ("code,time_s\n55,1.25\n5,1.2", "time_s")],
)
def test_a_last_line_that_may_be_cut_short_is_named(written: Written, text: str, name: str) -> None:
    path = written(text)
    assert refusal(path) == (
        f"{path}:3: ends without a line end: its {name} may be cut short; if it is whole, add a"
        " line end"
    )
    assert len(read_log(written(text + "\n"))) == 2
    assert len(read_log(written(text + "\n# end"))) == 2


def test_quotes_that_take_in_rows_are_refused(written: Written) -> None:
    path = written('time_s,code,note\n1,5,"a\n2,6,"\n3,7,c\n')
    assert refusal(path) == f"{path}:2: opens a quote that takes in lines which look like rows"
    path = written('time_s,code,note\n1,5,a\n2,6,"b"c\n')
    assert refusal(path) == (
        f"{path}:3: its quotes do not close as they should: ',' expected after '\"'"
    )


@pytest.mark.parametrize(
    "text",
    [
        "note,time_s,code\n#a,1,5\n# b,c,d\n#e\nf,2,6\n",
        "time_s;code;note\n#2,5;5;a\n# b;c;d\n#e\n2;6;f\n",
    ],
)
def test_a_comment_that_may_be_a_row_is_refused(written: Written, text: str) -> None:
    path = written(text)
    assert refusal(path) == (
        f"{path}:2: begins with '#' and holds a time: take out the line, or the '#'"
    )


def test_times_that_a_spreadsheet_rounded_are_refused(written: Written) -> None:
    path = written("time_us;code\n1,23457E+15;5\n1,23457E+15;6\n")
    assert refusal(path) == (
        f"{path}:2: '1,23457E+15' is a rounded time (2 such rows): write the column with all its"
        " digits (in Excel: as a number, not 'general')"
    )


def test_a_power_of_ten_that_rounds_nothing_is_read(written: Written) -> None:
    few = "".join(f"{n},1\n" for n in range(1, 12))
    log = read_log(written(f"time_ms,code\n1e+05,1\n{few}"))
    assert log["time_s"][0] == 100.0
    assert read_log(written("time_s,code\n1.234567890e+04,1\n"))["time_s"].item() == 12345.6789


@pytest.mark.parametrize("separator", [";", "\t"])
def test_commas_that_may_part_thousands_are_refused(written: Written, separator: str) -> None:
    def table(*times: str) -> Path:
        return written("".join(f"{t}{separator}1\n" for t in ("time_ms", *times)).replace(
            f"time_ms{separator}1", f"time_ms{separator}code"
        ))  # fmt: skip

    path = table("999", "1,000", "1,250")
    assert refusal(path) == (
        f"{path}:3: '1,000' may have a decimal comma, or one that parts thousands: write all times"
        " with a point"
    )
    assert read_log(table("9", "1,000", "1,25"))["time_s"].tolist() == [0.009, 0.001, 0.00125]
    assert read_log(table("9,125", "1,000"))["time_s"].tolist() == [0.009125, 0.001]
    assert read_log(table("9", "0,125"))["time_s"].tolist() == [0.009, 0.000125]
    path = table("1,000,250")
    assert refusal(path) == f"{path}:2: time_ms: '1,000,250' is no time"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ": is empty"),
        (b"\n# a\n\n", ": is empty"),
        (b"time_s,code\n", ": names columns and holds no rows"),
        (b"time_s,code\n,\n", ": names columns and holds no rows"),
        (
            b"time_s,code\n1,5\n2,\0\0\0\0",
            ":3: holds nothing but zero bytes from here to the end: the computer went down before"
            " the rest was written; delete this line",
        ),
    ],
)
def test_a_file_without_rows_is_refused(written: Written, content: bytes, said: str) -> None:
    path = written(content)
    assert refusal(path) == f"{path}{said}"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    said = f"{path}: cannot be read: No such file or directory"
    assert refusal(path) == said
    assert refusal(path, read_events) == said


TABLE = "time_s,code,trial,note\n" + "".join(
    f'{n * 0.731:.4f},{n % 60},{n // 4},"note, {n}"\n' for n in range(30)
)


@settings(max_examples=300)
@given(st.data())
def test_any_damage_to_a_table_is_a_clear_error_or_a_table(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    encoding = data.draw(st.sampled_from(["utf-8", "utf-16"]))
    content = bytearray(TABLE.encode(encoding))
    place = st.integers(0, len(content) - 1)
    for _ in range(data.draw(st.integers(1, 3))):
        a, b = sorted((data.draw(place), data.draw(place)))
        how = data.draw(st.sampled_from(["flip", "cut", "zero", "repeat", "swap", "put"]))
        if how == "flip":
            content[a % len(content)] ^= 1 << data.draw(st.integers(0, 7))
        elif how == "cut":
            del content[a : b + 1]
        elif how == "zero":
            content[a:b] = bytes(len(content[a:b]))
        elif how == "repeat":
            content[b:b] = content[a:b]
        elif how == "swap":
            content[a:b], content[:a] = content[:a], content[a:b]
        else:
            content[a:a] = data.draw(st.binary(max_size=4))
        assume(content)
    path = tmp_path_factory.mktemp("damaged") / "a.csv"
    path.write_bytes(content)
    recognises(path), holds_events(path)
    for read in (read_log, read_events):
        try:
            table = read(path)
        except (LogError, RecordingError) as error:
            assert str(error).startswith(str(path))
            assert len(str(error)) < 5_000
        else:
            assert np.isfinite(table["time_s"]).all()
            assert table["code"].between(0, 0xFFFF).all()


@given(st.integers(0, len(TABLE) - 1))
def test_a_copy_that_was_cut_short_gives_no_other_rows(
    tmp_path_factory: pytest.TempPathFactory, size: int
) -> None:
    """Every row it still gives is one of the whole table."""
    path = tmp_path_factory.mktemp("cut") / "a.csv"
    path.write_text(TABLE[:size])
    known = pd.read_csv(StringIO(TABLE))
    try:
        log = read_log(path)
    except LogError as error:
        assert str(error).startswith(str(path))
    else:
        whole = TABLE[:size].count("\n") - 1
        assert log["time_s"].tolist() == known["time_s"][: len(log)].tolist()
        assert log["code"].tolist() == known["code"][: len(log)].tolist()
        assert len(log) - whole in (0, 1)


# Who reads what ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "table", "events"),
    [
        ("a.csv", "time_s,code\n", True, True),
        ("A.TSV", "onset\tduration\ttrial_type\n", True, True),
        ("a.csv", "a,b\n", True, False),
        ("a.csv", "", True, False),
        ("cluster_info.tsv", "cluster_id\tch\tchannel\n", True, False),
        ("a.txt", "Time\tCode\tNote\n", True, True),
        ("a.log", "# exported\nstimulus;trigger\n", True, False),
        ("a.txt", "733550657729514;0;1,1,100,v3;\n", False, False),
        ("a.txt", "lorem ipsum\n", False, False),
        ("a.txt", "time\n", False, False),
        ("a.json", "time_s,code\n", False, False),
    ],
)
def test_tables_are_known_by_their_first_line(
    written: Written, name: str, text: str, table: bool, events: bool
) -> None:
    path = written(text, name)
    assert (recognises(path), holds_events(path)) == (table, events)


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    folder = tmp_path / "a.csv"
    folder.mkdir()
    assert not recognises(folder) and not holds_events(folder)
