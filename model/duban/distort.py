"""Clean text → text as mirrors and careless pages give it, or about others: augmentation, and the test of robustness.

Each way is drawn for itself, once a text, so a report may come in traditional characters with glosses and broken
mark-up, or nearly clean. Spans are carried along; the rules for them are those of the guidelines ("Distorted text").
"""

from __future__ import annotations

import random
import re
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
_UNITS = "省市县旗盟镇乡州"
#: Two or three characters before one of them where a phrase begins; no words that stand there but name no place.
_PLACE = re.compile(
    r"(?<=[，。、；：\s“”（）到赴在和是由从对任])(?![全各本我该外两多每整几跨另新老某下原此中在时三])([\u4e00-\u9fff]{2,3}?)"
    rf"(?<![全各本我该辖社街园校厂矿山小片景灾疫城库维])(?=[{_UNITS}]|自治[区州县旗])(?![市县]民|市场|省[级委厅]|乡[村亲镇]|州问)"
)


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
    inside = {i for m in marks if m.label in ("DIRECTIVE", "TARGET") for i in range(m.start + 1, m.end)}
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
        elif blanks and i in inside and char.isalpha() and text[i - 1].isalpha() and rng.random() < 0.01:
            before = " "  # where mark-up stood; it ends no clause
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
    edits = []
    for mark in (m for m in marks if m.label == "OFFICIAL"):
        old = text[mark.start : mark.end]
        if _is_name(old):
            if old not in new:
                new[old] = rng.choice(names)[0] + rng.choice(names)[1:]
            edits.append((mark.start, mark.end, new[old]))
    renamed, moved = _replaced(text, marks, edits)
    return renamed, [replace(m, issuer=new.get(m.issuer or "", m.issuer)) for m in moved]


def relocate(text: str, marks: Sequence[Mark], places: Sequence[str], rng: random.Random) -> tuple[str, list[Mark]]:
    """A copy of a text that tells of other places, so that a model learns no place by heart.

    Args:
        text: the text.
        marks: its marks.
        places: what places are called instead, as `places_of` gives them: without 市, 县 and the like.
        rng: what all draws come from.

    Returns:
        The new text and marks. A place is called alike throughout; one that a mark begins or ends within stays.
    """
    new = {place: rng.choice(places) for place in places_of([text])}
    edges = sorted({edge for m in marks for edge in (m.start, m.end)})
    found = re.finditer("|".join(map(re.escape, new)), text) if new else ()
    whole = [m for m in found if bisect_right(edges, m.start()) == bisect_right(edges, m.end() - 1)]
    return _replaced(text, marks, [(m.start(), m.end(), new[m[0]]) for m in whole])


def places_of(texts: Iterable[str]) -> list[str]:
    """What one of the texts calls a city, a county or a town twice or more: the names without that word, sorted."""
    found: set[str] = set()
    for text in texts:
        found |= {name for name in _PLACE.findall(text) if len(re.findall(f"{name}[{_UNITS}自]", text)) > 1}
    return sorted(found)


def _replaced(text: str, marks: Sequence[Mark], edits: Sequence[tuple[int, int, str]]) -> tuple[str, list[Mark]]:
    """The text with each (start, end, new) of the sorted edits made, and its marks moved to match."""
    out: list[str] = []
    places, shifts = [0], [0]  # from this place of the text on, offsets move by so much
    at = 0
    for start, end, put in edits:
        out += [text[at:start], put]
        at = end
        places.append(end)
        shifts.append(shifts[-1] + len(put) - (end - start))

    def moved(place: int) -> int:
        return place + shifts[bisect_right(places, place) - 1]

    return "".join([*out, text[at:]]), [replace(m, start=moved(m.start), end=moved(m.end)) for m in marks]


def names_of(texts_and_marks: Iterable[tuple[str, Sequence[Mark]]]) -> list[str]:
    """The officials' names, two to four Han characters, that the marks of some texts hold, sorted, each once."""
    found = {text[m.start : m.end] for text, marks in texts_and_marks for m in marks if m.label == "OFFICIAL"}
    return sorted(filter(_is_name, found))


def _is_name(name: str) -> bool:
    return 2 <= len(name) <= 4 and all("\u4e00" <= c <= "\u9fff" for c in name)


def _one(converted: str, char: str) -> str:
    return converted if len(converted) == 1 else char
