"""Measure a model on the annotated reports: prints tables and writes eval/results.json, the source of every figure.

    python eval/evaluate.py                              # the model that comes with duban, dev and test
    python eval/evaluate.py --model runs/train/model --splits dev --out runs/train/dev.json
    python eval/card.py                                  # then: the figures into README and the cards

All F1 figures are strict (label, start and end right), by seqeval with mode="strict" and scheme=IOB2, over both layers.
"""

from __future__ import annotations

import argparse
import datetime
import json
import logging
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rules
import tables
from differences import compare, count, issuers
from huggingface_hub import hf_hub_download

from duban import __version__, corpus, hub
from duban.checkpoint import DEFAULT
from duban.corpus import COMPOSED, PLAIN, Report
from duban.distort import distort
from duban.document import Document
from duban.markup import Mark
from duban.models import load
from duban.scoring import calibration_error, micro_f1_interval, strict_scores

ROOT = Path(__file__).resolve().parent.parent
Predict = Callable[[Sequence[str]], list[Document]]


def found(document: Document) -> list[tuple[int, int, str]]:
    """The predicted spans as (start, end, label)."""
    return [(s.start, s.end, s.label) for s in document.spans]


def measure(reports: Sequence[Report], documents: Sequence[Document]) -> dict[str, Any]:
    """Scores by label with intervals, issuer accuracy over the directives found, and calibration."""
    gold, predicted = [r.spans() for r in reports], [found(d) for d in documents]
    scores: dict[str, Any] = strict_scores(gold, predicted, [len(r.text) for r in reports])
    for name, score in scores.items():
        if name != "macro avg":
            score["interval"] = micro_f1_interval(gold, predicted, None if name == "micro avg" else name)
    told = [a.right for report, document in zip(reports, documents, strict=True) for a in issuers(report, document)]
    right = [span in set(g) for g, p in zip(gold, predicted, strict=True) for span in p]
    certainty = [s.score for d in documents for s in d.spans]
    return {
        "documents": len(reports),
        "labels": scores,
        "issuer": {"accuracy": float(np.mean(told)) if told else 0.0, "directives": len(told)},
        "calibration_error": calibration_error(certainty, right),
    }


def stability(
    reports: Sequence[Report], documents: Sequence[Document], predict: Predict, seed: int = 0
) -> dict[str, Any]:
    """How many spans found in clean text are lost in its distorted copy, and how sure of them the model was."""
    rng = random.Random(seed)
    texts, moved, clean = [], [], []
    for report, document in zip(reports, documents, strict=True):
        text, marks = distort(report.text, [Mark(s.start, s.end, s.label) for s in document.spans], rng)
        texts.append(text)
        moved.append([(m.start, m.end, m.label) for m in marks])
        clean.append([s.score for s in document.spans])
    again = [set(found(document)) for document in predict(texts)]
    rows = [
        (score, span not in there)
        for spans, scores, there in zip(moved, clean, again)
        for span, score in zip(spans, scores)
    ]
    sure = [lost for score, lost in rows if score >= 0.9]
    return {
        "spans": len(rows),
        "lost": float(np.mean([lost for _, lost in rows])),
        "expected_from_scores": float(np.mean([1 - score for score, _ in rows])),
        "lost_of_those_scored_over_0.9": float(np.mean(sure)),
    }


def distorted(reports: Sequence[Report], seed: int = 0) -> list[Report]:
    """Distorted copies of reports, by a fixed seed."""
    rng = random.Random(seed)
    copies = []
    for report in reports:
        text, marks = distort(report.text, report.marks, rng)
        copies.append(
            Report(**{**{k: getattr(report, k) for k in Report.__slots__}, "text": text, "marks": tuple(marks)})
        )
    return copies


def about(source: str | None) -> dict[str, Any]:
    """Which model was measured, by the SHA-256 of its weights, and when; `duban publish` compares it."""
    folder = Path(source or DEFAULT)
    weights = folder / hub.WEIGHTS if folder.is_dir() else Path(hf_hub_download(str(source), hub.WEIGHTS))
    return {
        "weights": hub.fingerprint(weights),
        "parameters": hub.parameters(weights),
        "bytes": weights.stat().st_size,
        "duban": __version__,
        "date": datetime.date.today().isoformat(),
    }


def _is_kind(kind: str, report: Report) -> bool:
    return report.kind == kind


def main() -> None:
    """Evaluate, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a folder or Hub id; the default model if left out")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "annotations")
    parser.add_argument("--news", type=Path, default=ROOT.parent / "shared" / "news", help="folder of the news texts")
    parser.add_argument("--splits", nargs="+", default=["dev", "test"], choices=corpus.SPLITS)
    parser.add_argument("--out", type=Path, default=ROOT / "eval" / "results.json")
    args = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    tagger = load(args.model, device=args.device)
    reports = corpus.load(args.data, args.news)
    results: dict[str, Any] = {"about": about(args.model)}
    for split in args.splits:
        part = [r for r in reports if r.split == split]
        documents = tagger.predict([r.text for r in part])
        by_rules = [rules.predict(r.text) for r in part]
        groups: dict[str, Callable[[Report], bool]] = {"all": lambda r: True}
        groups |= {
            "real news": lambda r: r.source != COMPOSED,
            "composed local reports": lambda r: r.source == COMPOSED,
            "composed, the plain ones": lambda r: r.id.startswith(PLAIN),
        }
        groups |= {f"kind {kind}": partial(_is_kind, kind) for kind in corpus.KINDS}
        result: dict[str, Any] = {}
        for name, chosen in groups.items():
            picked = [i for i, r in enumerate(part) if chosen(r)]
            if picked:
                result[name] = measure([part[i] for i in picked], [documents[i] for i in picked])
        result["rules"] = measure(part, by_rules)
        result["errors"] = count(d for r, read in zip(part, documents) for d in compare(r.marks, read.spans))
        copies = distorted(part)
        result["distorted"] = measure(copies, tagger.predict([r.text for r in copies]))
        result["stability"] = stability(part, documents, tagger.predict)
        results[split] = result
        shown = [tables.scores, tables.groups, tables.trust]
        print("\n\n".join([*(show(split, result) for show in shown), tables.errors(split, result["errors"])]) + "\n")
    args.out.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
