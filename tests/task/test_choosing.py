"""Which pictures a protocol means: by id, name, pattern, group, tag, or in a table."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.choosing import pool_of, with_ids
from task.contract.catalog import Catalog
from task.protocol import Faults, Protocol
from tests.task.conftest import HEADER, PETS

FaultsOf = Callable[..., list[str]]
ProtocolOf = Callable[[str], Protocol]
EVERY = [i for ids in PETS.values() for i in ids]


def chosen(protocol: Protocol, pets: Catalog) -> list[str]:
    faults: Faults = []
    named = with_ids(protocol, pets, faults)
    assert faults == []
    return pool_of(named.pictures, pets)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('ids = ["dog", "oak"]', ["dog", "oak"]),
        ('ids = ["oak", "dog"]', ["oak", "dog"]),
        ('ids = ["perro", "Gato", "OAK"]', ["dog", "cat", "oak"]),
        ('ids = ["c*"]', ["cat", "cow", "cup"]),
        ('ids = ["?o[gw]", "dog"]', ["dog", "cow"]),
        ('ids = ["group:plant", "dog"]', [*PETS["plant"], "dog"]),
        ('ids = ["tag:small"]', ["cup", "key"]),
        ('groups = ["thing", "plant"]', [*PETS["plant"], *PETS["thing"]]),
        ('exclude = ["group:animal", "o*", "tag:small"]', ["rose", "fern", "moss", "hat", "pen"]),
        ('groups = ["thing"]\nexclude = ["gorro"]', ["cup", "key", "pen"]),
        ("", EVERY),
    ],
)
def test_pictures_are_chosen_in_every_way(
    text: str, ids: list[str], pets: Catalog, protocol: ProtocolOf
) -> None:
    pictures = {
        i: replace(p, tags=("small", "round")) if i in ("cup", "key") else p
        for i, p in pets.pictures.items()
    }
    tagged = replace(pets, pictures=pictures)
    asked = protocol(f'language = "es"\n[screening]\n[pictures]\n{text}\n')
    assert chosen(asked, tagged) == ids


def test_a_name_in_a_language_that_is_not_the_protocols_is_unknown(faults_of: FaultsOf) -> None:
    assert faults_of('[screening]\n[pictures]\nids = ["perro", "dog"]\n') == [
        "p.toml:6: pictures.ids[1]: no picture 'perro' in set 'pets'"
    ]


def test_an_id_goes_before_a_name(pets: Catalog, protocol: ProtocolOf) -> None:
    """What is called like another picture's id."""
    dog = replace(pets.pictures["dog"], names={"en": "cat"})
    named = replace(pets, pictures={**pets.pictures, "dog": dog})
    assert chosen(protocol('[screening]\n[pictures]\nids = ["cat"]\n'), named) == ["cat"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'ids = ["group:animals", "tag:x", "z*"]',
            [
                "p.toml:6: pictures.ids[1]: no group 'animals' in set 'pets'"
                " (did you mean 'animal'?)",
                "p.toml:6: pictures.ids[2]: no tag 'x' in set 'pets'; it has none",
                "p.toml:6: pictures.ids[3]: no picture in set 'pets' has an id like 'z*'",
            ],
        ),
        (
            'ids = ["dog", "dog"]',
            ["p.toml:6: pictures.ids: dog named twice; name each once"],
        ),
        ("ids = []", ["p.toml:6: pictures.ids: is empty; leave it out for all pictures"]),
        (
            "of_group = { animal = 9, plant = 2, thingy = 1 }",
            [
                "p.toml:6: pictures.of_group.thingy: no group 'thingy' to choose from (did you"
                " mean 'thing'?)",
                "p.toml:6: pictures.of_group.animal: asks for 9 pictures, there are 4",
            ],
        ),
        (
            "of_group = { animal = 0 }",
            ["p.toml:6: pictures.of_group.animal: should be greater than 0, not 0"],
        ),
        (
            'groups = ["animal"]\nof_group = { animal = 1 }',
            ["p.toml:5: pictures: of_group names the groups and the numbers; leave the others out"],
        ),
    ],
)
def test_what_means_no_picture_is_told_with_its_place(
    text: str, message: list[str], faults_of: FaultsOf
) -> None:
    said = faults_of(f"[screening]\n[pictures]\n{text}\n")
    assert said == message


def test_two_pictures_of_one_name_are_not_guessed_between(
    pets: Catalog, protocol: ProtocolOf
) -> None:
    twin = replace(pets.pictures["cat"], names={"en": "dog", "es": "can"})
    twins = replace(pets, pictures={**pets.pictures, "cat": twin})
    faults: Faults = []
    with_ids(protocol('[screening]\n[pictures]\nids = ["Dog", "cow"]\n'), twins, faults)
    assert faults == [
        (("pictures", "ids", 0), "2 pictures are called 'Dog': dog, cat; give the id of one")
    ]


@given(
    wanted=st.dictionaries(st.sampled_from(list(PETS)), st.integers(1, 4), min_size=1),
    seed=st.integers(0, 2**32),
)
def test_so_many_of_each_group_are_shown(
    wanted: dict[str, int], seed: int, plan_of: Callable[..., object], pets: Catalog
) -> None:
    if sum(wanted.values()) < 2:
        return
    numbers = ", ".join(f"{group} = {n}" for group, n in wanted.items())
    plan = plan_of(f"[screening]\n[pictures]\nof_group = {{ {numbers} }}\n", seed=seed)
    shown = Counter(pets.pictures[i].group for i in plan.picture_ids)  # type: ignore[attr-defined]
    assert shown == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[screening]\n[pictures]\nids = ["dog", "Dog"]\n',
            "p.toml:6: pictures.ids[2]: 'Dog' is dog, which stands here already; name each once",
        ),
        (
            '[screening]\n[pictures]\nids = ["animal", "dog"]\n',
            "p.toml:6: pictures.ids[1]: no picture 'animal' in set 'pets'; for all pictures of"
            " that group write 'group:animal'",
        ),
        (
            '[imagery]\nitems = ["dog", "cat", "owl", "oak", "key", "hat"]\n[imagery.words]\n'
            'dog = "hound"\nDog = "pup"\n',
            "p.toml:8: imagery.words.Dog: is dog, which has a row of its own here; give it once",
        ),
    ],
)
def test_one_picture_by_two_names_is_told(text: str, message: str, faults_of: FaultsOf) -> None:
    assert faults_of(text) == [message]


def test_a_pattern_may_hold_what_is_named_besides(pets: Catalog, protocol: ProtocolOf) -> None:
    asked = protocol('[screening]\n[pictures]\nids = ["dog", "d*", "group:animal"]\n')
    assert chosen(asked, pets) == list(PETS["animal"])


def test_questions_may_name_pictures_in_every_way(pets: Catalog, protocol: ProtocolOf) -> None:
    faults: Faults = []
    asked = protocol(
        "[screening.catch]\n[[screening.catch.question]]\ntext = 'Alive?'\n"
        "yes_ids = ['c?t', 'Rose']\nno_ids = ['group:thing']\nnot_about = ['plant', 'Owl']\n"
    )
    screening = with_ids(asked, pets, faults).screening
    assert screening and screening.catch and not faults
    question = screening.catch.question[0]
    assert question.yes_ids == ("cat", "rose")
    assert question.no_ids == tuple(PETS["thing"])
    assert question.not_about == ("plant", "owl")


# Tables ------------------------------------------------------------------------------------------


def beside(tmp_path: Path, name: str, text: str, encoding: str = "utf-8") -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode(encoding))


@pytest.mark.parametrize("divider", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_lists_pictures_with_their_cues(
    divider: str, end: str, encoding: str, tmp_path: Path, pets: Catalog
) -> None:
    from task.protocol import read_protocol

    rows = ["id,word,sound,my notes", "dog,the old dog,,x", "cat,,,", ",,,", "owl,búho,,"]
    rows += ["oak,,,", "key, a key ,,", "hat,,,"]
    text = end.join(row.replace(",", divider) for row in rows) + end
    beside(tmp_path, "lists/today.csv", text, encoding)
    (tmp_path / "p.toml").write_text(HEADER + '[imagery]\nitems = "lists/today.csv"\n')
    file = read_protocol(tmp_path / "p.toml")
    assert file.protocol.imagery
    assert file.protocol.imagery.items == ("dog", "cat", "owl", "oak", "key", "hat")
    words = {"dog": "the old dog", "owl": "búho", "key": "a key"}
    assert file.protocol.imagery.words == words
    assert [table.name for table in file.tables.values()] == ["lists/today.csv"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "id,wrod\ndog,\n",
            ["t.csv:1: wrod: is no column that is read (did you mean 'word'?)"],
        ),
        (
            "ID\ndog\n",
            [
                "t.csv:1: has no column 'id' ('ID' should be called 'id'); the pictures are listed"
                " under it"
            ],
        ),
        ("id\n", ["t.csv: has no rows"]),
        ("", ["t.csv:1: has no column 'id'; the pictures are listed under it"]),
        (
            "id,word\ndog,x\n,y\ncat,\ndog,\n",
            [
                "t.csv:3: id: is empty; say which picture",
                "t.csv:5: id: 'dog' is in line 2 too; name each once",
            ],
        ),
        ("id\ndog,x\n", ["t.csv:2: has more cells than the 1 columns of the header"]),
        ("id\ndog\ncatt\n", ["t.csv:3: id: no picture 'catt' in set 'pets' (did you mean 'cat'?)"]),
        (
            "id\nb\xfaho\n",
            ['t.csv:2: is not UTF-8 text; in a spreadsheet, save it as "CSV UTF-8"'],
        ),
    ],
)
def test_a_mistake_in_a_table_is_told_with_its_line(
    text: str, message: list[str], tmp_path: Path, faults_of: FaultsOf
) -> None:
    beside(tmp_path, "t.csv", text, "latin-1")
    assert faults_of('[screening]\n[pictures]\nids = "t.csv"\n') == message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.csv", "none.csv: cannot be read: No such file or directory"),
        (
            "manifest.csv",
            "manifest.csv: cannot be called so: a session keeps its picture set's list under this"
            " name",
        ),
        (
            "../t.csv",
            "p.toml:6: pictures.ids: '../t.csv': name a file in the protocol's folder or in one"
            " below it",
        ),
        (
            "t.txt",
            'p.toml:6: pictures.ids: should be a list in brackets, not "t.txt"; it is: exactly'
            " these pictures: by id, by name, by pattern (face_*), group:face, tag:indoor; or the"
            " name of a table beside the protocol, with a column id",
        ),
    ],
)
def test_a_table_lies_beside_the_protocol(name: str, message: str, faults_of: FaultsOf) -> None:
    assert faults_of(f'[screening]\n[pictures]\nids = "{name}"\n') == [message]


def test_a_cue_that_is_given_twice_is_refused(tmp_path: Path, faults_of: FaultsOf) -> None:
    beside(tmp_path, "t.csv", "id,word\ndog,hound\ncat,\nowl,\noak,\nkey,\nhat,\n")
    text = '[imagery]\nitems = "t.csv"\n[imagery.words]\ndog = "pup"\n'
    assert faults_of(text) == [
        "p.toml:7: imagery.words.dog: the word of 'dog' stands in t.csv too; give it once"
    ]
