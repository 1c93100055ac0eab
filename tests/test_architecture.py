"""Who may import whom: read off the source, and tried with the drivers taken away."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DRIVERS = {"psychopy", "psychtoolbox", "pyglet", "serial", "sounddevice", "soundfile"}
NUMERICAL = {"numpy", "scipy", "pandas"}
# What presents a session, but for the drivers: no arrays, no libraries that open windows or files.
CORE = {
    *("protocol", "published", "order", "frames", "screens", "trials", "screening", "imagining"),
    *("wrapping", "chances", "choosing", "itemtable", "code_table"),
    *("flicker", "plan", "planning", "flow", "lines", "rig", "rigfile", "triggers", "peripherals"),
    *(
        "alarms",
        "countdown",
        "desk",
        "keynames",
        "pause",
        "sounding",
        "stage",
        "present",
        "logwriter",
        "recovery",
        "session",
        "places",
        *("schedule", "phases", "placing"),
    ),
}
# Numbers in, numbers out: neither files nor plots nor printing.
PURE = {
    "align", "responses", "space", "axis", "imagery", "inference", "select", "clock", "matching",
    "voting", "decoding", "prediction", "rival", "nearby", "leaps", "misstamped", "population",
    "resampling", "differences",
    *(f"viewing.{name}" for name in (
        "asked", "axis_course", "bursts", "clusters", "comparison", "coordinates", "deflated",
        "exemplar", "flatness", "identification", "latency", "models", "profile",
        "quality", "reconstruction",
        "responsive", "ridge", "ridge_axis", "stability", "tuning",
    )),
    *(f"imagined.{name}" for name in (
        "along", "asked", "attainable", "block_clusters", "blocks", "decoders", "decoding",
        "decoding_course", "decoding_design", "equivalence", "gap", "gap_population", "items",
        "null_units", "published", "questions", "rated", "ratio", "reach", "rules", "session",
        "similarity", "sliding", "trials", "vividness",
    )),
}  # fmt: skip


def modules_of(package: str) -> dict[str, Path]:
    """Every module of a package, by its dotted name."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules_of("task") | modules_of("analysis")


def imports(path: Path, *, lazy: bool = True) -> Iterator[str]:
    """Modules that a file imports; also those it imports when a function is called, if `lazy`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if node in inside and not lazy:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: says from where it is, not what it imports"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else str(node.module) for name in names)


def outside(names: Iterator[str]) -> set[str]:
    """The libraries among them."""
    tops = {name.partition(".")[0] for name in names}
    return tops - set(sys.stdlib_module_names) - {"task", "analysis"}


def ours(path: Path, *, lazy: bool = True) -> set[str]:
    return {
        name for name in imports(path, lazy=lazy) if name.partition(".")[0] in ("task", "analysis")
    }


def of(package: str) -> Mapping[str, Path]:
    return {name: path for name, path in MODULES.items() if name.startswith(f"{package}.")}


def test_there_is_something_to_look_at() -> None:
    assert {"task.contract.codes", "task.rigs.window", "analysis.align"} <= set(MODULES)
    assert {f"task.{name}" for name in CORE} <= set(MODULES)
    assert {f"analysis.{name}" for name in PURE} <= set(MODULES)


@pytest.mark.parametrize("name", of("task.contract"))
def test_the_contract_needs_the_standard_library_only(name: str) -> None:
    allowed = {"pydantic"} if name == "task.contract.settings" else set()
    assert outside(imports(MODULES[name])) <= allowed
    assert all(other.startswith("task.contract.") for other in ours(MODULES[name]))


@pytest.mark.parametrize("name", sorted(f"task.{name}" for name in CORE))
def test_the_core_of_the_task_needs_no_library_but_pydantic(name: str) -> None:
    allowed = {"filelock"} if name == "task.session" else {"pydantic", "pydantic_core"}
    assert outside(imports(MODULES[name])) <= allowed
    assert not any(other.startswith(("task.rigs", "task.sets")) for other in ours(MODULES[name]))


@pytest.mark.parametrize("name", of("task.sets"))
def test_sets_are_made_of_numbers_and_pictures(name: str) -> None:
    allowed = NUMERICAL | {"PIL", "resvg_py", "emoji", "jinja2", "matplotlib"}
    assert outside(imports(MODULES[name])) <= allowed
    assert not any(other.startswith("task.rigs") for other in ours(MODULES[name]))


@pytest.mark.parametrize("name", ["task.sets.measures", "task.sets.shine"])
def test_what_is_measured_and_matched_in_pictures_is_sums_only(name: str) -> None:
    assert outside(imports(MODULES[name])) <= NUMERICAL
    assert not ours(MODULES[name])


@pytest.mark.parametrize("name", MODULES)
def test_drivers_are_used_in_the_rigs_only(name: str) -> None:
    if name.startswith("task.rigs."):
        assert not DRIVERS & outside(imports(MODULES[name], lazy=False)), (
            "import it when it is used"
        )
    elif name == "analysis.synthetic.recorder":  # the other end of the cable
        assert DRIVERS & outside(imports(MODULES[name])) <= {"serial"}
    else:
        assert not DRIVERS & outside(imports(MODULES[name]))


@pytest.mark.parametrize(
    "name",
    [n for n in MODULES if n.startswith("task.") and n not in ("task.cli", "task.space_cli")],
)
def test_the_task_does_not_know_the_analysis(name: str) -> None:
    assert not any(other.startswith("analysis") for other in ours(MODULES[name]))


@pytest.mark.parametrize("name", of("analysis"))
def test_the_analysis_knows_nothing_of_the_task_but_the_contract(name: str) -> None:
    foreign = {other for other in ours(MODULES[name]) if other.startswith("task")}
    assert all(other.startswith("task.contract.") or other == "task" for other in foreign)
    if "task" in foreign:
        assert "from task import __version__" in MODULES[name].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(f"analysis.{name}" for name in PURE))
def test_numerical_modules_do_sums_only(name: str) -> None:
    assert outside(imports(MODULES[name])) <= NUMERICAL
    standard = {other.partition(".")[0] for other in imports(MODULES[name])}
    assert not standard & {"pathlib", "os", "io", "csv", "json", "matplotlib", "subprocess"}
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    called = {
        n.func.id
        for n in ast.walk(tree)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    }
    assert not called & {"print", "open", "input"}


def test_nothing_imports_itself_by_a_detour() -> None:
    below = {name: ours(path) & set(MODULES) - {name} for name, path in MODULES.items()}
    while leaves := {name for name, needs in below.items() if not needs & set(below)}:
        below = {name: needs for name, needs in below.items() if name not in leaves}
    assert not below, f"a cycle of imports among {', '.join(sorted(below))}"


def test_only_the_command_line_is_above_everything() -> None:
    users = {name for name, path in MODULES.items() if "task.cli" in ours(path)}
    assert users == {"task.__main__"}


WITHOUT_DRIVERS = """
import importlib, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {drivers!r}:
            raise ModuleNotFoundError(f"{{name}} is taken away", name=name)

sys.meta_path.insert(0, Absent())
for name in {names!r}:
    importlib.import_module(name)
"""


def test_everything_can_be_imported_without_the_drivers() -> None:
    names = [name for name in MODULES if not name.endswith("__main__")]
    script = WITHOUT_DRIVERS.format(drivers=DRIVERS, names=names)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_task_starts_without_loading_the_analysis_or_numbers() -> None:
    script = (
        "import sys, task.cli, task.present, task.session\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(ast.literal_eval(done.stdout))
    assert not loaded & (DRIVERS | NUMERICAL | {"analysis", "matplotlib", "PIL"})
