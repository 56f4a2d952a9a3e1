"""The configuration of a mixup training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vicinal._checks import check_choice, check_count, check_number
from vicinal.pairing import Pairing, Permutation
from vicinal.pairing.base import check_pairing
from vicinal.weights import Beta, WeightLaw, check_law


@dataclass(frozen=True)
class MixupConfig:
    """Who mixes with whom, by how much, where, and when.

    Parameters
    ----------
    pairing : Pairing, default Permutation()
        Partners, drawn anew for each epoch.
    weights : WeightLaw, default Beta(0.4)
        Law of the weight of the row itself, drawn for each pair.
    where : {"hidden", "input", "sentence", "none"}, default "hidden"
        In front of a random layer, the embeddings, the pooled sentence, or not at all.
    layers : "all" or sequence of int, default "all"
        Layers to draw from with "hidden": from 0 (input) to the number of layers (sentence).
    symmetric : bool, default True
        Whether both directions of a pair are trained on.
    probability : float, default 1.0
        Share of steps that mix; the others train on the rows as they are.
    per_sample : bool, default False
        Whether ``probability`` is of pairs and not of steps.
    batchwise : bool, default False
        Whether all pairs of a step share one weight.
    clean_weight : float, default 0.0
        Share of the loss that is of the rows as they are, in steps that mix (RegMixup); above 0
        each step reads its rows twice.
    until : float, default 1.0
        Share of the training, in (0, 1], after which nothing is mixed.
    warmup_epochs : int, default 0
        Epochs at the beginning that do not mix.
    refresh : int, default 1
        With a pairing that looks at rows: epochs between two embeddings of the data by the model;
        0 embeds once. A ``refresh`` of the pairing itself has the say.

    Raises
    ------
    ValueError, TypeError
        If a setting is not what it should be.

    References
    ----------
    Pinto, Yang, Lim, Torr and Dokania, "RegMixup: Mixup as a Regularizer Can Surprisingly Improve
    Accuracy and Out Distribution Robustness", NeurIPS 2022 (for ``clean_weight``).

    Examples
    --------
    >>> from vicinal import EpBeta
    >>> mixup = MixupConfig(weights=EpBeta(0.1), layers=[3, 6])
    >>> mixup.choices(6)
    (3, 6)
    """

    pairing: Pairing = field(default_factory=Permutation)
    weights: WeightLaw = field(default_factory=lambda: Beta(0.4))
    where: str = "hidden"
    layers: str | Sequence[int] = "all"
    symmetric: bool = True
    probability: float = 1.0
    per_sample: bool = False
    batchwise: bool = False
    clean_weight: float = 0.0
    until: float = 1.0
    warmup_epochs: int = 0
    refresh: int = 1

    def __post_init__(self) -> None:
        check_pairing(self.pairing)
        check_law(self.weights, parents=2)
        check_choice("where", self.where, ["hidden", "input", "sentence", "none"])
        check_number("probability", self.probability, low=0.0, high=1.0)
        check_number("clean_weight", self.clean_weight, low=0.0, high=1.0, open_high=True)
        check_number("until", self.until, low=0.0, high=1.0, open_low=True)
        check_count("warmup_epochs", self.warmup_epochs, low=0)
        check_count("refresh", self.refresh, low=0)
        if isinstance(self.layers, str):
            check_choice("layers", self.layers, ["all"])
            return
        if not isinstance(self.layers, Iterable):
            raise TypeError(
                f"layers must be 'all' or a list of layer numbers, got {self.layers!r}. Write "
                f"layers=[{self.layers!r}] for one layer."
            )
        listed = tuple(check_count("layers", layer, low=0) for layer in self.layers)
        if not listed:
            raise ValueError("layers is empty. Name at least one layer, or 'all'.")
        if self.where != "hidden":
            raise ValueError(
                f"layers={listed} needs where='hidden', got where={self.where!r}. Leave layers "
                "out, or list 0 for the input."
            )
        object.__setattr__(self, "layers", listed)

    def choices(self, n_layers: int) -> tuple[int, ...]:
        """Return the layers that a step may mix in front of, none with ``where="none"``.

        Parameters
        ----------
        n_layers : int
            Number of layers of the model; a listed one beyond it is a ValueError.

        Returns
        -------
        tuple of int
            From 0 (input) to ``n_layers`` (sentence).
        """
        check_count("n_layers", n_layers)
        if self.where == "none":
            return ()
        if self.where != "hidden":
            return (0,) if self.where == "input" else (n_layers,)
        if isinstance(self.layers, str):
            return tuple(range(1, n_layers)) or (0,)
        beyond = [layer for layer in self.layers if layer > n_layers]
        if beyond:
            raise ValueError(
                f"layers holds {beyond[0]}, but the model has {n_layers} layers. List numbers from "
                f"0 (the input) to {n_layers} (the sentence)."
            )
        return tuple(self.layers)

    def embeds_every(self) -> int:
        """Return after how many epochs the data are embedded anew, 0 for never."""
        own = self.pairing.refresh
        return self.refresh if own is None else own

    def draw(
        self,
        epoch: int,
        n_layers: int,
        n_pairs: int,
        rng: np.random.Generator,
        done: float = 0.0,
    ) -> tuple[int, np.ndarray[Any, np.dtype[np.float64]]] | None:
        """Draw what one step does.

        Parameters
        ----------
        epoch, n_layers, n_pairs : int
            Epoch, from 0; layers of the model; pairs in the batch.
        rng : numpy.random.Generator
            Where random numbers come from.
        done : float, default 0.0
            Share of the training that is done.

        Returns
        -------
        tuple of int and ndarray of shape (n_pairs,), or None
            Layer and weights; None for a step that does not mix.
        """
        choices = self.choices(n_layers)
        over = self.until < 1 and done >= self.until
        if epoch < self.warmup_epochs or not choices or over:
            return None
        if not self.per_sample and rng.random() >= self.probability:
            return None
        layer = int(rng.choice(choices))
        drawn = self.weights.sample(1 if self.batchwise else n_pairs, rng)
        lam = np.resize(drawn, n_pairs)
        if self.per_sample:
            lam = np.where(rng.random(n_pairs) < self.probability, lam, 1.0)
        return layer, lam
