"""Commands on protocols as a user meets them: make one, look at it, compare two."""

import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from task import places
from task.contract.catalog import read_catalog
from task.planning import plan_file
from task.protocol import read_protocol
from task.rigs.simulated import simulated_rig
from task.session import new_folder, run_session
from tests.task.conftest import TINY, Imagery, Said

ROOT = Path(__file__).parents[2]


@pytest.fixture
def session(tiny: Path) -> Path:
    """The folder of a session of `tiny`, shown with seed 3."""
    file, catalog = read_protocol(tiny), read_catalog(tiny.parent / "pets")
    plan = plan_file(file, catalog, seed=3, refresh_hz=60.0, spacing_frames=2)
    folder = new_folder(tiny.parent / "data", "P01", plan.name)
    rig = simulated_rig(60.0, pulse_s=0.005, gap_s=0.005, seed=0)
    run_session(
        folder, file, None, catalog, tiny.parent / "pets/manifest.csv", plan, rig,
        subject="P01", session=1,
    )  # fmt: skip
    return folder


def contents(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# plan --plot ---------------------------------------------------------------------------------


def test_plan_draws_a_picture_in_place_of_the_table(imagery: Imagery, tiny: Path) -> None:
    assert imagery("plan", "tiny.toml", "--plot", "p.svg") == Said(0, "picture  p.svg\n", "")
    assert (tiny.parent / "p.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_plan_says_what_pictures_it_can_draw(imagery: Imagery, tiny: Path) -> None:
    assert imagery("plan", "tiny.toml", "--plot", "p.gif") == Said(
        2, "", "p.gif: a picture is written as .svg, .png, .pdf\n"
    )


# preview -------------------------------------------------------------------------------------


def test_preview_writes_a_page_and_says_how_large_it_is(imagery: Imagery, tiny: Path) -> None:
    code, out, _ = imagery("preview", "tiny.toml")
    page = tiny.parent / "tiny_preview.html"
    assert (code, out) == (0, f"page  tiny_preview.html  {page.stat().st_size / 1e6:.1f} MB\n")
    text = page.read_text(encoding="utf-8")
    assert "<dt>protocol</dt><dd>tiny.toml</dd>" in text
    assert "The order is that of seed 0; every session draws an order of its own" in text
    assert 'class="overview" src="data:image/svg+xml,' in text
    assert "IMAGE_ON <b>20</b>" in text


def test_preview_shows_the_rigs_own_screen(imagery: Imagery, tiny: Path) -> None:
    (tiny.parent / "r.toml").write_text(
        'name = "r"\n[triggers]\ndevice = "none"\n[screen]\nfull_screen = false\n'
        "window_px = [600, 400]\nwidth_cm = 20\n"
    )
    tiny.write_text(TINY.replace("[pictures]", "seed = 4\n[look]\npicture_deg = 15\n[pictures]"))
    code, _, _ = imagery("preview", "tiny.toml", "--rig", "r.toml", "--out", "q.html")
    text = (tiny.parent / "q.html").read_text(encoding="utf-8")
    assert code == 0 and "600 × 400 px" in text
    assert "No room: picture dog needs a screen 15.0 degrees high; this one has 12.7" in text
    assert "draws an order of its own" not in text and "16 to 9" not in text


def test_a_seed_that_would_do_nothing_is_refused(imagery: Imagery, tiny: Path) -> None:
    tiny.write_text(TINY.replace("[pictures]", "seed = 4\n[pictures]"))
    for command in ("preview", "plan"):
        assert imagery(command, "tiny.toml", "--seed", "5") == Said(
            2, "", "tiny.toml: says seed = 4, which goes before --seed 5; leave one out\n"
        )


def test_preview_says_where_it_cannot_write(imagery: Imagery, tiny: Path) -> None:
    code, out, err = imagery("preview", "tiny.toml", "--out", "none/p.html")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == "none/p.html: cannot be written: No such file or directory"


# diff ----------------------------------------------------------------------------------------


def test_diff_is_silent_on_comments(imagery: Imagery, tiny: Path) -> None:
    (tiny.parent / "b.toml").write_text("# the same\n" + TINY)
    assert imagery("diff", "tiny.toml", "b.toml") == Said(
        0, "no difference: the same settings, the same session to the frame\n", ""
    )


def test_diff_says_what_changed_and_ends_with_1(imagery: Imagery, tiny: Path) -> None:
    changed = TINY.replace('"owl"', '"cow", "hat"').replace("image_s = 0.25", "image_s = 0.35")
    (tiny.parent / "b.toml").write_text(changed)
    assert imagery("diff", "tiny.toml", "b.toml") == Said(
        1,
        "tiny.toml → b.toml\n"
        "settings\n"
        "  pictures.ids: without owl; with cow, hat\n"
        "  screening.image_s: 0.25 s → 0.35 s\n"
        "session\n"
        "  duration: 0.1 min (0.1 to 0.1) → 0.1 min (0.1 to 0.1): 0.8 s more as a rule\n"
        "  trials: 4 → 5: 3 → 4 view\n"
        "  pictures: 3 → 4\n"
        "  1 picture no longer shown: owl\n"
        "  2 pictures shown only now: cow, hat\n"
        "  order: pictures of both come in the same order\n",
        "",
    )


def test_diff_of_what_cannot_be_read_ends_with_2(imagery: Imagery, tiny: Path) -> None:
    (tiny.parent / "b.toml").write_text(TINY.replace("repeats", "repeat"))
    code, out, err = imagery("diff", "tiny.toml", "b.toml")
    assert (code, out) == (2, "")
    assert err.startswith("b.toml:7: screening.repeat: no such setting (did you mean 'repeats'?)")


def test_a_session_has_the_protocol_that_it_was_shown_by(
    imagery: Imagery, tiny: Path, session: Path
) -> None:
    assert imagery("diff", session, "tiny.toml").code == 0  # planned with the session's seed
    tiny.write_text(TINY.replace("repeats = 1", "repeats = 2"))
    code, out, _ = imagery("diff", session, "tiny.toml")
    assert code == 1 and "  screening.repeats: 1 → 2\n" in out and "seed" not in out
    assert imagery("diff", "--help").out.count("Exit code 0") == 1


# new -----------------------------------------------------------------------------------------


def test_new_without_a_terminal_asks_nothing(
    imagery: Imagery, pet_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("task.new_protocol.STIMULI", pet_folder.parent / "none")
    code, out, err = imagery("new", "./ward.toml", "--minutes", "10")
    assert (code, err) == (0, "")
    first, *rest = out.splitlines()
    assert re.fullmatch(
        r"ward\.toml  12 pictures, 53 trials, about \d min \d\d s \(\d\d s to \d+ min \d\d s\)",
        first,
    )
    assert rest == [
        "next  imagery preview ward.toml    shows every screen",
        "      imagery check ward.toml      says what a change comes to",
    ]
    assert imagery("check", "ward.toml").code == 0
    assert imagery("new", "ward.toml") == Said(
        2, "", "ward.toml is there already; nothing was overwritten; take another name\n"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--task", "imagry"), "--task imagry: no such choice (did you mean 'imagery'?)\n"),
        (("--stimuli", "x"), "--stimuli x: no such choice; there are "),
        (
            ("--stimuli", "pets", "--language", "xx"),
            "--language xx: no such choice; there are en\n",
        ),
        (
            ("--stimuli", "pets", "--items", "animal, thingy"),
            "--items animal, thingy: no group 'thingy' in the set (did you mean 'thing'?)\n",
        ),
    ],
)
def test_new_says_what_there_is_to_choose_from(
    options: tuple[str, ...], message: str, imagery: Imagery, pet_folder: Path
) -> None:
    code, out, err = imagery("new", "./p.toml", *options)
    assert (code, out) == (2, "") and err.startswith(message)
    assert contents(pet_folder.parent) == {"pets"}


def at_a_terminal(folder: Path, *answers: str, stopped: bool = False) -> tuple[int, str]:
    """The end of `imagery new p.toml`, all that stood on the terminal; `stopped`: by Ctrl-C."""
    pty = pytest.importorskip("pty")  # not on Windows
    master, slave = pty.openpty()
    line = [sys.executable, "-m", "task", "new", "./p.toml"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    process = subprocess.Popen(
        line, stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=environment,
        start_new_session=True, preexec_fn=_its_terminal,
    )  # fmt: skip
    os.close(slave)
    shown, asked, left = b"", 0, list(answers)
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        if select.select([master], [], [], 1.0)[0]:
            shown += _read(master)
            if shown.count(b"]: ") > asked and left:
                asked = shown.count(b"]: ")
                os.write(master, f"{left.pop(0)}\n".encode())
        elif stopped and not left:  # it waits for more
            os.write(master, b"\x03")
    while more := _read(master):
        shown += more
    os.close(master)
    process.kill()
    return process.wait(), shown.decode()


def _read(master: int) -> bytes:
    """What is there to be read; nothing once the other end is closed."""
    try:
        return os.read(master, 4096)
    except OSError:
        return b""


def _its_terminal() -> None:
    """The terminal is the one that sends it Ctrl-C."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_new_asks_at_a_terminal_and_asks_again(pet_folder: Path) -> None:
    code, shown = at_a_terminal(
        pet_folder.parent, "imagry", "imagery", "pets", "dog, cat, cow, owl, cup, hat", "", "1000",
        "20",
    )  # fmt: skip
    assert code == 0, shown
    assert "What is to be done: screening, imagery [screening]: imagry" in shown
    assert "there are screening, imagery" in shown
    assert "give a number of minutes, 1 to 300" in shown
    protocol = read_protocol(pet_folder.parent / "p.toml").protocol
    assert protocol.imagery and protocol.stimuli == "pets"
    assert protocol.imagery.items == ("dog", "cat", "cow", "owl", "cup", "hat")


def test_ctrl_c_leaves_nothing(pet_folder: Path) -> None:
    code, _ = at_a_terminal(pet_folder.parent, "imagery", stopped=True)
    assert code == 130
    assert contents(pet_folder.parent) == {"pets"}


def test_a_new_protocol_of_the_installation_is_called_by_its_name(
    imagery: Imagery, pet_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("task.places", "task.new_protocol"):
        monkeypatch.setattr(f"{module}.PROTOCOLS", pet_folder.parent)
    assert "next  imagery preview ward    shows" in imagery("new", "ward", "--stimuli", "pets").out
    assert places.find_protocol("ward") == pet_folder.parent / "ward.toml"
    assert imagery("check", "ward").code == 0
