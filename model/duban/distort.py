"""Clean text → text as mirrors and careless pages give it, or about others: augmentation, and the test of robustness.

Each way is drawn for itself, once a text, so a report may come in traditional characters with glosses and broken
mark-up, or nearly clean. Spans are carried along; the rules for them are those of the guidelines ("Distorted text").
"""

from __future__ import annotations

import random
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

from opencc import OpenCC

from duban.markup import Mark

_WIDE = {c: unicodedata.normalize("NFKC", c) for c in "，；：！？（）％０１２３４５６７８９ＡＢＣＤＥＦＧ"}
_NARROW_TO_WIDE = {narrow: wide for wide, narrow in _WIDE.items()}
_SPACES = ("\u3000", " ", "  ", "\u00a0", "\u200b", "\ufeff", "&nbsp;", "\t")
_INLINE = (
    ("<b>", "</b>"),
    ('<span style="font-size:16px">', "</span>"),
    ("<strong>", ""),
    ("", "</font>"),
    ("[b]", "[/b]"),
)
_BREAKS = ("\r\n", "\n\n", "\n\u3000\u3000", "<br/>\n", "</p>\n<p>", "\n  ", '</p>\r\n\r\n<p style="text-indent:2em">')
_LOST = ("?", "□", "\ufffd", "??")


@cache
def _traditional() -> OpenCC:
    return OpenCC("s2t")


@cache
def _pinyin(char: str) -> str | None:
    from pypinyin import Style, lazy_pinyin

    found = lazy_pinyin(char, style=Style.TONE, errors="ignore")
    return found[0] if found else None


def distort(text: str, marks: Sequence[Mark], rng: random.Random) -> tuple[str, list[Mark]]:
    """A distorted copy of a text, with its marks moved to match. Needs `duban[train]` (pypinyin).

    Args:
        text: the clean text.
        marks: its marks, offsets in `text`; issuers are respelt as the text around is.
        rng: what all draws come from, so that the same state gives the same copy.

    Returns:
        The new text and marks. Each mark covers what stands for its characters, a gloss after the last one included.
    """
    traditional, glosses, widths, markup, blanks, lost = (rng.random() < p for p in (0.5, 0.5, 0.3, 0.3, 0.3, 0.25))
    # Converted character by character, as such mirrors do (干勁 and 云縣, not 幹勁 and 雲縣, where a phrase decides).
    glyphs = [_one(_traditional().convert(c), c) for c in text] if traditional else list(text)
    glossed = set(rng.sample(sorted(set(text)), k=len(set(text)) // 8)) if glosses else set()
    edges = {edge for mark in marks for edge in (mark.start, mark.end - 1)}
    out: list[str] = []
    where: list[tuple[int, int]] = []
    at = 0
    for i, (char, glyph) in enumerate(zip(text, glyphs, strict=True)):
        before = after = ""
        if char == "\n":
            glyph = rng.choice(_BREAKS) if markup or blanks else char
        elif widths and rng.random() < 0.5:
            glyph = _WIDE.get(char) or _NARROW_TO_WIDE.get(char, glyph)
        elif lost and i not in edges and "\u4e00" <= char <= "\u9fff" and rng.random() < 0.005:
            glyph = rng.choice(_LOST)
        if char in glossed and (pinyin := _pinyin(char)):
            after = f"({pinyin})"
        if markup and char != "\n" and rng.random() < 0.01:
            opening, closing = rng.choice(_INLINE)
            before = opening + closing
        if blanks and char in "，。；：、" and rng.random() < 0.2:
            before = rng.choice(("", *_SPACES[4:6]))
            glyph += rng.choice(_SPACES)
        out.append(before + glyph + after)
        where.append((at + len(before), at + len(before + glyph + after)))
        at += len(out[-1])
    distorted = "".join(out)
    moved = [replace(m, start=where[m.start][0], end=where[m.end - 1][1]) for m in marks]
    spelling = {
        text[m.start : m.end]: distorted[n.start : n.end] for m, n in zip(marks, moved) if m.label == "OFFICIAL"
    }
    return distorted, [replace(m, issuer=spelling.get(m.issuer or "", m.issuer)) for m in moved]


def rename(text: str, marks: Sequence[Mark], names: Sequence[str], rng: random.Random) -> tuple[str, list[Mark]]:
    """A copy of a text in which officials bear other names, so that a model learns no name by heart.

    Args:
        text: the text.
        marks: its marks, sorted by start.
        names: what new names are made of: the surname of one and the given name of another. Names of Han characters.
        rng: what all draws come from.

    Returns:
        The new text and marks. A person keeps one name throughout; names that are not all Han characters stay.
    """
    new: dict[str, str] = {}
    out: list[str] = []
    shifts = [(0, 0)]  # from this place of the text on, offsets move by so much
    at = shift = 0
    for mark in (m for m in marks if m.label == "OFFICIAL"):
        old = text[mark.start : mark.end]
        if not _is_name(old):
            continue
        if old not in new:
            new[old] = rng.choice(names)[0] + rng.choice(names)[1:]
        out += [text[at : mark.start], new[old]]
        at = mark.end
        shift += len(new[old]) - len(old)
        shifts.append((mark.end, shift))
    places = [place for place, _ in shifts]

    def moved(place: int) -> int:
        return place + shifts[bisect_right(places, place) - 1][1]

    renamed = [
        replace(m, start=moved(m.start), end=moved(m.end), issuer=new.get(m.issuer or "", m.issuer)) for m in marks
    ]
    return "".join([*out, text[at:]]), renamed


def names_of(texts_and_marks: Iterable[tuple[str, Sequence[Mark]]]) -> list[str]:
    """The officials' names, two to four Han characters, that the marks of some texts hold, sorted, each once."""
    found = {text[m.start : m.end] for text, marks in texts_and_marks for m in marks if m.label == "OFFICIAL"}
    return sorted(filter(_is_name, found))


def _is_name(name: str) -> bool:
    return 2 <= len(name) <= 4 and all("\u4e00" <= c <= "\u9fff" for c in name)


def _one(converted: str, char: str) -> str:
    return converted if len(converted) == 1 else char
