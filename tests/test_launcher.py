"""The launcher: what it finds missing, what it takes for complete, what a cut-short start leaves.

The set-up itself is what every run of these tests has just been through.
"""

import ast
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections import Counter
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from packaging.markers import Marker

from task.wheels import SYSTEMS

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


INSTALL = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y"]
INSTALL.append("--no-install-recommends")
MAY_FAIL = {"must_succeed": False}
LOOK_UP = (["apt-get", "update"], MAY_FAIL)
GET_SOUND = ([*INSTALL, "libportaudio2"], MAY_FAIL)
GET_BROWSER = ([*INSTALL, "chromium"], MAY_FAIL)


@pytest.fixture
def root(bare, monkeypatch):
    """The same for root, with a complete environment."""
    monkeypatch.setattr(bare.os, "geteuid", lambda: 0, raising=False)
    fill(bare, [bare.LOCK, bare.TEST_LOCK])
    return bare


@pytest.fixture
def steps(root, monkeypatch):
    """What root would run."""
    steps = []
    monkeypatch.setattr(root, "run_step", lambda _, line, *rest, **how: steps.append((line, how)))
    return steps


def has_all_but_portaudio(launcher, monkeypatch):
    """Have what a window needs; the libraries that are looked for from now on."""
    asked = []
    monkeypatch.setattr(
        launcher.ctypes.util,
        "find_library",
        lambda name: asked.append(name) or (None if name == "portaudio" else name),
    )
    has(launcher, monkeypatch, "apt-get", "Xvfb")
    return asked


@pytest.mark.parametrize("command", WINDOW_COMMANDS)
def test_root_on_debian_gets_the_packages_installed_and_for_tests_a_browser(root, steps, command):
    assert root.set_up(command) == 0
    needed = ([*INSTALL, *LIBRARIES.split(), "xvfb"], {})
    browser = [GET_BROWSER] if command == "test" else []
    assert steps == [LOOK_UP, needed, GET_SOUND, *browser]


def test_root_waits_for_portaudio_once_and_at_each_setup(root, steps, monkeypatch):
    has_all_but_portaudio(root, monkeypatch)
    for command, expected in (
        ("check", []),
        ("run", [LOOK_UP, GET_SOUND]),
        ("run", []),
        ("demo", []),
        ("setup", [LOOK_UP, GET_SOUND]),
        ("setup", [LOOK_UP, GET_SOUND]),
    ):
        assert root.set_up(command) == 0
        assert steps == expected
        steps.clear()


def test_root_who_has_portaudio_gets_nothing(root, steps, monkeypatch):
    has_all_but_portaudio(root, monkeypatch)
    monkeypatch.setattr(root.ctypes.util, "find_library", lambda name: name)
    assert root.set_up("run") == 0
    assert steps == []


def test_portaudio_that_cannot_be_installed_stops_nothing(root, monkeypatch, capsys):
    has_all_but_portaudio(root, monkeypatch)
    begin, fail = root.start, [sys.executable, "-c", "raise SystemExit('no network')"]
    monkeypatch.setattr(root, "start", lambda command, *rest: begin(fail, *rest))
    assert root.set_up("run") == 0
    assert capsys.readouterr().err == (
        "  Looking up system packages ...\n  Installing PortAudio, for sounds ...\n"
    )


def test_who_is_not_root_starts_without_portaudio_and_it_is_not_even_looked_for(bare, monkeypatch):
    fill(bare, [bare.LOCK])
    asked = has_all_but_portaudio(bare, monkeypatch)
    assert bare.set_up("run") == 0
    assert asked == list(bare.LIBRARIES)


@pytest.mark.parametrize("command", OTHER_COMMANDS)
def test_commands_without_a_window_look_for_no_library(root, monkeypatch, command):
    asked = has_all_but_portaudio(root, monkeypatch)
    assert root.set_up(command) == 0
    assert asked == []


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


# ---- bundles


WHEELS = {"numpy-2-cp312-linux.whl": b"numbers", "rich-15-py3-none-any.whl": b"colours"}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def bundled(launcher, monkeypatch):
    """The launcher of a whole bundle for this computer, which is a Linux with glibc 2.28."""
    at(launcher, monkeypatch, "linux", "x86_64", glibc="2.28")
    launcher.BUNDLE.mkdir()
    for name, content in WHEELS.items():
        (launcher.BUNDLE / name).write_bytes(content)
    write_list(launcher)
    return launcher


def write_list(launcher, **other):
    """Say what the bundle is for and what must be in it."""
    about = {
        "system": "Linux on 64-bit Intel or AMD processors",
        "counted_in": "glibc",
        "oldest_system": {"linux-x86_64": [2, 28]},
        "longest_path": 100,
        "lock": sha256(launcher.LOCK.read_bytes()),
        "wheels": {name: sha256(content) for name, content in WHEELS.items()},
        **other,
    }
    launcher.BUNDLE_LIST.write_text(json.dumps(about), encoding="utf-8")


def at(launcher, monkeypatch, system, processor, glibc="", macos=""):
    """Be another computer."""
    monkeypatch.setattr(launcher.sys, "platform", system)
    monkeypatch.setattr(launcher.platform, "machine", lambda: processor)
    library = ("glibc", glibc) if glibc else ("", "")
    monkeypatch.setattr(launcher.platform, "libc_ver", lambda: library)
    monkeypatch.setattr(launcher.platform, "mac_ver", lambda: (macos, ("", "", ""), ""))
    monkeypatch.setattr(launcher.sysconfig, "get_platform", lambda: f"win-{processor}")


def refusal(launcher, capsys, *arguments):
    """What a start that must not begin anything says."""
    before = sorted(launcher.ROOT.rglob("*"))
    assert launcher.main(list(arguments)) == 2
    assert sorted(launcher.ROOT.rglob("*")) == before
    return capsys.readouterr().err


def test_offline_without_a_bundle_is_refused_even_if_all_is_there(launcher, capsys):
    fill(launcher, [launcher.LOCK])
    assert refusal(launcher, capsys, "setup", "--offline") == (
        f"There is no bundle here: setup --offline needs the folder {launcher.BUNDLE}, which "
        "`imagery bundle` makes on a computer with a network.\n"
    )


@pytest.mark.parametrize("arguments", [["setup", "--offline"], ["setup"], ["check", "demo"]])
def test_a_bundle_that_is_not_whole_is_refused_with_all_its_faults(bundled, capsys, arguments):
    (bundled.BUNDLE / "numpy-2-cp312-linux.whl").unlink()
    (bundled.BUNDLE / "rich-15-py3-none-any.whl").write_bytes(b"colour")
    bundled.LOCK.write_text("numpy==3 --hash=sha256:0\n")
    assert refusal(bundled, capsys, *arguments) == (
        "This bundle is not whole: copy it again.\n"
        "  missing: numpy-2-cp312-linux.whl\n"
        "  changed: requirements.lock\n"
        "  changed: rich-15-py3-none-any.whl\n"
    )


@pytest.mark.parametrize("content", [None, b"{", b"\xff"])
def test_a_bundle_without_its_list_is_refused(bundled, capsys, content):
    bundled.BUNDLE_LIST.unlink()
    if content:
        bundled.BUNDLE_LIST.write_bytes(content)
    assert refusal(bundled, capsys, "check") == (
        "This bundle is not whole: copy it again.\n  missing or damaged: bundle.json\n"
    )


@pytest.mark.parametrize(
    ("system", "processor", "version", "fault"),
    [
        ("win32", "arm64", {}, "it is for {}, but this is win-arm64"),
        ("darwin", "arm64", {"macos": "14.1"}, "it is for {}, but this is darwin-arm64"),
        ("linux", "aarch64", {"glibc": "2.39"}, "it is for {}, but this is linux-aarch64"),
        ("linux", "x86_64", {"glibc": "2.9"}, "it needs glibc 2.28 or newer, but here is 2.9"),
        ("linux", "x86_64", {}, "it needs glibc 2.28 or newer, but here is none"),
    ],
)
def test_a_bundle_for_another_computer_is_refused(
    bundled, monkeypatch, capsys, system, processor, version, fault
):
    at(bundled, monkeypatch, system, processor, **version)
    said = refusal(bundled, capsys, "setup", "--offline")
    monkeypatch.undo()
    words = fault.format("Linux on 64-bit Intel or AMD processors")
    assert said == f"This bundle cannot be used here.\n  {words}\n"


@pytest.mark.parametrize(
    ("system", "processor", "version"),
    [
        ("linux", "x86_64", {"glibc": "2.28"}),
        ("linux", "x86_64", {"glibc": "2.100"}),
        ("darwin", "arm64", {"macos": "11.0"}),
        ("darwin", "x86_64", {"macos": "10.16"}),
        ("win32", "amd64", {}),
    ],
)
def test_a_bundle_fits_the_computers_that_bundles_are_made_for(
    bundled, monkeypatch, system, processor, version
):
    machines = {machine.name for made_for in SYSTEMS.values() for machine in made_for.machines}
    oldest = {"linux-x86_64": [2, 28], "darwin-arm64": [11, 0], "darwin-x86_64": [10, 14]}
    write_list(bundled, oldest_system={**dict.fromkeys(machines, []), **oldest})
    at(bundled, monkeypatch, system, processor, **version)
    bundled.check_bundle([bundled.LOCK])


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="asks the C library in a way that only glibc knows"
)
def test_this_computer_is_called_as_bundles_call_it(launcher):
    version = os.confstr("CS_GNU_LIBC_VERSION").split()[1]
    numbers = tuple(int(number) for number in version.split("."))
    assert launcher.computer() == (f"linux-{os.uname().machine}", numbers)


@pytest.mark.parametrize("too_long", [0, 1])
def test_a_folder_too_deep_for_windows_is_refused_before_anything_is_made(
    bundled, monkeypatch, too_long
):
    at(bundled, monkeypatch, "win32", "amd64")
    longest = 259 - len(str(bundled.VENV)) + too_long
    write_list(bundled, oldest_system={"win-amd64": []}, longest_path=longest)
    try:
        bundled.check_bundle([bundled.LOCK])
        said = ""
    except bundled.NotReadyError as error:
        said = str(error)
    fault = f"{bundled.VENV} is too long for Windows by 1 characters"
    assert said == (f"This bundle cannot be used here.\n  {fault}" if too_long else "")


def test_a_bundle_has_no_tests(bundled, capsys):
    fill(bundled, [bundled.LOCK])
    assert refusal(bundled, capsys, "test") == (
        "A bundle has no packages for the tests; run them where it was made.\n"
    )


def test_a_bundle_that_has_served_goes_on_serving_but_says_so_when_asked(bundled, capsys):
    fill(bundled, [bundled.LOCK])
    (bundled.BUNDLE / "rich-15-py3-none-any.whl").unlink()
    assert bundled.set_up("check") == 0
    assert "missing: rich-15-py3-none-any.whl" in refusal(bundled, capsys, "setup", "--offline")


@posix
def test_root_of_a_bundle_is_told_the_line_too_for_apt_would_ask_the_network(
    bundled, monkeypatch, capsys
):
    fill(bundled, [bundled.LOCK])
    monkeypatch.setattr(bundled.os, "geteuid", lambda: 0)
    monkeypatch.setattr(bundled.ctypes.util, "find_library", lambda name: None)
    has(bundled, monkeypatch, "apt-get", "Xvfb")
    assert refusal(bundled, capsys, "setup", "--offline") == (
        "imagery needs system packages. Type this, then start again:\n  sudo apt-get update && "
        f"sudo apt-get install -y --no-install-recommends {LIBRARIES}\n"
    )


@pytest.mark.parametrize("bundle", [True, False])
def test_packages_come_from_the_bundle_if_there_is_one_whatever_pip_is_set_to(
    launcher, monkeypatch, bundle
):
    steps = []

    def run_step(title, command, lock, variables=None):
        steps.append((title, command, variables))

    def purelib(*scheme):
        return str(launcher.VENV)

    if bundle:
        launcher.BUNDLE.mkdir()
    launcher.VENV.mkdir()
    launcher.SETUP.mkdir()
    monkeypatch.setattr(launcher, "run_step", run_step)
    monkeypatch.setattr(sysconfig, "get_path", purelib)
    launcher.install([launcher.LOCK], 0)
    wheels = launcher.BUNDLE if bundle else launcher.ROOT / ".setup" / "wheels"
    assert [title for title, *_ in steps] == [
        "Making the environment",
        *([] if bundle else ["Downloading packages from 1 of 1"]),
        "Installing the packages",
    ]
    _, command, variables = steps[-1]
    assert command[1:4] == ["-m", "pip", "install"]
    assert {"--isolated", "--no-index", "--require-hashes", "--no-deps"} <= set(command)
    assert command[command.index("--find-links") + 1] == str(wheels)
    assert variables == {"PIP_CONFIG_FILE": os.devnull}
    assert wheels.is_dir() == bundle  # what was downloaded is no longer needed


def test_a_step_that_fails_in_a_bundle_says_nothing_of_a_network(bundled):
    with pytest.raises(bundled.NotReadyError) as error, bundled.alone() as lock:
        bundled.run_step("Failing", [sys.executable, "-c", "raise SystemExit(1)"], lock)
    assert str(error.value) == (
        "This step failed; what worked before still does. Check the space on the disk, then start "
        "again."
    )


@posix
def test_the_program_does_not_see_offline(launcher, monkeypatch):
    started = []
    monkeypatch.setattr(
        launcher, "set_up", lambda command, offline: started.append((command, offline)) or 0
    )
    monkeypatch.setattr(launcher, "hand_over", lambda command: started.append(command[4:]) or 0)
    launcher.main(["setup", "--offline"])
    launcher.main(["analyze", "--offline"])
    assert started == [("setup", True), ["setup"], ("analyze", False), ["analyze", "--offline"]]


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
    monkeypatch.setattr(launcher, "set_up", lambda command, offline: 0)
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
        "pytest --numprocesses 2 -k clock",
    ]
    assert capsys.readouterr().err.partition("== pytest --numprocesses 2 -k clock\n")[2] == said


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
