"""Sessions whose log is thought lost: simulated, recorded as words alone, and damaged."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.gather import own_trials
from analysis.locate import locate
from analysis.readers import read_log as read_coded
from analysis.synthetic.clock import Clock
from task import places
from task.contract.catalog import MANIFEST
from task.contract.sessionlog import SessionLog, read_log
from task.plan import Step
from task.planning import plan_file
from task.protocol import read_protocol
from task.rig import KeyPress, Keys, Rig
from task.rigs.simulated import SimulatedPort, simulated_rig
from task.session import resume_session, run_session

Presses = Sequence[tuple[float, str, str]]

IMAGERY = """schema = 1
name = "short"
round_to_frames = true
[imagery]
items = ["dog", "banana", "airplane", "cactus", "violin", "tiger"]
encode_views = 1
cues_per_item = 2
encode_s = 0.5
search_s = 2
rating_s = 3
confidence_s = 2
baseline_s = 2
imagine_s = 2
break_s = 2
"""
SCREENING = """schema = 1
name = "quick"
round_to_frames = true
[pictures]
per_group = 4
exclude = ["dog", "banana"]
[screening]
repeats = 3
break_after = 20
break_s = 3
[screening.catch]
distance = [2, 12]
[[screening.catch.question]]
text = "Was it an animal?"
yes_groups = ["animal"]
[practice]
pictures = ["dog", "banana"]
rounds = 3
"""
KEPT = '[interruptions]\ntrial = "keep"\n'
NO_TEXTS = "[texts]\ntext_s = 0\n"
WHOLE: tuple[Presses, ...] = ((),)
INTERRUPTED: tuple[Presses, ...] = (
    (
        (21.0, "pause", "escape"), (30.0, "r", "r"),  # while something is shown
        (40.0, "pause", "escape"), (45.0, "b", "b"),  # the block again
        (75.0, "pause", "escape"), (79.0, "k", "k"),  # the rest of the block skipped
        (110.0, "interrupt", "SIGTERM"),
    ),
    ((31.3, "pause", "escape"), (33.0, "r", "r"), (60.0, "interrupt", "SIGHUP")),
    (),
)  # fmt: skip
# A screening is shorter.
DISTURBED: tuple[Presses, ...] = (
    (
        (12.0, "pause", "escape"), (14.0, "r", "r"),
        (19.0, "pause", "escape"), (21.0, "b", "b"),
        (31.0, "interrupt", "SIGTERM"),
    ),
    ((9.0, "pause", "escape"), (11.0, "k", "k"), (19.0, "interrupt", "SIGHUP")),
    (),
)  # fmt: skip


class Operator:
    """The robot's keys, and presses at given times of the rig's clock."""

    def __init__(self, rig: Rig, presses: Presses) -> None:
        self._keys: Keys = rig.keys
        self.description = rig.keys.description
        self._rig, self._presses = rig, list(presses)

    def listen(self, step: Step, onset_s: float) -> Sequence[KeyPress]:
        return self._keys.listen(step, onset_s)

    def poll(self) -> Sequence[KeyPress]:
        now_s = self._rig.display.now_s  # type: ignore[attr-defined]
        due = [p for p in self._presses if p[0] <= now_s]
        self._presses = self._presses[len(due) :]
        operator = [KeyPress(meaning, key, now_s, "operator") for _, meaning, key in due]
        return [*self._keys.poll(), *operator]

    def typed(self) -> str:
        return ""

    def close(self) -> None:
        """Nothing to give back."""


@dataclass(frozen=True)
class Lost:
    """A session, what the recorder kept of it, and what its log says."""

    folder: Path
    stimuli: Path
    plan: Mapping[str, Any]
    edges: Sequence[tuple[float, int]]
    words: pd.DataFrame
    log: SessionLog
    trials: pd.DataFrame


def lose(
    folder: Path,
    text: str,
    runs: Sequence[Presses] = WHOLE,
    *,
    seed: int = 4,
    session: int = 9,
    rig_seed: int = 0,
) -> Lost:
    """Simulate a session; every second further run goes on at the trial, others at the block."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "p.toml").write_text(text)
    file = read_protocol(folder / "p.toml")
    catalog, manifest = places.catalog_of(file), places.set_folder(file) / MANIFEST
    plan = plan_file(file, catalog, seed=seed, refresh_hz=60.0, spacing_frames=2)
    lost = folder / "session"
    lost.mkdir()
    edges: list[tuple[float, int]] = []
    for n, presses in enumerate(runs):
        rig = simulated_rig(60.0, pulse_s=0.005, gap_s=0.005, seed=rig_seed + n)
        rig = replace(rig, keys=Operator(rig, presses))
        if n == 0:
            run_session(
                lost, file, None, catalog, manifest, plan, rig, subject="P1", session=session
            )
        else:
            resume_session(lost, rig, at_trial=n % 2 == 0, now_s=0.0)
        assert isinstance(rig.port, SimulatedPort)
        later_s = edges[-1][0] + 30 * n if edges else 0.0
        edges += [(later_s + time_s, value) for time_s, value in rig.port.edges]
    words, log = recorded(edges), read_log(lost)
    alignment = locate(read_coded(lost), words, session)
    trials = own_trials(log, alignment)
    return Lost(lost, places.set_folder(file), plan.document, edges, words, log, trials)


def recorded(edges: Sequence[tuple[float, int]]) -> pd.DataFrame:
    """Words as a recorder stamps them."""
    times_s, values = (np.array(column) for column in zip(*edges, strict=True))
    clock = Clock(offset_s=500.0, drift_ppm=10.0, jitter_s=0.0002)
    stamps_s = clock.stamps_s(times_s, np.random.default_rng(0))
    table = pd.DataFrame({"time_s": stamps_s, "code": values, "port": "TTL"})
    return table[table["code"] != 0].reset_index(drop=True)


def damaged(
    words: pd.DataFrame, seed: int, *, lost: float = 0.0, spurious: float = 0.0, bursts: int = 0
) -> pd.DataFrame:
    """Words without some, with some that nobody sent, and without all of a few seconds."""
    rng = np.random.default_rng(seed)
    time_s = words["time_s"].to_numpy()
    kept = rng.random(len(words)) >= lost
    for _ in range(bursts):
        start_s = rng.uniform(time_s[0], time_s[-1])
        kept &= (time_s < start_s) | (time_s >= start_s + rng.uniform(0.5, 6.0))
    extra = int(spurious * kept.sum())
    more = pd.DataFrame(
        {
            "time_s": rng.uniform(time_s[0], time_s[-1], extra),
            "code": rng.integers(1, 256, extra),
            "port": "TTL",
        }
    )
    return pd.concat([words[kept], more]).sort_values("time_s", ignore_index=True)


def held_up(words: pd.DataFrame, seed: int, times: int) -> tuple[pd.DataFrame, Any]:
    """Words of a display that stood still for a while now and then, and how times moved."""
    rng = random.Random(seed)
    first_s, last_s = words["time_s"].iloc[0], words["time_s"].iloc[-1]
    stops = [(rng.uniform(first_s, last_s), rng.choice([0.02, 0.05, 0.1, 0.2, 0.4]))
             for _ in range(times)]  # fmt: skip

    def moved(time_s: Any) -> Any:
        return time_s + sum(stood_s * (time_s > at_s) for at_s, stood_s in stops)

    return words.assign(time_s=moved(words["time_s"])), moved
