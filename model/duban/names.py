"""A name is one name throughout a report: its mentions together decide where each of them begins and ends.

孙志强调 alone may be 孙志 or 孙志强; that 孙志 stands elsewhere before another word settles it. Each name that is
decoded somewhere is looked for everywhere in its report, and the probabilities of all the places are added up. The
names with most of it come first and take their places, as long as the model gives a place some chance of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

import numpy as np

from duban.decode import Line, ScoredSpan, probabilities
from duban.tokens import Tokens

#: The least probability that a place must have of its own to be taken for a mention; chosen on the dev split.
LEAST = 0.02
_LABEL = "OFFICIAL"


def settle(tokens: Tokens, logits: np.ndarray, spans: Iterable[ScoredSpan], temperature: float) -> list[ScoredSpan]:
    """The mentions of officials that a report's decoded spans, taken together, speak for.

    Args:
        tokens: the tokenised report.
        logits: its logits, (tokens, tags).
        spans: its decoded spans, in tokens of the report.
        temperature: as for `decode_lines`.

    Returns:
        Mentions, sorted, that overlap no other of them. The score of each is its own probability or the mean over the
        places of its name, whichever is more.
    """
    places = _places(tokens, {(s.start, s.end) for s in spans if s.label == _LABEL})
    starts = [a for a, _ in tokens.lines]
    in_line: dict[int, list[tuple[int, int, str]]] = {}
    for name, its_places in places.items():
        for start, end in its_places:
            line = bisect_right(starts, start) - 1
            if line >= 0 and end <= tokens.lines[line][1]:
                in_line.setdefault(line, []).append((start, end, name))
    ranges = [tokens.lines[line] for line in in_line]
    wanted = [
        [(start - a, end - a, _LABEL) for start, end, _ in found]
        for (a, _), found in zip(ranges, in_line.values(), strict=True)
    ]
    lines = [Line(logits[a:b], tokens.edges[a:b], tokens.closes[a:b]) for a, b in ranges]
    chances = probabilities(lines, wanted, temperature)

    mentions: dict[str, list[tuple[int, int, float]]] = {}
    for found, its in zip(in_line.values(), chances, strict=True):
        for (start, end, name), chance in zip(found, its, strict=True):
            if chance >= LEAST:
                mentions.setdefault(name, []).append((start, end, chance))
    taken = np.zeros(len(tokens), dtype=bool)
    settled = []
    for name in sorted(mentions, key=lambda name: (-sum(chance for *_, chance in mentions[name]), -len(name))):
        mean = float(np.mean([chance for *_, chance in mentions[name]]))
        for start, end, chance in mentions[name]:
            if not taken[start:end].any():
                taken[start:end] = True
                settled.append(ScoredSpan(start, end, _LABEL, max(chance, mean)))
    return sorted(settled)


def _places(tokens: Tokens, decoded: set[tuple[int, int]]) -> dict[str, list[tuple[int, int]]]:
    """Every place, in tokens, of every name of two or more characters that is decoded somewhere."""
    text = tokens.normalised.text
    names = {text[tokens.starts[start] : tokens.ends[end - 1]] for start, end in decoded}
    starts = {int(place): i for i, place in enumerate(tokens.starts)}
    ends = {int(place): i + 1 for i, place in enumerate(tokens.ends)}
    places: dict[str, list[tuple[int, int]]] = {}
    for name in sorted(name for name in names if len(name) > 1):
        at = text.find(name)
        while at >= 0:
            if at in starts and at + len(name) in ends:
                places.setdefault(name, []).append((starts[at], ends[at + len(name)]))
            at = text.find(name, at + 1)
    return places
