"""Where a session will lie: how fast the disk takes a line, and whether it really is a disk."""

import os
import shutil
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from task.preflight.facts import Disk

_TRIES = 5
_REMOTE = frozenset(
    (
        "9p", "afpfs", "afs", "ceph", "cifs", "davfs", "fuse.rclone", "fuse.sshfs", "glusterfs",
        "ncpfs", "nfs", "nfs4", "smb2", "smb3", "smbfs", "vboxsf", "webdav",
    )
)  # fmt: skip
_VOLATILE = frozenset(("tmpfs", "ramfs"))
_SERVICES = {
    "onedrive": "OneDrive",
    "dropbox": "Dropbox",
    "google drive": "Google Drive",
    "googledrive": "Google Drive",
    "my drive": "Google Drive",
    "icloud": "iCloud",
    "mobile documents": "iCloud",
    "com~apple~clouddocs": "iCloud",
    "cloudstorage": "a cloud service",
    "nextcloud": "Nextcloud",
    "owncloud": "ownCloud",
    "box sync": "Box",
    "seafile": "Seafile",
    "syncthing": "Syncthing",
}


class Mount(NamedTuple):
    """Where a file system hangs, its type, and what the system says besides."""

    point: str
    type: str
    options: str


def mounts() -> list[Mount]:
    """Every file system here."""
    found = psutil.disk_partitions(all=True)
    return [Mount(m.mountpoint, m.fstype.lower(), m.opts) for m in found]


def disk(folder: Path, mounted: Sequence[Mount]) -> Disk:
    """Write a line as a session does, and see where it went."""
    folder = folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fsync_s: float | None = _fsync_s(folder)
        error = ""
    except OSError as wrong:
        fsync_s, error = None, wrong.strerror or str(wrong)
    real = folder.resolve()
    there = next(p for p in (real, *real.parents) if p.exists())
    under = max((m for m in mounted if _lies_in(real, m)), key=lambda m: len(m.point), default=None)
    return Disk(
        str(folder),
        shutil.disk_usage(there).free,
        fsync_s,
        error,
        under.type if under else None,
        _remote(real, under),
        under.type in _VOLATILE if under else None,
        synchronised_by(real),
    )


def _fsync_s(folder: Path) -> float:
    """Median time of writing a line and bringing it to the disk."""
    trial = folder / f".preflight_{os.getpid()}"
    try:
        with trial.open("wb", buffering=0) as stream:
            return statistics.median(_written_s(stream) for _ in range(_TRIES))
    finally:
        trial.unlink(missing_ok=True)


def _written_s(stream: Any) -> float:
    start_s = time.perf_counter()
    if stream.write(b"." * 199 + b"\n") != 200:
        raise OSError(28, "No space left on device")
    os.fsync(stream.fileno())
    return time.perf_counter() - start_s


def _lies_in(folder: Path, mount: Mount) -> bool:
    return folder.is_relative_to(mount.point)


def _remote(folder: Path, mount: Mount | None) -> bool | None:
    if str(folder).startswith("\\\\"):
        return True
    if mount is None:
        return None
    return mount.type in _REMOTE or "remote" in mount.options.split(",")


def synchronised_by(folder: Path) -> str:
    """The service whose folder this lies in, by the names that they give their folders."""
    for part in folder.parts:
        for name, service in _SERVICES.items():
            if part.casefold() == name or part.casefold().startswith((f"{name} ", f"{name}-")):
                return service
    return ""
