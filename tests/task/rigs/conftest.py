"""What tests of the rigs share.

A display to open windows on, virtual if there is Xvfb, so that nobody's screen flickers; and
trees of files in place of the system's own.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from PIL import Image

from task.contract.catalog import Catalog
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


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, pets: Catalog) -> Mapping[str, Path]:
    """A picture for every pet: grey ones, and the dog in colour; a gradient shows any shift."""
    folder = tmp_path_factory.mktemp("pictures")
    made = {}
    for number, name in enumerate(pets.pictures):
        gradient = Image.linear_gradient("L").rotate(30 * number).resize((90, 90))
        if name == "dog":
            gradient = Image.merge("RGB", (gradient, gradient.rotate(90), gradient.rotate(180)))
        made[name] = folder / f"{name}.png"
        gradient.save(made[name])
    return made


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    """A root with these files in it; a text that begins with "->" is a link."""

    def made(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("->"):
                path.symlink_to(text.removeprefix("->"))
            else:
                path.write_text(text, encoding="utf-8")
        return tmp_path

    return made
