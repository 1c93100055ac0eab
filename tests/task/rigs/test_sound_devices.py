"""The two libraries themselves, on JACK's dummy device: it keeps time, and nobody hears it."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from task.rigs.sound_ptb import _read_both

PLAY = """
import json, sys, time
from task.peripherals import SoundOut
from task.plan import ToneItem
from task.rigs.sound import open_sound
speaker = open_sound(SoundOut(backend=sys.argv[1], device="system"), {})
tone = ToneItem(1000.0, 0.05)
speaker.prepare([tone])
took_s, began_s = [], []
for n in range(12):
    before_s = time.perf_counter()
    speaker.start(tone, before_s + 0.15)
    took_s.append(time.perf_counter() - before_s)
    time.sleep(0.22)
    began_s += [[start.asked_s, start.started_s] for start in speaker.started()]
speaker.start(tone, time.perf_counter() + 0.3)
before_s = time.perf_counter()
speaker.silence()
silenced_s = time.perf_counter() - before_s
time.sleep(0.5)
silenced = [[start.started_s, start.problem] for start in speaker.started()]
speaker.start(tone, time.perf_counter() + 0.15)
time.sleep(0.22)
again = [start.started_s for start in speaker.started()]
speaker.close()
print(json.dumps({"took_s": took_s, "began_s": began_s, "silenced": silenced,
                  "silenced_s": silenced_s, "again": again, "said": speaker.description}))
"""


@pytest.fixture(scope="module")
def jack() -> Iterator[dict[str, str]]:
    """Environment in which the only sound device is a JACK server of our own."""
    program = shutil.which("jackd")
    if not program:
        pytest.skip("there is no jackd here to play a sound device")
    name = f"imagery{os.getpid()}"
    server = subprocess.Popen(
        [program, "--name", name, "--no-realtime", "-d", "dummy", "-r", "48000", "-p", "1024"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(1.0)
    if server.poll() is not None:
        pytest.skip("jackd does not start here")
    yield os.environ | {"JACK_DEFAULT_SERVER": name, "PYTHONPATH": os.pathsep.join(sys.path)}
    server.terminate()
    server.wait()


@pytest.mark.parametrize(
    ("backend", "library"), [("ptb", "psychtoolbox"), ("sounddevice", "sounddevice")]
)
def test_sounds_begin_when_they_should_on_a_real_server(
    jack: dict[str, str], backend: str, library: str
) -> None:
    if not find_spec(library):
        pytest.skip(f"{library} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", PLAY, backend], env=jack, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    played = json.loads(done.stdout.splitlines()[-1])
    assert played["said"]["api"] == "JACK Audio Connection Kit"
    assert len(played["began_s"]) == 12
    off_s = sorted(abs(started_s - asked_s) for asked_s, started_s in played["began_s"])
    assert off_s[6] < 0.001
    assert sorted(played["took_s"])[6] < 0.001
    assert played["silenced"] == [[None, "was silenced before it began"]]
    assert played["silenced_s"] < 0.1
    assert played["again"] != [None] and len(played["again"]) == 1


def test_psychtoolboxs_clock_runs_as_ours_does() -> None:
    try:
        from psychtoolbox import GetSecs
    except (ImportError, OSError):
        pytest.skip("psychtoolbox cannot be loaded here")
    took_s, before_s = min(_read_both(GetSecs) for _ in range(50))
    time.sleep(0.2)
    _, after_s = min(_read_both(GetSecs) for _ in range(50))
    assert took_s < 0.001
    assert after_s == pytest.approx(before_s, abs=0.0005)
