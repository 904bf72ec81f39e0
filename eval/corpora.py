"""Memory and speed of `duban extract` on a corpus: `python eval/corpora.py --documents 200000`.

The corpus is made of the sentences of the composed reports by a seeded generator; `duban extract` runs on it as a
process of its own. Printed, and written to eval/corpora.json: documents a second, and the resident memory in each tenth
of the run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import tables

ROOT = Path(__file__).resolve().parent.parent
_PAGE = os.sysconf("SC_PAGE_SIZE")


def make(path: Path, documents: int, seed: int = 0) -> int:
    """Write JSON Lines of documents of one or two sentences; return their characters."""
    reports = (ROOT / "data" / "annotations" / "composed.jsonl").read_text(encoding="utf-8").splitlines()
    sentences = [s for line in reports for s in re.findall(r"[^。\n]+。", json.loads(line)["text"])]
    chance, characters = random.Random(seed), 0
    with path.open("w", encoding="utf-8") as file:
        for i in range(documents):
            text = "".join(chance.choices(sentences, k=chance.randint(1, 2)))
            characters += len(text)
            file.write(json.dumps({"id": f"made-{i:06d}", "text": text}, ensure_ascii=False) + "\n")
    return characters


def watch(process: subprocess.Popen[bytes], every: float) -> list[float]:
    """The resident memory of a process in MiB, sampled every so many seconds until it ends."""
    samples = []
    while process.poll() is None:
        try:
            samples.append(int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * _PAGE / 2**20)
        except (OSError, IndexError):  # it ended between the two lines
            break
        time.sleep(every)
    return samples


def main() -> None:
    """Make the corpus, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--every", type=float, default=0.2, help="seconds between two samples of the memory")
    parser.add_argument("--out", type=Path, default=ROOT / "eval" / "corpora.json")
    arguments, extra = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        texts, out = Path(folder, "corpus.jsonl"), Path(folder, "out.jsonl")
        characters = make(texts, arguments.documents)
        began = time.monotonic()
        process = subprocess.Popen([sys.executable, "-m", "duban.cli", "extract", str(texts), "-o", str(out), *extra])
        samples = watch(process, arguments.every)
        seconds = time.monotonic() - began
        if process.wait() != 0:
            sys.exit(f"duban extract ended with {process.returncode}")
        with out.open(encoding="utf-8") as file:
            written = sum(1 for _ in file)
    tenths = [samples[len(samples) * k // 10 : len(samples) * (k + 1) // 10] or samples[-1:] for k in range(10)]
    found: dict[str, Any] = {
        "columns": ["tenth of the run", *map(str, range(1, 11))],
        "rows": [
            ["memory, mean, MiB", *(f"{sum(part) / len(part):.0f}" for part in tenths)],
            ["memory, highest, MiB", *(f"{max(part):.0f}" for part in tenths)],
        ],
        "note": f"`duban extract` wrote {written:,} of {arguments.documents:,} documents, {characters:,} characters "
        f"made of sentences of the composed reports, in {seconds:,.0f} s: {written / seconds:,.0f} documents and "
        f"{characters / seconds:,.0f} characters a second, start-up included.",
    }
    print(f"{tables.table(found['columns'], found['rows'])}\n\n{found['note']}")
    arguments.out.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
