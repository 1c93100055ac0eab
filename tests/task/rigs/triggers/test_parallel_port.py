"""The parallel port through PsychoPy's own driver, with the operating system's library played."""

import sys
from types import ModuleType
from typing import Any

import pytest

from task.contract.errors import RigError
from task.rigs.triggers import open_port, parallel_port
from task.triggers import ParallelPort

SETTINGS = ParallelPort(device="parallel", address="/dev/parport0")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pyparallel is Linux's")


class Register:
    """A data register that remembers."""

    values: list[int] = []
    fault: OSError | None = None

    def __init__(self, address: str) -> None:
        assert address == "/dev/parport0"
        if self.fault:
            raise self.fault

    def setData(self, value: int) -> None:  # noqa: N802 - as pyparallel calls it
        if self.fault:
            raise self.fault
        self.values.append(value)


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> type[Register]:
    played: Any = ModuleType("parallel")
    played.Parallel = Register
    monkeypatch.setitem(sys.modules, "parallel", played)
    monkeypatch.setattr(parallel_port.importlib.util, "find_spec", lambda name: played)
    monkeypatch.setattr(Register, "values", [])
    monkeypatch.setattr(Register, "fault", None)
    return Register


@linux
def test_a_value_is_written_to_the_register(register: type[Register]) -> None:
    port = open_port(SETTINGS)
    assert port.set(200).done and port.set(0).done
    port.close()
    assert register.values == [0, 200, 0, 0]
    assert port.description == {"device": "parallel", "address": "/dev/parport0"}
    assert not port.set(5).done, "it is closed"


@linux
def test_a_lost_register_is_told_and_comes_back(register: type[Register]) -> None:
    port = open_port(SETTINGS)
    register.fault = OSError(5, "Input/output error")
    assert not port.set(5).done
    assert not port.reopen()
    assert not port.set(5).done
    register.fault = None
    assert port.reopen()
    assert port.set(6).done
    assert register.values == [0, 0, 6]


@linux
def test_a_register_that_cannot_be_opened_is_told(register: type[Register]) -> None:
    register.fault = FileNotFoundError(2, "No such file or directory")
    with pytest.raises(RigError) as error:
        open_port(SETTINGS)
    assert str(error.value) == (
        "the parallel port '/dev/parport0' cannot be opened: No such file or directory; on Linux:"
        " sudo modprobe -r lp, sudo modprobe ppdev, and join the group 'lp'"
    )


@pytest.mark.parametrize(
    ("platform", "why"),
    [
        ("darwin", "a Mac has no parallel port; use a trigger device with a serial port"),
        ("linux", "a parallel port needs the library pyparallel: pip install pyparallel"),
    ],
)
def test_a_machine_that_cannot_have_one_says_why(
    platform: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(parallel_port.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RigError) as error:
        open_port(SETTINGS)
    assert str(error.value) == why
