"""The pictures that ship: how many, how named, what they must not show, that they look distinct."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageFilter

from task.contract.catalog import read_catalog
from task.sets.build import build_objects
from task.sets.draw import TOLERANCE, difference, draw, fingerprint
from task.sets.recipe import LANGUAGES, Entry, read_recipe

RECIPE = Path(__file__).parent.parent / "stimuli" / "objects.csv"
ENTRIES = read_recipe(RECIPE).entries
GRAPHICS = [e for e in ENTRIES if e.source.endswith(".svg")]
WORDS = [e for e in ENTRIES if e.source.startswith("text:")]

SKIN_TONES = {f"1f3f{tone}" for tone in "bcdef"}
# Pictures whose English names differ in gender alone; these a viewer names apart.
GENDERED = {"man", "woman"}
UNFIT = {
    "26b0": "coffin",
    "26b1": "funeral urn",
    "1faa6": "headstone",
    "1f480": "skull",
    "2620": "skull and crossbones",
    "1f489": "syringe",
    "1f48a": "pill",
    "1fa78": "drop of blood",
    "1fa79": "adhesive bandage",
    "1fa7a": "stethoscope",
    "1fa7b": "x-ray",
    "1fa7c": "crutch",
    "1f321": "thermometer",
    "1f691": "ambulance",
    "1f3e5": "hospital",
    "1f9e0": "brain",
    "1f912": "face with thermometer",
    "1f915": "face with head-bandage",
    "1f922": "nauseated face",
    "1f92e": "face vomiting",
    "1f927": "sneezing face",
    "1f637": "face with medical mask",
    "1f52a": "kitchen knife",
    "1f5e1": "dagger",
    "2694": "crossed swords",
    "1f52b": "pistol",
    "1f4a3": "bomb",
    "1fa93": "axe",
    "1fa9a": "saw",
    "1f577": "spider",
    "1f982": "scorpion",
    "1f47b": "ghost",
    "1f479": "ogre",
    "1f47a": "goblin",
    "1f9db": "vampire",
    "1f9df": "zombie",
    "1f631": "face screaming in fear",
}


def code_points(entry: Entry) -> list[str]:
    return entry.source.removesuffix(".svg").split("-")


def genderless(entry: Entry) -> tuple[str, ...]:
    person = {"1f468": "1f9d1", "1f469": "1f9d1"}
    signs = {"2640", "2642", "fe0f", "200d"} | SKIN_TONES
    return tuple(person.get(c, c) for c in code_points(entry) if c not in signs)


def test_there_are_as_many_of_each_group_as_in_the_study() -> None:
    assert Counter(e.group for e in ENTRIES) == {
        "face": 77,
        "text": 29,
        "plant": 68,
        "animal": 92,
        "object": 234,
    }


def test_every_picture_is_completed() -> None:
    assert [e.id for e in GRAPHICS if not e.source_sha256] == []
    assert [e.id for e in ENTRIES if not e.pixels] == []


def test_names_are_plain_lower_case_words_and_ids_follow_them() -> None:
    for entry in GRAPHICS:
        name = entry.names["name"]
        assert re.fullmatch(r"[a-z]+([ -][a-z]+)*", name), name
        assert entry.id == re.sub("[ -]", "_", name)


def test_every_picture_has_a_clean_name_in_every_language() -> None:
    for entry in ENTRIES:
        for language in LANGUAGES:
            name = entry.names[f"name_{language}"]
            assert name, f"{entry.id} has no name in {language}"
            assert name == name.strip()
            assert not set(name) & set(":_"), name


def test_words_are_the_text_group_and_their_own_name_in_every_language() -> None:
    assert [e.id for e in WORDS] == [e.id for e in ENTRIES if e.group == "text"]
    for entry in WORDS:
        word = entry.source.removeprefix("text:")
        assert entry.id == f"text_{word.lower()}"
        assert set(entry.names.values()) == {word}


def test_no_flags_no_skin_tones_and_nothing_unfit_for_a_patient() -> None:
    for entry in GRAPHICS:
        shown = set(code_points(entry))
        assert not shown & SKIN_TONES, entry.id
        assert not any(c.startswith("1f1") for c in shown), entry.id
        assert not shown & {"1f3f3", "1f3f4", "1f3c1", "1f6a9"}, entry.id
        assert not shown & set(UNFIT), entry.id


def test_no_two_pictures_differ_in_gender_alone() -> None:
    shown = Counter(genderless(e) for e in GRAPHICS if e.id not in GENDERED)
    assert [source for source, times in shown.items() if times > 1] == []


def test_no_two_pictures_could_be_swapped_unnoticed() -> None:
    cells = np.array([list(bytes.fromhex(e.pixels)) for e in ENTRIES], dtype=np.int16)
    for index in range(len(cells) - 1):
        nearest = np.abs(cells[index + 1 :] - cells[index]).max(axis=1).min()
        assert nearest > 2 * TOLERANCE, ENTRIES[index].id


@pytest.mark.parametrize("id_", ["gear", "paperclip"])
@pytest.mark.parametrize("shift", [(14, 0), (0, 14)])
def test_a_shift_of_the_faintest_pictures_is_refused(id_: str, shift: tuple[int, int]) -> None:
    (entry,) = (e for e in ENTRIES if e.id == id_)
    moved = ImageChops.offset(draw(entry.source), *shift)
    assert difference(fingerprint(moved), entry.pixels) > TOLERANCE


@pytest.fixture(scope="module")
def grey(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Image.Image]:
    """The greyscale pictures as built, by id."""
    stimuli = tmp_path_factory.mktemp("stimuli")
    build_objects(RECIPE, stimuli)
    colour = read_catalog(stimuli / "objects_colour")
    catalog = read_catalog(stimuli / "objects")
    assert list(catalog.pictures) == list(colour.pictures) == [e.id for e in ENTRIES]
    return {p.id: Image.open(p.path) for p in catalog.pictures.values()}


def test_every_picture_is_centred_with_a_margin_and_none_cut_off(
    grey: Mapping[str, Image.Image],
) -> None:
    for id_, picture in grey.items():
        box = picture.point([255 * (abs(v - 128) > 40) for v in range(256)]).getbbox()
        assert box is not None
        left, top, right, bottom = box
        assert min(left, top, 512 - right, 512 - bottom) >= 28, id_
        assert abs(left + right - 512) <= 8, id_
        assert abs(top + bottom - 512) <= 8, id_


def test_every_picture_stands_out_from_the_ground_in_grey(
    grey: Mapping[str, Image.Image],
) -> None:
    for id_, picture in grey.items():
        contrast = np.abs(np.asarray(picture, dtype=float) - 128)
        assert (contrast > 40).mean() > 0.02, id_


def edges(picture: Image.Image) -> np.ndarray:
    """Where luminance changes, coarsely: contrast, polarity and colour do not matter to it."""
    luminance = np.asarray(picture.convert("L").resize((64, 64), Image.Resampling.BOX), float)
    down, across = np.gradient(luminance)
    strength = Image.fromarray(np.hypot(down, across).astype(np.uint8))
    blurred = np.asarray(strength.filter(ImageFilter.GaussianBlur(1)), float).ravel()
    centred = blurred - blurred.mean()
    return centred / np.linalg.norm(centred)


NEAR_DUPLICATE = 0.94


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("26be.svg", "1f94e.svg"),  # baseball, softball
        ("1f426.svg", "1f426-200d-2b1b.svg"),  # bird, black bird
        ("1f512.svg", "1f513.svg"),  # locked, unlocked
        ("1f468.svg", "1f9d4-200d-2642-fe0f.svg"),  # man, bearded man
    ],
)
def test_near_duplicates_are_recognised(one: str, other: str) -> None:
    assert edges(draw(one)) @ edges(draw(other)) > NEAR_DUPLICATE


def test_no_two_pictures_are_near_duplicates(grey: Mapping[str, Image.Image]) -> None:
    ids = list(grey)
    features = np.array([edges(picture) for picture in grey.values()])
    likeness = np.triu(features @ features.T, 1)
    close = [(ids[i], ids[j]) for i, j in np.argwhere(likeness > NEAR_DUPLICATE)]
    assert close == []
