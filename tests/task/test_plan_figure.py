"""A picture of a session: its bands say what the plan says; the same plan, the same file."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from task.contract.errors import UserError
from task.phases import BREAK, CUE, IMAGINING, RESTING, SEARCHING, SEEING
from task.plan import Plan
from task.plan_figure import address, bands, figure, trials_by_kind, write_plan
from task.schedule import schedule

PlanOf = Callable[..., Plan]
IMAGERY = """[imagery]
items = ["dog", "cat", "cow", "owl", "cup", "hat"]
rating_s = 0
"""


@pytest.fixture
def imagery(plan_of: PlanOf) -> Plan:
    return plan_of(IMAGERY)


def test_bands_fill_a_block_without_gaps_or_overlaps(imagery: Plan) -> None:
    for span in schedule(imagery):
        found = list(bands(span, 0.6))
        first_s = span.moments[0].begins.usual_s - span.begins.usual_s
        assert found[0].begins_s == pytest.approx(first_s)
        for band, following in zip(found, found[1:], strict=False):
            assert band.begins_s + band.lasts_s == pytest.approx(following.begins_s)
            assert (band.phase, band.waits) != (following.phase, following.waits)


def test_a_block_of_imagery_in_bands(imagery: Plan) -> None:
    second = [band.phase for band in bands(schedule(imagery)[1], 1.1)]
    assert second == [BREAK, BREAK, SEEING, SEARCHING, SEARCHING, RESTING, *(CUE, IMAGINING) * 8]


def test_a_stream_of_pictures_is_one_band(plan_of: PlanOf) -> None:
    span = schedule(plan_of("[screening]\n[texts]\ntext_s = 0\n"))[0]
    assert [band.phase for band in bands(span, 0.2)] == [SEEING]
    assert len(list(bands(span, 0.1))) == 24  # where there is room, gaps are told apart


def test_a_trial_of_each_kind_is_drawn_but_no_text(imagery: Plan) -> None:
    assert [what for what, _ in trials_by_kind(imagery)] == [
        "encode", "search", "baseline", "imagine",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_the_same_plan_gives_the_same_file(kind: str, plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of("[screening]\nrepeats = 1\n")
    for name in ("a", "b"):
        write_plan(tmp_path / f"{name}.{kind}", plan)
    first, second = ((tmp_path / f"{name}.{kind}").read_bytes() for name in ("a", "b"))
    assert first == second and len(first) > 5000
    assert {path.suffix for path in tmp_path.iterdir()} == {f".{kind}"}


def test_many_blocks_make_the_picture_higher_not_smaller(plan_of: PlanOf, tmp_path: Path) -> None:
    short = figure(plan_of("[screening]\nrepeats = 1\n"))
    long = figure(plan_of("[screening]\nrepeats = 20\nbreak_after = 6\n"))
    assert long.get_figwidth() == short.get_figwidth()
    assert long.get_figheight() > short.get_figheight() + 38 * 0.25
    write_plan(tmp_path / "p.png", plan_of("[screening]\nrepeats = 1\n"))
    with Image.open(tmp_path / "p.png") as image:
        assert image.width == 1920


def test_the_address_holds_the_whole_picture(imagery: Plan) -> None:
    assert address(imagery).startswith("data:image/svg+xml,%3C%3Fxml")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("p.jpg", "p.jpg: a picture is written as .svg, .png, .pdf"),
        ("none/p.svg", "none/p.svg: cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_written_is_said(
    name: str, message: str, imagery: Plan, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as error:
        write_plan(tmp_path / name, imagery)
    assert str(error.value) == f"{tmp_path}/{message}"
    assert list(tmp_path.iterdir()) == []


def test_a_session_without_a_task_is_drawn_too(plan_of: PlanOf) -> None:
    made = plan_of("[rest]\nbefore_s = 10.0\n")
    assert [what for what, _ in trials_by_kind(made)] == ["rest"]
    assert figure(made).get_figheight() > 2
