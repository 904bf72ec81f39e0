"""The cards: their metadata is the Hub's, their figures are the measured ones, and the news joins by checksum."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT
from huggingface_hub import DatasetCard, ModelCard

from duban.corpus import checksum


def card(root, *options):
    return subprocess.run([sys.executable, str(root / "eval" / "card.py"), *options], capture_output=True, text=True)


def test_every_figure_is_the_measured_one():
    done = card(ROOT, "--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_figure_that_differs_is_named_and_filled(tmp_path):
    shutil.copytree(ROOT / "eval", tmp_path / "eval")
    shutil.copytree(ROOT / "data", tmp_path / "data")
    (tmp_path / "model" / "base").mkdir(parents=True)
    for name in ("README.md", "model_card.md", "model/base/README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    path = tmp_path / "eval" / "results.json"
    results = json.loads(path.read_text("utf-8"))
    results["test"]["all"]["labels"]["micro avg"]["f1"] = 0.4242
    path.write_text(json.dumps(results), encoding="utf-8")
    done = card(tmp_path, "--check")
    assert done.returncode == 1
    for place in ("README.md: the region 'summary'", "model_card.md: the region 'test'", "the region 'model-index'"):
        assert place in done.stderr
    assert card(tmp_path).returncode == 0
    assert card(tmp_path, "--check").returncode == 0
    assert "**42.4**" in (tmp_path / "README.md").read_text("utf-8")
    found = ModelCard.load(tmp_path / "model_card.md").data.eval_results
    assert 0.4242 in [result.metric_value for result in found]


def test_the_model_card_tells_the_hub_all_it_asks():
    data = ModelCard.load(ROOT / "model_card.md").data
    assert data.language == "zh"
    assert (data.license, data.library_name) == ("apache-2.0", "transformers")
    assert data.pipeline_tag == "token-classification"
    assert data.base_model == "intfloat/multilingual-e5-small"
    assert data.datasets
    assert data.tags
    assert "seqeval" in data.metrics
    results = json.loads((ROOT / "eval" / "results.json").read_text("utf-8"))
    measured = {(r.metric_type, r.metric_name): r.metric_value for r in data.eval_results}
    micro = results["test"]["all"]["labels"]["micro avg"]
    assert measured["f1", "F1 (micro)"] == pytest.approx(micro["f1"], abs=1e-4)
    assert len(measured) == 9
    strict = {"mode": "strict", "scheme": "IOB2"}
    assert all(r.metric_args == strict for r in data.eval_results if r.metric_type == "f1")


def test_widget_examples_give_directives(tagger):
    for example in ModelCard.load(ROOT / "model_card.md").data["widget"]:
        assert tagger.predict(example["text"]).directives, example["text"]


def test_the_dataset_card_tells_the_hub_all_it_asks():
    data = DatasetCard.load(ROOT / "data" / "README.md").data
    assert data.license == "apache-2.0"
    assert data.task_categories == ["token-classification"]
    assert data.annotations_creators == ["machine-generated"]
    assert [file["split"] for file in data["configs"][0]["data_files"]] == ["train", "dev", "test"]


DAY = """# 《新闻联播》 (20300101)

## 详细新闻

### 云岭县部署春耕　工作

<p style="x"><strong>央视网消息</strong>（新闻联播）： 县长要求，Ct值&lt;35的要复查。<br></p><p>守住　底线。&nbsp;</p>

[查看原文](https://example.org/1)

### 第二条

<p>改动过的正文。</p>

---
"""


def test_news_is_joined_by_its_checksum(tmp_path):
    text = "云岭县部署春耕　工作\n县长要求，Ct值<35的要复查。\n守住 底线。"
    rows = [
        {"id": "20300101-00", "sha256": checksum(text), "text": None},
        {"id": "20300101-01", "sha256": checksum("第二条\n原来的正文。"), "text": None},
        {"id": "20300101-02", "sha256": "0", "text": None},
        {"id": "composed-1", "sha256": "0", "text": "会议强调"},
    ]
    for folder in ("news", "annotations"):
        (tmp_path / folder).mkdir()
    (tmp_path / "news" / "20300101.md").write_text(DAY, encoding="utf-8")
    (tmp_path / "annotations" / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    command = [sys.executable, ROOT / "data" / "join_news.py", tmp_path / "news", "--out", tmp_path / "joined"]
    done = subprocess.run([*command, "--annotations", tmp_path / "annotations"], capture_output=True, text=True)
    assert done.returncode == 1
    assert re.search("20300101-01: the text differs", done.stderr)
    assert re.search("20300101-02: no such text", done.stderr)
    joined = [json.loads(line) for line in (tmp_path / "joined" / "train.jsonl").open(encoding="utf-8")]
    assert [(row["id"], row["text"]) for row in joined] == [("20300101-00", text), ("composed-1", "会议强调")]
