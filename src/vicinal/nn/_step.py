"""What one call of a mixer does to the inputs of a layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch

from vicinal.nn._discover import HIDDEN_NAMES, IGNORE_MASKS, OF_HEADS
from vicinal.nn._rows import mix_rows, union_mask

#: Positional and named inputs of a module.
Inputs: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(eq=False)
class Step:
    """What one call mixes: fixed until the next call, so that a replay mixes the same."""

    # keep is how many rows run on, None for all; rows those of the batch taken for a plan; views
    # are inputs as the code around the encoder sees them, with what the user passed; unions are
    # masks joined in this call, lines how many lines a row has in what is made for each head

    layer: int
    n_rows: int
    perm: torch.Tensor
    lam: float | torch.Tensor
    keep: int | None
    rows: torch.Tensor | None = None
    views: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    unions: dict[int, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    tokens: int = 0
    mixed: bool = False

    def rewrite(
        self,
        slots: dict[str, int],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        mix: bool,
        only_state: bool = False,
    ) -> Inputs:
        """Return a layer's inputs, mixed, kept rows only; ``slots`` places masks, to be joined."""
        place, named = list(args), dict(kwargs)
        name = next((name for name in HIDDEN_NAMES if name in named), None)
        if not place and name is None:
            raise ValueError(
                f"A layer takes its hidden states under another name than {', '.join(HIDDEN_NAMES)}"
                f" (it got {', '.join(named) or 'nothing'}). Pass them by position."
            )
        state = place[0] if place else named[name or ""]
        self.tokens = state.shape[1] if isinstance(state, torch.Tensor) and state.dim() > 2 else 0
        if mix:
            self._check_state(state, named)
            state = mix_rows(state, self.perm, self.lam, self.keep)
            self.mixed = True
        if not only_state:
            place, named = self._companions(slots, place, named)
            named |= {
                name: self._of_heads(name, named[name], mix) for name in OF_HEADS if name in named
            }
        if place:
            place[0] = state
        else:
            named[name or ""] = state
        return tuple(place), named

    def _companions(
        self, slots: dict[str, int], place: list[Any], named: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        masks = {at: key for key, at in slots.items()}
        place = [self._companion(masks.get(at), value) for at, value in enumerate(place)]
        named = {
            key: value
            if key in OF_HEADS or _is_square(key, value)
            else self._companion(key if key in slots else None, value)
            for key, value in named.items()
        }
        return place, named

    def _of_heads(self, name: str, value: Any, mix: bool) -> Any:
        """Return the lines of kept rows; a layer may hand on what it was given, cut already."""
        if self.keep is None or not isinstance(value, torch.Tensor):
            return value
        if mix:
            lines, odd = divmod(len(value), self.n_rows)
            self.lines[name] = 0 if odd else lines
        lines = self.lines.get(name, 0)
        return value[: lines * self.keep] if len(value) == lines * self.n_rows else value

    def _companion(self, name: str | None, value: Any) -> Any:
        """Return what comes along with the hidden states: masks joined, other rows cut."""
        if name is not None and value is not None:
            return self._joined(value, name in IGNORE_MASKS)
        if self.keep is None:
            return value
        if type(value) is tuple:
            return tuple(self._companion(None, item) for item in value)
        if not isinstance(value, torch.Tensor) or not value.dim():
            return value
        return value[: self.keep] if len(value) == self.n_rows else value

    def _joined(self, mask: Any, ignore: bool) -> Any:
        if not isinstance(mask, torch.Tensor):
            raise ValueError(
                f"Layers get their mask as a {type(mask).__name__}, which cannot be joined. Load "
                "the model with attn_implementation='sdpa' or 'eager'."
            )
        if mask.dim() == 4 and len(mask) == 1:
            return mask  # one mask for all rows
        if len(mask) != self.n_rows:
            raise ValueError(
                f"Layers get a mask of shape {tuple(mask.shape)} for {self.n_rows} rows, which "
                "is not one mask for each row. Load the model with attn_implementation='sdpa'."
            )
        if not ignore and tuple(mask.shape) == (self.tokens,) * 2 and _of_tokens(mask):
            raise ValueError(
                f"Layers get a mask of shape {tuple(mask.shape)} for {self.n_rows} rows of "
                f"{self.tokens} tokens, which reads as one of tokens by tokens for all rows. Give "
                f"it as (1, 1, {self.tokens}, {self.tokens}), or one for each row as "
                f"({self.n_rows}, 1, 1, {self.tokens})."
            )
        known = self.unions.get(id(mask))
        if known is None:
            # held together with its source, so that the id is not given to another mask
            known = self.unions[id(mask)] = (
                mask,
                union_mask(mask, self.perm, self.lam, self.keep, ignore),
            )
        return known[1]

    def _check_state(self, state: Any, named: dict[str, Any]) -> None:
        unpadded = any("cu_seq" in key and value is not None for key, value in named.items())
        fits = isinstance(state, torch.Tensor) and not state.is_nested and state.dim() >= 2
        if unpadded or not fits or len(state) != self.n_rows:
            shape = tuple(state.shape) if fits else type(state).__name__
            raise ValueError(
                f"Rows of the hidden states (shape {shape}) are not the {self.n_rows} rows of the "
                "batch: the model runs without padding, its tokens in one line. Load it with "
                "attn_implementation='sdpa' (and without packing or nested tensors)."
            )


def _is_square(key: str, value: Any) -> bool:
    """Tell torch's mask of tokens by tokens, of which there is one for all rows."""
    return key == "src_mask" and isinstance(value, torch.Tensor) and value.dim() == 2


def _of_tokens(mask: torch.Tensor) -> bool:
    """Tell a square mask of tokens by tokens from one of padding, at one end of each row."""
    seen = mask == mask.max()
    steps = seen.int().diff(dim=1)
    padding = bool((steps <= 0).all()) or bool((steps >= 0).all())
    causal = len(seen) > 1 and torch.equal(seen, torch.ones_like(seen).tril())
    return causal or not padding
