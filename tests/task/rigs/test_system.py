"""How the operating system is asked."""

import sys

import pytest

from task.rigs import system


def test_a_program_that_is_absent_fails_or_hangs_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    python = sys.executable
    assert system.run(("no_such_program_here",)) is None
    assert system.run((python, "-c", "raise SystemExit(1)")) is None
    assert system.run((python, "-c", "print('said')")) in ("said\n", "said\r\n")
    monkeypatch.setattr(system, "_PATIENCE_S", 0.1)
    assert system.run((python, "-c", "import time; time.sleep(9)")) is None
