import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import layer

from duban.labels import ENTITY_LABELS, TAG_IDS, TAGS, decode, encode


@given(st.integers(0, 30).flatmap(lambda n: st.tuples(st.just(n), layer(n, ENTITY_LABELS), layer(n, ("DIRECTIVE",)))))
def test_spans_to_tags_to_spans_is_the_identity(case):
    length, entities, clauses = case
    spans = sorted([*entities, *clauses], key=lambda s: (s[0], -s[1], s[2]))
    tags = encode(spans, length)
    if all(tag in TAG_IDS for tag in tags):
        assert decode(tags) == spans


def test_tags_are_the_pairs_that_can_occur():
    assert len(TAGS) == len(set(TAGS)) == 24
    assert "B-DIRECTIVE|I-TARGET" in TAGS  # a deadline before the clause
    assert "B-DIRECTIVE|I-POST" not in TAGS


def test_neighbours_of_one_label_stay_two():
    assert decode(encode([(0, 2, "OFFICIAL"), (2, 4, "OFFICIAL")], 4)) == [(0, 2, "OFFICIAL"), (2, 4, "OFFICIAL")]


@pytest.mark.parametrize("tags", [["O|I-POST"], ["O", "I-DIRECTIVE|O"], ["O|B-POST", "O|I-TARGET"]])
def test_an_orphan_is_no_valid_sequence(tags):
    with pytest.raises(ValueError, match="but no"):
        decode(tags)


@pytest.mark.parametrize(
    ("spans", "why"),
    [([(0, 3, "POST"), (2, 4, "OFFICIAL")], "overlaps"), ([(2, 2, "POST")], "empty"), ([(0, 9, "POST")], "outside")],
)
def test_encode_refuses(spans, why):
    with pytest.raises(ValueError, match=why):
        encode(spans, 5)
