"""Screens, as the system and xrandr tell of them."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from task.preflight.facts import Screens
from task.rigs import outputs
from task.rigs.outputs import more_outputs, overlapping, primary_of, screens, xrandr_outputs

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and /sys")
Tree = Callable[..., Path]


XRANDR = """Screen 0: minimum 320 x 200, current 3840 x 1080, maximum 16384 x 16384
eDP-1 connected primary 1920x1080+1920+0 (normal left inverted right x axis) 344mm x 194mm
   1920x1080     60.02*+  59.97
HDMI-1 connected 1920x1080+0+0 (normal left inverted right x axis y axis) 527mm x 296mm
   1920x1080     60.00*+
DP-1 disconnected (normal left inverted right x axis y axis)
DP-2 connected (normal left inverted right x axis y axis)
"""


def test_xrandr_tells_where_each_output_lies() -> None:
    outputs = xrandr_outputs(XRANDR)
    assert outputs == [((1920, 0, 1920, 1080), True), ((0, 0, 1920, 1080), False)]
    assert primary_of(outputs) == (1920, 0)
    assert not overlapping(outputs)


def test_two_outputs_at_one_place_are_mirrored() -> None:
    outputs = xrandr_outputs(XRANDR.replace("+1920+0", "+0+0"))
    assert outputs is not None and overlapping(outputs)
    smaller = xrandr_outputs(XRANDR.replace("1920x1080+1920+0", "800x600+100+100"))
    assert smaller is not None and overlapping(smaller)


def test_without_xrandr_nothing_is_known_of_outputs() -> None:
    assert xrandr_outputs(None) is None
    assert primary_of(None) is None
    assert primary_of([((0, 0, 800, 600), False)]) is None


@linux
def test_more_sockets_than_pictures_are_mirrored(tree: Tree) -> None:
    root = tree(
        {
            "sys/class/drm/card0-eDP-1/enabled": "enabled\n",
            "sys/class/drm/card0-HDMI-A-1/enabled": "enabled\n",
            "sys/class/drm/card0-DP-1/enabled": "disabled\n",
        }
    )
    assert more_outputs(1, root) is True
    assert more_outputs(2, root) is False


def test_where_no_socket_is_known_nothing_is_told(tree: Tree) -> None:
    assert more_outputs(1, tree({})) is None


@linux
def test_the_rigs_screen_is_found_among_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(outputs, "run", lambda command: XRANDR)
    left, right = [0, 0, 1920, 1080], [1920, 0, 1920, 1080]
    both = {"screens_px": [left, right]}
    assert screens(both | {"screen_px": right}) == Screens(primary=True, mirrored=False)
    assert screens(both | {"screen_px": left}) == Screens(primary=False, mirrored=False)


@linux
def test_under_wayland_xrandr_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setattr(outputs, "run", lambda command: pytest.fail("asked"))
    monkeypatch.setattr(outputs, "more_outputs", lambda count: count < 2)
    one = [0, 0, 1920, 1080]
    found = screens({"screens_px": [one], "screen_px": one})
    assert found == Screens(primary=True, mirrored=True)
    found = screens({"screens_px": [one, [1920, 0, 800, 600]], "screen_px": one})
    assert found == Screens(primary=None, mirrored=False)


def test_without_a_window_nothing_is_known_of_screens() -> None:
    assert screens({"kind": "simulated"}) == Screens()
