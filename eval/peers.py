"""Other ways to the same spans, trained on the same reports and measured on the same splits.

    python eval/peers.py                        # writes eval/peers.json, which eval/card.py shows
    python eval/peers.py --systems rules        # these and duban anew; what the file has of others stays

- rules: patterns (eval/rules.py)
- crf: a linear-chain CRF over characters, one a layer (sklearn-crfsuite; features in `features`)
- spacy: spaCy's entity recogniser over characters, one a layer, 6 epochs, with vectors learned from these reports alone
- lac: the person names that Baidu's LAC finds, against OFFICIAL; it is not trained here

SpanMarker is not among them: its last release (1.8.1) needs transformers below 5, and it lists all spans of a sentence
up to the longest, which here is the whole of it. For crf: pip install sklearn-crfsuite. For lac:

    pip install 'setuptools<81' wheel && pip install --no-build-isolation LAC==2.1.2 paddlepaddle==2.6.2

All read normalised text (`duban.text`), and their spans are mapped back, so none suffers from what they cannot read.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import rules
from rich.progress import track
from systems import load_lac

from duban import corpus
from duban.corpus import Report
from duban.labels import CLAUSE_LABELS, ENTITY_LABELS, LABELS, LAYERS, layer_tags
from duban.scoring import strict_scores
from duban.text import Normalised, normalise

ROOT = Path(__file__).resolve().parent.parent
Spans = list[tuple[int, int, str]]
#: Reads the lines of normalised texts.
Reader = Callable[[Sequence[str]], list[Spans]]


def lines_of(report: Report) -> list[tuple[str, Spans]]:
    """The lines of the normalised report with the spans that lie in them, in their own offsets."""
    read = normalise(report.text)
    spans = [(*place, m.label) for m in report.marks if (place := read.from_given(m.start, m.end))]
    found, at = [], 0
    for line in read.text.split("\n"):
        inside = [(a - at, b - at, label) for a, b, label in spans if at <= a and b <= at + len(line)]
        found.append((line, inside))
        at += len(line) + 1
    return [(line, inside) for line, inside in found if line]


def features(line: str) -> list[dict[str, Any]]:
    """Of each character: itself and its neighbours, their pairs, whether digit or punctuation, how far a comma is."""
    padded = f"^^^{line}$$$"
    rows = []
    since = 0
    for i, char in enumerate(line):
        since = 0 if not char.isalnum() else since + 1
        row: dict[str, Any] = {"bias": 1.0, "digit": char.isdigit(), "mark": not char.isalnum(), "since": min(since, 9)}
        row |= {f"c{k}": padded[i + 3 + k] for k in range(-3, 4)}
        row |= {f"b{k}": padded[i + 3 + k : i + 5 + k] for k in range(-3, 3)}
        row |= {f"t{k}": padded[i + 3 + k : i + 6 + k] for k in range(-3, 1)}
        rows.append(row)
    return rows


def spans_of(tags: Sequence[str]) -> Spans:
    """Spans of IOB2 tags; an I- with nothing before it begins one."""
    found: Spans = []
    label, start = "", 0
    for i, tag in enumerate([*tags, "O"]):
        if label and tag != f"I-{label}":
            found.append((start, i, label))
            label = ""
        if tag != "O" and not label:
            label, start = tag[2:], i
    return found


def crf(learned: Sequence[Report]) -> Reader:
    """A CRF for each layer."""
    import sklearn_crfsuite

    lines = [line for report in learned for line in lines_of(report)]
    rows = [features(line) for line, _ in lines]
    models = []
    for layer in range(len(LAYERS)):
        tags = [layer_tags(spans, len(line))[layer] for line, spans in lines]
        model = sklearn_crfsuite.CRF(algorithm="lbfgs", c1=0.05, c2=0.01, max_iterations=100, min_freq=2)
        models.append(model.fit(rows, tags))

    def read(given: Sequence[str]) -> list[Spans]:
        rows = [features(line) for line in given]
        return [sum(map(spans_of, tags), Spans()) for tags in zip(*(model.predict(rows) for model in models))]

    return read


def recogniser(lines: Sequence[tuple[str, Spans]], labels: Sequence[str], epochs: int = 6) -> Any:
    """spaCy's entity recogniser for some labels, trained."""
    import spacy as library
    from spacy.training import Example
    from spacy.util import minibatch

    random.seed(1)
    nlp = library.blank("zh")  # one character, one token
    nlp.add_pipe("ner")
    examples = []
    for line, spans in lines:
        gold = nlp.make_doc(line)
        chosen = [gold.char_span(a, b, label) for a, b, label in spans if label in labels]
        gold.ents = [span for span in chosen if span is not None]
        examples.append(Example(nlp.make_doc(line), gold))
    optimizer = nlp.initialize(partial(list, examples))
    for epoch in range(epochs):
        random.shuffle(examples)
        losses: dict[str, float] = {}
        for batch in minibatch(examples, 32):
            nlp.update(batch, sgd=optimizer, drop=0.2, losses=losses)
        print(f"spacy {labels[0]} epoch {epoch + 1}/{epochs} loss {losses['ner']:,.0f}", flush=True)
    return nlp


def spacy(learned: Sequence[Report]) -> Reader:
    """spaCy's entity recogniser for each layer, each trained in a process of its own."""
    lines = [line for report in learned for line in lines_of(report)]
    with ProcessPoolExecutor(len(LAYERS)) as pool:
        models = list(pool.map(recogniser, [lines] * len(LAYERS), [CLAUSE_LABELS, ENTITY_LABELS]))

    def read(given: Sequence[str]) -> list[Spans]:
        docs = zip(*(nlp.pipe(given) for nlp in models))
        return [[(e.start_char, e.end_char, e.label_) for doc in pair for e in doc.ents] for pair in docs]

    return read


def lac(_: Sequence[Report]) -> Reader:
    """LAC's person names as OFFICIALs."""
    tagger = load_lac()

    def read(given: Sequence[str]) -> list[Spans]:
        found = []
        for words, tags in tagger.run(list(given)):
            at, spans = 0, Spans()
            for word, tag in zip(words, tags):
                if tag == "PER":
                    spans.append((at, at + len(word), "OFFICIAL"))
                at += len(word)
            found.append(spans)
        return found

    return read


NOTE = (
    "Trained on so many reports, measured on so many: rows of fewer are of an earlier, smaller corpus. "
    "See the head of eval/peers.py. A dash: the system is not trained, or has no such label."
)
SYSTEMS: dict[str, Callable[[Sequence[Report]], Reader]] = {"crf": crf, "spacy": spacy, "lac": lac}


def predict(read: Reader, reports: Sequence[Report]) -> list[Spans]:
    """The spans of each report, in its own offsets."""
    found = []
    for report in track(reports, "reading"):
        normalised: Normalised = normalise(report.text)
        lines = normalised.text.split("\n")
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line) + 1)
        kept = [i for i, line in enumerate(lines) if line]
        spans = [
            (*normalised.to_given(starts[i] + a, starts[i] + b), label)
            for i, its in zip(kept, read([lines[i] for i in kept]))
            for a, b, label in its
        ]
        found.append(spans)
    return found


def main() -> None:
    """Train, measure, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", choices=["rules", *SYSTEMS], default=["rules", "crf", "spacy"])
    parser.add_argument("--news", type=Path, default=ROOT.parent / "shared" / "news", help="folder of the news texts")
    parser.add_argument("--results", type=Path, default=ROOT / "eval" / "results.json", help="duban's own figures")
    parser.add_argument("--out", type=Path, default=ROOT / "eval" / "peers.json")
    args = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    reports = corpus.load(ROOT / "data" / "annotations", args.news)
    learned = [r for r in reports if r.split == "train"]
    measured = {split: [r for r in reports if r.split == split] for split in ("dev", "test")}
    # Rows of systems that are not asked for stay; they tell what they are of.
    known = json.loads(args.out.read_text("utf-8")) if args.out.is_file() else {}
    rows = [cells for cells in known.get("rows", []) if cells[0] not in ("duban", *args.systems)]
    ours = json.loads(args.results.read_text("utf-8"))
    for split in measured:
        result = ours[split]["all"]
        rows.append(row("duban", split, (len(learned), result["documents"]), result["labels"]))
    for name in args.systems:
        read = None if name == "rules" else SYSTEMS[name](learned)
        for split, part in measured.items():
            if read is None:
                predicted = [[(s.start, s.end, s.label) for s in rules.predict(r.text).spans] for r in part]
            else:
                predicted = predict(read, part)
            scores = strict_scores([r.spans() for r in part], predicted, [len(r.text) for r in part])
            trained = len(learned) if name in ("crf", "spacy") else None
            rows.append(row(name, split, (trained, len(part)), scores))
            print(" | ".join(rows[-1]), flush=True)
        found = {
            "columns": ["strict F1", "split", "trained on", "reports", *LABELS, "micro avg"],
            "rows": sorted(rows, key=lambda cells: (cells[1], cells[0] != "duban", cells[0] != "rules")),
            "note": NOTE,
        }
        args.out.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def row(name: str, split: str, of: tuple[int | None, int], scores: dict[str, dict[str, float]]) -> list[str]:
    """A row of the table: F1 in per cent, of so many reports learned from and so many measured on."""
    shown = LABELS if name != "lac" else ("OFFICIAL",)
    cells = [f"{100 * scores[label]['f1']:.1f}" if label in shown else "–" for label in LABELS]
    return [
        name,
        split,
        *("–" if n is None else f"{n:,}" for n in of),
        *cells,
        f"{100 * scores['micro avg']['f1']:.1f}" if name != "lac" else "–",
    ]


if __name__ == "__main__":
    main()
