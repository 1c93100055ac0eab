"""A display to open windows on: virtual if there is Xvfb, so that nobody's screen flickers."""

import os
import shutil
import sys
from collections.abc import Iterator

import pytest

from task.rigs.virtual import display_here


@pytest.fixture(scope="session")
def screen() -> Iterator[None]:
    """Some display; the test is skipped where there is none and no Xvfb."""
    import pyglet

    pyglet.options["debug_gl"] = False  # as the window does, whichever test comes first
    kept = os.environ.get("DISPLAY")
    if sys.platform.startswith("linux"):
        if shutil.which("Xvfb"):
            os.environ.pop("DISPLAY", None)
        elif not kept:
            pytest.skip("there is neither a display nor Xvfb here")
    with display_here():
        yield
    if kept:
        os.environ["DISPLAY"] = kept
