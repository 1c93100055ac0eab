"""What a rig file may say: the machine that shows, its trigger box, its keys.

One file in `protocols/rigs/` for each machine; protocols do not know it.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from task.contract.settings import Table, parse, read_settings

Meaning = Literal["yes", "no", "1", "2", "3", "4", "5"]
Keys = Annotated[tuple[str, ...], Field(min_length=1)]
_ANSWERS: dict[Meaning, tuple[str, ...]] = {
    "yes": ("y", "right", "return"),
    "no": ("n", "left"),
    "1": ("1", "num_1"),
    "2": ("2", "num_2"),
    "3": ("3", "num_3"),
    "4": ("4", "num_4"),
    "5": ("5", "num_5"),
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


class Triggers(Table):
    """The trigger box."""

    device: Literal["serial", "none"] = Field(
        "serial", description="`serial`: each byte is put on eight lines; `none`: no triggers"
    )
    port: str = Field(
        "", description='serial port, for example "/dev/ttyUSB0", "COM3" or "socket://localhost:7"'
    )
    baud: Annotated[int, Field(ge=1201, le=4_000_000)] = Field(
        115200, description="speed of the serial port, bits a second"
    )
    pulse_s: Annotated[float, Field(gt=0, le=0.1)] = Field(
        0.005, description="how long a code stands on the lines at least, seconds"
    )
    gap_s: Annotated[float, Field(gt=0, le=0.1)] = Field(
        0.005, description="how long the lines rest between codes at least, seconds"
    )

    @model_validator(mode="after")
    def _named(self) -> "Triggers":
        if self.device == "serial" and not self.port:
            raise ValueError('port is missing; name it, for example port = "/dev/ttyUSB0"')
        return self


class RigFile(Table):
    """One machine at the bedside."""

    schema_version: Literal[1] = Field(1, alias="schema", description="version of this format")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")] = Field(
        description="appears in session logs"
    )
    screen: Screen = Field(Screen(), description="the patient's screen")
    triggers: Triggers = Field(description="the trigger box")
    keys: dict[Meaning, Keys] = Field(
        {}, description="keys by meaning: yes, no, 1 to 5; others keep their usual keys"
    )
    stop_key: str = Field("escape", description="the operator's key that ends the session")
    robot: bool = Field(False, description="a robot answers instead of a patient (demonstration)")

    @model_validator(mode="after")
    def _one_meaning(self) -> "RigFile":
        meanings = {self.stop_key: "stop"}
        pairs = [(meaning, key) for meaning, keys in self.answers.items() for key in keys]
        for meaning, key in pairs:
            if meanings.setdefault(key, meaning) != meaning:
                raise ValueError(
                    f"keys: {key!r} means both {meanings[key]} and {meaning}; give it one meaning"
                )
        return self

    @property
    def answers(self) -> dict[Meaning, tuple[str, ...]]:
        """Keys of every meaning."""
        return {**_ANSWERS, **self.keys}


def read_rig(path: Path) -> RigFile:
    """Read and check a rig file.

    Raises
    ------
    FileError
        With everything that is wrong with it.
    """
    source = read_settings(path)
    return parse(source, RigFile)
