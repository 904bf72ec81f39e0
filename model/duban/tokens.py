"""Normalised text → tokens → windows that a model of bounded length can read."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from duban.labels import CLOSING_PUNCTUATION, EDGE_PUNCTUATION, is_pictograph
from duban.markup import Mark
from duban.text import Normalised, normalise

#: Tokens that a window holds, [CLS] and [SEP] not counted, and how many of them it shares with the next at least.
WINDOW, OVERLAP = 254, 16


#: By code point, up to the one after the last pictograph: is it one of EDGE_PUNCTUATION, CLOSING_PUNCTUATION, white
#: space or a pictograph, which on web pages stands for a heading's number or a dash.
_TABLE = 0x1FB01
_EDGE, _CLOSING = (
    np.array([chr(i) in characters or chr(i).isspace() or is_pictograph(chr(i)) for i in range(_TABLE)])
    for characters in (EDGE_PUNCTUATION, CLOSING_PUNCTUATION)
)
#: A term in quotation marks or the title of a document, but no speech: “满堂红”, not “要守住底线，确保安全”; a number
#: with its decimals; words that dictionaries take for two.
_NO_TERM = re.escape("".join(sorted(EDGE_PUNCTUATION - {"、"})))
_QUOTED = [rf"{a}[^{a}{b}{_NO_TERM}\s]{{1,24}}{b}" for a, b in ("“”", "‘’", '""', "《》")]
_TERM = re.compile("|".join([*_QUOTED, r"\d+\.\d+%?", "目标任务", "总(?:会计|经济|工程|规划|农艺|审计|统计)师"]))
#: What stands in brackets or quotation marks within a clause, which a comma there does not end (guidelines, DIRECTIVE):
#: 做到“有事必到，无事不扰”. After punctuation, or a word that gives or orders, it is a speech with clauses of its own.
_HELD = re.compile(r"(?<![\s,;:。!?—”说道出调求称要须应从])(?<![^做达]到)“[^“”;。!?\n]{1,60}”|\([^();。!?\n]{1,60}\)")
#: A lone space that mark-up left within a clause ends none, once its line has a mark: before it a headline may stand.
_MARK = re.compile("[,;:。]")
_STRAY = re.compile(r"(?<=[\u4e00-\u9fff”]) (?=[\u4e00-\u9fff“])")


@dataclass(frozen=True)
class Tokens:
    """A tokenised text. Token i has the id `ids[i]` and covers [starts[i], ends[i]) of `normalised.text`."""

    normalised: Normalised
    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def edges(self) -> np.ndarray:
        """(tokens,) bool: no span begins or ends with this token: punctuation, white space or a pictograph."""
        return _EDGE[self._codes[self.starts]] | _EDGE[self._codes[self.ends - 1]]

    @cached_property
    def closes(self) -> np.ndarray:
        """(tokens,) bool: a clause may end before this token."""
        text = self.normalised.text
        held = np.zeros(len(text) + 1, dtype=bool)
        for start, end in self._held:
            held[start + 1 : end - 1] = True
        for first, last in self.lines:
            end = int(self.ends[last - 1])
            if mark := _MARK.search(text, int(self.starts[first]), end):
                held[[space.start() for space in _STRAY.finditer(text, mark.end(), end)]] = True
        return _CLOSING[self._codes[self.starts]] & ~held[self.starts]

    @cached_property
    def inner(self) -> np.ndarray:
        """(tokens,) bool: the token goes on with a word that began before it.

        Words are those of jieba's dictionary, a `_TERM`, and what brackets or quotation marks hold.
        """
        import rjieba  # not above, since it reads its dictionary when it is imported

        words = rjieba.cut(self.normalised.text.encode("utf-8", "replace").decode("utf-8"), False)
        begins = np.zeros(len(self.normalised.text) + 1, dtype=bool)
        begins[np.cumsum([0, *map(len, words)])] = True
        terms = [term.span() for term in _TERM.finditer(self.normalised.text)]
        for start, end in (*terms, *self._held):
            begins[start] = begins[end] = True
            begins[start + 1 : end] = False
        return ~begins[self.starts]

    @cached_property
    def breaks(self) -> np.ndarray:
        """The tokens, rising, that come next after punctuation or white space: where a clause or a line begins."""
        return np.flatnonzero(self.edges[:-1] & ~self.edges[1:]) + 1

    @cached_property
    def _held(self) -> list[tuple[int, int]]:
        """The ranges of characters of what brackets or quotation marks hold within a clause, with these."""
        return [held.span() for held in _HELD.finditer(self.normalised.text)]

    @cached_property
    def _codes(self) -> np.ndarray:
        """(characters,) code points of the text; those beyond _TABLE as its last."""
        points = np.frombuffer(self.normalised.text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        return np.minimum(points, _TABLE - 1)

    @cached_property
    def lines(self) -> list[tuple[int, int]]:
        """The ranges of tokens between line breaks; no span leaves its line."""
        breaks = np.flatnonzero(self._codes == ord("\n"))
        firsts = np.unique(np.searchsorted(breaks, self.starts), return_index=True)[1].tolist()
        is_break = np.isin(self.starts, breaks)  # some tokenizers give the line break itself a token, at the line's end
        found = [(a, b - int(is_break[b - 1])) for a, b in zip(firsts, [*firsts[1:], len(self)])]
        return [(a, b) for a, b in found if a < b]

    def to_given(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the given text of the tokens [start, end)."""
        return self.normalised.to_given(int(self.starts[start]), int(self.ends[end - 1]))

    def from_given(self, start: int, end: int) -> tuple[int, int] | None:
        """The tokens that [start, end) of the given text touches; None when it has none."""
        found = self.normalised.from_given(start, end)
        if found is None:
            return None
        first, last = bisect_right(self.ends, found[0]), bisect_left(self.starts, found[1])
        return (first, last) if first < last else None

    def spans(self, marks: Iterable[Mark]) -> list[tuple[int, int, str]]:
        """Marks as spans of tokens (start, end, label); a mark that has no token of its own left is skipped."""
        found = [(self.from_given(mark.start, mark.end), mark.label) for mark in marks]
        return sorted((*place, label) for place, label in found if place is not None)


def tokenise(text: str, tokenizer: Tokenizer) -> Tokens:
    """Normalise a text and tokenise it whole, without special tokens and without truncation.

    Args:
        text: the text as given.
        tokenizer: any tokenizer, as `Checkpoint` holds it; its offsets are what spans are made of.
    """
    normalised = normalise(text)
    encoded = tokenizer.encode(normalised.text, add_special_tokens=False)
    offsets = np.array(encoded.offsets, dtype=np.int64).reshape(-1, 2)
    full = offsets[:, 0] < offsets[:, 1]  # some tokenizers emit tokens that cover nothing
    ids = np.array(encoded.ids, dtype=np.int64)[full]
    return Tokens(normalised, ids, offsets[full, 0], offsets[full, 1])


def window_of(max_positions: int) -> tuple[int, int]:
    """Size and overlap of the windows for a model of so many positions, two of which [CLS] and [SEP] take."""
    room = max_positions - 2
    return min(WINDOW, room), min(OVERLAP, room // 5)


class Window(NamedTuple):
    """Tokens [start, end), which are read together."""

    start: int
    end: int


def windows(length: int, breaks: np.ndarray, size: int = WINDOW, overlap: int = OVERLAP) -> list[Window]:
    """Windows over `length` tokens, as full as they can be, which begin and end between clauses where that is near.

    A text that fits is one window. Neighbours share `overlap` tokens to twice as many; the last window reaches back for
    more, since a model trained on full windows reads short ones less well.

    Args:
        length: tokens of the text.
        breaks: the tokens at which a clause begins, rising.
        size: tokens of a window at most.
        overlap: tokens that it shares with the next at least.

    Raises:
        ValueError: unless 0 <= overlap <= size / 5, so that each window gets on.
    """
    if size < 1 or not 0 <= 5 * overlap <= size:
        raise ValueError(f"overlap {overlap} must be at least 0 and a fifth of the window of {size} tokens at most")
    found, start = [], 0
    while length - start > size:
        end = _nearest(breaks, start + size, start + size - overlap, start + size)
        found.append(Window(start, end))
        start = _nearest(breaks, end - overlap, end - 2 * overlap, end - overlap)
    if found:
        start = min(start, _nearest(breaks, length - size, length - size, length - size + overlap))
    return [*found, Window(start, length)] if length else []


def _nearest(breaks: np.ndarray, aim: int, low: int, high: int) -> int:
    """Of the breaks in [low, high] the one nearest to the aim; the aim itself when there is none."""
    near = breaks[np.searchsorted(breaks, low) : np.searchsorted(breaks, high, side="right")]
    return int(near[np.abs(near - aim).argmin()]) if len(near) else aim


def shares(of: Sequence[Window]) -> list[np.ndarray]:
    """How much each window of a text has to say on each of its tokens: (tokens of the window,) each, float32.

    The shares of a token add up to 1. Where two windows overlap, the one fades out as the other fades in: each knows
    least of what lies around its ends.
    """
    if len(of) < 2:
        return [np.ones(w.end - w.start, dtype=np.float32) for w in of]
    total = np.zeros(of[-1].end, dtype=np.float32)
    found = []
    for before, w, after in zip([None, *of], of, [*of[1:], None]):
        share = np.ones(w.end - w.start, dtype=np.float32)
        if before is not None and (shared := before.end - w.start):
            share[:shared] = np.arange(1, shared + 1) / (shared + 1)
        if after is not None and (shared := w.end - after.start):
            share[-shared:] = np.minimum(share[-shared:], np.arange(shared, 0, -1) / (shared + 1))
        total[w.start : w.end] += share
        found.append(share)
    return [share / total[w.start : w.end] for w, share in zip(of, found, strict=True)]
