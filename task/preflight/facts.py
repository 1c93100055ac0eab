"""What can be known of the machine that shows, before a session.  None: it cannot be known here.

Facts only; `task.preflight.checks` judges them, `task.rigs.machine` finds them out.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Screens:
    """The rig's screen among the others.

    Attributes
    ----------
    primary : whether it is the primary one
    mirrored : whether two screens show the same
    """

    primary: bool | None = None
    mirrored: bool | None = None


@dataclass(frozen=True, slots=True)
class SerialDevice:
    """The trigger box as the operating system sees it.

    Attributes
    ----------
    name : its own name, for example "/dev/ttyUSB0"; None where the port is no device here
    plugged_in : every serial port of this machine, with what is known of it
    usb_id : vendor and product, for example "0403:6001"
    allowed : whether this user may read and write it
    group : who else may
    users : other programs that have it open, as far as this user may see
    latency_ms : of its FTDI chip, 0 where it has none
    modem_manager : whether ModemManager is running
    ignored : whether ModemManager was told to leave it alone
    """

    name: str | None = None
    plugged_in: tuple[str, ...] | None = None
    usb_id: str | None = None
    allowed: bool | None = None
    group: str | None = None
    users: tuple[str, ...] | None = None
    latency_ms: int | None = None
    modem_manager: bool | None = None
    ignored: bool | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """Where sessions will lie.

    Attributes
    ----------
    folder : the data folder
    free_bytes : room on its disk
    fsync_s : time that a line takes to reach it, median of a few
    error : why nothing can be written there, if so
    filesystem : its type, for example "ext4" or "nfs"
    remote : whether it lies on another machine
    volatile : whether it is gone when the machine is switched off
    synchronised : the service that copies it elsewhere, "" for none known
    """

    folder: str
    free_bytes: int | None = None
    fsync_s: float | None = None
    error: str = ""
    filesystem: str | None = None
    remote: bool | None = None
    volatile: bool | None = None
    synchronised: str = ""


@dataclass(frozen=True, slots=True)
class Power:
    """Whether it may run out; `percent` is None without a battery."""

    plugged: bool | None = None
    percent: float | None = None


@dataclass(frozen=True, slots=True)
class Clock:
    """What wall time is worth, and how fine the clock ticks that times are taken from."""

    now: datetime
    synchronised: bool | None
    tick_s: float


@dataclass(frozen=True, slots=True)
class Machine:
    """All of it.

    Attributes
    ----------
    system : "Linux", "Windows" or "Darwin"
    held : what keeps the machine awake while a session runs
    blanking : settings that may switch the screen off or lock it, in words
    banners : whether notifications appear on the screen
    load : share of the processors that others use, 0 to 1
    memory_bytes : free for programs
    painters : other programs that draw with the graphics card
    """

    system: str
    screens: Screens
    port: SerialDevice
    disk: Disk
    power: Power | None
    clock: Clock
    held: tuple[str, ...] = ()
    blanking: tuple[str, ...] = ()
    banners: bool | None = None
    load: float | None = None
    memory_bytes: int | None = None
    painters: tuple[str, ...] | None = None
