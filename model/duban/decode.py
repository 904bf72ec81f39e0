"""Logits → spans that are valid in both layers, each with its probability.

The tags of a line form a lattice: IOB2 in each layer, no span that begins or ends with punctuation or white space, no
two spans of one label that touch (but for names), no DIRECTIVE that ends before its clause does. The best path is found
by Viterbi; a span's probability is the share of all paths, weighted by the model's own tag probabilities, that hold
exactly this span (forward-backward, Rabiner 1989, with the span clamped).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from duban.labels import LAYERS, SEPARATE, TAGS, decode, layer_of, split

#: Tags of the lattice by layer: (layers, tags) of 'O', 'B-…', 'I-…'.
_COLUMNS = np.array([[split(tag)[layer] for tag in TAGS] for layer in range(len(LAYERS))])
_OUTSIDE = int(TAGS.index("O"))
_BEGINS = np.char.startswith(_COLUMNS, "B-").any(axis=0)
#: No probability is taken for nought, so that a valid path always exists.
_FLOOR = 1e-9
#: What clamping takes from the logits of all other tags.
_NEVER = 60.0
#: Positions times lines that are decoded together.
_CELLS = 1 << 16


def _allowed(after_edge: bool, inside_clause: bool) -> np.ndarray:
    """(tags, tags) 0/1: which tag may follow which.

    Args:
        after_edge: the first tag's token is an edge character; a span that holds it must go on.
        inside_clause: a clause cannot end between the two; a DIRECTIVE must go on.
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
    return matrix


#: By kind of step (1: after an edge character, 2: inside a clause, 3: both).
_STEP = np.stack([_allowed(bool(kind & 1), bool(kind & 2)) for kind in range(4)])
_LOG_STEP = np.where(_STEP > 0, 0.0, -np.inf)
_FIRST = ~np.char.startswith(_COLUMNS, "I-").any(axis=0)


class Line(NamedTuple):
    """A line to decode.

    `logits` are (tokens, tags) in the order of `duban.labels.TAGS`; `edges` (tokens,) bool says with which tokens no
    span may begin or end, `closes` (tokens,) bool before which a clause may end. A line is never empty.
    """

    logits: np.ndarray
    edges: np.ndarray
    closes: np.ndarray


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
    found: list[list[ScoredSpan]] = [[] for _ in lines]
    for batch, scores, steps in _batches(lines):
        paths = _viterbi(scores, steps)
        for row, lattice in enumerate(_lattices(scores, steps, temperature)):
            spans = decode([TAGS[tag] for tag in paths[row]])
            found[batch[row]] = [ScoredSpan(*span, _probability(*span, lattice)) for span in spans]
    return found


def probabilities(
    lines: Sequence[Line], spans: Sequence[Sequence[tuple[int, int, str]]], temperature: float = 1.0
) -> list[list[float]]:
    """For each line the probability of each of the given spans (start, end, label), decoded or not."""
    found: list[list[float]] = [[] for _ in lines]
    for batch, scores, steps in _batches(lines):
        for row, lattice in enumerate(_lattices(scores, steps, temperature)):
            found[batch[row]] = [_probability(*span, lattice) for span in spans[batch[row]]]
    return found


def clamp(logits: np.ndarray, start: int, end: int, label: str) -> None:
    """Change the logits (tokens, tags) of a text, in place, so that [start, end) is decoded with this label."""
    column = _COLUMNS[layer_of(label)]
    logits[start, column != f"B-{label}"] -= _NEVER
    logits[start + 1 : end, column != f"I-{label}"] -= _NEVER
    logits[end : end + 1, column == f"I-{label}"] -= _NEVER


def _batches(lines: Sequence[Line]) -> Iterator[tuple[list[int], np.ndarray, np.ndarray]]:
    """Lines of like length together: indices, padded logits (-inf for what no path may take), kinds of steps.

    The kind at a position is that of the step which leads to it.
    """
    order = sorted(range(len(lines)), key=lambda i: len(lines[i].logits))
    while order:
        length = len(lines[order[-1]].logits) + 1
        batch = [order.pop() for _ in range(min(len(order), max(1, _CELLS // length)))]
        # Padding is certain to be O, so it changes neither paths nor probabilities, and it closes the line.
        scores = np.full((len(batch), length, len(TAGS)), -np.inf)
        scores[:, :, _OUTSIDE] = 0.0
        edge = np.zeros((len(batch), length), dtype=bool)
        closes, padding = np.ones(edge.shape, dtype=bool), np.ones(edge.shape, dtype=bool)
        for row, i in enumerate(batch):
            n = len(lines[i].logits)
            padding[row, :n] = False
            scores[row, :n], edge[row, :n], closes[row, :n] = lines[i]
        forbidden = edge[:, :, None] & _BEGINS
        # Nothing can go on after the last other character of a line, so what follows it is outside of all spans.
        trailing = np.logical_and.accumulate((edge | padding)[:, ::-1], axis=1)[:, ::-1]
        forbidden |= trailing[:, :, None] & (np.arange(len(TAGS)) != _OUTSIDE)
        steps = 2 * ~closes
        steps[:, 1:] += edge[:, :-1]
        yield batch, np.where(forbidden, -np.inf, scores), steps


def _lattices(scores: np.ndarray, steps: np.ndarray, temperature: float) -> Iterator[_Lattice]:
    """The lattice of each line of a batch."""
    p = _softmax(scores / temperature)
    yield from map(_Lattice, p, steps, *_forward_backward(p, steps))


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.where(np.isneginf(x), 0.0, np.maximum(e / e.sum(axis=-1, keepdims=True), _FLOOR))


def _viterbi(scores: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Best paths (lines, positions) of log-probabilities (lines, positions, tags)."""
    lines, length, _ = scores.shape
    back = np.zeros(scores.shape, dtype=np.int8)
    best = np.where(_FIRST, scores[:, 0], -np.inf)
    for t in range(1, length):
        candidates = best[:, :, None] + _LOG_STEP[steps[:, t]]
        back[:, t] = candidates.argmax(axis=1)
        best = candidates.max(axis=1) + scores[:, t]
    path = np.zeros((lines, length), dtype=np.intp)
    path[:, -1] = best.argmax(axis=1)
    for t in range(length - 1, 0, -1):
        path[:, t - 1] = back[np.arange(lines), t, path[:, t]]
    return path


def _forward_backward(p: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forward and backward weights (lines, positions, tags), divided at each step by `scale` (lines, positions)."""
    lines, length, _ = p.shape
    forward, backward, scale = np.zeros_like(p), np.ones_like(p), np.ones((lines, length))
    state = p[:, 0] * _FIRST
    for t in range(length):
        if t:
            state = np.matmul(state[:, None], _STEP[steps[:, t]])[:, 0] * p[:, t]
        scale[:, t] = state.sum(axis=1)
        state = state / scale[:, t, None]
        forward[:, t] = state
    for t in range(length - 2, -1, -1):
        ahead = p[:, t + 1] * backward[:, t + 1] / scale[:, t + 1, None]
        backward[:, t] = np.matmul(_STEP[steps[:, t + 1]], ahead[:, :, None])[:, :, 0]
    return forward, backward, scale


class _Lattice(NamedTuple):
    """One line's arrays: (positions, tags), but `steps` and `scale` (positions,)."""

    p: np.ndarray
    steps: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    scale: np.ndarray


def _probability(start: int, end: int, label: str, lattice: _Lattice) -> float:
    """Probability of all paths that hold exactly the span [start, end), which ends before the line does."""
    p, steps, forward, backward, scale = lattice
    column = _COLUMNS[layer_of(label)]
    inside = column == f"I-{label}"
    state = forward[start] * (column == f"B-{label}")
    for t in range(start + 1, end):
        state = (state @ _STEP[steps[t]]) * p[t] * inside / scale[t]
    state = (state @ _STEP[steps[end]]) * p[end] * ~inside / scale[end]
    return float(min(1.0, state @ backward[end]))
