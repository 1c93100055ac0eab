from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.readers.phy import read_units, recognises
from task.contract.errors import RecordingError

PARAMS = """dat_path = r'C:\\data\\new.bin'
n_channels_dat = 4
dtype = 'int16'
offset = 100
sample_rate = 30000.
hp_filtered = False
"""
SAMPLES = [15, 30, 30, 45, 60, 90]
CLUSTERS = [7, 2, 7, 2, 9, 7]
GROUPS = "cluster_id\tgroup\n2\tgood\n7\tmua\n9\tnoise\n"
INFO = (
    "cluster_id\tAmplitude\tContamPct\tKSLabel\tamp\tch\tdepth\tfr\tgroup\tn_spikes\tsh\n"
    "2\t10.5\t1.0\tgood\t33.0\t3\t20.0\t1.5\tgood\t2\t0\n"
    "7\t11.5\t\tmua\t44.0\t1\t40.0\t2.5\tmua\t3\t1\n"
    "9\t1.0\t100.0\tmua\t5.0\t0\t0.0\t0.5\tnoise\t1\t0\n"
)


def save(folder: Path, **arrays: Any) -> None:
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six spikes of three clusters, one of them noise, and nothing about their shapes."""
    save(tmp_path, spike_times=np.array(SAMPLES, np.uint64), spike_clusters=np.int32(CLUSTERS))
    (tmp_path / "params.py").write_text(PARAMS)
    (tmp_path / "cluster_group.tsv").write_text(GROUPS)
    return tmp_path


def refusal(folder: Path) -> str:
    with pytest.raises(RecordingError) as refused:
        read_units(folder)
    return str(refused.value)


def test_a_unit_is_a_cluster_with_times_in_seconds_from_the_beginning_of_the_file(
    folder: Path,
) -> None:
    units = read_units(folder)
    assert units.table.index.tolist() == ["cluster_2", "cluster_7"]
    assert units.table["cell"].tolist() == units.table["cluster"].tolist() == [2, 7]
    assert units.table["kind"].tolist() == ["single", "multi"]
    assert units.table["channel"].isna().all()
    assert [train.tolist() for train in units.spikes_s] == [[0.001, 0.0015], [0.0005, 0.001, 0.003]]
    assert units.read_waveforms("cluster_2") is None


def test_a_folder_is_known_by_its_spike_times(folder: Path) -> None:
    assert recognises(folder)
    assert not recognises(folder / "spike_times.npy")
    assert not recognises(folder / "absent")
    (folder / "spike_times.npy").unlink()
    assert not recognises(folder)


@pytest.mark.parametrize("dtype", [np.uint64, np.int64, np.int32, np.uint32, np.float64])
@pytest.mark.parametrize("shape", [(6,), (6, 1), (1, 6)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_spikes_may_stand_in_a_row_or_a_column_of_any_numbers(
    folder: Path, dtype: type, shape: tuple[int, ...], order: Any
) -> None:
    save(folder, spike_times=np.array(SAMPLES, dtype).reshape(shape, order=order))
    assert read_units(folder).spikes_of("cluster_2").tolist() == [0.001, 0.0015]


def test_templates_stand_for_clusters_before_phy_was_opened(folder: Path) -> None:
    (folder / "spike_clusters.npy").rename(folder / "spike_templates.npy")
    assert read_units(folder).table.index.tolist() == ["cluster_2", "cluster_7"]


def test_a_spike_may_begin_a_little_before_the_file(folder: Path) -> None:
    save(folder, spike_times=np.array([-30, *SAMPLES[1:]]))
    assert read_units(folder).spikes_of("cluster_7")[0] == -0.001


@pytest.mark.parametrize("shape", [(0,), (0, 1)])
def test_no_spikes_are_no_units(folder: Path, shape: tuple[int, ...]) -> None:
    save(folder, spike_times=np.empty(shape, int), spike_clusters=np.empty(shape, int))
    assert read_units(folder).table.empty


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 2**50), st.integers(0, 5)), max_size=40))
def test_every_spike_is_of_one_unit(
    tmp_path_factory: pytest.TempPathFactory, spikes: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("phy")
    spikes = sorted(spikes)
    save(folder, spike_times=np.array([t for t, _ in spikes], np.uint64))
    save(folder, spike_clusters=np.array([c for _, c in spikes], np.int32))
    (folder / "params.py").write_text("sample_rate = 24000\n")
    units = read_units(folder)
    assert units.table["cell"].tolist() == sorted({c for _, c in spikes})
    for cell, train in zip(units.table["cell"], units.spikes_s, strict=True):
        assert train.tolist() == [t / 24000 for t, c in spikes if c == cell]


# Tables ------------------------------------------------------------------------------------------


def kinds(folder: Path) -> dict[int, str]:
    return read_units(folder).table.set_index("cell")["kind"].to_dict()


def test_what_a_person_did_not_decide_is_what_kilosort_said(folder: Path) -> None:
    (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n2\tmua\n7\tunsorted\n")
    (folder / "cluster_KSLabel.tsv").write_text("cluster_id\tKSLabel\n2\tgood\n7\tgood\n")
    assert kinds(folder) == {2: "multi", 7: "single", 9: ""}


def test_kilosorts_labels_under_phys_name_are_taken(folder: Path) -> None:
    text = "cluster_id\tKSLabel\n2\tgood\n7\tmua\n9\tmua\n"
    (folder / "cluster_group.tsv").write_text(text)
    assert kinds(folder) == {2: "single", 7: "multi", 9: "multi"}


def test_the_numbers_of_the_first_phy_are_known(folder: Path) -> None:
    (folder / "cluster_group.tsv").unlink()
    (folder / "cluster_groups.csv").write_text("cluster_id,group\r\n2,2\r\n7,0\r\n9,1\r\n")
    assert kinds(folder) == {2: "single", 9: "multi"}


def test_without_tables_the_kind_is_unknown(folder: Path) -> None:
    (folder / "cluster_group.tsv").unlink()
    assert kinds(folder) == {2: "", 7: "", 9: ""}


def test_the_snapshot_tells_kinds_where_nothing_else_does(folder: Path) -> None:
    (folder / "cluster_group.tsv").unlink()
    (folder / "cluster_info.tsv").write_text(INFO)
    assert kinds(folder) == {2: "single", 7: "multi"}


@pytest.mark.parametrize("key", ["cluster_id", "id"])
def test_measures_and_channels_come_from_the_snapshot(folder: Path, key: str) -> None:
    (folder / "cluster_info.tsv").write_text(INFO.replace("cluster_id", key, 1))
    (folder / "cluster_Amplitude.tsv").write_text("cluster_id\tAmplitude\n2\t99\n")
    (folder / "cluster_snr.tsv").write_text("cluster_id\tsnr\n7\t6.5\n")
    table = read_units(folder).table
    assert table["channel"].tolist() == [3, 1]
    assert table["template_amplitude"].tolist() == [10.5, 11.5]
    assert table["amplitude"].tolist() == [33.0, 44.0]
    assert table["depth_um"].tolist() == [20.0, 40.0]
    assert table["firing_rate_hz"].tolist() == [1.5, 2.5]
    assert table["shank"].tolist() == [0.0, 1.0]
    np.testing.assert_equal(table["contamination_percent"].to_numpy(), [1.0, np.nan])
    np.testing.assert_equal(table["snr"].to_numpy(), [np.nan, 6.5])


def test_measures_of_kilosort_are_read_before_phy_was_opened(folder: Path) -> None:
    (folder / "cluster_ContamPct.tsv").write_text("cluster_id\tContamPct\n2\t0.5\n7\t60\n")
    assert read_units(folder).table["contamination_percent"].tolist() == [0.5, 60.0]


def test_a_snapshot_of_another_state_is_refused(folder: Path) -> None:
    path = folder / "cluster_info.tsv"
    path.write_text(INFO.replace("mua\t3\t1", "mua\t4\t1"))
    assert refusal(folder) == (
        f"{path}: says that cluster 7 has 4 spikes, but it has 3; the files are of different"
        " states: save again in phy, or remove the first"
    )


@pytest.mark.parametrize(
    ("groups", "said"),
    [(GROUPS.replace("mua", "good"), "'good'"), (GROUPS.replace("7\tmua\n", ""), "''")],
)
def test_groups_of_another_state_are_refused(folder: Path, groups: str, said: str) -> None:
    path = folder / "cluster_info.tsv"
    path.write_text(INFO)
    (folder / "cluster_group.tsv").write_text(groups)
    assert refusal(folder) == (
        f"{path}: says that cluster 7 is 'mua', but cluster_group.tsv says {said}; the files are of"
        " different states: save again in phy, or remove the first"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ": its first line has no 'cluster_id', or a name twice"),
        ("cluster\tgroup\n2\tgood\n", ": its first line has no 'cluster_id', or a name twice"),
        ("id\tgroup\tgroup\n", ": its first line has no 'cluster_id', or a name twice"),
        ("cluster_id\tquality\n2\tgood\n", ": has no column 'group'"),
        ("cluster_id\tgroup\n2\tgodo\n", ": cluster 2 is 'godo'; known are good, mua, noise and"
         " unsorted"),
        ("cluster_id\tgroup\n2\n", ":2: is ['2'], not a value for each of ['cluster_id', 'group']"),
        ("cluster_id\tgroup\n\n-2\tgood\n", ":3: is ['-2', 'good'], not a value for each of"
         " ['cluster_id', 'group']"),
        ("cluster_id\tgroup\n2\tgood\n2\tmua\n", ":3: has cluster 2 again"),
        ("\xff", ": is no table of text"),
    ],
)  # fmt: skip
def test_a_table_that_is_none_is_refused(folder: Path, text: str, said: str) -> None:
    path = folder / "cluster_group.tsv"
    path.write_bytes(text.encode("latin-1"))
    assert refusal(folder) == f"{path}{said}"


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("\t10.5\t", "\tlarge\t", "'Amplitude' holds other than numbers"),
        ("\t33.0\t3\t", "\t33.0\t3.5\t", "'ch' holds other than whole numbers"),
        ("\t33.0\t3\t", "\t33.0\t-3\t", "'ch' holds other than whole numbers"),
        ("\t33.0\t3\t", "\t33.0\t1e300\t", "'ch' holds other than whole numbers"),
        ("\t33.0\t3\t", "\t33.0\tinf\t", "'ch' holds other than whole numbers"),
    ],
)
def test_fields_that_are_no_numbers_are_refused(
    folder: Path, was: str, now: str, said: str
) -> None:
    path = folder / "cluster_info.tsv"
    path.write_text(INFO.replace(was, now))
    assert refusal(folder) == f"{path}: {said}"


# params.py ---------------------------------------------------------------------------------------


def test_the_parameters_are_never_run(folder: Path) -> None:
    (folder / "params.py").write_text(
        "from pathlib import Path\nPath('ran').touch()\ndat_path = Path('x')\nsample_rate = 30000\n"
    )
    assert len(read_units(folder).table) == 2
    (folder / "params.py").write_text("sample_rate = int('30000')\n")
    assert refusal(folder).endswith("with the samples per second as a number")
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("path", ["'a\\data.bin'", "['a.bin']", "[]", "None"])
def test_one_raw_file_may_be_named_in_any_way(folder: Path, path: str) -> None:
    (folder / "params.py").write_text(f"dat_path = {path}\nsample_rate = 30000\n")
    assert len(read_units(folder).table) == 2


def test_files_that_were_sorted_as_one_are_refused(folder: Path) -> None:
    path = folder / "params.py"
    path.write_text("dat_path = ['a.bin',\n 'b.bin']\nsample_rate = 30000\n")
    assert refusal(folder) == (
        f"{path}: 2 raw files were sorted as one, so that times do not show the gaps between them;"
        " if there are none, name the first file alone in 'dat_path'"
    )


@pytest.mark.parametrize(
    "rate", ["0", "-30000", "'30000'", "1e999", "nan", "[30000]", "1j", "True"]
)
def test_a_rate_that_is_none_is_refused(folder: Path, rate: str) -> None:
    path = folder / "params.py"
    path.write_text(f"sample_rate = {rate}\n")
    assert refusal(folder) == (
        f"{path}: has no line 'sample_rate = ' with the samples per second as a number"
    )


@pytest.mark.parametrize("text", ["sample_rate = ", "\0", "(" * 5000, "# -*- coding: no -*-\n"])
def test_parameters_that_are_no_python_are_refused(folder: Path, text: str) -> None:
    path = folder / "params.py"
    path.write_text(text)
    assert refusal(folder) == f"{path}: is damaged, or none of phy's: it is no Python"


def test_parameters_that_are_missing_are_refused(folder: Path) -> None:
    (folder / "params.py").unlink()
    assert refusal(folder) == f"{folder / 'params.py'}: cannot be read: No such file or directory"


# Arrays ------------------------------------------------------------------------------------------


def test_spikes_out_of_order_are_refused(folder: Path) -> None:
    save(folder, spike_times=[15, 30, 29, 45, 60, 90])
    assert refusal(folder) == (
        f"{folder / 'spike_times.npy'}: row 3 is earlier than the one before it; phy's spikes are"
        " in the order of their times"
    )


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (np.array([0.0005, 1, 2, 3, 4, 5]), "row 1 is 0.0005, not a whole number from -200 to"),
        (np.array([1, np.nan, 2, 3, 4, 5]), "row 2 is nan, not a whole number from -200 to"),
        (np.array([1, 2**63, 2**64 - 1, 0, 0, 0], np.uint64), f"row 2 is {2**63}, not a whole"),
        (np.array([-201, 2, 3, 4, 5, 6]), "row 1 is -201, not a whole number from -200 to"),
        (np.zeros((3, 2), int), "is int64 (3, 2), not one row of numbers"),
        (np.array(["1"] * 6), "is <U1 (6,), not one row of numbers"),
        (np.array([True] * 6), "holds other than numbers or texts"),
        (np.zeros(6, [("t", int)]), "holds other than numbers or texts"),
        (np.array([None] * 6), "holds other than numbers or texts"),
    ],
)
def test_times_that_are_no_samples_are_refused(
    folder: Path, times: np.ndarray[Any, Any], said: str
) -> None:
    save(folder, spike_times=times)
    assert refusal(folder).startswith(f"{folder / 'spike_times.npy'}: {said}")


def test_arrays_of_other_lengths_are_refused(folder: Path) -> None:
    save(folder, spike_clusters=CLUSTERS[:-1])
    assert refusal(folder) == (
        f"{folder / 'spike_clusters.npy'}: has 5 spikes, but spike_times.npy has 6; the two are not"
        " of one sorting"
    )


def test_a_sorting_without_clusters_is_refused(folder: Path) -> None:
    (folder / "spike_clusters.npy").unlink()
    assert refusal(folder) == (
        f"{folder / 'spike_templates.npy'}: cannot be read: No such file or directory"
    )


# Shapes ------------------------------------------------------------------------------------------


@pytest.fixture
def shaped(folder: Path) -> Path:
    """Three templates of four samples on three channels; cluster 7 was made of two of them."""
    rng = np.random.default_rng(5)
    save(
        folder,
        spike_templates=np.array([0, 1, 1, 1, 2, 0], np.uint32),
        templates=rng.normal(size=(3, 4, 3)).astype(np.float32),
        channel_map=np.array([[10], [11], [12]], np.int32),
        whitening_mat_inv=rng.normal(size=(3, 3)),
    )
    return folder


def mean_shapes(folder: Path) -> dict[int, np.ndarray[Any, Any]]:
    """Mean of the unwhitened templates of every spike, one by one."""
    used, unwhiten, templates = (
        np.load(folder / f"{name}.npy")
        for name in ("spike_templates", "whitening_mat_inv", "templates")
    )
    of_spikes = np.array([templates[template] @ unwhiten for template in used])
    return {c: of_spikes[np.array(CLUSTERS) == c].mean(axis=0) for c in set(CLUSTERS)}


def test_a_shape_is_the_unwhitened_mean_on_the_channel_where_it_is_largest(shaped: Path) -> None:
    units = read_units(shaped)
    for cell, channel in zip(units.table["cell"], units.table["channel"], strict=True):
        mean = mean_shapes(shaped)[cell]
        largest = (mean.max(axis=0) - mean.min(axis=0)).argmax()
        assert channel == 10 + largest
        found = units.read_waveforms(f"cluster_{cell}")
        assert found is not None
        np.testing.assert_allclose(found.values, mean[:, largest][np.newaxis], rtol=1e-6)
        assert (found.rate_hz, found.unit) == (30000.0, "")


def test_templates_of_some_channels_are_the_same_as_of_all(shaped: Path) -> None:
    whole = np.load(shaped / "templates.npy")
    whole[0, :, 0] = whole[1, :, 2] = whole[2, :, :2] = 0
    save(shaped, templates=whole, whitening_mat_inv=np.diag([2.0, 3.0, 4.0]))
    known = [read_units(shaped).read_waveforms(f"cluster_{c}") for c in (2, 7)]
    some = np.stack([whole[0][:, [2, 1]], whole[1][:, [0, 1]], whole[2][:, [2, 2]]])
    save(shaped, templates=some, template_ind=np.array([[2, 1], [0, 1], [2, -1]]))
    for cluster, expected in zip((2, 7), known, strict=True):
        found = read_units(shaped).read_waveforms(f"cluster_{cluster}")
        assert found is not None and expected is not None
        np.testing.assert_allclose(found.values, expected.values)


def test_without_a_whitening_matrix_templates_are_as_they_are(shaped: Path) -> None:
    (shaped / "whitening_mat_inv.npy").unlink()
    template = np.load(shaped / "templates.npy")[1]
    found = read_units(shaped).read_waveforms("cluster_2")
    assert found is not None
    np.testing.assert_allclose(found.values[0], template[:, np.ptp(template, axis=0).argmax()])


def test_the_channel_that_phy_showed_goes_before_the_computed_one(shaped: Path) -> None:
    (shaped / "cluster_info.tsv").write_text(INFO)
    assert read_units(shaped).table["channel"].tolist() == [3, 1]


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("templates", np.zeros((3, 4)), "is float64 (3, 4), not templates x samples x channels"),
        ("templates", np.full((3, 4, 3), np.nan), "the shape of cluster 2 is no numbers"),
        ("templates", np.full((3, 4, 3), 1e308), "the shape of cluster 2 is no numbers"),
        ("spike_templates", [0, 1, 1, 1, 3, 0], "row 5 is 3, not a whole number from 0 to 2"),
        ("spike_templates", [0, 1, 1, 1, 2], "has 5 spikes, but there are 6; it is of another"
         " sorting"),
        ("channel_map", [0, 1], "has 2 channels, which are not those of templates.npy"),
        ("whitening_mat_inv", np.eye(2), "is float64 (2, 2), not 3 x 3"),
        ("template_ind", np.zeros((3, 2), int), "is int64 (3, 2), not a channel for each of 3 x 3"),
    ],
)  # fmt: skip
def test_shapes_of_another_sorting_are_refused(
    shaped: Path, name: str, values: Any, said: str
) -> None:
    save(shaped, **{name: values})
    assert refusal(shaped) == f"{shaped / name}.npy: {said}"


@pytest.mark.parametrize("channel", [-2, 3, np.nan])
def test_templates_on_channels_that_are_not_there_are_refused(shaped: Path, channel: float) -> None:
    save(shaped, template_ind=np.full((3, 3), channel))
    assert refusal(shaped) == (
        f"{shaped / 'channel_map.npy'}: has 3 channels, which are not those of templates.npy"
    )


def test_what_a_damaged_table_holds_is_quoted_in_part(folder: Path) -> None:
    (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n2" + "\x01" * 500 + "\tgood\n")
    assert len(refusal(folder)) < len(str(folder)) + 300
