"""eval/speed.py runs, and what it writes is what the card shows."""

import json
import shutil
import subprocess
import sys

from conftest import ROOT

from duban.checkpoint import DEFAULT


def test_systems_are_measured_and_shown(tmp_path):
    folder, out = tmp_path / "model", tmp_path / "eval" / "speed.json"
    shutil.copytree(DEFAULT, folder)
    shutil.copytree(ROOT / "eval", tmp_path / "eval")
    command = [ROOT / "eval" / "speed.py", "--quick", "--systems", "onnx", "pipeline-32", "--model", folder]
    done = subprocess.run([sys.executable, *command, "--out", out], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text("utf-8"))
    assert [row[0] for row in found["rows"]] == ["duban, onnxruntime", "pipeline, batch 32"]
    stages = next(table for table in found["tables"] if table["title"].startswith("Where"))
    assert {"graph: products", "decoding", "tokenizer", "names", "attribution"} <= {row[0] for row in stages["rows"]}

    (tmp_path / "README.md").write_text("<!-- figures: speed --><!-- /figures -->", encoding="utf-8")
    for name in ("model_card.md", "data/README.md", "model/base/README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("", encoding="utf-8")
    subprocess.run([sys.executable, tmp_path / "eval" / "card.py"], check=True)
    card = (tmp_path / "README.md").read_text("utf-8")
    assert all(part in card for part in ("| pipeline, batch 32 |", found["note"], "**Where duban's time goes"))
