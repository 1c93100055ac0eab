"""What several commands are given in the same words: a protocol, a rig, a seed."""

from typing import Annotated

import typer

from task import places
from task.contract.errors import UserError
from task.protocol import ProtocolFile
from task.rigfile import RigFile, read_rig

ProtocolArgument = Annotated[
    str, typer.Argument(help="a protocol file, or the name of one in protocols/")
]
RigOption = Annotated[
    str | None, typer.Option("--rig", help="a rig file, or the name of one in protocols/rigs/")
]
SeedOption = Annotated[
    int | None, typer.Option(min=0, help="of every random choice, where the protocol has none")
]
RefreshOption = Annotated[
    float | None,
    typer.Option(min=20, max=500, help="refresh rate, Hz; the rig's or 60 if not said"),
]


def rig_file(name: str | None) -> RigFile:
    """The rig that is named, or the one without triggers."""
    return read_rig(places.find_rig(name or places.DEFAULT_RIG))


def seed_of(file: ProtocolFile, seed: int | None) -> int | None:
    """The seed that is given; one that the protocol says otherwise would do nothing."""
    own = file.protocol.seed
    if seed and own is not None and seed != own:
        raise UserError(
            f"{file.source.file}: says seed = {own}, which goes before --seed {seed}; leave one out"
        )
    return seed
