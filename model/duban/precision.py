"""Which number format a machine computes fast in."""

from __future__ import annotations


def best_precision() -> str:
    """`bf16` where the GPU or the processor computes in it, else `no` (float32), as accelerate names them.

    A processor without AVX-512 BF16 emulates it and is some twenty times slower than in float32.
    """
    import torch

    fast = torch.cuda.is_bf16_supported() if torch.cuda.is_available() else torch.cpu._is_avx512_bf16_supported()
    return "bf16" if fast else "no"
