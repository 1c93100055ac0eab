"""What a rig file may say of the loudspeaker and of the patient's response box."""

from typing import Annotated, Literal

from pydantic import Field

from task.contract.settings import Table

Meaning = Literal["yes", "no", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
Button = Literal["0", "1", "2", "3", "4", "5", "6", "7"]


# What keys and boxes can say that is no answer, whatever a screen waits for.
NOT_ANSWERS = frozenset(
    {
        "bounce",
        "held",
        "autorepeat",
        "modifier",
        "release",
        "early",
        "unreadable",
        "box lost",
        "box back",
        "focus lost",
        "focus back",
    }
)


class SoundOut(Table):
    """The loudspeaker or headphones."""

    backend: Literal["auto", "ptb", "sounddevice"] = Field(
        "auto",
        description="library that plays: `ptb` (Psychtoolbox), `sounddevice`, or `auto`, which"
        " takes the first of these that works",
    )
    device: str = Field(
        "", description="name of the device, or a part of it; empty for the computer's usual one"
    )
    volume: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="how loud, from 0 (silent) to 1 (as loud as the device goes)"
    )
    latency_s: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0,
        description="how much later than the computer says a sound is heard, seconds; measure it"
        " with a microphone, and sounds are started that much earlier",
    )


class ResponseBox(Table):
    """A box of buttons on a serial port."""

    device: Literal["cedrus"] = Field(
        "cedrus", description="`cedrus`: a Cedrus pad or Lumina that speaks XID"
    )
    port: Annotated[str, Field(min_length=1)] = Field(
        "auto", description='serial port, for example "/dev/ttyUSB0" or "COM3"; `auto` looks for it'
    )
    baud: Annotated[int, Field(ge=1201, le=4_000_000)] = Field(
        115200, description="speed of the serial port, bits a second; switches on the box set it"
    )
    buttons: Annotated[dict[Button, Meaning], Field(min_length=1)] = Field(
        description='meaning of each button, by the number that the box sends: { 0 = "yes",'
        ' 1 = "no" }; preflight shows the number of a pressed button'
    )
