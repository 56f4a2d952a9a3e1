"""Products with frozen matrices in 8-bit integers, for training where there is no bfloat16.

With torch.compile, processors that have 8-bit dot products alone train about twice as fast so.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def arithmetic(device: str) -> str:
    """Return the arithmetic that is fastest on a device: "bfloat16", "int8" or "float32"."""
    able = torch.cpu.get_capabilities()
    if device == "cuda" or able.get("amx_bf16") or able.get("avx512_bf16"):
        return "bfloat16"
    return "int8" if able.get("avx512_vnni") else "float32"


def freeze_in_int8(model: nn.Module) -> None:
    """Put the frozen matrix of every layer with LoRA into 8-bit integers."""
    for layer in model.modules():
        if hasattr(layer, "lora_A"):
            layer.base_layer = Int8Matrix(layer.base_layer.weight)


def rows_to_int8(x: Tensor) -> tuple[Tensor, Tensor]:
    """Quantize each row symmetrically; return the integers and the rows' scales."""
    low, high = torch.aminmax(x, dim=1, keepdim=True)
    scale = torch.maximum(high, -low).clamp_(min=1e-12).div_(127)
    return (x / scale).round_().to(torch.int8), scale


class Int8Product(torch.autograd.Function):
    """Product with a frozen matrix in 8-bit integers, forward and backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *frozen: Tensor) -> Tensor:
        """Multiply the rows of x by the matrix."""
        ahead, ahead_scale, back, back_scale = frozen
        ctx.save_for_backward(back, back_scale)
        integers, scale = rows_to_int8(x)
        return torch._int_mm(integers, ahead).float().mul_(scale).mul_(ahead_scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Pass the gradient of the rows on; the matrix has none."""
        back, back_scale = ctx.saved_tensors
        integers, scale = rows_to_int8(gradients[0].contiguous())
        result = torch._int_mm(integers, back).float().mul_(scale).mul_(back_scale)
        return result, None, None, None, None


class Int8Matrix(nn.Module):
    """A frozen linear layer without bias, in 8-bit integers.

    Rows of activations are quantized on the fly, the matrix once by its rows and once by its
    columns.

    Parameters
    ----------
    weight : Tensor of shape (n_out, n_in)
        The matrix.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        by_output, output_scale = rows_to_int8(weight.detach().float())
        by_input, input_scale = rows_to_int8(weight.detach().float().t().contiguous())
        frozen = (by_output, output_scale, by_input, input_scale)
        names = ("ahead", "ahead_scale", "back", "back_scale")
        for name, tensor in zip(names, frozen, strict=True):
            self.register_buffer(name, tensor.t().contiguous(), persistent=False)
        self.weight = self.ahead  # where others look for its device

    def forward(self, x: Tensor) -> Tensor:
        """Multiply the last axis by the matrix."""
        flat = x.reshape(-1, x.shape[-1])
        y = Int8Product.apply(flat, self.ahead, self.ahead_scale, self.back, self.back_scale)
        return y.view(*x.shape[:-1], -1)
