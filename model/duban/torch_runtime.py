"""Rows of token ids → logits by torch, on any device. Needs `duban[torch]`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import AutoModelForTokenClassification, PreTrainedModel
from transformers.utils import logging

from duban.checkpoint import Checkpoint, no_model
from duban.precision import best_precision
from duban.runtime import BATCH_TOKENS, Runtime

#: Tokens that a batch holds on a GPU, padding included.
GPU_BATCH_TOKENS = 65536


class TorchRuntime(Runtime):
    """By torch, with the model in the precision that it comes in.

    Args:
        model: a token classifier; it is moved to the device and put into evaluation mode.
        checkpoint: what is known of it.
        device: as torch names devices.
        batch_tokens: as for Runtime.
    """

    def __init__(
        self, model: PreTrainedModel, checkpoint: Checkpoint, device: str = "cpu", batch_tokens: int | None = None
    ) -> None:
        usual = BATCH_TOKENS if device == "cpu" else GPU_BATCH_TOKENS
        super().__init__(checkpoint, usual if batch_tokens is None else batch_tokens)
        self.device = torch.device(device)
        self.model = model.eval()
        self.model.to(self.device)

    @classmethod
    def read(
        cls, folder: Path, name: str, checkpoint: Checkpoint, device: str, batch_tokens: int | None
    ) -> TorchRuntime:
        """From the safetensors in a folder, which errors call `name`; in bf16 on a GPU that computes in it.

        On a CPU bf16 would be faster too, but then what a text reads depends on the others of its batch.

        Raises OSError when there are none, or broken ones.
        """
        fast = device.startswith("cuda") and best_precision(device) == "bf16"
        bars = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()  # a library prints nothing
        try:
            model = AutoModelForTokenClassification.from_pretrained(
                folder,
                dtype=torch.bfloat16 if fast else torch.float32,
                attn_implementation="sdpa",
                use_safetensors=True,
                trust_remote_code=False,
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise no_model(name, error) from error
        finally:
            if bars:
                logging.enable_progress_bar()
        return cls(model, checkpoint, device, batch_tokens)

    def _outputs(self, batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[np.ndarray]:
        """A GPU computes one batch while the next is made ready and the last is copied back."""
        if self.device.type != "cuda":
            for ids, mask in batches:
                yield self._logits(torch.from_numpy(ids), torch.from_numpy(mask)).cpu().numpy()
            return
        ahead: list[tuple[torch.Tensor, torch.cuda.Event]] = []
        for ids, mask in batches:
            logits = self._logits(torch.from_numpy(ids).pin_memory(), torch.from_numpy(mask).pin_memory())
            copy = torch.empty(logits.shape, pin_memory=True).copy_(logits, non_blocking=True)
            event = torch.cuda.Event()
            event.record(torch.cuda.current_stream(self.device))
            ahead.append((copy, event))
            if len(ahead) > 2:
                yield _wait(*ahead.pop(0))
        for done in ahead:
            yield _wait(*done)

    def _logits(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        inputs = {"input_ids": ids, "attention_mask": mask}
        with torch.inference_mode():
            moved = {name: tensor.to(self.device, non_blocking=True) for name, tensor in inputs.items()}
            logits: torch.Tensor = self.model(**moved).logits.float()
        return logits


def _wait(copy: torch.Tensor, event: torch.cuda.Event) -> np.ndarray:
    """What was copied, once it has been."""
    event.synchronize()
    return copy.numpy()
