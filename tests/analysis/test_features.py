import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis.features import embed, picture_features, read_features
from task.contract.errors import AnalysisError


def save(path: Path, pixels, mode=None) -> Path:
    Image.fromarray(np.asarray(pixels, np.uint8), mode).save(path)
    return path


def noise(seed, shape=(40, 30, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape)


def grating(direction_deg, cycles=8):
    """Luminance of amplitude 0.5 that varies along a direction, counter-clockwise from right."""
    y, x = np.mgrid[:256, :256] / 256
    angle = np.radians(direction_deg)
    phase = 2 * np.pi * cycles * (x * np.cos(angle) - y * np.sin(angle))
    return np.repeat((127.5 + 127.5 * np.sin(phase)).round()[:, :, None], 3, axis=2).astype(
        np.uint8
    )


def test_bars_of_8_cycles_give_their_amplitude_at_that_scale_and_direction():
    energy = picture_features(grating(0))[:512].reshape(4, 8, 16).mean(axis=2)
    assert energy[1, 0] == pytest.approx(0.5, abs=0.002)
    assert np.unravel_index(energy.argmax(), energy.shape) == (1, 0)


@pytest.mark.parametrize(("direction", "place"), [(45, 2), (90, 4), (135, 6)])
def test_directions_are_counted_counter_clockwise_with_the_picture_upright(direction, place):
    energy = picture_features(grating(direction))[:512].reshape(4, 8, 16).mean(axis=2)
    assert energy[1].argmax() == place


def test_energy_lies_in_the_cell_that_shows_the_bars():
    picture = np.full((256, 256, 3), 128, np.uint8)
    picture[64:128, 192:] = grating(0, 16)[64:128, 192:]  # second row, last column
    energy = picture_features(picture)[:512].reshape(4, 8, 4, 4)
    assert np.unravel_index(energy[2, 0].argmax(), (4, 4)) == (1, 3)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [  # values of CIE L*a*b* (D65) as tabulated for sRGB primaries
        ((255, 255, 255), (100.0, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
    ],
)
def test_colours_are_cie_lab(rgb, lab):
    colour = picture_features(np.full((256, 256, 3), rgb, np.uint8))[512:].reshape(3, 16)
    assert colour.mean(axis=1) == pytest.approx(lab, abs=0.02)
    assert np.ptp(colour, axis=1).max() < 1e-3


def test_rows_are_labelled_by_picture_in_the_order_given(tmp_path):
    files = {name: save(tmp_path / f"{name}.png", noise(n)) for n, name in enumerate("cab")}
    table = embed(files)
    assert table.index.tolist() == ["c", "a", "b"]
    assert table.shape == (3, 560)
    assert table.columns.is_unique
    pd.testing.assert_frame_equal(embed({"b": files["b"]}), table.loc[["b"]])


def test_a_grey_file_is_the_same_picture_as_its_colour_copy(tmp_path):
    grey = noise(3, (64, 64))
    files = {
        "grey": save(tmp_path / "grey.png", grey),
        "colour": save(tmp_path / "colour.png", np.repeat(grey[:, :, None], 3, axis=2)),
    }
    table = embed(files)
    assert np.array_equal(table.loc["grey"], table.loc["colour"])


def test_progress_is_told_picture_by_picture(tmp_path):
    files = {name: save(tmp_path / f"{name}.png", noise(1)) for name in "ab"}
    told = []
    embed(files, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_no_picture_gives_an_empty_table():
    assert embed({}).shape == (0, 560)


def test_all_files_that_are_no_plain_pictures_are_named_at_once(tmp_path):
    text, deep, clear = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.png"
    text.write_text("no picture")
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(deep)
    Image.new("RGBA", (4, 4), (1, 2, 3, 254)).save(clear)
    with pytest.raises(AnalysisError) as refused:
        embed({"a": text, "b": deep, "c": clear})
    lines = str(refused.value).splitlines()
    assert lines[0].startswith(f"{text}: cannot be read as a picture: ")
    assert lines[1:] == [
        f"{deep}: has pixels of type I;16; save it with 8 bits per channel",
        f"{clear}: is partly transparent; save it on the background that is shown",
    ]


def test_an_opaque_picture_with_an_alpha_channel_is_read(tmp_path):
    pixels = noise(5)
    opaque = np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 255)], axis=2)
    table = embed({"a": save(tmp_path / "a.png", pixels), "b": save(tmp_path / "b.png", opaque)})
    assert np.array_equal(table.loc["a"], table.loc["b"])


@pytest.mark.parametrize("session", ["201025", "210325"])
def test_features_of_real_photographs_are_reproduced(shared_data, tmp_path, session):
    folder = shared_data("object_sessions_v4")
    with zipfile.ZipFile(folder / f"images_{session}.zip") as pictures:
        names = pictures.namelist()[::25]
        pictures.extractall(tmp_path, names)
    table = embed({Path(name).name: tmp_path / name for name in names})
    known = np.load(folder / f"features_{session}.npz")
    expected = pd.DataFrame(known["features"], known["image_file"]).loc[table.index]
    assert len(table) >= 20
    np.testing.assert_allclose(table, expected, rtol=1e-5, atol=1e-6)


# --- features of other networks -------------------------------------------------------------


FEATURES = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
IDS = ["dog", "0012"]


def test_an_npz_names_its_pictures(tmp_path):
    np.savez(tmp_path / "fc6.npz", features=FEATURES, ids=IDS)
    table = read_features(tmp_path / "fc6.npz")
    assert table.index.tolist() == IDS
    assert np.array_equal(table, FEATURES)


def test_an_npy_takes_its_ids_from_the_file_beside_it(tmp_path):
    np.save(tmp_path / "fc6.npy", FEATURES)
    (tmp_path / "fc6.ids.txt").write_text("dog\n0012\n")
    assert read_features(tmp_path / "fc6.npy").index.tolist() == IDS


def test_an_npy_takes_ids_given_with_it(tmp_path):
    np.save(tmp_path / "fc6.npy", FEATURES)
    assert read_features(tmp_path / "fc6.npy", ids=IDS).index.tolist() == IDS


def test_ids_of_a_csv_stay_text(tmp_path):
    (tmp_path / "fc6.csv").write_text("id,f1,f2\n0012,1,2.5\nNA,3,4\n")
    table = read_features(tmp_path / "fc6.csv")
    assert table.index.tolist() == ["0012", "NA"]
    assert table.to_numpy().tolist() == [[1.0, 2.5], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        (
            {"features": FEATURES, "ids": ["a", "a"]},
            "more than one row for 'a'",
        ),
        (
            {"features": [[1, np.nan], [1, 2]], "ids": IDS},
            "missing or infinite numbers for 'dog'",
        ),
        ({"features": FEATURES, "ids": ["a"]}, "2 rows of features, but 1 ids"),
        (
            {"features": FEATURES, "ids": [1, 2]},
            "every id must be text and not empty, as in the stimulus set",
        ),
        (
            {"features": FEATURES[0], "ids": IDS},
            "the features are float64 of shape (3,); needed are numbers,"
            " one row per picture and one column per feature",
        ),
        ({"fc6": FEATURES, "names": IDS}, "has no array 'features'; it holds 'fc6', 'names'"),
        (
            {"features": FEATURES},
            "does not name its pictures; put one id per line, in the order of the rows,"
            " into fc6.ids.txt beside it",
        ),
    ],
)
def test_a_faulty_npz_is_refused_in_one_sentence(tmp_path, arrays, said):
    np.savez(tmp_path / "fc6.npz", **arrays)
    with pytest.raises(AnalysisError) as refused:
        read_features(tmp_path / "fc6.npz")
    assert str(refused.value) == f"{tmp_path / 'fc6.npz'}: {said}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,f1\ndog,1\n", "has no column 'id'; it has name, f1"),
        ("id,f1\ndog,one\n", "column 'f1' holds something that is no number"),
        ("id,f1\ndog,\n", "column 'f1' holds something that is no number"),
        ("", "is not a readable .csv file: No columns to parse from file"),
    ],
)
def test_a_faulty_csv_is_refused_in_one_sentence(tmp_path, text, said):
    (tmp_path / "fc6.csv").write_text(text)
    with pytest.raises(AnalysisError) as refused:
        read_features(tmp_path / "fc6.csv")
    assert str(refused.value) == f"{tmp_path / 'fc6.csv'}: {said}"


def test_ids_are_not_taken_twice(tmp_path):
    np.savez(tmp_path / "fc6.npz", features=FEATURES, ids=IDS)
    with pytest.raises(AnalysisError, match="names its pictures itself; leave out the ids given"):
        read_features(tmp_path / "fc6.npz", ids=IDS)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(AnalysisError, match=r"x\.npy: cannot be read: No such file"):
        read_features(tmp_path / "x.npy")
    with pytest.raises(AnalysisError, match=r"features are read from \.npz, \.npy or \.csv files"):
        read_features(tmp_path / "x.h5")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(AnalysisError, match=r"broken\.npz: is not a readable \.npz file"):
        read_features(tmp_path / "broken.npz")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(AnalysisError, match=r"objects\.npy: is not a readable \.npy file"):
        read_features(tmp_path / "objects.npy", ids=["a"])
