"""Nano's decoder: small, trained from the encoder's own layers, and quick to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vicinal._checks import check_count
from vicinal._types import Floats32
from vicinal.text._blocks import HalfCopy
from vicinal.text._cores import cores_of, on_cores, spans
from vicinal.text.encoder import in_bfloat16
from vicinal.text.invert.codec import EOS, FORMAL, INFORMAL, PAD, SPECIALS, Codec
from vicinal.text.invert.decoders import Decoded, pad_rows
from vicinal.text.invert.decoding import Rules, write
from vicinal.text.invert.guidance import Hints, gains
from vicinal.text.invert.network import NanoNetwork, NanoShape

_VOCAB = "vocab.txt"


class NanoDecoder:
    """Nano's network and the codec between its ids and text.

    Parameters
    ----------
    network : NanoNetwork
        The decoder.
    codec : Codec
        Between ids and text.
    no_repeat : int, default 3
        No run of so many tokens is written twice in a sentence; 0 allows every repetition.
    max_tokens : int, default 64
        Longest sentence written, markers included, where nothing else is asked for.
    """

    kind = "nano"
    batch = 512
    #: Given sentences that a core judges at once: of more, more is padding.
    JUDGED = 16

    def __init__(
        self, network: NanoNetwork, codec: Codec, *, no_repeat: int = 3, max_tokens: int = 64
    ) -> None:
        self.network, self.codec = network.eval(), codec
        self.no_repeat = check_count("no_repeat", no_repeat, low=0)
        self.max_tokens = check_count("max_tokens", max_tokens, low=2)
        self.width = network.config.width
        self._half = HalfCopy(network)

    @property
    def trainable(self) -> list[nn.Parameter]:
        """All weights that are not frozen."""
        return [one for one in self.network.parameters() if one.requires_grad]

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.network.bias.device

    def to(self, device: str) -> NanoDecoder:
        """Move to a device."""
        self.network.to(device)
        return self

    def train(self, mode: bool = True) -> NanoDecoder:
        """Do nothing: there is no dropout."""
        return self

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each sentence, without the words that the vocabulary cannot spell."""
        return [self.codec.spell(text) for text in texts]

    def room(self, soft_tokens: int) -> int:
        """Return how many tokens a sentence may have; soft tokens take no room."""
        return int(self.network.config.positions)

    def loss(self, soft: Tensor, rows: Sequence[Sequence[int]]) -> Tensor:
        """Return the mean negative log-likelihood of the sentences' tokens, but of the style."""
        return self.network.loss(soft, *self._padded(soft, rows))

    def log_likelihood(self, soft: Tensor, texts: Sequence[str]) -> Floats32:
        """Return the mean log-probability a token of sentences."""
        network, soft = self._ready(soft)
        rows = [[FORMAL, *row[1:]] for row in self.tokenize(texts)]  # as it would write them

        def judge(span: slice) -> Tensor:
            return network.log_likelihood(soft[span], *self._padded(soft[span], rows[span]))

        size = self.JUDGED if soft.device.type == "cpu" else max(1, len(rows))
        found = on_cores(judge, spans(len(rows), size), soft.device)
        likely: Floats32 = torch.cat(list(found)).cpu().numpy()
        return likely

    def _padded(self, soft: Tensor, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        return pad_rows(rows, self.room(soft.shape[1]), PAD, soft.device)

    def decode(
        self,
        soft: Tensor,
        temperatures: Sequence[float] = (0.0,),
        *,
        beams: int = 1,
        max_tokens: int | None = None,
        generator: np.random.Generator | None = None,
        hints: Hints | None = None,
    ) -> Decoded:
        """Write sentences for each row of soft tokens, one at each temperature."""
        network, soft = self._ready(soft)
        ids, likely = write(
            network, soft, temperatures, self._rules(max_tokens), beams=beams, generator=generator,
            gains=None if hints is None else self._gains(hints).to(soft.device),
            parts=cores_of(soft.device),
        )  # fmt: skip
        return Decoded.of([self.codec.decode(row) for row in ids], likely.cpu().numpy())

    def _gains(self, hints: Hints) -> Tensor:
        size = self.network.config.vocab
        return gains(hints, self.tokenize, lambda one: self.codec.decode([one]), size)

    def _rules(self, max_tokens: int | None) -> Rules:
        longest = self.max_tokens if max_tokens is None else check_count("max_tokens", max_tokens)
        longest = min(longest + 1, self.network.config.positions)  # after the style token
        return Rules(FORMAL, EOS, (PAD, FORMAL, INFORMAL), longest, self.no_repeat)

    def _ready(self, soft: Tensor) -> tuple[NanoNetwork, Tensor]:
        """Return the network in bfloat16 where the processor has it, and soft tokens alike."""
        if not in_bfloat16("auto", self.device.type):
            return self.network, soft.float()
        return self._half.get(), soft.to(torch.bfloat16)

    def describe(self) -> dict[str, Any]:
        """Return what a saved inverter has to say about it."""
        return {
            "kind": self.kind,
            "shape": asdict(self.network.config),
            "no_repeat": self.no_repeat,
            "max_tokens": self.max_tokens,
        }

    def weights(self) -> Mapping[str, Tensor]:
        """Return all weights."""
        found: Mapping[str, Tensor] = self.network.state_dict()
        return found

    def save(self, folder: Path, *, half: bool = False) -> None:
        """Write the vocabulary."""
        (folder / _VOCAB).write_text("\n".join(self.codec.tokens), "utf-8")

    @classmethod
    def load(
        cls, folder: Path, said: Mapping[str, Any], weights: Mapping[str, Tensor]
    ) -> NanoDecoder:
        """Return the decoder that was saved, in float32."""
        shape = NanoShape(**said["shape"])
        path = folder / _VOCAB
        if not path.is_file():
            raise ValueError(f"{str(folder)!r} lacks its file {_VOCAB!r}. Save the inverter again.")
        tokens = path.read_text("utf-8").split("\n")
        if len(tokens) != shape.vocab or tuple(tokens[: len(SPECIALS)]) != SPECIALS:
            raise ValueError(
                f"{str(path)!r} holds {len(tokens)} tokens, the weights know "
                f"{shape.vocab}. Files of two inverters were mixed up; save it again."
            )
        with torch.random.fork_rng(devices=[]):  # what is drawn here is overwritten at once
            network = NanoNetwork(shape)
        network.load_state_dict(weights)
        return cls(
            network,
            Codec(tokens[len(SPECIALS) :]),
            no_repeat=said["no_repeat"],
            max_tokens=said["max_tokens"],
        )
