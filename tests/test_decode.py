"""The lattice against an oracle that tries every path."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duban.decode import _SPLIT, Line, decode_lines
from duban.labels import PHRASES, SEPARATE, TAGS, decode


def oracle(logits, edge, closes, inner):
    """The best valid path's spans, and the probability of each span, by brute force."""
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    best, total, mass = (-1.0, []), 0.0, {}
    for path in itertools.product(range(len(TAGS)), repeat=len(logits)):
        try:
            spans = decode([TAGS[tag] for tag in path])
        except ValueError:
            continue
        if any(edge[start] or edge[end - 1] for start, end, _ in spans):
            continue
        if any(label == "DIRECTIVE" and end < len(logits) and not closes[end] for _, end, label in spans):
            continue
        ends = {(end, label) for _, end, label in spans if label in SEPARATE}
        if any((start, label) in ends for start, _, label in spans):
            continue
        weight = float(np.prod([p[i, tag] for i, tag in enumerate(path)]))
        split = np.flatnonzero(inner[1:]) + 1
        ends = [i for start, end, label in spans if label in PHRASES for i in (start, end)]
        weight *= math.exp(-_SPLIT * sum(ends.count(i) for i in split))
        total += weight
        best = max(best, (weight, spans))
        for span in spans:
            mass[span] = mass.get(span, 0.0) + weight
    return best[1], {span: weight / total for span, weight in mass.items()}


@pytest.mark.parametrize("seed", range(6))
def test_paths_and_probabilities_are_those_of_brute_force(seed):
    rng = np.random.default_rng(seed)
    line = Line(rng.normal(size=(3, len(TAGS))) * 2, rng.random(3) < 0.3, rng.random(3) < 0.3, rng.random(3) < 0.5)
    spans, mass = oracle(*line)
    (found,) = decode_lines([line])
    assert [span[:3] for span in found] == spans
    assert [span.score for span in found] == pytest.approx([mass[span[:3]] for span in found], abs=1e-6)


@given(st.lists(st.integers(1, 12), max_size=8), st.integers(0, 2**32 - 1))
def test_lines_of_a_batch_do_not_touch_each_other(lengths, seed):
    rng = np.random.default_rng(seed)
    lines = [Line(rng.normal(size=(n, len(TAGS))) * 3, *rng.random((3, n)) < 0.4) for n in lengths]
    together = decode_lines(lines)
    for i, line in enumerate(lines):
        (alone,) = decode_lines([line])
        edge = line.edges
        assert [s[:3] for s in alone] == [s[:3] for s in together[i]]
        assert [s.score for s in alone] == pytest.approx([s.score for s in together[i]])
        assert all(not edge[s.start] and not edge[s.end - 1] and 0 <= s.score <= 1 for s in alone)


def test_temperature_changes_scores_only():
    logits = np.random.default_rng(0).normal(size=(20, len(TAGS))) * 4
    none = np.zeros(20, dtype=bool)
    line = Line(logits, none, ~none, none)
    sharp, flat = decode_lines([line], 0.5)[0], decode_lines([line], 3.0)[0]
    assert [s[:3] for s in sharp] == [s[:3] for s in flat]
    assert np.mean([s.score for s in sharp]) > np.mean([s.score for s in flat])


@pytest.mark.parametrize("run", [1, 50, 500])
def test_a_long_run_of_punctuation_leaves_probabilities_finite(run):
    """The model may lean to go on inside a span over all of it; nothing can, at the end of a line."""
    logits = np.full((3 + run, len(TAGS)), -8.0)
    logits[0, TAGS.index("B-DIRECTIVE|O")] = 8
    logits[1:, TAGS.index("I-DIRECTIVE|O")] = 8
    edge = np.array([False] * 3 + [True] * run)
    (found,) = decode_lines([Line(logits, edge, edge, ~edge)])
    assert [s[:3] for s in found] == [(0, 3, "DIRECTIVE")]
    assert 0.99 < found[0].score <= 1


def test_a_doubtful_edge_moves_to_the_end_of_its_word():
    """各级|部门: the model leans to end inside of 部门, and neither half of the doubt is a word."""
    logits = np.full((5, len(TAGS)), -9.0)
    logits[0, TAGS.index("O|B-ADDRESSEE")] = logits[1:3, TAGS.index("O|I-ADDRESSEE")] = 3
    logits[3, TAGS.index("O|I-ADDRESSEE")], logits[3, TAGS.index("O")], logits[4, TAGS.index("O")] = 0.0, 0.5, 3
    flags = np.zeros((3, 5), dtype=bool)
    (free,) = decode_lines([Line(logits, *flags)])
    flags[2, 3] = True
    (bound,) = decode_lines([Line(logits, *flags)])
    assert [s[:3] for s in free] == [(0, 3, "ADDRESSEE")]
    assert [s[:3] for s in bound] == [(0, 4, "ADDRESSEE")]
    assert bound[0].score > 0.9 > free[0].score
