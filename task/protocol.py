"""What a protocol file may say.  This is its only definition: it checks files, its JSON schema
completes keys in editors, and the settings table of the documentation is made from it.

Units are part of the name: `_s` seconds, `_deg` degrees of visual angle.  Every default is the
study's (doi:10.1126/science.adt8343) where the study's value is known.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
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

from task.contract.errors import Fault, FileError
from task.contract.settings import KeyPath, Settings, Table, did_you_mean, parse, read_settings
from task.itemtable import CUES, ItemTable, is_table, read_table
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


def _some(given: tuple[str, ...]) -> tuple[str, ...]:
    if not given:
        raise ValueError("is empty; leave it out for all pictures")
    return given


def _numbers_once(given: tuple[int, ...]) -> tuple[int, ...]:
    _each_once(tuple(map(str, given)))
    return given


def _each_pair_of_two(given: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    if alone := sorted({first for first, second in given if first == second}):
        raise ValueError(f"{', '.join(alone)} paired with itself; a block needs two items")
    return given


def _written(words: str) -> str:
    if not words.strip():
        raise ValueError("is empty; write what the patient should read")
    return words


Seconds = Annotated[float, Field(gt=0, le=600)]
Shown = Annotated[float, Field(gt=0, le=30)]  # longer, and it was meant as milliseconds
SecondsOrNone = Annotated[float, Field(ge=0, le=600)]
Count = Annotated[int, Field(ge=1, le=50)]
Apart = Annotated[int, Field(ge=0, le=1000)]
Degrees = Annotated[float, Field(gt=0, le=60)]


def _listed(given: Any) -> Any:
    """One thing, or a list of them."""
    if isinstance(given, str):
        return (given,)
    return tuple(given) if isinstance(given, list) else given


Cue = Literal["word", "picture", "tone", "sound"]
CueOrder = Literal["alternate", "random"]
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
Names = Annotated[tuple[str, ...], AfterValidator(_each_once)]
NamesOrTable = Annotated[
    Names,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "string"}},
                {"type": "string", "pattern": r"\.(csv|CSV|tsv|TSV)$"},
            ]
        }
    ),
]
"""A list of pictures; where a protocol has a table's file name instead, its list is read before."""
Line = Annotated[str, Field(max_length=300), AfterValidator(_written)]
Words = Annotated[str, AfterValidator(_written)]
SoundFile = Annotated[str, AfterValidator(_beside)]
Hertz = Annotated[float, Field(ge=100, le=4000)]
PublishedDesign = Annotated[
    str, AfterValidator(_published), Field(json_schema_extra={"enum": list(DESIGNS)})
]


class Pictures(Table):
    """Which pictures of the set are shown; all of them if nothing is said."""

    groups: Annotated[tuple[str, ...], AfterValidator(_some)] = Field(
        (), description="only these groups of the set"
    )
    per_group: PositiveInt | None = Field(
        None, description="at most this many of each group, drawn at random with the seed"
    )
    of_group: dict[str, PositiveInt] = Field(
        {},
        description="so many of each of these groups, drawn at random with the seed, and none of"
        " others: { face = 20, animal = 10 }",
    )
    ids: Annotated[NamesOrTable, AfterValidator(_some)] = Field(
        (),
        description="exactly these pictures: by id, by name, by pattern (face_*), group:face,"
        " tag:indoor; or the name of a table beside the protocol, with a column id",
    )
    exclude: NamesOrTable = Field((), description="none of these pictures, named in the same ways")

    @model_validator(mode="after")
    def _one_way(self) -> "Pictures":
        if self.ids and (self.groups or self.per_group or self.of_group):
            raise ValueError("choose pictures by ids or by groups, not both")
        if self.of_group and (self.groups or self.per_group):
            raise ValueError("of_group names the groups and the numbers; leave the others out")
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
    yes_ids: tuple[str, ...] = Field(
        (), description="further pictures for which it is yes, named as under pictures.ids"
    )
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


Order = Literal["random", "fixed", "blocked"]


class ScreeningPart(Table):
    """A part of a screening that differs; what it does not say is as under [screening]."""

    name: Name = Field(description="its name in the log and in results")
    pictures: Pictures | None = Field(None, description="which pictures are shown in it")
    repeats: Count | None = Field(None, description="showings of each picture")
    image_s: Shown | None = Field(None, description="picture on screen, seconds")
    blank_s: Shown | None = Field(None, description="empty screen after each picture, seconds")
    order: Order | None = Field(None, description="in which order they come")
    apart: Apart | None = Field(None, description="fewest others between showings of one picture")
    group_run: PositiveInt | None = Field(None, description="most pictures of one group in a row")


class Screening(Table):
    """Many pictures shown briefly, to find each neuron's axis."""

    repeats: Count = Field(
        4, description="showings of each picture, each repeat in a fresh random order"
    )
    image_s: Shown = Field(0.2667, description="picture on screen, seconds")
    blank_s: Shown = Field(0.1333, description="empty screen after each picture, seconds")
    order: Order = Field(
        "random",
        description="random, anew for each repeat; fixed: as they are listed; blocked: group after"
        " group, both in random order",
    )
    apart: Apart = Field(
        1, description="fewest other pictures between two showings of one; 0 if it does not matter"
    )
    group_run: PositiveInt | None = Field(
        None, description="most pictures of one group in a row; any number if not said"
    )
    break_after: PositiveInt | None = Field(
        None, description="trials between breaks; a break after each repeat if not said"
    )
    break_s: SecondsOrNone = Field(
        60.0, description="longest break, seconds (any answer key ends it); 0 for none"
    )
    catch: Catch | None = Field(None, description="questions about the picture just seen")
    part: tuple[ScreeningPart, ...] = Field(
        (), description="parts shown one after another, where they differ in pictures or timing"
    )


class ImageryPart(Table):
    """Blocks of an imagery session that differ; what it does not say is as under [imagery]."""

    name: Name = Field(description="its name in the log and in results")
    blocks: Annotated[
        tuple[PositiveInt, ...], Field(min_length=1), AfterValidator(_numbers_once)
    ] = Field(description="numbers of the blocks, from 1")
    cue: Cues | None = Field(None, description="what tells which item to imagine")
    cue_order: CueOrder | None = Field(None, description="in which order the two items are cued")
    eyes_closed: bool | None = Field(None, description="imagine with eyes closed")
    encode_views: Count | None = Field(None, description="views of each item before it is imagined")
    encode_s: Shown | None = Field(None, description="picture on screen in these views, seconds")
    encode_blank_s: Shown | None = Field(None, description="empty screen after each view, seconds")
    search_s: SecondsOrNone | None = Field(None, description="visual search, seconds; 0 for none")
    baseline_s: Seconds | None = Field(
        None, description="empty screen before the first cue, seconds"
    )
    cues_per_item: Count | None = Field(None, description="times each item is imagined in a block")
    cue_s: Shown | None = Field(None, description="cue screen, seconds")
    imagine_s: Seconds | None = Field(None, description="blank screen to imagine on, seconds")
    after_s: Seconds | None = Field(None, description="empty screen after imagining, seconds")
    rating_s: SecondsOrNone | None = Field(
        None, description="longest time to rate vividness, seconds"
    )
    confidence_s: SecondsOrNone | None = Field(
        None, description="longest time to rate how sure one is, seconds"
    )


class Imagery(Table):
    """Two items a block: seen, then a visual search, then imagined in turn on a blank screen."""

    items: NamesOrTable = Field(
        (),
        description="the pictures to imagine, named as under pictures.ids: an even number, at"
        " least 6; a table may have their cues in columns word and sound; with a published design"
        " its own, numbered as in the study, if not said",
    )
    design: PublishedDesign | None = Field(
        None,
        description="which items share a block, as in one session of the study; balanced anew for"
        " every session if not said",
    )
    pairs: Annotated[tuple[tuple[str, str], ...], AfterValidator(_each_pair_of_two)] = Field(
        (),
        description="the two items of every block, in order, the one that is cued first before the"
        " other: instead of items, where the balanced order is not wanted",
    )
    cue_order: CueOrder = Field(
        "alternate", description="the two items of a block in turn, or in random order"
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
    encode_s: Shown = Field(1.5, description="picture on screen in these views, seconds")
    encode_blank_s: Shown = Field(0.5, description="empty screen after each view, seconds")
    search_s: SecondsOrNone = Field(
        30.0, description="visual search between seeing and imagining, seconds; 0 for none"
    )
    baseline_s: Seconds = Field(5.0, description="empty screen before the first cue, seconds")
    cues_per_item: Count = Field(4, description="times each item is imagined in a block")
    cue_s: Shown = Field(1.0, description="cue screen, seconds")
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

    part: tuple[ImageryPart, ...] = Field(
        (), description="blocks that differ in timing, cue or eyes, by their numbers"
    )

    @property
    def named(self) -> tuple[Literal["items", "pairs", "design"], tuple[str, ...]]:
        """The key that names the items, and the items in order."""
        if self.pairs:
            return "pairs", tuple(dict.fromkeys(item for pair in self.pairs for item in pair))
        if self.items or not self.design:
            return "items", self.items
        return "design", tuple(f"{number:04d}" for number in DESIGNS[self.design].images)

    @model_validator(mode="after")
    def _one_way(self) -> "Imagery":
        if self.pairs and (self.items or self.design):
            raise ValueError("say the items by pairs, or by items or a design, not both")
        if not self.named[1]:
            raise ValueError("items: is missing; it is: the pictures to imagine")
        return self


class Practice(Table):
    """A short round of the task before it counts; its trials are never analysed."""

    pictures: Annotated[Names, Field(min_length=2)] = Field(
        description="pictures to practise with, named as under pictures.ids; not those of the"
        " session itself; of an imagery session two"
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


Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Seeds(Table):
    """Seeds of some choices alone, so that two sessions share these and nothing else."""

    pictures: Seed | None = Field(None, description="which pictures are drawn of each group")
    order: Seed | None = Field(None, description="in which order pictures and items come")
    questions: Seed | None = Field(None, description="when is asked, and what")


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
    seed: Seed | None = Field(
        None, description="of every random choice; drawn anew for each session if not said"
    )
    seeds: Seeds = Field(Seeds(), description="seeds of some choices alone")
    longest_min: Annotated[float, Field(gt=0, le=600)] | None = Field(
        None, description="refuse a session that may take longer, minutes"
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
        rests = self.rest.before_s or self.rest.after_s or self.questionnaire
        if self.screening and self.imagery or not (self.screening or self.imagery or rests):
            raise ValueError(
                "say what the session is: one of [screening] and [imagery], or only [rest] or"
                " [[questionnaire]]"
            )
        if self.practice and not (self.screening or self.imagery):
            raise ValueError("practice: there is no task to practise")
        return self


@dataclass(frozen=True, slots=True)
class ProtocolFile:
    """A protocol, the file it came from, whose lines faults point to, and the tables it names."""

    source: Settings
    protocol: Protocol
    tables: Mapping[KeyPath, ItemTable] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where relative paths of the protocol start."""
        return self.source.file.resolve().parent

    def fault(self, path: KeyPath, what: str) -> Fault:
        """A fault at a key of the protocol, or in the row of a table that stands there."""
        for at, table in self.tables.items():
            if path[: len(at)] == at and path[len(at) :]:
                return Fault(table.file, table.lines[int(path[len(at)])], "id", what)
        return self.source.fault(path, what)


def read_protocol(path: Path) -> ProtocolFile:
    """Read and check a protocol file, and the tables of pictures that it names.

    Raises
    ------
    FileError
        With everything that is wrong with it.
    """
    source = read_settings(path)
    faults: list[Fault] = []
    tables = dict(_tables(source, faults))
    whole = replace(source, values=_with_tables(source, tables, faults))
    try:
        protocol = parse(whole, Protocol)
    except FileError as error:
        raise FileError([*faults, *error.faults]) from None
    if faults:
        raise FileError(faults)
    return ProtocolFile(whole, protocol, tables)


_ITEMS: KeyPath = ("imagery", "items")


def _lists(values: Mapping[str, Any]) -> Iterator[KeyPath]:
    """Where a table may stand in place of a list."""
    yield _ITEMS
    parts = _value(values, ("screening", "part"))
    places: list[KeyPath] = [("pictures",)]
    places += [
        ("screening", "part", n, "pictures")
        for n in range(len(parts) if isinstance(parts, list) else 0)
    ]
    for place in places:
        yield (*place, "ids")
        yield (*place, "exclude")


def _tables(source: Settings, faults: list[Fault]) -> Iterator[tuple[KeyPath, ItemTable]]:
    """The tables that stand in place of lists, by where they stand."""
    for path in _lists(source.values):
        name = _value(source.values, path)
        if not is_table(name):
            continue
        try:
            _beside(name)
        except ValueError as error:
            faults.append(source.fault(path, str(error)))
            continue
        if table := read_table(source.file.resolve().parent, name, faults):
            yield path, table


def _with_tables(
    source: Settings, tables: Mapping[KeyPath, ItemTable], faults: list[Fault]
) -> dict[str, Any]:
    """The values of a protocol with lists instead of tables, and the cues that these give."""
    values: dict[str, Any] = deepcopy(dict(source.values))
    for path in _lists(source.values):
        name = _value(source.values, path)
        if is_table(name):
            # A table that could not be read has said so: its name holds the place of its list.
            table, around = tables.get(path), _value(values, path[:-1])
            around[path[-1]] = list(table.ids) if table else [name]
            if path == _ITEMS and table:
                around |= _with_cues(source, around, table, faults)
    return values


def _with_cues(
    source: Settings, imagery: Mapping[str, Any], table: ItemTable, faults: list[Fault]
) -> dict[str, Any]:
    """Cue words and sounds of a protocol and of a table of its items."""
    both = {}
    for column in CUES:
        given, listed = imagery.get(f"{column}s", {}), table.cues(column)
        if not isinstance(given, dict):
            continue  # the model will say so
        for item in given.keys() & listed.keys():
            what = f"the {column} of {item!r} stands in {table.name} too; give it once"
            faults.append(source.fault(("imagery", f"{column}s", item), what))
        if listed:
            both[f"{column}s"] = {**listed, **given}
    return both


def _value(values: Any, path: KeyPath) -> Any:
    for key in path:
        if isinstance(key, int):
            values = values[key] if isinstance(values, list) else None
        else:
            values = values.get(key) if isinstance(values, dict) else None
    return values
