"""A set made of anyone's pictures: whole or not at all, and the originals as they were."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from task.contract.catalog import read_catalog
from task.contract.errors import FileError, StimulusError
from task.sets import importing
from task.sets.importing import Imported, Match, Options, import_set
from task.sets.prepare import Fit
from tests.task.sets.made_files import GROUND, data_of, quarters, scene, texture, write, zipped


def imported(source: Path, name: str = "mine", **how: object) -> Imported:
    options = Options(**{"size_px": 64, **how})  # type: ignore[arg-type]
    return import_set(source, source.parent / "stimuli" / name, options, lambda *_: None)


def refused(source: Path, **how: object) -> list[str]:
    with pytest.raises((StimulusError, FileError)) as refusal:
        imported(source, **how)
    stimuli = source.parent / "stimuli"
    assert not stimuli.exists() or list(stimuli.iterdir()) == []
    return str(refusal.value).replace(str(source), "SOURCE").splitlines()


def picture(made: Imported, id_: str) -> Image.Image:
    with Image.open(made.folder / "images" / f"{id_}.png") as image:
        image.load()
        return image


def contents(folder: Path) -> Mapping[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures of animals, two of food, of several kinds and sizes."""
    folder = tmp_path / "photos"
    exif = Image.Exif()
    exif[0x0112] = 6
    write(folder / "animals" / "grey_cat-02.jpg", texture(1), quality=95)
    write(folder / "animals" / "dog.png", texture(2, (300, 300)))
    write(folder / "animals" / "owl.tif", texture(3, (40, 90)))
    turned = scene().transpose(Image.Transpose.ROTATE_90)
    write(folder / "food" / "IMG_0007.jpg", turned, exif=exif, quality=95)
    write(folder / "food" / "red-apple.bmp", texture(5))
    return folder


def test_a_folder_becomes_a_set_that_can_be_read(photos: Path) -> None:
    made = imported(photos)
    catalog = read_catalog(made.folder)
    assert [(p.id, p.group, p.names["en"]) for p in catalog.pictures.values()] == [
        ("dog", "animals", "dog"),
        ("grey_cat_02", "animals", "grey cat"),
        ("owl", "animals", "owl"),
        ("img_0007", "food", ""),
        ("red_apple", "food", "red apple"),
    ]
    for each in catalog.pictures.values():
        with Image.open(each.path) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (64, 64))


def test_the_originals_are_not_touched(photos: Path) -> None:
    before = contents(photos)
    imported(photos, grey=True, match=Match.LUMINANCE)
    assert contents(photos) == before


def test_pictures_are_padded_with_ground_and_turned_upright(photos: Path) -> None:
    made = imported(photos, ground=(10, 60, 90))
    image = picture(made, "img_0007")
    assert [image.getpixel((32, y)) for y in (0, 9, 54, 63)] == [(10, 60, 90)] * 4
    assert quarters(image.crop((0, 11, 64, 53))) == ["red", "green", "blue", "white"]


def test_pictures_are_cropped_to_their_middle(photos: Path) -> None:
    made = imported(photos, fit=Fit.CROP)
    image = picture(made, "img_0007")
    assert quarters(image) == ["red", "green", "blue", "white"]
    assert np.asarray(image)[0, 2].tolist() == pytest.approx([230, 20, 20], abs=12)


def test_grey_is_the_luma_of_the_shipped_sets(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.png", Image.new("RGB", (64, 64), (200, 100, 50)))
    made = imported(tmp_path / "in", grey=True)
    luma = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    assert picture(made, "a").mode == "L"
    assert picture(made, "a").getpixel((5, 5)) == pytest.approx(luma, abs=0.51)


def test_resizing_leaves_no_stripes(tmp_path: Path) -> None:
    """Stripes finer than the new pixels become their mean, not coarse false ones."""
    stripes = np.tile(np.array([0, 255], np.uint8), (900, 450))
    write(tmp_path / "in" / "a.png", Image.fromarray(stripes))
    made = np.asarray(picture(imported(tmp_path / "in"), "a").convert("L"), float)
    assert np.abs(made[8:-8, 8:-8] - 127.5).max() < 4


def test_every_fault_is_named_at_once_and_nothing_is_written(photos: Path) -> None:
    write(photos / "animals" / "broken.jpg", data_of(texture(7), "JPEG")[:500])
    write(photos / "animals" / "moves.gif", b"GIF89a")
    write(photos / "food" / "speck.png", Image.new("RGB", (5, 5)))
    write(photos / "food" / "twin.png", Image.open(photos / "food" / "red-apple.bmp"))
    said = refused(photos)
    assert said[0] == "SOURCE/animals/moves.gif: GIF may move; save one still picture as PNG"
    assert said[1].startswith("SOURCE/animals/broken.jpg: is damaged: ")
    assert said[2:] == [
        "SOURCE/food/speck.png: has 5 x 5 px; 16 at least on each side",
        "SOURCE/food/twin.png: is the same picture as food/red-apple.bmp",
        "nothing was imported: 4 of 9 pictures cannot be used; mend or remove them, or add"
        " --leave-out",
    ]


def test_what_cannot_be_used_is_left_out_if_asked_and_reported(photos: Path) -> None:
    write(photos / "food" / "speck.png", Image.new("RGB", (5, 5)))
    made = imported(photos, leave_out=True)
    assert len(made.items) == 5
    document = json.loads((made.folder / "import.json").read_text("utf-8"))
    assert document["left_out"] == [
        {"file": "food/speck.png", "why": "has 5 x 5 px; 16 at least on each side"}
    ]


def test_a_source_of_which_nothing_can_be_used_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.gif", b"GIF89a")
    assert refused(tmp_path / "in", leave_out=True) == [
        "SOURCE/a.gif: GIF may move; save one still picture as PNG",
        "SOURCE: not one picture can be used",
    ]


def test_a_set_that_is_there_is_not_replaced(photos: Path) -> None:
    made = imported(photos)
    before = contents(made.folder)
    with pytest.raises(StimulusError, match="is there already; give another --name"):
        imported(photos)
    assert contents(made.folder) == before


def test_a_crash_leaves_nothing_behind(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(importing, "write_manifest", fail)
    with pytest.raises(KeyboardInterrupt):
        imported(photos)
    assert list((photos.parent / "stimuli").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_sentence(photos: Path) -> None:
    write(photos.parent / "stimuli", b"a file")
    with pytest.raises(StimulusError) as refusal:
        imported(photos)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"match": Match.LUMINANCE}, "--match equals grey pictures, as SHINE does; add --grey"),
        (
            {"match": Match.SPECTRUM, "grey": True},
            "--match spectrum needs pictures that fill their square; add --fit crop",
        ),
        (
            {"contrast": 20.0, "grey": True},
            "--luminance and --contrast say what to match to; add --match luminance",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    photos: Path, how: dict[str, object], why: str
) -> None:
    assert refused(photos, **how) == [why]


# What is reported -----------------------------------------------------------------------------


def test_the_report_says_what_was_done_to_each(photos: Path) -> None:
    made = imported(photos)
    document = json.loads((made.folder / "import.json").read_text("utf-8"))
    told = {each["id"]: each for each in document["pictures"]}
    original = photos / "food" / "IMG_0007.jpg"
    assert told["img_0007"] == {
        "id": "img_0007",
        "name": "",
        "group": "food",
        "original": {
            "file": "food/IMG_0007.jpg",
            "sha256": hashlib.sha256(original.read_bytes()).hexdigest(),
            "is": "JPEG, RGB, 64 x 96 px",
        },
        "changes": [
            "turned upright (EXIF orientation 6)",
            "reduced to 64 x 43 px",
            "padded to 64 x 64 px",
        ],
        "notes": [],
        "box": [0, 10, 64, 53],
        "mean": told["img_0007"]["mean"],
        "sd": told["img_0007"]["sd"],
        "sha256": read_catalog(made.folder).pictures["img_0007"].sha256,
    }
    assert document["groups"] == {"animals": 3, "food": 2}
    assert document["manifest_sha256"] == read_catalog(made.folder).sha256
    assert document["options"]["ground"] == "#808080"


def test_small_and_plain_pictures_are_noted(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.png", Image.new("RGB", (20, 30), (1, 2, 3)))
    (item,) = imported(tmp_path / "in").items
    assert item.notes == [
        "20 x 30 px are few; it looks blurred",
        "is one plain colour all over",
    ]


def test_the_page_holds_everything_and_runs_nothing(photos: Path) -> None:
    write(photos / "food" / "<b>bold.png", texture(11))
    page = (imported(photos).folder / "import.html").read_text("utf-8")
    assert page.count('<img src="data:image/jpeg;base64,') == 12
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold" in page


# Matching -------------------------------------------------------------------------------------


def inside(made: Imported) -> list[np.ndarray]:
    return [np.asarray(picture(made, i.id).crop(i.box), float) for i in made.items]


def test_luminance_is_matched_to_the_mean_of_the_set_within_each_picture(photos: Path) -> None:
    before = imported(photos, "before", grey=True)
    made = imported(photos, grey=True, match=Match.LUMINANCE)
    mean = np.mean([each.mean() for each in inside(before)])
    sd = np.mean([each.std() for each in inside(before)])
    assert made.target == pytest.approx({"mean": mean, "sd": sd})
    for each in inside(made):
        assert (each.mean(), each.std()) == pytest.approx((mean, sd), abs=0.5)
    assert picture(made, "owl").getpixel((2, 2)) == GROUND[0]


def test_luminance_is_matched_to_what_is_said(photos: Path) -> None:
    made = imported(photos, grey=True, match=Match.LUMINANCE, luminance=100.0, contrast=20.0)
    for each, item in zip(inside(made), made.items, strict=True):
        assert (each.mean(), each.std()) == pytest.approx((100, 20), abs=0.5)
        assert item.off == pytest.approx(max(abs(each.mean() - 100), abs(each.std() - 20)))


def test_what_cannot_be_matched_is_refused_by_number_or_left_out(photos: Path) -> None:
    dot = Image.new("L", (64, 64))
    dot.paste(255, (0, 0, 5, 5))
    write(photos / "food" / "dot.png", dot)
    how = {"grey": True, "match": Match.LUMINANCE, "luminance": 120.0, "contrast": 40.0}
    said = refused(photos, **how)
    assert said[0].startswith(
        "SOURCE/food/dot.png: cannot have mean 120.0 and SD 40.0 grey levels between black and"
        " white; give a lower --contrast; it comes to mean "
    )
    assert said[1].startswith("nothing was imported: 1 of 7 pictures")
    made = imported(photos, leave_out=True, **how)
    assert "dot" not in read_catalog(made.folder).pictures
    assert sorted(p.stem for p in (made.folder / "images").iterdir()) == sorted(
        item.id for item in made.items
    )
    assert made.left_out[0][0] == "food/dot.png"


def test_histograms_become_one(photos: Path) -> None:
    made = imported(photos, grey=True, fit=Fit.CROP, match=Match.HISTOGRAM)
    histograms = [np.bincount(each.astype(int).ravel(), minlength=256) for each in inside(made)]
    assert all((each == histograms[0]).all() for each in histograms)
    assert {item.off for item in made.items} == {0.0}


def test_a_plain_area_made_grainy_by_its_new_histogram_is_noted(photos: Path) -> None:
    plain = texture(40, (64, 64))
    plain.paste((90, 90, 90), (0, 0, 64, 32))
    write(photos / "food" / "plain.png", plain)
    made = imported(photos, grey=True, match=Match.HISTOGRAM)
    notes = {item.id: item.notes for item in made.items}
    assert notes["plain"] == ["50% of it had one grey level, which matching made grainy"]
    assert notes["dog"] == []
    upper = np.asarray(picture(made, "plain"), float)[2:30]
    rows, columns = upper.mean(axis=1).std(), upper.mean(axis=0).std()
    assert max(rows, columns) < upper.std() / 2, "grain, neither stripes nor a slope"


def test_spectra_become_one(photos: Path) -> None:
    made = imported(photos, grey=True, fit=Fit.CROP, match=Match.SPECTRUM)
    spectra = [np.abs(np.fft.fft2(each - each.mean())) for each in inside(made)]
    mean = np.mean(spectra, axis=0)
    for each in spectra:
        assert np.linalg.norm(each - mean) / np.linalg.norm(mean) < 0.05


def test_the_same_source_gives_the_same_pictures(photos: Path) -> None:
    one = imported(photos, "one", grey=True, match=Match.HISTOGRAM)
    other = imported(photos, "other", grey=True, match=Match.HISTOGRAM)
    assert [i.sha256 for i in one.items] == [i.sha256 for i in other.items]
    assert read_catalog(one.folder).sha256 == read_catalog(other.folder).sha256


# Sets as the field has them: the recipes of docs/stimuli.md ------------------------------------


def test_a_folder_as_of_things(tmp_path: Path) -> None:
    """images/aardvark/aardvark_01b.jpg: the folder is the concept."""
    for n, concept in enumerate(["aardvark", "abacus", "bat1", "bat2"]):
        write(tmp_path / "THINGS" / "images" / concept / f"{concept}_01b.jpg", texture(n))
        write(tmp_path / "THINGS" / "images" / concept / f"{concept}_02s.jpg", texture(n + 20))
    made = imported(tmp_path / "THINGS")
    pictures = read_catalog(made.folder).pictures
    assert list(pictures)[:3] == ["aardvark_01b", "aardvark_02s", "abacus_01b"]
    assert {p.group for p in pictures.values()} == {"aardvark", "abacus", "bat1", "bat2"}
    assert pictures["bat2_01b"].names["en"] == "bat"


def test_a_table_as_of_boss(tmp_path: Path) -> None:
    """A sheet with headings of its own, saved as CSV beside the pictures."""
    folder = tmp_path / "BOSS"
    for n, file in enumerate(["accordion.jpg", "acorn01a.jpg"]):
        write(folder / file, texture(n))
    source = write(
        folder / "norms.csv",
        b"FILENAME;MODAL NAME;CATEGORY;H VALUE\naccordion.jpg;accordion;musical instrument;0,2\n"
        b"acorn01a.jpg;acorn;nut;0,9\n",
    )
    columns = {"file": "FILENAME", "name": "MODAL NAME", "group": "CATEGORY"}
    options = Options(size_px=64, columns=columns, licence="CC-BY-SA-3.0", source="BOSS")
    made = import_set(source, tmp_path / "boss", options, lambda *_: None)
    pictures = read_catalog(made.folder).pictures
    assert [(p.id, p.group, p.names["en"]) for p in pictures.values()] == [
        ("accordion", "musical instrument", "accordion"),
        ("acorn01a", "nut", "acorn"),
    ]
    assert {(p.licence, p.source) for p in pictures.values()} == {("CC-BY-SA-3.0", "BOSS")}
    assert made.passed_over == ["column 'H VALUE'"]


def test_numbered_pictures_as_of_the_study(tmp_path: Path) -> None:
    for n in (1, 2, 500):
        grey = texture(n).convert("L")
        write(tmp_path / "study" / f"{n:04d}.tif", grey)
    made = imported(tmp_path / "study")
    assert list(read_catalog(made.folder).pictures) == ["0001", "0002", "0500"]


def test_an_archive_becomes_the_same_set_as_its_folder(photos: Path) -> None:
    files = {path.relative_to(photos).as_posix(): path.read_bytes() for path in photos.rglob("*.*")}
    archive = zipped(photos.parent / "photos.zip", files)
    packed, plain = imported(archive, "packed"), imported(photos, "plain")
    assert [(i.id, i.sha256) for i in packed.items] == [(i.id, i.sha256) for i in plain.items]
