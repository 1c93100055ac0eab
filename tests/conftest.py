"""What several tests need: the real recordings, if they are here, and the pictures that ship."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from task.contract.catalog import Catalog, Picture
from task.places import RECIPE
from task.sets.recipe import read_recipe

ROOT = Path(__file__).parent.parent

# How long an example takes says how busy the machine is, and nothing about the law it tests.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.hookimpl(tryfirst=True)  # before the groups are read off the items
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file stay together; those of windows, ports and clocks run one after another."""
    here = Path(__file__).parent
    for item in items:
        alone = here / "task" in item.path.parents or item.path == here / "test_end_to_end.py"
        item.add_marker(pytest.mark.xdist_group("task" if alone else item.path.stem))


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Folder of a real recording that lies beside the checkout; the test is skipped without it."""

    def find(name: str) -> Path:
        folder = ROOT.parent / "shared" / "data" / name
        if not folder.is_dir():
            pytest.skip(f"the recordings of {name} are not beside this checkout")
        return folder

    return find


@pytest.fixture(scope="session")
def objects() -> Catalog:
    """The pictures that ship, as their recipe lists them; their files are not needed."""
    pictures = {}
    for entry in read_recipe(RECIPE).entries:
        names = {c.removeprefix("name_"): n for c, n in entry.names.items() if n}
        names["en"] = names.pop("name")
        pictures[entry.id] = Picture(entry.id, Path("none"), "", entry.group, names)
    return Catalog("objects", pictures, "")
