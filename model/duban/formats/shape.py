"""What the formats share: a report from what a tool gave, its directives linked to their issuers, names of files."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from duban.corpus import COMPOSED, HEAD, Report
from duban.labels import LABELS, MEETING
from duban.markup import Mark

#: The head of a report that its tool says nothing of.
UNKNOWN = {
    "source": COMPOSED, "date": "0001-01-01", "kind": "meeting", "split": "train", "annotator": "", "reviewer": "",
}  # fmt: skip
#: A DIRECTIVE of a meeting, a body or a document, in tools that link a span to nothing but a span.
OF_MEETING = "DIRECTIVE_MEETING"
#: The link from a DIRECTIVE to a mention of the OFFICIAL who issued it.
ISSUER = "issuer"


class Linked(NamedTuple):
    """Spans, and links (directive, official) by their places in `spans`."""

    spans: list[tuple[int, int, str]]
    links: list[tuple[int, int]]


def make(head: Mapping[str, Any], text: Any, marks: Iterable[Mark]) -> Report:
    """A report; what `head` lacks is UNKNOWN, except its id. Raises KeyError, TypeError."""
    if not isinstance(text, str):
        raise TypeError(f"its text is {text!r:.60}, expected a string")
    values = {key: str(head[key] if key == "id" else head.get(key, UNKNOWN[key])) for key in HEAD}
    return Report(text=text, marks=tuple(sorted(marks, key=lambda m: (m.start, -m.end, m.label))), **values)


def head_of(report: Report) -> dict[str, str]:
    """What a report has besides its text and its spans."""
    return {key: getattr(report, key) for key in HEAD}


def link(report: Report) -> Linked:
    """The report's spans, each DIRECTIVE linked to the last mention of its issuer before it, or the first after.

    Raises ValueError for an issuer that is no OFFICIAL marked in the text.
    """
    spans = [(m.start, m.end, OF_MEETING if m.issuer == MEETING else m.label) for m in report.marks]
    links = []
    for i, mark in enumerate(report.marks):
        if mark.issuer not in (None, MEETING):
            named = [
                k
                for k, m in enumerate(report.marks)
                if m.label == "OFFICIAL" and report.text[m.start : m.end] == mark.issuer
            ]
            if not named:
                raise ValueError(f"{report.id}: issuer {mark.issuer!r} is no OFFICIAL marked in the text")
            before = [k for k in named if report.marks[k].start < mark.start]
            links.append((i, before[-1] if before else named[0]))
    return Linked(spans, links)


def unlink(text: str, linked: Linked) -> list[Mark]:
    """The marks of linked spans, the inverse of `link`. Raises ValueError for an unknown label, or a link that is none
    from a DIRECTIVE to an OFFICIAL, and TypeError for an offset that is no whole number."""
    spans = linked.spans
    issuers: dict[int, str] = {}
    for i, (start, end, label) in enumerate(spans):
        if not isinstance(start, int) or not isinstance(end, int):
            raise TypeError(f"a span reaches from {start!r} to {end!r}, expected whole numbers")
        if label == OF_MEETING:
            issuers[i] = MEETING
        elif label not in LABELS:
            known = ", ".join((*LABELS, OF_MEETING))
            raise ValueError(f"[{start}, {end}) has the unknown label {label!r}: it is one of {known}")
    for a, b in linked.links:
        if (spans[a][2], spans[b][2]) == ("OFFICIAL", "DIRECTIVE"):  # drawn the other way round
            a, b = b, a
        if (spans[a][2], spans[b][2]) != ("DIRECTIVE", "OFFICIAL"):
            ends = " to ".join(f"{spans[k][2]} [{spans[k][0]}, {spans[k][1]})" for k in (a, b))
            raise ValueError(f"links {ends}; an issuer is linked from a DIRECTIVE to an OFFICIAL")
        name = text[spans[b][0] : spans[b][1]]
        if issuers.setdefault(a, name) != name:
            raise ValueError(f"DIRECTIVE [{spans[a][0]}, {spans[a][1]}) has two issuers, {issuers[a]} and {name}")
    return [
        Mark(start, end, "DIRECTIVE" if label == OF_MEETING else label, issuers.get(i))
        for i, (start, end, label) in enumerate(spans)
    ]


def utf16(text: str) -> list[int]:
    """For each offset in code points, 0 to len(text), the same in UTF-16 code units, which JavaScript counts."""
    units = [0]
    for c in text:
        units.append(units[-1] + 1 + (c > "\uffff"))
    return units


def from_utf16(units: list[int], offset: int) -> int:
    """The offset in code points. Raises ValueError when it is beyond the text or inside a character."""
    i = bisect_left(units, offset)
    if i == len(units) or units[i] != offset:
        raise ValueError(f"offset {offset} is inside a character or beyond the text of {units[-1]} UTF-16 units")
    return i


def to_stem(id_: str) -> str:
    """The name of a report's file, without its suffix; `from_stem` gives the id back."""
    return re.sub(r'^\.|[%/\\:*?"<>|\x00-\x1f]', lambda m: f"%{ord(m[0]):02X}", id_)


from_stem = unquote
