"""Draw the alignments that README.md shows: `python docs/alignments.py`.

docs/images/alignment.png  simulated sessions: a sound one, one whose clock bends, a refused one
"""

import tempfile
from pathlib import Path

from PIL import Image

from analysis.alignment_figure import write_alignment, write_refusal
from analysis.evidence import AlignmentRefused
from analysis.locate import locate
from benchmarks.faulty import simulate

IMAGE = Path(__file__).parent / "images" / "alignment.png"
SHOWN = {
    128: "An eighth of the words lost",
    678: "A clock that bends",
    57: "The recording of another run",
}
WIDTH_PX = 1200


def drawn(folder: Path, seed: int, title: str) -> Image.Image:
    """The picture that `imagery align --plot` makes of a simulated session."""
    session = simulate(seed)
    events = session.seen.assign(port="digital")
    path = folder / f"{seed}.png"
    try:
        found = locate(session.sent, events, session.number)
    except AlignmentRefused as refusal:
        write_refusal(path, refusal, session.sent, events, title)
    else:
        write_alignment(path, found, session.sent, events, title)
    picture = Image.open(path).convert("RGB")
    return picture.resize((WIDTH_PX, round(picture.height * WIDTH_PX / picture.width)))


def main() -> None:
    """Draw all of them, one below the other."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = [drawn(Path(folder), seed, title) for seed, title in SHOWN.items()]
    whole = Image.new("RGB", (WIDTH_PX, sum(p.height for p in pictures)), "white")
    top = 0
    for picture in pictures:
        whole.paste(picture, (0, top))
        top += picture.height
    whole.quantize(64).save(IMAGE, optimize=True)


if __name__ == "__main__":
    main()
