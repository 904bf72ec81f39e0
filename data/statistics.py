"""Print what the annotated corpus holds: reports, characters and spans, by source and split.

python data/statistics.py
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from duban.corpus import COMPOSED, KINDS, SPLITS, records
from duban.labels import LABELS

FOLDER = Path(__file__).resolve().parent / "annotations"


def main() -> None:
    """Count from the annotation files alone, so that no news text is needed."""
    rows = [record for _, record in records(FOLDER)]
    print("| | reports | " + " | ".join(KINDS) + " | " + " | ".join(LABELS) + " |")
    print("|---|---|" + "---|" * (len(KINDS) + len(LABELS)))
    for source in ("real news", "composed"):
        for split in SPLITS:
            part = [r for r in rows if r["split"] == split and (r["source"] == COMPOSED) == (source == "composed")]
            kinds = Counter(r["kind"] for r in part)
            labels = Counter(s["label"] for r in part for s in r["spans"])
            cells = [len(part), *(kinds[kind] for kind in KINDS), *(labels[label] for label in LABELS)]
            print(f"| {source}, {split} | " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
