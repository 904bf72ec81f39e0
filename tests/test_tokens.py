import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import HARD, PIECES

from duban.labels import is_pictograph
from duban.tokens import shares, tokenise, windows


@given(st.integers(0, 3000), st.integers(1, 300), st.sets(st.integers(1, 2999)), st.data())
def test_windows_cover_every_token_and_get_on(length, size, breaks, data):
    overlap = data.draw(st.integers(0, size // 5))
    found = windows(length, np.array(sorted(breaks), dtype=int), size, overlap)
    assert all(0 < w.end - w.start <= size for w in found)
    assert (found[0].start, found[-1].end) == (0, length) if length else found == []
    for a, b in zip(found, found[1:]):
        assert a.start < b.start
        assert overlap <= a.end - b.start
        assert a.end - b.start <= 2 * overlap or b is found[-1]
    assert sum(w.end - w.start for w in found) <= 5 * length  # so reading takes linear time
    total = np.zeros(length)
    for w, share in zip(found, shares(found), strict=True):
        assert (share > 0).all()
        total[w.start : w.end] += share
    assert np.allclose(total, 1)


def test_a_text_that_fits_is_one_window():
    assert windows(254, np.array([100])) == [(0, 254)]
    assert len(windows(255, np.array([100]))) == 2


def test_windows_begin_and_end_between_clauses(tokenizer):
    tokens = tokenise("县长王海强调，要守住安全底线，抓好各项工作。" * 60, tokenizer)
    found = windows(len(tokens), tokens.breaks)
    edges = {edge for w in found for edge in w} - {0, len(tokens)}
    assert edges <= set(tokens.breaks.tolist())
    assert sum(w.end - w.start for w in found[:-1]) < 1.25 * len(tokens)


def test_an_overlap_too_large_for_the_window_is_refused():
    with pytest.raises(ValueError, match="overlap 8 must be"):
        windows(20, np.array([]), 8, 8)


@given(HARD | PIECES)
def test_one_character_is_one_token_and_lines_hold_no_break(tokenizer, text):
    tokens = tokenise(text, tokenizer)
    read = tokens.normalised.text
    assert list(tokens.starts) == list(range(len(read)))
    lines = [read[tokens.starts[a] : tokens.ends[b - 1]] for a, b in tokens.lines]
    assert lines == [line for line in read.split("\n") if line]
    edges = [c in ",;:!?。、@|" or c.isspace() or c in "，；：！？" or is_pictograph(c) for c in read]
    assert list(tokens.edges) == edges


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


@given(HARD | PIECES)
def test_every_line_and_mark_begins_a_word(tokenizer, text):
    tokens = tokenise(text, tokenizer)
    assert not tokens.inner[[a for a, _ in tokens.lines]].any()
    assert not (tokens.inner & np.isin(list(tokens.normalised.text), list("，。；：！？\n"))).any()


def test_words_are_those_of_the_dictionary(tokenizer):
    text = "要動員各地社會力量"  # read in simplified characters
    begins = np.flatnonzero(~tokenise(text, tokenizer).inner)
    assert [text[a:b] for a, b in zip(begins, [*begins[1:], None])] == ["要", "動員", "各地", "社會", "力量"]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("夺取“满堂红”，做到“早发现、早报告”。", ["“满堂红”", "“早发现、早报告”"]),
        ('实现粮食生产"二十三连丰"和"双过半"', ['"二十三连丰"', '"双过半"']),
        ("落实《意见》，他说：“要守住底线，确保安全。”", ["《意见》"]),
    ],
)
def test_a_term_goes_with_its_marks_but_a_speech_does_not(tokenizer, text, terms):
    begins = np.flatnonzero(~tokenise(text, tokenizer).inner)
    words = [text[a:b] for a, b in zip(begins, [*begins[1:], None])]
    assert [word for word in words if word[0] in '“"《' and len(word) > 1] == terms


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("要做到“有事必到，无事不扰”，守住底线。", [14, 19]),
        ("要抓好防汛（抗旱，防火），守住底线。", [12, 17]),
        ("他说：“要守住底线，确保安全。”", [2, 9, 14]),
        ("会议提出“要守住底线，确保安全”。", [10, 16]),
    ],
)
def test_a_comma_within_a_clause_does_not_end_it_but_one_in_a_speech_does(tokenizer, text, ends):
    closes = np.flatnonzero(tokenise(text, tokenizer).closes).tolist()
    assert [i for i in closes if text[i] in "，。："] == ends


def test_a_space_left_by_mark_up_ends_no_clause_but_one_in_a_headline_does(tokenizer):
    text = "县委部署防汛 强调守住底线\n孙志强调，要加快 工程建设，守住底线 （记者 李文）"
    closes = tokenise(text, tokenizer).closes
    assert [i for i, c in enumerate(text) if c == " " and closes[i]] == [6, 32]


def test_decimals_and_some_terms_are_words(tokenizer):
    text = "刘总会计师说，覆盖66.9%，完成3.5万亩和全年目标任务。"
    begins = np.flatnonzero(~tokenise(text, tokenizer).inner)
    words = [text[a:b] for a, b in zip(begins, [*begins[1:], None])]
    assert {"刘", "总会计师", "66.9%", "3.5", "目标任务"} <= set(words)


def test_a_pictograph_is_an_edge(tokenizer):
    assert tokenise("📍9:00 王□☎□○二", tokenizer).edges.tolist() == [c in "📍: ☎" for c in "📍9:00 王□☎□○二"]
