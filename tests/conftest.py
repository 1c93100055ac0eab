"""What several tests need: the real recordings, if they are here, and the pictures that ship."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from task.contract.catalog import Catalog, Picture
from task.places import RECIPE
from task.sets.recipe import read_recipe

ROOT = Path(__file__).parent.parent

# How long an example takes says how busy the machine is, and nothing about the law it tests.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


class _TogetherByFile(LoadScopeScheduling):
    """Tests of one file stay together; those of windows, ports and clocks run one after another."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        alone = file.startswith("tests/task/") or file == "tests/test_end_to_end.py"
        return "task" if alone else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _TogetherByFile(config, log)


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
