"""Wheels of one module, entries of a lock for them, and a pip that knows no others."""

import hashlib
import os
import zipfile


def make_wheel(folder, name, version="1.0", tag="py3-none-any", content="VALUE = 1\n"):
    """Make a wheel of one module; its file."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}-{version}-{tag}.whl"
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr(f"{name}.py", content)
        wheel.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"
        )
        wheel.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        wheel.writestr(f"{about}/RECORD", "")
    return file


def entry(wheel, condition=""):
    """The entry of a lock for a wheel."""
    name, version, *_ = wheel.name.split("-")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{name}=={version}{condition} \\\n    --hash=sha256:{digest}\n"


def pip_takes_only(folder):
    """Return the variables with which pip takes packages from a folder and from nowhere else."""
    forget = {name: "" for name in os.environ if name.startswith("PIP_")}
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
    return {**forget, **settings, "PIP_FIND_LINKS": folder.as_uri()}
