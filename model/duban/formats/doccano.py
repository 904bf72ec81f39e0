"""doccano's JSON Lines for sequence labelling, with relations (its `entities` and `relations`) or without (`label`).

In a project of doccano 1.8 tick "Allow overlapping spans" and "Use relation labeling", and import as JSONL (relation).
What else an example has doccano keeps, and gives back with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from duban.corpus import Report
from duban.formats import shape


def records(path: Path) -> Iterator[tuple[str, str]]:
    """(place, line) of each example."""
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    yield from ((f"{path}:{i}", line) for i, line in enumerate(lines, 1) if line.strip())


def parse(record: str) -> Report:
    """A report."""
    row: dict[str, Any] = json.loads(record)
    text = row["text"]
    units = shape.utf16(text)  # doccano's page counts as JavaScript does
    if "entities" in row:
        entities = [(e["id"], e["start_offset"], e["end_offset"], e["label"]) for e in row["entities"]]
    else:
        entities = [(i, *span) for i, span in enumerate(row["label"])]
    spans = [(shape.from_utf16(units, a), shape.from_utf16(units, b), label) for _, a, b, label in entities]
    at = {entity[0]: i for i, entity in enumerate(entities)}
    links = [(at[r["from_id"]], at[r["to_id"]]) for r in row.get("relations", []) if r["type"] == shape.ISSUER]
    return shape.make(row, text, shape.unlink(text, shape.Linked(spans, links)))


def write(path: Path, reports: Sequence[Report]) -> None:
    """An example a line."""
    rows = []
    for report in reports:
        units = shape.utf16(report.text)
        spans, links = shape.link(report)
        entities = [
            {"id": i, "start_offset": units[start], "end_offset": units[end], "label": label}
            for i, (start, end, label) in enumerate(spans)
        ]
        relations = [{"id": i, "from_id": a, "to_id": b, "type": shape.ISSUER} for i, (a, b) in enumerate(links)]
        row = {**shape.head_of(report), "text": report.text, "entities": entities, "relations": relations}
        rows.append(json.dumps(row, ensure_ascii=False) + "\n")
    path.write_text("".join(rows), encoding="utf-8", newline="")
