"""A trained classifier as a folder: what it is (JSON), its weights (safetensors), its tokens."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicinal import pairing
from vicinal._checks import check_choice
from vicinal.io.atomic import replacing_folder
from vicinal.io.folders import check_folder, checksums, read_card
from vicinal.text.classifier.backbones import CARD, Backbone, load_backbone
from vicinal.weights import law_from_spec

if TYPE_CHECKING:
    from vicinal.nn import MixupConfig
    from vicinal.text.classifier.classifier import MixupTextClassifier

_FORMAT, _VERSION = "vicinal-text-classifier", 1
#: Pairings that hold nothing but settings.
_PAIRINGS = ("Farthest", "LocalPermutation", "Nearest", "Permutation", "Random")
_WEIGHTS, _UNKNOWN = "weights.safetensors", "unknown.safetensors"


def check_target(folder: Path) -> None:
    """Refuse a folder that a classifier cannot be written to, before it is trained."""
    check_folder(folder, CARD, _FORMAT, "a classifier")


def save(model: MixupTextClassifier, backbone: Backbone, net: Any, folder: Path) -> None:
    """Write a classifier beside its place, then put it there."""
    from safetensors.torch import save as to_bytes

    from vicinal import __version__

    folder = folder.expanduser()
    check_target(folder)
    settings = dict(model.get_params(deep=False))
    for name, value in settings.items():
        if isinstance(value, PathLike):
            settings[name] = os.fspath(value)
        elif not isinstance(value, (str, int, float, bool, type(None))):
            settings[name] = None  # laws, recipes and generators
    settings["mixup"] = model.mixup is not None
    settings["weights"] = None if model.weights is None else model.weights.spec()
    card = {
        "format": _FORMAT,
        "version": _VERSION,
        "vicinal": __version__,
        "kind": backbone.kind,
        "pooling": getattr(backbone, "pooling", "mean"),
        "max_tokens": backbone.max_tokens,
        "classes": model.classes_.tolist(),
        "settings": settings,
        "mixup": _spec_of(model.mixup_),
        "history": model.history_,
        "epochs": model.epochs_,
        "temperature": model.temperature_,
        "unknown": model._unknown is not None,
    }
    with replacing_folder(folder) as beside:
        backbone.save(beside, net)
        weights = {name: one.detach().cpu().contiguous() for name, one in _weights(net).items()}
        # not save_file, whose files are for the owner's eyes only
        (beside / _WEIGHTS).write_bytes(to_bytes(weights))
        if model._unknown is not None:
            from safetensors.numpy import save as arrays_to_bytes

            (beside / _UNKNOWN).write_bytes(arrays_to_bytes(vars(model._unknown)))
        card["files"] = checksums(beside)
        (beside / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False), "utf-8")


def load(folder: Path) -> tuple[dict[str, Any], dict[str, Any], Backbone, Any]:
    """Return settings, state, backbone and network of a saved classifier."""
    from safetensors.torch import load_file

    folder = folder.expanduser()
    card = read_card(folder, CARD, _FORMAT, _VERSION, "a text classifier")
    try:
        weights = load_file(folder / _WEIGHTS)
    except Exception as error:
        raise ValueError(
            f"The weights in {str(folder)!r} cannot be read ({error}). Save the classifier again."
        ) from error
    backbone = load_backbone(folder, card["kind"], card["max_tokens"], card["pooling"])
    net = backbone.empty(len(card["classes"]))
    wanted, there = (
        {(name, tuple(one.shape)) for name, one in some.items()}
        for some in (_weights(net), weights)
    )
    if wanted != there:
        raise ValueError(
            f"The weights in {str(folder)!r} do not fit what {CARD} says, such as "
            f"{min(wanted ^ there)[0]!r}. Files were mixed up or changed: save it again."
        )
    net.load_state_dict(weights, strict=False)  # what is shared is there once
    card["unknown"] = _unknown_from(folder) if card["unknown"] else None
    settings, card["mixup"] = card["settings"], _mixup_from(card["mixup"])
    settings["mixup"] = card["mixup"] if settings["mixup"] else None
    if settings["weights"] is not None:
        settings["weights"] = law_from_spec(settings["weights"])
    return settings, card, backbone, net


def _unknown_from(folder: Path) -> Any:
    from safetensors.numpy import load_file

    from vicinal.text.classifier.unknown import UnknownHead

    try:
        return UnknownHead(**load_file(folder / _UNKNOWN))
    except Exception as error:
        raise ValueError(
            f"{_UNKNOWN} in {str(folder)!r} cannot be read ({error}). Save the classifier again."
        ) from error


def _spec_of(mixup: MixupConfig) -> dict[str, Any]:
    """Return a configuration as JSON values; a pairing of one's own, or of given rows, by name."""
    said = {one.name: getattr(mixup, one.name) for one in fields(mixup)}
    own: Any = mixup.pairing
    name = type(own).__name__
    plain = name in _PAIRINGS and getattr(pairing, name) is type(own)
    held = {one.name: getattr(own, one.name) for one in fields(own)} if plain else None
    return said | {"weights": mixup.weights.spec(), "pairing": [name, held]}


def _mixup_from(said: dict[str, Any]) -> MixupConfig | None:
    """Return a configuration, None where its pairing cannot be told from a file."""
    from vicinal.nn.config import MixupConfig

    name, held = said["pairing"]
    if held is None:
        return None
    whom = getattr(pairing, check_choice("pairing", name, _PAIRINGS))(**held)
    return MixupConfig(**said | {"weights": law_from_spec(said["weights"]), "pairing": whom})


def _weights(net: Any) -> dict[str, Any]:
    """Return the weights of a network; what it shares between two places, once."""
    seen: set[int] = set()
    kept = {}
    for name, one in net.state_dict().items():
        if one.data_ptr() not in seen or not one.numel():
            kept[name] = one
        seen.add(one.data_ptr())
    return kept
