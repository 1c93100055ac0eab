"""What the tests of the task share: a small set of pictures, protocols and plans made from text."""

import hashlib
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from task import cli
from task.contract.catalog import Catalog, Picture, write_manifest
from task.contract.errors import FileError
from task.contract.sessionlog import read_log
from task.contract.settings import Settings, parse
from task.logwriter import LogWriter
from task.plan import Plan
from task.planning import make_plan, plan_file
from task.present import present
from task.protocol import Protocol, read_protocol
from task.rig import Rig
from tests.task.staged import SESSION, Present, Shown, header_of

HEADER = 'schema = 1\nname = "x"\nstimuli = "pets"\n'
PETS = {
    "animal": ("dog", "cat", "cow", "owl"),
    "plant": ("rose", "oak", "fern", "moss"),
    "thing": ("cup", "hat", "key", "pen"),
}
SPANISH = {
    "dog": "perro",
    "cat": "gato",
    "cow": "vaca",
    "owl": "búho",
    "cup": "taza",
    "hat": "gorro",
}


@pytest.fixture(scope="session")
def pets() -> Catalog:
    """Twelve pictures of three groups, without files."""
    pictures = {}
    for group, ids in PETS.items():
        for id_ in ids:
            names = {"en": id_} | ({"es": SPANISH[id_]} if id_ in SPANISH else {})
            pictures[id_] = Picture(id_, Path(f"{id_}.png"), "0", group, names)
    return Catalog("pets", pictures, "0")


@pytest.fixture(scope="session")
def protocol() -> Callable[[str], Protocol]:
    """A protocol of the pets from the text of its file, name and set left out."""

    def made(text: str) -> Protocol:
        return parse(Settings(Path("p.toml"), tomllib.loads(HEADER + text), {}), Protocol)

    return made


@pytest.fixture(scope="session")
def plan_of(pets: Catalog, protocol: Callable[[str], Protocol]) -> Callable[..., Plan]:
    """The plan of such a text, for a display of 60 Hz if not said."""

    def made(
        text: str, *, seed: int = 1, refresh_hz: float = 60.0, spacing_frames: int = 2
    ) -> Plan:
        return make_plan(
            protocol(text), pets, seed=seed, refresh_hz=refresh_hz, spacing_frames=spacing_frames
        )

    return made


@pytest.fixture
def faults_of(tmp_path: Path, pets: Catalog) -> Callable[..., list[str]]:
    """What a user reads of such a text: the message's lines, without the folder."""

    def said(text: str, *, refresh_hz: float = 60.0, spacing_frames: int = 2) -> list[str]:
        path = tmp_path / "p.toml"
        path.write_text(HEADER + text, encoding="utf-8")
        with pytest.raises(FileError) as error:
            plan_file(
                read_protocol(path),
                pets,
                seed=1,
                refresh_hz=refresh_hz,
                spacing_frames=spacing_frames,
            )
        return str(error.value).replace(f"{tmp_path}/", "").splitlines()

    return said


@pytest.fixture
def pet_folder(tmp_path: Path, pets: Catalog) -> Path:
    """A folder with the set `pets` in it, every picture a grey square with a darker corner."""
    folder = tmp_path / "pets"
    (folder / "images").mkdir(parents=True)
    rows = []
    for number, picture in enumerate(pets.pictures.values()):
        file = folder / "images" / f"{picture.id}.png"
        image = Image.new("L", (60, 60), 128)
        image.paste(10 * number, (0, 0, 20 + number, 20))
        image.save(file)
        names = {"name": picture.names["en"], "name_es": picture.names.get("es", "")}
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        about = {"id": picture.id, "file": f"images/{picture.id}.png", "sha256": digest}
        rows.append(about | {"group": picture.group} | names)
    write_manifest(folder, rows)
    return folder


logs = iter(range(10**9))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where sessions are logged."""
    return tmp_path_factory.mktemp("sessions")


@pytest.fixture(scope="module")
def shown(folder: Path) -> Present:
    """Present a plan on a rig; everything about it afterwards."""

    def presented(plan: Plan, rig: Rig, **how: Any) -> Shown:
        path = folder / f"{next(logs)}.jsonl"
        ending, error = "raised", None
        try:
            ending = present(plan, rig, LogWriter(path, header_of(plan)), SESSION, **how)
        except RuntimeError as raised:
            error = raised
        port: Any = rig.port
        found = Shown(ending, read_log(path), port.edges)
        path.unlink()
        if error:
            error.shown = found  # type: ignore[attr-defined]
            raise error
        return found

    return presented


# Commands ----------------------------------------------------------------------------------------

TINY = """schema = 1
name = "tiny"
stimuli = "pets"
[pictures]
ids = ["dog", "cat", "owl"]
[screening]
repeats = 1
image_s = 0.25
blank_s = 0.15
break_s = 0
[texts]
text_s = 0
"""


class Said(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


Imagery = Callable[..., Said]


@pytest.fixture
def imagery(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pet_folder: Path
) -> Imagery:
    """Run a command in the folder that holds the pets; messages without that folder."""
    monkeypatch.chdir(pet_folder.parent)

    def run(*arguments: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["imagery", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        code = ended.value.code or 0
        assert isinstance(code, int)
        return Said(code, said.out, said.err.replace(f"{pet_folder.parent}/", ""))

    return run


@pytest.fixture
def tiny(pet_folder: Path) -> Path:
    """A short screening of the pets, beside them."""
    path = pet_folder.parent / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    return path
