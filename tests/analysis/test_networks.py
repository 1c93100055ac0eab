"""Features by a network in an ONNX file: its node, its input, what is kept, what is refused."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from analysis.networks import check_pictures, network_features, read_network
from analysis.pipeline import pictures_of
from analysis.space import object_space
from analysis.study import Study, StudyFile
from task.contract.catalog import Catalog, Picture, read_catalog, write_manifest
from task.contract.errors import AnalysisError, FileError
from task.contract.settings import Settings

SIDE = 8
SETTINGS = f"""name = "tiny"
file = "tiny.onnx"
node = "fc"
side_px = {SIDE}
channels = "rgb"
largest = 255
mean = [1.0, 2.0, 3.0]
sd = [1.0, 2.0, 4.0]
"""


def weights(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(3 * SIDE * SIDE, 5)).astype(np.float32)


def write_network(
    path: Path, *, last: bool = False, batch: int | str = "n", side: int = SIDE
) -> None:
    """A layer `fc`, and a ReLU after it; colours first or last."""
    shape = [batch, side, side, 3] if last else [batch, 3, side, side]
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"], name="flatten"),
        helper.make_node("MatMul", ["flat", "w"], ["fc_out"], name="fc"),
        helper.make_node("Relu", ["fc_out"], ["relu_out"], name="relu"),
    ]
    values = weights() if side == SIDE else np.ones((3 * side * side, 5), np.float32)
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("relu_out", TensorProto.FLOAT, [batch, 5])],
        [numpy_helper.from_array(values, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path))


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Twenty pictures of coloured noise; the first is grey."""
    rng = np.random.default_rng(2)
    pictures = {}
    for n in range(20):
        file = tmp_path / f"p{n}.png"
        values = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(values if n else np.repeat(values[..., :1], 3, axis=2)).save(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        pictures[f"p{n}"] = Picture(f"p{n}", file, digest, "noise", {"en": f"p{n}"})
    return Catalog("noise", pictures, "0")


def settings(tmp_path: Path, text: str = SETTINGS, **network: object) -> Path:
    write_network(tmp_path / "tiny.onnx", **network)  # type: ignore[arg-type]
    path = tmp_path / "tiny.toml"
    path.write_text(text)
    return path


def by_hand(catalog: Catalog, bgr: bool = False) -> np.ndarray:
    """The layer's values, computed with NumPy alone."""
    rows = []
    for picture in catalog.pictures.values():
        with Image.open(picture.path) as image:
            pixels = np.asarray(image, float)
        pixels = pixels[..., ::-1] if bgr else pixels
        scaled = (pixels - [1.0, 2.0, 3.0]) / [1.0, 2.0, 4.0]
        rows.append(scaled.transpose(2, 0, 1).ravel() @ weights())
    return np.array(rows)


@pytest.mark.parametrize("node", ["fc", "fc_out"])
def test_features_are_the_values_of_the_node_before_the_relu(
    node: str, tmp_path: Path, catalog: Catalog
) -> None:
    file = read_network(settings(tmp_path, SETTINGS.replace('"fc"', f'"{node}"')))
    found = network_features(file, catalog, tmp_path / "kept.npz")
    assert found.index.tolist() == list(catalog.pictures)
    np.testing.assert_allclose(found, by_hand(catalog), rtol=1e-4, atol=1e-2)
    assert (found.to_numpy() < 0).any()


def test_the_last_layer_is_rectified_where_it_is_asked_for(
    tmp_path: Path, catalog: Catalog
) -> None:
    file = read_network(settings(tmp_path, SETTINGS.replace('"fc"', '"relu"')))
    found = network_features(file, catalog, tmp_path / "kept.npz")
    np.testing.assert_allclose(found, by_hand(catalog).clip(0), rtol=1e-4, atol=1e-2)


def test_channels_may_come_in_the_other_order(tmp_path: Path, catalog: Catalog) -> None:
    file = read_network(settings(tmp_path, SETTINGS.replace('"rgb"', '"bgr"')))
    found = network_features(file, catalog, tmp_path / "kept.npz")
    np.testing.assert_allclose(found, by_hand(catalog, bgr=True), rtol=1e-4, atol=1e-2)


def test_colours_may_come_last_in_the_networks_input(tmp_path: Path, catalog: Catalog) -> None:
    file = read_network(settings(tmp_path, last=True))
    found = network_features(file, catalog, tmp_path / "kept.npz")
    with Image.open(catalog.pictures["p3"].path) as image:
        pixels = (np.asarray(image, float) - [1.0, 2.0, 3.0]) / [1.0, 2.0, 4.0]
    np.testing.assert_allclose(found.loc["p3"], pixels.ravel() @ weights(), rtol=1e-4, atol=1e-2)


def test_a_network_may_take_one_picture_at_a_time(tmp_path: Path, catalog: Catalog) -> None:
    file = read_network(settings(tmp_path, batch=1))
    found = network_features(file, catalog, tmp_path / "kept.npz")
    np.testing.assert_allclose(found, by_hand(catalog), rtol=1e-4, atol=1e-2)


def test_grey_is_the_same_in_all_channels(tmp_path: Path, catalog: Catalog) -> None:
    plain = read_network(settings(tmp_path))
    grey = replace(plain, network=plain.network.model_copy(update={"grey": True, "name": "grey"}))
    colour = network_features(plain, catalog, tmp_path / "a.npz")
    found = network_features(grey, catalog, tmp_path / "b.npz")
    np.testing.assert_allclose(found.loc["p0"], colour.loc["p0"], atol=1e-3)
    assert not np.allclose(found.loc["p1"], colour.loc["p1"], atol=1.0)


def test_pictures_are_made_as_large_as_the_network_takes_them(
    tmp_path: Path, catalog: Catalog
) -> None:
    big = tmp_path / "big.png"
    Image.new("RGB", (400, 400), (10, 20, 30)).save(big)
    one = Catalog("one", {"big": Picture("big", big, "0", "x", {"en": "big"})}, "0")
    found = network_features(read_network(settings(tmp_path)), one, tmp_path / "kept.npz")
    flat = np.repeat((np.array([10.0, 20.0, 30.0]) - [1, 2, 3]) / [1, 2, 4], SIDE * SIDE)
    np.testing.assert_allclose(found.loc["big"], flat @ weights(), rtol=1e-4)


# What is kept ------------------------------------------------------------------------------------


def test_features_are_made_once_and_again_when_anything_changes(
    tmp_path: Path, catalog: Catalog
) -> None:
    path, kept = settings(tmp_path), tmp_path / "features" / "kept.npz"
    calls: list[int] = []

    def made() -> None:
        network_features(read_network(path), catalog, kept, lambda done, total: calls.append(done))

    def other_picture() -> None:
        other = replace(catalog.pictures["p0"], sha256="f" * 64)
        catalog.pictures.update(p0=other)  # type: ignore[attr-defined]

    made()
    assert calls[-1] == 20
    for change in (
        lambda: path.write_text(SETTINGS.replace("3.0]", "3.5]")),
        lambda: write_network(tmp_path / "tiny.onnx", last=True),
        other_picture,
    ):
        calls.clear()
        made()
        assert calls == []
        change()
        made()
        assert calls[-1] == 20
    with np.load(kept) as arrays:
        about = json.loads(str(arrays["about"]))
        assert about["node"] == "fc" and about["mean"] == [1.0, 2.0, 3.5]
        assert (
            about["network_sha256"]
            == hashlib.sha256((tmp_path / "tiny.onnx").read_bytes()).hexdigest()
        )


def test_features_of_other_pictures_are_refused_by_name(tmp_path: Path, catalog: Catalog) -> None:
    kept = tmp_path / "kept.npz"
    network_features(read_network(settings(tmp_path)), catalog, kept)
    check_pictures(kept, catalog)
    changed = {**catalog.pictures, "p4": replace(catalog.pictures["p4"], sha256="e" * 64)}
    with pytest.raises(AnalysisError) as refused:
        check_pictures(kept, replace(catalog, pictures=changed))
    assert str(refused.value) == (
        f"{kept}: made of other pictures than set 'noise' has: 'p4'; make the features again"
    )


def test_features_make_an_object_space(tmp_path: Path, catalog: Catalog) -> None:
    found = network_features(read_network(settings(tmp_path)), catalog, tmp_path / "kept.npz")
    assert object_space(found, 3).coordinates.shape == (20, 3)


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"fc"', '"fcc"', "tiny.toml:3: node: no node 'fcc' in the file (did you mean 'fc'?)"),
        (
            '"fc"',
            '"zzz"',
            "tiny.toml:3: node: no node 'zzz' in the file; the last are 'flatten', 'fc', 'relu'",
        ),
        (
            f"side_px = {SIDE}",
            "side_px = 9",
            "tiny.toml:4: side_px: side_px = 9 makes inputs of 3 x 9 x 9, the network takes"
            " ['n', 3, 8, 8]",
        ),
    ],
)
def test_what_the_network_does_not_have_is_told_with_its_line(
    old: str, new: str, message: str, tmp_path: Path, catalog: Catalog
) -> None:
    file = read_network(settings(tmp_path, SETTINGS.replace(old, new)))
    with pytest.raises(AnalysisError) as refused:
        network_features(file, catalog, tmp_path / "kept.npz")
    assert str(refused.value).replace(f"{tmp_path}/", "") == message
    assert not (tmp_path / "kept.npz").exists()


def test_every_fault_of_the_settings_is_told(tmp_path: Path) -> None:
    text = SETTINGS.replace("sd = [1.0,", "sd = [0.0,").replace("tiny.onnx", "none.onnx")
    with pytest.raises(FileError) as refused:
        read_network(settings(tmp_path, text))
    assert str(refused.value).replace(f"{tmp_path}/", "").splitlines() == [
        "tiny.toml:8: sd: each should be greater than 0",
        "tiny.toml:2: file: no file none.onnx",
    ]


def test_a_file_that_is_no_network_is_one_sentence(tmp_path: Path, catalog: Catalog) -> None:
    path = settings(tmp_path)
    (tmp_path / "tiny.onnx").write_bytes(b"\xff\xd8 no network at all" * 9)
    with pytest.raises(AnalysisError, match="cannot be read as an ONNX network"):
        network_features(read_network(path), catalog, tmp_path / "kept.npz")


def test_a_network_of_so_many_pictures_is_refused(tmp_path: Path, catalog: Catalog) -> None:
    with pytest.raises(AnalysisError, match="does not take these pictures"):
        network_features(read_network(settings(tmp_path, batch=3)), catalog, tmp_path / "k.npz")


def test_a_picture_that_is_not_square_is_refused(tmp_path: Path) -> None:
    wide = tmp_path / "wide.png"
    Image.new("RGB", (20, 10)).save(wide)
    one = Catalog("one", {"wide": Picture("wide", wide, "0", "x", {"en": "wide"})}, "0")
    with pytest.raises(AnalysisError) as refused:
        network_features(read_network(settings(tmp_path)), one, tmp_path / "kept.npz")
    assert str(refused.value) == f"{wide}: is 20 x 10; networks take squares"


# In a study --------------------------------------------------------------------------------------


def study(tmp_path: Path, stimuli: Path) -> StudyFile:
    values = {
        "name": "x",
        "session": [{"log": "morning", "recording": "morning"}],
        "stimuli": str(stimuli),
        "features": {"file": str(tmp_path / "kept.npz")},
    }
    return StudyFile(
        Settings(tmp_path / "study.toml", values, {}), Study.model_validate_json(json.dumps(values))
    )


def test_a_study_takes_features_of_a_network_and_groups_of_the_set(
    tmp_path: Path, pet_set: Path
) -> None:
    catalog = read_catalog(pet_set)
    made = network_features(read_network(settings(tmp_path)), catalog, tmp_path / "kept.npz")
    found = pictures_of(study(tmp_path, pet_set))
    np.testing.assert_array_equal(found.features, made)
    assert found.categories is not None
    assert found.categories.to_dict() == {i: p.group for i, p in catalog.pictures.items()}


def test_a_study_refuses_features_of_other_pictures(tmp_path: Path, pet_set: Path) -> None:
    network_features(read_network(settings(tmp_path)), read_catalog(pet_set), tmp_path / "kept.npz")
    cat = pet_set / "images" / "cat.png"
    Image.new("L", (9, 9), 3).save(cat)
    manifest = pet_set / "manifest.csv"
    rows = pd.read_csv(manifest, keep_default_na=False)
    rows.loc[rows["id"] == "cat", "sha256"] = hashlib.sha256(cat.read_bytes()).hexdigest()
    rows.to_csv(manifest, index=False)
    with pytest.raises(AnalysisError, match="made of other pictures than set 'set' has: 'cat'"):
        pictures_of(study(tmp_path, pet_set))


@pytest.fixture
def pet_set(tmp_path: Path) -> Path:
    """A stimulus set of three grey squares."""
    folder = tmp_path / "set"
    (folder / "images").mkdir(parents=True)
    rows = []
    for grey, (i, group) in enumerate({"cat": "animal", "dog": "animal", "oak": "plant"}.items()):
        file = folder / "images" / f"{i}.png"
        Image.new("L", (30, 30), 60 * grey).save(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        rows.append(
            {"id": i, "file": f"images/{i}.png", "sha256": digest, "group": group, "name": i}
        )
    write_manifest(folder, rows)
    return folder
