"""Logits → spans that are valid in both layers, each with its probability.

The tags of a line form a lattice: IOB2 in each layer, no span that begins or ends with punctuation or white space, no
two spans of one label that touch (but for names), no DIRECTIVE that ends before its clause does. A POST, ADDRESSEE or
TARGET that begins or ends inside a word of the dictionary has its price: a token's tag knows little of its neighbour's,
so a path may take the first half of a word from one reading of the text and the second from another. The best path is
found by Viterbi; a span's probability is the share of all paths, weighted by the model's own probabilities and
those prices, that hold exactly this span (forward-backward, Rabiner 1989, with the span clamped).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from duban.labels import LABELS, LAYERS, PHRASES, SEPARATE, TAGS, layer_of, split

#: Tags of the lattice by layer: (layers, tags) of 'O', 'B-…', 'I-…'.
_COLUMNS = np.array([[split(tag)[layer] for tag in TAGS] for layer in range(len(LAYERS))])
_OUTSIDE = int(TAGS.index("O"))
#: (layers, tags): does the tag begin a span of the layer, does it go on with one, of which label (its index, or -1).
_BEGIN, _INSIDE = np.char.startswith(_COLUMNS, "B-"), np.char.startswith(_COLUMNS, "I-")
_LABEL = np.array([[LABELS.index(tag[2:]) if tag != "O" else -1 for tag in column] for column in _COLUMNS])
#: No probability is taken for nought, so that a valid path always exists.
_FLOOR = 1e-9
#: What clamping takes from the logits of all other tags.
_NEVER = 60.0
#: What an edge of a phrase inside a word takes from a path's log-probability; chosen on dev. Names do not consist of
#: words, and a DIRECTIVE begins after a word of its own kind (要, 必须).
_SPLIT = 5.0


def _weights(after_edge: bool, inside_clause: bool, inside_word: bool) -> np.ndarray:
    """(tags, tags): which tag may follow which; 0 for never, 1 for freely.

    Args:
        after_edge: the first tag's token is an edge character; a span that holds it must go on.
        inside_clause: a clause cannot end between the two; a DIRECTIVE must go on.
        inside_word: the two are of one word; an edge between them of one of PHRASES costs `_SPLIT`.
    """
    matrix = np.ones((len(TAGS), len(TAGS)))
    for column in _COLUMNS:
        for i, before in enumerate(column):
            for j, tag in enumerate(column):
                goes_on = tag.startswith("I-") and tag[2:] == before[2:] and before != "O"
                must = before != "O" and (after_edge or (inside_clause and before[2:] == "DIRECTIVE"))
                touches = tag[0] == "B" and tag[2:] in SEPARATE and before[2:] == tag[2:]
                if touches or ((tag[0] == "I" or must) and not goes_on):
                    matrix[i, j] = 0
                elif inside_word and not goes_on:
                    matrix[i, j] *= np.exp(-_SPLIT * ((before[2:] in PHRASES) + (tag[2:] in PHRASES)))
    return matrix


#: By kind of step (1: after an edge character) + (2: inside a clause) + (4: inside a word).
_KINDS = [(edge, clause, word) for word in (False, True) for clause in (False, True) for edge in (False, True)]
_STEP = np.stack([_weights(*kind) for kind in _KINDS])
with np.errstate(divide="ignore"):
    _LOG_STEP = np.log(_STEP)
#: The steps of all kinds side by side, forward and backward: (tags, kinds * tags).
_AHEAD, _BACK = np.concatenate(list(_STEP), axis=1), np.concatenate(list(_STEP.transpose(0, 2, 1)), axis=1)
_FIRST = ~_INSIDE.any(axis=0)


class Line(NamedTuple):
    """A line to decode.

    `logits` are (tokens, tags) in the order of `duban.labels.TAGS`; `edges` (tokens,) bool says with which tokens no
    span may begin or end, `closes` (tokens,) bool before which a clause may end, `inner` (tokens,) bool which of them
    go on with the word of the token before. A line is never empty.
    """

    logits: np.ndarray
    edges: np.ndarray
    closes: np.ndarray
    inner: np.ndarray


class ScoredSpan(NamedTuple):
    """A span of tokens [start, end) and the probability, 0 to 1, that the lattice gives it."""

    start: int
    end: int
    label: str
    score: float


def decode_lines(lines: Sequence[Line], temperature: float = 1.0) -> list[list[ScoredSpan]]:
    """The spans of each line, sorted by start; the tags they come from are always valid.

    Args:
        lines: what to decode, with the logits.
        temperature: divides the logits before the scores are computed; the spans do not depend on it.
    """
    return Lattice(lines, temperature).decode()


def clamp(logits: np.ndarray, start: int, end: int, label: str) -> None:
    """Change the logits (tokens, tags) of a text, in place, so that [start, end) is decoded with this label."""
    column = _COLUMNS[layer_of(label)]
    logits[start, column != f"B-{label}"] -= _NEVER
    logits[start + 1 : end, column != f"I-{label}"] -= _NEVER
    logits[end : end + 1, column == f"I-{label}"] -= _NEVER


class Lattice:
    """The lattices of many lines, computed together.

    Position t of all lines that are so long lies in rows first[t] to first[t + 1] of the arrays, the longest line
    first; so each step of all lines is one of numpy, and nothing is padded. After its last token a line has one more
    position, which is certain to be O and closes it.

    Args:
        lines: the lines, none of them empty.
        temperature: divides the logits before probabilities are computed.
    """

    def __init__(self, lines: Sequence[Line], temperature: float = 1.0) -> None:
        self.temperature = temperature
        lengths = np.array([len(line.logits) + 1 for line in lines], dtype=np.int64)
        order = np.argsort(-lengths, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        live = np.searchsorted(-lengths[order], -np.arange(lengths.max(initial=0)), side="left")
        self._first = np.concatenate([[0], np.cumsum(live)])
        self._begins = np.cumsum(lengths) - lengths
        # Line after line first, then by position.
        line = np.repeat(np.arange(len(lines)), lengths)
        t = np.arange(len(line)) - self._begins[line]
        closing = t == lengths[line] - 1
        scores = np.full((len(line), len(TAGS)), -np.inf)
        scores[:, _OUTSIDE] = 0.0
        edge, closes, inner = np.zeros((3, len(line)), dtype=bool)
        closes[closing] = True
        if len(lines):
            scores[~closing] = np.concatenate([line.logits for line in lines])
            edge[~closing] = np.concatenate([line.edges for line in lines])
            closes[~closing] = np.concatenate([line.closes for line in lines])
            inner[~closing] = np.concatenate([line.inner for line in lines])
        scores[edge[:, None] & _BEGIN.any(axis=0)] = -np.inf
        # Nothing can go on after the last other character of a line, so what follows it is outside of all spans.
        other = np.where(edge | closing, -1, np.arange(len(line)))
        last = np.maximum.reduceat(other, self._begins) if len(lines) else other
        scores[np.ix_(np.arange(len(line)) > last[line], np.arange(len(TAGS)) != _OUTSIDE)] = -np.inf
        steps = 2 * ~closes
        steps[1:] += edge[:-1]
        steps += 4 * inner
        #: Where each position of each line, line after line, lies in the arrays.
        self._at = self._first[t] + rank[line]
        self._line, self._t = line, t
        source = np.empty_like(self._at)
        source[self._at] = np.arange(len(source))
        self._scores, self._steps = scores[source], steps[source]
        self._p, self._forward, self._backward, self._scale = self._probabilities()

    def decode(self) -> list[list[ScoredSpan]]:
        """The spans of each line's best path, sorted by start, with their probabilities."""
        tags = self._best()[self._at]
        parts = []
        for layer in range(len(LAYERS)):
            begin, inside, label = _BEGIN[layer, tags], _INSIDE[layer, tags], _LABEL[layer, tags]
            # On a valid path each begin has one end, before the next; a line's last position is always outside.
            ends = np.flatnonzero((label[:-1] >= 0) & ~inside[1:]) + 1
            starts = np.flatnonzero(begin)
            parts.append(np.stack([self._line[starts], self._t[starts], self._t[ends - 1] + 1, label[starts]], axis=1))
        spans = np.concatenate(parts)
        scores = self._score(*spans.T).tolist()
        found: list[list[ScoredSpan]] = [[] for _ in self._begins]
        for (line, start, end, label), score in zip(spans.tolist(), scores, strict=True):
            found[line].append(ScoredSpan(start, end, LABELS[label], score))
        for its in found:
            its.sort(key=lambda span: (span.start, -span.end, span.label))
        return found

    def probabilities(self, spans: Sequence[tuple[int, int, int, str]]) -> list[float]:
        """The probability of each span (line, start, end, label), decoded or not."""
        if not spans:
            return []
        line, start, end, label = zip(*spans)
        scores: list[float] = self._score(*map(np.array, (line, start, end, list(map(LABELS.index, label))))).tolist()
        return scores

    def _best(self) -> np.ndarray:
        """(positions,) the tags of the best paths (Viterbi)."""
        first, scores, steps = self._first, self._scores, self._steps
        best = scores.copy()
        tags = np.empty(len(scores), dtype=np.intp)
        best[: first[1] if len(first) > 1 else 0, ~_FIRST] = -np.inf
        for a, b, c in zip(first, first[1:], first[2:]):
            before = best[a : a + c - b]
            best[b:c] += (before[:, :, None] + _LOG_STEP[steps[b:c]]).max(axis=1)
        if len(first) > 1:
            a, b = first[-2:]
            tags[a:b] = best[a:b].argmax(axis=1)
        for a, b, c in zip(first[-3::-1], first[-2:0:-1], first[:1:-1]):
            n = c - b  # lines that go on; the others end here
            into = _LOG_STEP[steps[b:c], :, tags[b:c]]
            tags[a : a + n] = (best[a : a + n] + into).argmax(axis=1)
            tags[a + n : b] = best[a + n : b].argmax(axis=1)
        return tags

    def _probabilities(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Probabilities of the tags, forward and backward weights (positions, tags), divided by scale (positions,)."""
        first, steps = self._first, self._steps
        p = _softmax(self._scores / self.temperature)
        forward, backward, scale = p * 1.0, np.ones_like(p), np.ones(len(p))
        if len(first) > 1:
            forward[: first[1]] *= _FIRST
        for t, (a, b) in enumerate(zip(first, first[1:])):
            if t:
                before = first[t - 1]
                forward[a:b] *= _step(forward[before : before + b - a], _AHEAD, steps[a:b])
            scale[a:b] = forward[a:b].sum(axis=1)
            forward[a:b] /= scale[a:b, None]
        ahead = p / scale[:, None]
        for a, b, c in zip(first[-3::-1], first[-2:0:-1], first[:1:-1]):
            backward[a : a + c - b] = _step(ahead[b:c] * backward[b:c], _BACK, steps[b:c])
        return p, forward, backward, scale

    def _score(self, line: np.ndarray, start: np.ndarray, end: np.ndarray, label: np.ndarray) -> np.ndarray:
        """(spans,) the probability of all paths that hold exactly the span [start, end), which its line's end closes.

        Args:
            line, start, end: (spans,) the line and the tokens in it.
            label: (spans,) indices of LABELS.
        """
        order = np.argsort(start - end, kind="stable")  # the longest first: those that go on are the first ones
        at = self._begins[line[order]] + start[order]
        lengths = (end - start)[order]
        layer = np.array([layer_of(name) for name in LABELS])[label[order]]
        of_label = _LABEL[layer] == label[order, None]
        inside = of_label & _INSIDE[layer]
        state = self._forward[self._at[at]] * (of_label & _BEGIN[layer])
        for k in range(1, lengths.max(initial=0) + 1):
            n = int(np.searchsorted(-lengths, -k, side="right"))  # spans of at least k tokens
            ends = int(np.searchsorted(-lengths, -k, side="left"))  # those before this one have more
            here = self._at[at[:n] + k]
            allowed = inside[:n].copy()
            allowed[ends:] = ~allowed[ends:]
            state[:n] = _step(state[:n], _AHEAD, self._steps[here]) * self._p[here] * allowed
            state[:n] /= self._scale[here, None]
        scores = np.empty(len(line))
        scores[order] = np.minimum(1.0, (state * self._backward[self._at[at + lengths]]).sum(axis=1))
        return scores


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.where(np.isneginf(x), 0.0, np.maximum(e / e.sum(axis=-1, keepdims=True), _FLOOR))


def _step(state: np.ndarray, matrices: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Weights (n, tags) after a step of each row's kind; all kinds are computed, which one product does quickest."""
    return (state @ matrices).reshape(len(state), len(_KINDS), -1)[np.arange(len(state)), kinds]
