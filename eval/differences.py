"""What kind of error is this: every annotated and every predicted span of a report in exactly one Difference.

A span pairs with at most one of the other side: first with its equal, then with the one of its label that it overlaps
most, then with one of another label of its layer. What is left is missed or invented. So an annotated span found in two
pieces is once `edges` and once `invented`, and the counts add up to those of strict scoring (see `count`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from duban.attribution import assemble
from duban.corpus import Report
from duban.document import Directive, Document, Span
from duban.labels import LABELS, layer_of
from duban.markup import Mark
from duban.text import normalise

Kind = Literal["right", "edges", "wrong label", "missed", "invented"]
#: Of each label: the kinds of its annotated spans; what it marked where there is none, or where another label is.
COUNTED = ("right", "edges", "wrong label", "missed", "invented", "for another")


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of a span; `annotated` is None for an invented one, `predicted` for a missed one."""

    kind: Kind
    annotated: Mark | None
    predicted: Span | None

    @property
    def label(self) -> str:
        """The annotated label; of an invented span, its own."""
        span = self.annotated or self.predicted
        assert span is not None
        return span.label

    def edges(self, text: str) -> list[tuple[str, str, str]]:
        """Of each wrong edge of a pair: (`start` or `end`, `too many` or `too few`, those characters)."""
        if self.annotated is None or self.predicted is None:
            return []
        a, p = self.annotated, self.predicted
        sides = (("start", a.start, p.start, p.start < a.start), ("end", a.end, p.end, p.end > a.end))
        return [
            (edge, "too many" if more else "too few", text[min(meant, said) : max(meant, said)])
            for edge, meant, said, more in sides
            if meant != said
        ]


@dataclass(frozen=True, slots=True)
class Attribution:
    """Who ordered, or was asked for, a directive found right: who was meant (annotated) and who was said."""

    role: Literal["issuer", "addressee"]
    directive: Directive
    meant: str | None
    said: str | None

    @property
    def right(self) -> bool:
        """Whether they are one; 苗　青 and 苗青 are, since a Document calls a person as he is first written."""
        return _bare(self.meant) == _bare(self.said)


def compare(annotated: Sequence[Mark], predicted: Sequence[Span]) -> list[Difference]:
    """The spans of one report in pairs, those without a partner alone, sorted by where they begin."""
    found = []
    gold, said = list(annotated), list(predicted)
    for overlap, a, p in sorted(
        (
            (min(a.end, p.end) - max(a.start, p.start), a, p)
            for a, p in product(annotated, predicted)
            if a.start < p.end and p.start < a.end and layer_of(a.label) == layer_of(p.label)
        ),
        key=lambda pair: (_rank(*pair[1:]), -pair[0], pair[1].start, pair[2].start),
    ):
        if overlap and a in gold and p in said:
            kinds: tuple[Kind, ...] = ("right", "edges", "wrong label")
            found.append(Difference(kinds[_rank(a, p)], a, p))
            gold.remove(a)
            said.remove(p)
    found += [Difference("missed", a, None) for a in gold]
    found += [Difference("invented", None, p) for p in said]
    return sorted(found, key=lambda d: min(s.start for s in (d.annotated, d.predicted) if s is not None))


def _rank(a: Mark, p: Span) -> int:
    """0 for equal spans, 1 for other edges, 2 for another label."""
    return 2 if a.label != p.label else int((a.start, a.end) != (p.start, p.end))


def issuers(report: Report, document: Document) -> list[Attribution]:
    """The issuer of each directive found right."""
    meant = {(m.start, m.end): m.issuer for m in report.marks if m.label == "DIRECTIVE"}
    return [
        Attribution("issuer", d, meant[d.start, d.end], d.issuer)
        for d in document.directives
        if (d.start, d.end) in meant
    ]


def addressees(report: Report, document: Document) -> list[Attribution]:
    """The addressee of each directive found right; which was meant follows from the annotated spans."""
    text = report.text
    spans = [Span(m.label, m.start, m.end, text[m.start : m.end], 1.0) for m in report.marks]
    meant = {(d.start, d.end): d.addressee for d in assemble(text, spans, normalise(text)).directives}
    return [
        Attribution("addressee", d, _text(meant[d.start, d.end]), _text(d.addressee))
        for d in document.directives
        if (d.start, d.end) in meant
    ]


def _bare(name: str | None) -> str | None:
    return name and "".join(name.split())


def _text(span: Span | None) -> str | None:
    return span.text if span else None


def count(differences: Iterable[Difference]) -> dict[str, dict[str, int]]:
    """Differences by label and COUNTED.

    right + edges + wrong label + missed are its annotated spans; right + edges + for another + invented its predicted.
    """
    counts = {label: dict.fromkeys(COUNTED, 0) for label in LABELS}
    for d in differences:
        counts[d.label][d.kind] += 1
        if d.kind == "wrong label" and d.predicted:
            counts[d.predicted.label]["for another"] += 1
    return counts
