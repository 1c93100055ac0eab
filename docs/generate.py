"""Make the generated files: `python docs/generate.py`.  A test compares them with their sources.

docs/codes.md                    the event codes, from task.contract.codes
docs/protocol.md                 the settings of a protocol, from task.protocol
docs/rig.md                      the settings of a rig, from task.rigfile
protocols/protocol.schema.json   the same for editors
README.md                        the study file it shows, from docs/studies/newold.toml
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from task.contract.codes import ONSETS, RUN_TIME, SWEEP_OFFSETS, SWEEP_VALUES, Code
from task.protocol import Protocol
from task.rigfile import USUAL_KEYS, RigFile

ROOT = Path(__file__).resolve().parent.parent


def codes_page() -> str:
    """The code table and how a stream is read."""
    rows = [f"| {code.name} | {int(code)} | {int(code):08b} | {_role(code)} |" for code in Code]
    sweep = ", ".join(
        f"{value} at {offset}" for value, offset in zip(SWEEP_VALUES, SWEEP_OFFSETS, strict=True)
    )
    return "\n".join(
        [
            "# Event codes",
            "",
            "Made from `task/contract/codes.py`; do not edit.",
            "",
            "0 is rest. 1-127 are events, each an even number of raised lines. 128-255 carry seven"
            " bits of payload and follow only `SESSION` (three of number, one check) or `TRIAL`"
            " (two of number, one check).",
            "",
            "A run opens with a sweep of single lines, at these multiples of the code spacing:"
            f" {sweep}. No two pairs lie equally far apart.",
            "",
            "| code | value | lines | |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _role(code: Code) -> str:
    if code in ONSETS:
        return "onset; TRIAL and the presentation's number follow"
    return "at any time" if code in RUN_TIME else ""


def protocol_page() -> str:
    """Every setting of a protocol with its default and meaning."""
    return _settings_page("Protocol settings", "task/protocol.py", Protocol)


def rig_page() -> str:
    """Every setting of a rig; those of a trigger device stand in docs/devices.md."""
    page = _settings_page("Rig settings", "task/rigfile.py", RigFile)
    keys = "; ".join(f"{meaning}: {', '.join(keys)}" for meaning, keys in USUAL_KEYS.items())
    operator = "A key pressed together with Ctrl is the operator's: what the patient said aloud."
    return f"{page}\n`[triggers]`: see `docs/devices.md`. Usual keys: {keys}. {operator}\n"


def _settings_page(title: str, source: str, top: type[BaseModel]) -> str:
    lines = [f"# {title}", "", f"Made from `{source}`; do not edit.", ""]
    for name, model in _tables(top, ""):
        lines += [f"## {name or 'At the top'}", ""]
        lines += [(model.__doc__ or "").strip().split("\n")[0], ""]
        lines += ["| setting | default | meaning |", "|---|---|---|"]
        for key, field in model.model_fields.items():
            if not _elsewhere(model, key) and _model(field.annotation) is None:
                meaning = field.description or "text"
                lines.append(f"| `{field.alias or key}` | {_default(field)} | {meaning} |")
        lines.append("")
    return "\n".join(lines)


def _elsewhere(model: type[BaseModel], key: str) -> bool:
    """Trigger devices have a page of their own."""
    return model is RigFile and key == "triggers"


def _tables(model: type[BaseModel], name: str) -> Iterator[tuple[str, type[BaseModel]]]:
    yield name, model
    for key, field in model.model_fields.items():
        inner = _model(field.annotation)
        if inner is not None and not _elsewhere(model, key):
            path = f"{name.strip('[]')}.{key}" if name else key
            several = "tuple" in str(field.annotation)
            yield from _tables(inner, f"[[{path}]]" if several else f"[{path}]")


def _model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model, get_args(annotation))), None)


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None:
        return "not said"
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def schema() -> str:
    """JSON schema for editors."""
    return (
        json.dumps(Protocol.model_json_schema(by_alias=True), indent=1, ensure_ascii=False) + "\n"
    )


def readme() -> str:
    """The README with the study file as it is."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    study = (ROOT / "docs/studies/newold.toml").read_text(encoding="utf-8")
    shown = f"<!-- newold.toml -->\n```toml\n{study}```\n<!-- end -->"
    return re.sub(
        r"<!-- newold.toml -->(.*?<!-- end -->)?", lambda _: shown, text, count=1, flags=re.DOTALL
    )


FILES = {
    "docs/codes.md": codes_page,
    "docs/protocol.md": protocol_page,
    "docs/rig.md": rig_page,
    "protocols/protocol.schema.json": schema,
    "README.md": readme,
}

if __name__ == "__main__":
    for name, make in FILES.items():
        (ROOT / name).write_text(make(), encoding="utf-8")
