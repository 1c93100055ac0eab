"""Kill sessions and compare trigger bytes with the log: `python -m benchmarks.kills`.

Each session runs in a process of its own, in virtual time (so that hundreds fit into minutes), with
a real pseudo-terminal for a trigger box and a real log file.  It is killed by SIGKILL.  Every byte
that came out at the other end must stand in the log, but for the one in flight.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tty
from pathlib import Path

from task import places
from task.contract.catalog import MANIFEST
from task.contract.sessionlog import read_log
from task.plan import plan_file
from task.protocol import read_protocol
from task.rig import Rig
from task.rigfile import Triggers
from task.rigs.ports import SerialPort
from task.rigs.simulated import Robot, SimulatedDisplay
from task.session import run_session

KILLS = 200
LONGEST_S = 1.0


def child(port: str, folder: Path) -> None:
    """Present a screening in virtual time, with a serial port."""
    file = read_protocol(places.PROTOCOLS / "screening_500.toml")
    catalog = places.catalog_of(file)
    plan = plan_file(file, catalog, seed=0, refresh_hz=60.0, spacing_frames=2)
    display = SimulatedDisplay(60.0)
    trigger = SerialPort(Triggers(device="serial", port=port))
    rig = Rig("kills", display, trigger, Robot(lambda: display.now_s, 0))
    manifest = places.set_folder(file) / MANIFEST
    print("ready", flush=True)
    run_session(folder, file, None, catalog, manifest, plan, rig, subject="killed", session=1)


def kill_one(folder: Path, after_s: float) -> tuple[int, int]:
    """Codes out of the cable, and codes in the log, of a session killed after `after_s`."""
    master, slave = os.openpty()
    tty.setraw(master)
    tty.setraw(slave)
    received = bytearray()

    def listen() -> None:
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:
                return
            if not data:
                return
            received.extend(data)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    command = [sys.executable, "-m", "benchmarks.kills", "child", os.ttyname(slave), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
    time.sleep(0.05)
    os.close(slave)
    listener.join(timeout=2)
    os.close(master)
    log_file = folder / "session.jsonl"
    if not log_file.exists():
        return sum(byte > 0 for byte in received), 0
    logged = [event.code for event in read_log(folder).events if event.code is not None]
    sent = [byte for byte in received if byte]
    assert sent[: len(logged)] == logged[: len(sent)], "log and cable disagree"
    return len(sent), len(logged)


def main() -> None:
    rng = random.Random(0)
    lost, most, codes = 0, 0, 0
    for number in range(KILLS):
        with tempfile.TemporaryDirectory() as name:
            sent, logged = kill_one(Path(name), rng.random() * LONGEST_S)
        codes += sent
        missing = max(0, sent - logged)
        lost += missing > 1
        most = max(most, missing)
        if number % 20 == 19:
            print(f"{number + 1} kills, {codes} codes, most missing {most}", flush=True)
    print("| kills | codes on the cable | sessions that lost more than the code in flight | most |")
    print("|---|---|---|---|")
    print(f"| {KILLS} | {codes} | {lost} | {most} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
