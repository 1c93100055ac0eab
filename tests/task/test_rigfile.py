"""What a rig file may say, and what is read where it says something else."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from task.contract.errors import FileError
from task.keynames import WORDS
from task.rigfile import RigFile, Screen, read_rig


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rig.toml"


def test_keys_that_are_not_said_keep_their_usual_meaning(path: Path) -> None:
    path.write_text('name = "x"\n[triggers]\ndevice = "none"\n[keys]\nyes = ["a", "c"]\n')
    answers = read_rig(path).answers
    assert answers["yes"] == ("a", "c")
    assert answers["no"] == ("n", "right")
    assert answers["3"] == ("3", "num_3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ["rig.toml: triggers: is missing; it is: the trigger box"]),
        (
            "[triggers]\n",
            [
                "rig.toml:2: triggers.port: is missing; it is: serial port, for example"
                ' "/dev/ttyUSB0", "COM3" or "socket://localhost:7"; "auto" finds a TriggerBox or an'
                " MMBT-S"
            ],
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
                "rig.toml:3: triggers.device: no such trigger device (did you mean 'parallel'?);"
                " there are: serial, biosemi, blackrock, brain_products_triggerbox,"
                " brain_products_triggerbox_plus, mmbts, cedrus, usb2ttl8, bbtk, pulse_train,"
                " single_pulse, parallel, none, simulated"
            ],
        ),
        (
            '[triggers]\ndevice = "none"\n[keys]\nyes = []\n',
            ["rig.toml:5: keys.yes: should not be empty, not []"],
        ),
        (
            '[triggers]\ndevice = "none"\n[keys]\nyess = ["a"]\n',
            [
                "rig.toml:5: keys.yess: should be 'yes', 'no', '0', '1', '2', '3', '4', '5', '6',"
                " '7', '8' or '9', not \"yess\""
            ],
        ),
        (
            '[triggers]\ndevice = "none"\n[operator]\npause = "n"\n',
            ["rig.toml: keys: 'n' means both the operator's pause and no; give it one meaning"],
        ),
        (
            '[triggers]\ndevice = "none"\n[keys]\nyes = ["right"]\nno = ["left"]\n',
            [
                "rig.toml: keys: the right arrow means yes, but on the screen yes stands left; let"
                " the left arrow mean yes"
            ],
        ),
        (
            '[triggers]\ndevice = "none"\n[keys]\nyes = ["Y", ","]\n[operator]\npause = "esc"\n'
            'resume = "lctrl"\nskip = "pagupe"\n',
            [
                "rig.toml:5: keys.yes[1]: 'Y': this key is called 'y'",
                "rig.toml:5: keys.yes[2]: ',': this key is called 'comma'",
                "rig.toml:7: operator.pause: 'esc': this key is called 'escape'",
                "rig.toml:8: operator.resume: no key is called 'lctrl'; a letter, a digit, or one"
                f" of {', '.join(sorted(WORDS))}",
                "rig.toml:9: operator.skip: no key is called 'pagupe' (did you mean 'pageup'?); a"
                f" letter, a digit, or one of {', '.join(sorted(WORDS))}",
            ],
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
        "pause and no",
        "arrows the other way round",
        "no such keys",
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


@pytest.mark.parametrize("model", [RigFile, Screen], ids=lambda m: m.__name__)
def test_every_setting_says_what_it_is(model: type[BaseModel]) -> None:
    assert all(field.description for field in model.model_fields.values())
