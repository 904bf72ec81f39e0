"""How fast duban reads beside other systems, all in one run, and where its time goes. On a CPU.

    python eval/speed.py                           # writes eval/speed.json, which eval/card.py shows
    python eval/speed.py --systems onnx pipeline-32
    python eval/speed.py --quick --out /tmp/s.json # does it run? Its figures mean nothing

Each system is a process of its own, since runtimes in one process slow each other. All are started first; then they
read the same reports in turn, one at a time, round after round, so that what else the machine does meets all alike.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

from systems import SYSTEMS, flags, gemm, missing, peak, seconds, start

# A system's process imports this module before its start-up is timed, so the rest is imported where it is used.

ROOT = Path(__file__).resolve().parent.parent
Table = dict[str, Any]


class Size(NamedTuple):
    """How much is measured: reports a round, rounds, starts of each process, texts for latency, lengths of a text."""

    reports: int = 200
    rounds: int = 5
    starts: int = 3
    latency: int = 20
    lengths: tuple[int, ...] = (1_000, 10_000, 100_000)


QUICK = Size(4, 1, 1, 2, (1_000, 2_000))


def pieces(texts: Sequence[str], length: int) -> Iterator[str]:
    """Texts of exactly so many characters, cut out of the given ones, without end."""
    rest = ""
    for text in cycle(texts):
        rest += text + "\n"
        while len(rest) >= length:
            yield rest[:length]
            rest = rest[length:]


def shapes_of(config: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Of a BERT's layer, the matrices that tokens are multiplied with: inputs and outputs."""
    hidden, wide = config["hidden_size"], config["intermediate_size"]
    return [(hidden, hidden)] * 4 + [(hidden, wide), (wide, hidden)]


def operations(config: Mapping[str, Any]) -> int:
    """Of a BERT's matrix products, for one token; attention's own products are not among them."""
    layers = 2 * config["num_hidden_layers"] * sum(a * b for a, b in shapes_of(config))
    return int(layers + 2 * config["hidden_size"] * len(config["id2label"]))


@dataclass
class Measured:
    """What was measured, by the names of the systems; `gemm` by the numbers that were multiplied.

    `starts` and `waits` are seconds, `rates` characters a second, `memory` MB, `gemm` billions of operations a second,
    `lengths` rounds of seconds, one for each of Size.lengths, `stages` seconds of reading the reports.
    """

    starts: dict[str, list[float]] = field(default_factory=dict)
    rates: dict[str, list[float]] = field(default_factory=dict)
    waits: dict[str, list[float]] = field(default_factory=dict)
    lengths: dict[str, list[list[float]]] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    gemm: dict[str, list[float]] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)


def measure(folder: Path, names: Sequence[str], texts: list[str], size: Size) -> Measured:
    """Start the systems and let them read in turn. `texts` are the reports of a round."""
    shapes = shapes_of(json.loads((folder / "config.json").read_text("utf-8")))
    characters = sum(map(len, texts))
    singles = [[text] for text in islice(pieces(texts, 1_000), size.latency)]
    long = [[next(pieces(texts, length))] for length in size.lengths]
    found, spawn = Measured(), multiprocessing.get_context("spawn")
    with ExitStack() as stack:

        def process() -> ProcessPoolExecutor:
            return stack.enter_context(ProcessPoolExecutor(1, spawn))

        running: dict[str, ProcessPoolExecutor] = {}
        for name in names:
            for _ in range(size.starts):
                if name in running:
                    running[name].shutdown()
                running[name] = process()
                found.starts.setdefault(name, []).append(running[name].submit(start, name, folder).result())
            tell(f"{name}: started in {min(found.starts[name]):.1f} s")
        multiplier = process()
        for i in range(size.rounds):
            for form in ("float32", "bfloat16", "int8") if "avx512_bf16" in flags() else ("float32", "int8"):
                found.gemm.setdefault(form, []).append(multiplier.submit(gemm, shapes, form).result())
            for name, its in running.items():
                rate = characters / its.submit(seconds, [texts]).result()[0]
                found.rates.setdefault(name, []).append(rate)
                found.waits.setdefault(name, []).extend(its.submit(seconds, singles).result())
                tell(f"round {i + 1}: {name}: {rate:,.0f} characters/s")
        found.memory = {name: its.submit(peak).result() for name, its in running.items()}
        for _ in range(min(3, size.rounds)):
            for name, its in running.items():
                found.lengths.setdefault(name, []).append(its.submit(seconds, long).result())
        if "onnx" in names:
            from stages import profile

            found.stages = process().submit(profile, folder, texts).result()
    return found


def shown(found: Measured, folder: Path, texts: list[str], size: Size) -> Table:
    """The tables, as eval/card.py shows them."""
    import numpy as np

    from duban.checkpoint import Checkpoint
    from duban.tokens import tokenise

    tokenizer = Checkpoint.read(folder, str(folder)).tokenizer
    config = json.loads((folder / "config.json").read_text("utf-8"))
    characters = sum(map(len, texts))
    work = operations(config) * sum(len(tokenise(text, tokenizer)) for text in texts) / characters / 1e9
    rows, by_length = [], []
    for name, rates in found.rates.items():
        form = SYSTEMS[name].numbers
        title = [SYSTEMS[name].title, form or "–"]
        cuts = np.quantile(found.waits[name], [k / 20 for k in range(1, 20)])
        share = f"{100 * max(rates) * work / max(found.gemm[form]):.0f} %" if form else "–"
        waited = [f"{1e3 * cut:.0f}" for cut in (cuts[9], cuts[18])]
        load = f"{np.median(found.starts[name]):.1f}"
        read = [f"{max(rates):,.0f}", f"{np.median(rates):,.0f}"]
        rows.append([*title, *read, *waited, f"{found.memory[name]:.0f}", load, share])
        quickest = map(min, zip(*found.lengths[name]))
        by_length.append([*title, *(f"{1e6 * s / n:.1f}" for s, n in zip(quickest, size.lengths))])
    total = sum(found.stages.values())
    tables = [
        {
            "title": "Milliseconds per 1,000 characters of one text",
            "columns": ["", "numbers", *(f"{n:,} characters" for n in size.lengths)],
            "rows": by_length,
        },
        {
            "title": "Where duban's time goes, by onnxruntime",
            "columns": ["stage", "share", "ms per 1,000 characters"],
            "rows": [
                [stage, f"{100 * s / total:.1f} %", f"{1e6 * s / characters:.2f}"]
                for stage, s in sorted(found.stages.items(), key=lambda item: -item[1])
            ],
        },
        {
            "title": "Matrix products of this machine, billions of operations a second",
            "columns": ["numbers", "best", "median"],
            "rows": [[form, f"{max(r):.0f}", f"{np.median(r):.0f}"] for form, r in found.gemm.items()],
        },
    ]
    head = ["", "numbers", "characters/s, best", "median", "p50 ms", "p95 ms", "peak MB", "start s", "of the GEMM rate"]
    return {"columns": head, "rows": rows, "tables": [t for t in tables if t["rows"]], "rounds": found.rates}


def note(size: Size, texts: Sequence[str], left_out: Mapping[str, str], load: float) -> str:
    """What a reader must know of the figures."""
    from duban import __version__
    from duban.runtime import processors

    used = ("onnxruntime", "openvino", "nncf", "torch", "transformers", "tokenizers", "spacy")
    packages = [p for p in used if find_spec(p)]
    versions = ", ".join(f"{p} {version(p)}" for p in packages)
    sentences = [
        f"Measured on {date.today()}: {len(texts)} composed reports, {sum(map(len, texts)):,} characters, in "
        f"{size.rounds} rounds, the systems in turn, each in a process of its own.",
        f"{processors()} processors ({platform.machine()}: {' '.join(sorted(flags())) or 'flags unknown'}) and as many "
        f"threads, but spaCy has one; load of the machine before: {load:.1f}.",
        f"duban {__version__}, Python {platform.python_version()}, {versions}. A GPU is unmeasured.",
        "p50 and p95: latency of one text of 1,000 characters. Peak: resident memory of the process, before it reads "
        f"the long texts. Start: import and load, without Python's own start, median of {size.starts}; "
        "that of OpenVINO and of onnxruntime in float32 includes making their graphs.",
        "Of the GEMM rate: 2 × the weights in the model's matrices × the tokens of the texts, a second, as a share of "
        "what products of the same shapes and numbers reach by themselves in torch. Attention's own products, padding "
        "and the overlaps of windows do not count as work.",
        "The pipeline reads the same checkpoint; without its stride of 32 tokens it would cut long texts off. Its "
        "numbers are given to it, since by itself it computes in the float16 of the file. It returns spans of raw "
        "tags, duban whole Documents.",
        "spaCy has one recogniser over characters, untrained, on which its speed does not depend; the task needs two.",
        *(f"{SYSTEMS[name].title}, {SYSTEMS[name].numbers or 'unmeasured'}: {why}." for name, why in left_out.items()),
    ]
    return " ".join(sentences)


def tell(line: str) -> None:
    """Progress, beside the output."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, write JSON."""
    import tables

    from duban import corpus
    from duban.checkpoint import DEFAULT

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=DEFAULT, help="folder of the checkpoint")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=[*SYSTEMS])
    parser.add_argument("--rounds", type=int, default=Size().rounds)
    parser.add_argument("--quick", action="store_true", help="a few texts, one round: does it run?")
    parser.add_argument("--out", type=Path, default=ROOT / "eval" / "speed.json")
    args = parser.parse_args()
    size = QUICK if args.quick else Size(rounds=args.rounds)
    load = os.getloadavg()[0]
    reports = [r for r in corpus.load(ROOT / "data" / "annotations" / "composed.jsonl") if r.source == corpus.COMPOSED]
    texts = [report.text for report in reports[: size.reports]]
    left_out = {name: why for name in args.systems if (why := missing(name, args.model))}
    names = [name for name in args.systems if name not in left_out]
    found = shown(measure(args.model, names, texts, size), args.model, texts, size)
    found["note"] = note(size, texts, left_out, load)
    for table in [found, *found["tables"]]:
        print(f"\n{table.get('title', 'Speed')}\n\n{tables.table(table['columns'], table['rows'])}")
    print(f"\n{found['note']}")
    args.out.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
