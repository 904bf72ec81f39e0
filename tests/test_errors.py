"""eval/errors.py: of which kind an error is, that the kinds add up to strict scoring, and that the page is safe."""

import sys
from html import unescape

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from strategies import layer

from duban import corpus
from duban.attribution import assemble
from duban.document import Span
from duban.labels import LABELS, LAYERS
from duban.markup import Mark, from_markup
from duban.scoring import strict_scores
from duban.text import normalise

sys.path.insert(0, str(ROOT / "eval"))
from differences import addressees, compare, count, issuers
from errors import page


def spans(plain, text="0" * 99):
    return [Span(label, a, b, text[a:b], 0.7) for a, b, label in plain]


def marks(plain):
    return [Mark(a, b, label) for a, b, label in plain]


@pytest.mark.parametrize(
    ("annotated", "predicted", "kinds"),
    [
        ([(0, 4, "POST")], [(0, 4, "POST")], ["right"]),
        ([(0, 4, "POST")], [(1, 4, "POST")], ["edges"]),
        ([(0, 4, "POST")], [(0, 4, "ADDRESSEE")], ["wrong label"]),
        ([(0, 4, "POST")], [(2, 6, "ADDRESSEE")], ["wrong label"]),
        ([(0, 4, "POST")], [(4, 6, "POST")], ["missed", "invented"]),
        ([(0, 9, "DIRECTIVE")], [(0, 9, "TARGET")], ["missed", "invented"]),  # of two layers: no mistake for each other
        ([(0, 9, "DIRECTIVE")], [(0, 2, "DIRECTIVE"), (3, 9, "DIRECTIVE")], ["edges", "invented"]),
        ([(0, 3, "POST"), (4, 9, "POST")], [(1, 9, "POST")], ["missed", "edges"]),
        ([(0, 4, "POST"), (5, 9, "TARGET")], [(0, 9, "TARGET")], ["edges", "missed"]),  # its label goes first
        ([], [], []),
    ],
)
def test_kinds(annotated, predicted, kinds):
    assert [d.kind for d in compare(marks(annotated), spans(predicted))] == kinds


def test_an_edge_says_which_and_which_characters():
    text = "会议要求进一步加强防汛工作。"
    (found,) = compare(marks([(7, 13, "DIRECTIVE")]), spans([(4, 11, "DIRECTIVE")], text))
    assert found.edges(text) == [("start", "too many", "进一步"), ("end", "too few", "工作")]


@given(*(st.tuples(*(layer(12, labels) for labels in LAYERS)).map(lambda two: [*two[0], *two[1]]) for _ in "gp"))
def test_counts_are_those_of_strict_scoring(gold, predicted):
    counts, scores = count(compare(marks(gold), spans(predicted))), strict_scores([gold], [predicted], [12])
    for label in LABELS:
        of = counts[label]
        annotated = of["right"] + of["edges"] + of["wrong label"] + of["missed"]
        marked = of["right"] + of["edges"] + of["for another"] + of["invented"]
        assert annotated == scores[label]["support"]
        assert marked == sum(s[2] == label for s in predicted)
        assert of["right"] == len({s for s in gold if s[2] == label} & set(predicted))


def case():
    """A report with markup in it, and a reading that has the wrong issuer, a wrong edge and an invented post."""
    text, annotated = from_markup(
        "⟦P|市长⟧⟦O|孙志⟧强调，⟦A|各地⟧要⟪会议|守住<script>alert(1)</script>的底线⟫。局长不在。\n"
    )
    report = corpus.Report("a<b", "composed", text, "2024-01-01", "meeting", "dev", "x", "y", tuple(annotated))
    place = text.index("局长")
    found = [(m.start, m.end, m.label) for m in annotated if m.label != "ADDRESSEE"]
    found += [(place, place + 2, "POST"), (text.index("各"), text.index("要") + 1, "ADDRESSEE")]
    return report, assemble(text, spans(found, text), normalise(text))


def test_wrong_issuers_say_who_was_meant():
    report, document = case()
    found = {a.role: (a.meant, a.said) for a in (*issuers(report, document), *addressees(report, document))}
    assert found == {"issuer": ("会议", "孙志"), "addressee": ("各地", "各地要")}


def test_a_name_with_and_without_its_space_is_one_person():
    text, annotated = from_markup("⟦O|苗　青⟧主持。⟦O|苗青⟧强调，要⟪苗青|守住底线⟫。")
    report = corpus.Report("a", "composed", text, "2024-01-01", "meeting", "dev", "x", "y", tuple(annotated))
    document = assemble(text, spans([(m.start, m.end, m.label) for m in annotated], text), normalise(text))
    (issuer,) = issuers(report, document)
    assert (issuer.meant, issuer.said, issuer.right) == ("苗青", "苗　青", True)


def test_the_page_shows_each_error_and_escapes_everything():
    shown = page("Errors", [case()])
    assert "<script" not in shown
    assert "src=" not in shown
    assert "http" not in shown
    for part in ("a<b", "POST, invented: 1", "ADDRESSEE, edges: 1", "'要'", "meant 会议", "said 孙志", "score 0.70"):
        assert part in unescape(shown)
