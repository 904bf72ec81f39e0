"""Label Studio's JSON: a list of tasks with their annotations, as it exports and imports them.

A labelling interface for it, whose names are those that `write` uses (those of a file that is read may be others):

    <View>
      <Relations><Relation value="issuer"/></Relations>
      <Labels name="label" toName="text">
        <Label value="OFFICIAL"/><Label value="POST"/><Label value="ADDRESSEE"/><Label value="TARGET"/>
        <Label value="DIRECTIVE"/><Label value="DIRECTIVE_MEETING"/>
      </Labels>
      <Text name="text" value="$text"/>
    </View>
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from duban.corpus import Report
from duban.formats import shape

logger = logging.getLogger(__name__)


def records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, task) of each task."""
    tasks = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(tasks, list):
        raise ValueError("not a list of tasks; export as JSON")
    further = 0
    for i, task in enumerate(tasks, 1):
        if not isinstance(task, dict) or "annotations" not in task:
            raise ValueError(f"task {i} lacks its annotations; export as JSON, not as JSON-MIN")
        further += max(len(_annotations(task)) - 1, 0)
        yield f"{path}: task {i}", task
    if further:
        logger.warning("%s: %d further annotations of tasks left out; the first of each is taken", path, further)


def _annotations(task: dict[str, Any]) -> list[dict[str, Any]]:
    return [annotation for annotation in task["annotations"] if not annotation.get("was_cancelled")]


def parse(record: dict[str, Any]) -> Report:
    """A report; without an annotation it has no spans."""
    data = record["data"]
    text = data["text"]
    results = [result for annotation in _annotations(record)[:1] for result in annotation["result"]]
    regions = [r for r in results if r["type"] == "labels"]
    spans = [(r["value"]["start"], r["value"]["end"], label) for r in regions for label in r["value"]["labels"]]
    for start, end, covered in ((r["value"]["start"], r["value"]["end"], r["value"].get("text")) for r in regions):
        # The page counts code points, but UTF-16 units between the beginning of a line and a region drawn on it.
        if covered is not None and text[start:end] != covered:
            raise ValueError(f"the region [{start}, {end}) covers {text[start:end]!r}, not {covered!r}; draw it anew")
    ids = [r["id"] for r in regions for _ in r["value"]["labels"]]
    at = {id_: i for i, id_ in enumerate(ids)}
    arrows = [r for r in results if r["type"] == "relation"]
    arrows = [r for r in arrows if r.get("labels") in (None, [], [shape.ISSUER])]  # one without a name is an issuer
    links = [(at[r["from_id"]], at[r["to_id"]]) for r in arrows]
    head = {"id": record["id"]} if "id" in record else {}
    return shape.make({**head, **data}, text, shape.unlink(text, shape.Linked(spans, links)))


def write(path: Path, reports: Sequence[Report]) -> None:
    """A task a report. Label Studio counts code points."""
    tasks: list[dict[str, Any]] = []
    for report in reports:
        spans, links = shape.link(report)
        result: list[dict[str, Any]] = [
            {
                "id": f"s{i}",
                "from_name": "label",
                "to_name": "text",
                "type": "labels",
                "value": {"start": start, "end": end, "text": report.text[start:end], "labels": [label]},
            }
            for i, (start, end, label) in enumerate(spans)
        ]
        result += [
            {"type": "relation", "from_id": f"s{a}", "to_id": f"s{b}", "direction": "right", "labels": [shape.ISSUER]}
            for a, b in links
        ]
        data: dict[str, Any] = {**shape.head_of(report), "text": report.text}
        tasks.append({"data": data, "annotations": [{"result": result}]})
    path.write_text(json.dumps(tasks, ensure_ascii=False, indent=1), encoding="utf-8")
