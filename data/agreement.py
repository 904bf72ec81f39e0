"""How far two readers agree who annotated the same reports without seeing each other's marks.

    python data/agreement.py

Compares the reports of data/second (the second readers', by id) with data/annotations: strict F1 by label (the first
reader's marks as the reference; F1 does not depend on which is), and how often both give a DIRECTIVE that both have
marked the same issuer. Works from the annotation files alone; no news text is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from duban.corpus import PLAIN, records
from duban.labels import LABELS

ROOT = Path(__file__).resolve().parent
Spans = dict[tuple[str, int, int, str], str | None]


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """The records of a folder's *.jsonl by id."""
    return {record["id"]: record for _, record in records(folder)}


def main() -> None:
    """Print the table."""
    first, second = read(ROOT / "annotations"), read(ROOT / "second")
    groups = {
        "all": list(second),
        "real news": [id_ for id_ in second if second[id_]["source"] != "composed"],
        "composed": [id_ for id_ in second if second[id_]["source"] == "composed"],
        "composed, the plain ones": [id_ for id_ in second if id_.startswith(PLAIN)],
    }
    print("| strict F1 between two readers | reports | " + " | ".join([*LABELS, "all labels", "issuer"]) + " |")
    print("|---|---|" + "---|" * (len(LABELS) + 2))
    for name, ids in groups.items():
        a, b = spans(first, ids), spans(second, ids)
        cells = []
        for label in (*LABELS, None):
            left, right = ({span for span in side if label in (None, span[3])} for side in (a, b))
            cells.append(f"{200 * len(left & right) / max(len(left) + len(right), 1):.1f}")
        both = [span for span in a if span in b and span[3] == "DIRECTIVE"]
        cells.append(f"{100 * sum(a[span] == b[span] for span in both) / max(len(both), 1):.1f} %")
        print(f"| {name} | {len(ids)} | " + " | ".join(cells) + " |")


def spans(by_id: dict[str, dict[str, Any]], ids: list[str]) -> Spans:
    """The issuer of every span (id, start, end, label) of some reports."""
    return {
        (id_, span["start"], span["end"], span["label"]): span["issuer"] for id_ in ids for span in by_id[id_]["spans"]
    }


if __name__ == "__main__":
    main()
