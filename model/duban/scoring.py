"""Predicted spans against annotated ones: strict F1 by seqeval, and how well the scores are calibrated.

A span counts when label, start and end are all right. seqeval is strict only when `mode` and `scheme` are both given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2

from duban.labels import LABELS, layer_tags

#: How seqeval is called everywhere: with only one of the two it is lenient without a word.
STRICT: dict[str, Any] = {"mode": "strict", "scheme": IOB2}
#: (start, end, label) in characters of the given text.
Plain = tuple[int, int, str]


def strict_scores(
    gold: Sequence[Sequence[Plain]], predicted: Sequence[Sequence[Plain]], lengths: Sequence[int]
) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 (0 to 1) and support by label, over both layers, with `micro avg` and `macro avg`.

    Args:
        gold: the annotated spans of each document.
        predicted: the predicted ones.
        lengths: how many characters each document has.
    """
    rows = [
        [tags for spans, n in zip(side, lengths, strict=True) for tags in layer_tags(spans, n)]
        for side in (gold, predicted)
    ]
    report: dict[str, Any] = classification_report(*rows, **STRICT, output_dict=True, zero_division=0)
    scores = {}
    for name in (*LABELS, "micro avg", "macro avg"):
        row = report.get(name, {"precision": 0, "recall": 0, "f1-score": 0, "support": 0})
        scores[name] = {key.removesuffix("-score"): float(value) for key, value in row.items()}
    return scores


def micro_f1_interval(
    gold: Sequence[Sequence[Plain]], predicted: Sequence[Sequence[Plain]], label: str | None = None, draws: int = 1000
) -> tuple[float, float]:
    """95 % interval of the micro F1 (0 to 1), of one label or of all, by bootstrap over documents (Efron 1979)."""
    rows = []
    for pair in zip(gold, predicted, strict=True):
        g, p = ({span for span in side if label in (None, span[2])} for side in pair)
        rows.append((len(g & p), len(g), len(p)))
    counts = np.array(rows, dtype=float).reshape(-1, 3)
    if not len(counts):
        return 0.0, 0.0
    picks = np.random.default_rng(0).integers(len(counts), size=(draws, len(counts)))
    right, there, found = counts[picks].sum(axis=1).T
    f1 = 2 * right / np.maximum(there + found, 1)
    return float(np.quantile(f1, 0.025)), float(np.quantile(f1, 0.975))


def calibration_error(scores: Sequence[float], right: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error (0 to 1): mean gap of score and share right over equal bins (Guo et al. 2017)."""
    s, r = np.asarray(scores, dtype=float), np.asarray(right, dtype=float)
    index = np.minimum((s * bins).astype(int), bins - 1)
    gaps = [abs(s[index == b].sum() - r[index == b].sum()) for b in range(bins)]
    return float(sum(gaps) / max(len(s), 1))
