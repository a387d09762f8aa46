"""The one way to say no: a stable code for programs and a sentence for people."""

from __future__ import annotations

from collections.abc import Collection, Mapping

LISTED_MAX = 12
COMPARED_MAX = 2000
COMPARED_CHARACTERS_MAX = 40_000  # publishers can make long words that are alike: 1,000 of them took 4.5 s


class Refused(Exception):
    """A request broke a rule. ``code`` (``kind.reason``) is stable for ever; ``detail`` names the
    field, the value and what would be right. ``more`` are members that programs read beside the code.
    """

    def __init__(self, code: str, detail: str, more: Mapping[str, str | int] = {}) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.more = more


def instead(word: str, known: Collection[str]) -> str:
    """What ends the sentence "there is no ...": the known word most like it, and those there are."""
    import difflib  # only who refuses needs it

    few = len(known) <= COMPARED_MAX and sum(map(len, known)) <= COMPARED_CHARACTERS_MAX
    near = difflib.get_close_matches(word[:100], list(known), n=1) if few else []
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = sorted(known)[:LISTED_MAX]
    more = f" and {len(known) - len(listed)} more" if len(known) > len(listed) else ""
    return f"{hint or ';'} there are {', '.join(listed)}{more}" if listed else hint


def os_words(error: OSError) -> str:
    """What the operating system said, for people: the file, then why."""
    why = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {why}" if error.filename else why
