"""A stimulus set: every picture is there and is the picture it was."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.contract.catalog import MANIFEST, Picture, read_catalog, write_manifest
from task.contract.errors import StimulusError

PIXELS = {"dog": b"dog", "cat": b"cat", "tree": b"tree"}
HEADER = "id,file,sha256,group,name"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def row(id_: str, **other: str) -> dict[str, str]:
    file = f"images/{id_}.png"
    sound = {
        "id": id_,
        "file": file,
        "sha256": digest(PIXELS[id_]),
        "group": "animal",
        "name": f"a {id_}",
    }
    return sound | other


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three pictures and no manifest."""
    (tmp_path / "pets" / "images").mkdir(parents=True)
    for name, data in PIXELS.items():
        (tmp_path / "pets" / "images" / f"{name}.png").write_bytes(data)
    return tmp_path / "pets"


def refusal(folder: Path) -> list[str]:
    with pytest.raises(StimulusError) as error:
        read_catalog(folder)
    return str(error.value).replace(f"{folder.parent}/", "").splitlines()


def refusal_of(folder: Path, rows: Sequence[Mapping[str, str]]) -> list[str]:
    write_manifest(folder, rows)
    return refusal(folder)


def refusal_of_text(folder: Path, text: str | bytes) -> list[str]:
    data = text if isinstance(text, bytes) else text.encode()
    (folder / MANIFEST).write_bytes(data)
    return refusal(folder)


def test_a_set_holds_its_pictures_in_the_order_of_the_manifest(folder: Path) -> None:
    write_manifest(folder, [row("tree", name_es="árbol", name_de=""), row("dog")])
    catalog = read_catalog(folder)
    assert catalog.name == "pets"
    assert list(catalog.pictures.values()) == [
        Picture(
            "tree",
            folder / "images/tree.png",
            digest(b"tree"),
            "animal",
            {"en": "a tree", "es": "árbol"},
        ),
        Picture("dog", folder / "images/dog.png", digest(b"dog"), "animal", {"en": "a dog"}),
    ]
    assert catalog.sha256 == digest((folder / MANIFEST).read_bytes())


@given(
    names=st.dictionaries(
        st.sampled_from(("name", "name_es", "group")),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=9),
    )
)
def test_names_survive_the_manifest_whatever_they_hold(
    names: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "round_trip"
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "images" / "dog.png").write_bytes(b"dog")
    write_manifest(folder, [row("dog", **names)])
    picture = read_catalog(folder).pictures["dog"]
    assert picture.group == names.get("group", "animal")
    assert picture.names["en"] == names.get("name", "a dog")
    assert picture.names.get("es") == names.get("name_es")


def test_a_manifest_appears_whole(folder: Path) -> None:
    write_manifest(folder, [row("dog")])
    before = (folder / MANIFEST).read_bytes()
    with pytest.raises(ValueError, match="fields not in fieldnames"):
        write_manifest(folder, [row("cat"), row("dog", unknown="x")])
    assert (folder / MANIFEST).read_bytes() == before


def test_a_manifest_saved_by_a_spreadsheet_is_read(folder: Path) -> None:
    text = f"\ufeff{HEADER}\r\ndog,images/dog.png,{digest(b'dog')},animal,dog\r\n"
    (folder / MANIFEST).write_bytes(text.encode())
    assert list(read_catalog(folder).pictures) == ["dog"]


# Faults --------------------------------------------------------------------------------------


def test_a_folder_without_a_manifest_is_no_set(folder: Path) -> None:
    assert refusal(folder) == ["pets: no manifest.csv here; a stimulus set needs one"]


@pytest.mark.parametrize("text", [f"{HEADER}\n", f"{HEADER}\n\n"])
def test_a_manifest_without_rows_is_refused(text: str, folder: Path) -> None:
    assert refusal_of_text(folder, text) == [
        "pets/manifest.csv: has no rows; needed are id, file, sha256, group, name"
    ]


def test_an_empty_manifest_lacks_its_columns(folder: Path) -> None:
    assert refusal_of_text(folder, "") == [
        "pets/manifest.csv: has no column id, file, sha256, group, name;"
        " needed are id, file, sha256, group, name"
    ]


def test_missing_columns_are_named(folder: Path) -> None:
    assert refusal_of_text(folder, "id,file,name\ndog,images/dog.png,dog\n") == [
        "pets/manifest.csv: has no column sha256, group; needed are id, file, sha256, group, name"
    ]


@pytest.mark.parametrize("text", [b"id,file\n\xff,x\n", f'{HEADER}\n"dog,x\n'.encode()])
def test_what_is_no_table_is_refused(text: bytes, folder: Path) -> None:
    (message,) = refusal_of_text(folder, text)
    assert message.startswith("pets/manifest.csv: is not a table in UTF-8: ")


def test_a_short_and_a_long_row_are_named_with_their_lines(folder: Path) -> None:
    sound = f"images/dog.png,{digest(b'dog')},animal"
    text = f"{HEADER}\nfirst,{sound}\nsecond,{sound},dog,dog\n"
    assert refusal_of_text(folder, text) == [
        "pets/manifest.csv:2: picture 'first': the row has not as many fields as the header",
        "pets/manifest.csv:3: picture 'second': the row has not as many fields as the header",
    ]


def test_an_id_that_is_no_plain_name_is_refused(folder: Path) -> None:
    assert refusal_of(folder, [row("dog", id="a dog"), row("cat", id="")]) == [
        "pets/manifest.csv:2: id 'a dog' is not a plain name (letters, digits, '_', '-', '.')",
        "pets/manifest.csv:3: id '' is not a plain name (letters, digits, '_', '-', '.')",
    ]


def test_a_picture_listed_twice_is_refused(folder: Path) -> None:
    assert refusal_of(folder, [row("dog"), row("cat", id="dog")]) == [
        "pets/manifest.csv:3: picture 'dog' is listed twice"
    ]


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "images/dog.png").unlink()
    assert refusal_of(folder, [row("dog"), row("cat", file="")]) == [
        "pets/manifest.csv:2: picture 'dog': file 'images/dog.png' is missing",
        "pets/manifest.csv:3: picture 'cat': file '' is missing",
    ]


def test_a_changed_file_is_named(folder: Path) -> None:
    (folder / "images/dog.png").write_bytes(b"wolf")
    assert refusal_of(folder, [row("cat"), row("dog")]) == [
        "pets/manifest.csv:3: picture 'dog': file 'images/dog.png' has changed since the set was"
        " made; build or import the set again"
    ]


@pytest.mark.parametrize(
    "file", ["../secret.png", "/etc/passwd", "images/../../secret.png", "..\\a.png", "C:a.png"]
)
def test_a_file_outside_the_folder_is_refused(file: str, folder: Path) -> None:
    (folder.parent / "secret.png").write_bytes(b"dog")
    assert refusal_of(folder, [row("dog", file=file)]) == [
        f"pets/manifest.csv:2: picture 'dog': file {file!r} lies outside the set's folder"
    ]


def test_all_faults_are_told_at_once(folder: Path) -> None:
    (folder / "images/cat.png").unlink()
    found = refusal_of(folder, [row("dog", id="?"), row("cat"), row("tree", sha256="0")])
    assert [fault.split(": ")[0] for fault in found] == [
        "pets/manifest.csv:2",
        "pets/manifest.csv:3",
        "pets/manifest.csv:4",
    ]


def test_lines_are_right_after_a_name_of_several_lines(folder: Path) -> None:
    (message,) = refusal_of(folder, [row("dog", name="a\ndog"), row("cat", sha256="0")])
    assert message.startswith("pets/manifest.csv:4: picture 'cat'")
