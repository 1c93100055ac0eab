"""The whole preflight on a real window and a pseudo-terminal, as `imagery preflight` runs it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from task.contract.catalog import read_catalog
from task.contract.codes import CODE_TABLE, SWEEP_VALUES
from task.contract.lights import Light
from task.contract.sessionlog import Kind
from task.plan import Block, PictureItem, Plan, Step, Trial
from task.preflight.checks import automatic
from task.preflight.layout import outside
from task.preflight.lights import Attempt, attempt, merged, refuse_on_red, worst
from task.preflight.tryout import keys_check, overlong, sweep_check, undecodable
from task.rigfile import RigFile
from task.rigs import machine
from task.rigs.awake import kept_awake
from task.rigs.simulated import Robot
from task.rigs.triggers import open_port
from task.rigs.window import WindowDisplay
from task.room import room_of


@pytest.fixture
def recorder() -> Iterator[tuple[int, str]]:
    """The recorder's end of a pseudo-terminal, and the name of ours."""
    tty = pytest.importorskip("tty", reason="Windows has no pseudo-terminals")
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    yield ours, os.ttyname(theirs)
    os.close(theirs)
    os.close(ours)


def test_the_automatic_part_is_fast_and_the_questions_follow(
    screen: None, recorder: tuple[int, str], pet_folder: Path, tmp_path: Path
) -> None:
    terminal, name = recorder
    rig = RigFile.model_validate({"name": "x", "triggers": {"port": name}})
    catalog = attempt(lambda: read_catalog(pet_folder))
    assert catalog.got
    files = {id_: picture.path for id_, picture in catalog.got.pictures.items()}
    steps = [Step("IMAGE_ON", (PictureItem(id_, 5.0),), 60, ("yes", "no")) for id_ in files]
    trials = tuple(Trial(Kind.VIEW, (step,)) for step in steps)
    plan = Plan("x", 60.0, 1, 2, dict(CODE_TABLE), "pets", (Block("x", trials),), tuple(files))
    start_s = time.perf_counter()
    with kept_awake() as held:
        port = attempt(lambda: open_port(rig.triggers))
        display = attempt(lambda: WindowDisplay(rig, files, ""))
        assert port.got and display.got
        robot = Robot(time.perf_counter, 1)
        room = room_of(display.got)
        assert room and room.px_per_deg == display.got.description["px_per_deg"]
        checks = automatic(
            rig=rig,
            machine=machine.look(
                tmp_path / "data", port=name, display=display.got.description, held=held
            ),
            catalog=catalog,
            plan=Attempt(plan),
            display=display,
            port=port,
            keys=Attempt(robot),
            sound=Attempt(None),
            undecodable=undecodable(files),
            outside=Attempt(outside(plan, room, files)),
            overlong=overlong(plan, {}),
        )
        took_s = time.perf_counter() - start_s
        asked = [keys_check(display.got, robot, plan.answers)]
        display.got.close()
        asked.append(sweep_check(port.got, lambda question: "yes", lambda length_s: None))
        port.got.close()
    assert took_s < 10, "5 s on an idle machine"
    lights = {check.name: check.light for check in merged(checks, asked)}
    green = {"pictures", "decoding", "fonts", "textures", "display", "port", "port-users", "keys"}
    assert {lights[name] for name in green | {"sweep", "disk-write"}} == {Light.GREEN}
    assert worst(merged(checks, asked)) is not Light.RED
    assert refuse_on_red(merged(checks, asked), {}) == {}
    received = os.read(terminal, 1000)
    assert [value for value in received if value] == [*SWEEP_VALUES, *SWEEP_VALUES]
    assert received[-1] == 0
