"""Pages of units for a browser on this machine, drawn when they are asked for; or all as a folder.

The server hears this machine alone and only reads.  Other users of the machine could ask it as
well, so its address has a key in it, drawn anew each time.  What is asked for is looked up among
the pages that there are; no path from outside reaches a file system.
"""

import os
import secrets
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from threading import Lock
from typing import Any

from analysis.unit_figure import FORMATS, picture
from analysis.unit_pages import FOLDER, INDEX, Units, index_page, open_units, policy, unit_page
from task.contract.errors import UserError

HOST = "127.0.0.1"
KINDS = {
    "html": "text/html; charset=utf-8",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "png": "image/png",
}
_IMAGE_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

Progress = Callable[[int, int], None]


# Over loopback -----------------------------------------------------------------------------------


class PageServer(ThreadingHTTPServer):
    """Serves the pages of the units of one analysis.

    Attributes
    ----------
    address : of the index, with the key
    """

    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # elsewhere two servers could share a port

    def __init__(self, units: Units, port: int) -> None:
        """Take a port; 0: any that is free.

        Raises
        ------
        UserError
            If the port is taken.
        """
        self.units = units
        self.key = secrets.token_urlsafe(16)
        self.addresses = {units.stem(unit): unit for unit in units.files}
        self.drawing = Lock()  # the drawing library has one style for all threads
        try:
            super().__init__((HOST, port), _Asked)
        except OSError as error:
            raise UserError(f"port {port} cannot be used: {error.strerror}") from None
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}
        self.address = f"http://{HOST}:{self.server_port}/{self.key}/"

    def page(self, path: str) -> tuple[str, bytes] | None:
        """Kind and content of what stands at a path below the key; None if there is nothing."""
        if path in ("", INDEX):
            return "html", index_page(self.units).encode()
        folder, _, name = path.rpartition("/")
        stem, _, kind = name.rpartition(".")
        unit = self.addresses.get(stem)
        if folder != FOLDER or unit is None or kind not in KINDS:
            return None
        with self.drawing:
            return kind, _unit_content(self.units, unit, kind)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep the traceback of a bug; a browser that went away is none."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def _unit_content(units: Units, unit: str, kind: str) -> bytes:
    """The page or the figure of a unit."""
    record = units.record(unit)
    if kind == "html":
        return unit_page(units, record, picture(record, "svg")).encode()
    return picture(record, kind)


class _Asked(BaseHTTPRequestHandler):
    """One question of a browser."""

    server: PageServer
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:  # noqa: N802  (the name is the library's)
        if self.headers.get("Host") not in self.server.hosts:
            # Another site's name may lead here (DNS rebinding); its pages shall read nothing.
            self._say(HTTPStatus.MISDIRECTED_REQUEST, "this server answers to its own name only")
            return
        key, _, path = self.path.partition("?")[0].removeprefix("/").partition("/")
        if not secrets.compare_digest(key.encode(), self.server.key.encode()):
            why = "open the address that `imagery browse` printed, with its key"
            self._say(HTTPStatus.NOT_FOUND, why)
            return
        try:
            found = self.server.page(path)
        except UserError as error:
            self._say(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
            return
        if found is None:
            self._say(HTTPStatus.NOT_FOUND, "no such page; these units have others")
            return
        self._send(HTTPStatus.OK, KINDS[found[0]], found[1])

    do_HEAD = do_GET  # noqa: N815

    def _say(self, status: HTTPStatus, why: str) -> None:
        self._send(status, "text/plain; charset=utf-8", f"{why}\n".encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        allowed = policy() if kind.startswith("text/html") else _IMAGE_POLICY
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(content))),
            ("Content-Security-Policy", f"{allowed}; frame-ancestors 'none'"),
            ("X-Content-Type-Options", "nosniff"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def version_string(self) -> str:
        """Whom it names as server."""
        return "imagery"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: addresses have the key in them."""


def serve(units: Units, port: int, begun: Callable[[str], None]) -> None:
    """Serve the pages until Ctrl-C.

    Parameters
    ----------
    port : 0: any that is free
    begun : called with the address of the index once it answers

    Raises
    ------
    UserError
        If the port is taken.
    """
    with PageServer(units, port) as server, suppress(KeyboardInterrupt):
        begun(server.address)
        server.serve_forever()


# As a folder -------------------------------------------------------------------------------------


def save_pages(units: Units, out: Path, progress: Progress) -> Path:
    """Write all pages and figures into a folder, in parallel; return its index.

    Raises
    ------
    UserError
        If the folder cannot be written, or a unit's file is not as it should be.
    """
    folder = out / FOLDER
    names = list(units.files)
    workers = max(1, min(len(names), _cores()))
    context = get_context("spawn")  # the same on every system
    with ProcessPoolExecutor(workers, context, _left_alone) as pool:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            pending = [pool.submit(_save_unit, units.folder, name, folder) for name in names]
            for done, one in enumerate(as_completed(pending), start=1):
                one.result()
                progress(done, len(names))
            (out / INDEX).write_text(index_page(units), encoding="utf-8", newline="\n")
        except OSError as error:
            raise UserError(f"{out}: cannot be written: {error.strerror}") from None
        finally:
            pool.shutdown(cancel_futures=True)
    return out / INDEX


def _left_alone() -> None:
    """Ctrl-C is for the program itself, which then ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


_opened = cache(open_units)  # once in each worker


def _save_unit(results: Path, unit: str, folder: Path) -> None:
    units = _opened(results)
    record = units.record(unit)
    files = {kind: picture(record, kind) for kind in FORMATS}
    files["html"] = unit_page(units, record, files["svg"]).encode()
    for kind, content in files.items():
        (folder / f"{units.stem(unit)}.{kind}").write_bytes(content)


def _cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
