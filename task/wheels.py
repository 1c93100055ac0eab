"""Which wheels another computer can use, and whether a folder holds all of a lock for it.

The three systems of a bundle are described here as packages see them.  The tags of wheels and the
conditions in a lock are read with `packaging`, and do not depend on the computer this runs on.
"""

import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import canonicalize_name, parse_wheel_filename

from task.contract.errors import UserError

_FORMER_NAMES = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}


class WheelError(UserError):
    """Packages cannot be had for a system."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One kind of computer, as packages see it.

    Attributes
    ----------
    name : as the launcher calls it
    platforms : the platform tags of wheels that run on it, the least demanding first, each with the
        version of glibc or macOS that it asks for; () on Windows
    markers : what the conditions in a lock ask about
    """

    name: str
    platforms: Mapping[str, tuple[int, ...]]
    markers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class System:
    """What one bundle is for: in words, what its versions count, and its machines."""

    title: str
    counted_in: str
    machines: Sequence[Machine]


@dataclass(frozen=True, slots=True)
class Package:
    """One entry of a lock, and the SHA-256 of each of its files."""

    requirement: Requirement
    digests: Collection[str]


# ---- systems


def _windows() -> Machine:
    return Machine("win-amd64", {"win_amd64": ()}, _markers("win32", "Windows", "AMD64"))


def _mac(arch: str, versions: Sequence[tuple[int, int]]) -> Machine:
    platforms: dict[str, tuple[int, ...]] = {}
    for version in versions:
        for name in mac_platforms(version, arch):
            platforms.setdefault(name, version)
    return Machine(f"darwin-{arch}", platforms, _markers("darwin", "Darwin", arch))


def _linux() -> Machine:
    """Up to the glibc of Ubuntu 22.04; Debian 12 has a newer one, Red Hat 8 has 2.28."""
    platforms: dict[str, tuple[int, ...]] = {}
    for minor in range(5, 36):
        names = [f"manylinux_2_{minor}"]
        names += [_FORMER_NAMES[minor]] if minor in _FORMER_NAMES else []
        platforms.update({f"{name}_x86_64": (2, minor) for name in names})
    return Machine("linux-x86_64", platforms, _markers("linux", "Linux", "x86_64"))


def _markers(sys_platform: str, system: str, machine: str) -> dict[str, str]:
    return {
        "sys_platform": sys_platform,
        "platform_system": system,
        "platform_machine": machine,
        "os_name": "nt" if sys_platform == "win32" else "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


_NEW_MACS = [(major, 0) for major in range(11, 16)]
_OLD_MACS = [(10, minor) for minor in range(9, 17)]

SYSTEMS = {
    "win": System("Windows on 64-bit Intel or AMD processors", "", [_windows()]),
    "mac": System(
        "macOS on Apple or Intel processors",
        "macOS",
        [_mac("arm64", _NEW_MACS), _mac("x86_64", _OLD_MACS + _NEW_MACS)],
    ),
    "linux": System("Linux on 64-bit Intel or AMD processors", "glibc", [_linux()]),
}


# ---- the lock


def read_lock(file: Path) -> list[Package]:
    """Read a lock that `uv pip compile --generate-hashes` made."""
    packages = []
    for entry in re.split(r"\n(?=\w)", file.read_text(encoding="utf-8")):
        requirement = re.split(r"\\|--hash", entry)[0].strip()
        digests = frozenset(re.findall(r"--hash=sha256:(\w+)", entry))
        packages.append(Package(Requirement(requirement), digests))
    return packages


def wanted(lock: Sequence[Package], machine: Machine, python: str) -> list[Package]:
    """Choose what of a lock a machine installs with a Python such as "3.12"."""
    versions = {"python_version": python, "python_full_version": f"{python}.0"}
    place = {**machine.markers, **versions}
    return [p for p in lock if p.requirement.marker is None or p.requirement.marker.evaluate(place)]


# ---- wheels


def download(lock: Sequence[Package], machine: Machine, python: str, folder: Path) -> None:
    """Fetch the wheels a machine needs, verified; this computer's settings for pip say from where.

    Raises
    ------
    WheelError
        With the last that pip said.
    """
    exactly = ["--require-hashes", "--no-deps", "--only-binary=:all:", "--progress-bar=off"]
    other = ["--implementation=cp", f"--python-version={python}"]
    other += [f"--platform={platform}" for platform in machine.platforms]
    with TemporaryDirectory() as scratch:
        part = Path(scratch, "part.lock")
        part.write_text("\n".join(map(unconditional, wanted(lock, machine, python))), "utf-8")
        files = ["--dest", str(folder), "-r", str(part)]
        pip = subprocess.run(
            [sys.executable, "-m", "pip", "download", *exactly, *other, *files],
            capture_output=True,
            text=True,
            errors="replace",
        )
    if pip.returncode:
        last = "".join(f"\n  {line}" for line in pip.stderr.splitlines()[-4:])
        raise WheelError(
            f"the packages for {machine.name} and Python {python} could not be fetched; check the"
            f" network and the space on the disk. pip says:{last}"
        )


def unconditional(package: Package) -> str:
    """The entry as pip reads it, but for conditions, which it would ask of this computer."""
    hashes = "".join(f" --hash=sha256:{digest}" for digest in sorted(package.digests))
    return f"{package.requirement.name}{package.requirement.specifier}{hashes}\n"


def oldest_systems(
    lock: Sequence[Package], wheels: Mapping[str, str], system: System, pythons: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    """Find, for each machine, the oldest glibc or macOS on which all its packages run.

    Parameters
    ----------
    wheels : SHA-256 by file name

    Raises
    ------
    WheelError
        Packages of which no wheel fits, all of them.
    """
    lacking: list[str] = []
    oldest = {}
    for machine in system.machines:
        needs: list[tuple[int, ...]] = [()]
        for python in pythons:
            for package in wanted(lock, machine, python):
                fits = list(fitting(package, wheels, machine, python))
                if fits:
                    needs.append(min(fits))
                else:
                    name = package.requirement.name
                    lacking.append(f"no wheel of {name} for {machine.name} and Python {python}")
        oldest[machine.name] = max(needs)
    if lacking:
        raise WheelError("\n".join(lacking))
    return oldest


def fitting(
    package: Package, wheels: Mapping[str, str], machine: Machine, python: str
) -> Iterator[tuple[int, ...]]:
    """Look for a package among wheels: for each that fits, the oldest system it runs on."""
    tags = _tags(machine, python)
    for name, sha256 in wheels.items():
        project, version, _, its_tags = parse_wheel_filename(name)
        is_it = project == canonicalize_name(package.requirement.name)
        if is_it and version in package.requirement.specifier and sha256 in package.digests:
            fits = [machine.platforms.get(tag.platform, ()) for tag in its_tags & tags]
            if fits:
                yield min(fits)


def _tags(machine: Machine, python: str) -> frozenset[Tag]:
    major, minor = map(int, python.split("."))
    short = f"cp{major}{minor}"
    platforms = list(machine.platforms)
    return frozenset(
        [
            *cpython_tags((major, minor), [short], platforms),
            *compatible_tags((major, minor), short, platforms),
        ]
    )
