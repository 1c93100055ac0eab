"""What a protocol file may say.  This is its only definition: it checks files, its JSON schema
completes keys in editors, and the settings table of the documentation is made from it.

Units are part of the name: `_s` seconds, `_deg` degrees of visual angle.  Every default is the
study's (doi:10.1126/science.adt8343) where the study's value is known.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PositiveInt,
    WithJsonSchema,
    model_validator,
)

from task.contract.settings import KeyPath, Settings, Table, did_you_mean, parse, read_settings
from task.published import DESIGNS

Faults = list[tuple[KeyPath, str]]
"""Where a protocol cannot be shown as it is, and why."""


def _beside(file: str) -> str:
    parts = PurePosixPath(file).parts
    if not parts or file.startswith("/") or ".." in parts or "\\" in file or ":" in file:
        raise ValueError(f"{file!r}: name a file in the protocol's folder or in one below it")
    return file


def _published(name: str) -> str:
    if name not in DESIGNS:
        raise ValueError(
            f"no such design{did_you_mean(name, DESIGNS)}; there are {', '.join(DESIGNS)}"
        )
    return name


def _each_once(given: tuple[str, ...]) -> tuple[str, ...]:
    repeated = sorted({one for one in given if given.count(one) > 1})
    if repeated:
        raise ValueError(f"{', '.join(repeated)} named twice; name each once")
    return given


def _written(words: str) -> str:
    if not words.strip():
        raise ValueError("is empty; write what the patient should read")
    return words


Seconds = Annotated[float, Field(gt=0, le=600)]
SecondsOrNone = Annotated[float, Field(ge=0, le=600)]
Count = Annotated[int, Field(ge=1, le=50)]
Degrees = Annotated[float, Field(gt=0, le=60)]


def _listed(given: Any) -> Any:
    """One thing, or a list of them."""
    if isinstance(given, str):
        return (given,)
    return tuple(given) if isinstance(given, list) else given


Cue = Literal["word", "picture", "tone", "sound"]
Cues = Annotated[
    tuple[Cue, ...],
    Field(min_length=1),
    AfterValidator(_each_once),
    BeforeValidator(_listed),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(get_args(Cue))},
                {"type": "array", "minItems": 1, "items": {"enum": list(get_args(Cue))}},
            ]
        }
    ),
]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Ids = Annotated[tuple[str, ...], AfterValidator(_each_once)]
Line = Annotated[str, Field(max_length=300), AfterValidator(_written)]
Words = Annotated[str, AfterValidator(_written)]
SoundFile = Annotated[str, AfterValidator(_beside)]
Hertz = Annotated[float, Field(ge=100, le=4000)]
PublishedDesign = Annotated[
    str, AfterValidator(_published), Field(json_schema_extra={"enum": list(DESIGNS)})
]


class Pictures(Table):
    """Which pictures of the set are shown; all of them if nothing is said."""

    groups: tuple[str, ...] = Field((), description="only these groups of the set")
    per_group: PositiveInt | None = Field(
        None, description="at most this many of each group, drawn at random with the seed"
    )
    ids: Ids = Field((), description="exactly these pictures, by id")
    exclude: tuple[str, ...] = Field((), description="none of these pictures, by id")

    @model_validator(mode="after")
    def _one_way(self) -> "Pictures":
        if self.ids and (self.groups or self.per_group):
            raise ValueError("choose pictures by ids or by groups, not both")
        return self


class Look(Table):
    """Sizes on the screen."""

    picture_deg: Degrees = Field(6.5, description="width of a picture, degrees of visual angle")
    text_deg: Degrees = Field(0.9, description="height of a line of text, degrees")
    fixation: bool = Field(True, description="a small cross on empty screens, except in imagery")
    theme: Literal["light", "dark"] = Field(
        "light", description="dark words on grey, or for the night light words on near black"
    )


class CatchQuestion(Table):
    """A question about the picture just seen, and for which pictures the answer is yes."""

    text: Line = Field(description="the question; answered yes or no")
    yes_groups: tuple[str, ...] = Field((), description="groups for which the answer is yes")
    yes_ids: tuple[str, ...] = Field((), description="further pictures for which it is yes")
    no_ids: tuple[str, ...] = Field((), description="pictures of these groups for which it is no")
    not_about: tuple[str, ...] = Field(
        (), description="pictures or groups about which it is not asked: no clear answer"
    )


class Catch(Table):
    """Questions now and then about the picture just seen, so that the patient keeps looking."""

    distance: tuple[PositiveInt, PositiveInt] = Field(
        (2, 80), description="fewest and most pictures from one question to the next, drawn evenly"
    )
    answer_s: Seconds = Field(10.0, description="longest time to answer, seconds")
    after_s: Seconds = Field(0.5, description="empty screen after the answer, seconds")
    question: Annotated[tuple[CatchQuestion, ...], Field(min_length=1)] = Field(
        description="the questions; yes and no are right equally often as far as pictures allow"
    )

    @model_validator(mode="after")
    def _ordered(self) -> "Catch":
        if self.distance[0] > self.distance[1]:
            raise ValueError(f"distance: {list(self.distance)}; give the fewest first")
        texts = [q.text for q in self.question]
        repeated = sorted({t for t in texts if texts.count(t) > 1})
        if repeated:
            raise ValueError(f"question: {', '.join(repeated)} asked twice; give each once")
        return self


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
    catch: Catch | None = Field(None, description="questions about the picture just seen")


class Imagery(Table):
    """Two items a block: seen, then a visual search, then imagined in turn on a blank screen."""

    items: Ids = Field(
        (),
        description="the pictures to imagine, by id: an even number, at least 6; with a published"
        " design its own, numbered as in the study, if not said",
    )
    design: PublishedDesign | None = Field(
        None,
        description="which items share a block, as in one session of the study; balanced anew for"
        " every session if not said",
    )
    words: dict[str, str] = Field(
        {},
        description="cue words of items and practice pictures, where not the picture's name in"
        " the protocol's language",
    )
    cue: Cues = Field(
        ("word",), description="what tells which item to imagine; one, or several in a list"
    )
    tones_hz: tuple[Hertz, Hertz] = Field(
        (440.0, 880.0),
        description="tone of a block's first and of its second item, hertz; the tone that ends"
        " imagining with closed eyes has 1320",
    )
    tone_s: Annotated[float, Field(ge=0.05, le=2)] = Field(
        0.3, description="length of a tone, seconds; at most cue_s"
    )
    sounds: dict[str, SoundFile] = Field(
        {},
        description="spoken or recorded cues of items and practice pictures: item = sound file,"
        " beside the protocol; none longer than cue_s",
    )
    eyes_closed: bool = Field(
        False,
        description="imagine with eyes closed: cues must sound, tones begin and end each imagery",
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
    confidence_s: SecondsOrNone = Field(
        0.0, description="longest time to rate how sure one is, seconds; 0 for no such rating"
    )
    break_s: SecondsOrNone = Field(
        60.0, description="longest break between blocks, seconds (any answer key ends it)"
    )

    @property
    def item_ids(self) -> tuple[str, ...]:
        """The items, in order: those of the published design if none are named."""
        if self.items or not self.design:
            return self.items
        return tuple(f"{number:04d}" for number in DESIGNS[self.design].images)

    @model_validator(mode="after")
    def _sounding(self) -> "Imagery":
        if self.eyes_closed and not set(self.cue) & {"tone", "sound"}:
            raise ValueError('eyes_closed: who has closed eyes must hear the cue; cue = "tone"')
        return self

    @model_validator(mode="after")
    def _pairs(self) -> "Imagery":
        if not self.items and not self.design:
            raise ValueError("items: is missing; it is: the pictures to imagine, by id")
        if self.design and self.items and len(self.items) != len(DESIGNS[self.design].images):
            raise ValueError(
                f"items: {len(self.items)} items for design {self.design}, which has"
                f" {len(DESIGNS[self.design].images)}"
            )
        if not self.design and (len(self.items) < 6 or len(self.items) % 2):
            raise ValueError(
                f"items: {len(self.items)} items cannot be paired so that each comes in two"
                " blocks that are not neighbours, with two partners; take 6, 8, 10 ..."
            )
        return self


class Practice(Table):
    """A short round of the task before it counts; its trials are never analysed."""

    pictures: Annotated[Ids, Field(min_length=2)] = Field(
        description="pictures to practise with, by id; not those of the session itself; of an"
        " imagery session two"
    )
    rounds: Annotated[int, Field(ge=1, le=10)] = Field(
        3, description="most rounds, if questions in it are answered wrongly"
    )


class Rest(Table):
    """Rest with nothing to do, before and after the task: a baseline."""

    before_s: SecondsOrNone = Field(0.0, description="rest before the task, seconds; 0 for none")
    after_s: SecondsOrNone = Field(0.0, description="rest after the task, seconds; 0 for none")
    eyes: Literal["open", "closed"] = Field(
        "open", description="closed: a tone tells when the rest is over"
    )


class Question(Table):
    """An item of a questionnaire."""

    id: Name = Field(description="its name in the log")
    text: Line = Field(description="what is asked")
    answers: Literal["yes or no", "1 to 5", "1 to 7", "0 to 9"] = Field(
        "1 to 5", description="the keys that answer it"
    )
    low: str = Field("", description="words under the lowest number")
    high: str = Field("", description="words under the highest number")
    when: Literal["before", "after"] = Field("after", description="before or after the task")
    longest_s: Seconds = Field(60.0, description="longest time to answer, seconds")


class Interruptions(Table):
    """What happens to the task when it is interrupted."""

    trial: Literal["repeat", "keep"] = Field(
        "repeat", description="a trial cut short by a pause is shown again, or left out"
    )
    triggers: Literal["pause", "continue", "stop"] = Field(
        "pause", description="what to do if the trigger box is lost in a session"
    )


class Texts(Table):
    """What the patient reads.  A line break is a line break; a line that is too long gets one."""

    instructions: tuple[Line, ...] = Field(
        (), description="pages shown first, one after another, each until a key is pressed"
    )
    screening: Words = "Please look at the pictures.\n\nPress any key to begin."
    imagery: Words = (
        "You will see two pictures.\nThen you are told\nwhich one to imagine.\n"
        "Imagine it as vividly as you can\nwhile the screen is empty.\n\nPress any key to begin."
    )
    pause: Words = "A short break.\n\nPress any key to go on."
    search: Words = "Is there a T?"
    yes: Words = "yes"
    no: Words = "no"
    rating: Words = "How vivid was it?"
    rating_low: str = "not at all"
    rating_high: str = "like seeing it"
    confidence: Words = "How sure are you?"
    confidence_low: str = "guessed"
    confidence_high: str = "sure"
    close_eyes: Words = (
        "Now close your eyes.\n\nYou will hear which one\nto imagine. Imagine it until"
        "\nyou hear the short high tone.\n\nPress any key to begin."
    )
    tones: Words = "This tone means:"
    practice: Words = "First some practice.\n\nPress any key to begin."
    practice_check: Words = "Which one did you imagine?"
    practice_done: Words = "Well done. Now it counts.\n\nPress any key to go on."
    rest: Words = (
        "Please rest with your eyes open\nand look straight ahead.\n\nPress any key to begin."
    )
    rest_closed: Words = (
        "Please rest with your eyes closed\nuntil you hear a tone.\n\nPress any key to begin."
    )
    end: Words = "Thank you.\nThis part is finished."
    text_s: SecondsOrNone = Field(
        120.0, description="longest time a page waits for a key, seconds; 0 leaves pages out"
    )


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
    practice: Practice | None = Field(None, description="a round of the task before it counts")
    rest: Rest = Field(Rest(), description="rest before and after the task")
    questionnaire: tuple[Question, ...] = Field(
        (), description="questions before or after the task"
    )
    interruptions: Interruptions = Field(
        Interruptions(), description="what happens when the task is interrupted"
    )
    texts: Texts = Field(Texts(), description="what the patient reads")
    codes: dict[str, Annotated[int, Field(ge=1, le=255)]] = Field(
        {}, description="trigger values of a table of your own, by name, for example image_on = 20"
    )
    safety: Safety | None = Field(None, description="a recorded override of the flash limit")

    @model_validator(mode="after")
    def _one_task(self) -> "Protocol":
        if (self.screening is None) == (self.imagery is None):
            raise ValueError("say what the session is: one of [screening] and [imagery]")
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
