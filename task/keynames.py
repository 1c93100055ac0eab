"""Names of keys in rig files, whatever the keyboard's layout.

A key is called by the character that it types where that is a letter or a digit (`y`, `3`, `ß`),
all others by a word.  Keys of the numeric pad have names of their own, NumLock or not.
"""

from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from task.contract.settings import did_you_mean

WORDS = frozenset({
    "space", "return", "escape", "tab", "backspace", "insert", "delete", "home", "end", "pageup",
    "pagedown", "left", "right", "up", "down", "minus", "equal", "comma", "period", "slash",
    "semicolon", "apostrophe", "bracketleft", "bracketright", "backslash", "grave", "ampersand",
    "asciicircum", "asciitilde", "asterisk", "at", "bar", "braceleft", "braceright", "colon",
    "dollar", "doublequote", "exclamation", "greater", "hash", "less", "parenleft", "parenright",
    "percent", "plus", "question", "underscore", "num_0", "num_1", "num_2", "num_3", "num_4",
    "num_5", "num_6", "num_7", "num_8", "num_9", "num_add", "num_subtract", "num_multiply",
    "num_divide", "num_decimal", "num_enter", "num_equal", "f1", "f2", "f3", "f4", "f5", "f6", "f7",
    "f8", "f9", "f10", "f11", "f12", "f13", "f14", "f15", "f16", "f17", "f18", "f19", "f20",
    "pause", "print", "menu",
})  # fmt: skip
_CALLED = {
    "esc": "escape", "enter": "return", " ": "space", "-": "minus", "=": "equal", ",": "comma",
    ".": "period", "/": "slash", ";": "semicolon", "'": "apostrophe", "[": "bracketleft",
    "]": "bracketright", "\\": "backslash", "`": "grave", "del": "delete", "ins": "insert",
    "&": "ampersand", "^": "asciicircum", "~": "asciitilde", "*": "asterisk", "@": "at", "|": "bar",
    "{": "braceleft", "}": "braceright", ":": "colon", "$": "dollar", '"': "doublequote",
    "!": "exclamation", ">": "greater", "#": "hash", "<": "less", "(": "parenleft",
    ")": "parenright", "%": "percent", "+": "plus", "?": "question", "_": "underscore",
}  # fmt: skip
_FIELD = {"type": "string", "pattern": f"^(.|{'|'.join(sorted(WORDS))})$"}


def _known(name: str) -> str:
    lower = name.lower()
    called = _CALLED.get(lower, lower)
    if called == name and (name in WORDS or (len(name) == 1 and name.isalnum())):
        return name
    if called in WORDS or (len(called) == 1 and called.isalnum()):
        raise ValueError(f"{name!r}: this key is called {called!r}")
    raise ValueError(
        f"no key is called {name!r}{did_you_mean(lower, WORDS)}; a letter, a digit, or one of"
        f" {', '.join(sorted(WORDS))}"
    )


Key = Annotated[str, AfterValidator(_known), WithJsonSchema(_FIELD)]
