"""Publishing and loading over a real connection: processes start anew and know the Hub by its address alone."""

import json
import os
import shutil
import subprocess
import sys
import threading

import pytest
from conftest import ROOT, SAMPLE
from hub_server import Hub

from duban import hub
from duban.checkpoint import DEFAULT
from duban.cli import app

LOAD = """
import json, sys, duban
doc = duban.load("org/duban", revision="v1", device="cpu").predict(sys.stdin.read())
spans = [[s.label, s.start, s.end] for s in doc.spans]
"""
BY_BOTH = (
    LOAD
    + """
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline
model = AutoModelForTokenClassification.from_pretrained("org/duban", revision="v1")
tokenizer = AutoTokenizer.from_pretrained("org/duban", revision="v1")
found = pipeline("token-classification", "org/duban", revision="v1")("县委书记孙志强调，要守住底线。")
tags = [token["entity"] for token in found if token["word"] == "孙"]
print(json.dumps([spans, len(model.config.label2id), tokenizer.cls_token, tags]))
"""
)
AGAIN = (
    LOAD
    + """
try:
    duban.load("org/never-seen", device="cpu")
except OSError as error:
    print(json.dumps([spans, str(error)]))
"""
)
DATASET = """
import json, datasets
data = datasets.load_dataset("org/duban")
print(json.dumps({split: rows[:] for split, rows in data.items()}, default=str))
"""
SEND = """
import json, sys
from duban.hub import PublishError, Upload, send
for token in sys.argv[2:]:
    try:
        send(Upload(sys.argv[1], "model", {"config.json": b"{}"}, ()), token=token, private=token == "writer")
        print("published")
    except PublishError as error:
        print(error)
"""


@pytest.fixture(scope="module")
def server():
    with Hub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def run(server, tmp_path_factory):
    """Run Python in a process whose cache is empty, or the one of an earlier run; gives what it did."""

    def run(*options, cache=None, url=server.url, stdin="", token=None):
        home = cache or tmp_path_factory.mktemp("cache")
        env = {k: v for k, v in os.environ.items() if k not in ("HF_HUB_OFFLINE", "HF_TOKEN")}
        env |= {"HF_ENDPOINT": url, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1", "PYTHONUTF8": "1"}
        env |= {"HF_TOKEN": token} if token else {}
        command = [sys.executable, *options]
        return subprocess.run(command, capture_output=True, text=True, env=env, input=stdin, cwd=ROOT)

    return run


@pytest.fixture(scope="module")
def published(server, run):
    """The default model, published on a branch by the command line."""
    done = run("-m", "duban.cli", "publish", "org/duban", "--revision", "v1", token="writer")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{server.url}/")
    return server


def test_the_commit_holds_the_model_its_card_and_its_evaluation(published):
    files = published.files("models/org/duban", "v1")
    assert {*hub.MODEL, "README.md", "evaluation.json"} <= set(files)
    assert len(published.repos["models/org/duban"]["branches"]["v1"]) == 2
    assert published.files("models/org/duban") == {}
    assert files[hub.WEIGHTS] == (DEFAULT / hub.WEIGHTS).read_bytes()
    assert json.loads(files["evaluation.json"]) == json.loads((ROOT / "eval" / "results.json").read_text("utf-8"))
    assert 'duban.load("org/duban")' in files["README.md"].decode()
    assert "ORG/NAME" not in files["README.md"].decode()


def test_what_is_published_is_what_is_loaded_and_offline_once_cached(published, run, tagger, tmp_path):
    here = [[s.label, s.start, s.end] for s in tagger.predict(SAMPLE).spans]
    first = run("-c", BY_BOTH, stdin=SAMPLE, cache=tmp_path)
    assert json.loads(first.stdout or first.stderr) == [here, 24, "[CLS]", ["O|B-OFFICIAL"]]
    again = run("-c", AGAIN, stdin=SAMPLE, cache=tmp_path, url="http://127.0.0.1:9")
    spans, error = json.loads(again.stdout or again.stderr)
    assert spans == here
    assert "no model at 'org/never-seen'" in error
    assert "\n" not in error


def test_errors_are_one_line_and_leave_nothing_half_published(server, run):
    done = run("-c", SEND, "org/other", "wrong", "reader", "dying", "dying", "writer").stdout.splitlines()
    wrong, reader, dying, again, public = done
    assert "does not take this token" in wrong
    assert "settings/tokens" in wrong
    assert "may not write to org/other" in reader
    assert "connection broke" in dying
    assert "org/other was made and is empty" in dying
    assert "was made" not in again
    assert "public" in public
    assert all("othing was published" in line for line in done[:4])
    assert server.files("models/org/other") == {}
    assert server.repos["models/org/other"]["branches"]["main"] == [{}]
    offline = run("-c", SEND, "org/other", "writer", url="http://127.0.0.1:9").stdout
    assert "http://127.0.0.1:9 could not be reached" in offline


def test_what_the_new_model_lacks_is_gone_and_other_files_stay(server, run):
    script = """if True:
        from duban.hub import Upload, send
        old = {"config.json": b"1", "onnx/model.onnx": b"1", "picture.png": b"1"}
        send(Upload("org/again", "model", old, ()))
        send(Upload("org/again", "model", {"config.json": b"2"}, ("config.json", "onnx/")))
    """
    done = run("-c", script, token="writer")
    assert server.repos["models/org/again"]["branches"]["main"][1:] != [], done.stderr
    assert server.files("models/org/again") == {"config.json": b"2", "picture.png": b"1"}


def test_the_corpus_loads_by_split(server, run):
    done = run("-m", "duban.cli", "publish", "org/duban", "--dataset", "--private", token="writer")
    assert done.returncode == 0, done.stderr
    assert server.repos["datasets/org/duban"]["private"]
    loaded = run("-c", DATASET)
    data = json.loads(loaded.stdout or loaded.stderr)
    lines = [line for path in (ROOT / "data" / "annotations").glob("*.jsonl") for line in path.open(encoding="utf-8")]
    given = {record["id"]: record for record in map(json.loads, lines)}
    assert list(data) == ["train", "dev", "test"]
    rows = [dict(zip(part, row)) for part in data.values() for row in zip(*part.values())]
    assert {row["id"]: row for row in rows} == given
    assert all(set(part["split"]) == {split} for split, part in data.items())
    assert {"join_news.py", "annotations/GUIDELINES.md"} <= set(server.files("datasets/org/duban"))


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(DEFAULT, tmp_path / "model")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda f: (f / "tokenizer.json").unlink(), "lacks tokenizer.json"),
        (lambda f: (f / hub.WEIGHTS).write_bytes((f / hub.WEIGHTS).read_bytes()[:-9]), "not a whole safetensors file"),
        (lambda f: (f / "config.json").write_text('{"model_type": "bert"}'), "labels"),
        (lambda f: (f / "README.md").write_text("# mine"), "evaluation.json"),
        (lambda f: shutil.copy(ROOT / "model/base" / hub.WEIGHTS, f), "measured another model|no model at"),
    ],
)
def test_a_model_that_is_not_whole_is_not_sent(folder, spoil, why):
    spoil(folder)
    with pytest.raises(hub.PublishError, match=why):
        hub.model("org/duban", folder)


@pytest.mark.parametrize("repo", ["duban", "a/b/c", "org/na me"])
def test_ids_are_checked_first(repo):
    with pytest.raises(hub.PublishError, match=repo):
        hub.model(repo)


def test_text_of_news_is_never_sent(tmp_path):
    shutil.copytree(ROOT / "data", tmp_path / "data", ignore=shutil.ignore_patterns("*.py", "composed.jsonl"))
    news = tmp_path / "data" / "annotations" / "news.jsonl"
    news.write_text(news.read_text("utf-8").replace('"text": null', '"text": "正文"', 1), encoding="utf-8")
    with pytest.raises(hub.PublishError, match="is its publisher's"):
        hub.dataset("org/duban", tmp_path / "data")


def test_an_installed_duban_says_that_it_has_no_corpus(tmp_path):
    with pytest.raises(hub.PublishError, match="an installed duban carries none"):
        hub.dataset("org/duban", tmp_path)


def test_the_command_line_says_it_in_one_line():
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, ["publish", "duban"])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "ORG/NAME" in result.stderr
