"""What the tests share: the model that comes with duban, the sample report, the composed reports."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"  # nothing here may open a connection

# A slow machine is no failure; speed is measured in eval/.
settings.register_profile("duban", deadline=None)
settings.load_profile("duban")

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = (ROOT / "data" / "sample.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def tagger():
    """The default model, in small batches so that batching happens."""
    import duban

    return duban.load(device="cpu", batch_tokens=1024)


@pytest.fixture(scope="session")
def tokenizer():
    """The tokenizer of the default model: one character, one token."""
    from duban.checkpoint import DEFAULT, Checkpoint

    return Checkpoint.read(DEFAULT, "default").tokenizer


@pytest.fixture(scope="session")
def composed():
    """The composed reports: real style, whole in the repository."""
    from duban import corpus

    return [r for r in corpus.load(ROOT / "data" / "annotations") if r.source == corpus.COMPOSED]


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """A BERT of random weights with the base's tokenizer, small enough to train in seconds; no dropout."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

    tokenizer = AutoTokenizer.from_pretrained(ROOT / "model" / "base")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    folder = tmp_path_factory.mktemp("tiny")
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def small_data(tmp_path):
    """A folder of annotations with six composed reports, two of them dev."""
    lines = (ROOT / "data" / "annotations" / "composed.jsonl").read_text(encoding="utf-8").splitlines()[:6]
    records = [json.loads(line) for line in lines]
    for i, record in enumerate(records):
        record["split"] = "dev" if i > 3 else "train"
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    (folder / "small.jsonl").write_text("".join(rows), encoding="utf-8")
    return folder
