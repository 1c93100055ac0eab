"""The trigger values of a session: the program's own, or a laboratory's."""

from collections.abc import Mapping

from task.contract.codes import CODE_TABLE
from task.contract.settings import did_you_mean
from task.protocol import Faults, Protocol


def code_table(protocol: Protocol, faults: Faults) -> dict[str, int]:
    """Name -> value, with those that the protocol gives."""
    table = dict(CODE_TABLE)
    own: dict[str, str] = {}
    for name, value in protocol.codes.items():
        if name.upper() in own:
            faults.append((("codes", name), f"is {own[name.upper()]} again; give each code once"))
        elif name.upper() in table:
            own[name.upper()] = name
            table[name.upper()] = value
        else:
            hint = did_you_mean(name.upper(), table).lower() or f"; known: {', '.join(table)}"
            faults.append((("codes", name), f"no such code{hint}"))
    by_value: dict[int, list[str]] = {}
    for name, value in table.items():
        by_value.setdefault(value, []).append(name)
    for value, names in by_value.items():
        for name in names if len(names) > 1 else ():
            if name in own:
                others = ", ".join(n for n in names if n != name)
                faults.append((("codes", own[name]), f"{value} is also {others}; one value each"))
    return table


def announces(table: Mapping[str, int]) -> bool:
    """Whether a table leaves the payload free, so that presentations are numbered on the lines."""
    return all(value < 128 for value in table.values())


def warnings_of(table: Mapping[str, int]) -> list[str]:
    """What a table of one's own loses."""
    changed = {name: value for name, value in table.items() if value != CODE_TABLE[name]}
    said = []
    payload = [f"{n} = {v}" for n, v in changed.items() if v >= 128]
    if payload:
        said.append(
            f"{', '.join(payload)}: values from 128 on are payload; sessions and presentations"
            " are not announced on the lines, so a lost log cannot be rebuilt from the recording"
        )
    odd = [f"{n} = {v}" for n, v in changed.items() if v.bit_count() % 2]
    if odd:
        said.append(
            f"{', '.join(odd)}: an odd number of lines; one dead line can turn it into another code"
        )
    return said
