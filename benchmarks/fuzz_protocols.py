"""Mutated protocol files: a plan or a refusal in words: `python -m benchmarks.fuzz_protocols`.

Bytes are changed, dropped, doubled and swapped, lines too, and values are replaced by awkward ones.
Every mutant must give the same plan twice, or `UserError` with a message; any other exception is a
bug and is printed with its seed.
"""

import random
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from task import places
from task.contract.catalog import Catalog, read_catalog
from task.contract.errors import UserError
from task.planning import plan_file
from task.protocol import read_protocol

MUTANTS = 10_000
SLOW_S = 2.0
AWKWARD = (
    *("0", "-1", "1e308", "nan", "inf", '""', '"x"', "[]", "{}", "true", "1e-9", "99999999999999"),
    *("0x10", "1979-05-27", '"\\u0000"', '["a", "a"]', "[[1]]", '"' + "y" * 300 + '"', "0.25"),
)


def mutate(text: str, rng: random.Random) -> bytes:
    """A mutant of a protocol file."""
    for _ in range(rng.randint(1, 3)):
        text = rng.choice((_value, _value, _line, _bytes))(text, rng)
    return text.encode("utf-8", "surrogateescape")


def _value(text: str, rng: random.Random) -> str:
    places_ = [m.span(1) for m in re.finditer(r"=\s*([^#\n]+)", text)]
    if not places_:
        return text
    start, end = rng.choice(places_)
    return text[:start] + rng.choice(AWKWARD) + text[end:]


def _line(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    kind = rng.randrange(3)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(at, lines[at])
    else:
        other = rng.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    return "\n".join(lines)


def _bytes(text: str, rng: random.Random) -> str:
    raw = bytearray(text.encode("utf-8", "surrogateescape"))
    for _ in range(rng.randint(1, 4)):
        if raw:
            raw[rng.randrange(len(raw))] = rng.randrange(256)
    return raw.decode("utf-8", "surrogateescape")


def outcome(path: Path, catalog: Catalog) -> str:
    """`plan` or `refused`; whatever else is raised goes through."""
    try:
        plans = [
            plan_file(read_protocol(path), catalog, seed=1, refresh_hz=60.0, spacing_frames=2)
            for _ in range(2)
        ]
    except UserError as error:
        assert str(error).strip(), "a refusal without a word"
        return "refused"
    assert plans[0].sha256 == plans[1].sha256, "two plans of one file"
    return "plan"


def campaign(mutants: int, seed: int) -> Counter[str]:
    """Outcomes of many mutants of the protocols that ship."""
    catalog = read_catalog(places.STIMULI / "objects")
    texts = [p.read_text(encoding="utf-8") for p in sorted(places.PROTOCOLS.glob("*.toml"))]
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutant.toml"
        for number in range(mutants):
            rng = random.Random(f"{seed} {number}")
            path.write_bytes(mutate(rng.choice(texts), rng))
            begun = time.perf_counter()
            try:
                found[outcome(path, catalog)] += 1
            except Exception:
                print(f"seed {seed}, mutant {number}:\n{path.read_bytes()!r}", file=sys.stderr)
                raise
            found["slow"] += time.perf_counter() - begun > SLOW_S
    return found


def main() -> None:
    found = campaign(MUTANTS, 0)
    print("| mutants | gave a plan | refused in words | tracebacks | slower than 2 s |")
    print("|---|---|---|---|---|")
    print(f"| {MUTANTS} | {found['plan']} | {found['refused']} | 0 | {found['slow']} |")


if __name__ == "__main__":
    main()
