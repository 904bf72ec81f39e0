"""Every error of a model on a split, as one HTML page: `python eval/errors.py --model runs/train/model`.

The page quotes real news, so it belongs under runs/, outside of the repository; with --composed-only it can be shown.
It prints the counts as Markdown.
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path

import tables
from differences import COUNTED, Attribution, Difference, addressees, compare, count, issuers

from duban import corpus
from duban.corpus import COMPOSED, Report
from duban.document import Document, Span
from duban.labels import LABELS, layer_of
from duban.markup import Mark
from duban.models import load
from duban.render import COLOURS

ROOT = Path(__file__).resolve().parent.parent
ENDS = "。！？；\n"
#: The colours of labels; that of DIRECTIVE is too light for a line.
LINES = {**COLOURS, "DIRECTIVE": "#2457a8"}
ROLES = ("issuer", "addressee")
STYLE = """body{font:16px/1.6 system-ui,sans-serif;max-width:70em;margin:auto;padding:0 .7em}
table{border-collapse:collapse;display:block;overflow-x:auto}td,th{border:1px solid #ccc;padding:.1em .5em}
summary{font-weight:bold;padding:.4em 0;cursor:pointer}article{border-top:1px solid #ccc;padding:.5em 0}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20em,100%),1fr));gap:0 1.5em}
p{margin:.2em 0}small{color:#555}small,.pair p{overflow-wrap:anywhere}
i{font-style:normal;border-bottom:2px solid}.it{background:#ffe9a8}"""
Found = tuple[Report, Document]


def sentence(text: str, start: int, end: int) -> tuple[int, int]:
    """From where to where the sentences go that hold [start, end)."""
    begin = max(text.rfind(c, 0, start) for c in ENDS) + 1
    stops = [at for c in ENDS if (at := text.find(c, end)) >= 0]
    return begin, min(stops, default=len(text) - 1) + 1


def marked(text: str, place: tuple[int, int], spans: Sequence[Mark | Span], it: Mark | Span | None) -> str:
    """A part of the text as HTML with the spans of one layer underlined in the colour of their label, `it` lit up."""
    at, stop = place
    out = []
    for span in sorted(spans, key=lambda s: s.start):
        start, end = max(span.start, at), min(span.end, stop)
        if start < end:
            style = f'style="border-color:{LINES[span.label]}" title="{span.label}"' + (
                ' class="it"' if span == it else ""
            )
            out.append(f"{escape(text[at:start])}<i {style}>{escape(text[start:end])}</i>")
            at = end
    return "".join([*out, escape(text[at:stop])])


def example(report: Report, document: Document, d: Difference) -> str:
    """One error: its report, its score, and its sentence as annotated beside its sentence as predicted."""
    both = [span for span in (d.annotated, d.predicted) if span is not None]
    place = sentence(report.text, min(s.start for s in both), max(s.end for s in both))
    layer = layer_of(d.label)
    marks = [m for m in report.marks if layer_of(m.label) == layer]
    spans = [s for s in document.spans if layer_of(s.label) == layer]
    notes = [f"{edge}: {what} {characters!r}" for edge, what, characters in d.edges(report.text)]
    if d.predicted:
        notes = [f"score {d.predicted.score:.2f}", *([d.predicted.label] if d.kind == "wrong label" else []), *notes]
    return (
        f"<article>{head(report, notes)}<div class=pair>"
        f"<p><small>annotated</small> {marked(report.text, place, marks, d.annotated)}</p>"
        f"<p><small>predicted</small> {marked(report.text, place, spans, d.predicted)}</p></div></article>"
    )


def attribution(report: Report, document: Document, a: Attribution) -> str:
    """One wrong issuer or addressee: who was meant and who was said, and the line up to the directive."""
    d = a.directive
    place = (report.text.rfind("\n", 0, d.start) + 1, sentence(report.text, d.start, d.end)[1])
    it = next(s for s in document.spans if (s.label, s.start, s.end) == ("DIRECTIVE", d.start, d.end))
    notes = [f"meant {a.meant or 'nobody'}", f"said {a.said or 'nobody'}", f"score of the directive {d.score:.2f}"]
    return f"<article>{head(report, notes)}<p>{marked(report.text, place, [it], it)}</p></article>"


def head(report: Report, notes: Sequence[str]) -> str:
    """The small line above an example."""
    return f"<small>{escape(' · '.join([report.id, report.source, report.kind, *notes]))}</small>"


def html_table(columns: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """An HTML table."""
    tagged = [("th", columns), *(("td", row) for row in rows)]
    lines = ["".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in row) for tag, row in tagged]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def section(title: str, content: str) -> str:
    """A part of the page, closed until one opens it."""
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def page(title: str, found: Sequence[Found]) -> str:
    """The page of reports and what was predicted of them: counts, edges, and every error."""
    all_ = [(r, d, diff) for r, d in found for diff in compare(r.marks, d.spans)]
    whose = [(r, d, a) for r, d in found for a in (*issuers(r, d), *addressees(r, d))]
    counts = count(diff for *_, diff in all_)
    edges = Counter((x.label, *edge) for r, _, x in all_ if x.kind == "edges" for edge in x.edges(r.text))
    wrong = {role: [w for w in whose if w[2].role == role and not w[2].right] for role in ROLES}
    legend = " ".join(f'<i style="border-color:{colour}">{label}</i>' for label, colour in LINES.items())
    parts = [
        f"<p>{legend}</p>",
        html_table(["", *COUNTED], [[label, *counts[label].values()] for label in LABELS]),
        html_table(
            ["of the directives found right", "wrong", "of"],
            [[role, len(wrong[role]), len(whose) // len(ROLES)] for role in ROLES],
        ),
    ]
    if edges:
        rows = [[n, *edge[:3], repr(edge[3])] for edge, n in edges.most_common(60)]
        parts.append(section("Commonest wrong edges", html_table(["times", "label", "edge", "", "characters"], rows)))
    for label in LABELS:
        for kind in ("edges", "wrong label", "missed", "invented"):
            chosen = [x for x in all_ if x[2].label == label and x[2].kind == kind]
            chosen.sort(key=lambda x: -x[2].predicted.score if x[2].predicted else 0)  # the surest errors first
            if chosen:
                parts.append(section(f"{label}, {kind}: {len(chosen)}", "".join(example(*x) for x in chosen)))
    for role, of in wrong.items():
        if of:
            parts.append(section(f"Wrong {role}: {len(of)}", "".join(attribution(*w) for w in of)))
    return (
        '<!doctype html><html lang="zh"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1>{''.join(parts)}</html>\n"
    )


def main() -> None:
    """Predict, print the counts, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a folder or Hub id; the default model if left out")
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "annotations")
    parser.add_argument("--news", type=Path, default=ROOT.parent / "shared" / "news", help="folder of the news texts")
    parser.add_argument("--split", default="dev", choices=corpus.SPLITS)
    parser.add_argument("--composed-only", action="store_true", help="leave real news out, so that it can be published")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "errors.html")
    args = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    reports = [r for r in corpus.load(args.data, args.news) if r.split == args.split]
    if args.composed_only:
        reports = [r for r in reports if r.source == COMPOSED]
    found = list(zip(reports, load(args.model).predict([r.text for r in reports]), strict=True))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    title = f"Errors: {len(reports)} reports of {args.split}"
    args.out.write_text(page(title, found), encoding="utf-8", errors="replace")
    print(tables.errors(args.split, count(diff for r, d in found for diff in compare(r.marks, d.spans))))


if __name__ == "__main__":
    main()
