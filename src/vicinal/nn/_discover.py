"""Where a model keeps its encoder, its layers and its head."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from vicinal._checks import did_you_mean

#: Names under which layers take a mask, True or 1 or 0.0 where a token may be attended to.
ATTEND_MASKS = ("attention_mask", "attn_mask", "mask")
#: The other way round: True where a token is to be ignored.
IGNORE_MASKS = ("src_key_padding_mask", "key_padding_mask", "padding_mask")
#: Models whose layers hand on fewer tokens than they got.
_SHRINKING = ("funnel",)
#: Names of what layers take for each row and each head, rows first, in one axis.
OF_HEADS = ("alibi", "position_bias")
#: Names under which layers take their hidden states, if not by position.
HIDDEN_NAMES = ("hidden_states", "x", "src", "input", "inputs")


@dataclass(frozen=True, eq=False)
class ModelParts:
    """The parts of a model that mixing touches."""

    # layers are in the order of use. Where shared is true the same module runs more than once, and
    # the number of a layer is how many ran before it. entry is what to hook for layer 0 where the
    # first layer's input is used once more behind it. Where pools_last the head runs on every token
    # and the last counts, where pools_late their mean by the mask.

    layers: tuple[nn.Module, ...]
    n_layers: int
    shared: bool
    names: tuple[str, ...]
    entry: nn.Module | None
    encoder: nn.Module | None
    head: nn.Module | None
    pools_last: bool
    pools_late: bool
    pad_token_id: int | None


def find_parts(
    model: nn.Module,
    layers: str | Sequence[nn.Module] | None,
    encoder: str | None,
    head: str | None,
) -> ModelParts:
    """Find encoder, layers and head of a model, or say which argument names them."""
    _refuse_others(model)
    named = _find_layers(model, layers)
    stack = tuple(module for _, module in named)
    refuse_compiled(model, stack)
    _refuse_tokens_first(stack)
    path = _path_to(model, named[0][0])  # from the model itself down to the first layer
    inner = _submodule(model, "encoder", encoder) if encoder else _pretrained(path)
    config = getattr(inner, "config", None)
    # ALBERT runs one group again and again; a list may also hold one module twice
    albert = named[0][0].endswith("albert_layer_groups.0")
    shared = albert or len({id(module) for module in stack}) < len(stack)
    n_layers = int(getattr(config, "num_hidden_layers", 0)) if albert else len(stack)
    owner = path[-1] if path and layers is None else None
    return ModelParts(
        layers=tuple(dict.fromkeys(stack)),
        n_layers=n_layers,
        shared=shared,
        names=tuple(name for name, _ in named),
        # DeBERTa's convolution behind layer 0 reads the encoder's input a second time
        entry=owner if getattr(owner, "conv", None) is not None else None,
        encoder=inner,
        head=(found := _submodule(model, "head", head) if head else _find_head(path, inner)),
        pools_last=found is not None and any(getattr(m, "score", None) is found for m in path),
        pools_late=getattr(config, "classifier_pooling", None) == "late",
        pad_token_id=_pad_token(config),
    )


def refuse_compiled(model: nn.Module, stack: Sequence[nn.Module]) -> None:
    """Raise where torch.compile would leave hooks out without a word."""
    inside = {id(layer) for layer in stack}
    for name, module in model.named_modules():
        compiled = getattr(module, "_compiled_call_impl", None) or hasattr(module, "_orig_mod")
        if compiled and any(id(child) in inside for child in module.modules()):
            raise ValueError(
                f"{name or type(module).__name__} is compiled, and torch.compile ignores hooks "
                "that are set later. Pass the model as it was (model._orig_mod), and compile each "
                "layer's forward instead: layer.forward = torch.compile(layer.forward)."
            )


def mask_slots(module: nn.Module) -> dict[str, int]:
    """Return the parameters of a layer's forward that are masks, and their positions."""
    names = list(inspect.signature(type(module).forward).parameters)[1:]
    return {name: at for at, name in enumerate(names) if name in (*ATTEND_MASKS, *IGNORE_MASKS)}


def _refuse_others(model: Any) -> None:
    """Refuse what has no one stack of layers to hook."""
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model must be a torch.nn.Module, got {type(model).__name__}. Load it first, for "
            "instance with AutoModelForSequenceClassification.from_pretrained."
        )
    if isinstance(model, nn.DataParallel):
        raise ValueError(
            "model is wrapped in DataParallel, which scatters the rows of a pair over devices. "
            "Use DistributedDataParallel, or the bare model (model.module)."
        )

    pretrained = next((module for module in model.modules() if _is_pretrained(module)), None)
    kind = getattr(getattr(pretrained, "config", None), "model_type", "")
    if kind in _SHRINKING:
        raise ValueError(
            f"{type(pretrained).__name__} shortens its states between layers, which masks of both "
            "parents do not follow. Use another model, such as BERT."
        )
    stacks = [m for m in model.modules() if type(m).__name__.endswith("Decoder")]
    # Whisper's classifier of sounds is its encoder alone
    if stacks and getattr(getattr(pretrained, "config", None), "is_encoder_decoder", False):
        raise ValueError(
            f"{type(pretrained).__name__} has an encoder and a decoder, which mixing at hidden "
            "layers does not cover. Use a model with one stack, such as BERT or Llama."
        )


def _refuse_tokens_first(stack: Sequence[nn.Module]) -> None:
    """Raise where the first axis of hidden states is tokens, which would be mixed for rows."""
    for layer in stack:
        attention = getattr(layer, "self_attn", None)
        if getattr(attention, "batch_first", True) is False or "XLNet" in type(layer).__name__:
            raise ValueError(
                f"{type(layer).__name__} takes hidden states of shape (tokens, rows, width), and "
                "mixing needs rows first. Build it with batch_first=True, or use another model."
            )


def _find_layers(
    model: nn.Module, layers: str | Sequence[nn.Module] | None
) -> list[tuple[str, nn.Module]]:
    if isinstance(layers, str):
        found = _submodule(model, "layers", layers)
        if not isinstance(found, (nn.ModuleList, nn.Sequential)) or not len(found):
            raise ValueError(
                f"layers={layers!r} is a {type(found).__name__}, expected a ModuleList or "
                f"Sequential that is not empty. {_offer(model)}"
            )
        return [(f"{layers}.{i}", module) for i, module in enumerate(found)]
    if layers is not None:
        return _given_layers(model, layers)
    candidates = _candidates(model)
    if len(candidates) != 1:
        many = "more than one list of layers" if candidates else "no list of layers"
        raise ValueError(
            f"{many} found in {type(model).__name__}. Name the one to mix in, for instance "
            f"layers='encoder.layers'. {_offer(model)}"
        )
    path, modules = candidates[0]
    return [(f"{path}.{i}", module) for i, module in enumerate(modules)]


def _given_layers(model: nn.Module, layers: Sequence[nn.Module]) -> list[tuple[str, nn.Module]]:
    if not isinstance(layers, Iterable):
        raise TypeError(
            f"layers must be the path of a list of modules, or the modules, got {layers!r}. Which "
            "layer to mix in is said when the mixer is called: mixer(batch, lam=lam, layer=3)."
        )
    listed = list(layers)
    known = {id(module): name for name, module in model.named_modules()}
    for module in listed:
        if id(module) not in known:
            raise ValueError(
                f"layers holds a {type(module).__name__} that is not a part of the model. Give "
                "modules of it in the order of use, or the path of their list."
            )
    if not listed:
        raise ValueError("layers is empty. Give the modules in the order of use, or None.")
    return [(known[id(module)], module) for module in listed]


def _candidates(model: nn.Module) -> list[tuple[str, nn.ModuleList]]:
    """Return outermost lists like a stack of layers: of one class, as many as the model says."""
    pretrained = [(n, m) for n, m in model.named_modules() if _is_pretrained(m)]
    found = [
        (path, module)
        for path, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
        and len(module)
        and (path.endswith("albert_layer_groups") or _is_stack(path, module, pretrained))
    ]
    return [
        (path, module)
        for path, module in found
        if not any(path.startswith(f"{other}.") for other, _ in found)
    ]


def _is_stack(
    path: str, module: nn.ModuleList, pretrained: Sequence[tuple[str, nn.Module]]
) -> bool:
    if len({type(layer) for layer in module}) > 1 or next(module.parameters(), None) is None:
        return False
    above = [m for n, m in pretrained if path.startswith(f"{n}." if n else "")]
    if above:
        return len(module) == getattr(above[-1].config, "num_hidden_layers", None)
    return len(module) > 1


def _path_to(model: nn.Module, name: str) -> list[nn.Module]:
    """Return the modules above one of that name, from the model downwards, without lists."""
    parts = name.split(".")
    above = [model.get_submodule(".".join(parts[:depth])) for depth in range(len(parts))]
    return [m for m in above if not isinstance(m, (nn.ModuleList, nn.Sequential))]


def _is_pretrained(module: nn.Module) -> bool:
    """Tell a Hugging Face model, without importing the library where it is not in use."""
    transformers = sys.modules.get("transformers")
    return transformers is not None and isinstance(module, transformers.PreTrainedModel)


def _pretrained(path: list[nn.Module]) -> nn.Module | None:
    """Return the innermost Hugging Face model: the one that makes the attention masks."""
    return next((module for module in reversed(path) if _is_pretrained(module)), None)


def _find_head(path: list[nn.Module], encoder: nn.Module | None) -> nn.Module | None:
    """Return the first module with parameters behind the encoder, or else beside it."""
    if encoder is None or encoder not in path or path.index(encoder) == 0:
        return None
    for at in range(path.index(encoder), 0, -1):  # OPT's decoder is alone in a model of its own
        children = list(path[at - 1].children())
        place = children.index(path[at]) if path[at] in children else 0
        # some models (XLM-R) define their head first
        others = children[place + 1 :] + children[:place]
        found = next((m for m in others if next(m.parameters(), None) is not None), None)
        if found is not None:
            # models of speech and sound project each frame first, and pool behind
            late = getattr(path[at - 1], "classifier", None)
            projects = found is getattr(path[at - 1], "projector", None)
            return late if projects and isinstance(late, nn.Module) else found
    return None


def _pad_token(config: Any) -> int | None:
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    pad = getattr(text, "pad_token_id", None)
    return None if pad is None else int(pad)


def _submodule(model: nn.Module, argument: str, path: str) -> nn.Module:
    try:
        return model.get_submodule(path)
    except AttributeError:
        names = [name for name, _ in model.named_modules() if name]
        raise ValueError(
            f"{argument}={path!r} is not a part of {type(model).__name__}."
            f"{did_you_mean(path, names)} {_offer(model)}"
        ) from None


def _offer(model: nn.Module) -> str:
    lists = [
        f"{name!r} ({len(module)})"
        for name, module in model.named_modules()
        if name and isinstance(module, (nn.ModuleList, nn.Sequential)) and len(module)
    ]
    shown = ", ".join(lists[:8]) + (", ..." if len(lists) > 8 else "")
    return f"Lists in the model: {shown}." if lists else "The model has no lists of modules."
