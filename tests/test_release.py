"""What is released: one version everywhere, and all that is needed in the wheel."""

import re
import subprocess
import sys
import zipfile

import pytest
from conftest import ROOT

import duban


def test_the_version_is_the_same_everywhere():
    stated = {
        "CITATION.cff": r"^version: (\S+)",
        "CHANGELOG.md": r"^## \[(\d\S+)\]",  # the newest comes first
        "space/requirements.txt": r"^duban\[demo\]==(\S+)",
    }
    for file, pattern in stated.items():
        found = re.search(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
        assert found, file
        assert found[1] == duban.__version__, file


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling", reason="builds without a network need hatchling")
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", out, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    return zipfile.ZipFile(next(out.glob("*.whl"))).namelist()


def test_the_wheel_holds_the_model_and_the_samples_and_no_more(wheel):
    shipped = {p.relative_to(ROOT / "model").as_posix() for p in (ROOT / "model" / "duban").rglob("*") if p.is_file()}
    shipped = {name for name in shipped if "__pycache__" not in name}
    inside = {name for name in wheel if ".dist-info/" not in name}
    assert inside == shipped
    needed = {"model.safetensors", "onnx/model.onnx", "tokenizer.json", "config.json"}
    assert {f"duban/default/{name}" for name in needed} | {"duban/samples/1.txt"} <= inside
