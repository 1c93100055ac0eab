"""`verify` on sessions as the presenter makes them: calm, interrupted at will, and cut short."""

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.loopback import evaluate
from analysis.synthetic.clock import Clock
from analysis.synthetic.neuralynx import EventFile
from analysis.synthetic.shown import changes
from analysis.verify import Verification, verify_session
from task.contract.catalog import MANIFEST, read_catalog, write_manifest
from task.contract.lights import Light
from task.contract.sessionlog import LOG_NAME
from task.plan import Screen
from task.planning import plan_file
from task.protocol import read_protocol
from task.rig import OPERATOR_KEYS, KeyPress, Rig
from task.rigs.simulated import Robot, SimulatedDisplay, SimulatedPort, simulated_rig
from task.session import resume_session, run_session

ITEMS = ("dog", "cat", "cow", "owl", "rose", "oak")
SCREENING = "[screening]\nrepeats = 2\nimage_s = 0.5\nbreak_s = 3\n"
IMAGERY = f"[imagery]\nitems = {list(ITEMS)}\ncues_per_item = 2\nimagine_s = 2.0\n"
Run = Callable[..., Verification]


class Died(BaseException):
    """What stands for a kill: nothing of ours catches it."""


class Interrupting(Robot):
    """A robot whose session is paused now and then, and goes on as the operator says."""

    def __init__(self, display: SimulatedDisplay, seed: int, often: float) -> None:
        super().__init__(lambda: display.now_s, seed)
        self._display, self._often = display, often
        self._chance = random.Random(seed)
        self._paused_s: float | None = None

    def poll(self) -> Sequence[KeyPress]:
        now_s = self._display.now_s
        if self._paused_s is not None:
            if now_s - self._paused_s < 2:
                return ()
            self._paused_s = None
            command = self._chance.choice(["resume", "resume", "repeat", "skip"])
            return (KeyPress(command, OPERATOR_KEYS[command], now_s, "operator"),)
        if self._chance.random() < self._often:
            self._paused_s = now_s
            return (KeyPress("pause", OPERATOR_KEYS["pause"], now_s, "operator"),)
        return super().poll()


@dataclass
class Watched:
    """A recorder on the lines, and an eye on the photodiode's patch."""

    patch: list[tuple[float, int]] = field(default_factory=list)
    edges: list[tuple[float, int]] = field(default_factory=list)

    def watch(self, rig: Rig, display: SimulatedDisplay) -> None:
        display.description["sync_patch"] = "top left"
        assert isinstance(rig.port, SimulatedPort)
        self.edges = rig.port.edges

        def draw(screen: Screen, lit: bool = False) -> None:
            if lit != (self.patch[-1][1] if self.patch else False):
                self.patch.append((display.now_s + 1 / 60, int(lit)))

        display.draw = draw  # type: ignore[method-assign]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Present a protocol and judge its folder; `die_at` is the frame of a kill, then resumed."""
    stimuli = tmp_path / "pets"
    (stimuli / "images").mkdir(parents=True)
    rows = []
    for item in ITEMS:
        data = item.encode()
        (stimuli / "images" / f"{item}.png").write_bytes(data)
        about = {"id": item, "file": f"images/{item}.png", "group": "animal", "name": item}
        rows.append({**about, "sha256": hashlib.sha256(data).hexdigest()})
    write_manifest(stimuli, rows)

    def presented(
        text: str,
        *,
        often: float = 0.0,
        seed: int = 1,
        die_at: int = 0,
        at_trial: bool = False,
        watched: Watched | None = None,
    ) -> Verification:
        path = tmp_path / "p.toml"
        path.write_text(f'schema = 1\nname = "x"\nstimuli = "pets"\n{text}', encoding="utf-8")
        file, catalog = read_protocol(path), read_catalog(stimuli)
        plan = plan_file(file, catalog, seed=seed, refresh_hz=60.0, spacing_frames=2)
        folder = tmp_path / f"session_{seed}_{die_at}_{at_trial}"
        folder.mkdir()

        def rig(dies: int = 0) -> Rig:
            made = simulated_rig(60.0, pulse_s=0.005, gap_s=0.005, seed=seed)
            display = made.display
            assert isinstance(display, SimulatedDisplay)
            if often:
                made = Rig(made.name, display, made.port, Interrupting(display, seed, often))
            if watched:
                watched.watch(made, display)
            if dies:
                _let_die(display, dies)
            return made

        try:
            run_session(
                folder, file, None, catalog, stimuli / MANIFEST, plan, rig(die_at),
                subject="P07", session=99,
            )  # fmt: skip
        except Died:
            _cut(folder / LOG_NAME, at=seed)
            assert verify_session(folder).light is Light.YELLOW
            resume_session(folder, rig(), at_trial=at_trial, now_s=0.0)
        return verify_session(folder)

    return presented


def _let_die(display: SimulatedDisplay, at: int) -> None:
    flip = display.flip
    frames = iter(range(at))

    def dying(on_flip: Callable[[], None] | None) -> float:
        if next(frames, None) is None:
            raise Died
        return flip(on_flip)

    display.flip = dying  # type: ignore[method-assign]


def _cut(log: Path, at: int) -> None:
    """As a kill leaves it: no ending, and perhaps an event cut in flight."""
    whole = log.read_bytes()
    log.write_bytes(whole[: whole.rindex(b'{"ending"')][: -at or None])


def said(verification: Verification) -> dict[str, str]:
    return {r.what: r.said for r in verification.rows if r.light is not Light.GREEN}


@pytest.mark.parametrize("text", [SCREENING, IMAGERY], ids=["screening", "imagery"])
def test_a_calm_session_is_green(text: str, run: Run) -> None:
    verification = run(text)
    assert verification.light is Light.GREEN, said(verification)
    trials = verification.numbers["trials"]
    assert trials["whole"] == trials["planned"] > 10
    assert verification.numbers["steps"]["measured"] > 20


@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_operator_does_is_told_and_nothing_is_red(seed: int, run: Run) -> None:
    verification = run(IMAGERY if seed % 2 else SCREENING, often=0.01, seed=seed)
    assert verification.light is Light.YELLOW, said(verification)
    assert set(said(verification)) <= {"pauses", "trials", "runs"}
    assert verification.numbers["pauses"]
    assert all(1.9 < pause["lasted_s"] < 5 for pause in verification.numbers["pauses"])


@pytest.mark.parametrize("at_trial", [False, True])
@pytest.mark.parametrize("die_at", [1, 20, 90, 155, 400, 500, 777])
def test_a_session_killed_and_resumed_has_every_trial(
    die_at: int, at_trial: bool, run: Run
) -> None:
    verification = run(SCREENING, die_at=die_at, at_trial=at_trial, seed=die_at % 7)
    assert verification.light is Light.YELLOW
    assert set(said(verification)) <= {"runs", "trials"}, said(verification)
    trials = verification.numbers["trials"]
    assert (trials["whole"], trials["missing"]) == (trials["planned"], [])
    assert trials["shown_twice"] == []


@pytest.mark.parametrize("often", [0.0, 0.004])
def test_a_photodiode_before_the_simulated_screen_agrees_with_the_log(
    often: float, run: Run, tmp_path: Path
) -> None:
    watched = Watched()
    session = run(SCREENING, often=often, watched=watched).folder
    clock = Clock(offset_s=100.0)
    with EventFile(tmp_path / "Events.nev") as events:
        events.start_recording(99)
        events.append([(t + clock.offset_s, lines) for t, lines in changes(watched.edges)])
    times_s = np.arange(100, 102 + watched.edges[-1][0], 1 / 2000)
    light_s = [t + clock.offset_s + 0.004 for t, _ in watched.patch]
    states = np.array([0, *(lit for _, lit in watched.patch)])
    values = states[np.searchsorted(light_s, times_s, side="right")] * 5.0
    path = tmp_path / "light.csv"
    pd.DataFrame({"time_s": times_s, "value": values}).to_csv(path, index=False)
    found = evaluate(session, tmp_path / "Events.nev", path)
    assert {r.what: r.said for r in found.rows if r.light is not Light.GREEN} == {}
    for which in ("to_lit", "to_unlit"):
        assert found.numbers["latency_s"][which]["median_s"] == pytest.approx(0.004, abs=5e-4)
        assert found.numbers["latency_s"][which]["n"] > 5
