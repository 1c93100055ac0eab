"""What a check says of a set: files, look-alikes, names, balance, and what else differs."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter
from scipy.stats import rankdata

from task.contract.catalog import Catalog, Picture, read_catalog
from task.contract.errors import StimulusError
from task.contract.lights import Light
from task.sets.checking import Checked, check_set
from task.sets.figure import draw_groups
from task.sets.importing import Options, import_set
from task.sets.measures import MEASURES, by_group, measured
from task.sets.nameable import naming_faults
from task.sets.pages import write_check_page, write_contact_sheet
from task.sets.similar import (
    HASH_BITS_AT_MOST,
    SSIM_AT_LEAST,
    look_alikes,
    look_at,
    perceptual_hash,
    ssim,
)
from tests.analysis.browser import opened_browser
from tests.task.sets.made_files import data_of, texture, write

import pandas as pd  # isort: skip


def saved(image: Image.Image, **how: object) -> Image.Image:
    return Image.open(io.BytesIO(data_of(image, "JPEG", **how)))


# Look-alikes ----------------------------------------------------------------------------------

PHOTO = texture(1, (256, 256))
ALTERED = {
    "compressed": saved(PHOTO, quality=30),
    "smaller": PHOTO.resize((90, 90)),
    "blurred": PHOTO.filter(ImageFilter.GaussianBlur(3)),
    "paler": ImageEnhance.Contrast(PHOTO).enhance(0.7),
    "brighter": ImageEnhance.Brightness(PHOTO).enhance(1.15),
    "grey": PHOTO.convert("L"),
}


@pytest.mark.parametrize("how", ALTERED)
def test_a_picture_altered_a_little_is_a_look_alike(how: str) -> None:
    looks = [look_at(texture(2)), look_at(PHOTO), look_at(texture(3)), look_at(ALTERED[how])]
    (pair,) = look_alikes(looks)
    assert (pair.one, pair.other) == (1, 3)
    assert pair.ssim >= SSIM_AT_LEAST or pair.hash_bits <= HASH_BITS_AT_MOST


def test_pictures_of_other_things_are_none() -> None:
    assert look_alikes([look_at(texture(seed)) for seed in range(40)]) == []


def test_plain_pictures_are_compared_without_dividing_by_nothing() -> None:
    plain = [look_at(Image.new("L", (64, 64), level)) for level in (10, 10, 200)]
    assert look_alikes(plain) == []


def windowed_ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """SSIM as published, window by window, of the pixels whose windows lie inside."""
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    made = np.empty((a.shape[0] - 10, a.shape[1] - 10))
    for row in range(made.shape[0]):
        for column in range(made.shape[1]):
            x, y = a[row : row + 11, column : column + 11], b[row : row + 11, column : column + 11]
            mx, my = (weights * x).sum(), (weights * y).sum()
            vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
            both = (weights * (x - mx) * (y - my)).sum()
            made[row, column] = ((2 * mx * my + c1) * (2 * both + c2)) / (
                (mx**2 + my**2 + c1) * (vx + vy + c2)
            )
    return made


def test_structural_similarity_is_that_of_the_definition() -> None:
    """Compared on a picture that repeats, so that its border cannot matter."""
    tile = np.asarray(texture(4, (16, 16)).convert("L"), float)
    other = np.clip(tile + np.random.default_rng(0).normal(0, 12, (16, 16)), 0, 255)
    a, b = (np.block([[x, x[:, ::-1]], [x[::-1], x[::-1, ::-1]]]) for x in (tile, other))
    around_a, around_b = (np.pad(x, 5, mode="symmetric") for x in (a, b))
    expected = windowed_ssim(around_a, around_b).mean()
    assert ssim(a.astype(np.float32), b.astype(np.float32)) == pytest.approx(expected, abs=1e-4)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_similarity_is_symmetric_one_with_itself_and_never_more(one: int, other: int) -> None:
    a, b = look_at(texture(one)).grey, look_at(texture(other)).grey
    assert ssim(a, a) == pytest.approx(1.0)
    assert ssim(a, b) == pytest.approx(ssim(b, a))
    assert ssim(a, b) <= 1.0


def test_half_the_bits_of_a_hash_differ_between_strangers() -> None:
    hashes = [perceptual_hash(texture(seed).convert("L")) for seed in range(30)]
    away = [(a != b).mean() for k, a in enumerate(hashes) for b in hashes[:k]]
    assert 0.4 < np.mean(away) < 0.6


# Measures -------------------------------------------------------------------------------------


def grating(cycles: float, sd: float = 30.0, mean: float = 128.0) -> np.ndarray:
    across = np.arange(256) / 256
    wave = mean + sd * np.sqrt(2) * np.sin(2 * np.pi * cycles * across)
    return np.rint(np.tile(wave, (256, 1))).astype(np.uint8)


def test_measures_of_a_grating_are_what_it_was_made_of() -> None:
    coarse, fine = measured(grating(4)), measured(grating(40))
    assert coarse["luminance"] == pytest.approx(128, abs=0.5)
    assert coarse["contrast"] == pytest.approx(30, abs=0.5)
    assert coarse["fine"] < 0.01
    assert fine["fine"] > 0.99


def test_sixteen_cycles_count_as_coarse_and_seventeen_as_fine() -> None:
    assert measured(grating(16))["fine"] < 0.01
    assert measured(grating(17))["fine"] > 0.99


@pytest.mark.parametrize("slope", [-0.5, -1.0, -1.5])
def test_the_slope_of_a_spectrum_is_found(slope: float) -> None:
    noise = np.fft.fft2(np.random.default_rng(0).normal(size=(256, 256)))
    cycles = np.hypot(*np.meshgrid(np.fft.fftfreq(256) * 256, np.fft.fftfreq(256) * 256))
    cycles[0, 0] = 1
    made = np.fft.ifft2(noise * cycles**slope).real
    grey = np.rint(128 + 40 * (made - made.mean()) / made.std()).clip(0, 255).astype(np.uint8)
    assert measured(grey)["slope"] == pytest.approx(slope, abs=0.1)


def test_a_plain_picture_has_no_slope_and_no_detail() -> None:
    found = measured(np.full((64, 64), 9, np.uint8))
    assert np.isnan(found.pop("slope"))
    assert found == {"luminance": 9.0, "contrast": 0.0, "fine": 0.0}


def test_what_groups_explain_is_the_variance_of_ranks_between_them() -> None:
    rng = np.random.default_rng(2)
    groups = ["a"] * 20 + ["b"] * 15 + ["c"] * 9
    values = np.r_[rng.normal(0, 1, 20), rng.normal(1, 1, 15), rng.normal(2, 1, 9)].round(1)
    found = by_group(pd.DataFrame({"x": values}), groups)["x"]
    ranks = pd.Series(rankdata(values))
    means = ranks.groupby(np.array(groups)).transform("mean")
    explained = ((means - ranks.mean()) ** 2).sum() / ((ranks - ranks.mean()) ** 2).sum()
    assert found is not None
    assert found.epsilon2 == pytest.approx(explained)


def test_one_group_or_one_value_is_nothing_to_compare() -> None:
    table = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [1.0, 1.0, 1.0]})
    assert by_group(table, ["a"] * 3) == {"x": None, "y": None}
    assert by_group(table, ["a", "b", "b"])["y"] is None


# Names ----------------------------------------------------------------------------------------


def catalog(*named: dict[str, str]) -> Catalog:
    pictures = [
        Picture(f"p{n}", Path("none"), "", "g", {"en": "", **names})
        for n, names in enumerate(named)
    ]
    return Catalog("x", {p.id: p for p in pictures}, "")


def test_names_that_stand_in_the_way_of_cueing_are_said_by_language() -> None:
    found = naming_faults(
        catalog(
            {"en": "Dog", "es": "perro"},
            {"en": "dog", "es": "can"},
            {"en": "cat 1", "es": "gato"},
            {"en": "cat 2"},
            {"en": "cat", "es": "gata"},
            {"es": "casa"},
            {"en": "7", "es": "siete"},
            {"en": "8", "es": "ocho"},
        )
    )
    assert found == [
        "en: 1 of 8 without a name: p5",
        "en: 1 names are those of several pictures: 'dog' (2 pictures)",
        "en: 1 names differ by a number only: cat / cat 1 / cat 2",
        "es: 1 of 8 without a name: p3",
    ]


def test_names_that_are_fine_are_nothing_to_say() -> None:
    assert naming_faults(catalog({"en": "dog"}, {"en": "cat"})) == []


def test_english_is_missed_where_no_picture_has_it() -> None:
    assert naming_faults(catalog({}, {})) == ["en: 2 of 2 without a name: p0, p1"]


# A whole set ----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Dark animals and bright foods, two of which look alike."""
    for n in range(8):
        dark = texture(n, (64, 64)).point(lambda v: v // 2)
        write(tmp_path / "in" / "animal" / f"{'abcdefgh'[n]}at.png", dark)
        bright = texture(n + 50, (64, 64)).point(lambda v: 120 + v // 2)
        write(tmp_path / "in" / "food" / f"{'abcdefgh'[n]}ake.png", bright)
    twin = texture(50, (64, 64)).point(lambda v: 121 + v // 2)
    write(tmp_path / "in" / "food" / "twin.png", twin)
    made = import_set(tmp_path / "in", tmp_path / "pets", Options(size_px=64), lambda *_: None)
    return made.folder


@pytest.fixture
def checked(folder: Path) -> Checked:
    return check_set(folder, lambda *_: None)


def test_a_check_says_what_is_so(checked: Checked) -> None:
    lights = {row.what: row.light for row in checked.rows}
    said = {row.what: row.said for row in checked.rows}
    assert said["files"] == "17 pictures, each as its digest says"
    assert said["sizes"] == "all 64 x 64 px"
    assert said["look-alikes"] == "1 pair: aake and twin"
    assert said["names"] == "each picture has its own, in en"
    assert said["groups"] == "food 9, animal 8"
    assert said["licences"] == "17 of 17 say none"
    assert lights["mean grey level"] is Light.YELLOW
    assert said["mean grey level"].startswith("groups explain 7")
    assert lights["groups"] is Light.GREEN


def test_the_numbers_of_a_check_are_json(checked: Checked) -> None:
    document = json.loads(json.dumps(checked.document, allow_nan=False))
    assert document["look_alikes"][0]["ids"] == ["aake", "twin"]
    assert [group["group"] for group in document["groups"]] == ["food", "animal"]
    assert set(document["pictures"]["bat"]) == {measure.name for measure in MEASURES}


def test_a_changed_picture_is_refused(folder: Path) -> None:
    write(folder / "images" / "bat.png", texture(99))
    with pytest.raises(StimulusError, match="'images/bat.png' has changed"):
        check_set(folder, lambda *_: None)


def test_a_lopsided_set_is_said_to_be_one(tmp_path: Path) -> None:
    for n in range(7):
        write(tmp_path / "in" / ("a" if n < 2 else "b") / f"{n}.png", texture(n))
    made = import_set(tmp_path / "in", tmp_path / "x", Options(size_px=64), lambda *_: None)
    rows = {row.what: row for row in check_set(made.folder, lambda *_: None).rows}
    assert rows["groups"].light is Light.YELLOW
    assert rows["groups"].said == (
        "b 5, a 2; the largest has 2.5 times the smallest (per_group evens them out)"
    )
    assert rows["names"].said == "en: 7 of 7 without a name: 0, 1, 2, 3, 4, 5, 6"


def test_the_page_of_a_check_shows_pairs_and_plot_and_runs_nothing(
    checked: Checked, tmp_path: Path
) -> None:
    groups = [picture.group for picture in checked.catalog.pictures.values()]
    figure = draw_groups(checked.table, groups)
    write_check_page(tmp_path / "page.html", checked.document, figure, checked.catalog)
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.count('<img src="data:image/jpeg;base64,') == 2
    assert "<b>aake</b> and <b>twin</b>" in page
    assert page.count("<svg") == 1
    assert "<script" not in page


def test_every_picture_of_the_pages_is_seen_in_a_browser_even_a_narrow_one(
    folder: Path, checked: Checked, tmp_path: Path
) -> None:
    groups = [picture.group for picture in checked.catalog.pictures.values()]
    pages = [tmp_path / "sheet.html", tmp_path / "check.html", folder / "import.html"]
    write_contact_sheet(pages[0], checked.catalog)
    figure = draw_groups(checked.table, groups)
    write_check_page(pages[1], checked.document, figure, checked.catalog)
    with opened_browser(tmp_path / "profile") as browser:
        browser.ask("Emulation.setDeviceMetricsOverride", width=420, height=900,
                    deviceScaleFactor=1, mobile=False)  # fmt: skip
        for page in pages:
            browser.open(page.as_uri())
            seen = "[...document.images].every(image => image.naturalWidth > 15)"
            assert browser.run(f"document.images.length > 1 && {seen}")
            assert browser.run("document.documentElement.scrollWidth") <= 420, page.name
        assert browser.complaints == []


def test_the_contact_sheet_shows_every_picture_by_group(folder: Path, tmp_path: Path) -> None:
    write_contact_sheet(tmp_path / "sheet.html", read_catalog(folder))
    page = (tmp_path / "sheet.html").read_text("utf-8")
    assert page.count('<img src="data:image/jpeg;base64,') == 17
    assert page.index(">animal <small>8<") < page.index(">food <small>9<")
    assert "http" not in page.replace("http-equiv", "")
    assert not list(tmp_path.glob("*.partial"))
