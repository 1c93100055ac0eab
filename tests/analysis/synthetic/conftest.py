"""A small session: its plan, what its lines do, and what was shown when."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from task.contract.codes import CODE_TABLE, Code, announce_presentation, announce_session

SESSION = 1_234_567
PULSE_S, SPACING_S = 0.008, 0.02


@dataclass
class SmallSession:
    """Three pictures viewed twice, then one block of imagery."""

    codes: dict[str, int] = field(default_factory=lambda: dict(CODE_TABLE))
    blocks: list[dict[str, Any]] = field(default_factory=list)
    pulses: list[tuple[float, int]] = field(default_factory=list)
    shown: list[tuple[float, float, str, str, int]] = field(default_factory=list)

    @property
    def plan(self) -> dict[str, Any]:
        return {"schema": 1, "codes": self.codes, "blocks": self.blocks}

    @property
    def edges(self) -> list[tuple[float, int]]:
        return edges_of(self.pulses)

    def send(self, start_s: float, *codes: int) -> None:
        names = {int(code): code.name for code in Code}
        for n, code in enumerate(codes):
            value = self.codes[names[code]] if code < 128 else code
            self.pulses.append((start_s + n * SPACING_S, value))

    def start_block(self, time_s: float) -> None:
        self.blocks.append({"kind": "block", "trials": []})
        self.send(time_s, Code.BLOCK_START, *announce_session(SESSION))

    def trial(self, kind: str, item: str | None, time_s: float, *, cue: bool = False) -> None:
        self.blocks[-1]["trials"].append({"kind": kind, "item": item})
        number = sum(len(block["trials"]) for block in self.blocks)
        announced = announce_presentation(SESSION, number)
        on, off = {
            "view": (Code.IMAGE_ON, Code.IMAGE_OFF),
            "encode": (Code.ENCODE_ON, Code.ENCODE_OFF),
            "search": (Code.SEARCH_ON, Code.SEARCH_OFF),
            "imagine": (Code.IMAGERY_ON, Code.IMAGERY_OFF),
        }[kind]
        if kind == "imagine":
            self.send(time_s - 0.5, Code.CUE_ON, *announced)
            self.send(time_s, on)
        else:
            self.send(time_s, on, *announced)
        self.send(time_s + 0.3, off)
        if kind != "search":
            assert item is not None
            self.shown.append((time_s, time_s + 0.3, kind, item, len(self.blocks)))


def edges_of(pulses: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """What the lines do: up at every pulse, and back to rest."""
    return [edge for t, value in pulses for edge in ((t, value), (t + PULSE_S, 0))]


@pytest.fixture
def edges() -> Callable[[list[tuple[float, int]]], list[tuple[float, int]]]:
    return edges_of


def build(codes: dict[str, int]) -> SmallSession:
    session = SmallSession(codes)
    session.send(1.0, Code.RUN_START)
    time_s = 2.0
    for order in (("dog", "cup", "oak"), ("oak", "dog", "cup")):
        session.start_block(time_s)
        for n, item in enumerate(order):
            session.trial("view", item, time_s + 1 + 0.4 * n)
        time_s += 3
    session.start_block(time_s)
    session.trial("encode", "dog", time_s + 1)
    session.trial("search", None, time_s + 2)
    session.trial("imagine", "dog", time_s + 4)
    session.trial("imagine", "cup", time_s + 6)
    session.send(time_s + 7, Code.RUN_END)
    return session


@pytest.fixture
def small_session() -> SmallSession:
    return build(dict(CODE_TABLE))


@pytest.fixture
def session_with_codes() -> Callable[[dict[str, int]], SmallSession]:
    return build


@pytest.fixture
def small_space() -> pd.DataFrame:
    """Twelve pictures, not in the order of their names, in two dimensions."""
    names = ["oak", "dog", "ape", "cup", "jar", "bee", "pen", "fig", "hat", "key", "box", "sun"]
    rng = np.random.default_rng(5)
    index = pd.Index(names, name="id")
    return pd.DataFrame(rng.standard_normal((12, 2)) * [9, 1], index=index, columns=["PC1", "PC2"])
