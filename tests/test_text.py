import pytest
from hypothesis import given
from strategies import HARD, PIECES

from duban.text import normalise


@given(HARD | PIECES)
def test_the_map_is_monotone_and_in_range(text):
    n = normalise(text)
    assert len(n.text) == len(n.starts) == len(n.ends)
    assert all(a < b for a, b in zip(n.starts, n.starts[1:]))
    assert all(a < b for a, b in zip(n.ends, n.ends[1:]))
    assert all(0 <= a < b <= len(text) for a, b in zip(n.starts, n.ends))
    assert all(end <= start for end, start in zip(n.ends, n.starts[1:]))


@given(HARD | PIECES)
def test_spans_survive_the_round_trip(text):
    n = normalise(text)
    for start in range(len(n.text)):
        for end in range(start + 1, min(start + 5, len(n.text) + 1)):
            assert n.from_given(*n.to_given(start, end)) == (start, end)


@given(HARD | PIECES)
def test_what_is_normalised_stays(text):
    once = normalise(text).text
    assert "\r" not in once
    assert not any("\ud800" <= c <= "\udfff" or c in "\x00\u200b\ufeff" for c in once)
    assert "  " not in once


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (
            "縣委書記在動員會上強(qiáng)調(diào),要把項(xiàng)目建設(shè)抓在手上",
            "县委书记在动员会上强调,要把项目建设抓在手上",
        ),
        ("人工智能(AI)，第(a)项，ＧＤＰ（８％）", "人工智能(AI),第(a)项,GDP(8%)"),
        ('<p style="text-indent:2em">一是&nbsp;&nbsp;抓</p>\r\n\r\n<p>二是', "\n一是 抓\n二是"),
        ("抓<span>落</span>实</p", "抓落实\n"),
        ("国\u200b务\ufeff院\x00", "国务院"),
        ("国\ud800院", "国\ufffd院"),
        ("a < b，王　海、艾力•买买提", "a < b,王 海、艾力·买买提"),
        ("<ruby>强<rt>qiáng</rt></ruby>调", "强调"),
        ("<!-- 广告 --><script>x(1)</script>会议", "会议"),
        ("「零事故」", "“零事故”"),
        ("<!DOCTYPE html><script>for(i=0;i<n;i++)</script>国&#8203;务&zwj;院", "国务院"),
        ("<!--[if IE]><p>x</p><![endif]-->会<!-- 未闭合", "会<!-- 未闭合"),
        ("落实<A股市场改革方案>部署[AI]治理(ai)", "落实<A股市场改革方案>部署[AI]治理(ai)"),
        ("", ""),
    ],
)
def test_what_the_model_reads(given, read):
    assert normalise(given).text == read


def test_a_gloss_belongs_to_the_character_before():
    given = "強(qiáng)調(diào)，"
    n = normalise(given)
    start, end = n.to_given(0, 2)
    assert given[start:end] == "強(qiáng)調(diào)"
