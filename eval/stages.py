"""Where duban's time goes when onnxruntime computes its model: seconds by stage, and by kind of operator."""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

#: onnxruntime's operators that are matrix products, and what those of attention have in their names.
PRODUCTS, ATTENTION = ("MatMul", "MatMulIntegerToFloat"), "Attention"


class Stages:
    """Seconds spent in functions, by stage, without what they spend in those of another stage."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inner = 0.0

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def call(*args: Any, **kwargs: Any) -> Any:
            outer, self._inner = self._inner, 0.0
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                took = time.perf_counter() - began
                self.seconds[stage] += took - self._inner  # type: ignore[assignment]
                self._inner = outer + took

        return call


def profile(folder: Path, texts: list[str]) -> dict[str, float]:
    """Seconds that duban by onnxruntime spends in each stage of reading the texts."""
    import onnxruntime

    import duban
    from duban import decode, names, tagger, tokens
    from duban.checkpoint import ONNX

    model = duban.load(folder, device="cpu", runtime="onnx")
    runtime: Any = model.runtime
    model.predict(texts[:32])
    # First the operators of the graph: their shares, since their timing slows them.
    options = runtime._session.get_session_options()
    with tempfile.TemporaryDirectory() as place:
        options.enable_profiling, options.profile_file_prefix = True, str(Path(place, "profile"))
        plain = runtime._session
        runtime._session = onnxruntime.InferenceSession(folder / ONNX, options, providers=["CPUExecutionProvider"])
        model.predict(texts)
        events = json.loads(Path(runtime._session.end_profiling()).read_text("utf-8"))
        runtime._session = plain
    operators: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            operator = event["args"]["op_name"]
            kind = "products" if operator in PRODUCTS else "attention" if ATTENTION in operator else "the rest"
            operators[kind] += event["dur"]
    stages = Stages()
    places: list[tuple[Any, str, str]] = [
        (tokens, "normalise", "text: normalising"),
        (tagger, "tokenise", "tokens, windows, batches"),
        (model, "logits", "tokens, windows, batches"),
        (runtime._session, "run", "graph"),
        (decode.Lattice, "__init__", "decoding"),
        (decode.Lattice, "decode", "decoding"),
        (decode.Lattice, "probabilities", "names"),
        (names, "places", "names"),
        (names, "settle", "names"),
        (tagger, "assemble", "attribution"),
    ]
    for owner, name, stage in places:
        setattr(owner, name, stages.timed(stage, getattr(owner, name)))
    encode: Any = stages.timed("tokenizer", model.tokenizer.encode)
    model.tokenizer = SimpleNamespace(encode=encode)  # type: ignore[assignment]
    stages.timed("the rest", model.predict)(texts)
    found = dict(stages.seconds)
    graph = found.pop("graph")
    return {f"graph: {kind}": graph * of / operators.total() for kind, of in operators.items()} | found
