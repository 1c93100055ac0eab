"""What a rig file may say of trigger devices, and what a plan learns from it."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from task.contract.codes import CODE_TABLE
from task.contract.errors import FileError
from task.contract.settings import Table, parse, read_settings
from task.rig import spacing_frames
from task.triggers import MODELS, Triggers, unsendable

ROOT = Path(__file__).resolve().parent.parent.parent
NEEDED: dict[str, dict[str, Any]] = {
    name: {"device": name}
    | ({"port": "x"} if "port" in model.model_fields else {})
    | ({"mode": "pulse"} if "mode" in model.model_fields else {})
    | ({"address": "0x0378"} if "address" in model.model_fields else {})
    for name, model in MODELS.items()
}


class Rig(Table):
    """Where such a table stands."""

    triggers: Triggers


def device(**said: Any) -> Triggers:
    return TypeAdapter(Triggers).validate_python(said)


def faults(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "rig.toml"
    path.write_text(f"[triggers]\n{text}\n", encoding="utf-8")
    with pytest.raises(FileError) as error:
        parse(read_settings(path), Rig)
    return [line.removeprefix(f"{path}:") for line in str(error.value).splitlines()]


@pytest.mark.parametrize("name", MODELS)
def test_every_setting_of_every_device_says_what_it_is(name: str) -> None:
    assert all(field.description for field in MODELS[name].model_fields.values())
    assert MODELS[name].__doc__


@pytest.mark.parametrize("name", MODELS)
def test_every_device_tells_the_plan_what_it_must_know(name: str) -> None:
    triggers = device(**NEEDED[name])
    assert triggers.device == name
    assert triggers.codes == range(1, 256)
    assert 0 < triggers.pulse_s < 1 and 0 < triggers.gap_s < 1 and 0 <= triggers.wire_s < 0.01
    assert unsendable(triggers, CODE_TABLE | {"payload": 255}) == []


@pytest.mark.parametrize(
    ("said", "pulse_s", "latched", "wire_s"),
    [
        ({"device": "serial", "port": "x"}, 0.005, True, 86.8e-6),
        ({"device": "serial", "port": "x", "baud": 9600}, 0.005, True, 1.04e-3),
        ({"device": "biosemi", "port": "x"}, 0.008, False, 86.8e-6),
        ({"device": "blackrock", "port": "x"}, 86.8e-6, False, 86.8e-6),
        ({"device": "brain_products_triggerbox_plus", "port": "x"}, 0.005, True, 5e-6),
        ({"device": "mmbts", "port": "x", "mode": "pulse"}, 0.008, False, 1e-3),
        ({"device": "mmbts", "port": "x", "mode": "simple", "pulse_s": 0.01}, 0.01, True, 1e-3),
        ({"device": "cedrus", "port": "x"}, 0.005, False, 347e-6),
        ({"device": "cedrus", "port": "x", "pulse_ms": 20}, 0.02, False, 347e-6),
        ({"device": "bbtk", "port": "x"}, 0.005, True, 174e-6),
        ({"device": "usb2ttl8", "port": "x"}, 0.005, True, 868e-6),
        ({"device": "pulse_train", "port": "x"}, 0.82, False, 86.8e-6),
        ({"device": "single_pulse", "port": "x", "line": "rts"}, 0.005, True, 1e-3),
    ],
)
def test_pulses_and_bytes_take_their_time(
    said: dict[str, Any], pulse_s: float, latched: bool, wire_s: float
) -> None:
    triggers = device(**said)
    assert triggers.pulse_s == pytest.approx(pulse_s, rel=0.01)
    assert triggers.latched is latched
    assert triggers.wire_s == pytest.approx(wire_s, rel=0.01)


def test_trains_are_slow_and_single_pulses_as_fast_as_any_code() -> None:
    def frames(name: str) -> int:
        triggers = device(device=name, port="x")
        return spacing_frames(triggers.pulse_s, triggers.gap_s, 60.0)

    assert frames("pulse_train") == 55
    assert frames("single_pulse") == frames("serial") == 2


def test_a_device_that_is_not_named_puts_raw_bytes_on_the_lines() -> None:
    assert device(port="COM3").device == "serial"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'device = "cedrus"\nport = "x"\npulse_s = 0.005\nbuad = 9600',
            [
                "4: triggers.pulse_s: no such setting of this device (did you mean 'pulse_ms'?)",
                "5: triggers.buad: no such setting of this device (did you mean 'baud'?)",
            ],
        ),
        (
            'device = "biosemi"\nport = "x"\nmode = "pulse"',
            [
                "4: triggers.mode: no such setting of this device; known here: port, device, gap_s",
            ],
        ),
        (
            'device = "mmbts"',
            [
                '1: triggers.port: is missing; it is: serial port, for example "/dev/ttyUSB0",'
                ' "COM3" or "socket://localhost:7"; "auto" finds a TriggerBox or an MMBT-S',
                "1: triggers.mode: is missing; it is: as its switch stands: `pulse`, the box ends"
                " a code after 8 ms (as it comes); `simple`, a code stays",
            ],
        ),
        (
            'device = "mmbts"\nport = "x"\nmode = "pulse"\npulse_s = 0.005',
            [
                "1: triggers: pulse_s: in the mode `pulse` it is the box's own 0.008; leave it out",
            ],
        ),
        (
            'device = "serial"\nport = "auto"',
            [
                '1: triggers: port = "auto" is for devices with a USB id of their own; name the'
                ' port, for example port = "/dev/ttyUSB0"',
            ],
        ),
        ('device = "triggerbox"', None),
        ("device = 3", None),
    ],
    ids=["strangers", "no near", "missing", "own pulse", "auto", "near device", "no text"],
)
def test_a_mistake_is_told_for_the_device_that_is_named(
    text: str, expected: list[str] | None, tmp_path: Path
) -> None:
    told = faults(tmp_path, text)
    if expected is None:
        (said,) = told
        assert said.startswith("2: triggers.device: no such trigger device")
        assert said.endswith(f"; there are: {', '.join(MODELS)}")
    else:
        assert told == expected


def test_triggers_that_are_no_table_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    path.write_text("triggers = 3\n", encoding="utf-8")
    with pytest.raises(FileError, match="triggers"):
        parse(read_settings(path), Rig)


def test_the_page_on_devices_has_every_device_and_every_setting() -> None:
    page = (ROOT / "docs/devices.md").read_text(encoding="utf-8")
    sections = {part.split("`")[1]: part for part in page.split("\n### ")[1:]}
    assert set(sections) == set(MODELS)
    for name, model in MODELS.items():
        settings = set(model.model_fields) - {"device", "port", "gap_s"}
        assert {setting for setting in settings if f"`{setting}`" not in sections[name]} == set()


def test_every_device_has_a_rig_file_to_copy() -> None:
    files = (ROOT / "protocols/rigs").glob("*.toml")
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    assert {name for name in MODELS if f'device = "{name}"' not in text} == set()


def test_values_that_a_device_cannot_send_are_told_each() -> None:
    assert unsendable(device(device="none"), {"A": 0, "B": 1, "C": 255, "D": 256}) == [
        "the code A is 0, and the trigger device 'none' sends 1 to 255 only; choose a value"
        " between",
        "the code D is 256, and the trigger device 'none' sends 1 to 255 only; choose a value"
        " between",
    ]


def test_a_code_that_is_longer_than_its_gap_is_told() -> None:
    slow = {"device": "cedrus", "port": "x", "baud": 9600, "pulse_ms": 1}
    assert unsendable(device(**slow, gap_s=0.002), {}) == [
        "a code takes 4.17 ms on its way to the trigger device 'cedrus', and the next may follow"
        " after 3 ms; make pulse and gap longer, or the speed of the port higher"
    ]
    assert unsendable(device(**slow, gap_s=0.004), {}) == []
