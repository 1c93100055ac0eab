"""How the operating system is asked: files that may be absent, programs that may hang.

Linux says most of what it knows in files below /proc, /sys and /run; tests replace their root.  Of
Windows and macOS only what their documentation promises is asked.  What cannot be known is None,
never a guess.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

Run = Callable[[Sequence[str]], str | None]

LINUX = sys.platform.startswith("linux")
ROOT = Path("/")
_PATIENCE_S = 2.0  # with another program's answer


def run(command: Sequence[str]) -> str | None:
    """What a program prints; None if it is not there, fails, or takes too long."""
    program = shutil.which(command[0])
    if not program:
        return None
    try:
        done = subprocess.run(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace")


def text_of(path: Path) -> str | None:
    """What a file says; None if it is not there or may not be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
