import pytest

from analysis.share_figure import draw_shares, shares_drawing

INTERVAL = {"value": 0.4, "low": 0.3, "high": 0.5}
SHARE = {
    "words": "respond to pictures", "of": None, "of_words": "all units that were tested",
    "detected": INTERVAL, "corrected": {"value": 0.6, "low": None, "high": None},
    "lower_bound": True, "published": {"count": 456, "of": 714, "share": 0.64, "low": 0.6,
                                       "high": 0.67},
}  # fmt: skip


def test_every_share_stands_at_its_value_with_its_interval():
    (ax,) = draw_shares([SHARE]).axes
    lines = {line.get_label(): list(line.get_xdata()) for line in ax.get_lines()}
    assert lines["detected (q ≤ 0.05)"] == [0.4]
    assert lines["estimated to do it: lower bound"] == [0.6]
    assert lines["published"] == [0.64]
    drawn = [list(line.get_xdata()) for line in ax.get_lines()]
    assert [0.3, 0.5] in drawn and [0.6, 0.67] in drawn


@pytest.mark.parametrize("lower_bound", [True, False])
def test_what_nobody_published_and_what_cannot_be_told_is_left_out(lower_bound):
    unknown = {"value": None, "low": None, "high": None}
    share = {**SHARE, "published": None, "corrected": unknown, "lower_bound": lower_bound}
    (ax,) = draw_shares([share]).axes
    assert len(ax.get_lines()) == 3  # its row, the interval and the value of what was detected


def test_the_first_share_is_on_top_and_of_whom_it_is_stands_below():
    axis = {
        **SHARE,
        "words": "follow an axis",
        "of": "responsive",
        "of_words": "units that respond",
    }
    (ax,) = draw_shares([SHARE, axis]).axes
    named = {round(label.get_position()[1]): label.get_text() for label in ax.get_yticklabels()}
    assert named == {1: "respond to pictures", 0: "follow an axis\nof units that respond"}


def test_without_shares_there_is_no_figure():
    assert shares_drawing([]) is None
