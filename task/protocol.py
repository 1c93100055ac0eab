"""What a protocol file may say.  This is its only definition: it checks files, its JSON schema
completes keys in editors, and the settings table of the documentation is made from it.

Units are part of the name: `_s` seconds, `_deg` degrees of visual angle.  Every default is the
study's (doi:10.1126/science.adt8343) where the study's value is known.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from task.contract.settings import Settings, Table, parse, read_settings

Seconds = Annotated[float, Field(gt=0, le=600)]
SecondsOrNone = Annotated[float, Field(ge=0, le=600)]
Count = Annotated[int, Field(ge=1, le=50)]
Degrees = Annotated[float, Field(gt=0, le=60)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
PictureIds = Annotated[tuple[str, ...], Field(min_length=1)]


class Pictures(Table):
    """Which pictures of the set are shown; all of them if nothing is said."""

    groups: tuple[str, ...] = Field((), description="only these groups of the set")
    per_group: PositiveInt | None = Field(
        None, description="at most this many of each group, drawn at random with the seed"
    )
    ids: tuple[str, ...] = Field((), description="exactly these pictures, by id")
    exclude: tuple[str, ...] = Field((), description="none of these pictures, by id")

    @model_validator(mode="after")
    def _one_way(self) -> "Pictures":
        if self.ids and (self.groups or self.per_group):
            raise ValueError("choose pictures by ids or by groups, not both")
        repeated = sorted({i for i in self.ids if self.ids.count(i) > 1})
        if repeated:
            raise ValueError(f"ids: {', '.join(repeated)} named twice; name each picture once")
        return self


class Look(Table):
    """Sizes on the screen."""

    picture_deg: Degrees = Field(6.5, description="width of a picture, degrees of visual angle")
    text_deg: Degrees = Field(0.9, description="height of a line of text, degrees")
    fixation: bool = Field(True, description="a small cross on empty screens, except in imagery")


class Screening(Table):
    """Many pictures shown briefly, to find each neuron's axis."""

    repeats: Count = Field(
        4, description="showings of each picture, each repeat in a fresh random order"
    )
    image_s: Seconds = Field(0.2667, description="picture on screen, seconds")
    blank_s: Seconds = Field(0.1333, description="empty screen after each picture, seconds")
    break_after: PositiveInt | None = Field(
        None, description="trials between breaks; a break after each repeat if not said"
    )
    break_s: SecondsOrNone = Field(
        60.0, description="longest break, seconds (any answer key ends it); 0 for none"
    )


class Imagery(Table):
    """Two items a block: seen, then a visual search, then imagined in turn on a blank screen."""

    items: PictureIds = Field(
        description="the pictures to imagine, by id: an even number, at least 6"
    )
    words: dict[str, str] = Field(
        {}, description="cue words, where not the picture's name in the protocol's language"
    )
    cue: Literal["word", "picture", "word and picture"] = Field(
        "word", description="what the cue screen shows"
    )
    encode_views: Count = Field(4, description="views of each item before it is imagined")
    encode_s: Seconds = Field(1.5, description="picture on screen in these views, seconds")
    encode_blank_s: Seconds = Field(0.5, description="empty screen after each view, seconds")
    search_s: SecondsOrNone = Field(
        30.0, description="visual search between seeing and imagining, seconds; 0 for none"
    )
    baseline_s: Seconds = Field(5.0, description="empty screen before the first cue, seconds")
    cues_per_item: Count = Field(4, description="times each item is imagined in a block")
    cue_s: Seconds = Field(1.0, description="cue screen, seconds")
    imagine_s: Seconds = Field(5.0, description="blank screen to imagine on, seconds")
    after_s: Seconds = Field(0.5, description="empty screen after imagining, seconds")
    rating_s: SecondsOrNone = Field(
        5.0, description="longest time to rate vividness 1 to 5, seconds; 0 for no rating"
    )
    break_s: SecondsOrNone = Field(
        60.0, description="longest break between blocks, seconds (any answer key ends it)"
    )

    @model_validator(mode="after")
    def _pairs(self) -> "Imagery":
        repeated = sorted({i for i in self.items if self.items.count(i) > 1})
        if repeated:
            raise ValueError(f"items: {', '.join(repeated)} named twice; name each item once")
        if len(self.items) < 6 or len(self.items) % 2:
            raise ValueError(
                f"items: {len(self.items)} items cannot be paired so that each comes in two"
                " blocks that are not neighbours, with two partners; take 6, 8, 10 ..."
            )
        strangers = sorted(set(self.words) - set(self.items))
        if strangers:
            raise ValueError(f"words: {', '.join(strangers)} not among the items")
        return self


class Texts(Table):
    """What the patient reads.  A line break is a line break."""

    screening: str = "Please look at the pictures.\n\nPress any key to begin."
    imagery: str = (
        "You will see two pictures.\nThen a word tells you which one to imagine.\n"
        "Imagine it as vividly as you can\nwhile the screen is empty.\n\nPress any key to begin."
    )
    pause: str = "A short break.\n\nPress any key to go on."
    search: str = "Is there a T?"
    rating: str = "How vivid was it?"
    rating_low: str = "not at all"
    rating_high: str = "like seeing it"
    end: str = "Thank you.\nThis part is finished."
    text_s: SecondsOrNone = Field(120.0, description="longest time a text waits for a key, seconds")


class Safety(Table):
    """More than 3 flashes a second can trigger a seizure.  Beyond, a person must answer for it."""

    flashes_per_s: Annotated[float, Field(gt=3, le=30)] = Field(
        description="onsets allowed in any one second, instead of 3"
    )
    approved_by: Annotated[str, Field(min_length=2)] = Field(
        description="who approved it; recorded in the session log"
    )
    reason: Annotated[str, Field(min_length=4)] = Field(description="why; recorded in the log")


class Protocol(Table):
    """One session: what is shown, how long, how often."""

    schema_version: Literal[1] = Field(1, alias="schema", description="version of this format")
    name: Name = Field(
        description="letters, digits, '-' and '_'; appears in folder names and reports"
    )
    stimuli: Name = Field("objects", description="the stimulus set, a folder under stimuli/")
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] = Field(
        "en", description="language of cue words: a column name_<language> of the set"
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = Field(
        None, description="of every random choice; drawn anew for each session if not said"
    )
    round_to_frames: bool = Field(
        False, description="round times to whole frames of the display instead of refusing them"
    )
    banner: Annotated[str, Field(max_length=80)] = Field(
        "", description="small print at the foot of every screen"
    )
    pictures: Pictures = Field(Pictures(), description="which pictures of the set are shown")
    look: Look = Field(Look(), description="sizes on the screen")
    screening: Screening | None = Field(None, description="a screening session")
    imagery: Imagery | None = Field(None, description="an imagery session")
    texts: Texts = Field(Texts(), description="what the patient reads")
    codes: dict[str, Annotated[int, Field(ge=1, le=255)]] = Field(
        {}, description="trigger values of a table of your own, by name, for example image_on = 20"
    )
    safety: Safety | None = Field(None, description="a recorded override of the flash limit")

    @model_validator(mode="after")
    def _one_task(self) -> "Protocol":
        if (self.screening is None) == (self.imagery is None):
            raise ValueError("say what the session is: one of [screening] and [imagery]")
        if self.imagery and self.pictures != Pictures():
            raise ValueError("[pictures] chooses those of a screening; here it would do nothing")
        return self


@dataclass(frozen=True, slots=True)
class ProtocolFile:
    """A protocol and the file it came from, whose lines faults point to."""

    source: Settings
    protocol: Protocol

    @property
    def folder(self) -> Path:
        """Where relative paths of the protocol start."""
        return self.source.file.resolve().parent


def read_protocol(path: Path) -> ProtocolFile:
    """Read and check a protocol file.

    Raises
    ------
    FileError
        With everything that is wrong with it.
    """
    source = read_settings(path)
    return ProtocolFile(source, parse(source, Protocol))
