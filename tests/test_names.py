"""The mentions of a name decide together, on logits made by hand."""

import numpy as np
import pytest
from conftest import ROOT
from transformers import AutoTokenizer

from duban.decode import Line, decode_lines
from duban.labels import TAGS
from duban.names import settle
from duban.tokens import tokenise

BEGIN, INSIDE = TAGS.index("O|B-OFFICIAL"), TAGS.index("O|I-OFFICIAL")


def read(text, marked, doubtful=()):
    """Tokens, logits and decoded spans of a model that is so sure of each (start, end), and in doubt of some ends."""
    tokens = tokenise(text, AutoTokenizer.from_pretrained(ROOT / "model" / "base"))
    logits = np.zeros((len(tokens), len(TAGS)))
    logits[:, 0] = 12
    for start, end, sure in marked:
        logits[start, BEGIN] = 12 + sure
        logits[start + 1 : end, INSIDE] = 12 + sure
    logits[list(doubtful), INSIDE] = 12.5  # a little more likely inside of the name than out
    spans = []
    for a, b in tokens.lines:
        (found,) = decode_lines([Line(logits[a:b], tokens.edges[a:b], tokens.closes[a:b])])
        spans += [s._replace(start=s.start + a, end=s.end + a) for s in found]
    return tokens, logits, spans


@pytest.mark.parametrize(
    ("text", "marked", "doubtful", "decoded", "settled"),
    [
        # 孙志 elsewhere: the doubtful 孙志强 of 孙志强调 gives way
        ("孙志主持。\n孙志强调。", [(0, 2, 9), (6, 8, 3)], [8], [(0, 2), (6, 9)], [(0, 2), (6, 8)]),
        # a mention that the model nearly saw is found
        ("孙志主持。\n见孙志。", [(0, 2, 9), (7, 9, -1)], [], [(0, 2)], [(0, 2), (7, 9)]),
        # one that it gives no chance is not: 文明 the word
        ("文明主持。\n文明城市。", [(0, 2, 9)], [], [(0, 2)], [(0, 2)]),
        # two people of whom one's name begins like the other's
        ("李明、李明华。", [(0, 2, 9), (3, 6, 9)], [], [(0, 2), (3, 6)], [(0, 2), (3, 6)]),
        ("要守住底线。", [], [], [], []),
    ],
)
def test_mentions_decide_together(text, marked, doubtful, decoded, settled):
    tokens, logits, spans = read(text, marked, doubtful)
    assert [(s.start, s.end) for s in spans] == decoded
    found = settle(tokens, logits, spans, 1.0)
    assert [(s.start, s.end) for s in found] == settled
    assert all(0 < s.score <= 1 for s in found)
