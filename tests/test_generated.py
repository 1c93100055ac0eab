"""Generated files are what they are made of."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
_spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
assert _spec and _spec.loader
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


@pytest.mark.parametrize("name", sorted(generate.FILES))
def test_a_generated_file_is_as_its_source_makes_it(name):
    made = generate.FILES[name]()
    assert (ROOT / name).read_text(encoding="utf-8") == made, "run: python docs/generate.py"
