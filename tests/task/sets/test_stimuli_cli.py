"""The commands about stimulus sets, as typed."""

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from task import new_protocol, places
from task.cli import app
from task.contract.catalog import list_catalog, read_catalog
from task.contract.errors import UserError
from task.planning import make_plan
from task.protocol import read_protocol
from task.sets.recipe import LANGUAGES, complete_recipe
from tests.task.sets.made_files import texture, write, zipped

DOCS = Path(__file__).parents[3] / "docs" / "stimuli.md"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation without sets, and a folder of photographs beside the person's protocols."""
    for place in ("stimuli", "protocols", "mine"):
        (tmp_path / place).mkdir()
    monkeypatch.setattr(places, "STIMULI", tmp_path / "stimuli")
    for module in (places, new_protocol):
        monkeypatch.setattr(module, "PROTOCOLS", tmp_path / "protocols")
    monkeypatch.chdir(tmp_path / "mine")
    for n in range(6):
        group = "animals" if n % 2 else "food"
        write(tmp_path / "My Photos" / group / f"{'abcdef'[n]}at.jpg", texture(n))
    return tmp_path


def typed(*words: str | Path) -> str:
    done = CliRunner().invoke(app, ["stimuli", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*words: str | Path) -> str:
    done = CliRunner().invoke(app, ["stimuli", *map(str, words)])
    assert isinstance(done.exception, UserError), done.output
    return str(done.exception)


def test_photographs_replace_all_stimuli_in_two_commands(here: Path) -> None:
    """The first makes set and protocol; the second, `run photos`, needs nothing but these."""
    said = typed("import", here / "My Photos", "--name", "photos", "--protocol", "photos")
    assert said.endswith("next: imagery run photos --subject CODE\n")
    file = read_protocol(places.find_protocol("photos"))
    catalog = places.catalog_of(file)
    assert places.set_folder(file) == here / "stimuli" / "photos"
    plan = make_plan(file.protocol, catalog, seed=1, refresh_hz=60.0, spacing_frames=2)
    assert sorted(plan.picture_ids) == ["aat", "bat", "cat", "dat", "eat", "fat"]


def test_a_set_too_small_for_a_protocol_is_made_all_the_same_and_said(here: Path) -> None:
    write(here / "alone" / "dog.png", texture(1))
    said = refused("import", here / "alone", "--protocol", here / "mine" / "p.toml")
    assert said == (
        f"{here / 'mine' / 'p.toml'}: pictures: 1 picture left; choose at least two\n"
        "the set 'alone' is made, the protocol is not"
    )
    assert list(list_catalog(here / "stimuli" / "alone").pictures) == ["dog"]
    assert not list((here / "mine").iterdir())


def test_without_a_protocol_the_line_to_write_is_said(here: Path) -> None:
    said = typed("import", here / "My Photos")
    assert said.splitlines() == [
        f"my_photos  {here / 'stimuli' / 'my_photos'}",
        "  pictures   6",
        "  groups     animals 3, food 3",
        "  done       enlarged 6, padded 6",
        *[
            f"  note       {file}: 80 x 60 px are few; it looks blurred"
            for file in (
                *("animals/bat.jpg", "animals/dat.jpg", "animals/fat.jpg"),
                *("food/aat.jpg", "food/cat.jpg", "food/eat.jpg"),
            )
        ],
        f"  report     {here / 'stimuli' / 'my_photos' / 'import.html'}",
        "in a protocol, write",
        "",
        '    stimuli = "my_photos"',
        "",
    ]


def test_a_set_can_lie_beside_ones_protocols(here: Path) -> None:
    mine = here / "mine"
    words = ("import", here / "My Photos", "--name", "pics", "--into", mine, "--size", "64")
    typed(*words, "--protocol", mine / "own.toml")
    assert places.set_folder(read_protocol(mine / "own.toml")) == mine / "pics"


def test_options_reach_the_pictures(here: Path) -> None:
    words = ("import", here / "My Photos", "--name", "p", "--size", "64", "--grey", "--fit", "crop")
    more = ("--match", "luminance", "--luminance", "90", "--contrast", "25", "--licence", "CC0")
    said = typed(*words, *more, "--source", "the ward", "--background", "white")
    assert "  matched    mean 90.00, sd 25.00; off by 0." in said
    picture = read_catalog(here / "stimuli" / "p").pictures["aat"]
    assert (picture.licence, picture.source) == ("CC0", "the ward")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--name", "a b"), "--name: 'a b' must be letters, digits, '-' and '_', 64 at most"),
        (("--name", "objects"), "--name: 'objects' is a set that ships; give another name"),
        (("--fit", "squash"), "--fit: 'squash' is not one of pad, crop"),
        (
            ("--match", "colour", "--grey"),
            "--match: 'colour' is not one of luminance, histogram, spectrum",
        ),
        (("--column", "group"), "--column: 'group' must be WHAT=HEADING, as group=CATEGORY"),
        (("--into", "nowhere"), "--into: there is no folder nowhere"),
        (("--background", "x"), "'x' is no colour; write #808080, or a name as grey"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_read(
    here: Path, words: tuple[str, ...], why: str
) -> None:
    assert refused("import", here / "My Photos", *words) == why
    assert list((here / "stimuli").iterdir()) == []


def test_a_protocol_that_would_not_find_the_set_is_refused(here: Path) -> None:
    words = ("import", here / "My Photos", "--into", here / "mine", "--protocol", "photos")
    assert refused(*words) == (
        f"--protocol: must lie in {here / 'mine'}, beside the set, or it will not find it"
    )
    write(here / "protocols" / "photos.toml", b"")
    assert "photos.toml is there already" in refused(*words)
    assert not list((here / "mine").iterdir())


def test_a_set_that_would_not_be_found_is_refused(here: Path) -> None:
    typed("import", here / "My Photos", "--name", "pics", "--size", "64")
    said = refused("import", here / "My Photos", "--name", "pics", "--into", here / "mine")
    assert said == (
        f"--name: {here / 'stimuli' / 'pics'} would be found before a set 'pics' in"
        f" {here / 'mine'}; give another name"
    )


def test_what_is_left_out_and_passed_over_is_said(here: Path) -> None:
    write(here / "My Photos" / "food" / "cake.gif", b"GIF89a")
    write(here / "My Photos" / "notes.txt", b"")
    assert refused("import", here / "My Photos").splitlines()[0] == (
        f"{here / 'My Photos' / 'food' / 'cake.gif'}: GIF may move; save one still picture as PNG"
    )
    said = typed("import", here / "My Photos", "--leave-out", "--size", "64")
    assert "  left out   food/cake.gif: GIF may move; save one still picture as PNG\n" in said
    assert "  passed over notes.txt\n" in said


def test_sets_are_listed_from_the_installation_and_from_here(here: Path) -> None:
    typed("import", here / "My Photos", "--name", "one", "--size", "64", "--licence", "CC0")
    typed("import", here / "My Photos", "--name", "two", "--size", "64", "--into", here / "mine")
    write(here / "stimuli" / "broken" / "manifest.csv", b"id\n")
    digest = list_catalog(here / "stimuli" / "one").sha256[:12]
    listed = typed("list").splitlines()
    assert listed[:2] == [
        "broken  cannot be read",
        f"  {here / 'stimuli' / 'broken' / 'manifest.csv'}: has no column file, sha256, group,"
        " name; needed are id, file, sha256, group, name",
    ]
    assert listed[2:8] == [
        f"one  {here / 'stimuli' / 'one'}",
        "  pictures   6",
        "  groups     animals 3, food 3",
        "  names in   en",
        "  licence    CC0 6",
        f"  digest     {digest}",
    ]
    assert listed[8] == f"two  {here / 'mine' / 'two'}"
    assert "  licence    none said 6" in listed


def test_where_there_are_no_sets_building_them_is_said(here: Path) -> None:
    assert refused("list") == "no sets here; `imagery stimuli build` makes those that ship"


def test_the_sets_that_ship_are_built_anew(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = ["id", "group", "source", "source_sha256", "pixels", "name"]
    header = ",".join([*columns, *(f"name_{language}" for language in LANGUAGES)])
    row = "dog,animal,1f415.svg,,,dog" + "," * len(LANGUAGES)
    monkeypatch.setattr(places, "RECIPE", write(here / "r.csv", f"{header}\n{row}\n".encode()))
    complete_recipe(places.RECIPE)
    said = typed("build")
    assert said.count("  pictures   1\n") == 2
    write(here / "stimuli" / "objects" / "images" / "dog.png", b"changed")
    typed("build")
    assert list(read_catalog(here / "stimuli" / "objects").pictures) == ["dog"]


def test_a_set_is_shown_and_checked_by_name_or_folder(here: Path) -> None:
    typed("import", here / "My Photos", "--name", "one", "--size", "64")
    assert typed("show", "one") == "6 pictures\npage  one_pictures.html\n"
    assert typed("check", here / "stimuli" / "one").endswith("page  one_check.html\n")
    assert typed("check", "one", "--json").startswith('{\n "set": "one",')
    assert {path.name for path in (here / "mine").iterdir()} == {
        "one_pictures.html", "one_check.html",
    }  # fmt: skip


def test_a_set_that_is_not_there_and_a_page_that_cannot_be_written_are_refused(here: Path) -> None:
    typed("import", here / "My Photos", "--name", "one", "--size", "64")
    assert refused("show", "onne") == (
        "no set 'onne' (did you mean 'one'?); give a name, or the folder with its manifest.csv"
    )
    assert refused("show", "one", "--out", here) == (
        f"{here} is a folder; give the name of a page to write"
    )
    assert refused("check", "one", "--out", "none/page.html") == (
        "there is no folder none; the page cannot be written"
    )


def commands_of_the_docs() -> list[list[str]]:
    lines = [line.strip() for line in DOCS.read_text("utf-8").splitlines()]
    typed_there = [line for line in lines if line.startswith("imagery stimuli import ")]
    return [shlex.split(line)[2:] for line in typed_there]


def test_every_recipe_of_the_docs_works_on_a_set_that_looks_like_it(here: Path) -> None:
    """Small made-up look-alikes of the field's sets lie where the recipes look for them."""
    pictures = {f"{group}/{name}.jpg": n for n, (group, name) in enumerate(
        [("animals", "cat"), ("animals", "dog"), ("food", "egg"), ("food", "fig")]
    )}  # fmt: skip
    for file, n in pictures.items():
        write(Path("photos") / file, texture(n))
    zipped(Path("photos.zip"), {f: (Path("photos") / f).read_bytes() for f in pictures})
    for n, concept in enumerate(["aardvark", "bat1", "bat2"]):
        write(Path("THINGS/images") / concept / f"{concept}_01b.jpg", texture(n))
    rows = b"file,group\nimages/aardvark/aardvark_01b.jpg,animal\nimages/bat2/bat2_01b.jpg,tool\n"
    write(Path("THINGS/chosen.csv"), rows)
    write(Path("BOSS/acorn01a.jpg"), texture(7))
    write(Path("BOSS/norms.csv"), b"FILENAME,MODAL NAME,CATEGORY,H\nacorn01a.jpg,acorn,nut,0.9\n")
    for n in (1, 2, 500):
        write(Path("study") / f"{n:04d}.tif", texture(n).convert("L"))
    for words in commands_of_the_docs():
        typed(*words)
        if "--protocol" in words:
            (here / "stimuli" / "photos").rename(here / "stimuli" / "photos_first")
    sets = {path.name: list(list_catalog(path).pictures.values()) for path in
            (here / "stimuli").iterdir()}  # fmt: skip
    told = {name: [(p.id, p.group, p.names["en"]) for p in shown] for name, shown in sets.items()}
    photos = [
        ("cat", "animals", "cat"), ("dog", "animals", "dog"),
        ("egg", "food", "egg"), ("fig", "food", "fig"),
    ]  # fmt: skip
    assert told == {
        "photos_first": photos,
        "photos": photos,
        "photos_grey": photos,
        "photos_packed": photos,
        "things": [
            ("aardvark_01b", "aardvark", "aardvark"),
            ("bat1_01b", "bat1", "bat"),
            ("bat2_01b", "bat2", "bat"),
        ],
        "things_chosen": [("aardvark_01b", "animal", "aardvark"), ("bat2_01b", "tool", "bat")],
        "boss": [("acorn01a", "nut", "acorn")],
        "study500": [(number, "study500", "") for number in ("0001", "0002", "0500")],
    }
