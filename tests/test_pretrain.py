"""pretrain.py as users call it, on tiny models, and the base that it made."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT
from safetensors.numpy import load_file
from transformers import AutoModelForMaskedLM, AutoTokenizer

from duban.corpus import load
from duban.tokens import tokenise

ENV = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}


def command(out, model, corpus, *options):
    given = [sys.executable, str(ROOT / "pretrain.py"), "--out", out / "model", "--work", out / "work"]
    given += [
        "--source",
        model,
        "--corpus",
        corpus,
        "--leave-out",
        out / "none",
        "--held-out",
        "1",
        "--save-every",
        "2",
    ]
    return [*map(str, given), "--steps", "6", "--batch-size", "2", "--length", "32", "--precision", "no", *options]


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A folder of plain texts: what a user brings."""
    folder = tmp_path_factory.mktemp("texts")
    for i, report in enumerate(load(ROOT / "data" / "annotations")[:4]):
        (folder / f"{i}.txt").write_text(report.text[:400], encoding="utf-8")
    return folder


def test_a_killed_run_goes_on_and_ends_where_it_would_have(tmp_path, tiny_bert, texts):
    subprocess.run(command(tmp_path / "whole", tiny_bert, texts), env=ENV, check=True, capture_output=True)
    cut = command(tmp_path / "cut", tiny_bert, texts)
    with subprocess.Popen(cut, stdout=subprocess.PIPE, text=True, env=ENV) as process:
        for line in process.stdout:
            if line.startswith("step 2 held-out"):
                process.kill()
                break
    again = subprocess.run(cut, env=ENV, check=True, capture_output=True, text=True)
    assert "step 0 held-out" not in again.stdout
    one, two = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "cut"))
    assert all((one[key] == two[key]).all() for key in one)


def test_a_teacher_of_the_same_shape_is_learned_from(tmp_path, tiny_bert, texts):
    subprocess.run(
        command(tmp_path, tiny_bert, texts, "--teacher", str(tiny_bert)), env=ENV, check=True, capture_output=True
    )
    assert AutoModelForMaskedLM.from_pretrained(tmp_path / "model").config.hidden_size == 32
    wrong = command(tmp_path / "wrong", tiny_bert, texts, "--teacher", str(ROOT / "model" / "base"))
    told = subprocess.run(wrong, env=ENV, capture_output=True, text=True)
    assert told.returncode == 1
    assert "has vocabulary and width" in told.stderr


def test_the_base_knows_the_language_of_meetings():
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "model" / "base")
    model = AutoModelForMaskedLM.from_pretrained(ROOT / "model" / "base").float().eval()
    inputs = tokenizer("市委书记主持召开[MASK]议", return_tensors="pt")
    place = inputs.input_ids[0].tolist().index(tokenizer.mask_token_id)
    assert tokenizer.decode(model(**inputs).logits[0, place].argmax()) == "会"


def test_every_character_is_a_token_rare_ones_too():
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "model" / "base")
    text = "县长郑旻、副县长乔翀勠力同心，李𠮷、王喆旸陪同。"
    tokens = tokenise(text, tokenizer.backend_tokenizer)
    assert tokens.starts.tolist() == list(range(len(text)))
    assert [tokens.to_given(i, i + 1) for i in range(len(text))] == [(i, i + 1) for i in range(len(text))]
    vocabulary = json.loads((ROOT / "model" / "base" / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    assert {"会", "议", "督", "办", "0", "%"} <= set(vocabulary)
