"""A display where there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from task.contract.errors import RigError
from task.rigs.virtual import display_here, is_virtual

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux may be without a display"
)


def test_the_users_display_is_used_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":77")
    with display_here() as virtual:
        assert virtual is None
        assert os.environ["DISPLAY"] == ":77"


def test_a_virtual_display_lasts_as_long_as_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which("Xvfb"):
        pytest.skip("there is no Xvfb here")
    monkeypatch.delenv("DISPLAY", raising=False)
    with display_here() as virtual:
        number = os.environ["DISPLAY"]
        assert virtual == f"virtual display {number}, 1280x800x24"
        assert Path(f"/tmp/.X11-unix/X{number[1:]}").exists()
        assert is_virtual(number) and is_virtual(f"{number}.0")
        assert not is_virtual(f"elsewhere{number}") and not is_virtual("")
    assert not is_virtual(number)
    assert "DISPLAY" not in os.environ
    assert not Path(f"/tmp/.X11-unix/X{number[1:]}").exists()


def test_a_virtual_display_ends_with_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which("Xvfb"):
        pytest.skip("there is no Xvfb here")
    monkeypatch.delenv("DISPLAY", raising=False)
    started: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def starting(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        started.append(start(*arguments, **options))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", starting)
    with pytest.raises(ZeroDivisionError), display_here():
        raise ZeroDivisionError
    assert started[0].poll() is not None


def test_without_either_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RigError) as error, display_here():
        pytest.fail("there is no display")
    assert str(error.value) == (
        "there is no display here (DISPLAY is not set) and no Xvfb;"
        " run this on a machine with a screen, or: sudo apt-get install xvfb"
    )


def test_an_xvfb_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    false = shutil.which("false")
    monkeypatch.setattr(shutil, "which", lambda name: false)
    with pytest.raises(RigError) as error, display_here():
        pytest.fail("there is no display")
    assert str(error.value) == "Xvfb did not start; is /tmp writable?"
