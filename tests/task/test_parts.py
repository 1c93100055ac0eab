"""Orders, seeds and parts of a protocol, as they come out in a plan."""

from collections import Counter
from collections.abc import Callable
from itertools import groupby, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.contract.catalog import Catalog
from task.contract.sessionlog import Kind
from task.plan import Block, Plan, read_plan
from task.planning import plan_file
from task.protocol import read_protocol
from task.rig import Rig
from tests.task.conftest import HEADER, PETS
from tests.task.staged import PlanOf, Present, staged

FaultsOf = Callable[..., list[str]]
GROUP = {i: group for group, ids in PETS.items() for i in ids}
SIX = 'items = ["dog", "cat", "owl", "oak", "key", "hat"]\n'


def of_kind(plan: Plan, kind: Kind) -> list[list[str]]:
    """Items of every block of the task."""
    blocks = [b for b in plan.blocks if b.kind in ("screening", "imagery")]
    return [[t.item or "" for t in b.trials if t.kind is kind] for b in blocks]


def frames_of(block: Block, kind: Kind, step: int = 0) -> set[int]:
    return {t.steps[step].frames for t in block.trials if t.kind is kind}


def task_of(plan: Plan) -> list[Block]:
    return [b for b in plan.blocks if b.kind in ("screening", "imagery")]


# Orders ------------------------------------------------------------------------------------------


def test_a_fixed_order_is_that_of_the_list_every_time(plan_of: PlanOf) -> None:
    plan = plan_of(
        '[pictures]\nids = ["oak", "dog", "cup"]\n[screening]\nrepeats = 2\norder = "fixed"\n'
    )
    assert of_kind(plan, Kind.VIEW) == [["oak", "dog", "cup"]] * 2


@given(seed=st.integers(0, 2**32))
def test_a_blocked_order_shows_group_after_group(seed: int, plan_of: PlanOf) -> None:
    plan = plan_of('[screening]\nrepeats = 3\norder = "blocked"\n', seed=seed)
    for repeat in of_kind(plan, Kind.VIEW):
        assert [len(list(run)) for _, run in groupby(repeat, GROUP.__getitem__)] in ([4] * 3,)


@given(seed=st.integers(0, 2**32))
def test_a_random_order_keeps_pictures_apart_and_groups_in_short_runs(
    seed: int, plan_of: PlanOf
) -> None:
    plan = plan_of("[screening]\nrepeats = 4\napart = 5\ngroup_run = 2\n", seed=seed)
    order = [i for repeat in of_kind(plan, Kind.VIEW) for i in repeat]
    assert max(len(list(run)) for _, run in groupby(order, GROUP.__getitem__)) <= 2
    places = {i: [n for n, shown in enumerate(order) if shown == i] for i in GROUP}
    assert min(b - a - 1 for of in places.values() for a, b in pairwise(of)) >= 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "apart = 12\n",
            "p.toml:5: screening.apart: 12 others between two showings of a picture, of 12"
            " pictures; at most 11",
        ),
        (
            'group_run = 1\n[pictures]\nids = ["dog", "cat", "cow", "oak"]\n',
            "p.toml:5: screening.group_run: 3 of 4 pictures are of group 'animal': 2 of them must"
            " follow one another somewhere; allow that, or choose other pictures",
        ),
        (
            'group_run = 1\norder = "blocked"\n',
            "p.toml:5: screening.group_run: says nothing where order is blocked: groups come as a"
            " whole",
        ),
        (
            'group_run = 1\norder = "fixed"\n[pictures]\nids = ["dog", "cat", "oak", "key"]\n',
            "p.toml:5: screening.group_run: no order was found that keeps it: at best 1 places"
            " break it; loosen it",
        ),
    ],
)
def test_rules_that_cannot_be_kept_are_refused(
    text: str, message: str, faults_of: FaultsOf
) -> None:
    assert faults_of(f"[screening]\n{text}") == [message]


# Seeds -------------------------------------------------------------------------------------------


def test_sessions_can_share_the_pictures_and_not_their_order(plan_of: PlanOf) -> None:
    text = "[pictures]\nper_group = 2\n[screening]\nrepeats = 1\n[seeds]\npictures = 5\n"
    plans = [plan_of(text, seed=seed) for seed in range(20)]
    assert len({plan.picture_ids for plan in plans}) == 1
    assert len({tuple(of_kind(plan, Kind.VIEW)[0]) for plan in plans}) > 15


def test_sessions_can_share_the_order_and_not_their_questions(plan_of: PlanOf) -> None:
    text = (
        "[screening]\n[screening.catch]\ndistance = [1, 3]\n[[screening.catch.question]]\n"
        'text = "Alive?"\nyes_groups = ["animal"]\n[seeds]\norder = 5\n'
    )
    plans = [plan_of(text, seed=seed) for seed in range(10)]
    assert len({str(of_kind(plan, Kind.VIEW)) for plan in plans}) == 1
    assert len({str(of_kind(plan, Kind.QUESTION)) for plan in plans}) == 10


# Parts of a screening ----------------------------------------------------------------------------

PARTS = """[screening]
repeats = 2
[[screening.part]]
name = "slow"
repeats = 1
image_s = 1.0
[[screening.part]]
name = "plants"
blank_s = 0.5
order = "fixed"
[screening.part.pictures]
groups = ["plant"]
"""


def test_parts_of_a_screening_differ_in_what_they_say(plan_of: PlanOf) -> None:
    plan = plan_of(PARTS)
    assert [block.condition for block in task_of(plan)] == ["slow", "plants", "plants"]
    slow, *plants = of_kind(plan, Kind.VIEW)
    assert sorted(slow) == sorted(GROUP)
    assert plants == [list(PETS["plant"])] * 2
    first, second, _ = task_of(plan)
    assert (frames_of(first, Kind.VIEW), frames_of(second, Kind.VIEW)) == ({60}, {16})
    assert (frames_of(first, Kind.VIEW, 1), frames_of(second, Kind.VIEW, 1)) == ({8}, {30})


def test_parts_with_one_choice_show_the_same_pictures(plan_of: PlanOf) -> None:
    plan = plan_of(
        '[pictures]\nper_group = 2\n[screening]\nrepeats = 1\n[[screening.part]]\nname = "fast"\n'
        '[[screening.part]]\nname = "slow"\nimage_s = 1.0\n'
    )
    fast, slow = of_kind(plan, Kind.VIEW)
    assert sorted(fast) == sorted(slow)


@given(seed=st.integers(0, 2**32))
def test_rules_hold_where_a_part_follows_another(seed: int, plan_of: PlanOf) -> None:
    plan = plan_of(
        '[pictures]\nids = ["dog", "cat", "oak", "cup"]\n[screening]\nrepeats = 1\napart = 2\n'
        '[[screening.part]]\nname = "a"\n[[screening.part]]\nname = "b"\nimage_s = 1.0\n',
        seed=seed,
    )
    order = [i for shown in of_kind(plan, Kind.VIEW) for i in shown]
    assert all(len(set(order[n : n + 3])) == 3 for n in range(len(order) - 2))


def test_equal_seeds_of_two_choices_have_nothing_in_common(plan_of: PlanOf) -> None:
    """Were they the same numbers, the pictures drawn first would come first."""
    first = Counter()
    for seed in range(200):
        plan = plan_of(
            "[pictures]\nper_group = 2\n[screening]\nrepeats = 1\n"
            f"[seeds]\npictures = {seed}\norder = {seed}\n"
        )
        first[of_kind(plan, Kind.VIEW)[0][0]] += 1
    assert max(first.values()) < 40


def test_a_seed_of_orders_leaves_the_searches_to_chance(plan_of: PlanOf) -> None:
    plans = [plan_of(f"[imagery]\n{SIX}[seeds]\norder = 4\n", seed=seed) for seed in (1, 2, 3)]
    assert len({str(of_kind(plan, Kind.IMAGINE)) for plan in plans}) == 1
    searches = {str([t.steps[0].screen for b in plan.blocks for t in b.trials
                     if t.kind is Kind.SEARCH]) for plan in plans}  # fmt: skip
    assert len(searches) == 3


def test_parts_are_kept_in_the_file_of_the_plan(plan_of: PlanOf) -> None:
    plan = plan_of(PARTS)
    assert read_plan(plan.text) == plan
    assert "condition" not in plan_of("[screening]\n").text


def test_a_blocked_part_need_not_take_back_the_rule_of_the_others(plan_of: PlanOf) -> None:
    plan = plan_of(
        '[screening]\nrepeats = 1\ngroup_run = 1\n[[screening.part]]\nname = "mixed"\n'
        '[[screening.part]]\nname = "blocked"\norder = "blocked"\n'
    )
    runs = [[len(list(run)) for _, run in groupby(shown, GROUP.__getitem__)]
            for shown in of_kind(plan, Kind.VIEW)]  # fmt: skip
    assert runs == [[1] * 12, [4] * 3]


def test_pictures_of_a_part_may_stand_in_a_table(tmp_path: Path, pets: Catalog) -> None:
    (tmp_path / "p.csv").write_text("id\noak\nfern\n")
    text = PARTS.replace('groups = ["plant"]', 'ids = "p.csv"')
    (tmp_path / "p.toml").write_text(HEADER + text)
    file = read_protocol(tmp_path / "p.toml")
    plan = plan_file(file, pets, seed=1, refresh_hz=60.0, spacing_frames=2)
    assert of_kind(plan, Kind.VIEW)[1:] == [["oak", "fern"]] * 2


def test_a_fault_in_a_part_is_told_where_it_stands(faults_of: FaultsOf) -> None:
    text = PARTS.replace("image_s = 1.0", "image_s = 1.01").replace('"plant"', '"plants"')
    assert faults_of(text) == [
        "p.toml:9: screening.part[1].image_s: 1.01 s is 60.60 frames at 60 Hz; use 1.0000 s (60"
        " frames) or 1.0167 s (61 frames), or round_to_frames = true",
        "p.toml:15: screening.part[2].pictures.groups: no group 'plants' in set 'pets' (did you"
        " mean 'plant'?)",
    ]


def test_the_log_says_of_which_part_a_presentation_is(plan_of: PlanOf, shown: Present) -> None:
    plan = plan_of(PARTS + "[texts]\ntext_s = 0\n")
    rig: Rig
    rig, _, _, _ = staged()
    views = [
        e for e in shown(plan, rig).events("PRESENTATION") if e.detail["kind"] == Kind.VIEW.value
    ]
    assert Counter(e.detail["condition"] for e in views) == {"slow": 12, "plants": 8}


# Pairs and parts of imagery ----------------------------------------------------------------------

BALANCED = (
    'pairs = [["dog", "cat"], ["owl", "Oak"], ["key", "dog"], ["cat", "owl"], ["oak", "key"]]\n'
)


def test_pairs_are_those_of_the_protocol(plan_of: PlanOf) -> None:
    first = [block[:2] for block in of_kind(plan_of(f"[imagery]\n{BALANCED}"), Kind.IMAGINE)]
    assert first == [["dog", "cat"], ["owl", "oak"], ["key", "dog"], ["cat", "owl"], ["oak", "key"]]


def test_pairs_that_drift_could_imitate_are_refused(faults_of: FaultsOf) -> None:
    text = '[imagery]\npairs = [["dog", "cat"], ["cat", "owl"], ["dog", "key"], ["oa*", "owl"]]\n'
    assert faults_of(text) == [
        "p.toml:5: imagery.pairs: cat comes in blocks 1 and 2, one after the other; part them",
        "p.toml:5: imagery.pairs: key comes in block 3 only: what drifts cannot be told from it;"
        " two",
        "p.toml:5: imagery.pairs: oak comes in block 4 only: what drifts cannot be told from it;"
        " two",
    ]


def test_a_picture_is_not_paired_with_itself_by_another_name(faults_of: FaultsOf) -> None:
    text = '[imagery]\npairs = [["dog", "Dog"], ["cat", "owl"], ["dog", "cow"], ["cat", "owl"]]\n'
    assert faults_of(text)[0] == (
        "p.toml:5: imagery.pairs[1]: dog paired with itself; a block needs two items"
    )


def test_cues_can_come_in_random_order(plan_of: PlanOf) -> None:
    orders = {
        tuple(of_kind(plan_of(f'[imagery]\n{SIX}cue_order = "random"\n', seed=s), Kind.IMAGINE)[0])
        for s in range(30)
    }
    assert all(sorted(Counter(order).values()) == [4, 4] for order in orders)
    turns = {tuple(item == order[0] for item in order) for order in orders}
    assert len(turns) > 5


def test_parts_of_imagery_differ_in_what_they_say(plan_of: PlanOf) -> None:
    plan = plan_of(
        f'[imagery]\n{SIX}[[imagery.part]]\nname = "long"\nblocks = [2, 5]\nimagine_s = 8.0\n'
        'cues_per_item = 2\n[[imagery.part]]\nname = "closed"\nblocks = [6]\neyes_closed = true\n'
        'cue = "tone"\n'
    )
    blocks = task_of(plan)
    assert [b.condition for b in blocks] == ["", "long", "", "", "long", "closed"]
    assert [frames_of(b, Kind.IMAGINE, 1) for b in blocks] == [
        {300}, {480}, {300}, {300}, {480}, {300},
    ]  # fmt: skip
    assert [len(cued) for cued in of_kind(plan, Kind.IMAGINE)] == [8, 4, 8, 8, 4, 8]


def test_items_of_one_condition_only_are_warned_of(plan_of: PlanOf) -> None:
    part = '[[imagery.part]]\nname = "long"\nblocks = [1, 3]\nimagine_s = 8.0\n'
    four = 'pairs = [["dog", "cat"], ["owl", "oak"], ["dog", "cat"], ["owl", "oak"]]\n'
    assert plan_of(f"[imagery]\n{four}{part}").warnings == (
        "dog, cat: imagined in part 'long' only; what differs between parts cannot be told there"
        " from what differs between items",
    )
    assert plan_of(f"[imagery]\n{four}").warnings == ()


def test_closed_eyes_of_a_part_are_warned_of_too(plan_of: PlanOf) -> None:
    part = '[[imagery.part]]\nname = "dark"\nblocks = [1]\neyes_closed = true\ncue = "tone"\n'
    said = plan_of(f"[imagery]\n{SIX}{part}").warnings
    assert "eyes closed in part 'dark', with a rating after each" in said[0]


def test_blocks_that_are_not_there_or_of_two_parts_are_refused(faults_of: FaultsOf) -> None:
    text = (
        f'[imagery]\n{SIX}[[imagery.part]]\nname = "a"\nblocks = [1, 7]\nimagine_s = 8.0\n'
        '[[imagery.part]]\nname = "b"\nblocks = [1]\neyes_closed = true\n'
    )
    assert faults_of(text) == [
        "p.toml:8: imagery.part[1].blocks: there is no block 7; the session has 6",
        "p.toml:12: imagery.part[2].blocks: block 1 is in part 'a' too",
        "p.toml:13: imagery.part[2].eyes_closed: who has closed eyes must hear the cue; cue ="
        ' "tone"',
    ]


# What is no task ---------------------------------------------------------------------------------


def test_a_session_may_be_a_rest_alone(plan_of: PlanOf) -> None:
    plan = plan_of("[rest]\nbefore_s = 300.0\n")
    assert [block.kind for block in plan.blocks] == ["rest", "end"]


def test_a_session_that_takes_too_long_is_refused(faults_of: FaultsOf) -> None:
    assert faults_of("longest_min = 3\n[rest]\nbefore_s = 120.0\nafter_s = 61.0\n") == [
        "p.toml:4: longest_min: the session may take 7.2 minutes, more than this; show less, or"
        " shorten breaks and waits"
    ]
