"""spaCy's DocBin: a Doc a report, a token a character, the spans in `doc.spans["sc"]`, which may nest and cross.

"sc" is the group that spaCy's span categoriser learns. The issuer of a DIRECTIVE is the span's `id_`; what a report has
besides is in `doc.user_data["duban"]`. A Doc of other tokens is read too, and its `doc.ents` where it has no groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from duban.corpus import Report
from duban.formats import shape
from duban.markup import Mark

GROUP = "sc"
HEAD = "duban"


def _spacy() -> Any:
    try:
        import spacy.tokens
    except ImportError:
        raise ValueError("spaCy is not installed, which reads and writes DocBin: pip install 'duban[spacy]'") from None
    return spacy


def records(path: Path) -> Iterator[tuple[str, tuple[str, Any]]]:
    """(place, (id where it has none, Doc)) of each Doc."""
    spacy = _spacy()
    try:
        docs = list(spacy.tokens.DocBin().from_disk(path).get_docs(spacy.vocab.Vocab()))
    except OSError:
        raise
    except Exception as error:  # zlib, msgpack and numpy each raise their own
        raise ValueError(f"not a DocBin ({error})") from None
    yield from ((f"{path}: doc {i}", (f"{path.stem}-{i}", doc)) for i, doc in enumerate(docs, 1))


def parse(record: tuple[str, Any]) -> Report:
    """A report."""
    id_, doc = record
    spans = [span for group in doc.spans.values() for span in group] or list(doc.ents)
    linked = shape.Linked([(s.start_char, s.end_char, s.label_) for s in spans], [])
    marks = [Mark(m.start, m.end, m.label, s.id_ or m.issuer) for m, s in zip(shape.unlink(doc.text, linked), spans)]
    return shape.make({"id": id_, **doc.user_data.get(HEAD, {})}, doc.text, marks)


def write(path: Path, reports: Sequence[Report]) -> None:
    """All reports into one file."""
    spacy = _spacy()
    vocab = spacy.vocab.Vocab()
    docs = []
    for report in reports:
        doc = spacy.tokens.Doc(vocab, words=list(report.text), spaces=[False] * len(report.text))
        doc.spans[GROUP] = [
            spacy.tokens.Span(doc, m.start, m.end, m.label, span_id=m.issuer or "") for m in report.marks
        ]
        doc.user_data[HEAD] = shape.head_of(report)
        docs.append(doc)
    spacy.tokens.DocBin(docs=docs, store_user_data=True).to_disk(path)
