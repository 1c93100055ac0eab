"""A serial cable without hardware: two ends, so that what one writes the other reads."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cable() -> Iterator[tuple[str, str]]:
    """Yields what the presenter and what the recorder open with pyserial.

    Two pseudo-terminals on POSIX, two loopback TCP connections elsewhere; a thread carries bytes
    from the first to the second, as a null-modem cable does.
    """
    ends = _pseudo_terminals if os.name == "posix" else _loopback
    with ends() as yielded:
        yield yielded


@contextmanager
def _pseudo_terminals() -> Iterator[tuple[str, str]]:
    import tty

    masters, slaves = zip(*(os.openpty() for _ in range(2)), strict=True)
    for descriptor in (*masters, *slaves):
        tty.setraw(descriptor)  # bytes, not lines of text

    def carry() -> None:
        while data := _read(masters[0]):
            os.write(masters[1], data)

    thread = threading.Thread(target=carry, name="cable", daemon=True)
    thread.start()
    try:
        yield os.ttyname(slaves[0]), os.ttyname(slaves[1])
    finally:
        for descriptor in slaves:
            os.close(descriptor)
        thread.join(timeout=1)
        for descriptor in masters:
            os.close(descriptor)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1024)
    except OSError:  # every other end is closed
        return b""


@contextmanager
def _loopback() -> Iterator[tuple[str, str]]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]

    def carry() -> None:
        ends = [server.accept()[0] for server in servers]
        for end in ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while data := ends[0].recv(1024):
                ends[1].sendall(data)
        finally:
            for end in ends:
                end.close()

    threading.Thread(target=carry, name="cable", daemon=True).start()
    try:
        first, second = (f"socket://127.0.0.1:{s.getsockname()[1]}" for s in servers)
        yield first, second
    finally:
        for server in servers:
            server.close()
