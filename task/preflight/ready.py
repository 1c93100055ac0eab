"""A rig opened, tried and judged before a patient sits down: `preflight` shows it, `run` heeds it.

Whatever cannot be opened is kept as what it said, so that all that is wrong is told at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from task.contract.catalog import Catalog
from task.plan import Plan, SoundItem
from task.preflight.checks import automatic
from task.preflight.layout import outside
from task.preflight.lights import Attempt, Check, attempt, merged, refuse_on_red
from task.preflight.tryout import (
    Ask,
    keys_check,
    overlong,
    sweep_check,
    tone_check,
    undecodable,
)
from task.rig import Display, Keys, Rig, Sound, TriggerPort
from task.rigfile import RigFile
from task.room import room_of


@dataclass(frozen=True, slots=True)
class Ready:
    """What was opened, and how every check came out.

    Attributes
    ----------
    virtual : the display, where it is no screen
    close_window : gives the screen back before all else, so that a terminal can be seen
    """

    rig: RigFile
    plan: Attempt[Plan]
    display: Attempt[Display]
    port: Attempt[TriggerPort]
    keys: Attempt[Keys]
    sound: Attempt[Sound]
    checks: Sequence[Check]
    virtual: str | None
    close_window: Callable[[], None]

    def for_a_patient(self, overrides: Mapping[str, str]) -> tuple[Rig, Plan, dict[str, str]]:
        """The rig, the plan, and who answers for what is red.  A robot is no patient.

        Raises
        ------
        RigError
            With every red check that nobody answers for.
        """
        needed = [c for c in self.checks if c.essential] if self.rig.robot else self.checks
        used = refuse_on_red(needed, overrides)
        assert self.plan.got and self.display.got and self.port.got and self.keys.got
        rig = Rig(
            self.rig.name,
            self.display.got,
            self.port.got,
            self.keys.got,
            self.sound.got,
            self.rig.operator.keys,
        )
        return rig, self.plan.got, used

    def asked_on_screen(self) -> list[Check]:
        """Each answer key, asked for by its meaning."""
        if not (self.display.got and self.keys.got and self.plan.got):
            return []
        box = self.rig.response_box
        check = keys_check(
            self.display.got,
            self.keys.got,
            self.plan.got.answers,
            on_box=box.buttons.values() if box else (),
            skip_key=self.rig.operator.pause,
        )
        return [check]

    def asked_aloud(self, ask: Ask) -> list[Check]:
        """What the recorder saw of the lines, and whether a tone was heard; in the terminal."""
        self.close_window()
        names = {check.name for check in self.checks}
        asked = []
        if self.port.got and "sweep" in names:
            asked.append(sweep_check(self.port.got, ask))
        if self.sound.got and "tone" in names:
            asked.append(tone_check(self.sound.got, ask))
        return asked


def judged(ready: Ready, asked: Sequence[Check]) -> list[Check]:
    """All checks, with what was asked in the place of what was not."""
    return merged(ready.checks, asked)


@contextmanager
def opened(
    rig: RigFile,
    catalog: Catalog,
    make_plan: Callable[[Display], Plan],
    *,
    banner: str,
    theme: str,
    sounds_in: Path,
    data: Path,
    seed: int,
) -> Iterator[Ready]:
    """Open the rig, make the plan for its display, and look at everything.

    Parameters
    ----------
    make_plan : the plan for a display; may refuse
    sounds_in : the folder in which sound files of cues lie
    data : where the session will be written
    seed : of the robot, if the rig has one
    """
    from task.rigs import bedside, machine
    from task.rigs.awake import kept_awake
    from task.rigs.triggers import open_port
    from task.rigs.virtual import display_here

    files = {picture.id: picture.path for picture in catalog.pictures.values()}
    with display_here() as virtual, kept_awake() as held, ExitStack() as open_things:
        port: Attempt[TriggerPort] = attempt(lambda: open_port(rig.triggers))
        if port.got:
            open_things.callback(port.got.close)
        window = attempt(lambda: bedside.open_display(rig, files, banner, theme))
        on_screen = open_things.enter_context(ExitStack())
        if window.got:
            on_screen.callback(window.got.close)
        keys: Attempt[Keys] = Attempt(None, "there is no window that keys could be pressed in")
        plan: Attempt[Plan] = Attempt(None, "the plan is made for a display; there is none")
        if display := window.got:
            keys = attempt(lambda: bedside.open_keys(rig, display, seed))
            plan = attempt(lambda: make_plan(display))
        if keys.got:
            open_things.callback(keys.got.close)
        cues = [s.file for s in (plan.got.sounds if plan.got else ()) if isinstance(s, SoundItem)]
        sounds = {name: sounds_in / name for name in cues}
        sound = attempt(lambda: bedside.open_loudspeaker(rig, sounds))
        if sound.got:
            open_things.callback(sound.got.close)
        look = machine.look(
            data,
            port=str(port.got.description.get("port", "")) if port.got else "",
            display=window.got.description if window.got else {},
            held=held,
        )
        shown = plan.got.picture_ids if plan.got else ()
        room = room_of(window.got) if window.got else None
        too_large: Attempt[Sequence[str]] = Attempt(())
        if plan.got and room:
            planned, on = plan.got, room
            too_large = attempt(lambda: outside(planned, on, files))
        found_display: Attempt[Display] = Attempt(window.got, window.said)
        found_sound: Attempt[Sound] = Attempt(sound.got, sound.said)
        checks = automatic(
            rig=rig,
            machine=look,
            catalog=Attempt(catalog),
            plan=plan,
            display=found_display,
            port=port,
            keys=keys,
            sound=found_sound,
            undecodable=undecodable({i: files[i] for i in shown}),
            outside=too_large,
            overlong=overlong(plan.got, sounds) if plan.got else (),
        )
        yield Ready(
            rig, plan, found_display, port, keys, found_sound, checks, virtual, on_screen.close
        )
