"""Protocols, rigs and sets: found by path or by name, or told where they were looked for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from task import places
from task.contract.errors import StimulusError, UserError
from task.protocol import read_protocol


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of two protocols and a rig, and a folder to stand in."""
    for name in ("protocols/rigs", "stimuli", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("screening", "imagery", "rigs/bedside"):
        (tmp_path / "protocols" / f"{name}.toml").touch()
    monkeypatch.setattr(places, "PROTOCOLS", tmp_path / "protocols")
    monkeypatch.setattr(places, "RIGS", tmp_path / "protocols" / "rigs")
    monkeypatch.setattr(places, "STIMULI", tmp_path / "stimuli")
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


def test_a_protocol_is_found_by_its_name(house: Path) -> None:
    assert places.find_protocol("imagery") == house / "protocols" / "imagery.toml"
    assert places.find_rig("bedside") == house / "protocols" / "rigs" / "bedside.toml"


@pytest.mark.parametrize("name", ["own.toml", "absent.toml", "own"])
def test_a_path_goes_before_a_name(name: str, house: Path) -> None:
    Path("own.toml").touch()
    Path("own").touch()
    assert places.find_protocol(name) == Path(name)


@pytest.mark.parametrize(
    ("find", "message"),
    [
        (
            places.find_protocol,
            "no protocol 'demo': give the path of a .toml file, or one of imagery, screening",
        ),
        (places.find_rig, "no rig 'demo': give the path of a .toml file, or one of bedside"),
    ],
)
def test_an_unknown_name_is_told_with_those_that_are_known(
    find: Callable[[str], Path], message: str, house: Path
) -> None:
    with pytest.raises(UserError) as error:
        find("demo")
    assert str(error.value) == message


def test_a_set_lies_in_the_installation_or_beside_the_protocol(
    house: Path, pet_folder: Path
) -> None:
    path = pet_folder.parent / "p.toml"
    path.write_text('name = "x"\nstimuli = "pets"\n[screening]\n')
    file = read_protocol(path)
    assert places.set_folder(file) == pet_folder
    assert list(places.catalog_of(file).pictures)[:2] == ["dog", "cat"]
    installed = house / "stimuli" / "pets"
    pet_folder.rename(installed)
    assert places.set_folder(file) == installed


def test_a_set_that_is_nowhere_is_told_with_where_it_was_sought(house: Path) -> None:
    Path("p.toml").write_text('name = "x"\nstimuli = "pets"\n[screening]\n')
    with pytest.raises(StimulusError) as error:
        places.set_folder(read_protocol(Path("p.toml")))
    assert str(error.value).replace(f"{house}/", "") == (
        "p.toml:2: stimuli: no set 'pets'; looked for manifest.csv in stimuli/pets and"
        " elsewhere/pets; `imagery setup` builds the sets that ship"
    )
