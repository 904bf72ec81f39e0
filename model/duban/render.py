"""A Document with coloured spans, for a browser or a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from html import escape

from rich.style import Style
from rich.text import Text

from duban.document import Directive, Document, Span

#: Of each label: its colour, and what it is called for a Chinese reader.
COLOURS = {
    "OFFICIAL": "#b3261e",
    "POST": "#8a5a00",
    "ADDRESSEE": "#00695c",
    "TARGET": "#6a1b9a",
    "DIRECTIVE": "#e3ecfa",
}
NAMES = {"OFFICIAL": "官员", "POST": "职务", "ADDRESSEE": "对象", "TARGET": "目标", "DIRECTIVE": "部署"}


def _pieces(document: Document) -> Iterator[tuple[str, Span | None, Span | None]]:
    """The text in pieces, cut at every edge of a span: (piece, its directive, its entity)."""
    cuts = sorted({0, len(document.text), *(edge for s in document.spans for edge in (s.start, s.end))})
    clauses = [s for s in document.spans if s.label == "DIRECTIVE"]
    entities = [s for s in document.spans if s.label != "DIRECTIVE"]
    for start, end in zip(cuts, cuts[1:]):
        for layer in (clauses, entities):
            while layer and layer[0].end <= start:
                layer.pop(0)
        clause, entity = (layer[0] if layer and layer[0].start <= start else None for layer in (clauses, entities))
        yield document.text[start:end], clause, entity


def _title(directive: Directive | None) -> str:
    """What a reader sees when pointing at a directive."""
    if directive is None:
        return ""
    who = "、".join([*directive.issuer_posts, directive.issuer or ""]).strip("、")
    whom = directive.addressee.text if directive.addressee else ""
    return " ".join(filter(None, [who and f"由：{who}", whom and f"对：{whom}", f"{directive.score:.0%}"]))


def to_html(document: Document) -> str:
    """An HTML fragment: spans coloured, directives with issuer and addressee on pointing; everything is escaped."""
    by_start = {d.start: d for d in document.directives}
    out = []
    for piece, clause, entity in _pieces(document):
        html = escape(piece)
        if entity is not None:
            html = (
                f'<b style="color:{COLOURS[entity.label]}" title="{NAMES[entity.label]} {entity.score:.0%}">{html}</b>'
            )
        if clause is not None:
            title = escape(_title(by_start.get(clause.start)), quote=True)
            html = f'<span style="background:{COLOURS["DIRECTIVE"]}" title="{title}">{html}</span>'
        out.append(html)
    legend = " ".join(
        f'<b style="color:{COLOURS[label]}">{NAMES[label]}</b>' for label in COLOURS if label != "DIRECTIVE"
    )
    legend += f' <span style="background:{COLOURS["DIRECTIVE"]}">{NAMES["DIRECTIVE"]}</span>'
    return f'<div class="duban"><p>{legend}</p><div style="white-space:pre-wrap">{"".join(out)}</div></div>'


def printable(text: str) -> str:
    """What a terminal can show: control characters and lone surrogates become U+FFFD, line breaks and tabs stay."""
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" else c for c in text)


def to_terminal(document: Document) -> Text:
    """The text for a rich console: directives underlined, entities coloured."""
    out = Text()
    for piece, clause, entity in _pieces(document):
        colour = COLOURS[entity.label] if entity else None
        out.append(printable(piece), Style(color=colour, bold=entity is not None, underline=clause is not None))
    return out
