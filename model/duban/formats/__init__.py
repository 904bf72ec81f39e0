"""Annotated reports in the formats of other tools: `read` and `write`, by kind.

A module a format. Each reads its files into reports and writes reports, and says what it cannot keep; what they share
is in `shape.py`. Nothing is read that breaks a hard rule of the guidelines: `read` names each place instead.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from duban import corpus
from duban.corpus import COMPOSED, HEAD, AnnotationError, Report
from duban.formats import brat, conll2003, docbin, doccano, inline, labelstudio
from duban.formats.shape import UNKNOWN, head_of

logger = logging.getLogger(__name__)


class Format(Protocol):
    """What the module of a format has."""

    def records(self, path: Path) -> Iterator[tuple[str, Any]]:
        """(place, record) of each report of a file or folder; raises ValueError when it holds none."""

    def parse(self, record: Any) -> Report:
        """A report; raises ValueError, KeyError, TypeError or AttributeError for what is none."""

    def write(self, path: Path, reports: Sequence[Report]) -> None:
        """Write the reports to a file, or into a folder."""


FORMATS: dict[str, Format] = {
    "markup": inline,
    "labelstudio": labelstudio,
    "doccano": doccano,
    "brat": brat,
    "conll2003": conll2003,
    "docbin": docbin,
}
#: Formats that keep the id alone of what a report has besides its text and its spans.
BARE = ("brat", "conll2003")
KINDS = ("duban", *FORMATS)
SUFFIXES = {
    ".jsonl": "duban", ".txt": "markup", ".json": "labelstudio", ".conll": "conll2003", ".spacy": "docbin",
}  # fmt: skip


def kind_of(path: Path, told: str | None = None) -> str:
    """The kind that is told, or that the file's name tells. Raises ValueError for an unknown one."""
    kind = told or SUFFIXES.get(path.suffix)
    if kind in KINDS:
        return kind
    names = ", ".join(f"{suffix} {kind}" for suffix, kind in SUFFIXES.items())
    raise ValueError(
        f"{path}: name its kind with --from or --to, not {told!r}: one of {', '.join(KINDS)}; by suffix: {names}"
    )


def read(path: Path, kind: str, news: Path | None = None) -> list[Report]:
    """The reports of a file or folder of a kind, checked.

    Raises:
        AnnotationError: with a line for each report that is not well-formed or breaks a hard rule of the guidelines.
        OSError: when the file cannot be read.
    """
    if kind == "duban":
        return corpus.load(path, news)
    reports: dict[str, Report] = {}
    wrong = []
    try:
        for place, record in FORMATS[kind].records(path):
            try:
                report = FORMATS[kind].parse(record)
            except KeyError as error:
                wrong.append(f"{place}: lacks {error}")
                continue
            except (ValueError, TypeError, AttributeError) as error:
                wrong.append(f"{place}: {error}")
                continue
            found = [*corpus.wrong_head(head_of(report)), *corpus.problems(report.text, report.marks)]
            if report.id in reports:
                found.append("this id comes twice")
            wrong += [f"{place} ({report.id}): {problem}" for problem in found]
            reports[report.id] = report
    except ValueError as error:  # the file as a whole
        wrong.append(f"{path}: {error}")
    if wrong:
        raise AnnotationError("\n".join(wrong))
    return list(reports.values())


def write(path: Path, kind: str, reports: Sequence[Report]) -> None:
    """Write reports as a file or folder of a kind; a line in the log says what the format cannot keep."""
    if kind == "duban":
        corpus.save(path, reports)
        if bare := sum(report.source != COMPOSED for report in reports):
            logger.warning("%d of %d reports are news, and written without their text", bare, len(reports))
        return
    FORMATS[kind].write(path, reports)
    if kind in BARE:
        keys = [key for key in HEAD if key != "id"]
        lost = {key: sum(getattr(report, key) != UNKNOWN[key] for report in reports) for key in keys}
        if any(lost.values()):
            told = ", ".join(f"{key} ({n})" for key, n in lost.items() if n)
            logger.warning("%s keeps id, text, spans and issuers; lost, in reports: %s", kind, told)


def divide(reports: Sequence[Report], dev: float) -> list[Report]:
    """The reports with a split each: a share `dev` of them is dev, the rest train, drawn by their texts' checksums."""
    drawn = sorted(reports, key=lambda report: corpus.checksum(report.text))[: round(dev * len(reports))]
    ids = {report.id for report in drawn}
    return [replace(report, split="dev" if report.id in ids else "train") for report in reports]
