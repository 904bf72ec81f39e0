import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import f1_score
from strategies import layer

from duban.labels import LABELS, LAYERS
from duban.scoring import STRICT, calibration_error, micro_f1_interval, strict_scores


@st.composite
def documents(draw):
    """Gold and predicted spans of a few documents of 12 characters."""
    both = [[s for labels in LAYERS for s in draw(layer(12, labels))] for _ in range(2 * draw(st.integers(1, 4)))]
    return both[::2], both[1::2]


def test_seqeval_is_strict_about_orphans():
    gold, orphan = [["B-POST", "I-POST", "O"]], [["I-POST", "I-POST", "O"]]
    assert f1_score(gold, orphan, zero_division=0, **STRICT) == 0.0
    assert f1_score(gold, orphan) == 1.0  # the lenient default that STRICT is there to avoid


@given(documents())
def test_scores_are_those_of_counting(case):
    gold, predicted = case
    scores = strict_scores(gold, predicted, [12] * len(gold))
    for label in LABELS:
        g = {(i, *s) for i, spans in enumerate(gold) for s in spans if s[2] == label}
        p = {(i, *s) for i, spans in enumerate(predicted) for s in spans if s[2] == label}
        f1 = 2 * len(g & p) / (len(g) + len(p)) if g or p else 0.0
        assert scores[label]["f1"] == pytest.approx(f1)
    twice = strict_scores(gold * 2, predicted * 2, [12] * len(gold) * 2)
    assert twice["micro avg"]["f1"] == pytest.approx(scores["micro avg"]["f1"])


def test_an_interval_holds_the_figure():
    gold = [[(0, 2, "POST")], [(0, 2, "POST")], [(4, 6, "POST")]]
    predicted = [[(0, 2, "POST")], [(0, 3, "POST")], [(4, 6, "POST")]]
    low, high = micro_f1_interval(gold, predicted)
    assert 0 <= low <= 2 / 3 <= high <= 1
    assert micro_f1_interval([], []) == (0.0, 0.0)


def test_calibration_error():
    assert calibration_error([0.75] * 4, [True, True, True, False]) == pytest.approx(0.0)
    assert calibration_error([0.95] * 2, [False, False]) == pytest.approx(0.95)
