"""A small study of somebody's, in files: pictures seen, six cells that follow an axis."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

ON, OFF, START, END = 1, 2, 55, 66
WINDOW_S = (0.1, 0.3)


@dataclass
class SmallStudy:
    """What is written; a test changes what it wants to be wrong."""

    folder: Path
    pictures: int = 72
    showings: int = 3
    dims: int = 6
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))

    def __post_init__(self) -> None:
        self.names = [f"p{n:03d}" for n in range(self.pictures)]
        self.features = self.rng.normal(size=(self.pictures, 12))
        self.known = list(self.names)
        self.category = [f"kind {n % 3}" for n in range(self.pictures)]
        self.sessions: dict[str, list[str]] = {}
        self.cells: dict[str, list[NDArray[np.float64]]] = {}
        self.add("day1", self.names)

    def add(self, session: str, pictures: Sequence[str]) -> None:
        """A session in which six cells saw these pictures."""
        order = [p for _ in range(self.showings) for p in self.rng.permutation(list(pictures))]
        self.sessions[session] = order
        places = [self.names.index(p) for p in order]
        onsets = self.onsets_s(session)
        self.cells[session] = [
            self._cell(onsets, 8 + 5 * self.features[places] @ self.rng.normal(size=12) / 3)
            for _ in range(6)
        ]

    def onsets_s(self, session: str) -> NDArray[np.float64]:
        """Some two pictures a second, never quite regularly."""
        gaps = np.random.default_rng(len(session)).uniform(0.45, 0.65, len(self.sessions[session]))
        return np.asarray(5 + np.cumsum(gaps.round(3)))

    def _cell(
        self, onsets: NDArray[np.float64], rates_hz: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        numbers = self.rng.poisson(np.clip(rates_hz, 0.5, None) * 0.2)
        at = np.repeat(onsets, numbers)
        idle = self.rng.uniform(4, onsets[-1] + 2, len(onsets))
        return np.sort(np.concatenate([at + self.rng.uniform(*WINDOW_S, len(at)), idle]))

    def write(self, **changes: Any) -> Path:
        """The files; returns the study file."""
        for session, order in self.sessions.items():
            self._write_session(session, order)
        names = "\n".join(self.sessions)
        (self.folder / "sessions.csv").write_text(f"name\n{names}\n", encoding="utf-8")
        np.savez(
            self.folder / "features.npz",
            features=self.features, name=np.array(self.known), category=np.array(self.category),
        )  # fmt: skip
        values: dict[str, Any] = {
            "schema": 1,
            "name": "a small study",
            "sessions": {
                "table": "sessions.csv",
                "name": "{name}",
                "subject": "patient of {name}",
                "events": "{name}/events.csv",
                "units": "{name}/sorted",
            },
            "codes": {"image_on": ON},
            "run": [{"name": "screening", "images": ["{name}/order.csv:picture"]}],
            "features": {"file": "features.npz", "id": "{name}", "category": "category"},
            "space": {"dims": self.dims},
            "windows": {"response_s": list(WINDOW_S)},
            "tests": {"shuffles": 99},
        }
        for key, value in changes.items():
            values[key] = {**values[key], **value}
        path = self.folder / "study.toml"
        path.write_text(_toml(values), encoding="utf-8")
        return path

    def _write_session(self, session: str, order: Sequence[str]) -> None:
        folder = self.folder / session
        (folder / "sorted").mkdir(parents=True)
        (folder / "order.csv").write_text("picture\n" + "\n".join(order) + "\n", encoding="utf-8")
        onsets = self.onsets_s(session)
        rows = [(4.0, START), (onsets[-1] + 2, END)]
        rows += [(t, ON) for t in onsets] + [(t + 0.25, OFF) for t in onsets]
        lines = "\n".join(f"{t:.6f},{code}" for t, code in sorted(rows))
        (folder / "events.csv").write_text(f"time_s,code\n{lines}\n", encoding="utf-8")
        for channel, train in enumerate(self.cells[session], start=1):
            spikes = np.zeros((len(train), 4))
            spikes[:, :2], spikes[:, 2] = 1, train * 1e6
            savemat(folder / "sorted" / f"A{channel}_cells.mat", {"spikes": spikes})


def _toml(values: dict[str, Any]) -> str:
    """TOML that has inline tables only: a JSON value is one, but for the colon."""
    return "".join(f"{key} = {_inline(value)}\n" for key, value in values.items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)
