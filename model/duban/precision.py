"""Which number format a machine computes fast in."""

from __future__ import annotations


def best_precision(device: str = "auto") -> str:
    """`bf16` where the GPU or the processor computes in it, else `no` (float32), as accelerate names them.

    A processor without AVX-512 BF16 emulates it and is some twenty times slower than in float32.

    Args:
        device: as torch names devices; "auto" for the GPU where there is one.
    """
    import torch

    on_gpu = torch.cuda.is_available() if device == "auto" else device.startswith("cuda")
    fast = torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else torch.cpu._is_avx512_bf16_supported()
    return "bf16" if fast else "no"
