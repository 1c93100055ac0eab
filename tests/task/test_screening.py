"""A screening as it is planned: what is asked when, how blocks are cut, and its practice."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.contract.catalog import Catalog
from task.contract.sessionlog import Kind
from task.plan import PRACTICE, Block, PictureItem, Plan, TextItem, Trial
from task.planning import make_plan
from task.protocol import CatchQuestion, Protocol
from task.screening import right_answer
from tests.task.staged import PlanOf, Present, staged

FaultsOf = Callable[..., list[str]]
ProtocolOf = Callable[[str], Protocol]

GROUPS = ("animal", "plant", "thing")
# One question about each group: of any picture, one is rightly answered yes, two no.
ABOUT_GROUPS = "".join(
    f'[[screening.catch.question]]\ntext = "Was it a {group}?"\nyes_groups = ["{group}"]\n'
    for group in GROUPS
)
ABOUT_THINGS = (
    '[[screening.catch.question]]\ntext = "Can you wear it?"\nyes_ids = ["hat"]\n'
    'not_about = ["animal", "plant"]\n'
)


def asking(fewest: int, most: int, questions: str = ABOUT_GROUPS, task: str = "") -> str:
    return f"[screening]\n{task}[screening.catch]\ndistance = [{fewest}, {most}]\n{questions}"


def trials_of(plan: Plan) -> list[Trial]:
    """Of the task itself, in order, whatever block they are in."""
    return [t for b in plan.blocks if b.kind == "screening" for t in b.trials]


def views_of(plan: Plan) -> list[str | None]:
    return [t.item for t in trials_of(plan) if t.kind is Kind.VIEW]


def questions_of(plan: Plan) -> list[Trial]:
    return [t for t in trials_of(plan) if t.kind is Kind.QUESTION]


def distances_of(plan: Plan) -> list[int]:
    """Views before the first question, between questions, and after the last."""
    asked = "".join({Kind.VIEW: "v", Kind.QUESTION: "q"}.get(t.kind, "") for t in trials_of(plan))
    return [len(views) for views in asked.split("q")]


def pictures_of(block: Block) -> set[str]:
    steps = (s for t in block.trials for s in t.steps)
    return {i.picture for s in steps for i in s.screen if isinstance(i, PictureItem)}


def said(trial: Trial) -> str:
    """The first line of a trial's first screen."""
    return next(i.text.split("\n")[0] for i in trial.steps[0].screen if isinstance(i, TextItem))


# Questions -----------------------------------------------------------------------------------


@given(
    fewest=st.integers(1, 12),
    more=st.integers(0, 12),
    repeats=st.integers(1, 6),
    break_after=st.integers(1, 30),
    seed=st.integers(0, 2**32),
)
def test_questions_come_at_distances_within_the_limits_also_across_breaks(
    fewest: int, more: int, repeats: int, break_after: int, seed: int, plan_of: PlanOf
) -> None:
    task = f"repeats = {repeats}\nbreak_after = {break_after}\nblank_s = 0.3\n"
    *between, last = distances_of(plan_of(asking(fewest, fewest + more, task=task), seed=seed))
    assert all(fewest <= distance <= fewest + more for distance in between)
    assert last < fewest + more


def test_every_distance_within_the_limits_is_equally_likely(plan_of: PlanOf) -> None:
    text = asking(2, 5, task="repeats = 50\n")
    counts = Counter(d for seed in range(6) for d in distances_of(plan_of(text, seed=seed))[:-1])
    assert set(counts) == {2, 3, 4, 5}
    expected = counts.total() / 4
    assert max(abs(n - expected) for n in counts.values()) < 4 * expected**0.5


@given(seed=st.integers(0, 2**32), break_after=st.integers(1, 30))
def test_a_question_follows_in_its_block_the_picture_that_it_is_about(
    seed: int, break_after: int, plan_of: PlanOf
) -> None:
    plan = plan_of(asking(1, 3, task=f"break_after = {break_after}\nblank_s = 0.3\n"), seed=seed)
    asked = 0
    for block in plan.blocks:
        for before, after in pairwise(block.trials):
            if after.kind is Kind.QUESTION:
                asked += 1
                assert (before.kind, before.item) == (Kind.VIEW, after.item)
    assert asked == len(questions_of(plan)) >= 15


@pytest.mark.parametrize(
    ("question", "answers"),
    [
        pytest.param({"yes_groups": ("animal",)}, "yes no no", id="yes group"),
        pytest.param({"yes_ids": ("oak",)}, "no yes no", id="one picture"),
        pytest.param({"yes_groups": ("animal",), "no_ids": ("dog",)}, "no no no", id="except"),
        pytest.param({"yes_groups": ("animal",), "yes_ids": ("hat",)}, "yes no yes", id="both"),
        pytest.param({"yes_groups": ("animal",), "not_about": ("plant",)}, "yes - no", id="group"),
        pytest.param({"yes_groups": ("animal",), "not_about": ("dog",)}, "- no no", id="no pet"),
        pytest.param({}, "no no no", id="never yes"),
    ],
)  # fmt: skip
def test_the_right_answer_is_read_off_groups_and_pictures(
    question: dict[str, Any], answers: str
) -> None:
    asked = CatchQuestion(text="?", **question)
    found = [
        right_answer(asked, picture, group) or "-"
        for picture, group in (("dog", "animal"), ("oak", "plant"), ("hat", "thing"))
    ]
    assert " ".join(found) == answers


@given(seed=st.integers(0, 2**32))
def test_every_question_of_a_plan_has_its_right_answer(
    seed: int, plan_of: PlanOf, pets: Catalog
) -> None:
    for trial in questions_of(plan_of(asking(1, 3), seed=seed)):
        question, after = trial.steps
        group = pets.pictures[str(trial.item)].group
        assert question.correct == ("yes" if said(trial) == f"Was it a {group}?" else "no")
        assert (question.code, after.code) == ("QUESTION_ON", "QUESTION_OFF")
        assert question.answers == ("yes", "no") and question.frames == 600
        assert after.answers == () and after.frames == 30


def test_yes_and_no_are_right_equally_often_though_more_questions_have_no(plan_of: PlanOf) -> None:
    text = asking(1, 2, task="repeats = 50\n")
    right = Counter(
        str(t.steps[0].correct) for seed in range(5) for t in questions_of(plan_of(text, seed=seed))
    )
    assert right.total() > 1500
    assert abs(right["yes"] - right["no"]) < 4 * right.total() ** 0.5


def test_each_question_is_asked_and_each_is_as_often_yes_as_no(plan_of: PlanOf) -> None:
    text = asking(1, 1, task="repeats = 50\n")
    counts = Counter(
        (said(t), str(t.steps[0].correct))
        for seed in range(3)
        for t in questions_of(plan_of(text, seed=seed))
    )
    assert len(counts) == 6 and counts.total() == 1800
    assert all(abs(n - 300) < 4 * 300**0.5 for n in counts.values())


def test_where_a_picture_allows_one_answer_only_that_is_asked(plan_of: PlanOf) -> None:
    question = '[[screening.catch.question]]\ntext = "A thing?"\nyes_groups = ["thing"]\n'
    trials = questions_of(plan_of(asking(1, 1, question)))
    assert len(trials) == 48
    assert {(t.item in ("cup", "hat", "key", "pen"), t.steps[0].correct) for t in trials} == {
        (True, "yes"),
        (False, "no"),
    }


@given(seed=st.integers(0, 2**32), distance=st.integers(1, 20))
def test_where_nothing_can_be_asked_of_a_picture_the_next_that_allows_it_is_asked_about(
    seed: int, distance: int, plan_of: PlanOf
) -> None:
    plan = plan_of(asking(distance, distance, ABOUT_THINGS), seed=seed)
    waited = 0
    for trial, after in pairwise([*trials_of(plan), Trial(Kind.TEXT, ())]):
        waited = 0 if trial.kind is Kind.QUESTION else waited + (trial.kind is Kind.VIEW)
        due = waited >= distance and trial.item in ("cup", "hat", "key", "pen")
        if trial.kind is Kind.VIEW:
            assert (after.kind is Kind.QUESTION) == due
    assert questions_of(plan)


def test_a_question_about_no_picture_of_the_session_is_never_asked(plan_of: PlanOf) -> None:
    plan = plan_of(asking(1, 1, ABOUT_THINGS) + '[pictures]\ngroups = ["animal", "plant"]\n')
    assert questions_of(plan) == [] and len(views_of(plan)) == 32


def test_questions_take_nothing_from_the_order_of_the_pictures(plan_of: PlanOf) -> None:
    assert views_of(plan_of(asking(1, 3))) == views_of(plan_of("[screening]\n"))


def test_an_answer_is_scored_and_coded(plan_of: PlanOf, shown: Present) -> None:
    plan = plan_of(asking(1, 1, task="repeats = 1\n") + "[texts]\ntext_s = 0\n")
    rig, _, _, script = staged()
    script.after = {30: ["yes"]}
    session = shown(plan, rig)
    right = [t.steps[0].correct == "yes" for t in questions_of(plan)]
    answers = session.events("ANSWER")
    assert [e.detail["correct"] for e in answers] == right and len(set(right)) == 2
    codes = [e.presentation for e in session.events("ANSWER_1")]
    assert codes == [e.presentation for e in answers]


# Blocks that hold no more pictures than the display does --------------------------------------


def chunked(
    protocol: Protocol, pets: Catalog, at_once: int | None, seed: int = 1
) -> tuple[Plan, list[Block]]:
    plan = make_plan(protocol, pets, seed=seed, refresh_hz=60.0, spacing_frames=2, at_once=at_once)
    return plan, [b for b in plan.blocks if b.kind == "screening"]


@given(
    at_once=st.integers(1, 14),
    repeats=st.integers(1, 5),
    break_after=st.none() | st.integers(1, 40),
    per_group=st.integers(1, 4),
    seed=st.integers(0, 2**32),
)
def test_a_block_needs_at_most_so_many_pictures_and_nothing_is_lost_by_cutting(
    at_once: int,
    repeats: int,
    break_after: int | None,
    per_group: int,
    seed: int,
    protocol: ProtocolOf,
    pets: Catalog,
) -> None:
    after = f"break_after = {break_after}\n" if break_after else ""
    asked = protocol(
        asking(1, 3, task=f"repeats = {repeats}\nblank_s = 0.3\n{after}")
        + f"[pictures]\nper_group = {per_group}\n"
    )
    whole, _ = chunked(asked, pets, None, seed)
    cut, blocks = chunked(asked, pets, at_once, seed)
    assert all(len(pictures_of(block)) <= at_once for block in blocks)
    assert [t for t in trials_of(cut) if t.kind is not Kind.TEXT] == [
        t for t in trials_of(whole) if t.kind is not Kind.TEXT
    ]
    assert cut.picture_ids == whole.picture_ids
    order = views_of(cut)
    size = 3 * per_group
    for repeat in range(repeats):
        assert len(set(order[repeat * size : (repeat + 1) * size])) == size
    assert all(a != b for a, b in pairwise(order))


def test_every_part_but_the_first_opens_with_a_break(protocol: ProtocolOf, pets: Catalog) -> None:
    _, blocks = chunked(protocol("[screening]\nrepeats = 2\n"), pets, 6)
    assert [len(block.trials) for block in blocks] == [7, 7, 7, 7]
    assert [said(b.trials[0]) for b in blocks] == [
        "Please look at the pictures.", *["A short break."] * 3
    ]  # fmt: skip


@pytest.mark.parametrize("at_once", [12, 13, 500])
def test_where_all_pictures_fit_nothing_is_cut(
    at_once: int, protocol: ProtocolOf, pets: Catalog
) -> None:
    asked = protocol("[screening]\nbreak_after = 20\n")
    assert chunked(asked, pets, at_once) == chunked(asked, pets, None)


@pytest.mark.parametrize(("break_after", "at_once"), [(7, 3), (10, 4)])
def test_cutting_keeps_the_breaks_that_the_protocol_asks_for(
    break_after: int, at_once: int, protocol: ProtocolOf, pets: Catalog
) -> None:
    asked = protocol(f"[screening]\nrepeats = 4\nbreak_after = {break_after}\n")
    _, blocks = chunked(asked, pets, at_once)
    ends = {0}
    for block in blocks:
        ends.add(max(ends) + sum(t.kind is Kind.VIEW for t in block.trials))
    assert set(range(0, 48, break_after)) <= ends
    for start in range(0, 48, break_after):
        within = sorted(end for end in ends if start <= end <= min(start + break_after, 48))
        parts = {after - before for before, after in pairwise(within)}
        assert max(parts) <= at_once and max(parts) - min(parts) <= 1


# Practice ------------------------------------------------------------------------------------

WITHOUT = '[pictures]\nexclude = ["key", "dog"]\n[practice]\npictures = ["key", "dog"]\n'


def practised(plan: Plan) -> Sequence[Block]:
    return [b for b in plan.blocks if b.kind == PRACTICE]


def test_practice_shows_its_own_pictures_and_asks_for_a_yes_and_a_no_before_it_counts(
    plan_of: PlanOf,
) -> None:
    plan = plan_of(asking(2, 80) + WITHOUT)
    assert [b.kind for b in plan.blocks[:3]] == [PRACTICE, "instructions", "screening"]
    (block,) = practised(plan)
    kinds = [(t.kind, t.item) for t in block.trials]
    assert kinds == [
        (Kind.TEXT, None),
        (Kind.PRACTICE, "key"),
        (Kind.PRACTICE, "key"),
        (Kind.PRACTICE, "dog"),
        (Kind.PRACTICE, "dog"),
    ]
    assert said(block.trials[0]) == "First some practice."
    assert [s.code for s in block.trials[2].steps] == ["QUESTION_ON", "QUESTION_OFF"]
    asked = [block.trials[n] for n in (2, 4)]
    assert [(said(t), t.steps[0].correct) for t in asked] == [
        ("Was it a thing?", "yes"),
        ("Was it a plant?", "no"),
    ]
    assert block.rounds == 3
    assert said(plan.blocks[1].trials[0]) == "Well done. Now it counts."
    assert not {"key", "dog"} & set(views_of(plan))
    assert {"key", "dog"} <= set(plan.picture_ids)


def test_practice_pictures_last_as_long_as_those_of_the_session(plan_of: PlanOf) -> None:
    plan = plan_of("[screening]\n" + WITHOUT)
    trials = [t for t in practised(plan)[0].trials if t.kind is Kind.PRACTICE]
    assert [[s.frames for s in t.steps] for t in trials] == [[16, 8], [16, 8]]


@pytest.mark.parametrize(
    ("question", "right"),
    [
        pytest.param('yes_ids = ["key", "dog"]\n', ["yes"], id="all yes"),
        pytest.param("", ["no"], id="all no"),
        pytest.param('yes_ids = ["key"]\n', ["yes", "no"], id="both"),
        pytest.param('yes_ids = ["dog"]\n', ["no", "yes"], id="no before yes"),
        pytest.param('not_about = ["dog", "key"]\n', [], id="neither"),
    ],
)
def test_practice_asks_what_its_pictures_allow(
    question: str, right: list[str], plan_of: PlanOf
) -> None:
    catch = f'[[screening.catch.question]]\ntext = "?"\n{question}'
    (block,) = practised(plan_of(asking(2, 80, catch) + WITHOUT))
    asked = [t for t in block.trials if t.steps[0].code == "QUESTION_ON"]
    assert [t.steps[0].correct for t in asked] == right


def test_practice_in_which_nothing_is_asked_comes_once(plan_of: PlanOf) -> None:
    plain = plan_of("[screening]\n" + WITHOUT)
    about = '[[screening.catch.question]]\ntext = "?"\nnot_about = ["dog", "key"]\n'
    nothing = plan_of(asking(2, 80, about) + WITHOUT)
    assert [b.rounds for p in (plain, nothing) for b in practised(p)] == [1, 1]


def test_rounds_of_practice_are_those_of_the_protocol(plan_of: PlanOf) -> None:
    assert practised(plan_of(asking(2, 80) + WITHOUT + "rounds = 5\n"))[0].rounds == 5


def test_practice_changes_nothing_of_the_session(plan_of: PlanOf) -> None:
    out = '[pictures]\nexclude = ["key", "dog"]\n'
    without, with_it = plan_of(asking(1, 4) + out), plan_of(asking(1, 4) + WITHOUT)
    assert trials_of(without) == trials_of(with_it)


def test_without_texts_practice_has_none_either(plan_of: PlanOf) -> None:
    plan = plan_of(asking(2, 80) + WITHOUT + "[texts]\ntext_s = 0\n")
    assert [b.kind for b in plan.blocks] == [PRACTICE, *["screening"] * 4, "end"]
    assert {t.kind for t in practised(plan)[0].trials} == {Kind.PRACTICE}


def test_practice_with_pictures_of_the_session_is_refused(faults_of: FaultsOf) -> None:
    assert faults_of('[screening]\n[practice]\npictures = ["key", "kee", "cat"]\n') == [
        "p.toml:6: practice.pictures[2]: no picture 'kee' in set 'pets' (did you mean 'key'?)",
        "p.toml:6: practice.pictures: key, cat shown in the session too; practise with"
        " other pictures, or exclude these from the session",
    ]


@pytest.mark.parametrize("seed", range(6))
def test_whether_practice_is_refused_does_not_depend_on_the_seed(
    seed: int, faults_of: FaultsOf
) -> None:
    text = "[pictures]\nper_group = 2\n[practice]\n"
    assert faults_of(f'seed = {seed}\n[screening]\n{text}pictures = ["dog", "rose"]\n') == [
        "p.toml:9: practice.pictures: dog, rose may be shown in the session too; practise with"
        " other pictures, or exclude these from the session"
    ]


@pytest.mark.parametrize("no_too", [False, True])
def test_questions_that_one_key_answers_are_told(no_too: bool, plan_of: PlanOf) -> None:
    more = '[[screening.catch.question]]\ntext = "Was it a plant?"\nyes_groups = []\n'
    plan = plan_of(
        "[screening]\nrepeats = 4\nbreak_s = 0\n[screening.catch]\ndistance = [1, 2]\n"
        '[[screening.catch.question]]\ntext = "Was it there?"\n'
        'yes_groups = ["animal", "plant", "thing"]\n' + (more if no_too else "")
    )
    told = [w for w in plan.warnings if "whoever always presses that key scores 100 %" in w]
    assert len(told) == (not no_too)
