"""What a rig file may say: the machine that shows, its trigger box, keys and loudspeaker.

One file in `protocols/rigs/` for each machine; protocols do not know it.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from task.contract.settings import Table, parse, read_settings
from task.keynames import Key
from task.peripherals import Meaning, ResponseBox, SoundOut
from task.triggers import Triggers

Keys = Annotated[tuple[Key, ...], Field(min_length=1)]
USUAL_KEYS: dict[Meaning, tuple[str, ...]] = {
    "yes": ("y", "left", "return"),
    "no": ("n", "right"),
    "0": ("0", "num_0"),
    "1": ("1", "num_1"),
    "2": ("2", "num_2"),
    "3": ("3", "num_3"),
    "4": ("4", "num_4"),
    "5": ("5", "num_5"),
    "6": ("6", "num_6"),
    "7": ("7", "num_7"),
    "8": ("8", "num_8"),
    "9": ("9", "num_9"),
}


class Screen(Table):
    """The patient's screen."""

    number: Annotated[int, Field(ge=0)] = Field(
        0, description="which screen, counted from 0; take the primary one"
    )
    full_screen: bool = Field(True, description="fill the screen; only so is timing exact")
    window_px: tuple[int, int] = Field(
        (1280, 800), description="size of the window where it is not full screen, pixels"
    )
    texture_mb: Annotated[int, Field(ge=16, le=64_000)] = Field(
        800, description="most memory that the pictures of one block may take, megabytes"
    )
    width_cm: Annotated[float, Field(gt=1, lt=500)] = Field(
        34.5, description="width of the visible screen, centimetres; measure it"
    )
    distance_cm: Annotated[float, Field(gt=5, lt=1000)] = Field(
        60.0, description="from the patient's eyes to the screen, centimetres"
    )
    refresh_hz: Annotated[float, Field(ge=20, le=500)] | None = Field(
        None, description="what the screen is set to, if it must be exactly this"
    )
    sync_patch: Literal["", "top left", "top right", "bottom left", "bottom right"] = Field(
        "", description="corner of a patch for a photodiode, which changes with every screen"
    )
    sync_patch_cm: Annotated[float, Field(ge=0.2, le=10)] = Field(
        1.5, description="side of that patch, centimetres"
    )
    sync_patch_lit: Literal["white", "black"] = Field(
        "white", description="what it turns to with the first screen of a block: white or black"
    )


class Operator(Table):
    """The operator's keys; the patient's never do any of this."""

    pause: Key = Field("escape", description="pause at once; the others work on the pause screen")
    resume: Key = Field("r", description="go on")
    skip: Key = Field("k", description="skip the rest of the block")
    repeat: Key = Field("b", description="begin the block again")
    note: Key = Field("t", description="type a note, which gets the time at which it was begun")
    stop: Key = Field("q", description="end the session; pressed twice")

    @property
    def keys(self) -> dict[str, str]:
        """Command -> key."""
        return dict(self.model_dump())


class RigFile(Table):
    """One machine at the bedside."""

    schema_version: Literal[1] = Field(1, alias="schema", description="version of this format")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")] = Field(
        description="appears in session logs"
    )
    screen: Screen = Field(Screen(), description="the patient's screen")
    triggers: Triggers = Field(description="the trigger box")
    keys: dict[Meaning, Keys] = Field(
        {}, description="keys by meaning: yes, no, 0 to 9; others keep their usual keys"
    )
    operator: Operator = Field(Operator(), description="the operator's keys")
    sound: SoundOut | None = Field(None, description="the loudspeaker; none if not said")
    response_box: ResponseBox | None = Field(
        None, description="the patient's box of buttons, beside the keyboard; none if not said"
    )
    robot: bool = Field(False, description="a robot answers instead of a patient (demonstration)")

    @model_validator(mode="after")
    def _as_on_the_screen(self) -> "RigFile":
        sides: tuple[tuple[Meaning, str, str], ...] = (
            ("yes", "left", "right"),
            ("no", "right", "left"),
        )
        for meaning, stands, other in sides:
            if other in self.answers[meaning]:
                raise ValueError(
                    f"keys: the {other} arrow means {meaning}, but on the screen {meaning} stands"
                    f" {stands}; let the {stands} arrow mean {meaning}"
                )
        return self

    @model_validator(mode="after")
    def _one_meaning(self) -> "RigFile":
        meanings: dict[str, str] = {}
        pairs = [(f"the operator's {command}", key) for command, key in self.operator.keys.items()]
        pairs += [(meaning, key) for meaning, keys in self.answers.items() for key in keys]
        for meaning, key in pairs:
            if meanings.setdefault(key, meaning) != meaning:
                raise ValueError(
                    f"keys: {key!r} means both {meanings[key]} and {meaning}; give it one meaning"
                )
        return self

    @property
    def answers(self) -> dict[Meaning, tuple[str, ...]]:
        """Keys of every meaning."""
        return {**USUAL_KEYS, **self.keys}


def read_rig(path: Path) -> RigFile:
    """Read and check a rig file.

    Raises
    ------
    FileError
        With everything that is wrong with it.
    """
    source = read_settings(path)
    return parse(source, RigFile)
