"""Text as given → text that the model reads, with a map of offsets back.

Reports reach users through mirrors: in traditional characters, with glosses of pinyin after a character, with broken
mark-up, odd white space and mixed widths. `normalise` undoes what can be undone and keeps, for every character that is
left, the range of the given text that it stands for. Lost characters (`?`, `□`) are left for the model to cope with.
"""

from __future__ import annotations

import html
import re
import unicodedata
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from duban.labels import LINE_BREAKS

if TYPE_CHECKING:
    from opencc import OpenCC

_HAN = r"\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TONED = "āáǎàēéěèêīíǐìōóǒòūúǔùǖǘǚǜńňǹḿ\u0300-\u036f"
_BLOCK = (
    "address|article|blockquote|br|center|dd|div|dl|dt|footer|h[1-6]|head|header|hr|li|nav|ol|option|p|section|"
    "table|tbody|td|th|title|tr|ul"
)
_INLINE = "a|b|big|body|em|font|html|i|img|input|label|link|meta|o:p|ruby|rb|s|script|small|span|strong|style|sub|sup|u"


def _tag(names: str) -> str:
    """A whole tag, or what is left of one: `</p` without its end, `<p style="…` with nothing but ASCII after it."""
    return (
        rf"</?(?:{names})\b[^<>]{{0,400}}> | </(?:{names})\b "
        rf"| <(?:{names})\s[a-z-]{{1,20}}=[\x20-\x3b\x3d\x3f-\x7e]{{0,400}}"
    )


_INVISIBLE = r"\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff"
_BBCODE = (
    "align|attach|b|backcolor|color|email|flash|float|font|free|hide|i|img|indent|list|media|p|quote|s|size|table|"
    "td|tr|u|url"
)

# Every repetition is bounded or runs over one character class, so the scan is linear in the length of the text.
_PIECE = re.compile(
    rf"""
    (?P<space> \s+ )
  | (?P<gloss> (?<=[{_HAN}?\ufffd□]) [(（] \s?
        (?-i: (?=[^()（）]{{0,8}}[{_TONED}]) [a-zɡü{_TONED}]{{1,9}}      # a syllable with its tone, or without
          | (?:[zcs]h|[bpmfdtnlgkhjqxrzcsyw]) [aeiouü]{{1,3}} (?:ng?|r)? ) \s? [)）]
      | <r[tp]\b[^<>]{{0,40}}>[^<>]{{0,20}}</r[tp]> )
  | (?P<drop> [{_INVISIBLE}]+ | <![^<>]{{0,400}}> | \[/?(?:{_BBCODE})(?:=[^\[\]\n]{{0,100}})?\] )
  | (?P<block> {_tag(_BLOCK)} )
  | (?P<inline> {_tag(_INLINE)} | </?[A-Za-z][A-Za-z0-9:-]{{0,15}}(?:[\s/][^<>]{{0,400}})?> )
  | (?P<entity> &(?:[A-Za-z]{{2,8}}|\#\d{{1,7}}|\#[xX][0-9A-Fa-f]{{1,6}}); )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_HIDES = re.compile(r"<!--|<(script|style)\b", re.IGNORECASE)
_IS_INVISIBLE = re.compile(f"[{_INVISIBLE}]")


def _hidden(text: str) -> Iterator[tuple[int, int]]:
    """Comments, scripts and style sheets, with what is in them; what is never closed is left alone."""
    folded = text.replace("SCRIPT", "script").replace("STYLE", "style")
    at, unclosed = 0, set()
    while found := _HIDES.search(text, at):
        kind = (found[1] or "").lower()
        close = f"</{kind}" if kind else "-->"
        end = -1 if close in unclosed else folded.find(close, found.end())
        if end < 0:
            unclosed.add(close)
            at = found.end()
            continue
        at = folded.find(">", end) + 1 or len(text)
        yield found.start(), at


class _Fold(dict[int, int]):
    """Folds one code point to one: full width to half width, lone surrogates to U+FFFD, brackets and dots of names."""

    def __missing__(self, code: int) -> int:
        folded = unicodedata.normalize("NFKC", chr(code))
        self[code] = 0xFFFD if 0xD800 <= code < 0xE000 else ord(folded) if len(folded) == 1 else code
        return self[code]


_FOLD = _Fold({ord(a): ord(b) for a, b in zip("「」『』•‧・●", "“”‘’····", strict=True)})


@cache
def _opencc() -> OpenCC:
    from opencc import OpenCC

    return OpenCC("t2s")


def _simplified(text: str) -> str:
    """Simplified characters, by phrases. OpenCC's t2s keeps the length; should it not, nothing is converted."""
    converted = _opencc().convert(text)
    return converted if len(converted) == len(text) else text


@dataclass(frozen=True, slots=True)
class Normalised:
    """What the model reads. Character i of `text` stands for `given[starts[i]:ends[i]]`; starts and ends rise strictly.

    A gloss belongs to the character before it, so its range ends after the gloss's bracket.
    """

    text: str
    starts: array[int]
    ends: array[int]

    def to_given(self, start: int, end: int) -> tuple[int, int]:
        """The range of the given text for a non-empty range [start, end) of `text`."""
        return self.starts[start], self.ends[end - 1]

    def from_given(self, start: int, end: int) -> tuple[int, int] | None:
        """The smallest range of `text` that covers [start, end) of the given text; None when nothing of it is left."""
        first, last = bisect_right(self.ends, start), bisect_left(self.starts, end)
        return (first, last) if first < last else None


def normalise(given: str) -> Normalised:
    """Text as the model reads it: simplified, half width, no glosses, no mark-up, white space single.

    Any str is accepted, lone surrogates and NUL included. A run of white space becomes one space, or one line break if
    there is a line break (or the tag of a block) in it. Runs in time linear in the length.
    """
    out: list[str] = []
    starts, ends = array("q"), array("q")

    def keep(text: str, start: int) -> None:
        out.append(text.translate(_FOLD))
        starts.extend(range(start, start + len(text)))
        ends.extend(range(start + 1, start + len(text) + 1))

    def space(start: int, end: int, char: str) -> None:
        if out and out[-1] in (" ", "\n"):
            ends[-1] = end
            out[-1] = max(out[-1], char, key="\n".__eq__)
        else:
            out.append(char)
            starts.append(start)
            ends.append(end)

    def read(at: int, stop: int) -> None:
        for piece in _PIECE.finditer(given, at, stop):
            start, end = piece.span()
            if start > at:
                keep(given[at:start], at)
            at = end
            if piece.lastgroup == "block" or not LINE_BREAKS.isdisjoint(piece[0]):
                space(start, end, "\n")
            elif piece.lastgroup == "space":
                space(start, end, " ")
            elif piece.lastgroup == "gloss" and out and ends[-1] == start:
                ends[-1] = end
            elif piece.lastgroup == "entity":
                char = html.unescape(piece[0])
                if char.isspace():
                    space(start, end, " ")
                elif len(char) > 1:  # no entity after all
                    keep(piece[0], start)
                elif not _IS_INVISIBLE.match(char):
                    out.append(char.translate(_FOLD))
                    starts.append(start)
                    ends.append(end)
        if at < stop:
            keep(given[at:stop], at)

    at = 0
    for start, end in _hidden(given):
        read(at, start)
        if not LINE_BREAKS.isdisjoint(given[start:end]):
            space(start, end, "\n")
        at = end
    read(at, len(given))
    return Normalised(_simplified("".join(out)), starts, ends)
