"""Logits → spans that are valid in both layers, each with its probability.

The tags of a line form a lattice: IOB2 in each layer, no span that begins or ends with punctuation or white space. The
best path is found by Viterbi; a span's probability is the share of all paths, weighted by the model's own tag
probabilities, that hold exactly this span (forward-backward, Rabiner 1989, with the inner part of the span clamped).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from duban.labels import LAYERS, TAGS, decode, layer_of, split

#: Tags of the lattice by layer: (layers, tags) of 'O', 'B-…', 'I-…'.
_COLUMNS = np.array([[split(tag)[layer] for tag in TAGS] for layer in range(len(LAYERS))])
_OUTSIDE = int(TAGS.index("O"))
_BEGINS = np.char.startswith(_COLUMNS, "B-").any(axis=0)
#: No probability is taken for nought, so that a valid path always exists.
_FLOOR = 1e-9
#: Positions times lines that are decoded together.
_CELLS = 1 << 16


def _allowed(after_edge: bool) -> np.ndarray:
    """(tags, tags) 0/1: which tag may follow which. A span that holds an edge character must go on after it."""
    matrix = np.ones((len(TAGS), len(TAGS)))
    for column in _COLUMNS:
        for i, before in enumerate(column):
            for j, tag in enumerate(column):
                goes_on = tag.startswith("I-") and tag[2:] == before[2:] and before != "O"
                if (tag.startswith("I-") or (after_edge and before != "O")) and not goes_on:
                    matrix[i, j] = 0
    return matrix


_STEP = np.stack([_allowed(False), _allowed(True)])
_LOG_STEP = np.where(_STEP > 0, 0.0, -np.inf)
_FIRST = ~np.char.startswith(_COLUMNS, "I-").any(axis=0)


class ScoredSpan(NamedTuple):
    """A span of tokens [start, end) and the probability, 0 to 1, that the lattice gives it."""

    start: int
    end: int
    label: str
    score: float


def decode_lines(
    logits: Sequence[np.ndarray], edges: Sequence[np.ndarray], temperature: float = 1.0
) -> list[list[ScoredSpan]]:
    """The spans of each line, sorted by start; the tags they come from are always valid.

    Args:
        logits: for each line (tokens, tags), in the order of `duban.labels.TAGS`; lines must not be empty.
        edges: for each line (tokens,) bool, true where no span may begin or end.
        temperature: divides the logits before the scores are computed; the spans do not depend on it.
    """
    found: list[list[ScoredSpan]] = [[] for _ in logits]
    order = sorted(range(len(logits)), key=lambda i: len(logits[i]))
    while order:
        length = len(logits[order[-1]]) + 1
        batch = [order.pop() for _ in range(min(len(order), max(1, _CELLS // length)))]
        # Padding is certain to be O, so it changes neither paths nor probabilities, and it closes the line.
        scores = np.full((len(batch), length, len(TAGS)), -np.inf)
        scores[:, :, _OUTSIDE] = 0.0
        edge = np.zeros((len(batch), length), dtype=np.intp)
        padding = np.ones(edge.shape, dtype=bool)
        for row, i in enumerate(batch):
            padding[row, : len(logits[i])] = False
            scores[row, : len(logits[i])] = logits[i]
            edge[row, : len(logits[i])] = edges[i]
        forbidden = edge.astype(bool)[:, :, None] & _BEGINS
        # Nothing can go on after the last other character of a line, so what follows it is outside of all spans.
        trailing = np.logical_and.accumulate((edge == 1)[:, ::-1] | padding[:, ::-1], axis=1)
        forbidden |= trailing[:, ::-1, None] & (np.arange(len(TAGS)) != _OUTSIDE)
        probabilities = np.where(forbidden, 0.0, _softmax(scores / temperature))
        paths = _viterbi(np.where(forbidden, -np.inf, scores), edge)
        forward, backward, scale = _forward_backward(probabilities, edge)
        for row, i in enumerate(batch):
            spans = decode([TAGS[tag] for tag in paths[row]])
            lattice = _Lattice(probabilities[row], edge[row], forward[row], backward[row], scale[row])
            found[i] = [ScoredSpan(*span, _probability(*span, lattice)) for span in spans]
    return found


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.where(np.isneginf(x), 0.0, np.maximum(e / e.sum(axis=-1, keepdims=True), _FLOOR))


def _viterbi(scores: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """Best paths (lines, positions) of log-probabilities (lines, positions, tags)."""
    lines, length, _ = scores.shape
    back = np.zeros(scores.shape, dtype=np.int8)
    best = np.where(_FIRST, scores[:, 0], -np.inf)
    for t in range(1, length):
        candidates = best[:, :, None] + _LOG_STEP[edge[:, t - 1]]
        back[:, t] = candidates.argmax(axis=1)
        best = candidates.max(axis=1) + scores[:, t]
    path = np.zeros((lines, length), dtype=np.intp)
    path[:, -1] = best.argmax(axis=1)
    for t in range(length - 1, 0, -1):
        path[:, t - 1] = back[np.arange(lines), t, path[:, t]]
    return path


def _forward_backward(p: np.ndarray, edge: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forward and backward weights (lines, positions, tags), divided at each step by `scale` (lines, positions)."""
    lines, length, _ = p.shape
    forward, backward, scale = np.zeros_like(p), np.ones_like(p), np.ones((lines, length))
    state = p[:, 0] * _FIRST
    for t in range(length):
        if t:
            state = (_after(state, edge[:, t - 1])) * p[:, t]
        scale[:, t] = state.sum(axis=1)
        state = state / scale[:, t, None]
        forward[:, t] = state
    for t in range(length - 2, -1, -1):
        ahead = p[:, t + 1] * backward[:, t + 1] / scale[:, t + 1, None]
        backward[:, t] = np.where(edge[:, t, None], ahead @ _STEP[1].T, ahead @ _STEP[0].T)
    return forward, backward, scale


def _after(state: np.ndarray, edge: np.ndarray) -> np.ndarray:
    return np.where(edge[:, None], state @ _STEP[1], state @ _STEP[0])


class _Lattice(NamedTuple):
    """One line's arrays: (positions, tags), but `edge` and `scale` (positions,)."""

    p: np.ndarray
    edge: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    scale: np.ndarray


def _probability(start: int, end: int, label: str, lattice: _Lattice) -> float:
    """Probability of all paths that hold exactly the span [start, end), which ends before the line does."""
    p, edge, forward, backward, scale = lattice
    column = _COLUMNS[layer_of(label)]
    inside = column == f"I-{label}"
    state = forward[start] * (column == f"B-{label}")
    for t in range(start + 1, end):
        state = (state @ _STEP[edge[t - 1]]) * p[t] * inside / scale[t]
    state = (state @ _STEP[edge[end - 1]]) * p[end] * ~inside / scale[end]
    return float(min(1.0, state @ backward[end]))
