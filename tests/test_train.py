"""train.py as users call it, on a tiny model: it trains, resumes, and does the same on two processes."""

import copy
import json
import os
import subprocess
import sys

import pytest
import torch
from conftest import ROOT
from safetensors.numpy import load_file
from transformers import AutoModelForTokenClassification

import duban
from train import groups, mean_of, rise_and_fall

ENV = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}


def train(out, model, data, *options, launch=()):
    command = [*(launch or [sys.executable]), str(ROOT / "train.py"), "--out", str(out), "--model", str(model)]
    command += ["--data", str(data), "--news", str(data / "none"), "--lr", "1e-3", "--precision", "no", *options]
    return subprocess.run(command, capture_output=True, text=True, env=ENV, check=True)


def weights(out):
    return load_file(out / "model" / "model.safetensors")


def test_two_processes_give_the_same_model(tmp_path, tiny_bert, small_data):
    options = ("--epochs", "2", "--batch-size", "4")
    train(tmp_path / "one", tiny_bert, small_data, *options)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    train(tmp_path / "two", tiny_bert, small_data, *options, launch=launch)
    assert json.loads((tmp_path / "two" / "model" / "training.json").read_text())["processes"] == 2
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert max(abs(one[k].astype(float) - two[k]).max() for k in one) < 1e-3
    assert duban.load(tmp_path / "two" / "model", device="cpu").predict("会议强调").text == "会议强调"


def test_a_killed_run_goes_on_and_ends_where_it_would_have(tmp_path, tiny_bert, small_data):
    whole = train(tmp_path / "whole", tiny_bert, small_data, "--epochs", "3")
    assert "dev F1" in whole.stdout
    command = [sys.executable, str(ROOT / "train.py"), "--out", str(tmp_path / "cut"), "--model", str(tiny_bert)]
    command += [
        "--data",
        str(small_data),
        "--news",
        str(small_data / "none"),
        "--lr",
        "1e-3",
        "--precision",
        "no",
        "--epochs",
        "3",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENV) as process:
        for line in process.stdout:
            if line.startswith("epoch 2 "):
                process.kill()
                break
    again = train(tmp_path / "cut", tiny_bert, small_data, "--epochs", "3")
    assert "going on after epoch" in again.stdout
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert max(abs(one[k].astype(float) - two[k]).max() for k in one) < 1e-3
    assert list((tmp_path / "cut" / "log").rglob("events.out.tfevents.*"))


def test_a_model_trained_on_keeps_its_history_and_may_be_averaged(tmp_path, tiny_bert, small_data):
    train(tmp_path / "first", tiny_bert, small_data, "--epochs", "2")
    train(tmp_path / "second", tmp_path / "first" / "model", small_data, "--epochs", "1", "--seed", "2")
    notes = [tmp_path / out / "model" / "training.json" for out in ("first", "second")]
    first, second = (json.loads(path.read_text()) for path in notes)
    assert first["before"] is None
    assert not first["averaged"]
    assert second["before"] == first
    best, start = load_file(tmp_path / "second" / "best" / "model.safetensors"), weights(tmp_path / "first")
    for name, kept in weights(tmp_path / "second").items():
        expected = (best[name] + start[name]) / 2 if second["averaged"] else best[name]
        assert abs(kept.astype(float) - expected).max() < 2e-3


def test_layers_below_the_topmost_stay_as_they_are(tmp_path, tiny_bert, small_data):
    train(tmp_path / "first", tiny_bert, small_data, "--epochs", "1")
    train(tmp_path / "second", tmp_path / "first" / "model", small_data, "--epochs", "2", "--top", "0")
    first, second = weights(tmp_path / "first"), load_file(tmp_path / "second" / "best" / "model.safetensors")
    changed = {name for name in first if (first[name] != second[name].astype(first[name].dtype)).any()}
    assert changed == {"classifier.weight", "classifier.bias"}


def test_the_mean_of_two_models(tiny_bert):
    one = AutoModelForTokenClassification.from_pretrained(tiny_bert)
    two = copy.deepcopy(one)
    with torch.no_grad():
        for parameter in two.parameters():
            parameter += 1
    found = mean_of(one, two).state_dict()
    assert all(torch.allclose(found[name], value + 0.5, atol=2e-3) for name, value in one.named_parameters())


def test_a_word_piece_tokenizer_works(tmp_path, tiny_bert, small_data):
    """A BERT of the usual kind: several digits or letters in one token, no token for a space or a line break."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    texts = "".join(
        json.loads(x)["text"] for x in (small_data / "small.jsonl").read_text(encoding="utf-8").splitlines()
    )
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *sorted(set(texts)),
        "20",
        "201",
        "##5",
        "##6",
        "##12",
        "##0",
    ]
    backend = Tokenizer(models.WordPiece({p: i for i, p in enumerate(dict.fromkeys(pieces))}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = {
        "unk_token": "[UNK]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, **names)
    folder = tmp_path / "wordpiece"
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    BertForMaskedLM(config).save_pretrained(folder)
    train(tmp_path / "out", folder, small_data, "--epochs", "1")
    tagger = duban.load(tmp_path / "out" / "model", device="cpu")
    document = tagger.predict("2015年\r\n县长王海强调，要守住201项底线。")
    assert all(document.text[s.start : s.end] == s.text for s in document.spans)


def test_another_run_is_not_gone_on_with(tmp_path, tiny_bert, small_data):
    train(tmp_path / "out", tiny_bert, small_data, "--epochs", "1")
    with pytest.raises(subprocess.CalledProcessError) as error:
        train(tmp_path / "out", tiny_bert, small_data, "--epochs", "2")
    assert "other epochs; name another --out" in error.value.stderr


def test_a_folder_without_reports_is_named(tmp_path, tiny_bert):
    with pytest.raises(subprocess.CalledProcessError) as error:
        train(tmp_path / "out", tiny_bert, tmp_path)
    assert "name the folder that holds the annotations" in error.value.stderr


def test_every_weight_learns_and_the_lower_ones_slower(tiny_bert):
    model = AutoModelForTokenClassification.from_pretrained(tiny_bert, num_labels=11)
    found = groups(model, 0.1, 0.5)
    assert sum(p.numel() for group in found for p in group["params"]) == sum(p.numel() for p in model.parameters())
    peaks = [group["peak"] for group in found]  # embeddings, one layer, classifier
    assert peaks == pytest.approx([0.025, 0.05, 0.1])
    assert {id(p) for p in found[-1]["params"]} == {id(p) for p in model.classifier.parameters()}


def test_the_rate_rises_then_falls_to_nought():
    rates = [rise_and_fall(k / 10, 0.2) for k in range(11)]
    assert (rates[0], rates[2], rates[10]) == (0, 1, 0)
    assert rates == sorted(rates[:3]) + sorted(rates[3:], reverse=True)
