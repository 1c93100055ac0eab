"""The disk that a session is written to."""

import os
import sys
from pathlib import Path

import pytest

from task.rigs.storage import Mount, disk, synchronised_by

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and /sys")


ROOT_MOUNT = Mount("/", "ext4", "rw")


def test_a_line_is_written_and_nothing_stays_behind(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    found = disk(folder, [ROOT_MOUNT])
    assert found.folder == str(folder) and found.error == ""
    assert found.fsync_s is not None and 0 < found.fsync_s < 10
    assert found.free_bytes is not None and found.free_bytes > 0
    assert list(folder.iterdir()) == []


@linux
def test_a_folder_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    found = disk(tmp_path / "file" / "data", [])
    assert found.fsync_s is None and found.error == "Not a directory"
    assert found.free_bytes is not None and found.free_bytes > 0


def test_a_disk_that_fails_in_the_middle_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    found = disk(tmp_path, [])
    assert (found.fsync_s, found.error) == (None, "No space left on device")
    assert list(tmp_path.iterdir()) == []


@linux
@pytest.mark.parametrize(
    ("mount", "filesystem", "remote", "volatile"),
    [
        (None, "ext4", False, False),
        (Mount("{}", "nfs4", "rw"), "nfs4", True, False),
        (Mount("{}/data", "tmpfs", "rw"), "tmpfs", False, True),
        (Mount("{}", "ntfs", "rw,remote"), "ntfs", True, False),
        (Mount("{}/dat", "nfs4", "rw"), "ext4", False, False),
    ],
)
def test_the_nearest_mount_is_where_data_lie(
    tmp_path: Path, mount: Mount | None, filesystem: str, remote: bool, volatile: bool
) -> None:
    mounted = [ROOT_MOUNT]
    if mount:
        mounted.append(mount._replace(point=mount.point.format(tmp_path.resolve())))
    found = disk(tmp_path / "data", mounted)
    assert (found.filesystem, found.remote, found.volatile) == (filesystem, remote, volatile)


def test_without_a_mount_nothing_is_known(tmp_path: Path) -> None:
    found = disk(tmp_path, [])
    assert (found.filesystem, found.remote, found.volatile) == (None, None, None)


@pytest.mark.parametrize(
    ("folder", "service"),
    [
        ("/home/x/Dropbox/data", "Dropbox"),
        ("/home/x/OneDrive - Charité/data", "OneDrive"),
        ("/Users/x/Library/Mobile Documents/data", "iCloud"),
        ("/Users/x/Library/CloudStorage/data", "a cloud service"),
        ("/home/x/nextcloud/data", "Nextcloud"),
        ("/home/x/dropbox_analysis/data", ""),
        ("/home/x/boxes/data", ""),
    ],
)
def test_the_folders_of_services_are_known_by_their_names(folder: str, service: str) -> None:
    assert synchronised_by(Path(folder)) == service
