"""The launcher: what it finds missing, what it takes for complete, what a cut-short start leaves.

The set-up itself is what every run of these tests has just been through.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from packaging.markers import Marker

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
TEST_LOCK = (ROOT / "requirements-test.lock").read_text(encoding="utf-8")
LIBRARIES = "libgl1 libglu1-mesa libx11-6 libxinerama1 libxxf86vm1 libfontconfig1"
VENV_PACKAGE = f"python3.{sys.version_info.minor}-venv"
WINDOW_COMMANDS = ["setup", "demo", "preflight", "run", "resume", "test"]
OTHER_COMMANDS = ["", "--help", "check", "plan", "simulate", "analyze", "select"]

posix = pytest.mark.skipif(os.name != "posix", reason="Windows neither forks nor has root")


@pytest.fixture
def launcher(tmp_path):
    """The launcher of a checkout that holds nothing but two locks."""
    file = Path(shutil.copy(ROOT / "imagery", tmp_path))
    (tmp_path / "requirements.lock").write_text("numpy==2 --hash=sha256:0\n")
    (tmp_path / "requirements-test.lock").write_text("pytest==9 --hash=sha256:1\n")
    spec = spec_from_file_location("launcher", file, loader=SourceFileLoader("launcher", str(file)))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bare(launcher, monkeypatch):
    """The same on a Linux that has Python and apt-get and nothing else; we are not root."""
    monkeypatch.setattr(launcher.sys, "platform", "linux")
    monkeypatch.setattr(launcher.os, "geteuid", lambda: 1000, raising=False)
    monkeypatch.setattr(launcher.ctypes.util, "find_library", lambda name: None)
    monkeypatch.setattr(launcher.importlib.util, "find_spec", lambda name: None)
    monkeypatch.delenv("DISPLAY", raising=False)
    has(launcher, monkeypatch, "apt-get")
    return launcher


def has(launcher, monkeypatch, *programs):
    """Leave these programs on the PATH and no other."""
    monkeypatch.setattr(launcher.shutil, "which", lambda name: name if name in programs else None)


def fill(launcher, locks, text="complete"):
    """Make an environment that is complete for `locks`, holding a file with `text`."""
    launcher.PYTHON.parent.mkdir(parents=True, exist_ok=True)
    launcher.PYTHON.touch()
    (launcher.VENV / "content").write_text(text)
    launcher.STAMP.write_text("\n".join([*launcher.stamp(locks), ""]))
    launcher.PICTURES_STAMP.touch()


def content(launcher):
    """Return what `fill` wrote."""
    return (launcher.VENV / "content").read_text()


# ---- Python


def test_an_old_python_can_read_the_launcher():
    ast.parse((ROOT / "imagery").read_text(encoding="utf-8"), feature_version=(3, 6))


def test_the_launcher_needs_nothing_but_the_standard_library():
    tree = ast.parse((ROOT / "imagery").read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 10, 13), (3, 13, 0), (4, 0, 1)])
def test_a_python_that_does_not_fit_is_refused_in_one_sentence(
    launcher, monkeypatch, capsys, version
):
    monkeypatch.setattr(launcher, "answer_of", lambda command: None)
    monkeypatch.setattr(launcher.sys, "version_info", version)
    code = launcher.main(["demo"])
    monkeypatch.undo()
    assert code == 2
    assert capsys.readouterr().err == (
        f"imagery needs Python 3.11 or 3.12, but this is Python {'.'.join(map(str, version))} and "
        "neither was found on this computer; install Python 3.12 and start again.\n"
    )


@posix
def test_a_python_that_does_not_fit_starts_one_that_does(launcher, monkeypatch):
    started = []
    monkeypatch.setattr(
        launcher, "answer_of", lambda command: "/opt/3.11" if command[0] == "python3.11" else None
    )
    monkeypatch.setattr(launcher.os, "execve", lambda *call: started.append(call[:2]))
    monkeypatch.setattr(launcher, "wait_for", lambda process: 0)
    monkeypatch.setattr(launcher, "start", lambda command: None)
    launcher.start_with_another_python(["demo", "a b"])
    file = str(launcher.ROOT / "imagery")
    assert started == [("/opt/3.11", ["/opt/3.11", file, "demo", "a b"])]


@pytest.mark.parametrize("version", [(3, 11), (3, 12)])
def test_a_python_found_on_the_path_must_be_the_version_it_is_called(launcher, version):
    ask = f"import sys; assert sys.version_info[:2] == {version}; print(sys.executable)"
    answer = launcher.answer_of([sys.executable, "-c", ask])
    assert (answer == sys.executable) == (sys.version_info[:2] == version)


def test_a_command_that_does_not_exist_has_no_answer(launcher):
    assert launcher.answer_of(["python3.12-of-nowhere"]) is None


# ---- system packages


@pytest.mark.parametrize("command", OTHER_COMMANDS)
def test_commands_without_a_window_need_no_system_packages(bare, command):
    assert bare.missing_packages(command, ready=True) == []


@pytest.mark.parametrize("command", WINDOW_COMMANDS)
def test_a_window_needs_opengl_fonts_and_without_a_display_xvfb(bare, command):
    missing = bare.missing_packages(command, ready=True)
    assert " ".join(debian for debian, _, _ in missing) == f"{LIBRARIES} xvfb"


def test_no_xvfb_is_needed_where_there_is_a_display(bare, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    assert bare.XVFB not in bare.missing_packages("demo", ready=True)


def test_what_is_found_is_not_missing(bare, monkeypatch):
    monkeypatch.setattr(
        bare.ctypes.util, "find_library", lambda name: name if name != "GLU" else ""
    )
    has(bare, monkeypatch, "Xvfb")
    assert [names[0] for names in bare.missing_packages("demo", ready=True)] == ["libglu1-mesa"]


def test_venv_is_needed_only_until_the_environment_is_complete(bare):
    assert bare.missing_packages("check", ready=False) == [(VENV_PACKAGE, "python3", "python")]
    assert bare.missing_packages("check", ready=True) == []


@pytest.mark.parametrize(
    ("manager", "said"),
    [
        (
            "apt-get",
            "imagery needs system packages. Type this, then start again:\n  sudo apt-get update && "
            f"sudo apt-get install -y --no-install-recommends {LIBRARIES} xvfb {VENV_PACKAGE}",
        ),
        (
            "dnf",
            "imagery needs system packages. Type this, then start again:\n  sudo dnf install "
            "libglvnd-glx mesa-libGLU libX11 libXinerama libXxf86vm fontconfig "
            "xorg-x11-server-Xvfb python3",
        ),
        (
            "pacman",
            "imagery needs system packages. Type this, then start again:\n  sudo pacman -S "
            "libglvnd glu libx11 libxinerama libxxf86vm fontconfig xorg-server-xvfb python",
        ),
        (
            "something else",
            f"imagery needs system packages, which Debian calls {LIBRARIES} xvfb {VENV_PACKAGE}; "
            "install them, start again.",
        ),
    ],
)
def test_who_is_not_root_is_told_the_line_and_nothing_is_begun(
    bare, monkeypatch, capsys, manager, said
):
    has(bare, monkeypatch, manager)
    before = sorted(bare.ROOT.rglob("*"))
    code = bare.main(["demo"])
    monkeypatch.undo()
    assert (code, capsys.readouterr().err) == (2, said + "\n")
    assert sorted(bare.ROOT.rglob("*")) == before


@pytest.mark.parametrize(("command", "browser"), [("demo", False), ("test", True)])
def test_root_on_debian_gets_the_packages_installed_and_for_tests_a_browser(
    bare, monkeypatch, command, browser
):
    steps = []
    monkeypatch.setattr(bare.os, "geteuid", lambda: 0, raising=False)
    monkeypatch.setattr(bare, "run_step", lambda _, line, *rest, **how: steps.append((line, how)))
    fill(bare, [bare.LOCK, bare.TEST_LOCK])
    assert bare.set_up(command) == 0
    install = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y"]
    install.append("--no-install-recommends")
    may_fail = {"must_succeed": False}
    assert steps == [
        (["apt-get", "update"], may_fail),
        ([*install, *LIBRARIES.split(), "xvfb"], {}),
        *([([*install, "chromium"], may_fail)] if browser else []),
    ]


# ---- the environment


def test_an_environment_that_was_never_stamped_is_not_complete(launcher):
    fill(launcher, [launcher.LOCK])
    launcher.STAMP.unlink()
    assert not launcher.is_complete([launcher.LOCK])


def test_an_environment_for_the_tests_serves_the_program_but_not_the_other_way_round(launcher):
    both = [launcher.LOCK, launcher.TEST_LOCK]
    fill(launcher, both)
    assert launcher.is_complete(both)
    assert launcher.is_complete([launcher.LOCK])
    fill(launcher, [launcher.LOCK])
    assert launcher.is_complete([launcher.LOCK])
    assert not launcher.is_complete(both)


def test_a_changed_lock_makes_the_environment_incomplete(launcher):
    fill(launcher, [launcher.LOCK, launcher.TEST_LOCK])
    launcher.LOCK.write_text("numpy==3 --hash=sha256:0\n")
    assert not launcher.is_complete([launcher.LOCK])


def test_an_environment_whose_python_is_gone_is_not_complete(launcher):
    fill(launcher, [launcher.LOCK])
    launcher.PYTHON.unlink()
    assert not launcher.is_complete([launcher.LOCK])


@posix
def test_an_environment_whose_python_became_another_is_not_complete(launcher, tmp_path):
    fill(launcher, [launcher.LOCK])
    (tmp_path / "python3.13").touch()
    launcher.PYTHON.unlink()
    launcher.PYTHON.symlink_to(tmp_path / "python3.13")
    assert not launcher.is_complete([launcher.LOCK])


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError("disk full")])
def test_a_set_up_that_fails_leaves_the_environment_that_worked(launcher, monkeypatch, fault):
    fill(launcher, [launcher.LOCK], "old")
    launcher.SETUP.mkdir()

    def fail(locks, lock):
        launcher.VENV.mkdir()
        raise fault

    monkeypatch.setattr(launcher, "install", fail)
    with pytest.raises(type(fault)):
        launcher.build([launcher.LOCK, launcher.TEST_LOCK], 0)
    assert content(launcher) == "old"
    assert launcher.is_complete([launcher.LOCK])


def test_a_set_up_that_fails_leaves_no_part_of_a_first_environment(launcher, monkeypatch):
    def fail(locks, lock):
        launcher.VENV.mkdir()
        raise OSError("disk full")

    monkeypatch.setattr(launcher, "install", fail)
    with pytest.raises(OSError, match="disk full"):
        launcher.build([launcher.LOCK], 0)
    assert not launcher.VENV.exists()


def test_a_killed_set_up_is_undone_by_the_next_start(launcher):
    fill(launcher, [launcher.LOCK], "old")
    launcher.SETUP.mkdir()
    launcher.VENV.rename(launcher.ASIDE)
    launcher.PYTHON.parent.mkdir(parents=True)
    assert launcher.set_up("check") == 0
    assert content(launcher) == "old"


def test_a_set_up_killed_after_its_stamp_counts(launcher):
    fill(launcher, [launcher.LOCK], "new")
    launcher.ASIDE.mkdir(parents=True)
    assert launcher.set_up("check") == 0
    assert content(launcher) == "new"
    assert not launcher.ASIDE.exists()


def test_a_new_environment_replaces_the_old_one_whole(launcher, monkeypatch):
    fill(launcher, [launcher.LOCK], "old")
    launcher.LOCK.write_text("numpy==3 --hash=sha256:0\n")
    monkeypatch.setattr(launcher, "install", lambda locks, lock: fill(launcher, locks, "new"))
    assert launcher.set_up("check") == 0
    assert content(launcher) == "new"
    assert sorted(path.name for path in launcher.SETUP.iterdir()) == ["lock"]


def test_a_complete_environment_is_only_read(launcher, monkeypatch):
    fill(launcher, [launcher.LOCK])
    before = {path: path.stat().st_mtime_ns for path in launcher.ROOT.rglob("*")}
    assert launcher.set_up("check") == 0
    assert {path: path.stat().st_mtime_ns for path in launcher.ROOT.rglob("*")} == before


def test_pictures_that_could_not_be_built_stop_the_start_and_are_built_by_the_next(
    launcher, monkeypatch
):
    fill(launcher, [launcher.LOCK])
    launcher.PICTURES_STAMP.unlink()
    codes = [3, 0]
    built = []
    monkeypatch.setattr(launcher, "start", lambda command, lock: built.append(command))
    monkeypatch.setattr(launcher, "wait_for", lambda process: codes.pop(0))
    assert launcher.main(["check"]) == 3
    assert launcher.set_up("check") == 0
    assert launcher.set_up("check") == 0
    assert built == [[str(launcher.PYTHON), "-P", "-m", "task", "setup"]] * 2


def test_a_checkout_that_cannot_be_written_is_said_in_one_sentence(launcher, monkeypatch, capsys):
    launcher.SETUP.write_text("a file where a folder should be")
    assert launcher.main(["check"]) == 2
    said = capsys.readouterr().err
    assert re.fullmatch(r"imagery cannot set itself up: .*\.setup.*\.\n", said)


def test_a_step_that_fails_shows_its_last_lines_and_what_to_do(launcher, capsys):
    script = "for i in range(20): print('line', i)\nraise SystemExit(1)"
    with pytest.raises(launcher.NotReadyError) as error, launcher.alone() as lock:
        launcher.run_step("Counting", [sys.executable, "-c", script], lock)
    assert capsys.readouterr().err == "  Counting ...\n"
    assert str(error.value) == (
        "".join(f"line {i}\n" for i in range(12, 20))
        + "This step failed; what worked before still does. Check the network and the space on the "
        "disk, then start again: finished downloads are kept."
    )


# ---- one at a time


def test_a_second_start_waits_until_the_first_has_set_up(launcher):
    with launcher.alone(), (launcher.SETUP / "lock").open("w") as second:
        assert not launcher.try_lock(second.fileno())
    with (launcher.SETUP / "lock").open("w") as second:
        assert launcher.try_lock(second.fileno())


@posix
def test_a_command_that_outlives_its_launcher_is_waited_for(launcher):
    with launcher.alone() as lock:
        command = launcher.start([sys.executable, "-c", "input()"], lock, stdin=subprocess.PIPE)
    with (launcher.SETUP / "lock").open("w") as second:
        assert not launcher.try_lock(second.fileno())
        command.communicate("\n")
        assert launcher.try_lock(second.fileno())


# ---- handing over


@posix
def test_the_program_gets_the_arguments_as_they_were(launcher, monkeypatch):
    started = []
    monkeypatch.setattr(launcher, "set_up", lambda command: 0)
    monkeypatch.setattr(launcher.os, "execve", lambda *call: started.append(call[1]))
    monkeypatch.setattr(launcher, "start", lambda command: None)
    monkeypatch.setattr(launcher, "wait_for", lambda process: 0)
    launcher.main(["run", "--subject", "P 1", "ü.toml"])
    program = [str(launcher.PYTHON), "-P", "-m", "task"]
    assert started == [[*program, "run", "--subject", "P 1", "ü.toml"]]


def test_the_exit_code_of_a_command_is_passed_on(launcher):
    assert launcher.wait_for(launcher.start([sys.executable, "-c", "raise SystemExit(7)"])) == 7


def test_packages_from_elsewhere_do_not_get_in(launcher, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/opt/other")
    monkeypatch.setenv("LANG", "es_ES.UTF-8")
    assert "PYTHONPATH" not in launcher.environment()
    assert launcher.environment()["LANG"] == "es_ES.UTF-8"


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ([0, 0, 0, 0], ""),
        ([1, 0, 2, 0], "Failed: ruff check, mypy.\n"),
        ([0, 0, 0, 5], "Failed: pytest.\n"),
    ],
)
def test_all_checks_run_even_if_one_fails(launcher, monkeypatch, capsys, codes, said):
    ran = []
    left = list(codes)
    monkeypatch.chdir(launcher.ROOT)
    monkeypatch.setattr(launcher, "start", lambda command: ran.append(" ".join(command[2:])))
    monkeypatch.setattr(launcher, "wait_for", lambda process: left.pop(0))
    assert launcher.run_tests(["-k", "clock"]) == (1 if any(codes) else 0)
    assert ran == [
        "ruff check . imagery",
        "ruff format --check . imagery",
        "mypy",
        "pytest -k clock",
    ]
    assert capsys.readouterr().err.partition("== pytest -k clock\n")[2] == said


# ---- the locks


def entries(text):
    """Name, version, marker and digests of every requirement in a lock."""
    pattern = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+)(?: ; (?P<marker>.*?))?(?: \\)?$")
    for entry in re.split(r"\n(?=\w)", text):
        first, *rest = [line for line in entry.splitlines() if not line.lstrip().startswith("#")]
        found = pattern.match(first)
        assert found, f"not pinned: {first}"
        yield found["name"], found["version"], found["marker"], rest


def selected(text, python, system):
    """The versions that one computer gets, by name; each name once."""
    place = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": system}
    pairs = [
        (name, version)
        for name, version, marker, _ in entries(text)
        if not marker or Marker(marker).evaluate(place)
    ]
    assert all(count == 1 for count in Counter(name for name, _ in pairs).values())
    return dict(pairs)


@pytest.mark.parametrize("text", [LOCK, TEST_LOCK], ids=["program", "tests"])
def test_every_locked_requirement_has_digests_and_no_address(text):
    for name, _, _, digests in entries(text):
        assert digests, name
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", d) for d in digests), name
    assert not re.search(r"://|@|--(index|extra|find|trusted)", text)


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("python", ["3.11", "3.12"])
def test_tests_run_on_the_versions_that_the_program_runs_on(python, system):
    program, tests = selected(LOCK, python, system), selected(TEST_LOCK, python, system)
    assert {name: tests[name] for name in tests if name in program}.items() <= program.items()


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_both_pythons_get_the_same_numbers(system):
    assert selected(LOCK, "3.11", system) == selected(LOCK, "3.12", system)


def test_psychopy_gets_the_pyglet_that_it_asks_for():
    pyglet = {s: selected(LOCK, "3.12", s)["pyglet"] for s in ("linux", "darwin", "win32")}
    assert pyglet == {"linux": "1.5.27", "darwin": "1.5.27", "win32": "1.4.11"}


@pytest.mark.parametrize("which", ["requirements", "requirements-test"])
def test_all_that_is_asked_for_is_locked(which):
    asked = (ROOT / f"{which}.in").read_text(encoding="utf-8")
    locked = {name for name, *_ in entries((ROOT / f"{which}.lock").read_text(encoding="utf-8"))}
    assert set(re.findall(r"^[\w-]+", asked, re.MULTILINE)) <= locked


def test_a_lock_is_downloaded_in_parts_that_leave_nothing_out(launcher, monkeypatch):
    (launcher.ROOT / "requirements.lock").write_text(LOCK, encoding="utf-8")
    (launcher.ROOT / "requirements-test.lock").write_text(TEST_LOCK, encoding="utf-8")
    launcher.SETUP.mkdir()
    parts = []
    monkeypatch.setattr(
        launcher, "run_step", lambda _, command, lock: parts.append(Path(command[-1]).read_text())
    )
    launcher.download([launcher.LOCK, launcher.TEST_LOCK], 0)
    got = [name for part in parts for name, *_ in entries(part)]
    assert got == [name for text in (LOCK, TEST_LOCK) for name, *_ in entries(text)]
    assert max(len(list(entries(part))) for part in parts) == 10
