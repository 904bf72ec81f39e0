"""The systems whose speed eval/speed.py measures, and what it asks of the process in which each of them runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, cast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # for export.py

# A process imports this module before its start-up is timed, so the rest is imported where it is used.

#: Reads texts; what it gives is thrown away.
Read = Callable[[list[str]], Any]
#: Flags of a processor that decide how fast it multiplies.
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm", "bf16")
#: Tokens in a product of the measured GEMM rate.
GEMM_TOKENS = 2048


def flags() -> set[str]:
    """Those of FLAGS that the processor has, on Linux."""
    path = Path("/proc/cpuinfo")
    return set(path.read_text().split()) & set(FLAGS) if path.is_file() else set()


def duban_onnx(folder: Path) -> Read:
    """duban as it is installed, without torch."""
    import duban

    return duban.load(folder, device="cpu", runtime="onnx").predict


def duban_onnx_float(folder: Path) -> Read:
    """duban by onnxruntime with products in 32 bits; starting it includes writing its file."""
    import shutil
    import tempfile

    from export import export

    with tempfile.TemporaryDirectory() as place:
        copy = Path(shutil.copytree(folder, Path(place, "model")))
        export(copy)
        return duban_onnx(copy)


def duban_openvino(folder: Path, numbers: str) -> Read:
    """duban by OpenVINO, in bfloat16 or by NNCF's static quantisation; starting it includes making its graph."""
    import numpy as np
    import openvino
    import torch
    from transformers import AutoModelForTokenClassification

    from duban import corpus
    from duban.checkpoint import Checkpoint
    from duban.runtime import BATCH_TOKENS, Runtime, pad, processors
    from duban.tagger import Tagger
    from duban.tokens import tokenise
    from export import calibrating

    checkpoint = Checkpoint.read(folder, str(folder))
    model = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval()
    example = {name: torch.ones((2, 8), dtype=torch.int64) for name in ("input_ids", "attention_mask")}
    graph = openvino.convert_model(model, example_input=example)
    if numbers == "int8":
        import nncf

        reports = corpus.load(ROOT / "data" / "annotations" / "composed.jsonl")
        texts = calibrating(reports)
        rows = [pad([tokenise(text, checkpoint.tokenizer).ids[:254]], checkpoint.special) for text in texts]
        data = nncf.Dataset([dict(zip(("input_ids", "attention_mask"), row, strict=True)) for row in rows])
        graph = nncf.quantize(graph, data, model_type=nncf.ModelType.TRANSFORMER, subset_size=len(rows))
    hint = {"INFERENCE_PRECISION_HINT": "bf16" if numbers == "bfloat16" else "f32"}
    compiled = openvino.Core().compile_model(graph, "CPU", hint | {"INFERENCE_NUM_THREADS": processors()})

    class OpenVino(Runtime):
        def _outputs(self, batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[np.ndarray]:
            for ids, mask in batches:
                yield compiled({"input_ids": ids, "attention_mask": mask})[0]

    return Tagger(OpenVino(checkpoint, BATCH_TOKENS)).predict


def duban_torch(folder: Path, dtype: str) -> Read:
    """duban by torch."""
    import torch
    from transformers import AutoModelForTokenClassification

    from duban.checkpoint import Checkpoint
    from duban.runtime import processors
    from duban.tagger import Tagger
    from duban.torch_runtime import TorchRuntime

    torch.set_num_threads(processors())
    model = AutoModelForTokenClassification.from_pretrained(folder, dtype=getattr(torch, dtype))
    return Tagger(TorchRuntime(model, Checkpoint.read(folder, str(folder)))).predict


def pipeline(folder: Path, dtype: str, batch: int) -> Read:
    """transformers' pipeline; only with a stride does it read a long text whole, in windows of the model's length."""
    import torch
    import transformers

    from duban.runtime import processors

    torch.set_num_threads(processors())
    return transformers.pipeline(
        "token-classification",
        model=str(folder),
        dtype=getattr(torch, dtype),
        device="cpu",
        aggregation_strategy="simple",
        stride=32,
        batch_size=batch,
    )


def spacy(folder: Path) -> Read:
    """spaCy's entity recogniser for one layer, over characters, untrained: its speed does not depend on weights."""
    import spacy as library

    from duban.labels import ENTITY_LABELS

    nlp = library.blank("zh")
    recogniser: Any = nlp.add_pipe("ner")
    for label in ENTITY_LABELS:
        recogniser.add_label(label)
    nlp.initialize()
    return lambda texts: list(nlp.pipe(texts))


def load_lac() -> Any:
    """Baidu's LAC 2.1.2, of 2021, made to find what it calls `paddle.fluid` where paddle 2.6 has it."""
    import paddle

    sys.modules |= {"paddle.fluid": paddle.base, "paddle.fluid.core": paddle.base.core}
    from LAC import LAC

    return LAC(mode="lac")


def lac(folder: Path) -> Read:
    """Baidu's LAC."""
    return cast(Read, load_lac().run)


class System(NamedTuple):
    """A system: its title, what makes its reader from a checkpoint, in which numbers it computes matrix products."""

    title: str
    make: Callable[[Path], Read]
    numbers: str = ""


SYSTEMS = {
    "onnx": System("duban, onnxruntime", duban_onnx, "int8"),
    "onnx-float": System("duban, onnxruntime", duban_onnx_float, "float32"),
    "openvino": System("duban, OpenVINO", partial(duban_openvino, numbers="bfloat16"), "bfloat16"),
    "openvino-int8": System("duban, OpenVINO", partial(duban_openvino, numbers="int8"), "int8"),
    "torch": System("duban, torch", partial(duban_torch, dtype="float32"), "float32"),
    "torch-bf16": System("duban, torch", partial(duban_torch, dtype="bfloat16"), "bfloat16"),
    **{
        f"pipeline{short}-{batch}": System(
            f"pipeline, batch {batch}", partial(pipeline, dtype=numbers, batch=batch), numbers
        )
        for short, numbers in (("", "float32"), ("-bf16", "bfloat16"))
        for batch in (1, 32)
    },
    "spacy": System("spaCy", spacy),
    "lac": System("LAC", lac),
}


def missing(name: str, folder: Path) -> str:
    """Why a system cannot be measured here; empty when it can."""
    from duban.checkpoint import ONNX

    if name == "onnx" and not (folder / ONNX).is_file():
        return f"{folder} has no {ONNX}: make it with export.py"
    if SYSTEMS[name].numbers == "bfloat16" and not {"avx512_bf16", "amx_bf16"} & flags():
        return "the processor has no bfloat16"
    needed = {"lac": "LAC paddle", "spacy": "spacy", "openvino": "openvino", "openvino-int8": "openvino nncf"}
    absent = [package for package in needed.get(name, "transformers").split() if not find_spec(package)]
    return f"{' and '.join(absent)} not installed" if absent else ""


_read: Read


def start(name: str, folder: Path) -> float:
    """Seconds to import and load a system."""
    global _read
    began = time.perf_counter()
    _read = SYSTEMS[name].make(folder)
    took = time.perf_counter() - began
    _read(["县委书记孙志强调,各乡镇要守住安全底线。"] * 2)  # the first texts pay for what is made once
    return took


def seconds(requests: list[list[str]]) -> list[float]:
    """Seconds of each request."""
    found = []
    for texts in requests:
        began = time.perf_counter()
        _read(texts)
        found.append(time.perf_counter() - began)
    return found


def peak() -> float:
    """The most memory that this process has held, in MB. (getrusage would count its parent's.)"""
    line = next(s for s in Path("/proc/self/status").read_text().splitlines() if s.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def gemm(shapes: Sequence[tuple[int, int]], numbers: str) -> float:
    """Products of matrices by torch: billions of operations a second, the best of 10."""
    import torch

    from duban.runtime import processors

    torch.set_num_threads(processors())
    if numbers == "int8":
        draw = partial(torch.randint, -127, 128, dtype=torch.int8)
        pairs = [(draw((GEMM_TOKENS, wide)), draw((wide, out))) for wide, out in shapes]
        product: Callable[..., Any] = torch._int_mm
    else:
        made = partial(torch.randn, dtype=getattr(torch, numbers))
        pairs = [(made(GEMM_TOKENS, wide), made(out, wide)) for wide, out in shapes]
        product = torch.nn.functional.linear
    times = []
    for _ in range(11):
        began = time.perf_counter()
        for pair in pairs:
            product(*pair)
        times.append(time.perf_counter() - began)
    return sum(2 * GEMM_TOKENS * wide * out for wide, out in shapes) / min(times[1:]) / 1e9
