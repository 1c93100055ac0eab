"""Which wheels another computer can use: tags and conditions of computers that are not here."""

import hashlib
import sys
from pathlib import Path

import pytest
from packaging.tags import sys_tags

from task.wheels import SYSTEMS, WheelError, download, fitting, oldest_systems, read_lock, wanted
from tests.task.tiny_wheels import entry, make_wheel, pip_takes_only

ROOT = Path(__file__).parent.parent.parent
MACHINES = {m.name: m for system in SYSTEMS.values() for m in system.machines}
LINUX, WINDOWS = MACHINES["linux-x86_64"], MACHINES["win-amd64"]
DIGEST = "a" * 64
LOCK = f"""\
# a comment
one-and-only==1.5 \\
    --hash=sha256:{DIGEST} \\
    --hash=sha256:{"b" * 64}
    # via nothing
pyglet==1.4.11 ; sys_platform == 'win32' \\
    --hash=sha256:{DIGEST}
pyglet==1.5.27 ; sys_platform != 'win32' \\
    --hash=sha256:{DIGEST}
for-arm==2 ; sys_platform == 'darwin' and platform_machine == 'arm64' \\
    --hash=sha256:{DIGEST}
old==3 ; python_full_version < '3.12' \\
    --hash=sha256:{DIGEST}
"""


@pytest.fixture
def lock(tmp_path):
    file = tmp_path / "requirements.lock"
    file.write_text(LOCK.partition("\n")[2])
    return read_lock(file)


# ---- locks


def test_a_lock_is_read_with_names_versions_and_digests(lock):
    assert [str(package.requirement) for package in lock[:2]] == [
        "one-and-only==1.5",
        'pyglet==1.4.11; sys_platform == "win32"',
    ]
    assert [package.digests for package in lock[:2]] == [{DIGEST, "b" * 64}, {DIGEST}]


@pytest.mark.parametrize(
    ("machine", "python", "names"),
    [
        ("linux-x86_64", "3.11", ["one-and-only==1.5", "pyglet==1.5.27", "old==3"]),
        ("linux-x86_64", "3.12", ["one-and-only==1.5", "pyglet==1.5.27"]),
        ("win-amd64", "3.12", ["one-and-only==1.5", "pyglet==1.4.11"]),
        ("darwin-arm64", "3.12", ["one-and-only==1.5", "pyglet==1.5.27", "for-arm==2"]),
        ("darwin-x86_64", "3.12", ["one-and-only==1.5", "pyglet==1.5.27"]),
    ],
)
def test_conditions_are_asked_of_the_other_computer(lock, machine, python, names):
    chosen = wanted(lock, MACHINES[machine], python)
    assert [f"{p.requirement.name}{p.requirement.specifier}" for p in chosen] == names


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("python", ["3.11", "3.12"])
def test_the_lock_of_the_program_names_each_package_once_for_every_machine(machine, python):
    chosen = wanted(read_lock(ROOT / "requirements.lock"), MACHINES[machine], python)
    names = [package.requirement.name for package in chosen]
    assert len(names) == len(set(names)) > 30
    assert all(package.digests for package in chosen)


# ---- wheels


@pytest.mark.parametrize(
    ("tag", "machine", "python", "oldest"),
    [
        ("py3-none-any", "linux-x86_64", "3.11", ()),
        ("py2.py3-none-any", "win-amd64", "3.12", ()),
        ("py3-none-win_amd64", "win-amd64", "3.12", ()),
        ("cp311-cp311-win_amd64", "win-amd64", "3.11", ()),
        ("cp311-cp311-win_amd64", "win-amd64", "3.12", None),
        ("cp312-cp312-win_amd64", "linux-x86_64", "3.12", None),
        ("cp312-cp312-win32", "win-amd64", "3.12", None),
        ("cp312-cp312-win_arm64", "win-amd64", "3.12", None),
        ("cp37-abi3-win_amd64", "win-amd64", "3.11", ()),
        ("cp313-abi3-win_amd64", "win-amd64", "3.12", None),
        ("cp312-cp312t-win_amd64", "win-amd64", "3.12", None),
        (
            "cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64",
            "linux-x86_64",
            "3.11",
            (2, 27),
        ),
        ("cp311-cp311-manylinux2014_x86_64", "linux-x86_64", "3.11", (2, 17)),
        ("cp311-cp311-manylinux1_x86_64", "linux-x86_64", "3.11", (2, 5)),
        ("cp312-cp312-manylinux_2_35_x86_64", "linux-x86_64", "3.12", (2, 35)),
        ("cp312-cp312-manylinux_2_36_x86_64", "linux-x86_64", "3.12", None),
        ("cp312-cp312-manylinux_2_28_aarch64", "linux-x86_64", "3.12", None),
        ("cp312-cp312-musllinux_1_2_x86_64", "linux-x86_64", "3.12", None),
        ("cp312-cp312-macosx_14_0_arm64", "darwin-arm64", "3.12", (14, 0)),
        ("cp312-cp312-macosx_16_0_arm64", "darwin-arm64", "3.12", None),
        ("cp312-cp312-macosx_10_13_universal2", "darwin-arm64", "3.12", (11, 0)),
        ("cp312-cp312-macosx_10_13_universal2", "darwin-x86_64", "3.12", (10, 13)),
        ("cp312-cp312-macosx_10_6_x86_64", "darwin-x86_64", "3.12", (10, 9)),
        ("cp312-cp312-macosx_10_13_x86_64", "darwin-arm64", "3.12", None),
    ],
)
def test_a_wheel_fits_where_its_tag_says(lock, tag, machine, python, oldest):
    wheels = {f"one_and_only-1.5-{tag}.whl": DIGEST}
    found = list(fitting(lock[0], wheels, MACHINES[machine], python))
    assert found == ([] if oldest is None else [oldest])


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("one_and_only-1.4-py3-none-any.whl", DIGEST),
        ("another-1.5-py3-none-any.whl", DIGEST),
        ("one_and_only-1.5-py3-none-any.whl", "c" * 64),
    ],
)
def test_another_version_package_or_digest_does_not_fit(lock, name, digest):
    assert not list(fitting(lock[0], {name: digest}, LINUX, "3.12"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the tags of this Linux")
def test_what_fits_this_computer_fits_a_computer_of_its_kind(lock):
    python = "{}.{}".format(*sys.version_info)
    here = [tag for tag in sys_tags() if tag.platform in LINUX.platforms]
    assert here
    for tag in here:
        assert list(fitting(lock[0], {f"one_and_only-1.5-{tag}.whl": DIGEST}, LINUX, python)), tag


def test_the_oldest_system_is_what_the_most_demanding_package_asks_for(lock):
    wheels = {
        "one_and_only-1.5-cp311-cp311-manylinux_2_28_x86_64.whl": DIGEST,
        "one_and_only-1.5-cp311-cp311-manylinux_2_17_x86_64.whl": "b" * 64,
        "one_and_only-1.5-cp312-cp312-manylinux_2_12_x86_64.whl": DIGEST,
        "pyglet-1.5.27-py3-none-any.whl": DIGEST,
        "old-3-py3-none-any.whl": DIGEST,
    }
    assert oldest_systems(lock, wheels, SYSTEMS["linux"], ["3.11", "3.12"]) == {
        "linux-x86_64": (2, 17)
    }


def test_all_that_is_lacking_is_said(lock):
    wheels = {"pyglet-1.4.11-py3-none-any.whl": DIGEST, "old-3-cp311-cp311-win32.whl": DIGEST}
    with pytest.raises(WheelError) as error:
        oldest_systems(lock, wheels, SYSTEMS["win"], ["3.11", "3.12"])
    assert str(error.value) == (
        "no wheel of one-and-only for win-amd64 and Python 3.11\n"
        "no wheel of old for win-amd64 and Python 3.11\n"
        "no wheel of one-and-only for win-amd64 and Python 3.12"
    )


# ---- downloads


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip takes for its only source."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name, value in pip_takes_only(folder).items():
        monkeypatch.setenv(name, value)
    return folder


def test_pip_fetches_what_the_other_computer_needs_the_least_demanding_first(index, tmp_path):
    make_wheel(index, "win_only", tag="py3-none-win_amd64")
    here = make_wheel(index, "here_only")
    old = make_wheel(index, "both", tag="cp311-cp311-macosx_11_0_arm64")
    new = make_wheel(index, "both", tag="cp311-cp311-macosx_14_0_arm64", content="VALUE = 2\n")
    file = tmp_path / "requirements.lock"
    digest = hashlib.sha256(new.read_bytes()).hexdigest()
    file.write_text(
        entry(index / "win_only-1.0-py3-none-win_amd64.whl", " ; sys_platform == 'win32'")
        + entry(here, " ; sys_platform != 'win32'")
        + entry(old).rstrip()
        + f" \\\n    --hash=sha256:{digest}\n"
    )
    place = tmp_path / "wheels"
    download(read_lock(file), MACHINES["darwin-arm64"], "3.11", place)
    assert {wheel.name for wheel in place.iterdir()} == {here.name, old.name}


def test_a_package_that_cannot_be_had_is_said_with_the_words_of_pip(index, tmp_path):
    file = tmp_path / "requirements.lock"
    file.write_text(entry(make_wheel(index, "linux_only", tag="py3-none-manylinux1_x86_64")))
    with pytest.raises(WheelError) as error:
        download(read_lock(file), WINDOWS, "3.12", tmp_path / "wheels")
    first, *_, last = str(error.value).splitlines()
    assert first == (
        "the packages for win-amd64 and Python 3.12 could not be fetched; check the network and "
        "the space on the disk. pip says:"
    )
    assert "linux_only==1.0" in last.replace("-", "_")
