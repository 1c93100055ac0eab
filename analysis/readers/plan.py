"""The plan that lies in a session folder, as JSON: `blocks` of `trials` of `steps`, and `codes`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from task.contract.errors import Fault, FileError

PLAN_NAME = "plan.json"
PLAN_SCHEMA = 1


def read_plan(path: Path) -> Mapping[str, Any]:
    """Read `plan.json`.

    Raises
    ------
    FileError
        If it cannot be read, is not JSON, or is of another version.
    """
    try:
        plan = json.loads(path.read_bytes())
    except OSError as error:
        raise FileError([Fault(path, None, "", f"cannot be read: {error.strerror}")]) from None
    except ValueError as error:
        raise FileError([Fault(path, None, "", f"is not JSON: {error}")]) from None
    if not isinstance(plan, dict) or plan.get("schema") != PLAN_SCHEMA:
        raise FileError([Fault(path, None, "schema", f"is not {PLAN_SCHEMA}: no plan I can read")])
    return plan
