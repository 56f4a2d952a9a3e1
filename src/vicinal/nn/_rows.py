"""What is done to the rows of a batch: mixing, joining masks, keeping the first half."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from vicinal._checks import check_number
from vicinal.plan import MixPlan


def mix_rows(
    h: torch.Tensor, perm: torch.Tensor, lam: float | torch.Tensor, keep: int | None = None
) -> torch.Tensor:
    """Mix each of the first ``keep`` rows with its partner, ``lam`` weighting the row itself."""
    if isinstance(lam, torch.Tensor):
        lam = lam[:keep].to(h.dtype).view(-1, *([1] * (h.dim() - 1)))
    # lerp gives the row itself at 1 and the partner at 0, to the bit, with one temporary
    return torch.lerp(h.index_select(0, perm[:keep]), h[:keep], lam)


def union_mask(
    mask: torch.Tensor,
    perm: torch.Tensor,
    lam: float | torch.Tensor,
    keep: int | None = None,
    ignore: bool = False,
) -> torch.Tensor:
    """Return where a row or its partner may be attended to; a parent of weight 0 has no say."""
    # additive masks, 0 where a token counts and very negative elsewhere, are joined by their
    # maximum either way
    own, others = mask[:keep], mask.index_select(0, perm[:keep].to(mask.device))
    joined = torch.minimum if ignore and not mask.is_floating_point() else torch.maximum
    if isinstance(lam, torch.Tensor):
        lam = lam[:keep].to(mask.device).view(-1, *([1] * (mask.dim() - 1)))
    else:
        lam = torch.tensor(lam, device=mask.device)
    return torch.where(lam == 1, own, torch.where(lam == 0, others, joined(own, others)))


def count_rows(batch: Any) -> tuple[int, torch.device]:
    """Return the number of rows of a batch, and where it lives."""
    several = batch if isinstance(batch, (tuple, list)) else [batch]
    for value in batch.values() if isinstance(batch, Mapping) else several:
        if isinstance(value, torch.Tensor) and value.dim():
            return len(value), value.device
    raise ValueError(
        "batch holds no tensor with rows. Pass a tensor, a tuple of tensors, or a mapping such "
        "as a tokenizer's output with return_tensors='pt'."
    )


def swapped_halves(n_rows: int, device: torch.device | str | None = None) -> torch.Tensor:
    """Return the partners of a batch packed as [anchors, partners]."""
    if n_rows % 2:
        raise ValueError(
            f"batch has {n_rows} rows, which is odd: without perm it is read as [anchors, "
            "partners], two halves of one length. Drop a row, or pass perm."
        )
    return torch.arange(n_rows, device=device).roll(n_rows // 2)


def plan_rows(
    plan: MixPlan, n_rows: int, device: torch.device | str
) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor]:
    """Return rows to take, partners and weights, so that a batch is mixed as a plan says."""
    # rows are None where the plan's left rows are the batch in its order; otherwise they are [left,
    # right], and partners are None: the other half
    check_plan(plan, n_rows, "batch")
    left, right = (np.array(side, np.int64) for side in (plan.left, plan.right))
    lam = torch.from_numpy(np.array(plan.lam, np.float32))
    if np.array_equal(left, np.arange(n_rows)):
        return None, torch.from_numpy(right), lam
    return torch.from_numpy(np.concatenate([left, right])).to(device), None, lam


def check_plan(plan: Any, n_rows: int, what: str) -> MixPlan:
    """Refuse what is no plan of two parents among so many rows."""
    if not isinstance(plan, MixPlan):
        raise TypeError(f"plan must be a vicinal.MixPlan, got {type(plan).__name__}.")
    if plan.n_parents != 2 or not len(plan):
        raise ValueError(
            f"plan must have two parents to a row and at least one row, got {plan!r}. Draw it with "
            "vicinal.make_plan and a law of two parents."
        )
    if int(plan.parents.max()) >= n_rows:
        raise ValueError(
            f"plan points to row {int(plan.parents.max())}, and the {what} has {n_rows} rows, "
            f"counted from 0. Make the plan for the rows of the {what}."
        )
    return plan


def _tensor(values: Any) -> torch.Tensor:
    """Return a tensor of values; arrays that cannot be shared, such as reversed ones, as copies."""
    return values if isinstance(values, torch.Tensor) else torch.from_numpy(np.array(values))


def as_perm(perm: Any, n_rows: int, device: torch.device) -> torch.Tensor:
    """Return partners as an index tensor on the device, checked where that costs nothing."""
    if perm is None:
        return swapped_halves(n_rows, device)
    index = _tensor(perm)
    if index.is_floating_point() or index.dtype == torch.bool:
        raise TypeError(f"perm must hold row numbers, got {index.dtype}. Convert it to int64.")
    if tuple(index.shape) != (n_rows,):
        raise ValueError(
            f"perm must give one partner for each of the {n_rows} rows of the batch, got shape "
            f"{tuple(index.shape)}."
        )
    on_host = index.device.type == "cpu"
    if on_host and n_rows and not 0 <= int(index.min()) <= int(index.max()) < n_rows:
        raise ValueError(
            f"perm must hold row numbers from 0 to {n_rows - 1}, got {int(index.min())} to "
            f"{int(index.max())}. Rows are those of the batch, not of the data set."
        )
    return index.to(device=device, dtype=torch.long)


def as_lam(
    lam: Any, n_rows: int, device: torch.device, perm: torch.Tensor | None = None
) -> float | torch.Tensor:
    """Return weights as a number or one for each row; those of pairs count for both halves."""
    if not isinstance(lam, (torch.Tensor, np.ndarray, list, tuple)):
        return check_number("lam", lam)
    weights = _tensor(lam)
    if weights.dim() == 0:
        return check_number("lam", float(weights))
    if weights.dim() == 1 and 2 * len(weights) == n_rows:
        if perm is not None and not torch.equal(perm, swapped_halves(n_rows, perm.device)):
            raise ValueError(
                f"lam gives one weight for each of {n_rows // 2} pairs, and perm does not swap the "
                f"halves of the batch. Give one weight for each of the {n_rows} rows."
            )
        weights = torch.cat([weights, weights])
    if tuple(weights.shape) != (n_rows,):
        raise ValueError(
            f"lam must be a number, or one weight for each of the {n_rows} rows (or for each of "
            f"{n_rows // 2} pairs), got shape {tuple(weights.shape)}."
        )
    if weights.device.type == "cpu" and not math.isfinite(float(weights.detach().sum())):
        raise ValueError("lam holds NaN or infinity. Every weight must be a finite number.")
    # one weight for each row in float32; the mixing itself runs in the type of what it mixes
    return weights.to(device=device, dtype=torch.float32)
