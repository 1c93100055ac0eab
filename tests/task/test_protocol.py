"""What a researcher reads who has made a mistake in a protocol: the whole message."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from task.protocol import (
    Catch,
    CatchQuestion,
    Imagery,
    Interruptions,
    Look,
    Pictures,
    Practice,
    Protocol,
    Question,
    Rest,
    Safety,
    Screening,
    Texts,
    read_protocol,
)

FaultsOf = Callable[..., list[str]]
SIX = 'items = ["dog", "cat", "cow", "owl", "cup", "hat"]\n'  # the header has 3 lines


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "[screening]\nimage_secs = 0.25\n",
            ["p.toml:5: screening.image_secs: no such setting (did you mean 'image_s'?)"],
            id="unknown key",
        ),
        pytest.param(
            '[screening]\nimage_s = "0.25"\n',
            [
                'p.toml:5: screening.image_s: should be a number, not "0.25";'
                " it is: picture on screen, seconds"
            ],
            id="wrong type",
        ),
        pytest.param(
            "[screening]\nrepeats = 4\nrepeats = 5\n",
            ["p.toml:6: column 12: is not TOML: this key was given before; give it once"],
            id="duplicate key",
        ),
        pytest.param(
            "[screening]\nrepeats 4\n",
            ["p.toml:5: column 9: is not TOML: Expected '=' after a key in a key/value pair"],
            id="no equals sign",
        ),
        pytest.param(
            "",
            ["p.toml: say what the session is: one of [screening] and [imagery]"],
            id="no task",
        ),
        pytest.param(
            f"[screening]\n[imagery]\n{SIX}",
            ["p.toml: say what the session is: one of [screening] and [imagery]"],
            id="two tasks",
        ),
        pytest.param(
            '[imagery]\nitems = ["dog", "cat", "cow"]\n',
            [
                "p.toml:4: imagery: items: 3 items cannot be paired so that each comes in two"
                " blocks that are not neighbours, with two partners; take 6, 8, 10 ..."
            ],
            id="odd number of items",
        ),
        pytest.param(
            '[imagery]\nitems = ["dog", "cat", "cow", "owl", "dog", "hat"]\n',
            ["p.toml:4: imagery: items: dog named twice; name each item once"],
            id="item twice",
        ),
        pytest.param(
            f'[imagery]\n{SIX}words = {{pen = "la pluma"}}\n',
            ["p.toml:4: imagery: words: pen not among the items"],
            id="word without item",
        ),
        pytest.param(
            f'[pictures]\nids = ["dog", "cat"]\n[imagery]\n{SIX}',
            ["p.toml: [pictures] chooses those of a screening; here it would do nothing"],
            id="pictures of an imagery session",
        ),
        pytest.param(
            '[screening]\n[pictures]\nids = ["dog", "cat", "dog"]\n',
            ["p.toml:5: pictures: ids: dog named twice; name each picture once"],
            id="picture twice",
        ),
        pytest.param(
            '[screening]\n[pictures]\nids = ["dog"]\nper_group = 1\n',
            ["p.toml:5: pictures: choose pictures by ids or by groups, not both"],
            id="ids and groups",
        ),
        pytest.param(
            '[screening]\n[safety]\nflashes_per_s = 5\napproved_by = "Dr Who"\n',
            ["p.toml:5: safety.reason: is missing; it is: why; recorded in the log"],
            id="override without a reason",
        ),
        pytest.param(
            "[screening]\n[codes]\nimage_on = 0\n",
            ["p.toml:6: codes.image_on: should be greater than or equal to 1, not 0"],
            id="code of no line",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(
    text: str, message: list[str], faults_of: FaultsOf
) -> None:
    assert faults_of(text) == message


def test_the_defaults_are_those_of_the_study(protocol: Callable[[str], Protocol]) -> None:
    task = protocol("[screening]").screening
    assert task
    assert (task.repeats, task.image_s, task.blank_s) == (4, 0.2667, 0.1333)
    imagery = protocol(f"[imagery]\n{SIX}").imagery
    assert imagery
    assert (imagery.encode_views, imagery.encode_s) == (4, 1.5)
    assert (imagery.baseline_s, imagery.cues_per_item, imagery.imagine_s) == (5.0, 4, 5.0)


@pytest.mark.parametrize(
    "model",
    [
        *(Protocol, Pictures, Look, Screening, Catch, CatchQuestion, Imagery, Texts, Safety),
        *(Practice, Rest, Question, Interruptions),
    ],
    ids=lambda m: m.__name__,
)
def test_every_setting_says_what_it_is(model: type[BaseModel]) -> None:
    fields = model.model_fields
    silent = {name for name, field in fields.items() if not field.description}
    words = {name for name, field in fields.items() if field.annotation is str}
    assert silent <= (words if model is Texts else set())


def test_relative_paths_start_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('name = "x"\n[screening]\n')
    assert read_protocol(path).folder == tmp_path.resolve()
