"""Where a model comes from and what computes it: `duban.load`."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from duban.checkpoint import DEFAULT, ONNX, SAFETENSORS, Checkpoint, fetch
from duban.runtime import OnnxRuntime, Runtime
from duban.tagger import Tagger

_INSTALL = "install it with: pip install 'duban[torch]'"


def load(
    source: str | Path | None = None,
    *,
    device: str = "auto",
    runtime: Literal["auto", "onnx", "torch"] = "auto",
    batch_tokens: int | None = None,
    revision: str | None = None,
) -> Tagger:
    """A Tagger from the model that comes with duban, a folder, or a model of the Hugging Face Hub.

    Args:
        source: a folder or a Hub id; None for the default model.
        device: "auto" (CUDA, then MPS, then CPU), "cpu", "cuda", "cuda:N" or "mps". A GPU needs `duban[torch]`.
        runtime: "onnx" (CPU), "torch", or "auto": torch on a GPU; on the CPU onnxruntime where the model has its file.
        batch_tokens: how many tokens the model reads at once, padding included; None for what suits the device.
        revision: branch, tag or commit of the Hub model.

    Raises:
        OSError: when there is no such folder or model, or torch is needed for it and not there; the message says what
            was looked for.
        ValueError: for a device or a runtime that this machine lacks, or a model with other labels.
    """
    name = str(DEFAULT if source is None else source)
    place = _device(device, runtime)
    if runtime == "torch" or place != "cpu":
        return Tagger(_torch(name, revision, place, batch_tokens))
    folder = fetch(name, revision, ONNX)
    if (folder / ONNX).is_file():
        return Tagger(OnnxRuntime(folder / ONNX, Checkpoint.read(folder, name), batch_tokens))
    if runtime == "onnx":
        raise OSError(f"no {ONNX} at {name!r}: make it with export.py, or load with runtime='torch'")
    if find_spec("torch") is None:
        raise OSError(f"{name!r} has no {ONNX}, so reading it needs torch; {_INSTALL}")
    return Tagger(_torch(name, revision, place, batch_tokens))


def _torch(name: str, revision: str | None, device: str, batch_tokens: int | None) -> Runtime:
    from duban.torch_runtime import TorchRuntime

    folder = fetch(name, revision, SAFETENSORS)
    return TorchRuntime.read(folder, name, Checkpoint.read(folder, name), device, batch_tokens)


def _device(device: str, runtime: str) -> str:
    """The device by torch's name. Raises ValueError when it, or what it needs, is not there."""
    if runtime not in ("auto", "onnx", "torch"):
        raise ValueError(f"unknown runtime {runtime!r}: expected 'auto', 'onnx' or 'torch'")
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (number and not number.isdecimal()) or (number and kind != "cuda"):
        raise ValueError(f"unknown device {device!r}: expected 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'")
    if runtime == "onnx":
        if kind not in ("auto", "cpu"):
            raise ValueError(f"runtime 'onnx' runs on the CPU; for device {device!r} load with runtime='torch'")
        return "cpu"
    if find_spec("torch") is None:
        if runtime == "torch" or kind not in ("auto", "cpu"):
            asked = "runtime 'torch'" if runtime == "torch" else f"device {device!r}"
            raise ValueError(f"{asked} needs torch, which is not installed; {_INSTALL}")
        return "cpu"
    if kind == "cpu":
        return device
    import torch

    there = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if kind == "auto":
        return next((name for name, count in there.items() if count), "cpu")
    if int(number or 0) >= there[kind]:
        raise ValueError(
            f"device {device!r} is not on this machine, which has {there['cuda']} CUDA devices; try 'auto'"
        )
    return device


@cache
def default() -> Tagger:
    """The Tagger that `duban.predict` uses: the default model on the best device, loaded at the first call."""
    return load()
