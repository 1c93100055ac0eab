"""Bundles: what is in them, that they need no network, and that none is half-made."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from task import bundle as module
from task.bundle import BundleError, make_bundle
from task.contract.catalog import write_manifest
from task.contract.errors import StimulusError
from task.wheels import WheelError, wanted
from tests.task.tiny_wheels import entry, make_wheel, pip_takes_only

ROOT = Path(__file__).parent.parent.parent
GIT = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "core.autocrlf=false"]
RECIPE = (
    "id,group,source,source_sha256,pixels,name,"
    "name_es,name_ja,name_ko,name_pt,name_it,name_fr,name_de,name_fa,name_id,name_zh,name_ru,name_tr,name_ar\n"
    "dog,animal,1f415.svg,,,dog,,,,,,,,,,,,,\n"
)
PROGRAM = """\
import sys
import here_only, everywhere
print(*sys.argv[1:], here_only.VALUE, everywhere.VALUE)
"""

pytestmark = pytest.mark.skipif(
    not shutil.which("git"), reason="a bundle is made of what git tracks"
)


def git(root, *arguments):
    subprocess.run([*GIT, "-C", str(root), *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A small program with the real launcher, two built picture sets, three packages, in git."""
    root = tmp_path / "checkout"
    for folder in ("task", "stimuli", "data", ".venv"):
        (root / folder).mkdir(parents=True)
        (root / folder / "something").touch()
    shutil.copy(ROOT / "imagery", root)
    (root / "task" / "__main__.py").write_text(PROGRAM)
    (root / ".gitignore").write_text("/data/\n/.venv/\n/stimuli/*/\n")
    wheels = tmp_path / "index"
    windows = make_wheel(wheels, "windows_only", tag="py3-none-win_amd64")
    lock = [entry(windows, " ; sys_platform == 'win32'")]
    lock.append(entry(make_wheel(wheels, "here_only"), " ; sys_platform != 'win32'"))
    lock.append(entry(make_wheel(wheels, "everywhere", content="VALUE = 2\n")))
    (root / "requirements.lock").write_text("".join(lock))
    (root / "stimuli" / "objects.csv").write_text(RECIPE)
    for name in ("objects", "objects_colour"):
        build(root / "stimuli" / name)
    git(root.parent, "init", "-q", str(root))
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    for name, value in pip_takes_only(wheels).items():
        monkeypatch.setenv(name, value)
    return root


def build(folder):
    folder.mkdir()
    Image.new("L", (4, 4), 128).save(folder / "dog.png")
    digest = hashlib.sha256((folder / "dog.png").read_bytes()).hexdigest()
    row = {"id": "dog", "file": "dog.png", "sha256": digest, "group": "animal", "name": "dog"}
    write_manifest(folder, [row])
    (folder / "built_from.txt").write_text(hashlib.sha256(RECIPE.encode()).hexdigest())
    (folder / "features.npz").write_text("measured")


@pytest.fixture
def made_with_pip(checkout, tmp_path):
    """Make a bundle of the checkout; what was made, and where."""

    def make(platform="linux", **how):
        folder = tmp_path / f"imagery_{platform}"
        how = {"root": checkout, "say": lambda text: None, **how}
        return make_bundle(platform, folder, **how), folder

    return make


@pytest.fixture
def made(made_with_pip, tmp_path, monkeypatch):
    """The same without pip, which takes a second each time."""

    def download(lock, machine, python, folder):
        for package in wanted(lock, machine, python):
            for wheel in (tmp_path / "index").glob(f"{package.requirement.name}-*"):
                (folder / wheel.name).write_bytes(wheel.read_bytes())

    monkeypatch.setattr(module, "download", download)
    return made_with_pip


def paths(folder):
    return {str(p.relative_to(folder).as_posix()) for p in folder.rglob("*") if p.is_file()}


TRACKED = {
    ".gitignore", "imagery", "requirements.lock", "stimuli/objects.csv", "stimuli/something",
    "task/__main__.py", "task/something",
}  # fmt: skip
SET = {"built_from.txt", "dog.png", "features.npz", "manifest.csv"}
SETS = {f"stimuli/{name}/{file}" for name in ("objects", "objects_colour") for file in SET}
LINUX = {"wheels/here_only-1.0-py3-none-any.whl", "wheels/everywhere-1.0-py3-none-any.whl"}
ADDED = {"START.txt", "wheels/bundle.json"}


# ---- what is in it


def test_a_bundle_holds_what_git_tracks_the_built_sets_and_the_wheels(made, checkout):
    (checkout / "untracked.py").touch()
    bundle, folder = made()
    assert paths(folder) == TRACKED | SETS | LINUX | ADDED
    assert bundle.wheels == 2
    assert bundle.size_bytes == sum((folder / name).stat().st_size for name in paths(folder))
    for name in TRACKED | SETS:
        assert (folder / name).read_bytes() == (checkout / name).read_bytes()
    assert os.access(folder / "imagery", os.X_OK)


def test_a_bundle_for_another_system_holds_that_system_s_wheels(made):
    _, folder = made("win")
    assert {wheel.name for wheel in (folder / "wheels").glob("*.whl")} == {
        "windows_only-1.0-py3-none-win_amd64.whl",
        "everywhere-1.0-py3-none-any.whl",
    }


def test_the_launcher_is_told_what_must_be_there(made, checkout):
    _, folder = made("mac")
    about = json.loads((folder / "wheels" / "bundle.json").read_text())
    describe = subprocess.check_output([*GIT, "-C", checkout, "rev-parse", "--short=12", "HEAD"])
    longest = r"\Lib\site-packages\__pycache__\everywhere.cpython-312.pyc"
    assert about == {
        "system": "macOS on Apple or Intel processors",
        "counted_in": "macOS",
        "oldest_system": {"darwin-arm64": [], "darwin-x86_64": []},
        "longest_path": len(longest),
        "commit": describe.decode().strip(),
        "lock": hashlib.sha256((checkout / "requirements.lock").read_bytes()).hexdigest(),
        "wheels": {
            wheel.name: hashlib.sha256(wheel.read_bytes()).hexdigest()
            for wheel in (folder / "wheels").glob("*.whl")
        },
    }


def test_the_archive_holds_the_folder_under_its_name(made):
    _, folder = made(zipped=True)
    with zipfile.ZipFile(folder.with_name("imagery_linux.zip")) as archive:
        assert set(archive.namelist()) == {f"imagery_linux/{name}" for name in paths(folder)}
        assert archive.testzip() is None
        assert archive.getinfo("imagery_linux/imagery").external_attr >> 16 & 0o100


@pytest.mark.parametrize(
    ("platform", "command", "newline"),
    [("win", "py", b"\r\n"), ("mac", "python3", b"\n"), ("linux", "python3", b"\n")],
)
def test_what_to_do_is_said_in_the_words_of_the_system(made, platform, command, newline):
    _, folder = made(platform)
    start = (folder / "START.txt").read_bytes()
    assert newline + f"       {command} imagery setup --offline".encode() + newline in start
    assert start.count(b"\r\n") in (0, start.count(b"\n"))
    assert (b"libgl1 libglu1-mesa libx11-6" in start) == (platform == "linux")
    optional = b"Optional, for protocols with sounds: the system's PortAudio. Debian and Ubuntu"
    assert (optional in start and b"libportaudio2, Fedora" in start) == (platform == "linux")
    assert (b"Its path may have" in start) == (platform == "win")
    assert b"{" not in start
    assert b"://" not in start


def test_what_a_bundle_lacks_or_has_besides_is_said(made, checkout):
    (checkout / "task" / "something").write_text("changed")
    (checkout / "my own.py").touch()
    bundle, folder = made()
    assert (folder / "task" / "something").read_text() == "changed"
    assert list(bundle.notes) == [
        "this checkout has changes that are not committed; the bundle has them, too",
        "not in the bundle, because git does not track them: my own.py",
    ]


def test_a_memory_stick_that_knows_no_modes_will_do(made, monkeypatch):
    def refuse(source, target):
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(shutil, "copymode", refuse)
    _, folder = made()
    assert paths(folder) == TRACKED | SETS | LINUX | ADDED


# ---- that it serves


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sets up what is for Linux")
def test_a_copy_of_a_bundle_sets_itself_up_without_a_network_and_without_settings(
    made_with_pip, tmp_path
):
    _, folder = made_with_pip()
    place = shutil.copytree(folder, tmp_path / "Röntgen und Köpfe" / "imagery linux")
    home = tmp_path / "home"
    home.mkdir()
    settings = home / "pip.conf"
    settings.write_text("[global]\nindex-url = http://127.0.0.1:9/\ntarget = /nowhere\n")
    kept = {name: os.environ[name] for name in ("PATH", "DISPLAY") if name in os.environ}
    variables = {
        **kept,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PIP_CONFIG_FILE": str(settings),
        "PIP_FIND_LINKS": "http://127.0.0.1:9/",
        "PIP_USER": "1",
    }

    def imagery(*arguments):
        command = [sys.executable, str(place / "imagery"), *arguments]
        return subprocess.run(command, env=variables, cwd=home, capture_output=True, text=True)

    first = imagery("setup", "--offline")
    assert (first.returncode, first.stdout) == (0, "setup 1 2\nsetup 1 2\n"), first.stderr
    assert first.stderr.splitlines() == [
        f"Setting up in {place / '.venv'} (once; offline, from this bundle, 600 MB on the disk).",
        "  Making the environment ...",
        "  Installing the packages ...",
    ]
    assert imagery("check", "demo").stdout == "check demo 1 2\n"
    (place / "wheels" / "here_only-1.0-py3-none-any.whl").unlink()
    assert imagery("check", "demo").stdout == "check demo 1 2\n"
    again = imagery("setup", "--offline")
    assert (again.returncode, again.stderr) == (
        2,
        "This bundle is not whole: copy it again.\n  missing: here_only-1.0-py3-none-any.whl\n",
    )


# ---- that none is half-made


@pytest.fixture
def nothing_left(tmp_path):
    """Nothing is there after the test that was not there before."""
    yield
    assert not list(tmp_path.glob("imagery_*"))


@pytest.mark.parametrize("name", ["imagery_linux", "imagery_linux.partial", "imagery_linux.zip"])
def test_what_is_there_is_never_overwritten(made, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(BundleError) as error:
        made(zipped=True)
    assert str(error.value) == (
        f"{tmp_path / name} must not exist yet; name another place, or delete what is there"
        " (.partial: of a bundle that is being made, or was cut short)"
    )
    assert (tmp_path / name).read_text() == "mine"
    assert [path.name for path in tmp_path.glob("imagery_*")] == [name]


def test_a_place_that_does_not_exist_is_refused(checkout, tmp_path):
    with pytest.raises(BundleError) as error:
        make_bundle("linux", tmp_path / "stick" / "imagery", root=checkout)
    assert str(error.value) == f"there is no folder {tmp_path / 'stick'} to make a bundle in"


@pytest.mark.usefixtures("nothing_left")
def test_a_system_without_bundles_is_refused(made):
    with pytest.raises(BundleError, match=r"^no system 'amiga': choose one of win, mac, linux$"):
        made("amiga")


@pytest.mark.usefixtures("nothing_left")
def test_a_package_that_cannot_be_had_leaves_nothing(made_with_pip, tmp_path):
    for wheel in (tmp_path / "index").glob("windows_only*"):
        wheel.unlink()
    with pytest.raises(WheelError, match="^the packages for win-amd64 and Python 3.11 could not"):
        made_with_pip("win")


@pytest.mark.usefixtures("nothing_left")
def test_a_package_that_did_not_come_leaves_nothing(made, tmp_path):
    for wheel in (tmp_path / "index").glob("windows_only*"):
        wheel.unlink()
    with pytest.raises(WheelError, match="^no wheel of windows_only for win-amd64 and Python 3.11"):
        made("win")


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("at", ["Copying", "Downloading", "Zipping"])
def test_a_bundle_that_is_interrupted_leaves_nothing(made, at):
    def interrupt(text):
        if text.startswith(at):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(zipped=True, say=interrupt)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("step", ["copyfile", "rename"])
def test_a_full_disk_is_said_and_leaves_nothing(made, monkeypatch, step):
    def fail(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*(shutil, "copyfile") if step == "copyfile" else (Path, "rename"), fail)
    with pytest.raises(BundleError) as error:
        made(zipped=True)
    assert str(error.value) == ("the bundle cannot be made: [Errno 28] No space left on device")


@pytest.mark.usefixtures("nothing_left")
def test_pictures_that_are_not_built_or_not_as_they_were_are_refused(made, checkout):
    picture = checkout / "stimuli" / "objects_colour" / "dog.png"
    picture.write_bytes(b"another")
    with pytest.raises(StimulusError, match="dog"):
        made()
    (checkout / "stimuli" / "objects" / "built_from.txt").unlink()
    with pytest.raises(BundleError) as error:
        made()
    assert str(error.value) == "the picture sets are not built; `imagery setup` builds them"


@pytest.mark.usefixtures("nothing_left")
def test_a_folder_that_is_no_checkout_of_its_own_is_refused(made, checkout):
    shutil.rmtree(checkout / ".git")
    with pytest.raises(BundleError) as error:
        made()
    begin = f"a bundle is made of what git tracks in {checkout}, but git says: fatal: not a git"
    assert str(error.value).startswith(begin)
    git(checkout.parent, "init", "-q", str(checkout.parent))
    with pytest.raises(BundleError) as error:
        made()
    assert str(error.value) == (
        f"a bundle is made of what git tracks, but {checkout} is no checkout of its own"
    )


@pytest.mark.usefixtures("nothing_left")
def test_a_computer_without_git_is_told_so(made, monkeypatch):
    def absent(*arguments, **how):
        raise FileNotFoundError

    monkeypatch.setattr(module.subprocess, "run", absent)
    with pytest.raises(BundleError) as error:
        made()
    assert str(error.value) == "a bundle is made of what git tracks, but there is no git here"
