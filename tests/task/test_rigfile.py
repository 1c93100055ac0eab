"""What a rig file may say, and what is read where it says something else."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from task.contract.errors import FileError
from task.rigfile import RigFile, Screen, Triggers, read_rig


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rig.toml"


def test_keys_that_are_not_said_keep_their_usual_meaning(path: Path) -> None:
    path.write_text('name = "x"\n[triggers]\ndevice = "none"\n[keys]\nyes = ["a", "b"]\n')
    answers = read_rig(path).answers
    assert answers["yes"] == ("a", "b")
    assert answers["no"] == ("n", "left")
    assert answers["3"] == ("3", "num_3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ["rig.toml: triggers: is missing; it is: the trigger box"]),
        (
            "[triggers]\n",
            ['rig.toml:2: triggers: port is missing; name it, for example port = "/dev/ttyUSB0"'],
        ),
        (
            '[triggers]\nport = "COM3"\nbaud = 1200\npulse_s = 0\n',
            [
                "rig.toml:4: triggers.baud: should be greater than or equal to 1201, not 1200;"
                " it is: speed of the serial port, bits a second",
                "rig.toml:5: triggers.pulse_s: should be greater than 0, not 0; it is: how long a"
                " code stands on the lines at least, seconds",
            ],
        ),
        (
            '[triggers]\ndevice = "paralel"\n',
            [
                "rig.toml:3: triggers.device: should be 'serial' or 'none', not \"paralel\"; it is:"
                " `serial`: each byte is put on eight lines; `none`: no triggers"
            ],
        ),
        (
            '[triggers]\ndevice = "none"\n[keys]\nyes = []\n',
            ["rig.toml:5: keys.yes: should not be empty, not []"],
        ),
        (
            '[triggers]\ndevice = "none"\n[keys]\nyess = ["a"]\n',
            [
                "rig.toml:5: keys.yess: should be 'yes', 'no', '1', '2', '3', '4' or '5', not"
                ' "yess"'
            ],
        ),
        (
            'stop_key = "n"\n[triggers]\ndevice = "none"\n',
            ["rig.toml: keys: 'n' means both stop and no; give it one meaning"],
        ),
        (
            '[triggers]\ndevice = "none"\n[keys]\nno = ["y"]\n',
            ["rig.toml: keys: 'y' means both yes and no; give it one meaning"],
        ),
    ],
    ids=[
        "no triggers",
        "no port",
        "wrong numbers",
        "unknown device",
        "no key",
        "unknown meaning",
        "stop and no",
        "yes and no",
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, message: list[str], path: Path) -> None:
    path.write_text(f'name = "x"\n{text}')
    with pytest.raises(FileError) as error:
        read_rig(path)
    assert str(error.value).replace(f"{path.parent}/", "").splitlines() == message


def test_a_box_with_swapped_buttons_is_a_matter_of_the_rig_file(path: Path) -> None:
    text = '[triggers]\ndevice = "none"\n[keys]\nyes = ["left"]\nno = ["right"]\n'
    path.write_text(f'name = "x"\n{text}')
    assert read_rig(path).answers["yes"] == ("left",)


@pytest.mark.parametrize("model", [RigFile, Screen, Triggers], ids=lambda m: m.__name__)
def test_every_setting_says_what_it_is(model: type[BaseModel]) -> None:
    assert all(field.description for field in model.model_fields.values())
