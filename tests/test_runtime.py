"""What computes the model: onnxruntime alone, or torch; both read alike."""

import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, SAMPLE

import duban
from duban import corpus
from duban.checkpoint import DEFAULT, ONNX
from duban.runtime import OnnxRuntime
from duban.torch_runtime import TorchRuntime
from export import calibrating, export

WITHOUT_TORCH = "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\nimport duban\n"


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The default model's folder without the file for onnxruntime."""
    folder = tmp_path_factory.mktemp("bare")
    for path in DEFAULT.glob("*.*"):
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def light(bare, tmp_path_factory):
    """The default model's folder with nothing but what onnxruntime needs."""
    folder = tmp_path_factory.mktemp("light") / "model"
    shutil.copytree(bare, folder)
    export(folder, calibrating(corpus.load(ROOT / "data" / "annotations")))
    (folder / "model.safetensors").unlink()
    return folder


def spans(document):
    return {(s.label, s.start, s.end) for s in document.spans}


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout


def test_both_read_alike(light, bare, composed):
    texts = [r.text for r in composed if r.split == "dev"][:8]
    one, two = (duban.load(folder, device="cpu").predict(texts) for folder in (light, bare))
    unlike = sum(len(spans(a) ^ spans(b)) for a, b in zip(one, two, strict=True))
    assert unlike <= 0.02 * sum(len(spans(a)) + len(spans(b)) for a, b in zip(one, two, strict=True))


def test_a_text_reads_the_same_in_any_batch(light, composed):
    texts = [*(r.text for r in composed[:2]), "", SAMPLE, "孙志强调，要守住底线。"]
    alone = duban.load(light, device="cpu", batch_tokens=1).predict(texts)
    for document, other in zip(alone, duban.load(light, device="cpu").predict(texts), strict=True):
        assert spans(document) == spans(other)
        assert [s.score for s in document.spans] == pytest.approx([s.score for s in other.spans], abs=2e-3)


def test_the_folder_decides_what_computes(light, bare):
    assert isinstance(duban.load(light, device="cpu").runtime, OnnxRuntime)
    assert isinstance(duban.load(bare, device="cpu").runtime, TorchRuntime)
    with pytest.raises(OSError, match=r"no onnx/model.onnx .*export.py"):
        duban.load(bare, runtime="onnx")
    with pytest.raises(OSError, match="no model at"):
        duban.load(light, runtime="torch")


def test_it_reads_without_torch(light):
    code = f"print(duban.load({str(light)!r}).predict('孙志强调，要守住底线。').directives[0].text)"
    assert run(WITHOUT_TORCH + code) == "守住底线\n"


@pytest.mark.parametrize("options", ["device='cuda'", "runtime='torch'", ""])
def test_without_torch_it_says_what_to_install(bare, options):
    code = f"try: duban.load({str(bare)!r}, {options})\nexcept (OSError, ValueError) as error: print(error)"
    assert "pip install 'duban[torch]'" in run(WITHOUT_TORCH + code)


def test_a_broken_file_is_named(light, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(light, folder)
    (folder / ONNX).write_bytes((folder / ONNX).read_bytes()[:100_000])
    with pytest.raises(OSError, match=r"model\.onnx is no model that onnxruntime reads"):
        duban.load(folder, device="cpu")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"runtime": "jax"}, "unknown runtime 'jax'"),
        ({"runtime": "onnx", "device": "cuda"}, "runtime 'onnx' runs on the CPU"),
        ({"batch_tokens": 0}, "batch_tokens is 0"),
    ],
)
def test_options_that_cannot_be_are_named(light, options, why):
    with pytest.raises(ValueError, match=why):
        duban.load(light, **options)


def test_import_loads_nothing_heavy():
    heavy = ("torch", "transformers", "onnxruntime", "huggingface_hub", "opencc", "rich", "typer")
    code = f"import sys, duban; print([name for name in {heavy} if name in sys.modules])"
    assert run(code) == "[]\n"
