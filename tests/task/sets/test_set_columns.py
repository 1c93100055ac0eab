"""What a manifest says of a picture besides what it must, and reading it without the pictures."""

import hashlib
from pathlib import Path

import pytest

from task.contract.catalog import list_catalog, read_catalog, write_manifest
from task.contract.errors import StimulusError

ROW = {
    "id": "dog",
    "file": "dog.png",
    "sha256": hashlib.sha256(b"dog").hexdigest(),
    "group": "animal",
    "name": "dog",
}


def test_source_and_licence_are_read_and_empty_where_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "dog.png").write_bytes(b"dog")
    write_manifest(tmp_path, [ROW | {"source": "own photograph", "licence": "CC0"}])
    (picture,) = read_catalog(tmp_path).pictures.values()
    assert (picture.source, picture.licence) == ("own photograph", "CC0")
    write_manifest(tmp_path, [ROW])
    (picture,) = read_catalog(tmp_path).pictures.values()
    assert (picture.source, picture.licence) == ("", "")


def test_a_set_can_be_listed_without_its_pictures_but_not_read(tmp_path: Path) -> None:
    write_manifest(tmp_path, [ROW])
    assert list(list_catalog(tmp_path).pictures) == ["dog"]
    with pytest.raises(StimulusError, match="picture 'dog': file 'dog.png' is missing"):
        read_catalog(tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"file": "../dog.png"}, {"id": "a b"}, {"file": "/dog.png"}, {"file": "a\\dog.png"}]
)
def test_listing_refuses_what_reading_refuses_of_a_manifest(
    tmp_path: Path, wrong: dict[str, str]
) -> None:
    write_manifest(tmp_path, [ROW | wrong])
    said = []
    for read in (list_catalog, read_catalog):
        with pytest.raises(StimulusError) as refusal:
            read(tmp_path)
        said.append(str(refusal.value))
    assert said[0] == said[1]
