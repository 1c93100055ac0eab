import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat

from analysis.synthetic.clock import Clock
from analysis.synthetic.neurons import plant_units, spikes
from analysis.synthetic.recorder import main, read_space, record
from task.contract.errors import AnalysisError, FileError, RecordingError

ROOT = Path(__file__).parents[3]
posix = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals and signals are POSIX's")
RECORD = np.dtype(
    [
        ("head", "<i2", 3),
        ("us", "<u8"),
        ("id", "<i2"),
        ("ttl", "<u2"),
        ("rest", "V38"),
        ("text", "S128"),
    ]
)


def events(folder: Path) -> np.ndarray:
    return np.fromfile(folder / "Events.nev", RECORD, offset=16_384)


def lines(folder: Path) -> list[tuple[float, int]]:
    kept = [r for r in events(folder) if r["text"].startswith(b"TTL")]
    return [(float(r["us"]) / 1e6, int(r["ttl"])) for r in kept]


def trains(folder: Path) -> dict[tuple[int, int], list[float]]:
    """Spike times (s) by channel and cell, and nothing for a cell without spikes."""
    found: dict[tuple[int, int], list[float]] = {}
    for path in folder.glob("A*_cells.mat"):
        channel = int(path.name[1:].partition("_")[0])
        for cell, _, us, _, _ in loadmat(path)["spikes"]:
            found.setdefault((channel, int(cell)), []).append(us / 1e6)
    return found


# --- in virtual time ---------------------------------------------------------------------------


def test_a_recording_holds_the_lines_on_the_recorders_clock(
    small_session: Any, small_space: pd.DataFrame, tmp_path: Path
) -> None:
    clock = Clock(offset_s=500.0, drift_ppm=100.0)
    recorded = record(
        small_session.edges,
        small_session.plan,
        small_space,
        tmp_path,
        n_units=6,
        seed=1,
        clock=clock,
    )
    edges = small_session.edges
    assert recorded.n_changes == len(edges)
    assert (recorded.n_stimuli, recorded.n_unknown, recorded.n_unfinished) == (9, 0, 0)
    assert [v for _, v in lines(tmp_path)] == [v for _, v in edges]
    expected = 500 + np.array([t for t, _ in edges]) * 1.0001
    np.testing.assert_allclose([t for t, _ in lines(tmp_path)], expected, atol=1e-6)
    texts = [r["text"] for r in events(tmp_path)]
    assert (texts[0], texts[-1]) == (b"Starting Recording", b"Stopping Recording")


def test_spikes_are_those_of_the_planted_units_on_the_recorders_clock_without_its_jitter(
    small_session: Any, small_space: pd.DataFrame, tmp_path: Path
) -> None:
    clock = Clock(offset_s=500.0, drift_ppm=100.0, jitter_s=0.01)
    edges = small_session.edges
    record(edges, small_session.plan, small_space, tmp_path, n_units=9, seed=4, clock=clock)
    start_s = edges[0][0] - 2
    met = pd.DataFrame(
        [(a - start_s, b - start_s, *rest) for a, b, *rest in small_session.shown],
        columns=["start_s", "stop_s", "kind", "item", "block"],
    )
    population = plant_units(small_space, 9, seed=4)
    duration_s = edges[-1][0] - edges[0][0] + 4
    found = trains(tmp_path)
    for (_, unit), train in zip(
        population.units.iterrows(), spikes(population, met, duration_s, seed=4), strict=True
    ):
        expected = 500 + (train + start_s) * 1.0001
        times = found.get((unit["channel"], unit["cell"]), [])
        np.testing.assert_allclose(times, expected, atol=1e-6)
    jitter = np.array([t for t, _ in lines(tmp_path)]) - 500 - 1.0001 * np.array(edges)[:, 0]
    assert jitter.max() > 0.005


def test_the_same_seed_records_the_same_and_another_does_not(
    small_session: Any, small_space: pd.DataFrame, tmp_path: Path
) -> None:
    def kept(folder: str, seed: int) -> tuple[object, object]:
        record(
            small_session.edges,
            small_session.plan,
            small_space,
            tmp_path / folder,
            n_units=5,
            seed=seed,
            clock=Clock(10.0, jitter_s=0.001),
        )
        return lines(tmp_path / folder), trains(tmp_path / folder)

    first, again, other = kept("a", 1), kept("b", 1), kept("c", 2)
    assert first == again
    assert first[0] != other[0]
    assert first[1] != other[1]


def test_the_truth_lies_in_files_of_its_own(
    small_session: Any, small_space: pd.DataFrame, tmp_path: Path
) -> None:
    clock = Clock(10.0, 5.0)
    record(
        small_session.edges,
        small_session.plan,
        small_space,
        tmp_path,
        n_units=7,
        seed=3,
        clock=clock,
    )
    truth = pd.read_csv(tmp_path / "planted.csv", index_col="unit")
    population = plant_units(small_space, 7, seed=3)
    pd.testing.assert_frame_equal(truth[population.units.columns], population.units)
    np.testing.assert_allclose(truth[["axis_PC1", "axis_PC2"]], population.axes)
    told = json.loads((tmp_path / "planted.json").read_text())
    assert told["seed"] == 3
    assert Clock(**told["clock"]) == clock
    listed = loadmat(tmp_path / "brainArea.mat")["brainArea"]
    assert listed[:, :3].tolist() == truth[["channel", "cell", "cluster"]].to_numpy().tolist()


def test_a_plan_whose_pictures_have_no_coordinates_is_refused_before_anything_is_written(
    small_session: Any, small_space: pd.DataFrame, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(AnalysisError) as refusal:
        record(
            small_session.edges,
            small_session.plan,
            small_space.drop(index=["dog", "oak"]),
            out,
            n_units=2,
            seed=0,
            clock=Clock(9.0),
        )
    assert str(refusal.value) == "object space: no row for 'dog', 'oak'"
    assert not out.exists()


def test_a_flat_space_is_refused_before_anything_is_written(
    small_session: Any, small_space: pd.DataFrame, tmp_path: Path
) -> None:
    out, flat = tmp_path / "out", small_space.assign(PC2=1.0)
    with pytest.raises(AnalysisError, match="same coordinate in PC2"):
        record(
            small_session.edges, small_session.plan, flat, out, n_units=2, seed=0, clock=Clock(9.0)
        )
    assert not out.exists()


def test_a_clock_that_would_read_less_than_zero_is_refused(
    small_session: Any, small_space: pd.DataFrame, tmp_path: Path
) -> None:
    session, space = small_session, small_space
    with pytest.raises(ValueError, match="less than zero at -1.0 s"):
        record(session.edges, session.plan, space, tmp_path, n_units=2, seed=0, clock=Clock(0.9))
    record(session.edges, session.plan, space, tmp_path, n_units=2, seed=0, clock=Clock(1.0))
    assert events(tmp_path)[0]["us"] == 0


def test_lines_that_never_change_leave_nothing_to_record(
    small_session: Any, small_space: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(RecordingError) as refusal:
        record(
            [(1.0, 0)], small_session.plan, small_space, tmp_path, n_units=2, seed=0, clock=Clock()
        )
    assert str(refusal.value) == (
        f"{tmp_path}: the lines never changed; there is nothing to record"
    )


@pytest.mark.parametrize(
    "text, said",
    [
        ("id,PC1\ndog,1\ndog,2\n", "{}: more than one row for 'dog'"),
        ("id,PC1,PC2\ndog,1,nan\n", "{}: missing or infinite values in 'PC2'"),
        ("id,PC1\ndog,\n", "{}: is no table of numbers: could not convert string to float: ''"),
        ("", "{}: is no table of numbers: No columns to parse from file"),
    ],
)
def test_what_is_no_table_of_coordinates_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "space.csv"
    path.write_text(text)
    with pytest.raises((FileError, AnalysisError)) as refusal:
        read_space(path)
    assert str(refusal.value) == said.format(path)


def test_coordinates_keep_names_that_look_like_numbers_or_like_nothing(tmp_path: Path) -> None:
    path = tmp_path / "space.csv"
    path.write_text("id,PC1\n007,1.5\nnan,2\n")
    assert read_space(path)["PC1"].to_dict() == {"007": 1.5, "nan": 2.0}


# --- live --------------------------------------------------------------------------------------


class Live:
    """A recorder in a process of its own, and the folder it writes."""

    def __init__(self, folder: Path, session: Any, space: pd.DataFrame) -> None:
        self.folder, self.out = folder, folder / "recording"
        (folder / "plan.json").write_text(json.dumps(session.plan))
        space.to_csv(folder / "space.csv")

    def arguments(self, port: str, *more: str) -> list[str]:
        paths = ("--plan", "plan.json", "--space", "space.csv", "--out", "recording")
        named = [str(self.folder / p) if n % 2 else p for n, p in enumerate(paths)]
        return ["--port", port, *named, "--units", "6", "--seed", "2", *more]

    def start(self, port: str, *more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "analysis.synthetic.recorder", *self.arguments(port, *more)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process


@pytest.fixture
def live(small_session: Any, small_space: pd.DataFrame, tmp_path: Path) -> Live:
    return Live(tmp_path, small_session, small_space)


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """The presenter's end of a pseudo-terminal, and the name of the recorder's."""
    master, slave = os.openpty()
    name = os.ttyname(slave)
    yield master, name
    os.close(slave)


def play(
    write: Callable[[bytes], object], edges: list[tuple[float, int]], speed: float
) -> list[float]:
    """Write the states of the lines when they are due; when each was written."""
    began, written = time.perf_counter(), []
    for due_s, state in edges:
        while time.perf_counter() - began < due_s / speed:
            time.sleep(0.0005)
        written.append(time.perf_counter())
        write(bytes([state]))
    return written


@posix
def test_a_live_recording_ends_when_the_presenter_hangs_up(
    live: Live, terminal: tuple[int, str], small_session: Any
) -> None:
    master, name = terminal
    process = live.start(name, "--offset-s", "50", "--drift-ppm", "1000")
    edges = small_session.edges
    written = play(lambda data: os.write(master, data), edges, speed=10)
    time.sleep(0.1)  # a terminal that hangs up forgets what was not read yet
    os.close(master)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert out.startswith(f"recorded {len(edges)} changes of the lines in ")
    assert ": 9 pictures seen or imagined as planned; 0 periods not in the plan and 0 with" in out
    found = lines(live.out)
    assert [v for _, v in found] == [v for _, v in edges]
    delay = np.array([t for t, _ in found]) / 1.001 - np.array(written)
    late_s = delay - delay.min()  # the recorder's zero is its own
    assert np.median(late_s) < 0.002
    assert sum(map(len, trains(live.out).values())) > 0
    assert set(pd.read_csv(live.out / "planted.csv")["channel"]) >= {c for c, _ in trains(live.out)}


@posix
def test_a_live_recording_ends_when_it_is_told_to(
    live: Live, terminal: tuple[int, str], small_session: Any
) -> None:
    master, name = terminal
    process = live.start(name)
    edges = small_session.edges[:40]
    play(lambda data: os.write(master, data), edges, speed=20)
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    os.close(master)
    assert (process.returncode, err) == (0, "")
    assert len(lines(live.out)) == len(edges)
    assert events(live.out)[-1]["text"] == b"Stopping Recording"
    assert (live.out / "brainArea.mat").exists()


@posix
def test_a_recorder_that_is_killed_leaves_what_it_saw(
    live: Live, terminal: tuple[int, str], small_session: Any
) -> None:
    master, name = terminal
    process = live.start(name)
    edges = small_session.edges[:40]
    play(lambda data: os.write(master, data), edges, speed=20)
    time.sleep(0.1)
    process.kill()
    process.communicate(timeout=20)
    os.close(master)
    assert [v for _, v in lines(live.out)] == [v for _, v in edges]
    assert b"File was not closed properly" in (live.out / "Events.nev").read_bytes()


def test_a_live_recording_through_a_socket_ends_with_its_stop_file(
    live: Live, small_session: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = live.folder / "stop"
        port = f"socket://127.0.0.1:{server.getsockname()[1]}"
        process = live.start(
            port, "--stop-file", str(stop), "--jitter-ms", "1", "--jitter", "normal"
        )
        presenter, _ = server.accept()
        with presenter:
            play(presenter.sendall, small_session.edges, speed=20)
            time.sleep(0.1)
            stop.touch()
            out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert [v for _, v in lines(live.out)] == [v for _, v in small_session.edges]


def test_a_socket_that_closes_ends_the_recording(live: Live, small_session: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = live.start(f"socket://127.0.0.1:{server.getsockname()[1]}")
        presenter, _ = server.accept()
        presenter.close()
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert out.startswith("recorded 0 changes of the lines in ")
    assert sum(map(len, trains(live.out).values())) >= 0


def test_a_port_that_is_not_there_is_refused_and_nothing_is_written(
    live: Live, capsys: pytest.CaptureFixture[str], handlers: None
) -> None:
    assert main(live.arguments("/dev/no-such-port")) == 2
    said = capsys.readouterr().err
    assert said.startswith("/dev/no-such-port: cannot be opened: ")
    assert not live.out.exists()


def test_a_plan_that_cannot_be_read_is_refused_before_the_port_is_opened(
    live: Live, capsys: pytest.CaptureFixture[str], handlers: None
) -> None:
    (live.folder / "plan.json").unlink()
    assert main(live.arguments("/dev/no-such-port")) == 2
    plan = live.folder / "plan.json"
    assert capsys.readouterr().err == f"{plan}: cannot be read: No such file or directory\n"


@pytest.mark.parametrize(
    "option, value, least",
    [("--offset-s", "-1", 0), ("--jitter-ms", "-0.1", 0), ("--units", "0", 1), ("--seed", "-3", 0)],
)
def test_numbers_that_cannot_be_are_refused(
    option: str,
    value: str,
    least: int,
    live: Live,
    capsys: pytest.CaptureFixture[str],
    handlers: None,
) -> None:
    with pytest.raises(SystemExit) as ending:
        main(live.arguments("/dev/no-such-port", option, value))
    assert ending.value.code == 2
    said = capsys.readouterr().err
    assert f"argument {option}: must be at least {least}, not {value}" in said


@pytest.fixture
def handlers() -> Iterator[None]:
    """Put back what happens at signals."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
