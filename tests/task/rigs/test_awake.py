"""Nothing falls asleep while a session runs, and nothing stays awake after it."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from task.rigs import awake
from task.rigs.awake import kept_awake

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the inhibitors of Linux desktops"
)
Install = Callable[[str, str], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a program of that name where it is found, before all others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    cat = Path("/bin/cat")
    (folder / "cat").symlink_to(cat)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("DISPLAY", raising=False)

    def made(name: str, script: str) -> Path:
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        return program

    return made


def holding(record: Path) -> str:
    """An inhibitor that writes down its arguments and its end; its last argument is the command."""
    return f'echo "$@" > {record}\nfor last; do :; done\n"$last"\necho over >> {record}\n'


def test_what_holds_is_told_and_ends_with_the_session(install: Install, tmp_path: Path) -> None:
    record = tmp_path / "record"
    install("systemd-inhibit", holding(record))
    with kept_awake() as held:
        assert held == ("systemd-inhibit",)
        assert record.read_text(encoding="utf-8") == (
            "--what=idle:sleep:handle-lid-switch --mode=block --who=imagery"
            " --why=a session is running cat\n"
        )
    assert record.read_text(encoding="utf-8").endswith("cat\nover\n")


def test_an_inhibitor_that_fails_does_not_hold(install: Install, tmp_path: Path) -> None:
    install("systemd-inhibit", "exit 1")
    install("gnome-session-inhibit", holding(tmp_path / "record"))
    with kept_awake() as held:
        assert held == ("gnome-session-inhibit",)


def test_an_inhibitor_that_hangs_does_not_hold_us_up(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("systemd-inhibit", "exec /bin/sleep 60")
    monkeypatch.setattr(awake, "_PATIENCE_S", 0.2)
    start_s = time.perf_counter()
    with kept_awake() as held:
        assert held == ()
    assert time.perf_counter() - start_s < 2


def test_where_nothing_can_hold_nothing_is_claimed(install: Install) -> None:
    with kept_awake() as held:
        assert held == ()


def test_an_error_in_the_session_ends_the_hold(install: Install, tmp_path: Path) -> None:
    record = tmp_path / "record"
    install("systemd-inhibit", holding(record))
    with pytest.raises(RuntimeError), kept_awake():
        raise RuntimeError
    assert record.read_text(encoding="utf-8").endswith("over\n")


def test_the_hold_ends_also_where_we_are_killed(install: Install, tmp_path: Path) -> None:
    record = tmp_path / "record"
    install("systemd-inhibit", holding(record))
    script = textwrap.dedent(
        """
        import sys
        from task.rigs.awake import kept_awake
        with kept_awake() as held:
            print(*held, flush=True)
            sys.stdin.read()
        """
    )
    root = str(Path(awake.__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": root},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as session:
        assert session.stdout
        assert session.stdout.readline() == "systemd-inhibit\n"
        session.send_signal(signal.SIGKILL)
    deadline = time.perf_counter() + 5
    while not record.read_text(encoding="utf-8").endswith("over\n"):
        assert time.perf_counter() < deadline, "still held"
        time.sleep(0.01)


def test_the_screen_saver_of_an_x_server_is_suspended(screen: None) -> None:
    if not all(map(awake.ctypes.util.find_library, ("X11", "Xss"))):
        pytest.skip("libXss is not here")
    with kept_awake() as held:
        assert "XScreenSaverSuspend" in held
    with kept_awake() as held:  # and again: the first hold left nothing behind
        assert "XScreenSaverSuspend" in held
