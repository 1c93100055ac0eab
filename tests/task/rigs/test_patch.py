"""The virtual photodiode: the patch in the hidden buffer, frame by frame, against the log."""

from collections.abc import Callable, Mapping
from ctypes import c_ubyte
from pathlib import Path
from typing import Any

import pytest

from task.contract.sessionlog import read_log
from task.logwriter import LogWriter
from task.plan import Plan
from task.present import present
from task.rig import Rig
from task.rigfile import RigFile
from task.rigs.simulated import Robot
from task.rigs.triggers import open_port
from task.rigs.window import WindowDisplay, clock
from tests.task.staged import SESSION, TINY, header_of

SESSION_OF_BOTH = """round_to_frames = true
[imagery]
items = ["dog", "cat", "cow", "owl", "cup", "hat"]
encode_views = 1
cues_per_item = 1
encode_s = 0.4
encode_blank_s = 0.2
search_s = 1
baseline_s = 0.3
cue_s = 0.2
imagine_s = 0.3
after_s = 0.2
rating_s = 1
break_s = 0
[texts]
text_s = 0
"""


class Watched:
    """A display whose corner is looked at before every swap."""

    def __init__(self, display: WindowDisplay) -> None:
        self._display = display
        self.seen: list[tuple[float, int]] = []  # time of the swap, grey level in the corner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._display, name)

    def flip(self, on_flip: Callable[[], None] | None) -> float:
        from pyglet import gl

        level = (c_ubyte * 3)()
        gl.glReadPixels(3, 3, 1, 1, gl.GL_RGB, gl.GL_UNSIGNED_BYTE, level)
        time_s = self._display.flip(on_flip)
        self.seen.append((time_s, level[0]))
        return time_s


@pytest.mark.parametrize(("lit", "text"), [("white", SESSION_OF_BOTH), ("black", TINY)])
def test_the_patch_changes_with_every_screen_and_only_then(
    lit: str, text: str, screen: None, plan_of: Callable[..., Plan], tmp_path: Path,
    files: Mapping[str, Path],
) -> None:  # fmt: skip
    rig_file = RigFile.model_validate(
        {
            "name": "x",
            "triggers": {"device": "none"},
            "screen": {"full_screen": False, "sync_patch": "bottom left", "sync_patch_lit": lit},
        }
    )
    plan = plan_of(text)
    display = WindowDisplay(rig_file, files, "")
    watched: Any = Watched(display)
    rig = Rig("x", watched, open_port(rig_file.triggers), Robot(clock, 1))
    log = LogWriter(tmp_path / "session.jsonl", header_of(plan))
    try:
        assert present(plan, rig, log, SESSION) == "completed"
    finally:
        rig.close()
    onsets = {step.code for step in plan.steps}
    events = [e for e in read_log(tmp_path / "session.jsonl").events if e.name in onsets]
    logged = {round(e.time_s, 7): e.detail["lit"] for e in events}
    bright, dark = (255, 0) if lit == "white" else (0, 255)
    assert {level for _, level in watched.seen} == {bright, dark}
    changes = {
        round(time_s, 7): int(level == bright)
        for (_, before), (time_s, level) in zip(watched.seen, watched.seen[1:], strict=False)
        if before != level
    }
    ends = set(changes) - set(logged)  # back to rest where a block begins, or the run ends
    assert {time_s: changes[time_s] for time_s in changes if time_s in logged} == logged
    assert all(changes[time_s] == 0 for time_s in ends) and len(ends) <= len(plan.blocks)
    assert {e.name for e in events} == onsets
