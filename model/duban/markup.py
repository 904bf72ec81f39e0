r"""Inline mark-up, so that people annotate by reading and nobody counts characters.

Two layers, two pairs of brackets, so spans of different layers may nest or cross:

    ⟦P|县委书记⟧⟦O|孙志⟧强调，⟦A|各地各部门⟧要⟪孙志|守住⟦T|不发生规模性返贫⟧的底线⟫。

⟦ ⟧ holds an entity, O official, P post, A addressee or T target; ⟪ ⟫ holds a directive, with its issuer before the bar
(a name, 会议, or nothing). One of ⟦ ⟧ ⟪ ⟫ \ that is part of the text is written with a backslash before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from duban.labels import layer_of

CODES = {"O": "OFFICIAL", "P": "POST", "A": "ADDRESSEE", "T": "TARGET"}
_CODE_OF = {label: code for code, label in CODES.items()}
_BRACKETS = ("⟪⟫", "⟦⟧")  # by layer
_SPECIAL = frozenset("⟪⟫⟦⟧\\")


@dataclass(frozen=True, slots=True)
class Mark:
    """An annotated span: offsets in code points of the text, end exclusive; `issuer` for a DIRECTIVE only."""

    start: int
    end: int
    label: str
    issuer: str | None = None


def to_markup(text: str, marks: Iterable[Mark]) -> str:
    """The text with its marks written in. Marks of one layer must not overlap."""
    opening: dict[int, list[Mark]] = {}
    closing: dict[int, list[Mark]] = {}
    for mark in sorted(marks, key=lambda mark: (mark.end, -mark.start)):
        opening.setdefault(mark.start, []).append(mark)
        closing.setdefault(mark.end, []).append(mark)
    out = []
    for i in range(len(text) + 1):
        # The shorter span closes first and opens last, so that nesting reads as nesting.
        out += [_BRACKETS[layer_of(m.label)][1] for m in sorted(closing.get(i, []), key=lambda m: -m.start)]
        for m in sorted(opening.get(i, []), key=lambda m: -m.end):
            head = m.issuer or "" if m.label == "DIRECTIVE" else _CODE_OF[m.label]
            out.append(f"{_BRACKETS[layer_of(m.label)][0]}{head}|")
        if i < len(text):
            out.append("\\" + text[i] if text[i] in _SPECIAL else text[i])
    return "".join(out)


def from_markup(marked: str) -> tuple[str, list[Mark]]:
    """The text and its marks, sorted; the inverse of `to_markup`.

    Raises ValueError, with line and column, for a bracket that does not close or open, a head without its bar, an
    unknown code, or a span opened inside one of its own layer.
    """
    text: list[str] = []
    marks: list[Mark] = []
    open_: list[tuple[int, str, int] | None] = [None, None]  # by layer: start, head, position in `marked`
    i = 0
    while i < len(marked):
        c = marked[i]
        if c == "\\" and marked[i + 1 : i + 2] in _SPECIAL and i + 1 < len(marked):
            text.append(marked[i + 1])
            i += 2
            continue
        layer = next((k for k, pair in enumerate(_BRACKETS) if c in pair), None)
        if layer is None:
            text.append(c)
            i += 1
            continue
        started = open_[layer]
        if c == _BRACKETS[layer][0]:
            bar = marked.find("|", i)
            head = marked[i + 1 : bar]
            if bar < 0 or "\n" in head or any(s in head for s in _SPECIAL):
                raise _error(marked, i, f"{c} needs a head and a bar, as {'⟪孙志|…⟫' if layer == 0 else '⟦O|…⟧'}")
            if started is not None:
                raise _error(marked, i, f"{c} opens inside the {c} of {_place(marked, started[2])}")
            if layer == 1 and head not in CODES:
                raise _error(marked, i, f"unknown code {head!r}: it is one of {', '.join(CODES)}")
            open_[layer] = (len(text), head, i)
            i = bar + 1
        else:
            if started is None:
                raise _error(marked, i, f"{c} closes nothing")
            start, head, _ = started
            if layer == 0:
                marks.append(Mark(start, len(text), "DIRECTIVE", head or None))
            else:
                marks.append(Mark(start, len(text), CODES[head]))
            open_[layer] = None
            i += 1
    for layer, started in enumerate(open_):
        if started is not None:
            raise _error(marked, started[2], f"{_BRACKETS[layer][0]} never closes")
    return "".join(text), sorted(marks, key=lambda m: (m.start, -m.end, m.label))


def _place(marked: str, i: int) -> str:
    line = marked.count("\n", 0, i) + 1
    return f"line {line}, column {i - marked.rfind(chr(10), 0, i)}"


def _error(marked: str, i: int, why: str) -> ValueError:
    return ValueError(f"{_place(marked, i)}: {why} (at {marked[i : i + 20]!r})")
