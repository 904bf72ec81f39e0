"""Short training runs compared on dev: encoders, ways of training, a learning curve. Writes eval/trials.json.

    python eval/trials.py                   # does what is not done yet, then prints the tables; interrupted, it goes on
    python eval/trials.py --seeds 1         # one run of each instead of three
    python eval/trials.py --speed           # measures the depths' speed again, on an idle machine, and prints

A run reads 200 training reports once, in batches of 2 windows: a seventieth of what train.py does, enough to compare,
and far below what the default model reaches; those of the learning curve read 1,440. Encoders that are not there yet
are made by pretrain.py in runs/encoders.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tables
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch.utils.data import DataLoader
from transformers import AutoModelForMaskedLM, AutoModelForTokenClassification, AutoTokenizer, BertForMaskedLM

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # for the scripts at top level

from duban import corpus, load  # noqa: E402
from duban.labels import LABELS, TAG_IDS, TAGS  # noqa: E402
from duban.precision import best_precision  # noqa: E402
from duban.tagger import Tagger  # noqa: E402
from duban.tokens import OVERLAP, WINDOW  # noqa: E402
from duban.torch_runtime import TorchRuntime  # noqa: E402
from export import export  # noqa: E402
from pretrain import held_out_loss, packed  # noqa: E402
from train import Windows, evaluate, groups, learn, start  # noqa: E402

ENCODERS = ROOT / "runs" / "encoders"
NEWS = ROOT.parent / "shared" / "news"
OUT = ROOT / "eval" / "trials.json"
#: Steps of masked-language modelling that an encoder of the comparison gets, of 16 rows of 256 characters.
STEPS = 200
WAYS = {
    "a": "straight from multilingual-e5-small, layers dropped evenly",
    "c": f"and {STEPS} steps of masked-language modelling",
    "d": f"and {STEPS} steps of it with the 12 layers of c as teacher",
    "e": "a random start of the same shape",
    "f": f"4 of the 6 layers of model/base, and {STEPS} steps with model/base as teacher",
}
COMMITTED = "model/base"


@dataclass(frozen=True)
class Trial:
    """What a run is made of: an encoder, peak learning rate, layer decay, tokens a window, reports, epochs."""

    encoder: str = COMMITTED
    lr: float = 3e-4
    decay: float = 1.0
    window: int = WINDOW
    reports: int = 200
    epochs: int = 1


DEPTHS = (12, 6, 4)
#: The peak learning rate by depth: a dozen layers do not take off at what suits six.
RATES = {12: 1.5e-4, 6: 3e-4, 4: 3e-4}
RUNS: dict[str, dict[str, Trial]] = {
    "encoders": {COMMITTED: Trial()}
    | {
        f"{layers} {way}": Trial(f"{layers}-{way}", RATES[layers])
        for way in WAYS
        for layers in DEPTHS
        if (layers, way) not in {(12, "d"), (12, "f"), (6, "f")}
    },
    "ways of training": {
        "as train.py has it": Trial(),
        "half the learning rate": Trial(lr=1.5e-4),
        "twice the learning rate": Trial(lr=6e-4),
        "layers' rates 0.9 of those above": Trial(decay=0.9),
        "windows of 126": Trial(window=126),
        "twice": Trial(epochs=2),
    },
    "learning curve": {
        "360 reports, four times": Trial(reports=360, epochs=4),
        "720 reports, twice": Trial(reports=720, epochs=2),
        "1,440 reports, once": Trial(reports=1440),
    },
}


def folder_of(encoder: str) -> Path:
    """Where an encoder lies; it is made if it is not there."""
    if encoder == COMMITTED:
        return ROOT / encoder
    folder = ENCODERS / encoder
    if not (folder / "config.json").is_file():
        layers, way = encoder.split("-")
        if way == "e":
            like = AutoModelForMaskedLM.from_pretrained(folder_of(f"{layers}-a"))
            set_seed(int(layers))
            BertForMaskedLM(like.config).save_pretrained(folder)
            AutoTokenizer.from_pretrained(folder_of(f"{layers}-a")).save_pretrained(folder)
        else:
            command: list[str | Path] = [sys.executable, ROOT / "pretrain.py", "--layers", layers, "--out", folder]
            command += ["--steps", "0" if way == "a" else str(STEPS), "--work", ENCODERS / f"work-{encoder}"]
            command += ["--teacher", folder_of("12-c")] if way == "d" else []
            command += ["--source", folder_of(COMMITTED), "--teacher", folder_of(COMMITTED)] if way == "f" else []
            subprocess.run([str(word) for word in command], check=True)
    return folder


def run(trial: Trial, seed: int, reports: list[corpus.Report], threads: int) -> dict[str, float]:
    """Train once; the strict F1 on dev of each label and their micro average."""
    torch.set_num_threads(threads)
    set_seed(seed)
    model, _, checkpoint = start(folder_of(trial.encoder))
    learned = sorted((r for r in reports if r.split == "train"), key=lambda report: report.id)
    random.Random(seed).shuffle(learned)
    size = (trial.window, OVERLAP)
    data = Windows(learned[: trial.reports], checkpoint, size, 0.3, seed)
    accelerator = Accelerator(mixed_precision=best_precision())
    optimizer = torch.optim.AdamW(groups(model, trial.lr, trial.decay), weight_decay=0.01, fused=True)
    model, optimizer = accelerator.prepare(model, optimizer)
    batch = 2 * WINDOW // trial.window  # small, for many steps in a short run
    for epoch in range(trial.epochs):
        data.draw(epoch)
        loader = DataLoader(data, batch, shuffle=True, collate_fn=data.collate, drop_last=True)
        for _ in learn(accelerator, model, optimizer, loader, epoch, trial.epochs, 0.1):
            pass
    tagger = Tagger(TorchRuntime(accelerator.unwrap_model(model), checkpoint, str(accelerator.device)))
    tagger.window = size
    return {name: s["f1"] for name, s in evaluate(tagger, [r for r in reports if r.split == "dev"]).items()}


def losses(encoders: list[str], done: dict[str, float], news: Path) -> dict[str, float]:
    """The held-out loss of encoders that have none yet; of none where the news is not there."""
    accelerator = Accelerator(mixed_precision=best_precision())
    for encoder in [] if not news.is_dir() else [e for e in encoders if e not in done]:
        folder = folder_of(encoder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        _, rows = packed(news, ROOT / "data" / "annotations", 200, tokenizer, 256)
        model = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32).to(accelerator.device)
        done[encoder] = held_out_loss(accelerator, model, tokenizer, rows)
    return done


def speeds(texts: list[str], rounds: int = 3) -> dict[str, float]:
    """Characters a second of duban as installed with each depth, the median of interleaved rounds."""
    taggers: dict[int, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        for layers in DEPTHS:
            folder = Path(place, str(layers))
            source = folder_of(f"{layers}-a")
            AutoModelForTokenClassification.from_pretrained(
                source, id2label=dict(enumerate(TAGS)), label2id=TAG_IDS
            ).save_pretrained(folder)
            AutoTokenizer.from_pretrained(source).save_pretrained(folder)
            export(folder, texts[:8])
            taggers[layers] = load(folder, device="cpu", runtime="onnx")
        found: dict[int, list[float]] = {layers: [] for layers in DEPTHS}
        for _ in range(rounds):
            for layers, tagger in taggers.items():
                began = time.perf_counter()
                tagger.predict(texts)
                found[layers].append(sum(map(len, texts)) / (time.perf_counter() - began))
    return {str(layers): float(np.median(of)) for layers, of in found.items()}


def shown(found: dict[str, Any]) -> dict[str, Any]:
    """The tables, as eval/card.py reads them."""
    columns = ["runs", "dev F1", *LABELS]
    made, drawn = [], []
    for title, runs in RUNS.items():
        rows = []
        corpora = sorted({r["of"] for r in found["runs"] for trial in runs.values() if r["trial"] == asdict(trial)})
        drawn.append(f"{title} {' and '.join(f'{of:,}' for of in corpora)}")
        for name, trial in runs.items():
            scores = [r["f1"] for r in found["runs"] if r["trial"] == asdict(trial)]
            if not scores:
                continue
            micro = [100 * s["micro avg"] for s in scores]
            spread = f" ({min(micro):.1f}–{max(micro):.1f})" if len(micro) > 1 else ""
            row = [name, str(len(micro)), f"{np.mean(micro):.1f}{spread}"]
            row += [f"{100 * np.mean([s[label] for s in scores]):.1f}" for label in LABELS]
            if title == "encoders":
                layers = "6" if name == COMMITTED else name.split()[0]
                loss, speed = found["loss"].get(trial.encoder), found["speed"].get(layers)
                row += ["" if loss is None else f"{loss:.2f}", "" if speed is None else f"{speed:,.0f}"]
            rows.append(row)
        head = [title, *columns, *(["held-out loss", "characters/s"] if title == "encoders" else [])]
        made.append({"title": title, "columns": head, "rows": rows})
    ways = "; ".join(f"{key}: {way}" for key, way in WAYS.items())
    note = (
        f"Layers and way: {ways}. {COMMITTED}: 6 layers, 5,850 steps. "
        "200 reports, drawn by the seed and read once, where nothing else is said; "
        f"training reports that they are drawn from: {'; '.join(drawn)}; "
        "dev F1: strict, micro-averaged, mean (and range) of the runs."
    )
    return found | {"note": note, "tables": made}


def main() -> None:
    """Run what is missing, seed by seed, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "annotations")
    parser.add_argument("--news", type=Path, default=NEWS)
    parser.add_argument("--only", nargs="*", default=list(RUNS), choices=list(RUNS), help="the tables to run for")
    parser.add_argument("--speed", action="store_true", help="measure only the speed of the depths")
    cores = os.cpu_count() or 1
    jobs = 1 if torch.cuda.is_available() else cores  # a thread each: small batches gain little from a second
    parser.add_argument("--jobs", type=int, default=jobs, help="runs side by side")
    args = parser.parse_args()
    reports = corpus.load(args.data, args.news)
    there = sum(report.split == "train" for report in reports)
    found: dict[str, Any] = {"runs": [], "loss": {}, "speed": {}}
    if OUT.is_file():
        found = json.loads(OUT.read_text("utf-8"))

    def save() -> None:
        part = OUT.with_suffix(".part")
        part.write_text(json.dumps(shown(found), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        part.replace(OUT)

    if args.speed or not found["speed"]:
        found["speed"] = speeds([r.text for r in reports if r.split == "train" and r.source == corpus.COMPOSED][:60])
        save()
    wanted = [
        (trial, seed)
        for seed in range(1, 1 + args.seeds if not args.speed else 1)
        for trial in dict.fromkeys(trial for name in args.only for trial in RUNS[name].values())
        if not any(r["trial"] == asdict(trial) and r["seed"] == seed for r in found["runs"])
    ]
    for trial, _ in wanted:
        folder_of(trial.encoder)
    with ProcessPoolExecutor(args.jobs, multiprocessing.get_context("spawn")) as pool:
        runs = {pool.submit(run, *one, reports, max(1, cores // args.jobs)): one for one in wanted}
        for done in as_completed(runs):
            trial, seed = runs[done]
            found["runs"].append({"trial": asdict(trial), "seed": seed, "of": there, "f1": done.result()})
            print(f"{trial} seed {seed}: {done.result()['micro avg']:.4f}", flush=True)
            save()
    losses([t.encoder for t in RUNS["encoders"].values()], found["loss"], args.news)
    save()
    result = shown(found)
    for table in result["tables"]:
        print(f"\n{tables.table(table['columns'], table['rows'])}")
    print(f"\n{result['note']}")


if __name__ == "__main__":
    main()
