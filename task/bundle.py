"""A bundle: one folder with all that a laptop without network or administrator needs, but Python.

    imagery_win/
      START.txt             what to do with it
      imagery ...           the files that git tracks, as they are in this checkout
      stimuli/              with the built picture sets
      wheels/               every package of requirements.lock, for one system and each Python
      wheels/bundle.json    what the launcher has to know about them

The launcher takes a folder with `wheels` for a bundle, checks it and installs from it.
"""

import contextlib
import hashlib
import json
import os
import runpy
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from task import __version__
from task.contract.catalog import read_catalog
from task.contract.errors import UserError
from task.places import ROOT
from task.sets.build import SETS, is_built
from task.wheels import SYSTEMS, System, download, oldest_systems, read_lock

_START = """\
imagery {version} for {title}{needs}, commit {commit}

1. Copy this folder to the laptop's own disk (not to a network drive, not left on a memory stick),
   anywhere you may write.{place}
2. Needed, and not in here: Python 3.12 or 3.11, 64-bit. Ways that need no administrator:
{python}
   If it is not found, give its whole path in place of "{command}" below.
{libraries}3. In a terminal in this folder:

       {command} imagery setup --offline

   This makes the folder .venv (600 MB) from the folder wheels. Every package is verified, the
   network is never asked, and nothing outside this folder is changed.
4. Then, for example:

       {command} imagery demo

Protocols, rig files and picture sets of your own are not in here: copy them beside these.
"""
_OWN_PYTHON = """\
   - the archives of the project "python-build-standalone", or the installer of "Miniforge" with the
     choice "just me"; both live in one folder of your own"""
_PYTHON = {
    "win": f"""\
   - the "Windows installer (64-bit)" on the download pages of the Python project: untick "Use admin
     privileges when installing py.exe", then "Install Now" puts it into your own folder; not the
     "embeddable package", which lacks what is needed here
{_OWN_PYTHON}""",
    "mac": f"""\
{_OWN_PYTHON}
   - the installer on the download pages of the Python project asks for an administrator""",
    "linux": f"""\
   - most systems have one: look with "python3 --version"
{_OWN_PYTHON}""",
}
_LIBRARIES = """\
   Needed, too, are the system's libraries for a window, which most desktops have; only an
   administrator can add them. `setup` names those that are missing. Debian and Ubuntu call them
       {names}
   Optional, for protocols with sounds: the system's PortAudio. Debian and Ubuntu call it
   {sound}, Fedora and Arch portaudio.
"""


class BundleError(UserError):
    """A bundle cannot be made."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was made.

    Attributes
    ----------
    wheels : how many
    size_bytes : of the folder
    oldest : by machine, the oldest glibc or macOS on which its packages run
    notes : what whoever passes it on should know
    """

    wheels: int
    size_bytes: int
    oldest: Mapping[str, tuple[int, ...]]
    notes: Sequence[str]


def make_bundle(
    platform: str,
    folder: Path,
    *,
    zipped: bool = False,
    say: Callable[[str], None] = print,
    root: Path = ROOT,
) -> Bundle:
    """Make a bundle of a checkout; it appears whole or not at all.

    Parameters
    ----------
    platform : a key of `task.wheels.SYSTEMS`
    folder : to be made
    zipped : whether to make `<folder>.zip` of it, too
    say : told what is being done
    root : the checkout, with built picture sets

    Raises
    ------
    UserError
        No such system, something is in the way, this is no git checkout, its pictures are not as
        they were built, a package cannot be had for that system, the place cannot be written.
    """
    if platform not in SYSTEMS:
        raise BundleError(f"no system {platform!r}: choose one of {', '.join(SYSTEMS)}")
    partial = folder.with_name(f"{folder.name}.partial")
    archive = folder.with_name(f"{folder.name}.zip")
    partial_archive = folder.with_name(f"{folder.name}.zip.partial")
    _refuse_what_is_there([folder, partial, *([archive, partial_archive] if zipped else [])])
    files, commit = _tracked_files(root)
    sets = _built_sets(root)
    try:
        partial.mkdir()
        with _only_whole(partial, partial_archive):
            say("Copying program and pictures")
            _copy([*files, *sets], root, partial)
            wheels, oldest = _add_packages(partial, platform, commit, say)
            notes = list(_left_out(root, commit))
            if zipped:
                say("Zipping")
                _zip(partial, folder.name, partial_archive)
                partial_archive.rename(archive)
            partial.rename(folder)
    except OSError as error:
        raise BundleError(f"the bundle cannot be made: {error}") from None
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Bundle(wheels, size, oldest, notes)


def _refuse_what_is_there(places: Sequence[Path]) -> None:
    there = [str(place) for place in places if os.path.lexists(place)]
    if there:
        raise BundleError(
            f"{' and '.join(there)} must not exist yet; name another place, or delete what is there"
            " (.partial: of a bundle that is being made, or was cut short)"
        )
    if not places[0].parent.is_dir():
        raise BundleError(f"there is no folder {places[0].parent} to make a bundle in")


@contextlib.contextmanager
def _only_whole(*partial: Path) -> Iterator[None]:
    """Leave nothing half-made behind, whatever happens."""
    try:
        yield
    except BaseException:
        for place in partial:
            if place.is_dir():
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink(missing_ok=True)
        raise


# ---- the program and the pictures


def _tracked_files(root: Path) -> tuple[list[Path], str]:
    """The files of the checkout, relative to it, and which version of them it is."""
    if _git(root, "rev-parse", "--show-prefix").strip():
        raise BundleError(
            f"a bundle is made of what git tracks, but {root} is no checkout of its own"
        )
    files = [Path(name) for name in _git(root, "ls-files", "-z").split("\0") if name]
    return files, _git(root, "describe", "--always", "--dirty", "--abbrev=12").strip()


def _git(root: Path, *arguments: str) -> str:
    try:
        git = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True)
    except FileNotFoundError:
        raise BundleError("a bundle is made of what git tracks, but there is no git here") from None
    if git.returncode:
        said = git.stderr.decode("utf-8", "replace").strip()
        raise BundleError(f"a bundle is made of what git tracks in {root}, but git says: {said}")
    return git.stdout.decode("utf-8")


def _built_sets(root: Path) -> list[Path]:
    """The files of the picture sets that ship, relative to the checkout, every picture verified."""
    stimuli = root / "stimuli"
    if not is_built(stimuli / "objects.csv", stimuli):
        raise BundleError("the picture sets are not built; `imagery setup` builds them")
    files: list[Path] = []
    for name in SETS:
        read_catalog(stimuli / name)
        files += [file.relative_to(root) for file in (stimuli / name).rglob("*") if file.is_file()]
    return files


def _copy(files: Sequence[Path], source: Path, target: Path) -> None:
    for file in files:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / file, target / file)
        with contextlib.suppress(PermissionError):  # a memory stick may know no modes
            shutil.copymode(source / file, target / file)


def _left_out(root: Path, commit: str) -> Iterator[str]:
    if commit.endswith("-dirty"):
        yield "this checkout has changes that are not committed; the bundle has them, too"
    untracked = _git(root, "ls-files", "--others", "--exclude-standard").split("\n")[:-1]
    if untracked:
        yield f"not in the bundle, because git does not track them: {', '.join(untracked)}"


# ---- packages


def _add_packages(
    folder: Path, platform: str, commit: str, say: Callable[[str], None]
) -> tuple[int, Mapping[str, tuple[int, ...]]]:
    """Fetch the wheels, make sure that none is lacking, and say so for launcher and people.

    Returns
    -------
    How many wheels, and the oldest glibc or macOS for them, by machine.
    """
    system = SYSTEMS[platform]
    launcher = runpy.run_path(str(folder / "imagery"))
    pythons = ["{}.{}".format(*version) for version in sorted(launcher["PYTHONS"])]
    lock = read_lock(folder / "requirements.lock")
    place = folder / "wheels"
    place.mkdir()
    for machine in system.machines:
        for python in pythons:
            say(f"Downloading packages for {machine.name}, Python {python}")
            download(lock, machine, python, place)
    wheels = {file.name: _sha256(file) for file in sorted(place.iterdir())}
    oldest = oldest_systems(lock, wheels, system, pythons)
    longest = _longest_path(place)
    about = {
        "system": system.title,
        "counted_in": system.counted_in,
        "oldest_system": oldest,
        "longest_path": longest,
        "commit": commit,
        "lock": _sha256(folder / "requirements.lock"),
        "wheels": wheels,
    }
    (place / "bundle.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    names = " ".join(debian for debian, _, _ in launcher["LIBRARIES"].values())
    libraries = _LIBRARIES.format(names=names, sound=launcher["PORTAUDIO"])
    room = launcher["LONGEST_PATH_ON_WINDOWS"] - longest - len(r"\.venv")
    start = _START.format(
        version=__version__,
        title=system.title,
        needs=_needs(system, oldest),
        commit=commit,
        place=f" Its path may have {room} characters." if platform == "win" else "",
        python=_PYTHON[platform],
        command="py" if platform == "win" else "python3",
        libraries=libraries if platform == "linux" else "",
    )
    newline = "\r\n" if platform == "win" else "\n"
    (folder / "START.txt").write_text(start, encoding="utf-8", newline=newline)
    return len(wheels), oldest


def _needs(system: System, oldest: Mapping[str, tuple[int, ...]]) -> str:
    versions = [
        f"{'.'.join(map(str, version))} ({machine})"
        for machine, version in oldest.items()
        if version
    ]
    return f", {system.counted_in} from {', '.join(versions)}" if versions else ""


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _longest_path(wheels: Path) -> int:
    """Length of the longest path within `.venv` on Windows, with the backslash it begins with."""
    longest = 0
    for wheel in wheels.iterdir():
        with zipfile.ZipFile(wheel) as content:
            for path in map(PurePosixPath, content.namelist()):
                cache = len("/__pycache__.cpython-312c") if path.suffix == ".py" else 0
                longest = max(longest, len(str(path)) + cache)
    return len("/Lib/site-packages/") + longest


# ---- the archive


def _zip(folder: Path, name: str, archive: Path) -> None:
    """Pack a folder under a name; what is compressed already is stored as it is."""
    with zipfile.ZipFile(archive, "w", strict_timestamps=False) as packed:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            kind = zipfile.ZIP_STORED if file.suffix in (".whl", ".png") else zipfile.ZIP_DEFLATED
            packed.write(file, Path(name, file.relative_to(folder)), kind)
