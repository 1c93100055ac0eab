"""Mutated protocol files: a plan or a refusal in words: `python -m benchmarks.fuzz_protocols`.

Of the protocols that ship, and of one that uses what these do not, bytes are changed, lines are
dropped, doubled and swapped, values are replaced by awkward or by likely ones, keys are misspelt,
and settings of the schema are put in at random; so are the tables of pictures beside them.  Every
mutant must give the same plan twice, or `UserError` with a message; any other exception is a bug
and is printed with its seed.
"""

import argparse
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from task import places
from task.contract.catalog import Catalog, read_catalog
from task.contract.errors import UserError
from task.planning import plan_file
from task.protocol import Protocol, read_protocol

MUTANTS = 20_000  # fewer write no file
SLOW_S = 2.0
AWKWARD = (
    *("0", "-1", "1e308", "nan", "inf", '""', '"x"', "[]", "{}", "true", "1e-9", "99999999999999"),
    *("0x10", "1979-05-27", '"\\u0000"', '["a", "a"]', "[[1]]", '"' + "y" * 300 + '"', "0.25"),
)
LIKELY = (
    *("1", "2", "3", "5", "0.5", "1.5", "0.2667", "true", "false", '"en"', '"es"', '"word"'),
    *('["dog", "cat"]', '"random"', '"fixed"', '"blocked"', '["group:face", "c*"]', '"face"'),
    *('["tone", "word"]', '[["dog", "cat"], ["cow", "owl"]]', "{ face = 3, animal = 2 }"),
    *('"items.csv"', "[1, 2]", '"dog"', '["red apple"]', "60.0"),
)
TABLE = "id,word,sound,notes\ndog,the dog,,\nbanana,,,sweet\n" + "".join(
    f"{item},,,\n" for item in ("airplane", "cactus", "violin", "clown")
)
# What the protocols that ship do not use, and would not together.
SPECIMENS = (
    """schema = 1
name = "parts"
longest_min = 60
seed = 3
[seeds]
pictures = 4
[pictures]
of_group = { face = 6, animal = 9 }
exclude = ["d*", "group:text"]
[screening]
apart = 3
group_run = 4
order = "random"
[[screening.part]]
name = "slow"
repeats = 1
image_s = 1.0
[[screening.part]]
name = "plants"
order = "blocked"
[screening.part.pictures]
ids = ["group:plant", "Tiger"]
""",
    """schema = 1
name = "table"
language = "es"
[imagery]
items = "items.csv"
cue_order = "random"
[[imagery.part]]
name = "closed"
blocks = [2, 5]
cue = ["tone", "word"]
eyes_closed = true
imagine_s = 8.0
[practice]
pictures = ["elephant", "frog"]
[[questionnaire]]
id = "q"
text = "Well?"
""",
    """schema = 1
name = "pairs"
[imagery]
pairs = [["dog", "cat"], ["owl", "cow"], ["cactus", "dog"], ["cat", "owl"], ["cow", "cactus"]]
[rest]
before_s = 10.0
""",
)


def mutate(text: str, rng: random.Random) -> bytes:
    """A mutant of a protocol file, or of a table."""
    kinds = (_value, _value, _value, _likely, _likely, _line, _bytes, _key, _setting)
    for _ in range(rng.choice((1, 1, 2, 3))):
        text = rng.choice(kinds)(text, rng)
    return text.encode("utf-8", "surrogateescape")


def _value(text: str, rng: random.Random, values: Sequence[str] = AWKWARD) -> str:
    return _instead(text, rng, r"=\s*([^#\n]+)|(?<=,)([^,\n]*)", rng.choice(values))


def _likely(text: str, rng: random.Random) -> str:
    return _value(text, rng, LIKELY)


def _key(text: str, rng: random.Random) -> str:
    """A key misspelt by a letter."""
    letter = rng.choice("abcdefghijklmnopqrstuvwxyz_.")
    return _instead(text, rng, r"(?m)^\w*(\w)\w* =|^id(,)", letter)


def _instead(text: str, rng: random.Random, pattern: str, new: str) -> str:
    """Something else in place of what a group of the pattern matches, somewhere."""
    found = [m.span(m.lastindex) for m in re.finditer(pattern, text) if m.lastindex]
    if not found:
        return text
    start, end = rng.choice(found)
    return text[:start] + new + text[end:]


def _setting(text: str, rng: random.Random) -> str:
    """A setting that there is, under the header of some table, right or wrong."""
    lines = text.split("\n")
    under = [n for n, line in enumerate(lines) if line.startswith("[") or line.startswith("schema")]
    if under:
        lines.insert(rng.choice(under) + 1, f"{rng.choice(KEYS)} = {rng.choice(LIKELY)}")
    return "\n".join(lines)


def _keys(model: type[BaseModel]) -> list[str]:
    """Every setting that a protocol may have anywhere."""
    schema = model.model_json_schema()
    tables = [schema, *schema["$defs"].values()]
    return sorted({key for table in tables for key in table.get("properties", {})})


KEYS = _keys(Protocol)


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
    shipped = [p.read_text(encoding="utf-8") for p in sorted(places.PROTOCOLS.glob("*.toml"))]
    texts = [*shipped, *SPECIMENS, *SPECIMENS]
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path, beside = Path(folder) / "mutant.toml", Path(folder) / "items.csv"
        for number in range(mutants):
            rng = random.Random(f"{seed} {number}")
            path.write_bytes(mutate(rng.choice(texts), rng))
            whole = rng.random() < 0.7
            beside.write_bytes(TABLE.encode() if whole else mutate(TABLE, rng))
            begun = time.perf_counter()
            try:
                found[outcome(path, catalog)] += 1
            except Exception:
                said = f"{path.read_bytes()!r}\n{beside.read_bytes()!r}"
                print(f"seed {seed}, mutant {number}:\n{said}", file=sys.stderr)
                raise
            found["slow"] += time.perf_counter() - begun > SLOW_S
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mutants", type=int, default=MUTANTS)
    asked = parser.parse_args()
    found = campaign(asked.mutants, 0)
    lines = [
        "# Mutated protocol files",
        "",
        "Made by `python -m benchmarks.fuzz_protocols` (seed 0); CI runs a sample.",
        "",
        "| mutants | gave the same plan twice | refused in words | tracebacks | slower than 2 s |",
        "|---|---|---|---|---|",
        f"| {asked.mutants} | {found['plan']} | {found['refused']} | 0 | {found['slow']} |",
        "",
    ]
    print("\n".join(lines))
    if asked.mutants >= MUTANTS:
        Path(__file__).with_suffix(".md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
