"""Make the file by which duban reads without torch: onnx/model.onnx in a folder that holds a BERT's safetensors.

    python export.py runs/train/model
    python export.py model/duban/default --float           # products in 32 bits, not in 8

In 8 bits, what goes into a product is rounded to 256 levels between the least and the greatest value seen while reading
some training reports (static quantisation, Jacob et al. 2018), so a text reads the same in any batch. The two products
that have channels far beyond the others get them scaled down, and the weights up (Xiao et al. 2023). The weights are
rounded to 7 bits with a scale for each output, since on processors without VNNI the sum of two products of 8 bits could
overflow. What lies between the products stays in 32 bits, in onnxruntime's own operators (its ContribOperators.md).
Then the file is checked against torch in float32 on the composed reports of the dev split.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from duban import corpus
from duban.checkpoint import ONNX, Checkpoint
from duban.models import load
from duban.runtime import pad
from duban.tagger import Tagger
from duban.tokens import tokenise, window_of

ROOT = Path(__file__).resolve().parent
#: The greatest weight in 7 bits.
TOP = 63
#: How far SmoothQuant goes from even weights (0) to even activations (1); chosen on dev.
SMOOTHING = 0.85
#: Reports that the ranges of the activations are taken from, and how far apart they are where there are enough: the
#: same ones when a corpus grows at its end, so that layers that were not trained on stay as they are here too.
CALIBRATING, APART = 32, 33
#: The domain of onnxruntime's operators, and the versions of those and of ONNX's that are used.
MICROSOFT = "com.microsoft"
VERSIONS = {"": 18, MICROSOFT: 1}
#: The least and the greatest value, at most and at least 0, of each channel of what goes into a product.
Range = tuple[np.ndarray, np.ndarray]


class Graph:
    """A graph in the making. Its methods add an operator and return the name of what that gives.

    Args:
        ranges: of what goes into the products, in the order of their use; None for products in 32 bits.
    """

    def __init__(self, ranges: Sequence[Range] | None) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.ranges = ranges
        self.inputs: dict[str, tuple[str, str, str]] = {}  # of the products: in 8 bits, their scale, their zero

    def constant(self, value: Any) -> str:
        """An array that comes with the graph."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), f"constant_{len(self.constants)}"))
        return str(self.constants[-1].name)

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """An operator of ONNX."""
        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def fused(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """An operator of onnxruntime."""
        return self.add(operator, *inputs, domain=MICROSOFT, **attributes)

    def product(self, x: str, weight: np.ndarray, bias: np.ndarray | None = None, smooth: bool = False) -> str:
        """x (…, in) @ weight.T + bias, of a weight (out, in) and a bias (out); `smooth` where x serves it alone."""
        if self.ranges is None:
            self.inputs[x] = ("", "", "")
            y = self.add("MatMul", x, self.constant(weight.T))
            return y if bias is None else self.add("Add", y, self.constant(bias))
        if x not in self.inputs:
            low, high = self.ranges[len(self.inputs)]
            even = x
            if smooth:
                reach = np.maximum(np.maximum(-low, high), 1e-4) ** SMOOTHING
                shares = reach / np.maximum(np.abs(weight).max(axis=0), 1e-4) ** (1 - SMOOTHING)
                shares = (shares / np.exp(np.log(shares).mean())).astype(np.float32)
                even, weight = self.add("Mul", x, self.constant(1 / shares)), weight * shares
                low, high = low / shares, high / shares
            step = max(float(high.max() - low.min()), 1e-6) / 255
            zero = self.constant(np.uint8(np.clip(round(-float(low.min()) / step), 0, 255)))
            scale = self.constant(np.float32(step))
            self.inputs[x] = self.add("QuantizeLinear", even, scale, zero), scale, zero
        coded, scale, zero = self.inputs[x]
        steps = (np.maximum(np.abs(weight).max(axis=1), 1e-9) / TOP).astype(np.float32)
        codes = np.rint(weight / steps[:, None]).astype(np.int8)
        constants = [scale, self.constant(steps), zero]
        if bias is not None:
            constants += ["", self.constant(bias)]
        return self.fused("MatMulIntegerToFloat", coded, self.constant(codes.T), *constants)


def bert(config: dict[str, Any], tensors: dict[str, np.ndarray], ranges: Sequence[Range] | None = None) -> Graph:
    """The graph of a BERT for token classification, which ends in `logits`.

    Args:
        config: what its config.json holds.
        tensors: its weights, by their names in transformers.
        ranges: as for Graph.

    Raises:
        ValueError: when it is another kind of model.
    """
    kind = config.get("model_type"), config.get("hidden_act")
    if kind != ("bert", "gelu"):
        raise ValueError(f"this is a {kind[0]} with {kind[1]}; only a bert with gelu can be written out")
    g = Graph(ranges)
    w = {name.removeprefix("bert."): tensor.astype(np.float32) for name, tensor in tensors.items()}

    def dense(x: str, prefix: str, smooth: bool = False) -> str:
        return g.product(x, w[f"{prefix}.weight"], w[f"{prefix}.bias"], smooth)

    def normalised(x: str, prefix: str) -> str:
        its = [g.constant(w[f"{prefix}.LayerNorm.{name}"]) for name in ("weight", "bias")]
        return g.add("LayerNormalization", x, *its, epsilon=config["layer_norm_eps"])

    mask = g.add("Cast", "attention_mask", to=TensorProto.INT32)
    words = w["embeddings.word_embeddings.weight"].astype(np.float16)  # as the safetensors hold them
    read = g.add("Cast", g.add("Gather", g.constant(words), "input_ids"), to=TensorProto.FLOAT)
    places = w["embeddings.position_embeddings.weight"] + w["embeddings.token_type_embeddings.weight"][0]
    length = g.add("Shape", "input_ids", start=1)
    here = g.add("Slice", g.constant(places), g.constant(np.array([0])), length, g.constant(np.array([0])))
    x = normalised(g.add("Add", read, here), "embeddings")
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        three = [dense(x, f"{layer}.attention.self.{name}") for name in ("query", "key", "value")]
        seen = g.fused("MultiHeadAttention", *three, "", mask, num_heads=config["num_attention_heads"])
        x = normalised(g.add("Add", dense(seen, f"{layer}.attention.output.dense"), x), f"{layer}.attention.output")
        wide = g.product(x, w[f"{layer}.intermediate.dense.weight"], smooth=True)
        wide = g.fused("BiasGelu", wide, g.constant(w[f"{layer}.intermediate.dense.bias"]))
        x = normalised(g.add("Add", dense(wide, f"{layer}.output.dense", smooth=True), x), f"{layer}.output")
    logits = g.add("MatMul", x, g.constant(w["classifier.weight"].T))  # few outputs, and the nearest to the tags
    g.nodes.append(helper.make_node("Add", [logits, g.constant(w["classifier.bias"])], ["logits"]))
    return g


def model(g: Graph, outputs: Sequence[str] = ("logits",)) -> onnx.ModelProto:
    """A graph as ONNX: `input_ids` and `attention_mask`, (rows, tokens) int64, in; `outputs` out."""
    ins = [
        helper.make_tensor_value_info(x, TensorProto.INT64, ("rows", "tokens")) for x in ("input_ids", "attention_mask")
    ]
    outs = [helper.make_tensor_value_info(x, TensorProto.FLOAT, None) for x in outputs]
    versions = [helper.make_opsetid(domain, version) for domain, version in VERSIONS.items()]
    graph = helper.make_graph(g.nodes, "duban", ins, outs, g.constants)
    return helper.make_model(graph, opset_imports=versions, ir_version=9, producer_name="duban")


def calibrate(g: Graph, checkpoint: Checkpoint, texts: Sequence[str]) -> list[Range]:
    """The ranges, over the tokens of the texts, of what goes into the products of a graph in 32 bits."""
    import onnxruntime

    wanted = list(g.inputs)
    session = onnxruntime.InferenceSession(model(g, wanted).SerializeToString(), providers=["CPUExecutionProvider"])
    size = window_of(checkpoint.positions)[0]
    ranges: list[Range] = [(np.zeros(1), np.zeros(1))] * len(wanted)
    for text in texts:
        ids = tokenise(text, checkpoint.tokenizer).ids
        for at in range(0, len(ids), size):
            row, mask = pad([ids[at : at + size]], checkpoint.special)
            found = session.run(wanted, {"input_ids": row, "attention_mask": mask})
            ranges = [
                (np.minimum(low, x[0].min(axis=0)), np.maximum(high, x[0].max(axis=0)))
                for (low, high), x in zip(ranges, found, strict=True)
            ]
    return ranges


def export(folder: Path, texts: Sequence[str] = ()) -> Path:
    """Write the file of a folder with config.json and model.safetensors; returns its path.

    Args:
        folder: of the model and its tokenizer.
        texts: training reports; without any the products stay in 32 bits.

    Raises:
        ValueError: when it is another kind of model than a BERT.
    """
    config = json.loads((folder / "config.json").read_text("utf-8"))
    tensors = load_file(folder / "model.safetensors")
    graph = bert(config, tensors)
    if texts:
        graph = bert(config, tensors, calibrate(graph, Checkpoint.read(folder, str(folder)), texts))
    path = folder / ONNX
    path.parent.mkdir(exist_ok=True)
    onnx.save(model(graph), path)
    return path


def calibrating(reports: Sequence[corpus.Report]) -> list[str]:
    """Texts for the calibration: some of the composed reports of the train split, or of all where there are none."""
    learned = [report for report in reports if report.split == "train"]
    chosen = [report.text for report in learned if report.source == corpus.COMPOSED] or [r.text for r in learned]
    return chosen[:: max(1, min(APART, len(chosen) // CALIBRATING))][:CALIBRATING]


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
    parser.add_argument("--float", action="store_true", help="products in 32 bits, not in 8")
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "annotations")
    parser.add_argument("--news", type=Path, help="folder of the news texts, to check on them too")
    args = parser.parse_args()
    reports = corpus.load(args.data, args.news)
    path = export(args.folder, () if args.float else calibrating(reports))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    print(check(args.folder, [report for report in reports if report.split == "dev"]))


if __name__ == "__main__":
    main()
