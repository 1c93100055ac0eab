"""Traffic lights: how bad it is, before a session and after."""

from enum import StrEnum


class Light(StrEnum):
    """Green: as it should be.  Yellow: know it.  Red: it must not be.  Grey: nobody knows."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    GREY = "grey"
