"""The command line as a user meets it: exit codes, whole messages, nothing half-written."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from task import cli, protocol_cli
from task.contract.catalog import read_catalog
from task.contract.sessionlog import LOG_NAME, Kind, read_log
from task.plan import Block, Trial
from task.planning import plan_file
from task.protocol import read_protocol
from task.rigs.simulated import simulated_rig
from task.session import new_folder, run_session
from tests.task.conftest import TINY, Imagery, Said

ROOT = Path(__file__).parents[2]


def contents(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


# check ---------------------------------------------------------------------------------------


def test_check_says_what_a_session_will_be(imagery: Imagery, tiny: Path) -> None:
    code, out, err = imagery("check", "tiny.toml")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:5] == [
        "tiny  tiny.toml",
        "  trials    3 view, 1 text",
        "  pictures  3 of set pets",
        "  duration  5 s and waits for answers; at most 5 s",
        "  flicker   at most 3 flashes in any second",
    ]
    assert lines[5:9] == [
        "  at 60 Hz  fits; codes 2 frames apart",
        "  at 75 Hz  cannot be shown: screening.image_s, screening.blank_s;"
        " `check --refresh 75` says why",
        "  at 120 Hz  fits; codes 2 frames apart",
        "  at 144 Hz  cannot be shown: screening.blank_s; `check --refresh 144` says why",
    ]
    assert re.search(r"^ +IMAGE_ON +20", out, re.MULTILINE)


@pytest.mark.parametrize(("blocks", "rounds", "enough"), [(2, 1, False), (4, 4, True)])
def test_check_says_what_imagery_can_show_of_single_units(
    capsys: pytest.CaptureFixture[str],
    pet_folder: Path,
    tiny: Path,
    blocks: int,
    rounds: int,
    enough: bool,
) -> None:
    pairs = [("dog", "cat"), ("owl", "fox"), ("cat", "owl"), ("fox", "dog")][:blocks]
    cues = [tuple(Trial(Kind.IMAGINE, (), item) for item in pair * rounds) for pair in pairs]
    file, catalog = read_protocol(tiny), read_catalog(pet_folder)
    made = plan_file(file, catalog, seed=0, refresh_hz=60.0, spacing_frames=2)
    cli._say_reach(replace(made, blocks=tuple(Block("imagery", trials) for trials in cues)))
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith(f"imagery {2 * rounds * blocks} cues in {blocks} blocks: the smallest p")
    assert ("too few cues for claims about single units" in said) == (not enough)


def test_check_at_one_rate_says_why_it_does_not_fit(imagery: Imagery, tiny: Path) -> None:
    assert imagery("check", "tiny.toml", "--refresh", "144") == Said(
        2,
        "",
        "tiny.toml:9: screening.blank_s: 0.15 s is 21.60 frames at 144 Hz; use 0.1458 s (21"
        " frames) or 0.1528 s (22 frames), or round_to_frames = true\n",
    )


def test_check_tells_the_faults_of_all_files(imagery: Imagery, tiny: Path) -> None:
    Path("a.toml").write_text(TINY.replace("dog", "dgo"))
    Path("b.toml").write_text("name = 5\n[screening]\n")
    code, out, err = imagery("check", "a.toml", "tiny.toml", "b.toml", "none", "gone.toml")
    assert code == 2
    assert out.startswith("tiny  tiny.toml")
    lines = err.splitlines()
    assert (
        lines[0]
        == "a.toml:5: pictures.ids[1]: no picture 'dgo' in set 'pets' (did you mean 'dog'?)"
    )
    assert lines[1].startswith("b.toml:1: name: should be a text in quotes, not 5")
    assert lines[2].startswith("no protocol 'none': give the path of a .toml file, or one of demo")
    assert lines[3:] == ["gone.toml: cannot be read: No such file or directory"]


def test_check_tells_a_missing_set(imagery: Imagery, tiny: Path) -> None:
    tiny.write_text(TINY.replace("pets", "birds"))
    code, _, err = imagery("check", "tiny.toml")
    assert code == 2
    assert err.startswith("tiny.toml:3: stimuli: no set 'birds'; looked for manifest.csv in ")


def test_check_tells_words_that_cannot_be_drawn(imagery: Imagery, tiny: Path) -> None:
    tiny.write_text(TINY.replace("[texts]", '[texts]\nend = "\ue000 end"'), encoding="utf-8")
    code, _, err = imagery("check", "tiny.toml")
    assert (code, err) == (
        2,
        "tiny.toml: '\\ue000 end': no font here has \ue000; use other words\n",
    )


def test_check_shows_names_as_they_are(imagery: Imagery, tiny: Path) -> None:
    Path("[bold]x.toml").write_text(
        f'{TINY}[safety]\nflashes_per_s = 4\napproved_by = "[b]Dr Who[/b]"\nreason = "none"\n'
    )
    code, out, _ = imagery("check", "[bold]x.toml")
    assert code == 0
    assert "tiny  [bold]x.toml" in out
    assert "flashes in any second, approved by [b]Dr Who[/b]" in out


def test_check_says_what_a_table_of_ones_own_loses(imagery: Imagery, tiny: Path) -> None:
    tiny.write_text(f"{TINY}[codes]\nimage_on = 201\n")
    code, out, _ = imagery("check", "tiny.toml")
    assert code == 0
    assert "  note      IMAGE_ON = 201: values from 128 on are payload; " in out


@pytest.mark.parametrize("rate", ["0", "-60", "1000", "sixty"])
def test_a_rate_that_no_display_has_is_refused(rate: str, imagery: Imagery, tiny: Path) -> None:
    for command in ("check", "plan"):
        code, out, err = imagery(command, "tiny.toml", "--refresh", rate)
        assert (code, out) == (2, "")
        assert "--refresh" in err


# plan ----------------------------------------------------------------------------------------


def test_plan_as_json_is_the_plan(imagery: Imagery, tiny: Path, pet_folder: Path) -> None:
    code, out, err = imagery("plan", "tiny.toml", "--json", "--seed", "5")
    assert (code, err) == (0, "")
    expected = plan_file(
        read_protocol(tiny), read_catalog(pet_folder), seed=5, refresh_hz=60.0, spacing_frames=2
    )
    assert json.loads(out) == json.loads(expected.text)


def test_plan_lists_the_frame_of_every_step(
    imagery: Imagery, tiny: Path, pet_folder: Path, tmp_path: Path
) -> None:
    code, out, _ = imagery("plan", "tiny.toml")
    assert code == 0
    rows = [line.split() for line in out.splitlines()[1:]]
    listed = [(int(row[0]), row[4]) for row in rows]

    file, catalog = read_protocol(tiny), read_catalog(pet_folder)
    plan = plan_file(file, catalog, seed=0, refresh_hz=60.0, spacing_frames=2)
    rig = simulated_rig(60.0, pulse_s=0.005, gap_s=0.005, seed=0)
    folder = new_folder(tmp_path / "data", "x", "x")
    run_session(
        folder, file, None, catalog, pet_folder / "manifest.csv", plan, rig, subject="x", session=1
    )
    codes = {step.code for block in plan.blocks for trial in block.trials for step in trial.steps}
    shown = [(round(e.time_s * 60) - 1, e.name) for e in read_log(folder).events if e.name in codes]
    assert listed == shown
    assert [row[1] for row in rows] == [f"{frame / 60:.3f}" for frame, _ in listed]


def test_plan_of_a_protocol_with_faults_prints_nothing(imagery: Imagery, tiny: Path) -> None:
    tiny.write_text(TINY.replace("0.25", "0.26"))
    code, out, err = imagery("plan", "tiny.toml", "--json")
    assert (code, out) == (2, "")
    assert err.startswith("tiny.toml:8: screening.image_s: 0.26 s is 15.60 frames at 60 Hz")


# verify, loopback, resume: without a window --------------------------------------------------


@pytest.fixture
def made(imagery: Imagery, tiny: Path) -> Path:
    """A simulated session and its recording."""
    assert imagery("simulate", "tiny.toml", "--out", "made", "--units", "2").code == 0
    return Path("made")


def test_verify_judges_a_session_and_leaves_a_picture_of_its_timing(
    imagery: Imagery, made: Path
) -> None:
    code, out, _ = imagery("verify", "made/session")
    assert code == 0
    rows = [line.split()[:2] for line in out.splitlines()]
    assert ["green", "digests"] in rows and not [row for row in rows if row[0] == "red"]
    assert out.splitlines()[-1] == "timing  made/session/timing.png"
    assert (made / "session" / "timing.png").stat().st_size > 1000
    document = json.loads(imagery("verify", "made/session", "--json").out)
    assert document["light"] == "green"


def test_verify_ends_with_2_where_a_file_is_not_the_sessions(imagery: Imagery, made: Path) -> None:
    protocol = made / "session" / "protocol.toml"
    protocol.write_bytes(protocol.read_bytes() + b"# looks harmless\n")
    code, out, _ = imagery("verify", "made/session")
    assert code == 2
    (red,) = [line for line in out.splitlines() if line.startswith("red")]
    assert "protocol.toml" in red


def test_loopback_compares_a_session_with_its_recording(imagery: Imagery, made: Path) -> None:
    code, out, _ = imagery("loopback", "made/session", "made/recording")
    assert code == 0 and "red" not in {line.split()[0] for line in out.splitlines()}
    document = json.loads(imagery("loopback", "made/session", "made/recording", "--json").out)
    assert document["light"] in ("green", "yellow")


def cut_short(log: Path) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[: len(lines) // 2]))


def test_a_log_that_went_on_elsewhere_must_be_brought_home_first(
    imagery: Imagery, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Path("made/session").resolve()
    log = session / "session.jsonl"
    whole = log.read_bytes()
    cut_short(log)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(Path.cwd()))
    rescued = Path.cwd() / "imagery_rescued" / "made_session_session_1.jsonl"
    rescued.parent.mkdir()
    rescued.write_bytes(whole)
    assert imagery("resume", "made/session") == Said(
        2,
        "",
        "made/session: its disk refused the log, which went on in"
        f" imagery_rescued/{rescued.name} and was"
        " not brought back; copy that over made/session/session.jsonl (a part without a header goes"
        " behind what is there), then resume\n",
    )
    code, out, _ = imagery("verify", "made/session", "--json")
    rows = {row["what"]: row for row in json.loads(out)["rows"]}
    assert code == 2 and rows["rescued"]["light"] == "red", out
    log.write_bytes(whole)
    code, out, _ = imagery("verify", "made/session", "--json")
    assert code == 0 and "rescued" not in out


def test_resume_refuses_what_cannot_go_on(imagery: Imagery, made: Path) -> None:
    assert imagery("resume", "made/session", "--at", "once") == Said(
        2, "", "--at once: give `block` or `trial`\n"
    )
    code, _, err = imagery("resume", "made/session", "--override", "refesh=Dr Who")
    assert (code, err) == (
        2, "--override refesh=Dr Who: no such check (did you mean 'refresh'?)\n"
    )  # fmt: skip
    assert imagery("resume", "made/session") == Said(
        2, "", "this session was shown to its end; there is nothing to resume\n"
    )
    cut_short(Path("made/session/session.jsonl"))
    code, _, err = imagery("resume", "made/session")
    assert code == 2 and err.startswith("this session showed set 'pets', which is not in ")
    assert err.endswith("; give its folder: --stimuli FOLDER\n")
    assert imagery("resume", "made/session", "--stimuli", "pets") == Said(
        2, "", "made/session has no rig.toml; say which rig: --rig NAME\n"
    )
    code, _, err = imagery("resume", "made/recording")
    assert code == 2 and err.startswith("made/recording/session.jsonl: cannot be read: ")


def test_a_rig_that_cannot_send_the_codes_is_refused(imagery: Imagery, tiny: Path) -> None:
    Path("slow.toml").write_text(
        'name = "slow"\n[triggers]\ndevice = "serial"\nport = "COM3"\nbaud = 1201\n'
        "pulse_s = 0.003\ngap_s = 0.003\n"
    )
    code, _, err = imagery("check", "tiny.toml", "--rig", "slow.toml")
    assert code == 2
    assert re.fullmatch(
        r"rig slow: a code takes [\d.]+ ms on its way to the trigger device .*\n", err
    )


def test_a_protocol_with_sounds_is_checked_for_them(imagery: Imagery, tiny: Path) -> None:
    text = TINY[: TINY.index("[pictures]")] + (
        '[imagery]\nitems = ["dog", "cat", "cow", "owl", "cup", "hat"]\ncue = "sound"\n'
        "[imagery.sounds]\n"
    )
    sounds = "".join(f'{i} = "{i}.wav"\n' for i in ("dog", "cat", "cow", "owl", "cup", "hat"))
    tiny.write_text(text + sounds)
    for item in ("dog", "cat", "cow", "owl", "cup"):
        Path(f"{item}.wav").touch()
    code, _, err = imagery("check", "tiny.toml")
    assert code == 2
    assert re.fullmatch(r"tiny.toml:13: imagery.sounds.hat: no file 'hat.wav' in .*\n", err)
    Path("hat.wav").touch()
    Path("mute.toml").write_text('name = "mute"\n[triggers]\ndevice = "none"\n')
    code, out, _ = imagery("check", "tiny.toml", "--rig", "mute.toml")
    assert code == 0
    assert out.splitlines()[-1] == (
        "  note      rig mute.toml has no [sound]; this protocol needs it"
    )


# simulate ------------------------------------------------------------------------------------


def test_simulate_makes_a_session_and_its_recording(imagery: Imagery, tiny: Path) -> None:
    tiny.write_text(TINY.replace('ids = ["dog", "cat", "owl"]', 'groups = ["animal", "plant"]'))
    code, out, _ = imagery("simulate", "tiny.toml", "--out", "made", "--units", "3", "--seed", "2")
    assert code == 0
    assert "session    made/session" in out
    log = read_log(Path("made/session"))
    assert log.ending and log.ending["how"] == "completed"
    assert log.header.subject == log.header.rig == "simulated"
    assert (Path("made/recording") / "Events.nev").is_file()


def test_simulate_leaves_a_folder_alone_that_holds_something(imagery: Imagery, tiny: Path) -> None:
    Path("full").mkdir()
    Path("full/precious.txt").write_text("x")
    assert imagery("simulate", "tiny.toml", "--out", "full") == Said(
        2, "", "full is there already and not empty; give a new folder\n"
    )
    assert contents(Path("full")) == {"precious.txt"}


def test_simulate_does_not_take_a_file_for_a_folder(imagery: Imagery, tiny: Path) -> None:
    assert imagery("simulate", "tiny.toml", "--out", "tiny.toml") == Said(
        2, "", "tiny.toml: no folder can be made here: File exists\n"
    )
    assert tiny.read_text() == TINY


@pytest.mark.parametrize("name", ["unknown", "gone.toml", "broken.toml"])
def test_simulate_writes_nothing_for_a_protocol_it_cannot_show(
    name: str, imagery: Imagery, tiny: Path
) -> None:
    Path("broken.toml").write_text(TINY.replace("dog", "dgo"))
    code, out, err = imagery("simulate", name, "--out", "made")
    assert (code, out) == (2, "") and err
    assert not Path("made").exists()


# run -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", ["P/07", "../P07", "", "Jane Doe"])
def test_run_refuses_a_subject_that_is_no_code_before_anything_else(
    subject: str, imagery: Imagery
) -> None:
    code, out, err = imagery("run", "unknown", "--subject", subject, "--data", "data")
    assert (code, out) == (2, "")
    assert err == (
        f"subject {subject!r}: use a code of letters, digits, '-' and '_' (at most 32), no name\n"
    )
    assert not Path("data").exists()


RUN = ("run", "tiny.toml", "--subject", "P07", "--rig", "rig.toml", "--data", "data")
RIG = """schema = 1
name = "test_rig"
robot = true
[screen]
refresh_hz = 240
[triggers]
"""


class Recorder(NamedTuple):
    """The far end of a trigger cable."""

    port: str
    received: Callable[[], bytes]
    """All that has come so far."""

    pull: Callable[[], None]
    """Nobody listens from now on."""


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A pseudo-terminal for a trigger cable."""
    tty = pytest.importorskip("tty", reason="Windows has no pseudo-terminals")
    master, slave = os.openpty()
    tty.setraw(slave)
    come = bytearray()
    open_ends = {master}

    def received() -> bytes:
        while select.select([master], [], [], 0.2)[0]:
            come.extend(os.read(master, 4096))
        return bytes(come)

    def pull() -> None:
        os.close(master)
        open_ends.remove(master)

    yield Recorder(os.ttyname(slave), received, pull)
    for descriptor in (slave, *open_ends):
        os.close(descriptor)


@contextmanager
def running(*arguments: str | Path, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """The command as a process of its own, on a display of its own where there is Xvfb."""
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        if not shutil.which("Xvfb"):
            pytest.skip("there is neither a display nor Xvfb here")
    with subprocess.Popen(
        [sys.executable, "-m", "task", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def protocol_and_rig(folder: Path, port: str) -> None:
    (folder / "tiny.toml").write_text(TINY.replace("text_s = 0", "text_s = 3"))
    (folder / "rig.toml").write_text(f'{RIG}port = "{port}"\n')


def the_session(folder: Path) -> Path:
    (session,) = (folder / "data" / "P07").iterdir()
    return session


def test_run_shows_a_session_in_a_window_and_keeps_everything(
    pet_folder: Path, recorder: Recorder
) -> None:
    folder, (port, received, _) = pet_folder.parent, recorder
    protocol_and_rig(folder, port)
    with running(*RUN, cwd=folder) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    session = the_session(folder)
    assert out.splitlines()[-2] == f"completed: {session.relative_to(folder)}"
    assert re.fullmatch(r"\d+ codes, \d+ late frames", out.splitlines()[-1])
    assert contents(session) == {
        LOG_NAME, "plan.json", "protocol.toml", "rig.toml", "manifest.csv"
    }  # fmt: skip
    for path in session.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    assert session.stat().st_mode & 0o777 == session.parent.stat().st_mode & 0o777 == 0o700

    log = read_log(session)
    assert log.ending and log.ending["how"] == "completed" and log.ending["codes_lost"] == 0
    assert log.header.rig == "test_rig"
    codes = [event.code for event in log.events if event.code is not None]
    sent = received()
    assert [value for value in sent if value] == codes
    assert sent[0] == sent[-1] == 0
    assert all(bool(a) != bool(b) or a == b == 0 for a, b in zip(sent, sent[1:], strict=False))
    assert [e.detail["answer"] for e in log.events if e.name == "ANSWER"] == ["any"]


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_run_that_is_told_to_end_ends_well(
    number: str, pet_folder: Path, recorder: Recorder
) -> None:
    folder, (port, received, _) = pet_folder.parent, recorder
    protocol_and_rig(folder, port)
    with running(*RUN, cwd=folder) as process:
        deadline_s = time.monotonic() + 60
        while len(received()) < 20:
            assert time.monotonic() < deadline_s and process.poll() is None
        process.send_signal(getattr(signal, number))
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    log = read_log(the_session(folder))
    assert log.ending and log.ending["how"] == "interrupted"
    sent = received()
    assert [value for value in sent if value] == [e.code for e in log.events if e.code is not None]
    assert list(sent[-4:]) == [96, 0, 9, 0] or list(sent[-5:]) == [96, 0, 9, 0, 0]


def test_a_run_whose_cable_was_pulled_says_so_at_the_end(
    pet_folder: Path, recorder: Recorder
) -> None:
    folder, (port, received, pull) = pet_folder.parent, recorder
    protocol_and_rig(folder, port)
    with running(*RUN, cwd=folder) as process:
        while len(received()) < 20:
            assert process.poll() is None
        pull()
        time.sleep(0.3)  # some codes go nowhere
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    log = read_log(the_session(folder))
    assert log.ending and log.ending["how"] == "interrupted"
    lost, codes = log.ending["codes_lost"], log.ending["codes"]
    assert 0 < lost < codes == len([e for e in log.events if e.code is not None])
    assert out.splitlines()[-3].startswith("interrupted: ")
    assert out.splitlines()[-1].startswith("to go on with it: imagery resume ")
    assert err.splitlines()[-1].startswith(
        f"TRIGGERS LOST: {lost} of {codes} codes did not leave the trigger port"
    )


def test_run_says_which_port_is_missing_and_makes_no_folder(pet_folder: Path) -> None:
    folder = pet_folder.parent
    protocol_and_rig(folder, "/dev/ttyABSENT")
    with running(*RUN, cwd=folder) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    said = "the trigger port '/dev/ttyABSENT' cannot be opened: No such file or directory"
    assert err.startswith(f"not ready for a patient:\n  port: {said}")
    assert err.endswith("nobody can answer for: port\n")
    assert list((folder / "data").iterdir()) == []


def test_run_refuses_words_that_do_not_fit_before_it_makes_a_folder(pet_folder: Path) -> None:
    folder = pet_folder.parent
    protocol_and_rig(folder, "loop://")
    high = "line" + r"\nline" * 29
    (folder / "tiny.toml").write_text(TINY.replace("[texts]", f'[texts]\nend = "{high}"'))
    with running(*RUN, cwd=folder) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"layout: '{high}' needs a screen " in err and err.endswith(": layout\n")
    assert list((folder / "data").iterdir()) == []


# Help ----------------------------------------------------------------------------------------


def test_every_command_has_its_help(imagery: Imagery) -> None:
    commands = [c.name or c.callback.__name__ for c in cli.app.registered_commands if c.callback]
    assert {"setup", "check", "plan", "run", "simulate"} <= set(commands)
    for command in commands:
        code, out, _ = imagery(command, "--help")
        assert code == 0 and "Usage" in out


def test_an_error_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, tiny: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(protocol_cli, "plan_on", fail)
    monkeypatch.setattr(sys, "argv", ["imagery", "plan", str(tiny)])
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main()
