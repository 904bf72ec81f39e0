"""Hypothesis strategies: marked texts, and texts as hard as users' ones."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from duban.corpus import SPLITS, Report
from duban.labels import ENTITY_LABELS, MEETING
from duban.markup import Mark

#: Han, punctuation of both widths, mark-up, glosses, white space, zero widths, surrogates, astral characters.
HARD = st.text(
    st.one_of(
        st.sampled_from(
            "县縣委书書记強强调，。：、,:;!?　 \t\r\n\u200b\ufeff\x00<>/pb()（qiáng）&;#□?𠮷😀\ud800\udfffＧ８％王·•“”"
        ),
        st.characters(),
    )
)
PIECES = st.lists(
    st.sampled_from(
        [
            "县委",
            "强(qiáng)调(diào)",
            "<b>",
            "</p",
            "<br/>",
            "&nbsp;",
            "\r\n",
            "，",
            "要",
            " ",
            "\u200b",
            "王　海",
            "&amp;",
        ]
    )
).map("".join)


@st.composite
def layer(draw, length, labels):
    """Spans of one layer: (start, end, label), sorted, not overlapping."""
    cuts = sorted(draw(st.sets(st.integers(0, length), max_size=10)))
    spans = [(a, b, draw(st.sampled_from(labels))) for a, b in zip(cuts, cuts[1:])]
    return [span for span in spans if draw(st.booleans())]


@st.composite
def marked(draw):
    """(text, marks): marks of both layers over any text; a mark of one layer may cross one of the other."""
    text = draw(
        st.text(st.one_of(st.sampled_from("要守住⟦⟧⟪⟫\\|，\n"), st.characters(exclude_categories=["Cs"])), max_size=40)
    )
    marks = [Mark(a, b, label) for a, b, label in draw(layer(len(text), ENTITY_LABELS))]
    issuers = st.sampled_from([None, "会议", "孙志"])
    marks += [Mark(a, b, label, draw(issuers)) for a, b, label in draw(layer(len(text), ("DIRECTIVE",)))]
    return text, sorted(marks, key=lambda m: (m.start, -m.end, m.label))


@st.composite
def reports(draw):
    """A Report that breaks no rule: spans that nest and touch between any text, issuers from among its officials."""
    between = st.text(
        st.one_of(st.sampled_from("，\r\n\u3000⟦⟫\\|# \t𠮷"), st.characters(exclude_categories=["Cs"])), max_size=6
    )
    words = st.text("守住底线⟧⟪\\#|_𠮷😀%", min_size=1, max_size=4).filter(lambda w: "|" not in (w[0], w[-1]))
    text, marks = "", []
    for label in draw(st.lists(st.sampled_from((*ENTITY_LABELS, "DIRECTIVE")), max_size=6)):
        text += draw(between)
        start = len(text)
        if label == "DIRECTIVE":
            for inner in draw(st.lists(st.sampled_from(("TARGET", "OFFICIAL")), max_size=2)):
                word = draw(words)
                marks.append(Mark(len(text), len(text) + len(word), inner))
                text += word + draw(words)
        text += draw(words)
        marks.append(Mark(start, len(text), label))
    text += draw(between)
    names = {text[m.start : m.end] for m in marks if m.label == "OFFICIAL"}
    plain = [name for name in names if not set(name) & set("⟦⟧⟪⟫|\\")]  # no name has these; mark-up could not write it
    issuers = st.sampled_from([None, MEETING, *sorted(plain)])
    marks = [replace(m, issuer=draw(issuers)) if m.label == "DIRECTIVE" else m for m in marks]
    marks.sort(key=lambda m: (m.start, -m.end, m.label))
    id_ = draw(st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=8))
    return Report(id_, "composed", text, "2024-01-01", "meeting", draw(st.sampled_from(SPLITS)), "a", "", tuple(marks))
