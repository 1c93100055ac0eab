"""The far end of a trigger cable: a pseudo-terminal, and who reads it.

The reader is a process of its own, so that it never waits for the presenter; it stamps every byte
with the clock that all processes share.  Where times do not matter a thread reads.
"""

import os
import select
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

QUIET_S = 2.5  # also where two test processes fill the machine


class Arrival(NamedTuple):
    """A byte that came out of the cable, and when."""

    time_s: float
    byte: int


class Wire:
    """A cable: what to open at the near end, and what has come out at the far end."""

    def __init__(self, port: str) -> None:
        self.port = port
        self.arrivals: list[Arrival] = []

    @property
    def codes(self) -> list[int]:
        """Every byte that is no rest, in order."""
        return [byte for _, byte in self.arrivals if byte]

    def settle(self) -> None:
        """Wait until nothing has come for a while, also where the reader rarely gets to run."""
        seen = -1
        while seen != len(self.arrivals):
            seen = len(self.arrivals)
            time.sleep(QUIET_S)

    def wait_for(self, byte: int | None = None, times: int = 1, timeout_s: float = 60.0) -> float:
        """Wait until `byte` (or any code) has come so many times; return when the last one came.

        Raises
        ------
        TimeoutError
            If it does not come.
        """
        until = time.perf_counter() + timeout_s
        while time.perf_counter() < until:
            came = [a for a in self.arrivals if (a.byte == byte if byte else a.byte)]
            if len(came) >= times:
                return came[times - 1].time_s
            time.sleep(0.005)
        raise TimeoutError(f"{self.port}: byte {byte} came fewer than {times} times")


@contextmanager
def wire(*, held: bool = True) -> Iterator[Wire]:
    """A cable whose far end is read by a process of its own.

    Parameters
    ----------
    held : keep the near end open here too, so that its settings stay; a session's preflight would
        see that somebody else has the port open
    """
    master, slave = os.openpty()
    tty.setraw(slave)
    found = Wire(os.ttyname(slave))
    reader = subprocess.Popen(
        [sys.executable, "-S", __file__, str(master)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=(master,),
    )
    os.close(master)
    assert reader.stdin
    assert reader.stdout
    reader.stdout.readline()  # it listens
    if not held:
        os.close(slave)

    def collect() -> None:
        assert reader.stdout
        for line in reader.stdout:
            time_s, byte = line.split()
            found.arrivals.append(Arrival(float(time_s), int(byte)))

    collector = threading.Thread(target=collect, daemon=True)
    collector.start()
    try:
        yield found
    finally:
        time.sleep(0.05)
        if held:
            os.close(slave)
        reader.stdin.close()
        reader.wait(timeout=10)
        collector.join(timeout=10)
        reader.stdout.close()


def _read(master: int) -> None:
    print("listening", flush=True)
    while True:
        try:
            data = os.read(master, 4096)
        except OSError:  # nobody has the near end open: not yet, not now, or never again
            if select.select([0], [], [], 0.001)[0]:
                return
            continue
        time_s = time.perf_counter()
        print("".join(f"{time_s:.7f} {byte}\n" for byte in data), end="", flush=True)


if __name__ == "__main__":
    _read(int(sys.argv[1]))
