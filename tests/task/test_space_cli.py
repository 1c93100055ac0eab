"""`imagery features` and `imagery space`: what they write, and what they refuse."""

import re
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from analysis.space import object_space
from analysis.space_page import space_page
from task import places
from task.cli import app
from task.contract.catalog import read_catalog
from tests.analysis.browser import opened_browser

run = CliRunner().invoke


def test_a_space_is_written_as_page_figure_and_table(pet_folder: Path, tmp_path: Path) -> None:
    out = [tmp_path / "o" / f"space.{kind}" for kind in ("html", "png", "svg", "pdf", "csv")]
    asked = [part for path in out for part in ("--out", str(path))]
    done = run(app, ["space", str(pet_folder), *asked, "--dims", "3"])
    assert done.exit_code == 0, done.output
    assert "3 dimensions keep" in done.output
    assert [path.is_file() for path in out] == [True] * 5
    with Image.open(out[1]) as image:
        assert image.width > 1500
    assert pd.read_csv(out[4], index_col=0).shape == (12, 3)
    assert not list((tmp_path / "o").glob("*.partial"))


def test_what_cannot_be_written_is_told_at_once(pet_folder: Path, tmp_path: Path) -> None:
    done = run(app, ["space", str(pet_folder), "--out", "a.txt", "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert str(done.exception).splitlines() == [
        "a.txt: is written as .html, .png, .svg, .pdf, .csv",
        f"{tmp_path}: is written as .html, .png, .svg, .pdf, .csv",
        f"{tmp_path} is a folder; give the name of a file",
    ]


def test_a_set_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(app, ["features", "objectz"])
    assert "no set 'objectz' (did you mean 'objects'?)" in str(done.exception)


def test_features_say_where_they_are_kept(pet_folder: Path) -> None:
    done = run(app, ["features", str(pet_folder)])
    assert done.exit_code == 0
    assert "12 pictures, 560 features each" in done.output
    assert (pet_folder / "features.npz").is_file()


# The page ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page() -> str:
    from analysis.pictures import set_features

    folder = places.STIMULI / "objects"
    return space_page(object_space(set_features(folder), 20), read_catalog(folder), "made-up words")


def test_the_page_needs_nothing_but_itself(page: str) -> None:
    assert len(page) < 3e6
    addresses = re.findall(r'(?:href|src)="([^"]{0,40})', page)
    assert len(addresses) == 500
    assert all(address.startswith("data:image/jpeg;base64,") for address in addresses)
    assert "made-up words: 20 dimensions" in page


def test_the_page_moves_finds_and_names(page: str, tmp_path: Path) -> None:
    file = tmp_path / "space.html"
    file.write_text(page, encoding="utf-8")
    with opened_browser(tmp_path / "profile") as browser:
        browser.open(file.as_uri())
        places_ = "[...document.querySelectorAll('.p')].map(p => p.getAttribute('transform'))"
        before = browser.run(places_)
        browser.run(
            "(() => { const x = document.querySelector('[name=x]'); x.value = '3';"
            " x.dispatchEvent(new Event('input')); })()"
        )
        after = browser.run(places_)
        assert len(before) == 500 and sum(a != b for a, b in zip(before, after, strict=True)) > 490
        browser.run(
            "(() => { const f = document.querySelector('[name=find]'); f.value = 'dog';"
            " f.dispatchEvent(new Event('input')); })()"
        )
        said = browser.run("document.querySelector('.said').textContent")
        faint = browser.run("document.querySelectorAll('.p.faint').length")
        assert said == f"{500 - faint} of 500 pictures" and 0 < 500 - faint < 20
        browser.run(
            "document.querySelector('[data-said^=\"dog (dog)\"]').dispatchEvent("
            "new MouseEvent('mouseover', {bubbles: true}))"
        )
        assert browser.run("document.querySelector('.said').textContent") == "dog (dog), animal"
