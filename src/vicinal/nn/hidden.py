"""Mix hidden states inside any model, without a fork of it.

Both parents run through the lower layers as rows of one batch. Forward pre-hooks mix each row with
its partner in front of layer ``k``, and are gone when the context is left.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from vicinal._checks import check_choice, check_count
from vicinal.nn._discover import ModelParts, find_parts, mask_slots, refuse_compiled
from vicinal.nn._rows import as_lam, as_perm, count_rows, plan_rows, union_mask
from vicinal.nn._step import Inputs, Step
from vicinal.plan import MixPlan

#: Layers that some open context has hooked; two contexts on one layer would mix twice.
_ACTIVE: weakref.WeakSet[nn.Module] = weakref.WeakSet()


class HiddenMixup:
    """Context manager that mixes rows of a batch in front of a chosen layer.

    With ``h`` the input of layer ``k``, row ``i`` becomes
    ``lam[i] * h[i] + (1 - lam[i]) * h[perm[i]]``. From there on attention masks, and the mask a
    model pools by, are the union of both parents' masks.

    Parameters
    ----------
    model : torch.nn.Module
        A Hugging Face encoder or decoder, with or without a classification head, or any module
        with a list of layers. It is not changed.
    layers : str or sequence of torch.nn.Module, optional
        Path of the list of layers (``"encoder.blocks"``), or the modules in the order of use.
        Found by itself in Hugging Face models, and where there is one list only.
    encoder : str, optional
        Path of the submodule that takes each row's own mask; what is around it pools by the
        union. The innermost Hugging Face model where left out.
    head : str, optional
        Path of the module whose first input is the pooled state. The first module with
        parameters behind the encoder where left out.
    symmetric : bool, default True
        Whether all rows are mixed and kept. If False an even batch is read as [anchors, partners]:
        partners end where they are mixed, and the model returns half as many rows.

    Attributes
    ----------
    n_layers : int
        Number of layers ``L``. Layer 0 is the input (the embeddings' output), layer ``L`` the
        sentence (the pooled state in front of the head).

    Raises
    ------
    ValueError
        If layers are not found, more than one list would do, or the model is compiled, wrapped
        in DataParallel, or has an encoder and a decoder.

    Notes
    -----
    Decoder classifiers read the last token: pad rows on the left, so that the last tokens of both
    parents meet. Position numbers stay those of the row itself.

    A plain call of the model inside the context mixes nothing. With gradient checkpointing call
    ``backward`` before the next call, mixed or plain.

    A model without a head returns the mixed states of tokens: pool them by
    ``mixer.union(attention_mask)``.

    References
    ----------
    Verma et al., "Manifold Mixup: Better Representations by Interpolating Hidden States",
    ICML 2019. Chen, Yang and Yang, "MixText", ACL 2020. Sawhney et al., "DMix: Adaptive
    Distance-aware Interpolative Mixup", ACL 2022.

    Examples
    --------
    >>> import torch
    >>> class Net(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.blocks = torch.nn.ModuleList(torch.nn.Identity() for _ in range(3))
    ...     def forward(self, x):
    ...         for block in self.blocks:
    ...             x = block(x)
    ...         return x
    >>> x = torch.tensor([[0.0], [4.0]])
    >>> with HiddenMixup(Net(), layers="blocks") as mixer:
    ...     mixer(x, perm=[1, 0], lam=0.75, layer=2)
    tensor([[1.],
            [3.]])
    """

    def __init__(
        self,
        model: nn.Module,
        layers: str | Sequence[nn.Module] | None = None,
        *,
        encoder: str | None = None,
        head: str | None = None,
        symmetric: bool = True,
    ) -> None:
        self._parts: ModelParts = find_parts(model, layers, encoder, head)
        self._model = model
        self._symmetric = bool(symmetric)
        self._handles: list[Any] = []
        self._step: Step | None = None
        self._running = False
        self._replayed = False  # whether the last step's backward pass has begun, or has none
        self._plain_since = False  # whether a call that mixes nothing came after it
        self._warned = False

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return self._parts.n_layers

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Where the layers are in the model, as paths."""
        return self._parts.names

    @property
    def encoder(self) -> nn.Module | None:
        """The part that takes each row's own mask, where there is one."""
        return self._parts.encoder

    @property
    def head(self) -> nn.Module | None:
        """The part whose first input is the pooled state, where there is one."""
        return self._parts.head

    @property
    def pools_last(self) -> bool:
        """Whether the head runs on every token, and the last one's result counts."""
        return self._parts.pools_last

    def __enter__(self) -> HiddenMixup:
        if any(layer in _ACTIVE for layer in self._parts.layers):
            raise RuntimeError(
                "A HiddenMixup context is already open on this model. Leave it before another."
            )
        parts = self._parts
        refuse_compiled(self._model, parts.layers)
        _ACTIVE.update(parts.layers)
        try:
            for index, layer in enumerate(parts.layers):
                self._hook(layer, partial(self._before_layer, index, mask_slots(layer)))
            if parts.entry is not None:
                self._hook(parts.entry, partial(self._before_entry, mask_slots(parts.entry)))
            self._hook(self._inner_model(), self._before_model)
            if parts.encoder is not None and parts.encoder is not self._inner_model():
                self._hook(parts.encoder, self._before_encoder)
            if parts.head is not None:
                self._hook(parts.head, self._before_head)
            if _takes_dict(self._inner_model()):
                for one in self._inner_model().children():
                    inside = any(module is parts.encoder for module in one.modules())
                    self._hook(one, partial(self._before_part, inside))
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        self._close()

    def __call__(
        self,
        batch: Any,
        *,
        layer: int | str,
        lam: Any = None,
        perm: Any = None,
        plan: MixPlan | None = None,
        through: nn.Module | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run the model on a batch, mixed in front of one layer.

        Parameters
        ----------
        batch : mapping, tensor or tuple
            What the model takes: keywords, one tensor, or positional inputs, rows first, without
            labels.
        layer : int or {"input", "sentence"}
            Mix in front of this layer; 0 or "input", ``n_layers`` or "sentence".
        lam : float or array_like of shape (n_rows,) or (n_rows / 2,), optional
            Weight of the row itself; may lie outside [0, 1]. Half as many as rows are weights of
            pairs of the batch's halves, in both directions. Needed unless there is a plan.
        perm : array_like of int, shape (n_rows,), optional
            Partner of each row; left out, the row of the other half, [anchors, partners].
        plan : MixPlan, optional
            Pairs of rows of the batch and their weights, in place of ``lam``, ``perm`` and
            ``symmetric``: one row comes back for each row of the plan, in its order.
        through : torch.nn.Module, optional
            A wrapper of the model to call in its place, such as DistributedDataParallel.
        **kwargs : dict
            More keywords for the model.

        Returns
        -------
        object
            What the model returns, of mixed rows.

        Raises
        ------
        ValueError
            If ``layer``, ``perm``, ``lam`` or ``plan`` do not fit the model, the batch or each
            other, the batch is odd where halves are needed, or its layout is unpadded.
        RuntimeError
            Outside of the context, or in the middle of another call.
        """
        self._check_ready(through)
        args, named = _spread(batch, kwargs)
        if (plan is None) == (lam is None) or (plan is not None and perm is not None):
            raise ValueError(
                "The mixer takes lam, with or without perm, or else a plan: give one of the two."
            )
        n_rows, device = count_rows(named if named and not args else batch)
        rows, halves = None, not self._symmetric
        if plan is not None:
            rows, perm, lam = plan_rows(plan, n_rows, device)
            halves = rows is not None
        if rows is not None:
            args = tuple(_take(value, rows, n_rows) for value in args)
            named = {name: _take(value, rows, n_rows) for name, value in named.items()}
            n_rows = len(rows)
        partners = as_perm(perm, n_rows, device)
        step = Step(
            layer=self._layer_number(layer),
            n_rows=n_rows,
            perm=partners,
            lam=as_lam(lam, n_rows, device, None if perm is None else partners),
            keep=_half(n_rows) if halves else None,
            rows=rows,
        )
        self._check_padding(named)
        named = self._outer_view(step, named)
        output = self._run(step, through or self._model, args, named)
        if not step.mixed:
            raise RuntimeError(
                f"The model never reached layer {layer!r}, so nothing was mixed. If it was "
                "compiled, or skips layers, use it as it was before; or name its layers=."
            )
        self._warn_of_pooling(step, named, output)
        return output

    def union(self, mask: torch.Tensor) -> torch.Tensor:
        """Return the mask of the rows that the last call gave back.

        Parameters
        ----------
        mask : torch.Tensor of shape (n_rows, ...)
            The mask of the batch: True, 1 or 0.0 where a token counts.

        Returns
        -------
        torch.Tensor
            The union of both parents' masks, to pool mixed token states by.
        """
        if self._step is None:
            raise RuntimeError("There is no union of masks before the first call of the mixer.")
        step = self._step
        taken = mask if step.rows is None else mask.index_select(0, step.rows.to(mask.device))
        return union_mask(taken, step.perm, step.lam, step.keep)

    # set up and checks

    def _check_ready(self, through: nn.Module | None) -> None:
        if not self._handles:
            raise RuntimeError(
                "HiddenMixup mixes inside its context only: "
                "`with HiddenMixup(model) as mixer: mixer(batch, ...)`."
            )
        if self._running:
            raise RuntimeError(
                "This HiddenMixup is in the middle of another call. Calls cannot be nested or "
                "run from several threads; use one model and mixer for each thread."
            )
        if isinstance(through, nn.DataParallel):
            raise ValueError(
                "through is a DataParallel, which scatters the rows of a pair over devices. Use "
                "DistributedDataParallel (start with torchrun), or make one device visible."
            )

    def _run(
        self, step: Step, model: nn.Module, args: tuple[Any, ...], named: dict[str, Any]
    ) -> Any:
        """Call the model, its hooks mixing as the step says."""
        self._step, self._running = step, True
        self._replayed, self._plain_since = not torch.is_grad_enabled(), False
        try:
            # sentence-transformers' modules hand one dict on
            return model(named) if not args and _takes_dict(model) else model(*args, **named)
        except BaseException:
            self._step = None  # no backward pass can follow
            raise
        finally:
            self._running = False
            step.unions.clear()

    def _hook(self, module: nn.Module, work: Callable[..., Inputs | None]) -> None:
        self._handles.append(module.register_forward_pre_hook(work, with_kwargs=True))

    def _close(self) -> None:
        for handle in self._handles:
            handle.remove()
        if self._handles:
            for layer in self._parts.layers:
                _ACTIVE.discard(layer)
        self._handles, self._step = [], None

    def _inner_model(self) -> nn.Module:
        """Return the model below wrappers such as DistributedDataParallel."""
        model = self._model
        while isinstance(model, nn.parallel.DistributedDataParallel):
            model = model.module
        return model

    def _layer_number(self, layer: int | str) -> int:
        top = self.n_layers
        if isinstance(layer, str):
            layer = top * (check_choice("layer", layer, ["input", "sentence"]) == "sentence")
        number = check_count("layer", layer, low=0)
        if number > top:
            raise ValueError(
                f"layer must be from 0 (the input) to {top} (the sentence), got {number}."
            )
        if number == top and self._parts.head is None:
            raise ValueError(
                f"layer {top} is the pooled state in front of the head, and no head was found in "
                f"{type(self._model).__name__}. Name it with head=, or mix what the model "
                "returns yourself."
            )
        return number

    def _check_padding(self, named: Mapping[str, Any]) -> None:
        """Refuse right padding where the model reads the last token of each row."""
        if not self._parts.pools_last:
            return
        tokens, mask = named.get("input_ids"), named.get("attention_mask")
        pad = self._parts.pad_token_id
        padded = False
        if isinstance(tokens, torch.Tensor) and pad is not None:
            padded = bool((tokens[:, -1] == pad).any())
        if isinstance(mask, torch.Tensor) and mask.dim() == 2:
            padded = padded or not bool(mask[:, -1].all())
        if padded:
            raise ValueError(
                f"{type(self._inner_model()).__name__} reads the last token of each row, and some "
                "rows end in padding. Pad on the left: tokenizer.padding_side = 'left'."
            )

    def _outer_view(self, step: Step, named: dict[str, Any]) -> dict[str, Any]:
        """Return what the code around the encoder gets: it pools by the union, kept rows only."""
        # the encoder itself gets what the user passed; see _before_encoder
        parts = self._parts
        mask = named.get("attention_mask")
        if parts.encoder in (None, self._inner_model()):
            return named
        pooled_later = step.layer < self.n_layers or parts.pools_late
        # a decoder's head runs on every token, so that its mixed rows are pooled behind it
        cut = step.keep is not None and (pooled_later or parts.pools_last)
        seen = dict(named)
        for name, value in named.items():
            if not isinstance(value, torch.Tensor) or not value.dim() or len(value) != step.n_rows:
                continue
            if value is mask and pooled_later:
                seen[name] = union_mask(value, step.perm, step.lam, step.keep)
            elif cut:
                seen[name] = value[: step.keep]
            else:
                continue
            step.views[name] = (seen[name], value)
        return seen

    def _warn_of_pooling(self, step: Step, named: Mapping[str, Any], output: Any) -> None:
        """Say once that a model may pool mixed rows by the mask of one parent."""
        mask = named.get("attention_mask")
        given = output if isinstance(output, torch.Tensor) else getattr(output, "logits", None)
        if (
            self._warned
            or self._parts.encoder is not None
            or step.layer == self.n_layers
            or not isinstance(mask, torch.Tensor)
            or not isinstance(given, torch.Tensor)
            or given.shape[:2] == mask.shape[:2]  # tokens come back: they are pooled outside
            or bool(mask.all())
        ):
            return
        self._warned = True
        warnings.warn(
            f"{type(self._model).__name__} may pool mixed rows by the row's own mask alone. Name "
            "the part that runs before pooling with encoder=, so that pooling sees the union of "
            "masks. (Harmless where only the first token is read.)",
            UserWarning,
            stacklevel=3,
        )

    # hooks

    def _live(self) -> Step | None:
        """Return the step to carry out: of the running call, or replayed in its backward."""
        if self._running:
            return self._step
        # gradient checkpointing runs layers again inside the backward pass; a plain call of the
        # model is none of our business
        if torch._C._current_graph_task_id() == -1:
            self._plain_since = self._plain_since or torch.is_grad_enabled()
            return None
        if self._step is not None and self._plain_since:
            if self._replayed:  # this backward pass is the plain call's
                return None
            raise RuntimeError(
                "A plain call of the model came between the mixed call and its backward pass: when "
                "checkpointing runs layers again, it is unclear whether to mix. Call backward on "
                "the mixed loss before the plain call."
            )
        self._replayed = True
        return self._step

    def _before_model(self, module: nn.Module, args: tuple[Any, ...], kwargs: Any) -> None:
        # a reentrant checkpoint runs layers without gradients: whether a plain call will have a
        # backward pass shows here only
        self._live()

    def _before_encoder(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Inputs | None:
        step = self._live()
        if step is None or not step.views:
            return None
        found = {name for name in step.views if kwargs.get(name) is not None}
        restored = {**kwargs, **{name: step.views[name][1] for name in found}}
        place = list(args)
        for name, (view, original) in step.views.items():
            for at, value in enumerate(args):
                if value is view:
                    place[at] = original
                    found.add(name)
        if "attention_mask" in step.views and "attention_mask" not in found:
            raise ValueError(
                "The attention mask does not reach the encoder as it was passed to the model. Name "
                "the part that takes it as it is with encoder=."
            )
        return tuple(place), restored

    def _before_part(
        self, inside: bool, module: nn.Module, args: tuple[Any, ...], kwargs: Any
    ) -> Inputs | None:
        """Give a part of a sentence-transformer each row's own mask, or what pools by the union."""
        # it calls its encoder's forward itself, past the encoder's hooks
        step = self._live()
        if step is None or not args or not isinstance(args[0], dict):
            return None
        told = {name: pair[inside] for name, pair in step.views.items() if name in args[0]}
        return ({**args[0], **told}, *args[1:]), kwargs

    def _before_entry(
        self, slots: dict[str, int], module: nn.Module, args: tuple[Any, ...], kwargs: Any
    ) -> Inputs | None:
        step = self._live()
        if step is None or step.layer != 0:
            return None
        return step.rewrite(slots, args, kwargs, mix=True)

    def _before_layer(
        self,
        index: int,
        slots: dict[str, int],
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Inputs | None:
        step = self._live()
        if step is None or (step.layer == 0 and self._parts.entry is not None):
            return None  # mixed at the entry: what comes to the layers is mixed already
        if self._parts.shared:
            if not self._running:
                raise RuntimeError(
                    "This model uses one layer several times, which gradient checkpointing runs "
                    "again out of order. Switch checkpointing off to mix hidden states."
                )
            index, step.calls = step.calls, step.calls + 1
        if index < step.layer:
            return None
        return step.rewrite(slots, args, kwargs, mix=index == step.layer)

    def _before_head(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Inputs | None:
        step = self._live()
        if step is None or step.layer != self.n_layers:
            return None
        return step.rewrite({}, args, kwargs, mix=True, only_state=True)


def _spread(batch: Any, kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return a batch as positional inputs and keywords, without labels."""
    if isinstance(batch, Mapping):
        args: tuple[Any, ...] = ()
        named = {**{str(key): value for key, value in batch.items()}, **kwargs}
    else:
        args, named = (batch if isinstance(batch, tuple) else (batch,)), dict(kwargs)
    for name in ("labels", "label"):
        if named.get(name) is not None:
            raise ValueError(
                f"batch holds {name!r}, and the model's own loss would see them unmixed. Take "
                "them out and use vicinal.nn.soft_cross_entropy on the logits."
            )
    return args, named


def _takes_dict(model: nn.Module) -> bool:
    return any(one.__module__.startswith("sentence_transformers") for one in type(model).__mro__)


def _half(n_rows: int) -> int:
    if n_rows % 2:
        raise ValueError(
            f"batch has {n_rows} rows, which is odd: symmetric=False reads it as [anchors, "
            "partners]. Drop a row, or use symmetric=True."
        )
    return n_rows // 2


def _take(value: Any, rows: torch.Tensor, n_rows: int) -> Any:
    """Return some rows of what has a row for each of the batch."""
    if isinstance(value, torch.Tensor) and value.dim() and len(value) == n_rows:
        return value.index_select(0, rows)
    return value
