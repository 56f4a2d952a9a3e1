"""Embeddings back to sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from vicinal._checks import check_count, check_number
from vicinal._random import RandomState, Seeds, WriteKey
from vicinal._types import Floats32
from vicinal.text.encoder import Encoder, check_texts
from vicinal.text.invert.adaptor import Adaptor
from vicinal.text.invert.candidates import Candidates, Inversion, cosine
from vicinal.text.invert.confidence import Confidence
from vicinal.text.invert.crossover import exchange_spans
from vicinal.text.invert.decoders import Decoded, Decoder
from vicinal.text.invert.folder import default_inverter, find_folder, load, push, save
from vicinal.text.invert.guidance import DRAFTS, Hints
from vicinal.text.invert.huggingface import PROMPT, HuggingFaceDecoder
from vicinal.text.models import check_device

if TYPE_CHECKING:
    from typing_extensions import Self


class Inverter:
    """Turns sentence embeddings back into sentences.

    An adaptor makes a few soft tokens of an embedding; a causal language model reads them.

    Parameters
    ----------
    encoder : Encoder
        Where the embeddings come from.
    adaptor : Adaptor
        From embeddings to soft tokens.
    decoder : Decoder
        The language model.
    notes : dict, optional
        Anything that JSON can hold, kept in a saved folder: where it was trained, its figures.

    See Also
    --------
    vicinal.text.align : Stage 1: train the adaptor on unlabelled texts.
    vicinal.text.refine : Stage 2: follow an encoder that has learned a task.

    References
    ----------
    Kong et al., "inversedMixup: Data Augmentation via Inverting Mixed Embeddings", 2026.
    Morris et al., "Text Embeddings Reveal (Almost) As Much As Text", EMNLP 2023.

    Examples
    --------
    >>> inverter = Inverter.from_pretrained("nano")  # doctest: +SKIP
    >>> inverter.invert(inverter.encode(["The battery died."]), candidates=4)  # doctest: +SKIP
    Inversion(sentences=['The battery died.'], closeness=array([1.], dtype=float32))
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
        self.encoder: Encoder = encoder
        self.adaptor, self.decoder = adaptor.eval(), decoder
        self._guide: Inverter | None = None
        self.notes: dict[str, Any] = dict(notes or {})
        self.preface = ""

    def __repr__(self) -> str:
        parts = f"encoder={self.encoder.name!r}, decoder={self.decoder.kind!r}"
        return f"{type(self).__name__}({parts}, soft_tokens={self.adaptor.soft_tokens})"

    @property
    def guide(self) -> Inverter | None:
        """A quick inverter of the same encoder, the words of whose sentences are favored, or None.

        It brings sentences closer to embeddings, in worse English. Its drafts are drawn in the
        order of the embeddings, so that a sentence depends on its place, also at temperature 0. No
        saved folder keeps it, and an encoder that learns a task loses it.
        """
        return self._guide

    @guide.setter
    def guide(self, guide: Inverter | None) -> None:
        if guide is not None:
            self._check_guide(guide)
        self._guide = guide

    @property
    def confidence(self) -> Confidence | None:
        """How sure its sentences are to be kept, as ``notes["confidence"]`` has it.

        :func:`vicinal.text.augment` fits its level to the texts (:meth:`Confidence.of_task`). None
        where nobody has measured it, and with a guide, with which it was not measured.
        """
        said = self.notes.get("confidence")
        return None if said is None or self._guide is not None else Confidence.of(said)

    @property
    def readers_kept(self) -> float | None:
        """Share of its rows that readers (language models, blind) kept, ``notes["kept"]``.

        Of an inverter with a ``confidence``, of the rows that it is sure enough of. None as there.
        """
        said = self.notes.get("kept")
        if said is None or self._guide is not None:
            return None
        return check_number("kept of notes", said, low=0, high=1)

    def _check_guide(self, guide: Any) -> None:
        if not (hasattr(guide, "encoder") and hasattr(guide, "candidates")):
            raise TypeError(
                f"guide must be an inverter or None, got {type(guide).__name__}. By name, give it "
                "to from_pretrained."
            )
        if guide is self or getattr(guide, "guide", None) is not None:
            raise ValueError("guide must be another inverter that has no guide itself.")
        found, wanted = ((one.fingerprint, one.normalize) for one in (guide.encoder, self.encoder))
        if found != wanted:
            raise ValueError(
                f"guide must be an inverter of the encoder {self.encoder.name!r} (fingerprint "
                f"{wanted[0]}, normalize={wanted[1]}), got one of {guide.encoder.name!r} "
                f"(fingerprint {found[0]}, normalize={found[1]}). Leave out the guide."
            )

    def encode(self, texts: Sequence[str]) -> Floats32:
        """Return the embeddings (n_texts, dim) of texts, as the encoder makes them."""
        return self.encoder.encode(texts)

    def generate(
        self,
        embeddings: npt.ArrayLike,
        *,
        temperature: float = 0.0,
        beams: int = 1,
        max_tokens: int | None = None,
        random_state: RandomState = None,
    ) -> tuple[list[str], Floats32]:
        """Write one sentence for each embedding.

        Parameters
        ----------
        embeddings : array of shape (n_embeddings, dim)
            As :meth:`encode` makes them, or mixtures of such; finite numbers.
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
        hints = self._hints(rows)
        lines, likely = self._decode(rows, [temperature], beams, max_tokens, rng, hints)
        return [row[0] for row in lines], likely[:, 0]

    def candidates(
        self,
        embeddings: npt.ArrayLike,
        n_samples: int = 4,
        *,
        rounds: int = 2,
        max_tokens: int | None = None,
        random_state: RandomState = None,
    ) -> Candidates:
        """Write several sentences for each embedding, and encode them again.

        Parameters
        ----------
        embeddings : array of shape (n_embeddings, dim)
            As :meth:`generate` takes them.
        n_samples : int, default 4
            Sentences for each.
        rounds : int, default 2
            Rounds of about equal size, each the likeliest sentence and drawn ones. After the first
            they are written for a point past the embedding, away from the nearest sentence so far.
        max_tokens, random_state : optional
            As of :meth:`generate`.

        Returns
        -------
        Candidates
            Sentences, their embeddings and likelihoods, round by round.
        """
        rows, n = self._check(embeddings), check_count("n_samples", n_samples)
        parts = np.array_split(np.arange(n), min(check_count("rounds", rounds), n))
        seeds = Seeds(random_state)
        lines: list[list[str]] = [[] for _ in rows]
        likely = np.empty((len(rows), n), np.float32)
        there = np.empty((len(rows), n, self.encoder.dim), np.float32)
        aims, hints = rows, self._hints(rows)
        for number, part in enumerate(parts):
            # of a round alone: what fewer rows draw is what the first of more do
            rng = seeds.generator(WriteKey.TOKENS, number)
            temperatures = [0.0] + [self.TEMPERATURE] * (len(part) - 1)
            written, likely[:, part] = self._decode(aims, temperatures, 1, max_tokens, rng, hints)
            for line, more in zip(lines, written, strict=True):
                line.extend(more)
            embedded = self.encode([line for row in written for line in row])
            there[:, part] = embedded.reshape(len(rows), len(part), self.encoder.dim)
            so_far = there[:, : part[-1] + 1]
            best = cosine(so_far, rows[:, None]).argmax(1)
            nearest = np.take_along_axis(so_far, best[:, None, None], 1)[:, 0]
            aims = rows + self.STEP * (rows - nearest)
        return Candidates(lines, there, likely)

    def log_likelihood(self, embeddings: npt.ArrayLike, texts: Sequence[str]) -> Floats32:
        """Return the mean log-probability (n_embeddings,) a token of a sentence for each embedding.

        Raises
        ------
        TypeError, ValueError
            If embeddings are not as :meth:`generate` takes them, or texts not a string for each.
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

    def _decode(
        self,
        rows: Floats32,
        temperatures: list[float],
        beams: int,
        max_tokens: int | None,
        rng: np.random.Generator,
        hints: Hints | None,
    ) -> Decoded:
        """Return a sentence at each temperature for each embedding."""
        found = Decoded([], np.empty((len(rows), len(temperatures)), np.float32))
        size = max(1, self.decoder.batch // max(beams, len(temperatures)))
        for at in range(0, len(rows), size):
            span = slice(at, at + size)
            lines, found.log_likelihood[span] = self.decoder.decode(
                self._soft(rows[span]),
                temperatures,
                beams=beams,
                max_tokens=max_tokens,
                generator=rng,
                **({} if hints is None else {"hints": hints.part(span)}),
            )
            found.sentences.extend(lines)
        return found

    def _hints(self, rows: Floats32) -> Hints | None:
        """Return what the guide says of embeddings, the same each time for the same ones."""
        if self.guide is None:
            return None
        found = self.guide.candidates(rows, DRAFTS, random_state=0)
        return Hints.of(found.sentences, found.closeness(rows))

    def invert(
        self,
        embeddings: npt.ArrayLike,
        candidates: int = 1,
        *,
        rounds: int = 2,
        crossover: int = 0,
        random_state: RandomState = None,
    ) -> Inversion:
        """Write the sentence that comes nearest to each embedding.

        Parameters
        ----------
        embeddings : array of shape (n_embeddings, dim)
            As :meth:`generate` takes them.
        candidates : int, default 1
            Sentences written for each, of which the one nearest to the embedding stays.
        rounds : int, default 2
            As of :meth:`candidates`.
        crossover : int, default 0
            How often the nearest then takes over a span of words from another that brings it
            nearer. Three times bring most of the gain, and take as long as writing.
        random_state : int, Generator or None
            Seed of what is drawn.

        Returns
        -------
        Inversion
            Sentences, and how near they come (cosine).
        """
        rows, steps = self._check(embeddings), check_count("crossover", crossover, low=0)
        found = self.candidates(
            rows, check_count("candidates", candidates), rounds=rounds, random_state=random_state
        )
        lines, there, _ = exchange_spans(
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

    @classmethod
    def from_pretrained(
        cls,
        source: str | PathLike[str] | None = None,
        *,
        encoder: Encoder | str | PathLike[str] | None = None,
        llm: Any = None,
        device: str | None = None,
        guide: str | PathLike[str] | None = None,
    ) -> Self:
        """Return a saved inverter.

        Parameters
        ----------
        source : str or path, optional
            "smol" or "nano", English ones of ``vicinal[offline]``; a folder; or a hub name. Left
            out, "smol" where the packages that it needs are installed, else "nano", with a warning.
        encoder : Encoder, str or path, optional
            The encoder that it was made for, where that has moved.
        llm : str, path or model, optional
            The language model that it was made for, where that has moved.
        device : str, optional
            Such as "cpu" or "cuda", for all its parts. Where left out, an encoder that learned no
            task is on the fastest there is, the rest on the CPU.
        guide : str or path, optional
            Another, of which :attr:`guide` is made: "nano" for "smol".

        Returns
        -------
        Inverter
            Ready to write.

        Raises
        ------
        OSError, ValueError
            If it cannot be found or fetched, or its files, encoder and model do not fit together.
        """
        if device is not None:
            check_device(device)  # before a large model is read
        folder = find_folder(default_inverter() if source is None else source)
        beside = None if guide is None else find_folder(guide)  # before a large model is read
        made = cls._load(folder, encoder, llm, device)
        if beside is not None:
            made.guide = Inverter.from_pretrained(beside, encoder=made.encoder)
        return made if device is None else made.to(device)

    @classmethod
    def _load(cls, folder: Path, encoder: Any, llm: Any, device: str | None) -> Self:
        reader, adaptor, decoder, notes, preface = load(folder, encoder, llm, device)
        made = cls(reader, adaptor, decoder, notes=notes)
        made.preface = preface
        return made

    @classmethod
    def build(
        cls,
        encoder: Encoder | str | PathLike[str],
        llm: Any,
        *,
        soft_tokens: int = 8,
        hidden: int = 1024,
        norm: bool = False,
        prompt: str | None = None,
        freeze_llm: bool = True,
        lora: Mapping[str, Any] | bool | None = None,
        random_state: RandomState = 0,
    ) -> Inverter:
        """Return an inverter whose adaptor has learned nothing yet.

        Parameters
        ----------
        encoder : Encoder, str or path
            An encoder, or the folder or hub name of one.
        llm : str, path, model, or (model, tokenizer)
            A causal language model of Hugging Face's.
        soft_tokens : int, default 8
            How many vectors stand for a sentence.
        hidden : int, default 1024
            Width of the adaptor's inner layer.
        norm : bool, default False
            Whether its soft tokens pass a layer norm.
        prompt : str, optional
            Text with ``{}`` where the soft tokens go; a short instruction where left out.
        freeze_llm : bool, default True
            Whether the language model stays as it is.
        lora : mapping or bool, optional
            Low-rank matrices learn beside its frozen weights: settings of ``peft.LoraConfig``, or
            True.
        random_state : int, Generator or None
            Seed of the adaptor's first weights.

        Returns
        -------
        Inverter
            To be trained by :func:`vicinal.text.align`.

        Raises
        ------
        TypeError, ValueError
            If ``llm`` is no causal model that generates from ``inputs_embeds``, or has no room for
            a sentence beside prompt and soft tokens.
        OSError
            If a model is neither on this machine nor to be fetched.
        """
        check_count("soft_tokens", soft_tokens)
        check_count("hidden", hidden)
        reader = Encoder(encoder) if isinstance(encoder, (str, PathLike)) else encoder
        seed = int(Seeds(random_state).generator(WriteKey.NEW_LAYERS).integers(1 << 31))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            decoder = HuggingFaceDecoder.from_source(
                llm, prompt=PROMPT if prompt is None else prompt, freeze=freeze_llm, lora=lora
            )
            decoder.check_room(soft_tokens)
            adaptor = Adaptor(
                reader.dim, decoder.width, soft_tokens=soft_tokens, hidden=hidden,
                loudness=decoder.loudness, norm=norm,
            )  # fmt: skip
        return cls(reader, adaptor.to(decoder.device), decoder)

    def save_pretrained(self, folder: str | PathLike[str], *, half: bool = False) -> None:
        """Write a folder that :meth:`from_pretrained` reads.

        It holds what was trained, in float16 where ``half``, with checksums; an encoder or a
        language model that stayed as it was is named there, with its fingerprint.

        Parameters
        ----------
        folder : str or path
            A new folder, or that of an inverter, which is replaced once all is written.
        half : bool, default False
            Whether weights are kept in float16.

        Raises
        ------
        OSError
            If it holds something else, or cannot be written to.
        """
        save(self, folder, half=half)

    def push_to_hub(self, name: str, *, token: str | None = None) -> None:
        """Send what :meth:`save_pretrained` writes to the hub, as ``name``, such as "me/mine".

        Raises
        ------
        OSError
            If the hub cannot be reached, or refuses.
        """
        push(self, name, token)

    def to(self, device: str) -> Self:
        """Move encoder, adaptor and language model to a device, such as "cuda"; return itself."""
        check_device(device)
        for part in (self.encoder, self.adaptor, self.decoder, self.guide):
            if part is not None:
                part.to(device)
        return self

    @property
    def history_(self) -> list[dict[str, float]]:
        """Return the evaluations of the last training, as ``align`` and ``refine`` made them."""
        return list(self.notes.get("history", []))

    def _check(self, embeddings: npt.ArrayLike) -> Floats32:
        try:
            rows = np.asarray(embeddings, np.float32)
        except (TypeError, ValueError):
            kind = type(embeddings).__name__
            raise TypeError(f"embeddings must be numbers, got {kind}. Use encode.") from None
        if rows.ndim != 2 or rows.shape[1] != self.adaptor.embedding:
            wanted = f"(n_embeddings, {self.adaptor.embedding})"
            raise ValueError(f"embeddings must have shape {wanted}, got {rows.shape}. Use encode.")
        if not np.isfinite(rows).all():
            bad = int(np.flatnonzero(~np.isfinite(rows).all(1))[0])
            raise ValueError(f"embeddings must be finite, row {bad} is not. Drop such rows.")
        return rows

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def _soft(self, rows: Floats32) -> torch.Tensor:
        device = self.adaptor.mean.device
        soft: torch.Tensor = self.adaptor(torch.from_numpy(np.ascontiguousarray(rows)).to(device))
        return soft
