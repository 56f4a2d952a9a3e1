"""Sentences for embeddings: written, embedded again, and chosen among."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vicinal._checks import check_count, check_number
from vicinal._random import RandomState, Seeds, WriteKey
from vicinal.text.encoder import Encoder, check_texts
from vicinal.text.invert.adaptor import Adaptor
from vicinal.text.invert.candidates import Candidates, Inversion, cosine
from vicinal.text.invert.crossover import recombine as recombined
from vicinal.text.invert.decoders import Decoder

__all__ = ["Writer"]

Floats = npt.NDArray[np.float32]


class Writer:
    """An encoder, an adaptor and a language model that fit together; see :class:`Inverter`.

    Parameters
    ----------
    encoder : Encoder
        Where the embeddings come from.
    adaptor : Adaptor
        From embeddings to soft tokens.
    decoder : Decoder
        The language model.
    notes : dict, optional
        Anything that JSON can hold.
    """

    #: Tokens of all candidates of a round but the first are drawn at this temperature.
    TEMPERATURE = 0.6
    #: How far a round aims past the target, as a share of what the nearest sentence missed it by.
    STEP = 0.25

    def __init__(
        self,
        encoder: Encoder,
        adaptor: Adaptor,
        decoder: Decoder,
        *,
        notes: dict[str, Any] | None = None,
    ) -> None:
        if encoder.dim != adaptor.embedding:
            raise ValueError(
                f"adaptor must read embeddings of length {encoder.dim}, as the encoder "
                f"{encoder.name!r} makes them, got {adaptor.embedding}."
            )
        if decoder.width != adaptor.width:
            raise ValueError(
                f"adaptor must make soft tokens of length {decoder.width}, as the language model "
                f"reads them, got {adaptor.width}."
            )
        self.encoder, self.adaptor, self.decoder = encoder, adaptor.eval(), decoder
        self.notes: dict[str, Any] = dict(notes or {})
        self.preface = ""

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return the embeddings of texts.

        Parameters
        ----------
        texts : sequence of str
            Any number.

        Returns
        -------
        ndarray of float32, shape (n_texts, dim)
            As the encoder makes them.
        """
        return self.encoder.encode(texts)

    def generate(
        self,
        embeddings: npt.ArrayLike,
        *,
        temperature: float = 0.0,
        beams: int = 1,
        max_tokens: int | None = None,
        random_state: RandomState = None,
    ) -> tuple[list[str], Floats]:
        """Write one sentence for each embedding.

        Parameters
        ----------
        embeddings : array of shape (n_embeddings, dim)
            As :meth:`encode` makes them, or mixtures of such.
        temperature : float, default 0.0
            0 takes the likeliest token each time; above, tokens are drawn.
        beams : int, default 1
            Sentences followed at once. Only at temperature 0.
        max_tokens : int, optional
            Longest sentence, in tokens of the language model.
        random_state : int, Generator or None
            Seed of what is drawn.

        Returns
        -------
        tuple of list of str and ndarray of shape (n_embeddings,)
            Sentences, and the mean log-probability a token of each.

        Raises
        ------
        ValueError
            If embeddings have another shape, or hold what is not finite.
        """
        rows = self._check(embeddings)
        check_number("temperature", temperature, low=0)
        check_count("beams", beams)
        if beams > 1 and temperature > 0:
            raise ValueError(
                f"beams must be 1 where tokens are drawn (temperature={temperature:g}), got "
                f"{beams}. Set temperature=0."
            )
        rng = Seeds(random_state).generator(WriteKey.TOKENS)
        lines: list[str] = []
        likely = np.empty(len(rows), np.float32)
        size = max(1, self.decoder.batch // beams)
        for at in range(0, len(rows), size):
            span = slice(at, at + size)
            found, likely[span] = self.decoder.generate(
                self._soft(rows[span]),
                temperature=temperature,
                beams=beams,
                max_tokens=max_tokens,
                generator=rng,
            )
            lines.extend(found)
        return lines, likely

    def candidates(
        self,
        embeddings: npt.ArrayLike,
        n: int = 4,
        *,
        rounds: int = 2,
        max_tokens: int | None = None,
        random_state: RandomState = None,
    ) -> Candidates:
        """Write several sentences for each embedding, and encode them again.

        Parameters
        ----------
        embeddings : array of shape (n_embeddings, dim)
            As :meth:`encode` makes them, or mixtures of such.
        n : int, default 4
            Sentences for each.
        rounds : int, default 2
            They are written in so many rounds of about equal size, each the likeliest sentence and
            drawn ones. The first is written for the embedding; the next for one that lies past it,
            on the side away from the nearest sentence so far. In one round they come a little
            quicker, and less near.
        max_tokens : int, optional
            Longest sentence, in tokens of the language model.
        random_state : int, Generator or None
            Seed of what is drawn.

        Returns
        -------
        Candidates
            Sentences, their embeddings and likelihoods, round by round.

        Raises
        ------
        ValueError
            If embeddings have another shape, or hold what is not finite.
        """
        rows, n = self._check(embeddings), check_count("n", n)
        parts = np.array_split(np.arange(n), min(check_count("rounds", rounds), n))
        rng = Seeds(random_state).generator(WriteKey.TOKENS)
        lines: list[list[str]] = [[] for _ in rows]
        likely = np.empty((len(rows), n), np.float32)
        there = np.empty((len(rows), n, self.encoder.dim), np.float32)
        aims = rows
        for part in parts:
            written, likely[:, part] = self._draft(aims, len(part), max_tokens, rng)
            for line, more in zip(lines, written, strict=True):
                line.extend(more)
            embedded = self.encode([line for row in written for line in row])
            there[:, part] = embedded.reshape(len(rows), len(part), self.encoder.dim)
            so_far = there[:, : part[-1] + 1]
            best = cosine(so_far, rows[:, None]).argmax(1)
            nearest = np.take_along_axis(so_far, best[:, None, None], 1)[:, 0]
            aims = rows + self.STEP * (rows - nearest)
        return Candidates(lines, there, likely)

    def log_likelihood(self, embeddings: npt.ArrayLike, texts: Sequence[str]) -> Floats:
        """Return how likely it is that the language model writes a sentence for an embedding.

        Parameters
        ----------
        embeddings : array of shape (n_embeddings, dim)
            As :meth:`encode` makes them, or mixtures of such.
        texts : sequence of str
            One for each.

        Returns
        -------
        ndarray of shape (n_embeddings,)
            Mean log-probabilities a token.

        Raises
        ------
        ValueError
            If embeddings have another shape, or hold what is not finite; if there are more or
            fewer texts; if the language model runs on vLLM.
        TypeError
            If texts are not a list of strings.
        """
        rows, texts = self._check(embeddings), check_texts(texts)
        if len(texts) != len(rows):
            raise ValueError(
                f"texts must be one for each embedding, got {len(texts)} for {len(rows)}."
            )
        likely = np.empty(len(rows), np.float32)
        order = np.argsort([-len(text) for text in texts], kind="stable")  # less to pad
        for at in range(0, len(rows), self.decoder.batch):
            some = order[at : at + self.decoder.batch]
            said = [texts[place] for place in some]
            likely[some] = self.decoder.log_likelihood(self._soft(rows[some]), said)
        return likely

    def _draft(
        self, aims: Floats, n: int, max_tokens: int | None, rng: np.random.Generator
    ) -> tuple[list[list[str]], Floats]:
        """Return n sentences for each embedding, and their mean log-probabilities a token."""
        lines: list[list[str]] = []
        likely = np.empty((len(aims), n), np.float32)
        size = max(1, self.decoder.batch // n)
        for at in range(0, len(aims), size):
            span = slice(at, at + size)
            found, likely[span] = self.decoder.candidates(
                self._soft(aims[span]),
                n,
                temperature=self.TEMPERATURE,
                max_tokens=max_tokens,
                generator=rng,
            )
            lines.extend(found)
        return lines, likely

    def invert(
        self,
        embeddings: npt.ArrayLike,
        candidates: int = 1,
        *,
        rounds: int = 2,
        recombine: int = 0,
        random_state: RandomState = None,
    ) -> Inversion:
        """Write the sentence that comes nearest to each embedding.

        Parameters
        ----------
        embeddings : array of shape (n_embeddings, dim)
            As :meth:`encode` makes them, or mixtures of such.
        candidates : int, default 1
            Sentences written for each, of which the one nearest to the embedding stays.
        rounds : int, default 2
            Rounds in which they are written; see :meth:`candidates`.
        recombine : int, default 0
            How often the nearest of them then takes over a span of words from another, as long as
            that brings it nearer. Three times bring most of the gain, and take as long as writing.
        random_state : int, Generator or None
            Seed of what is drawn.

        Returns
        -------
        Inversion
            Sentences, and how near they come (cosine).

        Raises
        ------
        ValueError
            If embeddings have another shape, or hold what is not finite.
        """
        rows, steps = self._check(embeddings), check_count("recombine", recombine, low=0)
        found = self.candidates(
            rows, check_count("candidates", candidates), rounds=rounds, random_state=random_state
        )
        if not steps:
            closeness = found.closeness(rows)
            at, best = np.arange(len(rows)), found.pick(closeness)
            lines = [found.sentences[i][j] for i, j in zip(at, best, strict=True)]
            return Inversion(lines, closeness[at, best])
        lines, there, _ = recombined(
            self,
            found,
            rows,
            found.pick(found.closeness(rows)),
            lambda embedded, of: cosine(embedded, rows[of]),
            likely=0.0,
            steps=steps,
            judged=False,
        )
        return Inversion(lines, cosine(there, rows))

    def _check(self, embeddings: npt.ArrayLike) -> Floats:
        try:
            rows = np.asarray(embeddings, np.float32)
        except (TypeError, ValueError):
            raise TypeError(
                "embeddings must be numbers, one row for each sentence, got "
                f"{type(embeddings).__name__} of other things. Make them with encode."
            ) from None
        if rows.ndim != 2 or rows.shape[1] != self.adaptor.embedding:
            raise ValueError(
                f"embeddings must have shape (n_embeddings, {self.adaptor.embedding}), got "
                f"{rows.shape}. Make them with encode."
            )
        if not np.isfinite(rows).all():
            bad = int(np.flatnonzero(~np.isfinite(rows).all(1))[0])
            raise ValueError(f"embeddings must be finite, row {bad} is not. Drop such rows.")
        return rows

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def _soft(self, rows: Floats) -> torch.Tensor:
        device = self.adaptor.mean.device
        soft: torch.Tensor = self.adaptor(torch.from_numpy(np.ascontiguousarray(rows)).to(device))
        return soft
