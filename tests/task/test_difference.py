"""What changed between two protocols: every setting that counts, and what it means."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.contract.catalog import Catalog
from task.contract.errors import UserError
from task.difference import Side, difference, read_sides, settings_changes
from task.plan import Plan
from task.protocol import Protocol
from task.rigfile import RigFile

RIG = RigFile.model_validate({"name": "x", "triggers": {"device": "none"}})
SCREENING = """[pictures]
groups = ["animal", "plant"]
[screening]
repeats = 2
break_after = 8
[screening.catch]
[[screening.catch.question]]
text = "Was it an animal?"
yes_groups = ["animal"]
"""
IMAGERY = """[imagery]
items = ["dog", "cat", "cow", "owl", "cup", "hat"]
"""
ProtocolOf = Callable[[str], Protocol]


@pytest.fixture
def side(protocol: ProtocolOf, plan_of: Callable[..., Plan], pets: Catalog) -> Callable[..., Side]:
    def made(text: str, **how: int) -> Side:
        return Side("p.toml", protocol(text), plan_of(text, **how), pets.pictures)

    return made


SideOf = Callable[..., Side]


# Settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("repeats = 2", "repeats = 3", "screening.repeats: 2 → 3"),
        ("repeats = 2", "repeats = 2\nimage_s = 0.3", "screening.image_s: 0.2667 s → 0.3 s"),
        (
            '["animal", "plant"]',
            '["animal", "thing"]',
            'pictures.groups: "animal" and "plant" → "animal" and "thing"',
        ),
        (
            'text = "Was it an animal?"\nyes_groups = ["animal"]',
            'text = "Was it an animal?"\nyes_groups = ["animal", "thing"]',
            "screening.catch.question['Was it an animal?'].yes_groups: \"animal\" →"
            ' "animal" and "thing"',
        ),
        ("[pictures]", "[look]\npicture_deg = 8\n[pictures]",
         "look.picture_deg: 6.5 degrees → 8 degrees"),
        ("[pictures]", "[codes]\nimage_on = 65\n[pictures]", "codes.image_on: not said → 65"),
        ("[pictures]", "round_to_frames = true\n[pictures]", "round_to_frames: false → true"),
        ("[pictures]", "seed = 5\n[pictures]", "seed: not said → 5"),
        (
            "[pictures]",
            '[practice]\npictures = ["cup", "hat"]\n[pictures]',
            '[practice] is new: pictures "cup" and "hat", rounds 3',
        ),
        (
            "[pictures]",
            '[texts]\nscreening = "Please look at all the pictures. Press any key to begin now."'
            "\n[pictures]",
            'texts.screening: …e look at the pictures.\\n\\nPress any key to begi…'
            ' → …e look at all the pictures. Press any key to beg…',
        ),
    ],
)  # fmt: skip
def test_a_setting_is_said_as_people_write_it(
    old: str, new: str, said: str, protocol: ProtocolOf
) -> None:
    before, after = protocol(SCREENING), protocol(SCREENING.replace(old, new))
    assert list(settings_changes(before, after)) == [said]


def test_a_table_that_went_is_said_in_one_line(protocol: ProtocolOf) -> None:
    without = SCREENING[: SCREENING.index("[screening.catch]")]
    assert list(settings_changes(protocol(SCREENING), protocol(without))) == [
        "[screening.catch] is gone: distance 2 and 80, answer_s 10 s, after_s 0.5 s, question"
        ' "Was it an animal?"'
    ]


def test_lists_are_said_by_what_came_and_went(protocol: ProtocolOf) -> None:
    other = IMAGERY.replace('"cup", "hat"', '"key", "hat"')
    assert list(settings_changes(protocol(IMAGERY), protocol(other))) == [
        "imagery.items: without cup; with key"
    ]
    turned = IMAGERY.replace('"cup", "hat"', '"hat", "cup"')
    assert list(settings_changes(protocol(IMAGERY), protocol(turned))) == [
        "imagery.items: in another order"
    ]


def test_a_default_that_is_written_out_is_no_change(side: SideOf) -> None:
    found = difference(side(SCREENING), side(SCREENING + "[look]\npicture_deg = 6.5\n"))
    assert not found.any


@given(repeats=st.integers(1, 5), image=st.sampled_from([0.2, 0.25, 0.3]), text=st.floats(0.5, 2.0))
def test_nothing_changed_is_nothing_said_and_each_way_as_much(
    repeats: int, image: float, text: float
) -> None:
    values = {"name": "x", "screening": {"repeats": repeats, "image_s": image}}
    one = Protocol.model_validate({**values, "look": {"text_deg": text}})
    other = Protocol.model_validate({"name": "x", "screening": {}})
    assert list(settings_changes(one, one)) == []
    there, back = list(settings_changes(one, other)), list(settings_changes(other, one))
    assert [line.partition(":")[0] for line in there] == [line.partition(":")[0] for line in back]
    assert len(there) == (repeats != 4) + 1 + (text != 0.9)


# The session ---------------------------------------------------------------------------------


def test_fewer_repeats_are_fewer_trials_and_minutes(side: SideOf) -> None:
    plain = "[screening]\nbreak_s = 0\n"
    found = difference(side(plain), side("[screening]\nbreak_s = 0\nrepeats = 2\n"))
    assert found.session == (
        "duration: 0.5 min (0.4 to 2.4) → 0.4 min (0.3 to 2.3): 10.1 s less as a rule",
        "blocks: 5 → 3",
        "trials: 50 → 26: 48 → 24 view",
        "order: pictures come in the same order",
    )


def test_pictures_that_come_and_go_are_named(side: SideOf) -> None:
    found = difference(side(SCREENING), side(SCREENING.replace("plant", "thing")))
    assert "4 pictures no longer shown: rose, oak, fern, moss" in found.session
    assert "4 pictures shown only now: cup, hat, key, pen" in found.session
    assert "pictures: 8 → 8" in found.session


def test_another_seed_is_another_order(side: SideOf) -> None:
    found = difference(side(SCREENING, seed=1), side(SCREENING, seed=2))
    assert found.settings == ()
    assert found.session[0] == "seed: 1 → 2"
    assert any(line.startswith("order: ") and "another order" in line for line in found.session)


def test_codes_that_change_come_and_go_are_named(side: SideOf) -> None:
    new = IMAGERY + "rating_s = 0\nconfidence_s = 4\n[codes]\ncue_on = 36\nimagery_off = 33\n"
    found = difference(side(IMAGERY), side(new))
    assert "codes: CUE_ON 33 → 36, IMAGERY_OFF 36 → 33" in found.session
    assert "codes no longer sent: RATING_OFF 48, RATING_ON 46" in found.session
    assert "codes sent only now: CONFIDENCE_OFF 102, CONFIDENCE_ON 101" in found.session


def test_only_times_changed_leaves_the_order(side: SideOf) -> None:
    found = difference(side(IMAGERY), side(IMAGERY + "imagine_s = 6.0\n"))
    assert found.settings == ("imagery.imagine_s: 5 s → 6 s",)
    assert "order: pictures come in the same order" in found.session
    assert found.session[0].endswith(": 48.0 s more as a rule")


def test_a_picture_that_is_another_file_is_a_difference(side: SideOf, pets: Catalog) -> None:
    old = side(SCREENING)
    dog = replace(pets.pictures["dog"], sha256="1")
    new = replace(old, pictures={**pets.pictures, "dog": dog})
    assert difference(old, new).session == ("1 picture now from another file: dog",)


def test_what_a_plan_warns_of_comes_and_goes(side: SideOf) -> None:
    warned = SCREENING + "[codes]\nimage_on = 21\n"
    new = difference(side(SCREENING), side(warned)).session[-1]
    assert new.startswith("new: image_on = 21".upper()[:3].lower()) and "one dead line" in new
    gone = difference(side(warned), side(SCREENING)).session[-1]
    assert gone.startswith("no longer: ") and "one dead line" in gone


# Reading -------------------------------------------------------------------------------------


def written(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(f'name = "x"\nstimuli = "pets"\n{text}', encoding="utf-8")
    return str(path)


def test_protocols_are_planned_at_a_rate_that_both_allow(pet_folder: Path) -> None:
    folder = pet_folder.parent
    at_120 = written(folder, "a.toml", "[screening]\nimage_s = 0.275\nblank_s = 0.125\n")
    old, new = read_sides(at_120, written(folder, "b.toml", SCREENING), RIG, 120.0)
    assert old.plan.refresh_hz == new.plan.refresh_hz == 120.0
    at_144 = written(folder, "c.toml", "[screening]\nimage_s = 0.25\nblank_s = 0.1875\n")
    with pytest.raises(UserError) as error:
        read_sides(written(folder, "b.toml", SCREENING), at_144, RIG)
    assert str(error.value) == (
        f"{folder}/b.toml and {folder}/c.toml cannot be shown at the same refresh rate; say one:"
        " --refresh 60"
    )


def test_a_folder_that_is_no_session_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        read_sides(str(tmp_path), "demo", RIG)
    assert str(error.value) == f"{tmp_path}: is no session folder: it has no plan.json"
