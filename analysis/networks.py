"""Features of pictures by a network in an ONNX file: any layer, by the name of its node.

A small settings file says which node's values are wanted and how a picture becomes the network's
input, for nothing of that can be guessed from the network.  The features are kept with the digests
of the network, the settings and every picture.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from analysis.features import as_rgb
from analysis.labels import some
from task.contract.catalog import Catalog
from task.contract.errors import AnalysisError, FileError
from task.contract.settings import Settings, Table, did_you_mean, parse, read_settings

FOLDER = "features"  # of a stimulus set, where the features of networks are kept
BATCH = 16
Three = tuple[float, float, float]
Floats = NDArray[np.float32]
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class Network(Table):
    """Which values of which network are the features, and how a picture becomes its input."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")] = Field(
        description="of the features: they are kept under it"
    )
    file: str = Field(description="the .onnx file, beside this one or by its whole path")
    node: str = Field(description="node or tensor whose values are the features")
    side_px: Annotated[int, Field(ge=8, le=4096)] = Field(
        description="pictures are resized to so many pixels, wide and high"
    )
    resize: Literal["bilinear", "bicubic"] = Field("bilinear", description="how, antialiased")
    grey: bool = Field(False, description="turn pictures to grey first (ITU-R BT.601)")
    channels: Literal["rgb", "bgr"] = Field(description="order of the three colours")
    largest: Literal[1, 255] = Field(description="value of white before mean and sd")
    mean: Three = Field(description="taken off each channel, in the order of channels")
    sd: Three = Field((1.0, 1.0, 1.0), description="by which each is divided then")


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """A network's settings and the file that they came from."""

    source: Settings
    network: Network

    @property
    def path(self) -> Path:
        """Of the ONNX file."""
        return self.source.file.resolve().parent / self.network.file


def read_network(path: Path) -> NetworkFile:
    """Read the settings of a network.

    Raises
    ------
    FileError
        With everything that is wrong with them.
    """
    source = read_settings(path)
    file = NetworkFile(source, parse(source, Network))
    wrong = []
    if min(file.network.sd) <= 0:
        wrong.append(source.fault(("sd",), "each should be greater than 0"))
    if not file.path.is_file():
        wrong.append(source.fault(("file",), f"no file {file.path}"))
    if wrong:
        raise FileError(wrong)
    return file


def network_features(
    file: NetworkFile,
    catalog: Catalog,
    kept: Path,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Features of every picture of a set, computed once.

    Parameters
    ----------
    kept : the .npz where they are kept; read where network, settings and pictures are the same

    Returns
    -------
    DataFrame, (n_images, n_features), 32-bit; index: picture id

    Raises
    ------
    AnalysisError
        If the file is no network, has no such node, does not take such an input, or a picture
        cannot be read.
    """
    about = _about(file)
    if (found := _read(kept, about, catalog)) is not None:
        return found
    run = _opened(file)
    rows: list[Floats] = []
    paths = {p.id: p.path for p in catalog.pictures.values()}
    files = list(paths.values())
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        values = run(np.stack([_input(file.network, path) for path in batch]))
        rows.append(values.reshape(len(batch), -1))
        if progress:
            progress(sum(map(len, rows)), len(paths))
    features = pd.DataFrame(np.concatenate(rows), pd.Index(list(paths), name="image"))
    dull = ~np.isfinite(features.to_numpy()).all(axis=1)
    if dull.any():
        raise AnalysisError(
            f"{file.path}: gives no finite numbers for {some(features.index[dull])}"
        )
    _keep(kept, features, about, catalog)
    return features


def check_pictures(path: Path, catalog: Catalog) -> None:
    """Refuse features that were made of other pictures than those of a set.

    Raises
    ------
    AnalysisError
        Naming the pictures.  Files that do not say of which pictures they are pass.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if not {"ids", "images"} <= set(arrays):
                return
            digests = dict(zip(arrays["ids"].tolist(), arrays["images"].tolist(), strict=True))
    except (OSError, ValueError, BadZipFile):
        return  # no .npz
    known = {i: p.sha256 for i, p in catalog.pictures.items() if i in digests}
    other = [i for i, digest in known.items() if digest != digests[i]]
    if other:
        raise AnalysisError(
            f"{path}: made of other pictures than set {catalog.name!r} has: {some(other)}; make the"
            " features again"
        )


# The network -------------------------------------------------------------------------------------


def _opened(file: NetworkFile) -> Callable[[Floats], Floats]:
    """The network as a function of pictures, (n, 3, side, side) or the other way round."""
    import onnx  # only now: both take a second to import
    import onnxruntime
    from google.protobuf.message import DecodeError
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    refused = (
        *(state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf),
        *(state.NotImplemented, state.NoSuchFile, state.RuntimeException, state.EPFail),
        *(DecodeError, onnx.checker.ValidationError, OSError, ValueError),
    )
    onnxruntime.set_default_logger_severity(4)  # what it would say, it raises as well
    try:
        model = onnx.load(str(file.path))
        tensor = _tensor(file, model)
        if tensor not in {one.name for one in model.graph.output}:
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(tensor))
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
    except refused as error:
        raise AnalysisError(f"{file.path}: cannot be read as an ONNX network: {error}") from None
    name, last, alone = _input_of(file, session.get_inputs())

    def run(pictures: Floats) -> Floats:
        values = np.moveaxis(pictures, 1, -1) if last else pictures
        batches = np.split(values, len(values)) if alone else [values]
        try:
            found = [session.run([tensor], {name: batch})[0] for batch in batches]
        except refused as error:
            raise AnalysisError(f"{file.path}: does not take these pictures: {error}") from None
        if any(len(of) != len(batch) for of, batch in zip(found, batches, strict=True)):
            raise AnalysisError(
                f"{file.path}: node {file.network.node!r} does not give a row for each picture"
            )
        return np.concatenate(found).astype(np.float32)

    return run


def _tensor(file: NetworkFile, model: Any) -> str:
    """The tensor that a node of the settings means: one of that name, or the node's output."""
    wanted = file.network.node
    tensors = {output for node in model.graph.node for output in node.output if output}
    if wanted in tensors:
        return wanted
    nodes = {node.name: node.output[0] for node in model.graph.node if node.name and node.output}
    if wanted in nodes:
        return str(nodes[wanted])
    known = [*nodes, *sorted(tensors - set(nodes.values()))]
    hint = did_you_mean(wanted, known) or f"; the last are {', '.join(map(repr, known[-5:]))}"
    raise AnalysisError(str(file.source.fault(("node",), f"no node {wanted!r} in the file{hint}")))


def _input_of(file: NetworkFile, inputs: Sequence[Any]) -> tuple[str, bool, bool]:
    """The network's input: its name, whether colours come last, and pictures one at a time."""
    if len(inputs) != 1:
        raise AnalysisError(f"{file.path}: has {len(inputs)} inputs; a network of pictures has one")
    shape, side = inputs[0].shape, file.network.side_px
    first, last = [3, side, side], [side, side, 3]
    for wanted, colours_last in ((first, False), (last, True)):
        if len(shape) == 4 and all(
            not isinstance(has, int) or has == want
            for has, want in zip(shape[1:], wanted, strict=True)
        ):
            return inputs[0].name, colours_last, shape[0] == 1
    asked = f"side_px = {side} makes inputs of 3 x {side} x {side}, the network takes {shape}"
    raise AnalysisError(str(file.source.fault(("side_px",), asked)))


def _input(network: Network, path: Path) -> Floats:
    """A picture as the network takes it, (3, side, side)."""
    image = as_rgb(path)
    if isinstance(image, str):
        raise AnalysisError(image)
    if image.width != image.height:
        raise AnalysisError(f"{path}: is {image.width} x {image.height}; networks take squares")
    if network.grey:
        image = image.convert("L").convert("RGB")
    small = image.resize((network.side_px, network.side_px), _FILTERS[network.resize])
    values = np.asarray(small, np.float32) * (network.largest / 255)
    if network.channels == "bgr":
        values = values[..., ::-1]
    scaled = (values - np.array(network.mean)) / np.array(network.sd)
    return np.ascontiguousarray(np.moveaxis(scaled, -1, 0), np.float32)


# What is kept ------------------------------------------------------------------------------------


def _about(file: NetworkFile) -> str:
    """What the features depend on, besides the pictures, as JSON."""
    digest = hashlib.sha256()
    for path in _files(file):
        with path.open("rb") as stream:
            while part := stream.read(1 << 20):
                digest.update(part)
    settings: Mapping[str, Any] = file.network.model_dump(mode="json", exclude={"file"})
    return json.dumps({**settings, "network_sha256": digest.hexdigest()}, sort_keys=True)


def _files(file: NetworkFile) -> list[Path]:
    """The network's file, and those beside it that hold its weights, if there are any."""
    import onnx
    from google.protobuf.message import DecodeError
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    try:
        model = onnx.load(str(file.path), load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise AnalysisError(f"{file.path}: cannot be read as an ONNX network: {error}") from None
    outside = {
        ExternalDataInfo(tensor).location
        for tensor in model.graph.initializer
        if uses_external_data(tensor)
    }
    paths = [file.path, *(file.path.parent / name for name in sorted(outside))]
    if absent := [str(path) for path in paths if not path.is_file()]:
        raise AnalysisError(f"{file.path}: its weights are not there: {', '.join(absent)}")
    return paths


def _read(path: Path, about: str, catalog: Catalog) -> pd.DataFrame | None:
    try:
        with np.load(path, allow_pickle=False) as kept:
            same = str(kept["about"]) == about and list(_digests(catalog)) == list(
                zip(kept["ids"].tolist(), kept["images"].tolist(), strict=True)
            )
            if same:
                return pd.DataFrame(kept["features"], pd.Index(kept["ids"].tolist(), name="image"))
    except (OSError, ValueError, KeyError, BadZipFile):
        pass  # absent, or cut short: computed anew
    return None


def _digests(catalog: Catalog) -> Iterator[tuple[str, str]]:
    return ((p.id, p.sha256) for p in catalog.pictures.values())


def _keep(path: Path, features: pd.DataFrame, about: str, catalog: Catalog) -> None:
    ids, images = zip(*_digests(catalog), strict=True)
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            np.savez(
                stream,
                features=features.to_numpy(),
                ids=np.array(ids),
                images=np.array(images),
                about=np.array(about),
            )
        partial.replace(path)
    except OSError as error:
        raise AnalysisError(f"{path}: cannot be written: {error.strerror}") from None
