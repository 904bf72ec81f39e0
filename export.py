"""Make the file by which duban reads without torch: onnx/model.onnx in a folder that holds a BERT's safetensors.

    python export.py runs/train/model
    python export.py model/duban/default --float           # weights as they are, not in 8 bits

The graph is written out in onnxruntime's own fused operators. The weights of the products are stored in 8 bits with a
scale for each BLOCK of them, and the products computed in 8 bits where the processor can (see MatMulNBits in
onnxruntime's ContribOperators.md); each token is scaled for itself, so a text reads the same in any batch.
Then the file is checked against torch in float32 on the composed reports of the dev split.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from duban import corpus
from duban.checkpoint import ONNX, Checkpoint
from duban.models import load
from duban.tagger import Tagger

ROOT = Path(__file__).resolve().parent
#: Weights that share a scale.
BLOCK = 32
#: The domain of onnxruntime's operators, and the versions of those and of ONNX's that are used.
MICROSOFT = "com.microsoft"
VERSIONS = {"": 18, MICROSOFT: 1}


class Graph:
    """A graph in the making. Its methods add an operator and return the name of what that gives."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Any) -> str:
        """An array that comes with the graph."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), f"constant_{len(self.constants)}"))
        return str(self.constants[-1].name)

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """An operator of ONNX."""
        return self.split(operator, 1, *inputs, **attributes)[0]

    def fused(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """An operator of onnxruntime."""
        return self.add(operator, *inputs, domain=MICROSOFT, **attributes)

    def split(self, operator: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """An operator with so many outputs."""
        names = [f"{operator}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names

    def product(self, x: str, weight: np.ndarray, bits: int) -> str:
        """x (…, in) @ weight.T, of a weight (out, in), stored in 8 bits or as it is."""
        if bits == 32:
            return self.add("MatMul", x, self.constant(weight.T))
        out, wide = weight.shape
        blocks = np.pad(weight, ((0, 0), (0, -wide % BLOCK))).reshape(out, -1, BLOCK)
        scales = np.maximum(np.abs(blocks).max(axis=2), 1e-9) / 127
        codes = (np.rint(blocks / scales[:, :, None]) + 128).astype(np.uint8)
        constants = self.constant(codes), self.constant(scales)
        # Level 4: the activations too are rounded to 8 bits, block by block.
        return self.fused("MatMulNBits", x, *constants, K=wide, N=out, bits=8, block_size=BLOCK, accuracy_level=4)


def bert(config: dict[str, Any], tensors: dict[str, np.ndarray], bits: int) -> onnx.ModelProto:
    """The graph of a BERT for token classification: `input_ids` and `attention_mask` in, `logits` out.

    Args:
        config: what its config.json holds.
        tensors: its weights, by their names in transformers.
        bits: 8 or 32, of a weight in the products.

    Raises:
        ValueError: when it is another kind of model.
    """
    kind = config.get("model_type"), config.get("hidden_act")
    if kind != ("bert", "gelu"):
        raise ValueError(f"this is a {kind[0]} with {kind[1]}; only a bert with gelu can be written out")
    g = Graph()
    w = {name.removeprefix("bert."): tensor.astype(np.float32) for name, tensor in tensors.items()}
    epsilon = config["layer_norm_eps"]

    def constants(prefix: str, *names: str) -> list[str]:
        return [g.constant(w[f"{prefix}.{name}"]) for name in names]

    def normalised_sum(x: str, skip: str, prefix: str) -> str:
        its = constants(prefix, "LayerNorm.weight", "LayerNorm.bias", "dense.bias")
        return g.fused("SkipLayerNormalization", x, skip, *its, epsilon=epsilon)

    mask = g.add("Cast", "attention_mask", to=TensorProto.INT32)
    words = w["embeddings.word_embeddings.weight"].astype(np.float16)  # as the safetensors hold them
    read = g.add("Cast", g.add("Gather", g.constant(words), "input_ids"), to=TensorProto.FLOAT)
    places = w["embeddings.position_embeddings.weight"] + w["embeddings.token_type_embeddings.weight"][0]
    length = g.add("Shape", "input_ids", start=1)
    here = g.add("Slice", g.constant(places), g.constant(np.array([0])), length, g.constant(np.array([0])))
    norm = constants("embeddings.LayerNorm", "weight", "bias")
    x = g.add("LayerNormalization", g.add("Add", read, here), *norm, epsilon=epsilon)
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        three = [f"{layer}.attention.self.{name}" for name in ("query", "key", "value")]
        looked = g.product(x, np.concatenate([w[f"{name}.weight"] for name in three]), bits)
        parts = g.split("Split", 3, looked, axis=-1, num_outputs=3)
        bias = g.constant(np.concatenate([w[f"{name}.bias"] for name in three]))
        seen = g.fused("MultiHeadAttention", *parts, bias, mask, num_heads=config["num_attention_heads"])
        seen = g.product(seen, w[f"{layer}.attention.output.dense.weight"], bits)
        x = normalised_sum(seen, x, f"{layer}.attention.output")
        wide = g.product(x, w[f"{layer}.intermediate.dense.weight"], bits)
        wide = g.fused("BiasGelu", wide, *constants(f"{layer}.intermediate.dense", "bias"))
        x = normalised_sum(g.product(wide, w[f"{layer}.output.dense.weight"], bits), x, f"{layer}.output")
    logits = g.add("Add", g.product(x, w["classifier.weight"], 32), *constants("classifier", "bias"))
    g.nodes.append(helper.make_node("Identity", [logits], ["logits"]))

    def value(name: str, kind: int, *shape: str | int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    graph = helper.make_graph(
        g.nodes,
        "duban",
        [value(name, TensorProto.INT64, "rows", "tokens") for name in ("input_ids", "attention_mask")],
        [value("logits", TensorProto.FLOAT, "rows", "tokens", len(w["classifier.bias"]))],
        g.constants,
    )
    versions = [helper.make_opsetid(domain, version) for domain, version in VERSIONS.items()]
    return helper.make_model(graph, opset_imports=versions, ir_version=9, producer_name="duban")


def export(folder: Path, bits: int = 8) -> Path:
    """Write the file of a folder with config.json and model.safetensors; returns its path. Raises as `bert` does."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    model = bert(config, load_file(folder / "model.safetensors"), bits)
    path = folder / ONNX
    path.parent.mkdir(exist_ok=True)
    onnx.save(model, path)
    return path


def check(folder: Path, reports: list[corpus.Report]) -> str:
    """How the file reads the reports beside torch in float32: spans that differ, and the strict F1 of both."""
    from transformers import AutoModelForTokenClassification

    from duban.scoring import strict_scores
    from duban.torch_runtime import TorchRuntime

    model = AutoModelForTokenClassification.from_pretrained(folder).float()
    exact = Tagger(TorchRuntime(model, Checkpoint.read(folder, str(folder))))
    found, told = [], []
    for name, tagger in {"torch": exact, "onnx": load(folder, device="cpu", runtime="onnx")}.items():
        documents = tagger.predict([report.text for report in reports])
        found.append([[(s.start, s.end, s.label) for s in document.spans] for document in documents])
        gold, lengths = [report.spans() for report in reports], [len(report.text) for report in reports]
        told.append(f"{name} F1 {strict_scores(gold, found[-1], lengths)['micro avg']['f1']:.4f}")
    unlike = sum(len(set(a) ^ set(b)) for a, b in zip(*found, strict=True))
    return f"{', '.join(told)}; {unlike} spans differ, of {sum(map(len, found[0]))}"


def main() -> None:
    """Export and check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--float", action="store_true", help="32 bits a weight in the products, not 8")
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "annotations")
    parser.add_argument("--news", type=Path, help="folder of the news texts, to check on them too")
    args = parser.parse_args()
    path = export(args.folder, 32 if args.float else 8)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    print(check(args.folder, [r for r in corpus.load(args.data, args.news) if r.split == "dev"]))


if __name__ == "__main__":
    main()
