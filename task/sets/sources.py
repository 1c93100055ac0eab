"""Where pictures to import come from: a folder, a ZIP archive or a table, listed before it is read.

Nothing is unpacked and no link is followed. A source that tries to reach outside itself, or holds
more than anybody's pictures would, is refused before a picture is opened.
"""

import lzma
import os
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from task.contract.errors import FileError, StimulusError
from task.sets.table import read_table

MOST_FILES = 50_000
MOST_BYTES = 256 * 2**20
MOST_BYTES_IN_ALL = 32 * 2**30
MOST_SHRUNK = 200  # times; pictures hardly shrink, even bare BMP of drawings stays below
_SMALL_BYTES = 2**20  # so little may shrink as it likes
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(NotImplementedError, RuntimeError, ValueError, EOFError),
)
_TABLES = {".csv", ".tsv"}
_PICTURES = {".png", ".jpg", ".jpeg", ".jpe", ".webp", ".tif", ".tiff", ".bmp", ".svg"}
_OTHER_PICTURES = {
    **dict.fromkeys((".gif", ".apng"), "may move; save one still picture as PNG"),
    **dict.fromkeys((".heic", ".heif", ".avif"), "is not read; save it as JPEG or PNG"),
    **dict.fromkeys((".mp4", ".mov", ".avi", ".mkv", ".webm"), "is a movie; sets hold pictures"),
    **dict.fromkeys((".svgz", ".eps", ".ai", ".pdf"), "is not read; save it as SVG or PNG"),
    **dict.fromkeys(
        (".psd", ".xcf", ".jp2", ".jxl", ".tga", ".ppm", ".pgm", ".ico", ".exr", ".hdr"),
        "is not read; save it as PNG or TIFF",
    ),
    **dict.fromkeys(
        (".raw", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2"),
        "is what a camera's chip saw; develop it to JPEG or TIFF",
    ),
}


@dataclass(frozen=True, slots=True)
class Found:
    """One picture of a source, not yet opened.

    Attributes
    ----------
    file : its path in the source, with `/`
    read : gives its bytes; raises OSError where that fails
    said : what a table says of it, by column; empty without a table
    """

    file: str
    read: Callable[[], bytes]
    said: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source holds.

    Attributes
    ----------
    pictures : those to open, in the order of the table, or else by path
    unfit : files that are pictures of a kind that cannot be taken, and why
    passed_over : files that are no pictures, and columns that are not used
    """

    pictures: Sequence[Found]
    unfit: Sequence[tuple[str, str]]
    passed_over: Sequence[str]


@contextmanager
def opened(source: Path, columns: Mapping[str, str] | None = None) -> Iterator[Listing]:
    """List a source; its pictures can be read until the context ends.

    Parameters
    ----------
    source : a folder, a `.zip`, or a `.csv` or `.tsv` with a column `file`
    columns : names that a table has for the columns known here, as `{"group": "CATEGORY"}`

    Raises
    ------
    StimulusError
        It is none of these, holds no picture, too much, or paths that lead outside.
    FileError
        Every fault of a table, with its line.
    """
    kind = source.suffix.lower()
    if columns and kind not in _TABLES:
        raise StimulusError(f"{source}: columns can be named of a .csv or .tsv only")
    if source.is_dir():
        yield _with_pictures(source, _of_folder(source))
    elif not source.is_file():
        raise StimulusError(f"{source}: there is no such folder or file")
    elif kind in _TABLES:
        yield _with_pictures(source, _of_table(source, columns or {}))
    elif kind == ".zip":
        with _archive(source) as archive:
            yield _with_pictures(source, _of_archive(source, archive))
    else:
        raise StimulusError(
            f"{source}: give a folder, a .zip, or a .csv or .tsv with a column file"
        )


def _with_pictures(source: Path, listing: Listing) -> Listing:
    if not listing.pictures and not listing.unfit:
        kinds = ", ".join(sorted(kind.removeprefix(".") for kind in _PICTURES))
        raise StimulusError(f"{source}: no pictures here; known by their endings are {kinds}")
    return listing


# Folders --------------------------------------------------------------------------------------


def _of_folder(source: Path) -> Listing:
    pictures: list[Found] = []
    unfit: list[tuple[str, str]] = []
    passed_over: list[str] = []
    for path in _files(source):
        file = path.relative_to(source).as_posix()
        wrong = _wrong_with(path)
        if path.is_symlink():
            unfit.append((_sayable(file), "is a link; put the picture itself there"))
        elif path.suffix.lower() in _PICTURES and not wrong:
            pictures.append(Found(file, path.read_bytes))
        else:
            _sort_out(_sayable(file), wrong, unfit, passed_over)
    return Listing(pictures, unfit, passed_over)


def _files(source: Path) -> list[Path]:
    """All files below, sorted, those that are hidden left out; links to folders are not entered."""
    found: list[Path] = []
    folders = [source]
    while folders:
        for path in folders.pop().iterdir():
            if _hidden(path.name):
                continue
            if path.is_dir() and not path.is_symlink():
                folders.append(path)
            else:
                found.append(path)
        if len(found) > MOST_FILES:
            raise StimulusError(f"{source}: holds more than {MOST_FILES:,} files")
    return sorted(found, key=lambda path: path.parts)


def _wrong_with(path: Path) -> str:
    try:
        status = path.lstat()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not (stat.S_ISLNK(status.st_mode) or stat.S_ISREG(status.st_mode)):
        return "is no file"
    if _sayable(path.name) != path.name:
        return "has a name that is not in UTF-8; rename it"
    return _too_big(status.st_size)


def _sayable(name: str) -> str:
    """The name, as a page or a table can hold it."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _too_big(size_bytes: int) -> str:
    if size_bytes <= MOST_BYTES:
        return ""
    return f"has {size_bytes / 2**20:,.0f} MiB; {MOST_BYTES / 2**20:,.0f} at most"


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in ("thumbs.db", "desktop.ini", "__macosx")


def _sort_out(file: str, wrong: str, unfit: list[tuple[str, str]], passed_over: list[str]) -> None:
    kind = PurePosixPath(file).suffix.lower()
    if kind in _PICTURES and wrong:
        unfit.append((file, wrong))
    elif kind in _OTHER_PICTURES:
        unfit.append((file, f"{kind.removeprefix('.').upper()} {_OTHER_PICTURES[kind]}"))
    else:
        passed_over.append(file)


# Archives -------------------------------------------------------------------------------------


@contextmanager
def _archive(source: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(source)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise StimulusError(f"{source}: is no ZIP archive that can be read: {error}") from None
    with archive:
        yield archive


def _of_archive(source: Path, archive: zipfile.ZipFile) -> Listing:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    _refuse(source, entries)
    pictures: list[Found] = []
    unfit: list[tuple[str, str]] = []
    passed_over: list[str] = []
    for entry in sorted(entries, key=lambda entry: entry.filename):
        if any(map(_hidden, PurePosixPath(entry.filename).parts)):
            continue
        kind = PurePosixPath(entry.filename).suffix.lower()
        wrong = "is encrypted; unpack the archive first" if entry.flag_bits & 1 else ""
        if kind in _PICTURES and not wrong:
            pictures.append(Found(entry.filename, partial(_unpacked, archive, entry)))
        else:
            _sort_out(entry.filename, wrong, unfit, passed_over)
    return Listing(pictures, unfit, passed_over)


def _refuse(source: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse an archive that is built to do harm, whatever pictures it may hold too."""
    if len(entries) > MOST_FILES:
        raise StimulusError(f"{source}: holds {len(entries):,} files; {MOST_FILES:,} at most")
    faults = [
        f"{source}: {entry.filename!r} {wrong}" for entry in entries if (wrong := _harm(entry))
    ]
    often = Counter(entry.filename for entry in entries)
    faults += [f"{source}: {name!r} is in it {n} times" for name, n in often.items() if n > 1]
    total = sum(entry.file_size for entry in entries)
    if total > MOST_BYTES_IN_ALL:
        faults.append(
            f"{source}: unpacks to {total / 2**20:,.0f} MiB;"
            f" {MOST_BYTES_IN_ALL / 2**20:,.0f} at most"
        )
    if faults:
        raise StimulusError("\n".join(faults))


def _harm(entry: zipfile.ZipInfo) -> str:
    if leads_outside(entry.filename):
        return "leads outside the archive"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "is a link; put the picture itself there"
    shrunk = entry.file_size / max(1, entry.compress_size)
    if shrunk > MOST_SHRUNK and entry.file_size > _SMALL_BYTES:
        return f"is packed {shrunk:,.0f} times smaller; {MOST_SHRUNK} times at most"
    return _too_big(entry.file_size)


def leads_outside(file: str) -> bool:
    """Whether a path written in a table or an archive could reach beyond its folder."""
    parts = PurePosixPath(file).parts
    return file.startswith("/") or ".." in parts or "\\" in file or ":" in file or "\0" in file


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(entry)
    except _DAMAGED as error:
        raise OSError(f"is damaged in the archive: {error}") from None


# Tables ---------------------------------------------------------------------------------------


def _of_table(source: Path, columns: Mapping[str, str]) -> Listing:
    table = read_table(source, columns)
    faults = []
    pictures = []
    if len(table.rows) > MOST_FILES:
        raise StimulusError(f"{source}: lists {len(table.rows):,} pictures; {MOST_FILES:,} at most")
    for line, row in table.rows:
        path = source.parent / row["file"]
        wrong = _wrong_of_row(row["file"], path, source.parent)
        if wrong:
            faults.append(table.fault(line, "file", f"{row['file']!r} {wrong}"))
        else:
            pictures.append(Found(row["file"], path.read_bytes, row))
    if faults:
        raise FileError(faults)
    return Listing(pictures, [], [f"column {name!r}" for name in table.unused])


def _wrong_of_row(file: str, path: Path, folder: Path) -> str:
    if leads_outside(file):
        return "leads outside the table's folder; paths go from there, with '/'"
    kind = PurePosixPath(file).suffix.lower()
    if kind in _OTHER_PICTURES:
        return _OTHER_PICTURES[kind]
    if kind not in _PICTURES:
        return "is no picture by its ending"
    if not os.path.lexists(path):
        return f"is not in {folder}"
    if any(
        part.is_symlink()
        for part in (path, *path.parents)
        if part.is_relative_to(folder) and part != folder
    ):
        return "is a link; put the picture itself there"
    return _wrong_with(path)
