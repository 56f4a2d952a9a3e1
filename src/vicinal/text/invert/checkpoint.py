"""What a fit needs to go on after an interruption, and what has to be the same then."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from vicinal.text.encoder import Encoder
from vicinal.text.invert.adaptor import Adaptor
from vicinal.text.invert.decoders import Decoder

if TYPE_CHECKING:
    from vicinal.text.invert.fitting import TrainingOptions


class Checkpoint:
    """A folder that a fit can go on from, where all that decides its result is the same."""

    CARD = "checkpoint.json"
    _FORMAT, _VERSION = "vicinal-checkpoint", 1

    def __init__(self, folder: Path | None, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        self._identity: dict[str, Any] = json.loads(json.dumps(identity))
        if folder is None:
            return
        from vicinal.io import replacing
        from vicinal.io.folders import check_folder, read_card

        check_folder(folder, self.CARD, self._FORMAT, "a checkpoint")
        if (folder / self.CARD).is_file():
            there = read_card(folder, self.CARD, self._FORMAT, self._VERSION, "a checkpoint")
            self._compare(there.get("identity", {}))
            return
        folder.mkdir(exist_ok=True)
        said = {"format": self._FORMAT, "version": self._VERSION, "identity": self._identity}
        with replacing(folder / self.CARD) as sink:
            sink.write(json.dumps(said, indent=1).encode())

    def _compare(self, there: Mapping[str, Any]) -> None:
        here = self._identity
        odd = [name for name in {**there, **here} if there.get(name) != here.get(name)]
        if odd:
            said = "; ".join(_difference(name, there.get(name), here.get(name)) for name in odd)
            raise ValueError(
                f"The checkpoint in {str(self.folder)!r} was begun with something else: {said}. "
                "Go on with the same, or name another folder."
            )

    def part(self, name: str) -> Path | None:
        """Return the place of something of one's own in the folder."""
        return None if self.folder is None else self.folder / name


def identity_of(
    what: str,
    encoder: Encoder,
    adaptor: Adaptor,
    decoder: Decoder,
    texts: Sequence[str],
    options: TrainingOptions,
    **others: Any,
) -> dict[str, Any]:
    """Return what has to be the same for a fit to go on."""
    said = json.dumps(decoder.describe(), sort_keys=True, default=str)
    return {
        "stage": what,
        "texts": hash_texts(texts),
        "encoder": encoder.fingerprint,
        "adaptor": _hash(adaptor.state_dict()),
        "language model": _hash({str(at): one for at, one in enumerate(decoder.trainable)}, said),
        **asdict(options),
        **others,
    }


def hash_texts(texts: Sequence[str]) -> str:
    """Return how many texts there are, and a hash of them."""
    read = hashlib.sha256()
    for text in texts:
        read.update(f"{len(text)}:{text}".encode("utf-8", "surrogatepass"))
    return f"{len(texts)} ({read.hexdigest()[:12]})"


def _hash(tensors: Mapping[str, Tensor], said: str = "") -> str:
    total = hashlib.sha256(said.encode())
    for name, one in tensors.items():
        total.update(name.encode())
        total.update(one.detach().cpu().float().contiguous().numpy().tobytes())
    return total.hexdigest()[:12]


def _difference(name: str, there: Any, here: Any) -> str:
    if name in {"texts", "labels"}:
        then, now = (str(one).partition(" ")[0] for one in (there, here))
        return f"the {name} are others ({then} then, {now} now)"
    if name in {"encoder", "adaptor", "language model"}:
        return f"the {name} is another one"
    return f"{name} was {there!r}, is {here!r}"
