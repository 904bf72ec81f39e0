"""Fine-tune a BERT to tag officials, posts, addressees, targets and directives.

    python train.py                                         # the default model, from the base checkpoint in model/base
    python train.py --model hfl/chinese-macbert-base        # any BERT of the Hub or on disk, word pieces too
    accelerate launch --num_processes 2 train.py            # the same on two GPUs
    ACCELERATE_USE_CPU=true torchrun --nproc_per_node 2 train.py        # the same on two cores, a process on each
    tensorboard --logdir runs                               # loss, learning rate and dev scores

Interrupted, the same command goes on from the last epoch. Of the epochs of the second half the one with the best dev F1
is kept, its scores are calibrated on dev, and it is saved to OUT/model, which `duban.load` and transformers read. Where
--model was trained by this program already, the mean of old and new weights is saved instead if it is better on dev.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import os
import random
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, DataLoaderConfiguration
from accelerate.utils import GradientAccumulationPlugin, set_seed
from rich.progress import track
from torch.utils.data import DataLoader, Dataset
from transformers import AutoModelForTokenClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.trainer_pt_utils import LengthGroupedSampler

from duban import corpus
from duban.checkpoint import Checkpoint
from duban.corpus import Report
from duban.distort import distort, names_of, places_of, relocate, rename
from duban.labels import TAG_IDS, TAGS, encode
from duban.precision import best_precision
from duban.runtime import pad
from duban.scoring import calibration_error, strict_scores
from duban.tagger import Tagger
from duban.tokens import Tokens, tokenise, window_of
from duban.torch_runtime import TorchRuntime
from export import calibrating, export

ROOT = Path(__file__).resolve().parent
IGNORED = -100  # the label of [CLS], [SEP] and padding, for cross_entropy


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(ROOT / "model" / "base"), help="a BERT: folder or Hub id")
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "annotations")
    parser.add_argument("--news", type=Path, default=ROOT.parent / "shared" / "news", help="folder of the news texts")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "train")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=8, help="windows a step, over all processes")
    parser.add_argument(
        "--accumulate", type=int, default=1, help="passes that a step is split into, if memory is short"
    )
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--layer-decay", type=float, default=1.0, help="the learning rate of a layer by that above it")
    parser.add_argument("--top", type=int, help="train so many of the topmost layers and the classifier alone")
    parser.add_argument("--warmup", type=float, default=0.1, help="share of the steps")
    parser.add_argument(
        "--distorted", type=float, default=0.3, help="share of the reports that are distorted, anew each epoch"
    )
    parser.add_argument("--precision", choices=("no", "bf16"), default=best_precision())
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


class Windows(Dataset):  # type: ignore[type-arg]
    """Windows of the training reports: (token ids, tag ids). `draw` makes them anew for each epoch.

    Args:
        reports: the training reports.
        checkpoint: the model's tokenizer and special tokens.
        size: tokens of a window and of its overlap with the next.
        distorted: share of the reports that are distorted.
        seed: what the draws of an epoch depend on, besides its number.
    """

    def __init__(
        self,
        reports: list[Report],
        checkpoint: Checkpoint,
        size: tuple[int, int],
        distorted: float,
        seed: int,
    ) -> None:
        self.reports, self.checkpoint, self.size, self.distorted, self.seed = reports, checkpoint, size, distorted, seed
        self.names = names_of((report.text, report.marks) for report in reports)
        self.places = places_of(report.text for report in reports)
        self.rows: list[tuple[np.ndarray, np.ndarray]] = []
        self.lengths: list[int] = []  # one list for good, since a sampler holds it
        self.unlearnable = 0

    def draw(self, epoch: int) -> None:
        """Rename officials and places in half of the reports, distort some, cut all to windows; by seed and epoch."""
        rng = random.Random(f"{self.seed} {epoch}")
        self.rows, self.unlearnable = [], 0
        for report in self.reports:
            text, marks = report.text, list(report.marks)
            if self.names and rng.random() < 0.5:
                text, marks = rename(text, marks, self.names, rng)
            if self.places and rng.random() < 0.5:
                text, marks = relocate(text, marks, self.places, rng)
            if rng.random() < self.distorted:
                text, marks = distort(text, marks, rng)
            tokens = tokenise(text, self.checkpoint.tokenizer)
            tags = np.array(self.tags(tokens, tokens.spans(marks)), dtype=np.int64)
            # Cut elsewhere in each epoch, and without overlap, so that none is read twice in one.
            size = self.size[0]
            cuts = range(rng.randint(1 - size, 0) if len(tokens) > size else 0, len(tokens), size)
            self.rows += [(tokens.ids[max(a, 0) : a + size], tags[max(a, 0) : a + size]) for a in cuts]
        self.lengths[:] = [len(ids) for ids, _ in self.rows]

    def tags(self, tokens: Tokens, spans: list[tuple[int, int, str]]) -> list[int]:
        """Tag ids. Where a word piece holds the ends of two spans one of them cannot be learned, and is left out."""
        try:
            return [TAG_IDS[tag] for tag in encode(spans, len(tokens))]
        except (ValueError, KeyError):
            pass
        kept: list[tuple[int, int, str]] = []
        for span in spans:
            try:
                [TAG_IDS[tag] for tag in encode([*kept, span], len(tokens))]
                kept.append(span)
            except (ValueError, KeyError):
                self.unlearnable += 1
        return [TAG_IDS[tag] for tag in encode(kept, len(tokens))]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        return self.rows[i]

    def collate(self, rows: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, torch.Tensor]:
        """A padded batch with `labels`, (windows, longest + 2) int64."""
        ids, mask = map(torch.from_numpy, pad([ids for ids, _ in rows], self.checkpoint.special))
        labels = torch.full_like(ids, IGNORED)
        for i, (_, tags) in enumerate(rows):
            labels[i, 1 : len(tags) + 1] = torch.from_numpy(tags)
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def start(source: str | Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, Checkpoint]:
    """A token classifier in float32 from a BERT on disk or of the Hub, its tokenizer, and what duban knows of it."""
    tokenizer = AutoTokenizer.from_pretrained(source)
    model = AutoModelForTokenClassification.from_pretrained(
        source,
        id2label=dict(enumerate(TAGS)),
        label2id=TAG_IDS,
        dtype=torch.float32,
        attention_probs_dropout_prob=0.0,  # so that attention takes its fused path; hidden_dropout_prob stays
    )
    specials = {key: str(getattr(tokenizer, key)) for key in ("cls_token", "sep_token", "pad_token")}
    return model, tokenizer, Checkpoint.of(model.config.to_dict(), tokenizer.backend_tokenizer, specials, str(source))


def load_half(source: str | Path) -> PreTrainedModel:
    """A token classifier as half precision stores it, in float32."""
    return AutoModelForTokenClassification.from_pretrained(source, dtype=torch.float16).float()


def mean_of(model: PreTrainedModel, other: PreTrainedModel) -> PreTrainedModel:
    """A model whose weights are the mean of theirs (Wortsman et al. 2022), as half precision stores it, in float32."""
    mean = copy.deepcopy(model)
    weights, others = mean.state_dict(), other.state_dict()
    mean.load_state_dict({name: (weights[name] + others[name]) / 2 for name in weights})
    return mean.half().float()


def evaluate(tagger: Tagger, reports: list[Report]) -> dict[str, dict[str, float]]:
    """Strict scores of a tagger on reports."""
    documents = tagger.predict([report.text for report in reports])
    predicted = [[(s.start, s.end, s.label) for s in document.spans] for document in documents]
    return strict_scores([report.spans() for report in reports], predicted, [len(report.text) for report in reports])


def calibrate(tagger: Tagger, reports: list[Report]) -> float:
    """Set the temperature under which the spans' scores best tell which are right; returns the calibration error."""
    texts = [report.text for report in reports]
    tokenised = [tokenise(text, tagger.tokenizer) for text in texts]
    logits = tagger.logits(tokenised)
    best = (float("inf"), 1.0, 0.0)
    for temperature in np.arange(0.6, 3.01, 0.2):
        tagger.temperature = float(temperature)
        scores, right = [], []
        for report, document in zip(reports, tagger.documents(texts, tokenised, logits), strict=True):
            gold = set(report.spans())
            scores += [s.score for s in document.spans]
            right += [(s.start, s.end, s.label) in gold for s in document.spans]
        p = np.clip(scores, 1e-4, 1 - 1e-4)
        loss = float(-np.log(np.where(right, p, 1 - p)).mean()) if scores else 0.0
        best = min(best, (loss, round(float(temperature), 1), calibration_error(scores, right)))
    tagger.temperature = best[1]
    return best[2]


def main() -> None:
    """Train, evaluate each epoch of the second half, keep the best, calibrate, save."""
    args = arguments()
    logging.basicConfig(format="%(message)s")
    set_seed(args.seed)
    accelerator = Accelerator(
        mixed_precision=args.precision,
        gradient_accumulation_plugin=GradientAccumulationPlugin(args.accumulate, sync_with_dataloader=False),
        dataloader_config=DataLoaderConfiguration(split_batches=True),
        log_with="tensorboard",
        project_dir=args.out,
    )
    if int(os.environ.get("WORLD_SIZE", 1)) != accelerator.num_processes:
        raise SystemExit("these processes do not know of one another; on CPUs set ACCELERATE_USE_CPU=true")
    reports = corpus.load(args.data, args.news)
    dev = [report for report in reports if report.split == "dev"]
    learned = [report for report in reports if report.split == "train"]
    if not dev or not learned:
        raise SystemExit(f"{args.data} holds {len(learned)} train and {len(dev)} dev reports; both are needed")
    if args.batch_size % (args.accumulate * accelerator.num_processes):
        raise SystemExit(f"--batch-size {args.batch_size} must divide by --accumulate times the number of processes")
    model, tokenizer, checkpoint = start(args.model)
    size = window_of(checkpoint.positions)
    data = Windows(learned, checkpoint, size, args.distorted, args.seed)
    data.draw(0)
    if data.unlearnable:
        accelerator.print(f"{data.unlearnable} spans share a token with another; this tokenizer cannot learn them")
    order = torch.Generator()
    batch_size = args.batch_size // args.accumulate
    sampler = LengthGroupedSampler(batch_size, lengths=data.lengths, generator=order)  # little padding
    loader = DataLoader(data, batch_size, sampler=sampler, collate_fn=data.collate, drop_last=True)
    optimizer = torch.optim.AdamW(groups(model, args.lr, args.layer_decay, args.top), weight_decay=0.01, fused=True)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)

    state_file = args.out / "state.json"
    options = {key: str(value) for key, value in vars(args).items()}
    state: dict[str, Any] = {"epoch": 0, "step": 0, "best": -1.0, "seconds": 0.0, "options": options}
    if state_file.exists():
        state = json.loads(state_file.read_text())
        if state["options"] != options:
            changed = [key for key in options if options[key] != state["options"].get(key)]
            raise SystemExit(f"{args.out} holds a run with other {', '.join(changed)}; name another --out for this one")
        if state["epoch"]:
            accelerator.load_state(args.out / f"checkpoint-{state['epoch']}")
        accelerator.print(f"going on after epoch {state['epoch']} of {args.out}")
    accelerator.init_trackers("log")
    quiet = not accelerator.is_main_process

    for epoch in range(state["epoch"], args.epochs):
        began = time.time()
        data.draw(epoch)
        order.manual_seed(1000 * args.seed + epoch)
        steps = learn(accelerator, model, optimizer, loader, epoch, args.epochs, args.warmup)
        total = len(loader) // args.accumulate
        for loss, rate in track(steps, f"epoch {epoch + 1}/{args.epochs}", total, disable=quiet):
            state["step"] += 1
            accelerator.log({"loss": loss, "lr": args.lr * rate}, state["step"])
        state["epoch"] = epoch + 1
        if accelerator.is_main_process:
            told = f"epoch {epoch + 1} loss {loss:.4f}"
            if epoch >= args.epochs // 2:  # the learning rate falls to nought, so the best epoch is a late one
                bare = accelerator.unwrap_model(model)
                scores = evaluate(Tagger(TorchRuntime(bare, checkpoint, str(accelerator.device))), dev)
                accelerator.log({f"dev/{name}": score["f1"] for name, score in scores.items()}, state["step"])
                told += " dev F1: " + " ".join(f"{name} {score['f1']:.3f}" for name, score in scores.items())
                if scores["micro avg"]["f1"] > state["best"]:
                    state["best"] = scores["micro avg"]["f1"]
                    bare.save_pretrained(args.out / "best")
                    tokenizer.save_pretrained(args.out / "best")
            accelerator.print(told, flush=True)
        state["seconds"] += time.time() - began
        accelerator.save_state(args.out / f"checkpoint-{epoch + 1}")
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            # The state names the checkpoint only once that is whole, so a run killed at any moment can go on.
            state_file.with_suffix(".part").write_text(json.dumps(state))
            state_file.with_suffix(".part").replace(state_file)
            shutil.rmtree(args.out / f"checkpoint-{epoch}", ignore_errors=True)
        accelerator.wait_for_everyone()

    if accelerator.is_main_process:
        noted = Path(args.model) / "training.json"  # there when the start was trained by this program too
        before = json.loads(noted.read_text()) if noted.is_file() else None
        # Stored in half precision, which the calibration and the figures below already see.
        best = load_half(args.out / "best")
        tagger = Tagger(TorchRuntime(best, checkpoint, str(accelerator.device)))
        averaged = False
        if before is not None:
            # Trained on, a model forgets some of what it knew; the mean of the two often keeps both.
            mean = mean_of(best, load_half(args.model))
            other = Tagger(TorchRuntime(mean, checkpoint, str(accelerator.device)))
            averaged = evaluate(other, dev)["micro avg"]["f1"] > evaluate(tagger, dev)["micro avg"]["f1"]
            best, tagger = (mean, other) if averaged else (best, tagger)
        error = calibrate(tagger, dev)
        scores = evaluate(tagger, dev)
        best.config.calibration_temperature = tagger.temperature
        best.half().save_pretrained(args.out / "model")
        tokenizer.save_pretrained(args.out / "model")
        try:
            export(args.out / "model", calibrating(reports))  # so that it reads without torch
        except ValueError as why:
            print(f"no file for onnxruntime: {why}")
        log = {
            "base": Path(args.model).name if Path(args.model).is_dir() else args.model,
            "epochs": args.epochs,
            "reports": len(learned),
            "windows": len(data),
            "batch_size": args.batch_size,
            "lr": args.lr,
            "top": args.top,
            "seed": args.seed,
            "precision": args.precision,
            "device": str(accelerator.device),
            "processes": accelerator.num_processes,
            "threads": torch.get_num_threads(),
            "seconds": round(state["seconds"]),
            "averaged": averaged,
            "before": before,
            "dev_f1": round(scores["micro avg"]["f1"], 4),
            "calibration_error": round(error, 4),
        }
        (args.out / "model" / "training.json").write_text(json.dumps(log, indent=1) + "\n")
        print(
            f"dev F1 {scores['micro avg']['f1']:.4f}, temperature {tagger.temperature}, calibration error {error:.4f}"
        )
        print(f"saved to {args.out / 'model'}")
    accelerator.end_training()


def groups(model: PreTrainedModel, lr: float, decay: float, trained: int | None = None) -> list[dict[str, Any]]:
    """The parameters by depth. The `peak` of their learning rate is `lr` at the top, `decay` times that a layer below.

    As in ULMFiT (Howard and Ruder 2018). With `trained` all below so many of the topmost layers is frozen: it learns
    little from a few more reports, and a new version of the model then differs from the old one in those layers alone.
    """
    top = model.config.num_hidden_layers + 1
    found: dict[int, list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        layer = re.search(r"\.layer\.(\d+)\.", name)
        depth = int(layer[1]) + 1 if layer else 0 if "embeddings." in name else top
        if trained is not None and depth < top - trained:
            parameter.requires_grad_(False)
            continue
        found.setdefault(depth, []).append(parameter)
    return [{"params": its, "peak": lr * decay ** (top - depth)} for depth, its in sorted(found.items())]


def learn(
    accelerator: Accelerator,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    loader: DataLoader[Any],
    epoch: int,
    epochs: int,
    warmup: float,
) -> Iterator[tuple[float, float]]:
    """One epoch; yields after each step the loss in nats a token, and the learning rates' share of their peaks."""
    model.train()
    for i, batch in enumerate(loader):
        rate = rise_and_fall((epoch + i / len(loader)) / epochs, warmup)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * rate
        with accelerator.accumulate(model):
            labels = batch.pop("labels")
            logits = model(**batch).logits.float()
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")
            # The mean over the tokens of all processes, so that their number does not change the result.
            tokens = accelerator.reduce((labels != IGNORED).sum(), "sum")
            loss = loss * accelerator.num_processes / tokens
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        if accelerator.sync_gradients:
            yield loss.item(), rate


def rise_and_fall(progress: float, warmup: float) -> float:
    """The learning rate's share (0 to 1) at a share of the training: a linear rise over the warm-up, a linear fall."""
    return min(progress / max(warmup, 1e-9), (1 - progress) / max(1 - warmup, 1e-9))


if __name__ == "__main__":
    main()
