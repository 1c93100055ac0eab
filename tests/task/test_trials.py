"""What both tasks share: pages to read, rest, questionnaires, breaks, the end."""

from collections.abc import Callable
from itertools import groupby

import pytest

from task.contract.sessionlog import Kind
from task.plan import ANY_KEY, BLANK, Block, CountdownItem, Plan, TextItem, ToneItem, Trial
from tests.task.staged import IMAGERY, SCREENING, TINY, PlanOf, Present, staged

FaultsOf = Callable[..., list[str]]

SIX = '[imagery]\nitems = ["dog", "cat", "cow", "owl", "cup", "hat"]\n'
TASKS = ["[screening]\n", SIX]
END_TONE = ToneItem(1320.0, 0.15)
CROSS = (TextItem("+", 0.6),)


def kinds_of(plan: Plan) -> list[str]:
    """Kinds of blocks, those of the task once."""
    return [kind for kind, _ in groupby(block.kind for block in plan.blocks)]


def blocks_of(plan: Plan, kind: str) -> list[Block]:
    return [block for block in plan.blocks if block.kind == kind]


def words_of(trial: Trial) -> list[str]:
    return [i.text for i in trial.steps[0].screen if isinstance(i, TextItem)]


# Pages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_pages_of_instructions_come_first_and_each_waits_for_a_key(
    task: str, plan_of: PlanOf
) -> None:
    plan = plan_of(
        f'{task}[texts]\ninstructions = ["One.", "Two\\nlines.", "Three."]\ntext_s = 7\n'
    )
    first = plan.blocks[0]
    assert first.kind == "instructions"
    assert [words_of(t) for t in first.trials] == [["One."], ["Two\nlines."], ["Three."]]
    for trial in first.trials:
        on, off = trial.steps
        assert (trial.kind, trial.item) == (Kind.TEXT, None)
        assert (on.code, on.answers, on.frames, on.correct) == ("TEXT_ON", (ANY_KEY,), 420, None)
        assert (off.code, off.answers, off.frames) == ("TEXT_OFF", (), 60)


@pytest.mark.parametrize("task", TASKS)
def test_texts_that_may_take_no_time_are_left_out(task: str, plan_of: PlanOf) -> None:
    plan = plan_of(f'{task}break_s = 0\n[texts]\ninstructions = ["One."]\ntext_s = 0\n')
    assert "instructions" not in kinds_of(plan)
    assert [words_of(t) for b in plan.blocks for t in b.trials if t.kind is Kind.TEXT] == [
        ["Thank you.\nThis part is finished."]
    ]


@pytest.mark.parametrize("task", TASKS)
def test_without_more_a_session_is_its_task_and_the_end(task: str, plan_of: PlanOf) -> None:
    assert kinds_of(plan_of(task)) == ["screening" if "screening" in task else "imagery", "end"]


# Rest ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_a_rest_comes_before_and_after_the_task(task: str, plan_of: PlanOf) -> None:
    name = "screening" if "screening" in task else "imagery"
    asked = '[[questionnaire]]\nid = "{}"\ntext = "?"\nwhen = "{}"\n'
    text = (
        f"{task}[rest]\nbefore_s = 20\nafter_s = 10\n"
        + asked.format("a", "before") + asked.format("b", "after")
        + '[texts]\ninstructions = ["One."]\n'
    )  # fmt: skip
    plan = plan_of(text)
    assert kinds_of(plan) == [
        "instructions", "questionnaire", "rest", name, "rest", "questionnaire", "end",
    ]  # fmt: skip
    rests = [t for b in blocks_of(plan, "rest") for t in b.trials if t.kind is Kind.REST]
    assert [t.steps[0].frames for t in rests] == [1200, 600]


@pytest.mark.parametrize(
    ("eyes", "words", "screen", "end"),
    [
        ("open", "Please rest with your eyes open", CROSS, BLANK),
        ("closed", "Please rest with your eyes closed", BLANK, (END_TONE,)),
    ],
)
def test_a_rest_with_eyes_open_has_a_cross_one_with_eyes_closed_ends_with_a_tone(
    eyes: str, words: str, screen: tuple[object, ...], end: tuple[object, ...], plan_of: PlanOf
) -> None:
    plan = plan_of(f'[screening]\n[rest]\nbefore_s = 20\neyes = "{eyes}"\n')
    (block,) = blocks_of(plan, "rest")
    text, rest = block.trials
    assert words_of(text)[0].startswith(words) and text.steps[0].answers == (ANY_KEY,)
    on, off = rest.steps
    assert (on.code, on.screen, on.frames, on.answers) == ("REST_ON", screen, 1200, ())
    assert (off.code, off.screen, off.frames, off.answers) == ("REST_OFF", end, 60, ())


def test_a_rest_that_is_no_whole_number_of_frames_is_refused(faults_of: FaultsOf) -> None:
    assert faults_of("[screening]\n[rest]\nbefore_s = 10.01\nafter_s = 10.02\n") == [
        "p.toml:6: rest.before_s: 10.01 s is 600.60 frames at 60 Hz; use 10.0000 s (600 frames) or"
        " 10.0167 s (601 frames), or round_to_frames = true",
        "p.toml:7: rest.after_s: 10.02 s is 601.20 frames at 60 Hz; use 10.0167 s (601 frames) or"
        " 10.0333 s (602 frames), or round_to_frames = true",
    ]


def test_a_rest_too_short_for_its_codes_is_refused(faults_of: FaultsOf) -> None:
    assert faults_of("[screening]\n[rest]\nbefore_s = 0.05\n") == [
        "p.toml:6: rest.before_s: 3 frames cannot hold 5 trigger codes, each of 2 frames; at least"
        " 10 frames are needed"
    ]


# Questionnaires ------------------------------------------------------------------------------

ANSWERS = {
    "yes or no": ("yes", "no"),
    "1 to 5": ("1", "2", "3", "4", "5"),
    "1 to 7": ("1", "2", "3", "4", "5", "6", "7"),
    "0 to 9": ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("answers", ANSWERS)
def test_a_question_shows_all_that_may_answer_it(
    answers: str, when: str, task: str, plan_of: PlanOf
) -> None:
    plan = plan_of(
        f'{task}[[questionnaire]]\nid = "pain"\ntext = "Any pain?"\nanswers = "{answers}"\n'
        f'low = "none"\nhigh = "much"\nwhen = "{when}"\nlongest_s = 20\n'
    )
    (block,) = blocks_of(plan, "questionnaire")
    (trial,) = block.trials
    on, off = trial.steps
    assert plan.blocks.index(block) == (0 if when == "before" else len(plan.blocks) - 2)
    assert (trial.kind, trial.item) == (Kind.QUESTION, "pain")
    assert (on.code, on.answers, on.correct, on.frames) == (
        "QUESTION_ON", ANSWERS[answers], None, 1200,
    )  # fmt: skip
    assert (off.code, off.screen, off.answers) == ("QUESTION_OFF", CROSS, ())
    scale = [] if answers == "yes or no" else ["none", "much"]
    assert words_of(trial) == ["Any pain?", *ANSWERS[answers], *scale]
    row = [i for i in on.screen if isinstance(i, TextItem) and i.text in ANSWERS[answers]]
    places = [i.x_deg for i in row]
    assert places == sorted(places) and sum(places) == pytest.approx(0)


def test_questions_are_asked_in_the_order_of_the_file(plan_of: PlanOf) -> None:
    listed = [("a", "after"), ("b", "before"), ("c", "after"), ("d", "before")]
    text = "".join(
        f'[[questionnaire]]\nid = "{name}"\ntext = "{name}?"\nwhen = "{when}"\n'
        for name, when in listed
    )
    first, last = blocks_of(plan_of(f"[screening]\n{text}"), "questionnaire")
    assert [t.item for t in first.trials] == ["b", "d"]
    assert [t.item for t in last.trials] == ["a", "c"]


@pytest.mark.parametrize(
    ("answers", "key", "code"),
    [("yes or no", "no", "ANSWER_0"), ("1 to 5", "5", "ANSWER_5"), ("1 to 7", "7", "ANSWER_7"),
     ("0 to 9", "0", "ANSWER_0"), ("0 to 9", "9", "ANSWER_9")],
)  # fmt: skip
def test_every_kind_of_answer_is_logged_and_coded_and_never_scored(
    answers: str, key: str, code: str, plan_of: PlanOf, shown: Present
) -> None:
    plan = plan_of(f'{TINY}[[questionnaire]]\nid = "q"\ntext = "?"\nanswers = "{answers}"\n')
    rig, _, _, script = staged()
    script.after = {10: ["x", "pause?"], 20: [key]}
    session = shown(plan, rig)
    (answer,) = session.events("ANSWER")
    assert (answer.detail["answer"], answer.detail["to"]) == (key, "QUESTION_ON")
    assert "correct" not in answer.detail
    assert [e.presentation for e in session.events(code)] == [answer.presentation]
    begun = next(e for e in session.events("PRESENTATION") if e.presentation == answer.presentation)
    assert begun.detail["item"] == "q"


def test_an_answer_outside_the_scale_is_none(plan_of: PlanOf, shown: Present) -> None:
    plan = plan_of(f'{TINY}[[questionnaire]]\nid = "q"\ntext = "?"\nlongest_s = 1\n')
    rig, _, _, script = staged()
    script.after = {10: ["0"], 20: ["6"], 30: ["yes"]}
    session = shown(plan, rig)
    assert session.events("ANSWER") == []
    assert len([e for e in session.events("NO_ANSWER") if e.code is None]) == 1


# Breaks and the end --------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["[screening]\nrepeats = 3\n", SIX])
def test_every_block_but_the_first_opens_with_a_break_that_counts_down(
    task: str, plan_of: PlanOf
) -> None:
    plan = plan_of(f"{task}break_s = 30\n")
    first, *others = [b for b in plan.blocks if b.kind in ("screening", "imagery")]
    assert not any(isinstance(i, CountdownItem) for i in first.trials[0].steps[0].screen)
    for block in others:
        on, _ = block.trials[0].steps
        assert (on.frames, on.answers) == (1800, (ANY_KEY,))
        words, left = on.screen
        assert isinstance(words, TextItem) and words.text.startswith("A short break.")
        assert isinstance(left, CountdownItem) and left.y_deg < 0
    countdowns = [i for s in plan.steps for i in s.screen if isinstance(i, CountdownItem)]
    assert len(countdowns) == len(others)


@pytest.mark.parametrize("task", ["[screening]\nrepeats = 3\n", SIX])
def test_no_break_where_it_may_take_no_time(task: str, plan_of: PlanOf) -> None:
    plan = plan_of(f"{task}break_s = 0\n")
    texts = [words_of(t)[0] for b in plan.blocks for t in b.trials if t.kind is Kind.TEXT]
    assert len(texts) == 2  # how to begin, and thanks


@pytest.mark.parametrize("text", [SCREENING, IMAGERY], ids=["screening", "imagery"])
def test_a_break_shows_the_seconds_that_are_left_each_for_one_second(
    text: str, plan_of: PlanOf, shown: Present
) -> None:
    rig, stage, _, _ = staged()
    shown(plan_of(text.replace("break_s = 1", "break_s = 3").replace("= 4", "= 3")), rig)
    said = [
        next((i.text for i in screen if isinstance(i, TextItem) and i.text[:2] == "0:"), "")
        for screen in stage.shown
    ]
    runs = [(left, len(list(frames))) for left, frames in groupby(said) if left]
    for number, (left, frames) in enumerate(runs):
        assert left == f"0:0{3 - number % 3}"
        assert frames == 60 or left == "0:01"  # the last may wait for a code to leave the lines
        assert 60 <= frames <= 64
    assert len(runs) % 3 == 0 and runs


def test_a_key_ends_a_break(plan_of: PlanOf, shown: Present) -> None:
    rig, stage, _, script = staged()
    script.after = {90: ["yes"]}
    shown(plan_of(SCREENING), rig)
    left = {i.text for s in stage.shown for i in s if isinstance(i, TextItem)} & {
        "0:04", "0:03", "0:02", "0:01",
    }  # fmt: skip
    assert left == {"0:04", "0:03"}


@pytest.mark.parametrize("task", TASKS)
def test_a_session_ends_with_thanks_for_two_seconds(task: str, plan_of: PlanOf) -> None:
    plan = plan_of(f'{task}[texts]\nend = "Danke."\n')
    end = plan.blocks[-1]
    (trial,) = end.trials
    assert (end.kind, trial.kind, words_of(trial)) == ("end", Kind.TEXT, ["Danke."])
    assert [(s.code, s.frames, s.answers) for s in trial.steps] == [
        ("TEXT_ON", 120, ()), ("TEXT_OFF", 15, ()),
    ]  # fmt: skip
    assert trial.steps[1].screen == BLANK


@pytest.mark.parametrize("spacing", [2, 8, 31, 70])
def test_what_the_program_itself_shows_is_long_enough_for_its_codes(
    spacing: int, plan_of: PlanOf
) -> None:
    text = SIX.replace("[imagery]\n", "[imagery]\nencode_blank_s = 2\nafter_s = 2\n")
    text += 'encode_s = 6\ncue_s = 6\nbaseline_s = 6\ncue = "tone"\n'
    text += '[[questionnaire]]\nid = "a"\ntext = "b"\n'
    plan = plan_of(text, spacing_frames=spacing)
    for trial in (t for b in plan.blocks for t in b.trials):
        for position, step in enumerate(trial.steps):
            assert step.answers or step.frames >= (1 if position else 5) * spacing


def test_codes_that_do_not_fit_are_told_of_settings_that_are_there(faults_of: FaultsOf) -> None:
    text = f'{SIX}[[questionnaire]]\nid = "a"\ntext = "b"\n'
    assert faults_of(text, spacing_frames=31) == [
        f"p.toml:4: imagery.{key}: {frames} frames cannot hold {codes}, each of 31 frames; at least"
        f" {needed} frames are needed"
        for key, frames, codes, needed in (
            ("encode_s", 90, "5 trigger codes", 155),
            ("encode_blank_s", 30, "1 trigger code", 31),
            ("after_s", 30, "1 trigger code", 31),
            ("cue_s", 60, "5 trigger codes", 155),
        )
    ]


def test_the_time_after_a_catch_question_holds_its_code(faults_of: FaultsOf) -> None:
    asked = '[[screening.catch.question]]\ntext = "?"\n'
    text = f"[screening]\n[screening.catch]\nafter_s = 0.01\n{asked}"
    (found,) = [line for line in faults_of(text) if "flashes" not in line]
    assert found == (
        "p.toml:6: screening.catch.after_s: 1 frame cannot hold 1 trigger code, each of 2 frames;"
        " at least 2 frames are needed"
    )


# Pages without words -------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["", " \\n "])
@pytest.mark.parametrize("name", ["pause", "imagery", "yes", "end"])
def test_a_page_without_words_is_refused(name: str, words: str, faults_of: FaultsOf) -> None:
    assert faults_of(f'{SIX}[texts]\n{name} = "{words}"\n') == [
        f"p.toml:7: texts.{name}: is empty; write what the patient should read"
    ]


def test_pages_of_instructions_that_are_left_out_are_told(plan_of: PlanOf) -> None:
    text = '{}[texts]\ninstructions = ["One."]\ntext_s = {}\n'
    assert plan_of(text.format(SIX, 0)).warnings == (
        "texts.text_s = 0: the pages of instructions are left out",
    )
    assert plan_of(text.format(SIX, 5)).warnings == ()
