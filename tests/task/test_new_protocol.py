"""A new protocol: it fits the time that the patient has, reads back, and overwrites nothing."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from task import new_protocol
from task.contract.catalog import Catalog, list_catalog
from task.contract.errors import UserError
from task.new_protocol import (
    Wish,
    groups_of,
    languages_of,
    place_of,
    sets_for,
    usual_items,
    write_new,
)
from task.protocol import read_protocol
from task.rigfile import RigFile

RIG = RigFile.model_validate({"name": "x", "triggers": {"device": "none"}})
SIX = ("dog", "cat", "cow", "owl", "cup", "hat")
Write = Callable[..., Path]


@pytest.fixture
def catalog(pet_folder: Path) -> Catalog:
    return list_catalog(pet_folder)


@pytest.fixture
def write(pet_folder: Path, catalog: Catalog) -> Write:
    """Write a protocol of the pets beside them."""

    def made(
        task: str, minutes: float, *, name: str = "p", language: str = "en", **of: object
    ) -> Path:
        wish = Wish(task, "pets", language, minutes, **of)  # type: ignore[arg-type]
        path = pet_folder.parent / f"{name}.toml"
        found = write_new(path, wish, catalog, RIG)
        assert found.path == path and found.lasts.usual_s <= 60 * minutes
        return path

    return made


def test_a_screening_of_the_study_where_there_is_time(write: Write) -> None:
    path = write("screening", 20)
    assert path.read_text(encoding="utf-8").splitlines()[1:] == [
        "# Made by `imagery new` for 20 minutes. The rest is as in the study;",
        "# docs/protocol.md has all settings. After a change, this says what it comes to:",
        f"# imagery check {path}",
        "schema = 1",
        'name = "p"',
        'stimuli = "pets"',
        'language = "en"           # of what the patient reads',
        "",
        "[screening]",
        "repeats = 4               # showings of each picture (the study: 4)",
        "image_s = 0.2667          # picture on screen, seconds",
        "blank_s = 0.1333          # empty screen after it",
        "break_s = 120.0           # longest break after each repeat; any key ends it",
    ]


def test_less_time_is_fewer_repeats_then_fewer_pictures(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_protocol, "_REPEATS", (40, 30, 20))
    monkeypatch.setattr("task.schedule.A_BREAK_S", 0.0)
    found = {}
    for minutes in (5, 4, 3, 2):
        protocol = read_protocol(write("screening", minutes, name=f"p{minutes}")).protocol
        assert protocol.screening
        found[minutes] = (protocol.screening.repeats, protocol.pictures.per_group)
    assert found == {5: (40, None), 4: (30, None), 3: (20, None), 2: (20, 3)}


def test_less_time_for_imagery_is_fewer_views_cues_and_items(write: Write) -> None:
    found = {}
    for minutes in (30, 16, 14, 12, 9):
        task = read_protocol(write("imagery", minutes, name=f"p{minutes}")).protocol.imagery
        assert task
        found[minutes] = (len(task.items), task.encode_views, task.cues_per_item)
    assert found == {30: (8, 4, 4), 16: (8, 2, 3), 14: (6, 3, 4), 12: (6, 2, 3), 9: (6, 1, 2)}


def test_items_that_are_named_are_all_kept(write: Write) -> None:
    task = read_protocol(write("imagery", 10, items=SIX)).protocol.imagery
    assert task and task.items == SIX
    with pytest.raises(UserError) as error:
        write("imagery", 5, name="q", items=SIX)
    assert str(error.value) == (
        "5 minutes: even the shortest such session takes about 9; give --minutes 9"
    )
    with pytest.raises(UserError) as error:
        write("imagery", 9, name="q", items=(*SIX, "key", "pen"))
    assert str(error.value).endswith("takes about 12; give --minutes 12, or fewer items")


def test_the_words_of_a_language_that_ships_are_taken(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "s.toml").write_text(
        'name = "s"\nlanguage = "es"\n[screening]\n'
        '[texts]\npause = "Un \\"descanso\\".\\n\\nSiga."\n',
        encoding="utf-8",
    )
    (shipped / "half.toml").write_text("name = ", encoding="utf-8")
    monkeypatch.setattr(new_protocol, "PROTOCOLS", shipped)
    path = write("screening", 20, language="es")
    assert read_protocol(path).protocol.texts.pause == 'Un "descanso".\n\nSiga.'
    assert "#:schema shipped/protocol.schema.json\n" in path.read_text().replace("./", "")


def test_words_of_other_languages_stand_there_to_be_translated(write: Write) -> None:
    text = write("screening", 20, language="tr").read_text(encoding="utf-8")
    assert "# What the patient reads is still English." in text
    uncommented = re.sub(r"^# (?=\[texts\]|\w+ = )", "", text, flags=re.MULTILINE)
    path = write("screening", 20, name="q")
    path.write_text(uncommented, encoding="utf-8")
    texts = read_protocol(path).protocol.texts
    assert texts.model_fields_set == {"screening", "pause", "end"}
    assert texts.end == "Thank you.\nThis part is finished."


def test_faults_name_the_file_as_it_would_be(write: Write, pet_folder: Path) -> None:
    with pytest.raises(UserError) as error:
        write("imagery", 30, items=("dgo", *SIX[1:]))
    assert str(error.value).startswith(f"{pet_folder.parent}/p.toml:")
    assert "no picture 'dgo' in set 'pets' (did you mean 'dog'?)" in str(error.value)
    assert {path.name for path in pet_folder.parent.iterdir()} == {"pets"}


@pytest.mark.parametrize("items", [("dog",), SIX[:5]])
def test_items_that_cannot_be_paired_are_refused_by_the_reader(
    items: tuple[str, ...], write: Write
) -> None:
    with pytest.raises(UserError, match="pair"):
        write("imagery", 30, items=items)


def test_many_items_stand_on_several_lines(write: Write, catalog: Catalog) -> None:
    every = tuple(catalog.pictures)
    path = write("imagery", 60, items=every)
    assert read_protocol(path).protocol.imagery.items == every  # type: ignore[union-attr]
    assert max(map(len, path.read_text(encoding="utf-8").splitlines())) <= 100


def test_nothing_is_left_behind_by_who_stops_it(
    write: Write, pet_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(new_protocol, "plan_on", stopped)
    with pytest.raises(KeyboardInterrupt):
        write("screening", 20)
    assert {path.name for path in pet_folder.parent.iterdir()} == {"pets"}


def test_a_file_that_came_meanwhile_is_not_overwritten(
    write: Write, pet_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_on = new_protocol.plan_on

    def slowly(*of: object) -> object:
        (pet_folder.parent / "p.toml").write_text("mine")
        return plan_on(*of)  # type: ignore[arg-type]

    monkeypatch.setattr(new_protocol, "plan_on", slowly)
    with pytest.raises(UserError, match="is there already; nothing was overwritten"):
        write("screening", 20)
    assert (pet_folder.parent / "p.toml").read_text() == "mine"


# Names, sets, proposals ----------------------------------------------------------------------


def test_a_mere_name_goes_among_the_protocols(tmp_path: Path) -> None:
    assert place_of("ward_3") == new_protocol.PROTOCOLS / "ward_3.toml"
    assert place_of(f"{tmp_path}/ward_3") == tmp_path / "ward_3.toml"
    assert place_of(f"{tmp_path}/ward_3.toml") == tmp_path / "ward_3.toml"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "ward 3",
            "'ward 3' cannot be a protocol's name; take letters, digits, '-' and '_', at most 64",
        ),
        (
            "imagery_8",
            f"{new_protocol.PROTOCOLS}/imagery_8.toml is there already; nothing was overwritten;"
            " take another name",
        ),
        ("none/p.toml", "none is no folder; make it first, or give another place"),
    ],
)
def test_what_is_no_place_is_said(name: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        place_of(name)
    assert str(error.value) == message


def test_sets_of_the_installation_and_of_the_folder_are_found(
    pet_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setattr(new_protocol, "STIMULI", empty)
    assert list(sets_for(pet_folder.parent)) == ["pets"]
    with pytest.raises(UserError, match="no stimulus set in "):
        sets_for(empty)


def test_what_a_set_offers(catalog: Catalog) -> None:
    assert groups_of(catalog) == {"animal": 4, "plant": 4, "thing": 4}
    assert languages_of(catalog) == ["en"]  # only some have Spanish names
    assert usual_items(catalog) == ("dog", "rose", "cup", "cat", "oak", "hat", "cow", "fern")


def test_the_items_that_ship_are_proposed_where_the_set_has_them(objects: Catalog) -> None:
    shipped = read_protocol(new_protocol.PROTOCOLS / "imagery_8.toml").protocol.imagery
    assert shipped and usual_items(objects) == shipped.items
