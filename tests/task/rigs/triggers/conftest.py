"""A cable with a device at its far end, played by a thread: a pseudo-terminal behind a link."""

import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from task.rigs.triggers import bbtk, serial_port

Answer = Callable[[bytes], bytes]


def says_nothing(heard: bytes) -> bytes:
    return b""


class Cable:
    """What is sent into `name` is in `heard`; `answer` says what comes back after each piece."""

    def __init__(self, link: Path) -> None:
        self.name = str(link)
        self.answer: Answer = says_nothing
        self._link = link
        self._pulled = True
        self.plug()

    def plug(self) -> None:
        """A device just switched on; what was before is forgotten."""
        import tty

        self._master, self._slave = os.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        self._link.symlink_to(os.ttyname(self._slave))
        self.heard = b""
        self._pulled = False
        self.listen()

    def listen(self) -> None:
        self._listening = True
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def deafen(self) -> None:
        """The device hangs: it takes nothing more."""
        self._listening = False
        self._thread.join(timeout=1.0)

    def pull(self) -> None:
        if not self._pulled:
            self._pulled = True
            self.deafen()
            self._link.unlink()  # the terminal's number may soon be another's
            os.close(self._slave)
            os.close(self._master)

    def got(self, size: int) -> bytes:
        """All that was heard once it is `size` bytes; what there is after a second."""
        ends = time.monotonic() + 1.0
        while len(self.heard) < size and time.monotonic() < ends:
            time.sleep(0.001)
        return self.heard

    def _play(self) -> None:
        while self._listening:
            if not select.select([self._master], [], [], 0.01)[0]:
                continue
            with suppress(OSError):
                self.heard += os.read(self._master, 65536)
                os.write(self._master, self.answer(self.heard))


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    pytest.importorskip("tty", reason="Windows has no pseudo-terminals")
    cable = Cable(tmp_path / "ttyBOX")
    yield cable
    cable.pull()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Played devices need no time to settle."""
    monkeypatch.setattr(serial_port, "_SETTLE_S", 0.01)
    monkeypatch.setattr(bbtk, "_RESET_S", 0.0)
