"""Where things lie: the installation, its protocols, rigs and stimulus sets, and data."""

from pathlib import Path

from task.contract.catalog import MANIFEST, Catalog, read_catalog
from task.contract.errors import StimulusError, UserError
from task.protocol import ProtocolFile

ROOT = Path(__file__).resolve().parent.parent
STIMULI = ROOT / "stimuli"
PROTOCOLS = ROOT / "protocols"
RIGS = PROTOCOLS / "rigs"
RECIPE = STIMULI / "objects.csv"
DATA = ROOT / "data"
DEFAULT_RIG = "no_triggers"


def find_protocol(name: str) -> Path:
    """A protocol by path, or by name among those of the installation."""
    return _find(name, PROTOCOLS, "protocol")


def find_rig(name: str) -> Path:
    """A rig file by path, or by name among those of the installation."""
    return _find(name, RIGS, "rig")


def set_folder(file: ProtocolFile) -> Path:
    """Folder of the set that a protocol names: in the installation, or else beside the file.

    Raises
    ------
    StimulusError
        If it is in neither place.
    """
    name = file.protocol.stimuli
    folders = [STIMULI / name, file.folder / name]
    for folder in folders:
        if (folder / MANIFEST).is_file():
            return folder
    line = file.source.line_of(("stimuli",))
    where = f"{file.source.file}:{line}" if line else str(file.source.file)
    raise StimulusError(
        f"{where}: stimuli: no set {name!r}; looked for {MANIFEST} in"
        f" {' and '.join(str(f) for f in folders)}; `imagery setup` builds the sets that ship"
    )


def catalog_of(file: ProtocolFile) -> Catalog:
    """The set that a protocol names, every picture verified.

    Raises
    ------
    StimulusError
        If it is not there, or not as it was.
    """
    return read_catalog(set_folder(file))


def _find(name: str, folder: Path, what: str) -> Path:
    path = Path(name)
    if path.suffix == ".toml" or path.is_file():
        return path
    shipped = folder / f"{name}.toml"
    if shipped.is_file():
        return shipped
    known = ", ".join(sorted(p.stem for p in folder.glob("*.toml")))
    raise UserError(f"no {what} {name!r}: give the path of a .toml file, or one of {known}")
