"""What several tests need: where the real recordings are, if they are here."""

from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Folder of a real recording that lies beside the checkout; the test is skipped without it."""

    def find(name: str) -> Path:
        folder = ROOT.parent / "shared" / "data" / name
        if not folder.is_dir():
            pytest.skip(f"the recordings of {name} are not beside this checkout")
        return folder

    return find
