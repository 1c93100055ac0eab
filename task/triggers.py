"""What `[triggers]` of a rig file may say: one model for each trigger device.

A model also states what a plan must know of its device, without opening it:

    pulse_s   how long a code stands on the lines at least, seconds
    gap_s     how long the lines rest at least before the next, seconds
    codes     the values that the device can send
    wire_s    how long the bytes of one code take to the device, seconds
    latched   True: a code stands until it is taken off; False: the device ends it itself
    announces  whether it is quick enough, and codes differ, to number presentations on the lines
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from task.contract.settings import Table, did_you_mean

AUTO = "auto"
XID_BAUDS = (115200, 57600, 38400, 19200, 9600)
TRAIN_BITS = 8
TRAIN_ONSETS_S = 0.1  # from one pulse of a train to the next
TRAIN_PULSE_S = 0.02
_USB_FRAME_S = 0.001  # a box that is itself the USB device waits for a frame, whatever its baud
_MMBTS_PULSE_S = 0.008

PulseS = Annotated[
    float,
    Field(gt=0, le=0.1, description="how long a code stands on the lines at least, seconds"),
]
GapS = Annotated[
    float,
    Field(gt=0, le=0.1, description="how long the lines rest between codes at least, seconds"),
]


class _Device(Table):
    """What holds for every device where it does not say otherwise."""

    codes: ClassVar[range] = range(1, 256)
    announces: ClassVar[bool] = True

    @property
    def latched(self) -> bool:
        """A code stands until it is taken off."""
        return True

    @property
    def wire_s(self) -> float:
        """Bytes of one code on their way."""
        return 0.0


class SerialDevice(_Device):
    """A device that is spoken to through a serial port."""

    usb_ids: ClassVar[frozenset[tuple[int, int]]] = frozenset()
    speed: ClassVar[int] = 115200
    code_bytes: ClassVar[int] = 1

    port: Annotated[str, Field(min_length=1)] = Field(
        description='serial port, for example "/dev/ttyUSB0", "COM3" or "socket://localhost:7";'
        ' "auto" finds a TriggerBox or an MMBT-S'
    )

    @property
    def bits_per_s(self) -> int:
        """Speed at which the port is opened."""
        return self.speed

    @property
    def wire_s(self) -> float:
        """Ten bits a byte."""
        return self.code_bytes * 10 / self.bits_per_s

    @model_validator(mode="after")
    def _findable(self) -> "SerialDevice":
        if self.port == AUTO and not self.usb_ids:
            raise ValueError(
                'port = "auto" is for devices with a USB id of their own; name the port, for'
                ' example port = "/dev/ttyUSB0"'
            )
        return self


class _AnySpeed(SerialDevice):
    """A serial device that is set to some speed."""

    baud: Annotated[int, Field(ge=1201, le=4_000_000)] = Field(
        115200, description="speed of the serial port, bits a second"
    )

    @property
    def bits_per_s(self) -> int:
        """As the rig file says."""
        return self.baud


class RawByte(_AnySpeed):
    """Each byte is put on eight lines and stays: Arduino, Teensy, many home-made boxes."""

    device: Literal["serial"] = Field("serial", description="which trigger device it is")
    pulse_s: PulseS = 0.005
    gap_s: GapS = 0.005
    settle_s: Annotated[float, Field(ge=0, le=10)] = Field(
        0.0,
        description="wait after opening, seconds; an Arduino Uno restarts then and needs 2",
    )


class BioSemi(SerialDevice):
    """BioSemi USB Trigger Interface: a byte is a pulse of about 8 ms."""

    device: Literal["biosemi"] = Field(description="which trigger device it is")
    gap_s: GapS = 0.005

    @property
    def pulse_s(self) -> float:
        """The device's own."""
        return 0.008

    @property
    def latched(self) -> bool:
        """The device ends a code."""
        return False


class Blackrock(_AnySpeed):
    """Serial input of a Blackrock Cerebus or NeuroPort: every byte received is an event."""

    device: Literal["blackrock"] = Field(description="which trigger device it is")
    gap_s: GapS = 0.005

    @property
    def pulse_s(self) -> float:
        """An event has no length but that of its byte."""
        return self.wire_s

    @property
    def latched(self) -> bool:
        """The device ends a code."""
        return False


class TriggerBox(SerialDevice):
    """Brain Products TriggerBox: each byte is put on eight lines and stays."""

    usb_ids: ClassVar[frozenset[tuple[int, int]]] = frozenset({(0x1103, 0x0021)})

    device: Literal["brain_products_triggerbox"] = Field(description="which trigger device it is")
    pulse_s: PulseS = 0.005
    gap_s: GapS = 0.005

    @property
    def wire_s(self) -> float:
        """Its serial port is virtual."""
        return _USB_FRAME_S


class TriggerBoxPlus(SerialDevice):
    """Brain Products TriggerBox Plus: as the TriggerBox, at 2,000,000 baud."""

    speed: ClassVar[int] = 2_000_000

    device: Literal["brain_products_triggerbox_plus"] = Field(
        description="which trigger device it is"
    )
    pulse_s: PulseS = 0.005
    gap_s: GapS = 0.005


class Mmbts(SerialDevice):
    """Neurospec MMBT-S.  A switch on the box, read when it is plugged in, chooses the mode."""

    # Nominal.  At 1200 baud the box would leave for its bootloader until it is plugged in again.
    speed: ClassVar[int] = 9600
    usb_ids: ClassVar[frozenset[tuple[int, int]]] = frozenset({(0x2341, 0x8037)})

    device: Literal["mmbts"] = Field(description="which trigger device it is")
    mode: Literal["pulse", "simple"] = Field(
        description="as its switch stands: `pulse`, the box ends a code after 8 ms (as it comes);"
        " `simple`, a code stays"
    )
    pulse_s: PulseS = _MMBTS_PULSE_S
    gap_s: GapS = 0.005

    @property
    def latched(self) -> bool:
        """As the switch on the box stands."""
        return self.mode == "simple"

    @property
    def wire_s(self) -> float:
        """The box is itself the USB device."""
        return _USB_FRAME_S

    @model_validator(mode="after")
    def _own_pulse(self) -> "Mmbts":
        if self.mode == "pulse" and self.pulse_s != _MMBTS_PULSE_S:
            raise ValueError("pulse_s: in the mode `pulse` it is the box's own 0.008; leave it out")
        return self


class Cedrus(SerialDevice):
    """Cedrus c-pod, StimTracker, and the outputs of XID response boxes (second generation)."""

    code_bytes: ClassVar[int] = 4

    device: Literal["cedrus"] = Field(description="which trigger device it is")
    baud: Literal[115200, 57600, 38400, 19200, 9600] = Field(
        115200, description="speed to which the device is set, bits a second"
    )
    pulse_ms: Annotated[int, Field(ge=1, le=100)] = Field(
        5, description="length of a code, whole milliseconds; the device ends it itself"
    )
    gap_s: GapS = 0.005

    @property
    def bits_per_s(self) -> int:
        """As the rig file says."""
        return self.baud

    @property
    def pulse_s(self) -> float:
        """As the device is told when it is opened."""
        return self.pulse_ms / 1000

    @property
    def latched(self) -> bool:
        """The device ends a code."""
        return False


class Usb2Ttl8(SerialDevice):
    """LabHackers USB2TTL8: codes as lines of text."""

    code_bytes: ClassVar[int] = len("WRITE 255\n")

    device: Literal["usb2ttl8"] = Field(description="which trigger device it is")
    pulse_s: PulseS = 0.005
    gap_s: GapS = 0.005


class Bbtk(SerialDevice):
    """Black Box ToolKit USB TTL Module: codes as two hexadecimal digits."""

    code_bytes: ClassVar[int] = 2

    device: Literal["bbtk"] = Field(description="which trigger device it is")
    pulse_s: PulseS = 0.005
    gap_s: GapS = 0.005


class _OneLine(_AnySpeed):
    """A recorder with one input, raised by a byte or by a control line of the serial port."""

    announces: ClassVar[bool] = False

    line: Literal["byte", "rts", "dtr"] = Field(
        "byte",
        description="what raises the line: a byte to a box of eight lines, or the RTS or DTR line"
        " of the port itself",
    )
    high: Annotated[int, Field(ge=1, le=255)] = Field(
        255, description="the byte that raises the line; 0 lowers it"
    )

    @property
    def wire_s(self) -> float:
        """A control line is changed with the next USB frame."""
        return super().wire_s if self.line == "byte" else _USB_FRAME_S


class PulseTrain(_OneLine):
    """One line: a code is a train of pulses, a first one and then one for each bit that is set.

    Pulses of 20 ms, 100 ms from onset to onset, the bit of 128 first; 0.9 s a code.
    """

    device: Literal["pulse_train"] = Field(description="which trigger device it is")

    @property
    def pulse_s(self) -> float:
        """From the first pulse's onset to the last one's end."""
        return TRAIN_BITS * TRAIN_ONSETS_S + TRAIN_PULSE_S

    @property
    def gap_s(self) -> float:
        """So that the next train begins when one more pulse could have."""
        return TRAIN_ONSETS_S - TRAIN_PULSE_S

    @property
    def latched(self) -> bool:
        """The device ends a code."""
        return False


class SinglePulse(_OneLine):
    """One line: every code is one and the same pulse; which it was stands in the log only."""

    device: Literal["single_pulse"] = Field(description="which trigger device it is")
    pulse_s: PulseS = 0.005
    gap_s: GapS = 0.005


class ParallelPort(_Device):
    """A parallel port, through the drivers that PsychoPy knows."""

    device: Literal["parallel"] = Field(description="which trigger device it is")
    address: Annotated[str, Field(pattern=r"^(0x[0-9A-Fa-f]{1,4}|/dev/\S+)$")] = Field(
        description='where it is: on Windows for example "0x0378", on Linux "/dev/parport0"'
    )
    pulse_s: PulseS = 0.005
    gap_s: GapS = 0.005


class NoTriggers(_Device):
    """No triggers: codes stand in the log only."""

    device: Literal["none"] = Field(description="which trigger device it is")
    pulse_s: PulseS = 0.005
    gap_s: GapS = 0.005


class Simulated(_Device):
    """A box that is not there, for rehearsals: it takes every code, with a box's pulse and gap."""

    device: Literal["simulated"] = Field(description="which trigger device it is")
    pulse_s: PulseS = 0.005
    gap_s: GapS = 0.005


_AnyDevice = Annotated[
    RawByte
    | BioSemi
    | Blackrock
    | TriggerBox
    | TriggerBoxPlus
    | Mmbts
    | Cedrus
    | Usb2Ttl8
    | Bbtk
    | PulseTrain
    | SinglePulse
    | ParallelPort
    | NoTriggers
    | Simulated,
    Field(discriminator="device"),
]
MODELS: Mapping[str, type[_Device]] = {
    get_args(model.model_fields["device"].annotation)[0]: model
    for model in get_args(get_args(_AnyDevice)[0])
}


def _of_its_device(given: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """The model of the device that is named, raw byte if none is.

    As pydantic alone would, but for the sentences: it would put the device into the path of every
    key, and settings would compare a stranger among the keys with those of another device.
    """
    if not isinstance(given, dict):
        return validate(given)
    device = given.get("device", "serial")
    model = MODELS.get(device) if isinstance(device, str) else None
    if model is None:
        what = f"no such trigger device{did_you_mean(str(device), MODELS)}; there are: "
        raise _refused([_said(("device",), what + ", ".join(MODELS), device)])
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise _refused([_worded(detail, model) for detail in error.errors()]) from None


def _worded(detail: Any, model: type[_Device]) -> InitErrorDetails:
    """A fault of pydantic's, in words where they need the model."""
    kind, path, given = detail["type"], detail["loc"], detail["input"]
    fields = model.model_fields
    if kind == "extra_forbidden":
        hint = did_you_mean(str(path[-1]), fields) or f"; known here: {', '.join(fields)}"
        return _said(path, f"no such setting of this device{hint}", given)
    if kind == "missing":
        return _said(path, f"is missing; it is: {fields[path[-1]].description}", given)
    return InitErrorDetails(type=kind, loc=path, input=given, ctx=detail.get("ctx", {}))


def _said(path: tuple[int | str, ...], what: str, given: Any) -> InitErrorDetails:
    return InitErrorDetails(
        type=PydanticCustomError("value_error", "{what}", {"what": what}), loc=path, input=given
    )


def _refused(faults: list[InitErrorDetails]) -> ValidationError:
    return ValidationError.from_exception_data("triggers", faults)


Triggers = Annotated[_AnyDevice, WrapValidator(_of_its_device)]


def unsendable(triggers: Triggers, codes: Mapping[str, int]) -> list[str]:
    """What of a code table this device cannot send, in sentences; none if it can send all of it.

    Parameters
    ----------
    codes : name -> value, of every code that a session may send
    """
    return [*_strange_values(triggers, codes), *_too_slow(triggers)]


def _strange_values(triggers: Triggers, codes: Mapping[str, int]) -> Iterator[str]:
    lowest, highest = triggers.codes[0], triggers.codes[-1]
    for name, value in codes.items():
        if value not in triggers.codes:
            yield (
                f"the code {name} is {value}, and the trigger device {triggers.device!r} sends"
                f" {lowest} to {highest} only; choose a value between"
            )


def _too_slow(triggers: Triggers) -> Iterator[str]:
    spacing_s = triggers.pulse_s + triggers.gap_s
    if triggers.wire_s > spacing_s:
        yield (
            f"a code takes {1000 * triggers.wire_s:.3g} ms on its way to the trigger device"
            f" {triggers.device!r}, and the next may follow after {1000 * spacing_s:.3g} ms; make"
            " pulse and gap longer, or the speed of the port higher"
        )
