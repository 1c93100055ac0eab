"""The page with every screen: all of the plan is on it, in order, and nothing from outside."""

import base64
import io
import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from task.bitmaps import DARK
from task.contract.catalog import Catalog
from task.drawing import drawn
from task.placing import Canvas
from task.plan import Plan
from task.preview import clock, write_preview
from task.schedule import lasts
from tests.analysis.browser import opened_browser

PlanOf = Callable[..., Plan]
Page = Callable[..., "Read"]
CANVAS = Canvas(640, 400, 20.0)
SCREENING = """[screening]
repeats = 2
[screening.catch]
distance = [3, 6]
[[screening.catch.question]]
text = "Was it an animal?"
yes_groups = ["animal"]
"""
IMAGERY = """[look]
theme = "dark"
[imagery]
items = ["dog", "cat", "cow", "owl", "cup", "hat"]
cue = ["word", "tone"]
[imagery.words]
dog = "<b>the old & grey dog</b>"
"""


class Read(HTMLParser):
    """A page's cards and chips, as a reader finds them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.cards: list[str] = []
        self.chips: list[str] = []
        self._in_card = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = dict(attrs)
        if tag == "button" and about.get("class") == "card":
            self._in_card = True
            self.cards.append("")
        if tag == "i":
            self.chips.append(str(about["title"]))

    def handle_endtag(self, tag: str) -> None:
        self._in_card = self._in_card and tag != "button"

    def handle_data(self, data: str) -> None:
        if self._in_card:
            self.cards[-1] = " ".join(f"{self.cards[-1]} {data}".split())


@pytest.fixture
def files(tmp_path: Path, pets: Catalog) -> Mapping[str, Path]:
    made = {}
    for number, picture in enumerate(pets.pictures):
        made[picture] = tmp_path / f"{picture}.png"
        Image.new("L", (60, 40), 20 * number).save(made[picture])
    return made


@pytest.fixture
def page(tmp_path: Path, plan_of: PlanOf, files: Mapping[str, Path]) -> Page:
    def made(text: str, **about: object) -> Read:
        out = tmp_path / "page.html"
        size = write_preview(out, plan_of(text), CANVAS, files, **about)  # type: ignore[arg-type]
        assert size == out.stat().st_size
        return Read(out.read_text(encoding="utf-8"))

    return made


def test_every_trial_stands_in_its_row_in_order(page: Page, plan_of: PlanOf) -> None:
    wanted = [
        (trial.kind.value, trial.item)
        for block in plan_of(SCREENING).blocks
        if len(block.trials) > 1
        for trial in block.trials
    ]
    found = [chip.replace(",", "").split()[1:3] for chip in page(SCREENING).chips]
    assert found == [[kind, item] if item else [kind] for kind, item in wanted]


def test_a_trial_about_a_picture_is_that_picture_small(page: Page, pets: Catalog) -> None:
    text = page(SCREENING).text
    stored = re.search(r"\.t \{ background-image: url\(data:image/webp;base64,(.*?)\)", text)
    assert stored
    with Image.open(io.BytesIO(base64.b64decode(stored[1]))) as image:
        sheet = image.convert("L")
    chips = re.findall(r'view (\w+)" style="background-position:-(\d+)px -(\d+)px', text)
    assert len(chips) == 24
    for picture, left, top in chips:
        level = 20 * list(pets.pictures).index(picture)
        assert abs(sheet.getpixel((int(left) + 24, int(top) + 24)) - level) < 4


def test_other_trials_are_letters(page: Page) -> None:
    said = re.findall(
        r'<i title="[\d:]+ (\w+)[^"]*" style="--c:#\w+">(.)</i>', page(SCREENING).text
    )
    assert {*said} == {("text", "T"), ("question", "?")}


def test_a_stream_is_drawn_by_its_first_picture(page: Page, plan_of: PlanOf) -> None:
    plan = plan_of(SCREENING)
    first = next(t.item for t in plan.blocks[0].trials if t.kind.value == "view")
    views = [card for card in page(SCREENING).cards if "IMAGE_ON" in card]
    assert len(views) == 2  # one of each block
    assert re.fullmatch(
        rf"0:\d\d 0\.2667 s, 16 frames × 12 IMAGE_ON 20 view {first}"
        r" and 11 other pictures in the same way between 0:0\d and 2:0\d",
        views[0],
    )


def test_few_pictures_are_all_drawn(page: Page) -> None:
    cards = [card for card in page(IMAGERY).cards if "ENCODE_ON" in card]
    assert len(cards) == 6 * 2  # every block has two of the six items, each comes in two blocks
    assert all("× 4 ENCODE_ON 24 encode" in card for card in cards)


def test_a_card_tells_words_sounds_and_answers(page: Page) -> None:
    cards = page(IMAGERY).cards
    cue = next(card for card in cards if "CUE_ON" in card and "dog" in card)
    assert "× 4 CUE_ON 33 imagine “<b>the old & grey dog</b>” ♪" in cue
    assert re.search(r"♪ (440|880) Hz for 0\.3 s", cue)
    search = next(card for card in cards if "SEARCH_ON" in card)
    assert re.search(
        r"until answered, 30 s at most SEARCH_ON 39 search 20 letters · “Is there a T\?” · “yes” ·"
        r" “no” answered by yes, no; right is (yes|no)",
        search,
    )
    assert cards[0].startswith("0:01.60 until answered, 120 s at most TEXT_ON 51 text “You will")
    blank = next(card for card in cards if "IMAGERY_ON" in card)
    assert "5 s, 300 frames × 8 IMAGERY_ON 34 imagine an empty screen" in blank


def test_all_that_is_sent_in_a_block_is_on_a_card(page: Page, plan_of: PlanOf) -> None:
    cards = page(IMAGERY).cards
    for block in plan_of(IMAGERY).blocks:
        for code in {step.code for trial in block.trials for step in trial.steps}:
            assert any(f" {code} " in card for card in cards)


def test_times_of_cards_never_go_back_in_a_block(page: Page) -> None:
    text = page(IMAGERY).text
    for section in text.split("<section")[1:]:
        said = re.findall(r'<span class="time"><b>(\d+):(\d\d)', section)
        times = [60 * int(minutes) + int(seconds) for minutes, seconds in said]
        assert times == sorted(times)


def test_the_page_needs_nothing_from_outside(page: Page) -> None:
    text = page(SCREENING, overview="data:image/svg+xml,%3Csvg/%3E").text
    addresses = re.findall(r'(?:src|href)="([^"]+)"|url\(([^)]+)\)', text)
    assert addresses
    assert all((a or b).startswith(("data:", "#")) for a, b in addresses)
    assert "http" not in re.sub(r"data:[^)\"]+", "", text)


def test_every_screen_is_kept_once_however_often_it_comes(page: Page, plan_of: PlanOf) -> None:
    plan = plan_of(IMAGERY)
    seen = {tuple(i for i in s.screen if hasattr(i, "x_deg")) for s in plan.steps}
    assert page(IMAGERY).text.count("data:image/webp") == len(seen) + 1  # and the small pictures


def test_a_drawing_is_the_screen(page: Page, plan_of: PlanOf, files: Mapping[str, Path]) -> None:
    stored = r"\.s0 \{ background-image: url\(data:image/webp;base64,(.*?)\)"
    address = re.search(stored, page(IMAGERY).text)
    assert address
    with Image.open(io.BytesIO(base64.b64decode(address[1]))) as shown:
        wanted = drawn(next(plan_of(IMAGERY).steps).screen, CANVAS, files, DARK).convert("RGB")
        assert shown.size == wanted.size
        off = ImageStat.Stat(ImageChops.difference(shown.convert("RGB"), wanted)).mean
    assert max(off) < 1.0


def test_nothing_to_look_at_is_a_page_too(page: Page) -> None:
    read = page("[rest]\nbefore_s = 10.0\n")
    assert any("REST_ON 105" in card for card in read.cards)


def test_facts_and_notes_stand_in_the_head(page: Page, plan_of: PlanOf) -> None:
    text = page(SCREENING, facts=[("rig", "ward <3>")], notes=["The order is another one."]).text
    assert "<dt>rig</dt><dd>ward &lt;3&gt;</dd>" in text
    assert '<p class="note">The order is another one.</p>' in text
    usual_s = lasts(plan_of(SCREENING)).usual_s
    assert f"about {usual_s / 60:.1f} min; " in text
    assert "640 × 400 px, 32.0 × 20.0 degrees" in text


def test_the_page_is_dark_where_the_screen_is(page: Page) -> None:
    assert '<body class="dark">' in page(IMAGERY).text
    assert '<body class="light">' in page(SCREENING).text


def test_clocks() -> None:
    assert [clock(s) for s in (0, 59.6, 61, 3599.4, 3725)] == [
        "0:00", "1:00", "1:01", "59:59", "1:02:05",
    ]  # fmt: skip
    assert clock(61.5, exact=True) == "1:01.50"
    assert clock(119.999, exact=True) == "2:00.00"


def test_nothing_is_left_where_the_page_cannot_be_written(
    plan_of: PlanOf, files: Mapping[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "page").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_preview(tmp_path / "page", plan_of(IMAGERY), CANVAS, files)
    assert not list(tmp_path.glob("*.partial"))


def test_screens_are_enlarged_and_leafed_through_with_keys(page: Page, tmp_path: Path) -> None:
    page(IMAGERY)
    with opened_browser(tmp_path / "profile") as browser:
        browser.open((tmp_path / "page.html").as_uri())
        browser.run("document.querySelector('.card').focus()")
        browser.press("ArrowRight")
        assert browser.run("document.activeElement.querySelector('.code').innerText").startswith(
            "TEXT_OFF"
        )
        browser.run("document.activeElement.click()")
        said = "document.querySelector('dialog .said .code').innerText"
        assert browser.run("document.querySelector('dialog').open")
        assert browser.run(said).startswith("TEXT_OFF")
        browser.press("ArrowRight")
        assert browser.run(said).startswith("ENCODE_ON")
        browser.press("Home")
        assert browser.run(said).startswith("TEXT_ON")
        browser.run("document.querySelector('.close').click()")
        assert not browser.run("document.querySelector('dialog').open")
        wide, high = browser.run(
            "(b => [b.width, b.height])(document.querySelector('.screen').getBoundingClientRect())"
        )
        assert wide / high == pytest.approx(640 / 400, rel=0.01)
        assert browser.complaints == []
