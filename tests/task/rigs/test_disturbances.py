"""What darkens a screen or comes over it, as the system tells."""

import sys
from collections.abc import Sequence

import pytest

from task.rigs.disturbances import banners, blanking, blanking_macos, blanking_x, painters
from task.rigs.ports import Process

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and /sys")


XSET = """Screen Saver:
  prefer blanking:  yes    allow exposures:  yes
  timeout:  600    cycle:  600
DPMS (Display Power Management Signaling):
  Standby: 600    Suspend: 600    Off: 600
  DPMS is Enabled
  Monitor is On
"""


def test_xset_tells_of_the_screen_saver() -> None:
    assert blanking_x(XSET) == (
        "the screen saver starts after 600 s",
        "the monitor is switched off when idle (DPMS)",
    )
    quiet = XSET.replace("timeout:  600", "timeout:  0").replace("is Enabled", "is Disabled")
    assert blanking_x(quiet) == ()
    assert blanking_x(None) == ()


def test_pmset_tells_of_the_display_sleep() -> None:
    said = " sleep                1\n displaysleep         10\n disksleep            10\n"
    assert blanking_macos(said) == ("the display sleeps after 10 min",)
    assert blanking_macos(said.replace("displaysleep         10", "displaysleep  0")) == ()
    assert blanking_macos(None) == ()


def gnome(command: Sequence[str]) -> str | None:
    """A GNOME desktop as it comes."""
    return {"idle-delay": "uint32 300\n", "show-banners": "true\n"}.get(command[-1])


@linux
def test_gnome_tells_of_idle_screens_and_notifications(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "ubuntu:GNOME")
    assert blanking(gnome) == ("GNOME switches the screen off after 300 s",)
    assert banners(gnome) is True
    assert banners(lambda _: "false\n") is False
    assert blanking(lambda _: None) == () and banners(lambda _: None) is None


@linux
def test_of_other_desktops_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "KDE")
    assert blanking(gnome) == () and banners(gnome) is None


def test_programs_that_draw_are_told_but_for_the_desktop() -> None:
    card = frozenset(("/dev/dri/renderD128",))
    running = [
        Process(1, "zoom", frozenset(("/dev/nvidia0",))),
        Process(2, "firefox", card),
        Process(3, "firefox", card),
        Process(4, "gnome-shell", card),
        Process(5, "bash", frozenset(("/dev/pts/0",))),
    ]
    assert painters(running) == ("firefox", "zoom")
    assert painters([]) == ()
    assert painters(None) is None
