"""Sound files that go on when their cue is over are found before a session."""

from pathlib import Path

import pytest

from task.contract.codes import CODE_TABLE
from task.contract.sessionlog import Kind
from task.plan import Block, Plan, SoundItem, Step, Trial
from task.preflight.tryout import overlong

soundfile = pytest.importorskip("soundfile")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ((0.5, 1.0), []),
        ((0.5, 1.009), []),
        ((0.5, 1.02), ["1.wav lasts 1.02 s, its cue 1.00 s"]),
        ((1.5, 3.0), ["0.wav lasts 1.50 s, its cue 1.00 s", "1.wav lasts 3.00 s, its cue 1.00 s"]),
    ],
)
def test_sound_files_that_outlast_their_cue_are_told(
    seconds: tuple[float, float], said: list[str], tmp_path: Path
) -> None:
    files = {f"{n}.wav": tmp_path / f"{n}.wav" for n in range(2)}
    for file, lasts_s in zip(files.values(), seconds, strict=True):
        soundfile.write(file, [0.0] * round(8000 * lasts_s), 8000)
    files["words.wav"] = tmp_path / "words.wav"
    files["words.wav"].write_text("no sound", encoding="utf-8")
    steps = tuple(Step("CUE_ON", (SoundItem(name),), 60) for name in files)
    longer = Step("CUE_ON", (SoundItem("0.wav"),), 600)
    block = Block("imagery", (Trial(Kind.IMAGINE, (longer, *steps)),))
    plan = Plan("x", 60.0, 1, 2, dict(CODE_TABLE), "pets", (block,), ())
    assert overlong(plan, files) == said
