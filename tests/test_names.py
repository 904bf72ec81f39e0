"""The mentions of a name decide together, on logits made by hand."""

import numpy as np
import pytest

from duban.decode import Lattice, Line
from duban.labels import TAGS
from duban.names import LABEL, places, settle
from duban.tokens import tokenise

BEGIN, INSIDE = TAGS.index("O|B-OFFICIAL"), TAGS.index("O|I-OFFICIAL")


def read(tokens, marked, doubtful=()):
    """Decoded spans and settled mentions of a model that is so sure of each (start, end), and in doubt of some ends."""
    logits = np.zeros((len(tokens), len(TAGS)))
    logits[:, 0] = 12
    for start, end, sure in marked:
        logits[start, BEGIN] = 12 + sure
        logits[start + 1 : end, INSIDE] = 12 + sure
    logits[list(doubtful), INSIDE] = 12.5  # a little more likely inside of the name than out
    lines = tokens.lines
    of = (tokens.edges, tokens.closes, tokens.inner)
    lattice = Lattice([Line(logits[a:b], *(flags[a:b] for flags in of)) for a, b in lines])
    spans = [
        s._replace(start=s.start + a, end=s.end + a)
        for (a, _), found in zip(lines, lattice.decode(), strict=True)
        for s in found
    ]
    found = places(tokens, spans)
    asked = [(p.line, p.start - lines[p.line][0], p.end - lines[p.line][0], LABEL) for p in found]
    return spans, settle(found, lattice.probabilities(asked))


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
def test_mentions_decide_together(tokenizer, text, marked, doubtful, decoded, settled):
    spans, found = read(tokenise(text, tokenizer), marked, doubtful)
    assert [(s.start, s.end) for s in spans] == decoded
    assert [(s.start, s.end) for s in found] == settled
    assert all(0 < s.score <= 1 for s in found)
