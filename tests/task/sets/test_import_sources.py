"""Folders, archives and tables of pictures: what is listed, and what is refused before opening."""

import os
import stat
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from task.contract.errors import FileError, StimulusError
from task.sets import sources
from task.sets.sources import Listing, opened
from task.sets.table import read_table
from tests.task.sets.made_files import data_of, scene, write, zipped

PNG = data_of(scene(), "PNG")


def listing(source: Path, columns: Mapping[str, str] | None = None) -> Listing:
    with opened(source, columns) as found:
        return found


def files_of(found: Listing) -> list[str]:
    return [each.file for each in found.pictures]


def refused(source: Path, columns: Mapping[str, str] | None = None) -> str:
    with pytest.raises((StimulusError, FileError)) as refusal:
        listing(source, columns)
    return str(refusal.value).replace(str(source), "SOURCE")


def test_a_folder_gives_its_pictures_by_path_whatever_the_case_of_the_ending(
    tmp_path: Path,
) -> None:
    for file in ("b/dog.PNG", "a/cat.png", "a/deep/owl.jpeg", "top.tif"):
        write(tmp_path / file, PNG)
    assert files_of(listing(tmp_path)) == ["a/cat.png", "a/deep/owl.jpeg", "b/dog.PNG", "top.tif"]


def test_hidden_files_are_nothing_and_others_are_passed_over(tmp_path: Path) -> None:
    for file in (
        "dog.png",
        ".DS_Store",
        "Thumbs.db",
        "__MACOSX/dog.png",
        ".git/x.png",
        "notes.txt",
    ):
        write(tmp_path / file, PNG)
    found = listing(tmp_path)
    assert files_of(found) == ["dog.png"]
    assert found.passed_over == ["notes.txt"]


def test_pictures_of_other_kinds_are_named_with_what_to_do(tmp_path: Path) -> None:
    for file in ("a.gif", "b.HEIC", "c.mp4", "d.cr2", "e.psd", "f.png"):
        write(tmp_path / file, PNG)
    assert listing(tmp_path).unfit == [
        ("a.gif", "GIF may move; save one still picture as PNG"),
        ("b.HEIC", "HEIC is not read; save it as JPEG or PNG"),
        ("c.mp4", "MP4 is a movie; sets hold pictures"),
        ("d.cr2", "CR2 is what a camera's chip saw; develop it to JPEG or TIFF"),
        ("e.psd", "PSD is not read; save it as PNG or TIFF"),
    ]


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights there")
def test_links_in_a_folder_are_named_and_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    write(inside / "dog.png", PNG)
    write(outside / "secret.png", PNG)
    (inside / "cat.png").symlink_to(outside / "secret.png")
    (inside / "more").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    found = listing(inside)
    assert files_of(found) == ["dog.png"]
    what = "is a link; put the picture itself there"
    assert found.unfit == [("cat.png", what), ("loop", what), ("more", what)]


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text there")
def test_a_file_whose_name_is_no_text_is_named(tmp_path: Path) -> None:
    write(tmp_path / "dog.png", PNG)
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(PNG)
    found = listing(tmp_path)
    assert files_of(found) == ["dog.png"]
    what = "has a name that is not in UTF-8; rename it"
    assert found.unfit == [("caf\\udce9.png", what)]


def test_nothing_to_import_is_refused(tmp_path: Path) -> None:
    kinds = "bmp, jpe, jpeg, jpg, png, svg, tif, tiff, webp"
    assert refused(tmp_path) == f"SOURCE: no pictures here; known by their endings are {kinds}"
    assert refused(tmp_path / "none") == "SOURCE: there is no such folder or file"
    assert refused(write(tmp_path / "a.png", PNG)) == (
        "SOURCE: give a folder, a .zip, or a .csv or .tsv with a column file"
    )
    assert refused(tmp_path, {"group": "x"}) == (
        "SOURCE: columns can be named of a .csv or .tsv only"
    )


def test_too_many_and_too_big_files_are_refused_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(4):
        write(tmp_path / "in" / f"{n}.png", PNG)
    monkeypatch.setattr(sources, "MOST_BYTES", 2**20)
    write(tmp_path / "in" / "big.png", bytes(3 * 2**20))
    assert listing(tmp_path / "in").unfit == [("big.png", "has 3 MiB; 1 at most")]
    monkeypatch.setattr(sources, "MOST_FILES", 4)
    assert refused(tmp_path / "in") == "SOURCE: holds more than 4 files"
    archive = zipped(tmp_path / "in.zip", {f"{n}.png": PNG for n in range(5)})
    assert refused(archive) == "SOURCE: holds 5 files; 4 at most"
    table = write(tmp_path / "t.csv", b"file\n" + b"".join(b"in/%d.png\n" % n for n in range(5)))
    assert refused(table) == "SOURCE: lists 5 pictures; 4 at most"


# Archives -----------------------------------------------------------------------------------------


def test_an_archive_is_read_without_being_unpacked(tmp_path: Path) -> None:
    source = zipped(
        tmp_path / "in.zip",
        {"set/b.png": PNG, "set/a.jpg": b"other", "set/readme.txt": b"", "__MACOSX/a.jpg": b""},
    )
    with opened(source) as found:
        assert files_of(found) == ["set/a.jpg", "set/b.png"]
        assert [each.read() for each in found.pictures] == [b"other", PNG]
        assert found.passed_over == ["set/readme.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.zip"]


@pytest.mark.parametrize(
    "name", ["../dog.png", "a/../../dog.png", "/etc/dog.png", "C:/dog.png", "..\\dog.png"]
)
def test_paths_out_of_an_archive_are_refused(tmp_path: Path, name: str) -> None:
    source = zipped(tmp_path / "in.zip", {"good.png": PNG, name: PNG})
    assert refused(source).startswith("SOURCE: '")
    assert refused(source).endswith("' leads outside the archive")


def test_links_in_an_archive_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "in.zip"
    link = zipfile.ZipInfo("dog.png")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert refused(source) == "SOURCE: 'dog.png' is a link; put the picture itself there"


def test_a_bomb_is_refused_by_how_much_it_grows(tmp_path: Path) -> None:
    source = zipped(tmp_path / "in.zip", {"dog.png": bytes(30 * 2**20), "cat.png": PNG})
    grows = 30 * 2**20 / zipfile.ZipFile(source).getinfo("dog.png").compress_size
    assert grows > 900
    assert refused(source) == (
        f"SOURCE: 'dog.png' is packed {grows:,.0f} times smaller; 200 times at most"
    )


def test_an_archive_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = zipped(tmp_path / "in.zip", {f"{n}.bmp": os.urandom(2**19) for n in range(8)})
    monkeypatch.setattr(sources, "MOST_BYTES_IN_ALL", 2**21)
    assert refused(source) == "SOURCE: unpacks to 4 MiB; 2 at most"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "in.zip"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("dog.png", PNG)
        archive.writestr("dog.png", b"another")
    assert refused(source) == "SOURCE: 'dog.png' is in it 2 times"


def test_encrypted_entries_are_named(tmp_path: Path) -> None:
    source = zipped(tmp_path / "in.zip", {"dog.png": PNG})
    data = bytearray(source.read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + flags] |= 1
    source.write_bytes(data)
    assert listing(source).unfit == [("dog.png", "is encrypted; unpack the archive first")]


def test_a_damaged_archive_is_refused_and_a_damaged_entry_named(tmp_path: Path) -> None:
    assert refused(write(tmp_path / "in.zip", b"PK nothing")) == (
        "SOURCE: is no ZIP archive that can be read: File is not a zip file"
    )
    source = zipped(tmp_path / "in2.zip", {"dog.png": os.urandom(5000)})
    data = bytearray(source.read_bytes())
    data[1000] ^= 0xFF
    source.write_bytes(data)
    with opened(source) as found, pytest.raises(OSError, match="is damaged in the archive"):
        found.pictures[0].read()


# Tables -------------------------------------------------------------------------------------------


def table(folder: Path, text: str, name: str = "set.csv") -> Path:
    for file in ("dog.png", "cats/cat.png"):
        write(folder / file, PNG)
    return write(folder / name, text.encode())


def test_a_table_says_what_files_do_not(tmp_path: Path) -> None:
    source = table(
        tmp_path,
        "file,id,group,name,name_es,licence,source,tags,weight\n"
        'cats/cat.png,tom,pet,"cat, grey",gato,CC0,mine,"soft quick",3\n'
        "dog.png,,,,,,,,\n",
    )
    with opened(source) as found:
        assert files_of(found) == ["cats/cat.png", "dog.png"]
        assert found.pictures[0].said == {
            "file": "cats/cat.png", "id": "tom", "group": "pet", "name": "cat, grey",
            "name_es": "gato", "licence": "CC0", "source": "mine", "tags": "soft quick",
        }  # fmt: skip
        assert found.pictures[1].read() == PNG
        assert found.passed_over == ["column 'weight'"]


@pytest.mark.parametrize(("divider", "name"), [(",", "a.csv"), (";", "a.csv"), ("\t", "a.tsv")])
def test_cells_may_be_divided_as_spreadsheets_of_all_countries_do(
    tmp_path: Path, divider: str, name: str
) -> None:
    text = "\ufeffFile,Name\r\ndog.png,perro\r\n\r\n".replace(",", divider)
    found = read_table(table(tmp_path, text, name), {})
    assert found.rows == [(2, {"file": "dog.png", "name": "perro"})]


def test_headings_of_ones_own_are_said(tmp_path: Path) -> None:
    source = table(tmp_path, "FILENAME,CATEGORY,H value\ndog.png,pet,0.1\n")
    found = read_table(source, {"file": "filename", "group": "CATEGORY"})
    assert found.rows == [(2, {"file": "dog.png", "group": "pet"})]
    assert found.unused == ["H value"]


def test_headings_that_are_not_there_are_named_all_at_once(tmp_path: Path) -> None:
    source = table(tmp_path, "FILENAME,CATEGORY\ndog.png,pet\n")
    assert refused(source) == (
        "SOURCE:1: has no column file; say which is it: --column file=HEADING;"
        " it has FILENAME, CATEGORY"
    )
    assert refused(source, {"file": "FILNAME", "grop": "CATEGORY"}) == (
        "SOURCE:1: has no column 'FILNAME' (did you mean 'FILENAME'?)\n"
        "SOURCE: no column 'grop' is known (did you mean 'group'?); known are file, id, group,"
        " name, licence, source, tags and name_es, name_de ..."
    )


def test_every_fault_of_a_table_is_named_with_its_line(tmp_path: Path) -> None:
    source = table(
        tmp_path,
        "file,id\ndog.png,a b\ncats/cat.png,x\n,y\ndog.png,X\ndog.png\n",
    )
    assert refused(source).splitlines() == [
        "SOURCE:2: id: 'a b' is not a plain name (letters, digits, '_', '-', '.')",
        "SOURCE:4: file: is empty",
        "SOURCE:5: file: 'dog.png' is in line 2 already",
        "SOURCE:5: id: 'X' is in line 3 already",
        "SOURCE:6: has 1 cells, the headings are 2",
    ]


def test_every_file_that_cannot_be_taken_is_named_with_its_line(tmp_path: Path) -> None:
    source = table(
        tmp_path, "file\n../dog.png\n/etc/dog.png\nno.png\ndog.txt\nfilm.mp4\ncats\\cat.png\n"
    )
    outside = "leads outside the table's folder; paths go from there, with '/'"
    assert refused(source).splitlines() == [
        f"SOURCE:2: file: '../dog.png' {outside}",
        f"SOURCE:3: file: '/etc/dog.png' {outside}",
        f"SOURCE:4: file: 'no.png' is not in {tmp_path}",
        "SOURCE:5: file: 'dog.txt' is no picture by its ending",
        "SOURCE:6: file: 'film.mp4' is a movie; sets hold pictures",
        f"SOURCE:7: file: 'cats\\\\cat.png' {outside}",
    ]


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights there")
def test_a_table_cannot_reach_out_by_a_link(tmp_path: Path) -> None:
    source = table(tmp_path / "in", "file\nlink.png\nfolder/dog.png\n")
    write(tmp_path / "out" / "dog.png", PNG)
    (source.parent / "link.png").symlink_to(tmp_path / "out" / "dog.png")
    (source.parent / "folder").symlink_to(tmp_path / "out")
    assert refused(source).splitlines() == [
        "SOURCE:2: file: 'link.png' is a link; put the picture itself there",
        "SOURCE:3: file: 'folder/dog.png' is a link; put the picture itself there",
    ]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", ": is empty; the first line holds headings"),
        (b"file\n", ": has no rows"),
        (b"file\n\xe9.png\n", ": is not in UTF-8; save it as 'CSV UTF-8'"),
        (b'file\n"dog.png\n', ":2: is no table: unexpected end of data"),
        (b"file,file\na.png,b.png\n", ":1: has two columns 'file'"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    assert refused(write(tmp_path / "a.csv", data)) == f"SOURCE{why}"
