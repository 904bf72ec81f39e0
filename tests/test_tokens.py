import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import HARD, PIECES

from duban.tokens import tokenise, windows


@given(st.integers(0, 2000), st.integers(1, 300), st.data())
def test_every_token_is_kept_once_with_context(length, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    found = windows(length, size, overlap)
    assert [i for w in found for i in range(w.keep_start, w.keep_end)] == list(range(length))
    for w in found:
        assert 0 <= w.start <= w.keep_start <= w.keep_end <= w.end <= length
        assert w.end - w.start <= size
        assert w.keep_start == 0 or w.keep_start - w.start >= overlap // 2
        assert w.keep_end == length or w.end - w.keep_end >= overlap // 2


def test_a_text_that_fits_is_one_window():
    assert windows(254) == [(0, 254, 0, 254)]
    assert len(windows(255)) == 2


def test_an_overlap_as_large_as_the_window_is_refused():
    with pytest.raises(ValueError, match="overlap 8 must be"):
        windows(20, 8, 8)


@given(HARD | PIECES)
def test_one_character_is_one_token_and_lines_hold_no_break(tokenizer, text):
    tokens = tokenise(text, tokenizer)
    read = tokens.normalised.text
    assert list(tokens.starts) == list(range(len(read)))
    lines = [read[tokens.starts[a] : tokens.ends[b - 1]] for a, b in tokens.lines]
    assert lines == [line for line in read.split("\n") if line]
    assert list(tokens.edges) == [c in ",;:!?。、" or c.isspace() or c in "，；：！？" for c in read]


@given(st.text(st.sampled_from("县委強调，。 8a"), max_size=20), HARD | PIECES)
def test_prepending_lines_shifts_every_offset_exactly(tokenizer, prefix, text):
    prefix = f"{prefix}。\n"
    alone, behind = tokenise("。\n" + text, tokenizer), tokenise(prefix + text, tokenizer)
    shift = len(prefix) - 2
    tail = [behind.to_given(i, i + 1) for i in range(len(behind) - len(alone), len(behind))]
    assert tail == [(a + shift, b + shift) for a, b in (alone.to_given(i, i + 1) for i in range(len(alone)))]


def test_rare_characters_keep_exact_offsets(tokenizer):
    text = "王旻、张翀勠力同心𠮷😀"
    tokens = tokenise(text, tokenizer)
    assert [tokens.to_given(i, i + 1) for i in range(len(tokens))] == [(i, i + 1) for i in range(len(text))]
