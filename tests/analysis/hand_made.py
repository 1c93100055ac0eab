"""A session folder made by hand, frame by frame, so that any part of it can be damaged at will."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from task.contract.catalog import MANIFEST
from task.contract.codes import (
    CODE_TABLE,
    SWEEP_OFFSETS,
    SWEEP_VALUES,
    announce_presentation,
    announce_session,
)
from task.contract.sessionlog import LOG_NAME, Event, line_of

SESSION = 4242
HZ = 60.0
SPACING = 2
START_S = 100.0


def step(code: str, frames: int, *answers: str, correct: str | None = None) -> dict[str, Any]:
    return {
        "code": code,
        "screen": [],
        "frames": frames,
        "answers": list(answers),
        "correct": correct,
    }


def trial(kind: str, item: str | None, *steps: dict[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "item": item, "steps": list(steps)}


def view(item: str) -> dict[str, Any]:
    return trial("view", item, step("IMAGE_ON", 16), step("IMAGE_OFF", 8))


def search(correct: str = "yes") -> dict[str, Any]:
    asked = step("SEARCH_ON", 300, "yes", "no", correct=correct)
    return trial("search", None, asked, step("SEARCH_OFF", 12))


def plan_of(*blocks: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": "small",
        "refresh_hz": HZ,
        "seed": 1,
        "spacing_frames": SPACING,
        "codes": dict(CODE_TABLE),
        "blocks": [{"kind": "screening", "trials": list(trials)} for trials in blocks],
        "interrupted": "repeat",
        "announced": True,
        **more,
    }


def small_plan() -> dict[str, Any]:
    """Two blocks: pictures, a visual search; pictures in another order."""
    first = [view("dog"), view("cup"), view("oak"), search()]
    return plan_of(first, [view("oak"), view("dog"), view("cup")])


@dataclass
class HandMade:
    """What a presenter would log of a plan; `lit` tells of a photodiode's patch."""

    plan: dict[str, Any] = field(default_factory=small_plan)
    lit: bool = False
    events: list[Event] = field(default_factory=list)
    ending: dict[str, Any] | None = None
    overrides: dict[str, str] = field(default_factory=dict)
    frame: int = 0
    given: list[int] = field(default_factory=list)
    write_s: float = 30e-6
    patch: list[tuple[float, int]] = field(default_factory=list)

    @property
    def _trials(self) -> int:
        return sum(len(block["trials"]) for block in self.plan["blocks"])

    @property
    def now_s(self) -> float:
        return START_S + self.frame / HZ

    @property
    def _lit_now(self) -> int:
        return self.patch[-1][1] if self.patch else 0

    def _light(self, state: int) -> None:
        """The photodiode's patch from this frame on."""
        if state != self._lit_now:
            self.patch.append((self.now_s, state))

    def log(self, name: str, number: int | None = None, **detail: Any) -> None:
        self.events.append(Event(self.now_s, name, None, number, detail))

    def code(self, name: str, value: int | None = None, number: int | None = None) -> None:
        """A code in the flip of this frame, and one spacing of time."""
        before_s = self.now_s + 20e-6
        detail: dict[str, Any] = {"sent_s": [round(before_s, 7), round(before_s + self.write_s, 7)]}
        if self.lit and number is not None:
            if value is None:
                self._light(1 - self._lit_now)
            detail["lit"] = self._lit_now
        sent = self.plan["codes"][name] if value is None else value
        self.events.append(Event(self.now_s, name, sent, number, detail))
        self.frame += SPACING

    def open_run(self, **detail: Any) -> None:
        self.log("RUN", port={"device": "serial"}, **detail)
        start = self.frame
        for value, offset in zip(SWEEP_VALUES, SWEEP_OFFSETS, strict=True):
            self.frame = start + offset * SPACING
            self.code("SWEEP", value)
        self.mark("RUN_START", named=True)

    def mark(self, name: str, *, named: bool = False) -> None:
        for value in announce_session(SESSION) if named else ():
            self.code("SESSION", value)
        self.code(name)

    def present(self, block: int, place: int, *, answer: str = "yes", steps: int = 99) -> int:
        """One trial, or its first steps only; returns the presentation's number."""
        about = self.plan["blocks"][block]["trials"][place]
        number = sum(len(b["trials"]) for b in self.plan["blocks"][:block]) + place + 1
        if number in self.given:
            number = max(*self.given, self._trials) + 1
        self.given.append(number)
        said = {"kind": about["kind"], "block": block, "trial": place}
        self.log(
            "PRESENTATION", number, **said, **({"item": about["item"]} if about["item"] else {})
        )
        for n, shown in enumerate(about["steps"][:steps]):
            begun = self.frame
            self.code(shown["code"], None, number)
            for value in announce_presentation(SESSION, number) if n == 0 else ():
                self.code("TRIAL", value, number)
            self.frame = begun + shown["frames"]
            if shown["answers"]:
                self.frame = begun + 45
                self.log("ANSWER", number, answer=answer, key=answer, reaction_s=0.75,
                         correct=answer == shown["correct"], by="patient")  # fmt: skip
                self.code("ANSWER_1" if answer == "yes" else "ANSWER_0", None, None)
        return number

    def show_block(self, block: int, *, first: int = 0, last: int | None = None) -> None:
        self.open_block(block)
        for place in range(first, len(self.plan["blocks"][block]["trials"])):
            self.present(block, place)
            if place == last:
                return
        self.code("BLOCK_END")

    def open_block(self, block: int) -> None:
        self.frame += 30  # pictures are made ready
        self._light(0)
        self.log("BLOCK", block=block)
        self.mark("BLOCK_START", named=True)

    def close_run(self, how: str = "completed") -> None:
        self.frame += SPACING
        self._light(0)
        if how != "completed":
            self.code("STOP")
        self.code("RUN_END")
        begun = max((n for n, e in enumerate(self.events) if e.name == "RUN"), default=0)
        mine = self.events[begun:]
        self.ending = {
            "how": how,
            "presentations": sum(e.name == "PRESENTATION" for e in mine),
            "codes": sum(bool(e.code) for e in mine),
            "late_frames": sum(e.name == "LATE_FRAME" for e in mine),
            "codes_lost": sum(bool(e.detail.get("lost")) for e in mine),
            "frames": self.frame,
        }

    def resume(self, block: int, place: int = 0) -> None:
        """A further run; an ending of the one before becomes a line in the middle."""
        if self.ending is not None:
            self.log("ENDED", **self.ending)
            self.ending = None
        self.frame += 6000
        self.open_run(resumed={"block": block, "trial": place})

    def late(self, frames: int, at: int) -> None:
        """The last swap before event `at` came so many frames late: all after it is later."""
        late_s = frames / HZ
        moved = [
            Event(e.time_s + late_s, e.name, e.code, e.presentation, _moved(e.detail, late_s))
            for e in self.events[at:]
        ]
        told = {"interval_s": round((1 + frames) / HZ, 6)}
        self.events[at:] = [Event(moved[0].time_s, "LATE_FRAME", detail=told), *moved]
        if self.ending:
            self.ending["late_frames"] += 1

    def find(self, name: str, nth: int = 0) -> int:
        """Position of the nth event of a name."""
        return [n for n, e in enumerate(self.events) if e.name == name][nth]

    def change(self, at: int, **changes: Any) -> None:
        """Replace fields of an event; unknown ones are its detail."""
        event = self.events[at]
        own = {f: changes.pop(f, getattr(event, f)) for f in event.__slots__ if f != "detail"}
        self.events[at] = Event(**own, detail={**event.detail, **changes})

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            "plan.json": json.dumps(self.plan),
            "protocol.toml": 'name = "small"\n',
            MANIFEST: "id,file,sha256,group,name\n",
        }
        for name, text in texts.items():
            (folder / name).write_bytes(text.encode())
        digests = {n: hashlib.sha256(t.encode()).hexdigest() for n, t in texts.items()}
        header = {
            "imagery_log": 1,
            "session": SESSION,
            "subject": "P07",
            "protocol": "small",
            "protocol_sha256": digests["protocol.toml"],
            "plan_sha256": digests["plan.json"],
            "catalog": "pets",
            "catalog_sha256": digests[MANIFEST],
            "seed": 1,
            "rig": "bedside",
            "started": "2026-03-14T10:00:00.000+01:00",
            "codes": self.plan["codes"],
            "software": {},
            "overrides": self.overrides,
        }
        lines = [header, *map(_line, self.events)]
        lines += [{"ending": self.ending}] if self.ending is not None else []
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        (folder / LOG_NAME).write_text(text, encoding="utf-8", newline="\n")
        return folder


def _line(event: Event) -> dict[str, Any]:
    if event.name == "ENDED":
        return {"ending": dict(event.detail)}
    line = line_of(event)
    return {"resumed": line.pop("resumed"), **line} if "resumed" in line else line


def _moved(detail: Any, late_s: float) -> dict[str, Any]:
    if "sent_s" not in detail:
        return dict(detail)
    return {**detail, "sent_s": [round(s + late_s, 7) for s in detail["sent_s"]]}


def whole_session(**settings: Any) -> HandMade:
    """A session that was completed, with nothing to complain of."""
    made = HandMade(**settings)
    made.open_run()
    for block in range(len(made.plan["blocks"])):
        made.show_block(block)
    made.close_run()
    return made
