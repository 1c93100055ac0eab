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
            [
                "p.toml: say what the session is: one of [screening] and [imagery], or only [rest]"
                " or [[questionnaire]]"
            ],
            id="no task",
        ),
        pytest.param(
            f"[screening]\n[imagery]\n{SIX}",
            [
                "p.toml: say what the session is: one of [screening] and [imagery], or only [rest]"
                " or [[questionnaire]]"
            ],
            id="two tasks",
        ),
        pytest.param(
            '[imagery]\nitems = ["dog", "cat", "cow"]\n',
            [
                "p.toml:5: imagery.items: 3 items cannot be paired so that each comes in two"
                " blocks that are not neighbours, with two partners; take 6, 8, 10 ..."
            ],
            id="odd number of items",
        ),
        pytest.param(
            '[imagery]\nitems = ["dog", "cat", "cow", "owl", "dog", "hat"]\n',
            ["p.toml:5: imagery.items: dog named twice; name each once"],
            id="item twice",
        ),
        pytest.param(
            f'[imagery]\n{SIX}words = {{pen = "la pluma"}}\n',
            ["p.toml:6: imagery.words.pen: is neither an item nor a practice picture"],
            id="word without item",
        ),
        pytest.param(
            f'[pictures]\nids = ["dog", "cat"]\n[imagery]\n{SIX}',
            ["p.toml:4: pictures: chooses those of a screening; in an imagery session it would do"
                " nothing"
            ],
            id="pictures of an imagery session",
        ),
        pytest.param(
            '[screening]\n[pictures]\nids = ["dog", "cat", "dog"]\n',
            ["p.toml:6: pictures.ids: dog named twice; name each once"],
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


SCREENING_CATCH = "[screening]\n[screening.catch]\n"
ANIMAL = '[[screening.catch.question]]\ntext = "Animal?"\nyes_groups = ["animal"]\n'
DESIGNS = "P76_1, P76_2, P76_3, P79_1, P79_2, P79_3, P80_1, P80_2, P84_1, P84_2, P85_1"
QUESTION = '[[questionnaire]]\nid = "a"\ntext = "b"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # Catch questions
        pytest.param(
            f"{SCREENING_CATCH}distance = [5, 2]\n{ANIMAL}",
            ["p.toml:5: screening.catch: distance: [5, 2]; give the fewest first"],
            id="distances turned round",
        ),
        pytest.param(
            f"{SCREENING_CATCH}distance = [0, 2]\n{ANIMAL}",
            ["p.toml:6: screening.catch.distance[1]: should be greater than 0, not 0"],
            id="no distance",
        ),
        pytest.param(
            f"{SCREENING_CATCH}distance = [2]\n{ANIMAL}",
            ["p.toml:6: screening.catch.distance[2]: is missing"],
            id="one distance",
        ),
        pytest.param(
            SCREENING_CATCH,
            [
                "p.toml:5: screening.catch.question: is missing; it is: the questions; yes and no"
                " are right equally often as far as pictures allow"
            ],
            id="no questions",
        ),
        pytest.param(
            f"{SCREENING_CATCH}{ANIMAL}{ANIMAL}",
            ["p.toml:5: screening.catch: question: Animal? asked twice; give each once"],
            id="question twice",
        ),
        pytest.param(
            f'{SCREENING_CATCH}{ANIMAL}[[screening.catch.question]]\ntext = "b"\n'
            'yes_groups = ["animals"]\nyes_ids = ["dogg"]\nno_ids = ["zz"]\n'
            'not_about = ["plants", "hatt"]\n',
            [
                "p.toml:11: screening.catch.question[2].yes_groups: no group 'animals' in set"
                " 'pets' (did you mean 'animal'?)",
                "p.toml:12: screening.catch.question[2].yes_ids[1]: no picture 'dogg' in set 'pets'"
                " (did you mean 'dog'?)",
                "p.toml:13: screening.catch.question[2].no_ids[1]: no picture 'zz' in set 'pets'",
                "p.toml:14: screening.catch.question[2].not_about[1]: no picture or group"
                " 'plants' in set 'pets' (did you mean 'plant'?)",
                "p.toml:14: screening.catch.question[2].not_about[2]: no picture or group"
                " 'hatt' in set 'pets' (did you mean 'hat'?)",
            ],
            id="question about what the set does not have",
        ),
        pytest.param(
            "[screening]\nbreak_after = 0\n",
            [
                "p.toml:5: screening.break_after: should be greater than 0, not 0; it is: trials"
                " between breaks; a break after each repeat if not said"
            ],
            id="break after nothing",
        ),
        # Cues
        pytest.param(
            f"[imagery]\n{SIX}cue = []\n",
            [
                "p.toml:6: imagery.cue: should not be empty, not []; it is: what tells which item"
                " to imagine; one, or several in a list"
            ],
            id="no cue",
        ),
        pytest.param(
            f'[imagery]\n{SIX}cue = ["word", "word"]\n',
            ["p.toml:6: imagery.cue: word named twice; name each once"],
            id="cue twice",
        ),
        pytest.param(
            f"[imagery]\n{SIX}tones_hz = [440]\n",
            ["p.toml:6: imagery.tones_hz[2]: is missing"],
            id="one tone",
        ),
        pytest.param(
            f"[imagery]\n{SIX}tones_hz = [440, 9000]\n",
            ["p.toml:6: imagery.tones_hz[2]: should be less than or equal to 4000, not 9000"],
            id="tone that nobody hears",
        ),
        pytest.param(
            f"[imagery]\n{SIX}tone_s = 3\n",
            [
                "p.toml:6: imagery.tone_s: should be less than or equal to 2, not 3; it is: length"
                " of a tone, seconds; at most cue_s"
            ],
            id="long tone",
        ),
        pytest.param(
            f'[imagery]\n{SIX}cue = "sound"\nsounds = {{dog = "d.wav"}}\n',
            [
                "p.toml:7: imagery.sounds: cat, cow, owl, cup, hat without a sound file; name one"
                " for each"
            ],
            id="items without a sound",
        ),
        pytest.param(
            f'[imagery]\n{SIX}sounds = {{pen = "d.wav"}}\n',
            ["p.toml:6: imagery.sounds.pen: is neither an item nor a practice picture"],
            id="sound without item",
        ),
        pytest.param(
            f"[imagery]\n{SIX}eyes_closed = true\n",
            ['p.toml:6: imagery.eyes_closed: who has closed eyes must hear the cue; cue = "tone"'],
            id="closed eyes and a silent cue",
        ),
        pytest.param(
            f"[imagery]\n{SIX}confidence_s = -1\n",
            [
                "p.toml:6: imagery.confidence_s: should be greater than or equal to 0, not -1; it"
                " is: longest time to rate how sure one is, seconds; 0 for no such rating"
            ],
            id="less than no time",
        ),
        # Designs
        pytest.param(
            '[imagery]\ndesign = "P76-1"\n',
            [
                "p.toml:5: imagery.design: no such design (did you mean 'P76_1'?); there are"
                f" {DESIGNS}"
            ],
            id="unknown design",
        ),
        pytest.param(
            f'[imagery]\n{SIX}design = "P79_1"\n',
            ["p.toml:5: imagery.items: 6 items for design P79_1, which has 8"],
            id="items that a design does not have",
        ),
        pytest.param(
            '[imagery]\ncue = "word"\n',
            ["p.toml:4: imagery: items: is missing; it is: the pictures to imagine"],
            id="neither items nor design",
        ),
        # Practice
        pytest.param(
            f'[imagery]\n{SIX}[practice]\npictures = ["key", "pen", "oak"]\n',
            ["p.toml:7: practice.pictures: an imagery session is practised with two pictures"],
            id="three pictures to practise with",
        ),
        pytest.param(
            f"[imagery]\n{SIX}[practice]\nrounds = 2\n",
            [
                "p.toml:6: practice.pictures: is missing; it is: pictures to practise with,"
                " named as under pictures.ids; not those of the session itself; of an imagery"
                " session two"
            ],
            id="practice with nothing",
        ),
        pytest.param(
            f'[imagery]\n{SIX}[practice]\npictures = ["key", "pen"]\nrounds = 11\n',
            [
                "p.toml:8: practice.rounds: should be less than or equal to 10, not 11; it is: most"
                " rounds, if questions in it are answered wrongly"
            ],
            id="endless practice",
        ),
        # Rest, questionnaires and the others
        pytest.param(
            '[screening]\n[rest]\nbefore_s = 601\neyes = "shut"\n',
            [
                "p.toml:6: rest.before_s: should be less than or equal to 600, not 601; it is: rest"
                " before the task, seconds; 0 for none",
                "p.toml:7: rest.eyes: should be 'open' or 'closed', not \"shut\"; it is: closed: a"
                " tone tells when the rest is over",
            ],
            id="no such rest",
        ),
        pytest.param(
            f'[screening]\n{QUESTION}answers = "1 to 6"\nwhen = "now"\n',
            [
                "p.toml:8: questionnaire[1].answers: should be 'yes or no', '1 to 5', '1 to 7' or"
                " '0 to 9', not \"1 to 6\"; it is: the keys that answer it",
                "p.toml:9: questionnaire[1].when: should be 'before' or 'after', not \"now\"; it"
                " is: before or after the task",
            ],
            id="no such answers",
        ),
        pytest.param(
            f"[screening]\n{QUESTION}{QUESTION}",
            ["p.toml:9: questionnaire[2].id: 'a' is another question's too; give each its own"],
            id="two questions of one id",
        ),
        pytest.param(
            "[screening]\n[[questionnaire]]\n",
            [
                "p.toml:5: questionnaire[1].id: is missing; it is: its name in the log",
                "p.toml:5: questionnaire[1].text: is missing; it is: what is asked",
            ],
            id="question without words",
        ),
        pytest.param(
            '[screening]\n[interruptions]\ntrial = "again"\ntriggers = "wait"\n',
            [
                "p.toml:6: interruptions.trial: should be 'repeat' or 'keep', not \"again\"; it is:"
                " a trial cut short by a pause is shown again, or left out",
                "p.toml:7: interruptions.triggers: should be 'pause', 'continue' or 'stop', not"
                ' "wait"; it is: what to do if the trigger box is lost in a session',
            ],
            id="no such rule",
        ),
        pytest.param(
            '[screening]\n[look]\ntheme = "night"\n',
            [
                "p.toml:6: look.theme: should be 'light' or 'dark', not \"night\"; it is: dark"
                " words on grey, or for the night light words on near black"
            ],
            id="no such theme",
        ),
        pytest.param(
            '[screening]\n[texts]\ninstructions = ["a", ""]\nclose_eye = "x"\n',
            [
                "p.toml:6: texts.instructions[2]: is empty; write what the patient should read",
                "p.toml:7: texts.close_eye: no such setting (did you mean 'close_eyes'?)",
            ],
            id="page without words",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_a_part_of_the_session_is_told_with_its_line(
    text: str, message: list[str], faults_of: FaultsOf
) -> None:
    assert faults_of(text) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            f'[imagery]\n{SIX}[practice]\npictures = ["key"]\n',
            "p.toml:7: practice.pictures: should have at least 2",
            id="said to be empty",
        ),
        pytest.param(
            f'[imagery]\n{SIX}cue = "smell"\n',
            "p.toml:6: imagery.cue[1]: should be 'word', 'picture', 'tone' or 'sound'",
            id="said to be empty as well",
        ),
        pytest.param(
            f'[imagery]\n{SIX}[practice]\npictures = ["key", "pen", "oak"]\n',
            "p.toml:7: practice.pictures: an imagery session",
            id="without a line",
        ),
    ],
)
def test_one_message_that_is_true_and_has_a_line(
    text: str, message: str, faults_of: FaultsOf
) -> None:
    (found,) = faults_of(text)
    assert found.startswith(message)


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
