"""Hypothesis strategies: marked texts, and texts as hard as users' ones."""

from __future__ import annotations

from hypothesis import strategies as st

from duban.labels import ENTITY_LABELS
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
