"""The plan of a protocol on a rig; what rig, display or fonts here cannot do is refused."""

from task.contract.catalog import Catalog
from task.contract.errors import FileError, UserError
from task.plan import PictureItem, Plan
from task.planning import USUAL_REFRESH_HZ, plan_file
from task.protocol import ProtocolFile
from task.rig import Display, spacing_frames
from task.rigfile import RigFile
from task.room import room_of, room_said
from task.triggers import unsendable

_WIDE_SCREEN = 9 / 16
_FOR_PICTURES = 0.9  # of the display's memory; the rest is for words


def plan_on(
    file: ProtocolFile,
    catalog: Catalog,
    rig: RigFile,
    refresh_hz: float,
    seed: int,
    display: Display | None = None,
    *,
    fonts: bool = True,
) -> Plan:
    """The plan, in blocks that fit the display if there is one.

    Raises
    ------
    UserError
        If the rig cannot send a code, a sound is not there, or no font here has a character (that
        only if `fonts`).
    """
    from task.fonts import undrawable

    made = plan_file(
        file,
        catalog,
        seed=seed,
        refresh_hz=refresh_hz,
        spacing_frames=spacing_frames(rig.triggers.pulse_s, rig.triggers.gap_s, refresh_hz),
        at_once=_pictures_at_once(file, catalog, display) if display else None,
        announced=rig.triggers.announces,
        room_deg=_room_deg(rig, display),
    )
    _check_sounds(file)
    sent = dict(made.codes)
    if made.announced:
        sent["of payload"] = 255
    if cannot := unsendable(rig.triggers, sent):
        raise UserError("\n".join(f"rig {rig.name}: {what}" for what in cannot))
    texts = made.texts if fonts else ()
    strange = {text: missing for text in texts if (missing := undrawable(text))}
    if strange:
        said = (f"{text!r}: no font here has {missing}" for text, missing in strange.items())
        raise UserError("\n".join(f"{file.source.file}: {line}; use other words" for line in said))
    return made


def _room_deg(rig: RigFile, display: Display | None) -> tuple[float, float]:
    """The screen's size; before it is opened, that of a wide screen as the rig file has it."""
    room = (room_of(display) if display else None) or room_said(rig.screen)
    return room.width_deg, room.height_deg or room.width_deg * _WIDE_SCREEN


def _check_sounds(file: ProtocolFile) -> None:
    """Refuse sound files that are not there."""
    sounds = file.protocol.imagery.sounds if file.protocol.imagery else {}
    absent = {item: name for item, name in sounds.items() if not (file.folder / name).is_file()}
    if absent:
        faults = (
            file.source.fault(("imagery", "sounds", item), f"no file {name!r} in {file.folder}")
            for item, name in absent.items()
        )
        raise FileError(sorted(faults, key=lambda fault: fault.line or 0))


def _pictures_at_once(file: ProtocolFile, catalog: Catalog, display: Display) -> int:
    """How many pictures the display can hold ready, beside the words of a block."""
    width = file.protocol.look.picture_deg
    largest = max(display.texture_bytes(PictureItem(i, width)) for i in catalog.pictures)
    return max(1, int(_FOR_PICTURES * display.texture_mb * 1e6 / max(1, largest)))


def plans_on(
    file: ProtocolFile, catalog: Catalog, rig: RigFile, refresh_hz: float | None = None
) -> dict[float, Plan | FileError]:
    """The plan at the rate that is said, or at every usual one; where there is none, why.

    Raises
    ------
    FileError
        If there is none at all.
    """
    said = refresh_hz or rig.screen.refresh_hz
    plans: dict[float, Plan | FileError] = {}
    for hz in (said,) if said else USUAL_REFRESH_HZ:
        try:
            plans[hz] = plan_on(file, catalog, rig, hz, 0)
        except FileError as error:
            plans[hz] = error
    faults = [found for found in plans.values() if isinstance(found, FileError)]
    if len(faults) == len(plans):
        raise faults[0]
    return plans
