"""Annotated reports: one JSON Lines format, its loader and its checks.

A line is an object with the keys of FIELDS. A composed report carries its text; real news carries none, only where it
comes from (`source`, `id`) and the SHA-256 of `title + "\\n" + text`, and the loader joins it with the news that the
user has. `spans` is a list of {"start", "end", "label", "issuer"}; `issuer` is null for all labels but DIRECTIVE.
"""

from __future__ import annotations

import datetime
import gzip
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from duban.labels import EDGE_PUNCTUATION, LABELS, LINE_BREAKS, MEETING, encode
from duban.markup import Mark

if TYPE_CHECKING:
    import datasets

logger = logging.getLogger(__name__)

FIELDS = ("id", "source", "sha256", "text", "date", "kind", "split", "annotator", "reviewer", "spans")
#: What a report has besides its text and its spans.
HEAD = ("id", "source", "date", "kind", "split", "annotator", "reviewer")
COMPOSED = "composed"
#: How the ids of those composed reports begin that are as plain as most pages (data/README.md).
PLAIN = ("composed-h", "composed-i", "composed-j", "composed-k", "composed-m", "composed-q", "composed-r", "composed-s")
KINDS = ("meeting", "inspection", "instruction", "other")
SPLITS = ("train", "dev", "test")


class AnnotationError(ValueError):
    """An annotated file breaks the format or a hard rule of the guidelines; the message names file and line."""


@dataclass(frozen=True, slots=True)
class Report:
    """An annotated report with its text. `date` is YYYY-MM-DD; offsets of `marks` count code points of `text`."""

    id: str
    source: str
    text: str
    date: str
    kind: str
    split: str
    annotator: str
    reviewer: str
    marks: tuple[Mark, ...]

    def spans(self) -> list[tuple[int, int, str]]:
        """The annotated spans as (start, end, label)."""
        return [(mark.start, mark.end, mark.label) for mark in self.marks]

    def to_record(self) -> dict[str, Any]:
        """The JSON object of the report; its text only when it was composed for this corpus."""
        return {
            "id": self.id,
            "source": self.source,
            "sha256": checksum(self.text),
            "text": self.text if self.source == COMPOSED else None,
            "date": self.date,
            "kind": self.kind,
            "split": self.split,
            "annotator": self.annotator,
            "reviewer": self.reviewer,
            "spans": [{"start": m.start, "end": m.end, "label": m.label, "issuer": m.issuer} for m in self.marks],
        }


def checksum(text: str) -> str:
    """SHA-256, in hex, of the UTF-8 text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def problems(text: str, marks: Iterable[Mark]) -> Iterator[str]:
    """What breaks a hard rule of the guidelines, a sentence each; nothing when all is well."""
    marks = sorted(marks, key=lambda m: (m.start, m.end))
    names = {text[m.start : m.end] for m in marks if m.label == "OFFICIAL"}
    ranged = []
    for m in marks:
        where = f"{m.label} [{m.start}, {m.end})"
        if m.label not in LABELS:
            yield f"{where}: unknown label, it is one of {', '.join(LABELS)}"
            continue
        if not 0 <= m.start < m.end <= len(text):
            yield f"{where}: empty or outside of the text of {len(text)} characters"
            continue
        ranged.append(m)
        span = text[m.start : m.end]
        for edge, c in (("begins", span[0]), ("ends", span[-1])):
            if c in EDGE_PUNCTUATION or c.isspace():
                yield f"{where}: {edge} with {c!r}"
        if not LINE_BREAKS.isdisjoint(span):
            yield f"{where}: crosses a line break"
        if m.issuer is not None and m.label != "DIRECTIVE":
            yield f"{where}: only a DIRECTIVE has an issuer"
        elif m.issuer not in (None, MEETING) and m.issuer not in names:
            yield f"{where}: issuer {m.issuer!r} is neither {MEETING} nor an OFFICIAL marked in the text"
    try:
        encode([(m.start, m.end, m.label) for m in ranged], len(text))
    except ValueError as error:
        yield str(error)
    clauses = [m for m in ranged if m.label == "DIRECTIVE"]
    for m in ranged:
        for clause in clauses:
            if m.label not in ("DIRECTIVE", "TARGET") and (
                m.start < clause.start < m.end or m.start < clause.end < m.end
            ):
                yield f"{m.label} [{m.start}, {m.end}): crosses the edge of DIRECTIVE [{clause.start}, {clause.end})"


def read_news(folder: Path, ids: frozenset[str] | None = None) -> dict[str, str]:
    """Texts by id from every *.jsonl and *.jsonl.gz of `folder`: objects with `id`, `title` and `text`.

    Args:
        folder: where the news lies; an absent folder gives no texts.
        ids: only these; None for all.
    """
    texts = {}
    for path in sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")]):
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    item = json.loads(line)
                    if ids is None or item["id"] in ids:
                        texts[item["id"]] = f"{item['title']}\n{item['text']}"
                except (json.JSONDecodeError, KeyError, TypeError) as error:
                    raise AnnotationError(f"{path}:{number}: not an object with id, title and text ({error})") from None
    return texts


def files(folder: str | Path) -> list[Path]:
    """The *.jsonl of a folder, sorted; or the one file that is named instead."""
    return [Path(folder)] if Path(folder).is_file() else sorted(Path(folder).glob("*.jsonl"))


def records(folder: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file:line, JSON object) of every annotated report of a folder, or of one file, news without its text.

    Raises AnnotationError, naming file and line, for a line that is no such object, and for an id that comes twice.
    """
    seen: set[str] = set()
    for path in files(folder):
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            if not line.strip():
                continue
            where = f"{path}:{number}"
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise AnnotationError(f"{where}: not JSON ({error})") from None
            if problem := _wrong_shape(record):
                raise AnnotationError(f"{where}: {problem}")
            if record["id"] in seen:
                raise AnnotationError(f"{where} ({record['id']}): this id comes twice")
            seen.add(record["id"])
            yield where, record


def load(folder: str | Path, news: str | Path | None = None) -> list[Report]:
    """All reports of the *.jsonl files of a folder, checked.

    Args:
        folder: where the annotations lie; or one such file.
        news: the folder of the news texts. News documents whose text is not there are left out, with one line in the
            log that says how many.

    Raises:
        AnnotationError: naming file and line, for a line that is no such object, an unknown kind or split, an id that
            comes twice, a checksum that does not match, or a span that breaks a hard rule.
        FileNotFoundError: when the folder holds no annotations.
    """
    lines = [(f"{where} ({record['id']})", record) for where, record in records(folder)]
    if not lines and not files(folder):
        raise FileNotFoundError(f"no *.jsonl in {folder}: name the folder that holds the annotations")

    wanted = frozenset(record["id"] for _, record in lines if record["source"] != COMPOSED)
    texts = read_news(Path(news), wanted) if news is not None and wanted else {}
    reports = []
    left_out = 0
    for where, record in lines:
        text = record["text"] if record["source"] == COMPOSED else texts.get(record["id"])
        if text is None:
            left_out += 1
            continue
        if checksum(text) != record["sha256"]:
            raise AnnotationError(f"{where}: the text does not match its checksum; its offsets would point elsewhere")
        marks = tuple(Mark(s["start"], s["end"], s["label"], s["issuer"]) for s in record["spans"])
        for problem in problems(text, marks):
            raise AnnotationError(f"{where}: {problem}")
        reports.append(Report(text=text, marks=marks, **{key: record[key] for key in HEAD}))
    if left_out:
        place = f"not in {news}" if news is not None else "not at hand; name the folder that holds it"
        logger.warning("%d of %d annotated documents left out: their news text is %s", left_out, len(lines), place)
    return reports


_SPAN = {"start": int, "end": int, "label": str, "issuer": str | None}


def _wrong_shape(record: Any) -> str | None:
    """What keeps an object from being a line of the format; None when nothing does."""
    if not isinstance(record, dict):
        return f"expected an object with {', '.join(FIELDS)}"
    if missing := [key for key in FIELDS if key not in record]:
        return f"lacks {', '.join(missing)}; a line has {', '.join(FIELDS)}"
    for key in (*HEAD, "sha256"):
        if not isinstance(record[key], str):
            return f"{key} is {record[key]!r}, expected a string"
    if not isinstance(record["text"], str) and (record["text"] is not None or record["source"] == COMPOSED):
        return f"text is {record['text']!r}; it is a string, or null for news"
    if problem := next(wrong_head(record), None):
        return problem
    spans = record["spans"] if isinstance(record["spans"], list) else [None]
    for span in spans:
        if not isinstance(span, dict) or not all(k in span and isinstance(span[k], t) for k, t in _SPAN.items()):
            return f"a span is an object with {', '.join(_SPAN)}, not {span!r}"
    return None


def wrong_head(head: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a report's kind, split or date, a sentence each."""
    for key, allowed in (("kind", KINDS), ("split", SPLITS)):
        if head[key] not in allowed:
            yield f"{key} is {head[key]!r}, expected one of {', '.join(allowed)}"
    try:
        datetime.date.fromisoformat(head["date"])
    except ValueError:
        yield f"date is {head['date']!r}, expected YYYY-MM-DD"


def save(path: str | Path, reports: Iterable[Report]) -> None:
    """Write reports as JSON Lines, news without its text."""
    rows = [json.dumps(report.to_record(), ensure_ascii=False) + "\n" for report in reports]
    Path(path).write_text("".join(rows), encoding="utf-8")


def to_dataset(reports: Iterable[Report]) -> datasets.Dataset:
    """A `datasets.Dataset` with a row a report; the columns are the fields of Report. Needs `duban[train]`."""
    import datasets

    return datasets.Dataset.from_list([asdict(report) for report in reports])
