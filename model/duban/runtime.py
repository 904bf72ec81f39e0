"""Rows of token ids → logits. `OnnxRuntime` computes them on the CPU; `duban.torch_runtime` by torch, on any device."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from duban.checkpoint import Checkpoint, Special

#: Tokens that a batch holds on a CPU, padding included.
BATCH_TOKENS = 2048


class Runtime(ABC):
    """Computes a token classifier.

    Args:
        checkpoint: what is known of the model.
        batch_tokens: bound of a batch in tokens, padding included; a row longer than this is a batch of its own.

    Raises:
        ValueError: when the bound is below 1.
    """

    def __init__(self, checkpoint: Checkpoint, batch_tokens: int) -> None:
        if batch_tokens < 1:
            raise ValueError(f"batch_tokens is {batch_tokens}, it must be at least 1")
        self.checkpoint = checkpoint
        self.batch_tokens = batch_tokens

    def logits(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """For each row of token ids, [CLS] and [SEP] not included, its logits (tokens, tags), tags as in TAGS."""
        found: list[np.ndarray] = [np.empty(0)] * len(rows)
        batches = list(_batches([len(row) for row in rows], self.batch_tokens))
        padded = (pad([rows[i] for i in batch], self.checkpoint.special) for batch in batches)
        for batch, outputs in zip(batches, self._outputs(padded), strict=True):
            for i, output in zip(batch, outputs, strict=True):
                found[i] = output[1 : len(rows[i]) + 1, self.checkpoint.columns]  # after [CLS]
        return found

    @abstractmethod
    def _outputs(self, batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[np.ndarray]:
        """Of each batch, as `pad` makes it, the logits (rows, longest + 2, labels) float32."""


def _batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Indices of rows that are read together: of like length, so that a batch holds little padding; longest first."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (lengths[batch[0]] + 2) * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def pad(rows: Sequence[np.ndarray], special: Special) -> tuple[np.ndarray, np.ndarray]:
    """A batch for a BERT: token ids and attention mask, (rows, longest + 2) int64, with [CLS] and [SEP]."""
    longest = max(map(len, rows)) + 2
    ids = np.full((len(rows), longest), special.pad, dtype=np.int64)
    mask = np.zeros_like(ids)
    ids[:, 0] = special.cls
    for i, row in enumerate(rows):
        end = len(row) + 1
        ids[i, 1:end], ids[i, end], mask[i, : end + 1] = row, special.sep, 1
    return ids, mask


def processors() -> int:
    """How many processors this process may use, by its affinity and its control group's quota."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(there, int(quota) // int(period)))
    except (OSError, ValueError):  # no control group, or one without a quota
        return there


class OnnxRuntime(Runtime):
    """By onnxruntime, on the CPU.

    Args:
        path: an ONNX file as export.py makes it: `input_ids` and `attention_mask` in, `logits` out.
        checkpoint: what is known of the model.
        batch_tokens: as for Runtime.
        threads: how many compute; None for as many as there are processors.

    Raises:
        OSError: when the file is broken.
    """

    def __init__(
        self, path: Path, checkpoint: Checkpoint, batch_tokens: int | None = None, threads: int | None = None
    ) -> None:
        import onnxruntime

        super().__init__(checkpoint, BATCH_TOKENS if batch_tokens is None else batch_tokens)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or processors()
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        # The graph is fused where that pays; onnxruntime's further fusions make its sums and norms slower.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.log_severity_level = 4  # errors are raised; a library prints nothing
        # Threads that wait by spinning slow whatever else computes in this process, torch above all, many times.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no narrower common class
            raise OSError(f"{path} is no model that onnxruntime reads ({' '.join(str(error).split())})") from error

    def _outputs(self, batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[np.ndarray]:
        for ids, mask in batches:
            yield self._session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]
