"""A name is one name throughout a report: its mentions together decide where each of them begins and ends.

孙志强调 alone may be 孙志 or 孙志强; that 孙志 stands elsewhere before another word settles it. Each name that is
decoded somewhere is looked for everywhere in its report, and the probabilities of all the places are added up. The
names with most of it come first and take their places, as long as the model gives a place some chance of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from duban.decode import ScoredSpan
from duban.tokens import Tokens

#: The least probability that a place must have of its own to be taken for a mention; chosen on the dev split.
LEAST = 0.02
LABEL = "OFFICIAL"


class Place(NamedTuple):
    """Where a name stands: tokens [start, end) of its report, in the line of that index of `Tokens.lines`."""

    start: int
    end: int
    line: int
    name: str


def places(tokens: Tokens, spans: Iterable[ScoredSpan]) -> list[Place]:
    """Every place of every name of two or more characters that is decoded somewhere in a report.

    Args:
        tokens: the tokenised report.
        spans: its decoded spans, in tokens of the report.
    """
    text = tokens.normalised.text
    decoded = {(s.start, s.end) for s in spans if s.label == LABEL}
    names = {text[tokens.starts[start] : tokens.ends[end - 1]] for start, end in decoded}
    if not names:
        return []
    lines = [a for a, _ in tokens.lines]
    starts = {place: i for i, place in enumerate(tokens.starts.tolist())}
    ends = {place: i + 1 for i, place in enumerate(tokens.ends.tolist())}
    found = []
    for name in sorted(name for name in names if len(name) > 1):
        at = text.find(name)
        while at >= 0:
            start, end = starts.get(at), ends.get(at + len(name))
            if start is not None and end is not None:
                line = bisect_right(lines, start) - 1
                if line >= 0 and end <= tokens.lines[line][1]:
                    found.append(Place(start, end, line, name))
            at = text.find(name, at + 1)
    return found


def settle(found: Sequence[Place], chances: Sequence[float]) -> list[ScoredSpan]:
    """The mentions of officials that a report's decoded spans, taken together, speak for.

    Args:
        found: the places of its names.
        chances: the probability that the lattice gives each of them.

    Returns:
        Mentions, sorted, that overlap no other of them. The score of each is its own probability or the mean over the
        places of its name, whichever is more.
    """
    mentions: dict[str, list[tuple[Place, float]]] = {}
    for place, chance in zip(found, chances, strict=True):
        if chance >= LEAST:
            mentions.setdefault(place.name, []).append((place, chance))
    taken = np.zeros(max((place.end for place in found), default=0), dtype=bool)
    settled = []
    for name in sorted(mentions, key=lambda name: (-sum(chance for _, chance in mentions[name]), -len(name))):
        mean = float(np.mean([chance for _, chance in mentions[name]]))
        for place, chance in mentions[name]:
            if not taken[place.start : place.end].any():
                taken[place.start : place.end] = True
                settled.append(ScoredSpan(place.start, place.end, LABEL, max(chance, mean)))
    return sorted(settled)
