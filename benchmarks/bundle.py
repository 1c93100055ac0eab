"""Make the bundle of every system and set one up without a network: `python -m benchmarks.bundle`.

Needs a network once (some 300 MB for each system), and about four minutes.  For each system, pip is
asked on behalf of each of its computers to take everything in the lock from the bundle alone.  The
bundle for Linux is then copied to a path with spaces and umlauts and used there by each Python of
this computer, with a home folder that is empty, an index that does not answer and, where the system
lets us, no network at all.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from task.bundle import make_bundle
from task.places import ROOT
from task.wheels import SYSTEMS, Machine, read_lock, unconditional, wanted

PYTHONS = ("3.11", "3.12")
NO_NETWORK = ["unshare", "--map-root-user", "--net"]
DEAD_INDEX = {
    "PIP_NO_INDEX": "1",
    "PIP_INDEX_URL": "http://127.0.0.1:9/",
    "PIP_EXTRA_INDEX_URL": "http://127.0.0.1:9/",
    "PIP_FIND_LINKS": "http://127.0.0.1:9/",
}


def taken_by_pip(bundle: Path, machine: Machine, python: str) -> int:
    """How many packages pip would install there from the wheels of the bundle alone."""
    lock = read_lock(bundle / "requirements.lock")
    with tempfile.TemporaryDirectory() as scratch:
        part = Path(scratch, "part.lock")
        part.write_text("\n".join(map(unconditional, wanted(lock, machine, python))), "utf-8")
        report = Path(scratch, "report.json")
        subprocess.run(
            [sys.executable, "-m", "pip", "--isolated", "install", "--dry-run", "--quiet"]
            + ["--no-index", "--find-links", str(bundle / "wheels"), "--require-hashes"]
            + ["--no-deps", "--only-binary=:all:", "--ignore-installed", "--report", str(report)]
            + ["--target", scratch, "--implementation=cp", f"--python-version={python}"]
            + [f"--platform={platform}" for platform in machine.platforms]
            + ["-r", str(part)],
            check=True,
            env={**os.environ, "PIP_CONFIG_FILE": os.devnull},
        )
        return len(json.loads(report.read_text(encoding="utf-8"))["install"])


def bundles(folder: Path) -> Iterator[str]:
    """Make every bundle; a line of the table for each."""
    for platform, system in SYSTEMS.items():
        place = folder / platform
        begin = time.perf_counter()
        made = make_bundle(platform, place, zipped=True)
        seconds = time.perf_counter() - begin
        archive = place.with_name(f"{platform}.zip")
        taken = [
            f"{machine.name} {python}: {taken_by_pip(place, machine, python)}"
            for machine in system.machines
            for python in PYTHONS
        ]
        oldest = [
            f"{system.counted_in} {'.'.join(map(str, version))} ({machine})"
            for machine, version in made.oldest.items()
            if version
        ]
        yield (
            f"| {platform} | {seconds:.0f} | {made.size_bytes / 1e6:.0f} |"
            f" {archive.stat().st_size / 1e6:.0f} | {made.wheels} | {'; '.join(taken)} |"
            f" {', '.join(oldest) or 'any that Python runs on'} |"
        )
        archive.unlink()
        if platform != "linux":
            shutil.rmtree(place)


def used_offline(bundle: Path, folder: Path) -> Iterator[str]:
    """Set the bundle up and use it without a network; a line of the table for each Python."""
    alone = NO_NETWORK if subprocess.run([*NO_NETWORK, "true"]).returncode == 0 else []
    for python in PYTHONS:
        command = shutil.which(f"python{python}")
        # The PATH may name some that do not start.
        if not command or subprocess.run([command, "--version"], capture_output=True).returncode:
            yield f"| {python} | not on this computer | | | | |"
            continue
        home = folder / f"home {python}"
        home.mkdir()
        place = folder / f"Röntgen und Köpfe {python}" / "imagery linux"
        shutil.copytree(bundle, place)
        paths = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
        seconds = []
        for arguments in (
            ["setup", "--offline"],
            ["check", "demo"],
            ["simulate", "demo", "--out", str(home / "simulated")],
        ):
            begin = time.perf_counter()
            subprocess.run(
                [*alone, command, str(place / "imagery"), *arguments],
                check=True,
                cwd=home,
                env={**paths, **DEAD_INDEX},
                stdout=subprocess.DEVNULL,
            )
            seconds.append(time.perf_counter() - begin)
        files = [file for file in (place / ".venv").rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files if not file.is_symlink())
        network = "none (a network namespace of its own)" if alone else "there, but not asked"
        times = " | ".join(f"{s:.1f}" for s in seconds)
        yield f"| {python} | {network} | {times} | {size / 1e6:.0f} |"
        shutil.rmtree(place.parent)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        made = list(bundles(folder))
        used = list(used_offline(folder / "linux", folder))
    lines = [
        "# Bundles",
        "",
        "Made by `python -m benchmarks.bundle`. *Taken by pip*: packages that pip, asked on behalf",
        "of that computer and Python, installs from the bundle alone: all of the lock, or it ends.",
        "",
        "| system | s to make | MB | MB zipped | wheels | taken by pip | oldest system |",
        "|---|---|---|---|---|---|---|",
        *made,
        "",
        "The bundle for Linux, copied to `Röntgen und Köpfe …/imagery linux`, an empty home",
        "folder, every index of pip's settings at a closed port:",
        "",
        "| Python | network | s `setup --offline` | s `check demo` | s `simulate demo` | MB |",
        "|---|---|---|---|---|---|",
        *used,
        "",
    ]
    (ROOT / "benchmarks" / "bundle.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
