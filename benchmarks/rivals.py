"""The presenters that are compared, each a process of its own: `-m benchmarks.rivals NAME FILE`.

`ours` is a session as `imagery run` makes it.  `builder` and `builder_static` are scripts that
PsychoPy Builder's own writer makes (see `builder_script`), run as they are.  `expyriment` is
written as Expyriment's documentation has it.  `bare` swaps buffers and writes bytes, nothing else.

Nothing but the standard library at the top: Expyriment runs in an environment of its own.
"""

import json
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.stage import Stage


class Stream(NamedTuple):
    """What all of them show, and where they leave what."""

    port: str
    window_px: tuple[int, int]
    pictures: list[str]
    on_code: int
    off_code: int
    on_frames: int
    off_frames: int
    hz: float
    folder: str
    seen: str
    protocol: str
    rig: str
    script: str


def ours(stream: Stream) -> None:
    """A session, from reading the protocol to the end of the log; it paces itself."""
    from benchmarks.ours import opened, show

    stage = _stage(stream, paced=False)
    stage.watch_pyglet()
    rig = opened(Path(stream.protocol), Path(stream.rig))
    try:
        show(Path(stream.protocol), rig, Path(stream.folder) / "session")
    finally:
        rig.close()


def builder(stream: Stream) -> None:
    """The script that Builder wrote, with the two repairs without which 2026.2.5 runs none.

    Its scripts with a Serial Out component do not import `SerialOut`, and at the end of the first
    Routine ask it for an attribute that it has not, on which it recurses until Python stops it.
    """
    from psychopy.hardware import serialdevice

    def fall_back(port: Any, name: str) -> Any:
        return getattr(port.__dict__["device"], name)

    serialdevice.SerialOut.__getattr__ = fall_back
    stage = _stage(stream, paced=True)
    stage.watch_pyglet()
    sys.argv = [stream.script]
    runpy.run_path(stream.script, {"SerialOut": serialdevice.SerialOut}, "__main__")


def expyriment(stream: Stream) -> None:
    """Preloaded pictures, presented frame by frame; markers after the swap returns."""
    from expyriment import control, design, io, stimuli

    stage = _stage(stream, paced=True)
    stage.watch_pygame()
    os.chdir(stream.folder)
    control.defaults.window_mode, control.defaults.window_size = True, tuple(stream.window_px)
    control.defaults.initialise_delay = 0
    control.defaults.goodbye_delay = 0
    control.defaults.audiosystem_autostart = False
    experiment = design.Experiment("stream", background_colour=(128, 128, 128))
    control.initialize(experiment)
    marker = io.MarkerOutput(io.SerialPort(stream.port, baudrate=115200))
    blank = stimuli.BlankScreen()
    pictures = [stimuli.Picture(path) for path in stream.pictures]
    for stimulus in (blank, *pictures):
        stimulus.preload()
    experiment.add_data_variable_names(["picture", "shown_ms"])
    control.start(experiment, skip_ready_screen=True, subject_id=1)
    for path, picture in zip(stream.pictures, pictures, strict=True):
        for screen, code, frames in (
            (picture, stream.on_code, stream.on_frames),
            (blank, stream.off_code, stream.off_frames),
        ):
            screen.present()
            marker.send(code)
            for _ in range(frames - 1):
                screen.present()
            experiment.keyboard.check()
        experiment.data.add([Path(path).stem, experiment.clock.time])
    control.end()


def bare(stream: Stream) -> None:
    """PsychoPy's window, empty; a byte after the swap that an onset or offset would be on."""
    from psychopy import visual

    stage = _stage(stream, paced=True)
    stage.watch_pyglet()
    descriptor = os.open(stream.port, os.O_WRONLY | os.O_NOCTTY)
    window = visual.Window(stream.window_px, fullscr=False, checkTiming=False, autoLog=False)
    for _ in range(30):
        window.flip()
    for _ in stream.pictures:
        for code, frames in (
            (stream.on_code, stream.on_frames),
            (stream.off_code, stream.off_frames),
        ):
            window.flip()
            os.write(descriptor, bytes((code,)))
            for _ in range(frames - 1):
                window.flip()
    window.close()


def builder_script(stream: Stream) -> None:
    """Have Builder's writer make the script: a blank, then Image and Serial Out, in a loop.

    `builder` sets the picture every repeat, as Builder does if nothing else is asked for.
    `builder_static` loads it in a Static period, as Builder's documentation recommends.
    """
    from psychopy import experiment
    from psychopy.experiment.components.static import StaticComponent
    from psychopy.experiment.components.text import TextComponent
    from psychopy.experiment.loops import TrialHandler
    from psychopy.preferences import prefs

    script = Path(stream.script)
    table = script.with_suffix(".csv")
    table.write_text("\n".join(["picture", *stream.pictures]) + "\n")
    prefs.devices = script.with_suffix(".devices.json")  # not the user's own
    prefs.devices["box"] = _builder_box(stream)
    made = experiment.Experiment()
    made.name = script.stem
    made.filename = str(script.with_suffix(".psyexp"))
    settings = {"Show info dlg": False, "Full-screen window": False}
    for name, value in (settings | {"Window size (pixels)": tuple(stream.window_px)}).items():
        made.settings.params[name].val = value
    trial = made.addRoutine("trial")
    starts: dict[str, Any] = {"startType": "frame N", "startVal": stream.off_frames}
    updates = "set every repeat"
    if script.stem == "builder_static":
        # Frames are not counted while a Static period holds the loop: start by the clock.
        starts = {"startType": "time (s)", "startVal": stream.off_frames / stream.hz}
        updates = "set during: trial.ISI"
        blank = {"stopType": "duration (frames)", "stopVal": stream.off_frames}
        isi = StaticComponent(made, "trial", name="ISI", **blank)
        isi.addComponentUpdate("trial", "image", "image")
        trial.addComponent(isi)
    for component in _builder_components(stream, made, updates, starts):
        trial.addComponent(component)
    end = made.addRoutine("end")  # without it the last code comes after the port is closed
    last = {"stopType": "duration (frames)", "stopVal": stream.off_frames}
    end.addComponent(TextComponent(made, "end", name="thanks", text="Thank you.", **last))
    for position, routine in enumerate([trial, end]):
        made.flow.addRoutine(routine, position)
    loop = TrialHandler(made, "trials", loopType="sequential", nReps=1, conditionsFile=str(table))
    made.flow.addLoop(loop, 0, 1)
    script.write_text(made.writeScript(target="PsychoPy"))


def _builder_box(stream: Stream) -> Any:
    """The serial port as Builder's Device Manager keeps it; the end of line is its default."""
    from psychopy.experiment.components.serialOut import SerialDeviceBackend

    kind = SerialDeviceBackend.deviceClass
    profile = {"deviceName": "box", "deviceClass": kind, "port": stream.port, "baudrate": 115200}
    box = SerialDeviceBackend(profile)
    box.params["name"].val = "box"
    return box


def _builder_components(
    stream: Stream, made: Any, updates: str, starts: dict[str, Any]
) -> list[Any]:
    """A picture, and a code on its first frame and after its last."""
    from psychopy.experiment.components.image import ImageComponent
    from psychopy.experiment.components.serialOut import SerialOutComponent

    frames = {**starts, "stopType": "duration (frames)", "stopVal": stream.on_frames}
    size = (512, 512)
    image = ImageComponent(
        made, "trial", name="image", image="$picture", units="pix", size=size, **frames
    )
    image.params["image"].updates = updates
    port = SerialOutComponent(made, "trial", name="port", syncScreenRefresh=True, **frames)
    port.params["deviceLabel"].val = "box"
    for edge, code in (("start", stream.on_code), ("stop", stream.off_code)):
        port.params[f"{edge}DataType"].val = "num"
        port.params[f"{edge}DataNumeric"].val = code
    return [image, port]


def _stage(stream: Stream, *, paced: bool) -> Stage:
    stage = Stage(stream.port, paced_hz=stream.hz if paced else None)
    stage.watch_writes()
    stage.save_at_exit(Path(stream.seen))
    return stage


PRESENTERS: dict[str, Callable[[Stream], None]] = {
    "ours": ours,
    "builder": builder,
    "builder_static": builder,
    "expyriment": expyriment,
    "bare": bare,
    "write_script": builder_script,
}

if __name__ == "__main__":
    PRESENTERS[sys.argv[1]](Stream(**json.loads(Path(sys.argv[2]).read_text())))
