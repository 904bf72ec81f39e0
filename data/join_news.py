"""Put the news texts, which are not in this dataset, back into its records.

    git clone https://github.com/DuckBurnIncense/xin-wen-lian-bo
    python join_news.py xin-wen-lian-bo/news --out joined

Reads the transcripts (a file YYYYMMDD.md a day) or *.jsonl and *.jsonl.gz with `id`, `title` and `text`, joins each
text to its record by id, and takes it only if its SHA-256 is the record's, so that the offsets hold. What is missing or
differs is named. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import html
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
_ITEM = re.compile(r"^### (.*)$", re.MULTILINE)
_LINK = re.compile(r"^\[查看原文\].*$|^---$", re.MULTILINE)
_DATELINE = re.compile(r"^央视网消息（新闻联播）： *")


def transcript(path: Path) -> Iterator[tuple[str, str]]:
    """(id, title + newline + text) of each item of a day's file."""
    _, *parts = _ITEM.split(path.read_text("utf-8"))
    for number, (title, body) in enumerate(zip(parts[::2], parts[1::2])):
        plain = html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"</p>|<br */?>", "\n", _LINK.sub("", body))))
        lines = (re.sub(r"[^\S\n]+", " ", line).strip() for line in plain.split("\n"))
        text = _DATELINE.sub("", "\n".join(line for line in lines if line))
        yield f"{path.stem}-{number:02}", f"{title}\n{text}"


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """(id, title + newline + text) of all that a folder holds."""
    for path in sorted(folder.glob("*.md")):
        if path.stem.isdecimal():
            yield from transcript(path)
    for path in sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")]):
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for item in map(json.loads, lines):
                yield item["id"], f"{item['title']}\n{item['text']}"


def main() -> int:
    """Join; 1 when a text is missing or differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("news", type=Path, help="the folder of the texts")
    parser.add_argument("--annotations", type=Path, default=HERE / "annotations")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write the joined *.jsonl to")
    args = parser.parse_args()
    given = dict(texts(args.news))
    args.out.mkdir(parents=True, exist_ok=True)
    joined, wrong = 0, 0
    for path in sorted(args.annotations.glob("*.jsonl")):
        rows = []
        for record in map(json.loads, path.read_text("utf-8").splitlines()):
            if record["text"] is None:
                text = given.get(record["id"])
                if text is None or hashlib.sha256(text.encode()).hexdigest() != record["sha256"]:
                    why = "no such text" if text is None else "the text differs from the annotated one"
                    print(f"{record['id']}: {why}; left out", file=sys.stderr)
                    wrong += 1
                    continue
                record["text"] = text
                joined += 1
            rows.append(json.dumps(record, ensure_ascii=False) + "\n")
        (args.out / path.name).write_text("".join(rows), encoding="utf-8")
    print(f"{joined} news texts joined, {wrong} left out; written to {args.out}", file=sys.stderr)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
