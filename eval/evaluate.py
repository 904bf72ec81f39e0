"""Measure a model on the annotated reports and print the tables that README and the model card show.

    python eval/evaluate.py                              # the model that comes with duban, dev and test
    python eval/evaluate.py --model runs/train/model --splits dev

All F1 figures are strict (label, start and end right), by seqeval with mode="strict" and scheme=IOB2, over both layers.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rules

from duban import corpus
from duban.corpus import COMPOSED, Report
from duban.distort import distort
from duban.document import Document
from duban.labels import LABELS
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
    issuers = [
        directive.issuer == mark.issuer
        for report, document in zip(reports, documents, strict=True)
        for directive in document.directives
        for mark in report.marks
        if mark.label == "DIRECTIVE" and (mark.start, mark.end) == (directive.start, directive.end)
    ]
    right = [span in set(g) for g, p in zip(gold, predicted, strict=True) for span in p]
    certainty = [s.score for d in documents for s in d.spans]
    return {
        "documents": len(reports),
        "labels": scores,
        "issuer": {"accuracy": float(np.mean(issuers)) if issuers else 0.0, "directives": len(issuers)},
        "calibration_error": calibration_error(certainty, right),
    }


def stability(reports: Sequence[Report], predict: Predict, seed: int = 0) -> dict[str, Any]:
    """How many spans found in clean text are lost in its distorted copy, and how sure of them the model was."""
    rng = random.Random(seed)
    texts, moved, clean = [], [], []
    for report, document in zip(reports, predict([r.text for r in reports]), strict=True):
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


def _is_kind(kind: str, report: Report) -> bool:
    return report.kind == kind


def table(title: str, columns: dict[str, dict[str, Any]]) -> str:
    """A Markdown table: a row a label, a column a system, P / R / F1 in per cent with the F1's interval."""
    lines = [f"**{title}**", "", "| | n | " + " | ".join(columns) + " |", "|---|---|" + "---|" * len(columns)]
    for label in (*LABELS, "micro avg", "macro avg"):
        cells = []
        for result in columns.values():
            s = result["labels"][label]
            low, high = s.get("interval", (None, None))
            interval = f" ({100 * low:.1f}–{100 * high:.1f})" if low is not None else ""
            cells.append(f"{100 * s['precision']:.1f} / {100 * s['recall']:.1f} / **{100 * s['f1']:.1f}**{interval}")
        support = next(iter(columns.values()))["labels"][label]["support"]
        lines.append(f"| {label} | {support:.0f} | " + " | ".join(cells) + " |")
    accuracies = [f"{100 * r['issuer']['accuracy']:.1f}" for r in columns.values()]
    lines.append(
        f"| issuer accuracy | {next(iter(columns.values()))['issuer']['directives']} | " + " | ".join(accuracies) + " |"
    )
    return "\n".join(lines)


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
    results: dict[str, Any] = {}
    for split in args.splits:
        part = [r for r in reports if r.split == split]
        documents = tagger.predict([r.text for r in part])
        by_rules = [rules.predict(r.text) for r in part]
        groups: dict[str, Callable[[Report], bool]] = {"all": lambda r: True}
        groups |= {
            "real news": lambda r: r.source != COMPOSED,
            "composed local reports": lambda r: r.source == COMPOSED,
        }
        groups |= {f"kind {kind}": partial(_is_kind, kind) for kind in corpus.KINDS}
        result: dict[str, Any] = {}
        for name, chosen in groups.items():
            picked = [i for i, r in enumerate(part) if chosen(r)]
            if picked:
                result[name] = measure([part[i] for i in picked], [documents[i] for i in picked])
        result["rules"] = measure(part, by_rules)
        copies = distorted(part)
        result["distorted"] = measure(copies, tagger.predict([r.text for r in copies]))
        result["stability"] = stability(part, tagger.predict)
        results[split] = result
        shown = {"duban": result["all"], "duban, distorted": result["distorted"], "rules": result["rules"]}
        print(table(f"{split}: {len(part)} reports, P / R / F1", shown) + "\n")
        sources = {name: result[name] for name in ("real news", "composed local reports") if name in result}
        print(
            "| " + split + " F1 | reports | " + " | ".join([*LABELS, "micro", "issuer"]) + " |\n|---|---|" + "---|" * 7
        )
        for name in [*sources, *(n for n in result if n.startswith("kind "))]:
            r = result[name]
            cells = [f"{100 * r['labels'][label]['f1']:.1f}" for label in (*LABELS, "micro avg")]
            print(f"| {name} | {r['documents']} | " + " | ".join(cells) + f" | {100 * r['issuer']['accuracy']:.1f} |")
        s = result["stability"]
        print(
            f"\n{split}: expected calibration error {100 * result['all']['calibration_error']:.1f} points; "
            f"of {s['spans']} spans found in clean text "
            f"{100 * s['lost']:.1f} % are not found in its distorted copy "
            f"(the scores leave room for {100 * s['expected_from_scores']:.1f} %; "
            f"of those scored 0.9 or more {100 * s['lost_of_those_scored_over_0.9']:.1f} %)\n"
        )
    args.out.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
