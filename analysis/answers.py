"""Answers of a session: that each question has one, how each was scored, how fast they came."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from analysis import timing
from analysis.lights import counted, times
from analysis.planned import Followed, Plan, State, place_of, trial_at
from task.contract.sessionlog import Event


def answer_faults(plan: Plan, followed: Followed, events: Sequence[Event]) -> list[str]:
    """What is wrong with the answers of presentations that count, in words."""
    whole = followed.of(State.WHOLE)
    numbers = {presentation.number for presentation in whole}
    faults = [why for number, why in _scoring_faults(plan, events) if number in numbers]
    answered = Counter(event.presentation for event in events if _is_answer(event))
    for presentation in whole:
        trial = trial_at(plan, presentation.place)
        assert trial  # of a presentation that is whole
        questions = sum(bool(step["answers"]) for step in trial["steps"])
        if answered[presentation.number] != questions:
            faults.append(
                f"presentation {presentation.number} ({presentation.place}) asks"
                f" {times(questions)} and has {counted(answered[presentation.number], 'answer')}"
            )
    return faults


def answers_by_kind(events: Sequence[Event]) -> dict[str, dict[str, Any]]:
    """Answers by the kind of their trial: right, wrong, unscored, none; by whom; how fast."""
    kinds = {e.presentation: str(e.detail.get("kind")) for e in events if e.name == "PRESENTATION"}
    told: dict[str, dict[str, Any]] = {}
    reactions: dict[str, list[float]] = {}
    for event in filter(_is_answer, events):
        kind = kinds.get(event.presentation, "unknown")
        counts = told.setdefault(
            kind, {"right": 0, "wrong": 0, "given": 0, "none": 0, "by_operator": 0}
        )
        counts[_scored(event)] += 1
        counts["by_operator"] += event.detail.get("by") == "operator"
        reaction_s = timing.number(event.detail.get("reaction_s"))
        if event.detail.get("by") != "operator" and np.isfinite(reaction_s):
            reactions.setdefault(kind, []).append(reaction_s)
    for kind, counts in told.items():
        took_s = reactions.get(kind)
        counts["reaction_median_s"] = round(float(np.median(took_s)), 7) if took_s else None
    return told


def _is_answer(event: Event) -> bool:
    return event.code is None and event.name in ("ANSWER", "NO_ANSWER")


def _scoring_faults(plan: Plan, events: Sequence[Event]) -> Iterator[tuple[int | None, str]]:
    """Presentations with an answer that was scored otherwise than the plan has it."""
    steps: list[Mapping[str, Any]] = []
    step: Mapping[str, Any] | None = None
    for event in events:
        if event.name == "PRESENTATION":
            steps, step = list((trial_at(plan, place_of(event)) or {}).get("steps", ())), None
        elif event.code and steps and event.name == steps[0]["code"]:
            step = steps.pop(0)
        elif _is_answer(event) and step is not None and (why := _misscored(step, event)):
            yield event.presentation, why


def _misscored(step: Mapping[str, Any], event: Event) -> str:
    if event.name == "NO_ANSWER" or step.get("correct") is None:
        return ""
    answer, correct = event.detail.get("answer"), event.detail.get("correct")
    if correct is (answer == step["correct"]):
        return ""
    return (
        f"presentation {event.presentation}: answer {answer!r} was scored"
        f" {'right' if correct else 'wrong'}, and {step['correct']!r} is right"
    )


def _scored(event: Event) -> str:
    if event.name == "NO_ANSWER":
        return "none"
    correct = event.detail.get("correct")
    return "given" if not isinstance(correct, bool) else "right" if correct else "wrong"
