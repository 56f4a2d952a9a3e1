"""Embeddings back to sentences."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import torch

from vicinal._checks import check_choice, check_count
from vicinal._random import RandomState, Seeds, WriteKey
from vicinal.text.encoder import Encoder
from vicinal.text.invert.adaptor import Adaptor
from vicinal.text.invert.writer import Writer
from vicinal.text.models import check_device

__all__ = ["Inverter"]


class Inverter(Writer):
    """Turns sentence embeddings back into sentences.

    An adaptor makes a few soft tokens of an embedding; a causal language model reads them, inside a
    prompt where it has one, and writes.

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

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(encoder={self.encoder.name!r}, decoder={self.decoder.kind!r}, "
            f"soft_tokens={self.adaptor.soft_tokens})"
        )

    @classmethod
    def from_pretrained(
        cls,
        source: str | PathLike[str] = "nano",
        *,
        encoder: Encoder | str | PathLike[str] | None = None,
        llm: Any = None,
        device: str | None = None,
        backend: str = "torch",
    ) -> Inverter:
        """Return a saved inverter.

        Parameters
        ----------
        source : str or path, default "nano"
            "nano", the small English one that comes with the package; a folder that
            :meth:`save_pretrained` wrote; or a hub name.
        encoder : Encoder, str or path, optional
            The encoder that it was made for, where it does not lie where it lay.
        llm : str, path or model, optional
            The language model that it was made for, where it does not lie where it lay.
        device : str, optional
            Such as "cpu" or "cuda", for all its parts. Where left out, the encoder is on the
            fastest there is, adaptor and language model are on the CPU.
        backend : {"torch", "vllm"}, default "torch"
            What runs the language model; "vllm" only writes, needs a GPU, and is untested on one.

        Returns
        -------
        Inverter
            Ready to write.

        Raises
        ------
        FileNotFoundError
            If there is no such folder.
        OSError
            If the hub could not be asked.
        ValueError
            If what is there does not fit together: files, encoder, language model, version.
        """
        from vicinal.text.invert.folder import find_folder, load

        check_choice("backend", backend, ["torch", "vllm"])
        if device is not None:
            check_device(device)  # before a large model is read
        reader, adaptor, decoder, notes, preface = load(
            find_folder(source), encoder, llm, backend, device
        )
        made = cls(reader, adaptor, decoder, notes=notes)
        made.preface = preface
        return made if device is None else made.to(device)

    @classmethod
    def build(
        cls,
        encoder: Encoder | str | PathLike[str],
        llm: Any,
        *,
        soft_tokens: int = 8,
        hidden: int = 1024,
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
            If the language model is none, does not write from left to right, cannot generate from
            ``inputs_embeds``, or has no room for a sentence beside prompt and soft tokens.
        OSError
            If a model is neither on this machine nor to be fetched.
        """
        from vicinal.text.invert.huggingface import PROMPT, HuggingFaceDecoder

        check_count("soft_tokens", soft_tokens)
        check_count("hidden", hidden)
        reader = Encoder(encoder) if isinstance(encoder, (str, PathLike)) else encoder
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(
                int(Seeds(random_state).generator(WriteKey.NEW_LAYERS).integers(1 << 31))
            )
            decoder = HuggingFaceDecoder.from_source(
                llm, prompt=PROMPT if prompt is None else prompt, freeze=freeze_llm, lora=lora
            )
            decoder.check_room(soft_tokens)
            adaptor = Adaptor(
                reader.dim,
                decoder.width,
                soft_tokens=soft_tokens,
                hidden=hidden,
                loudness=decoder.loudness,
            )
        return cls(reader, adaptor.to(decoder.device), decoder)

    def save_pretrained(self, folder: str | PathLike[str], *, half: bool = False) -> None:
        """Write a folder that :meth:`from_pretrained` reads.

        It holds the adaptor, and of the language model what was trained. An encoder, and a language
        model that stayed as it was, are named in it, with their fingerprints.

        Parameters
        ----------
        folder : str or path
            A new folder, or that of an inverter, which is replaced once all is written.
        half : bool, default False
            Whether weights are kept in float16.

        Raises
        ------
        FileExistsError
            If it holds something else.
        FileNotFoundError
            If the folder above it does not exist.
        """
        from vicinal.text.invert.folder import save

        save(self, folder, half=half)

    def push_to_hub(self, name: str, *, token: str | None = None) -> None:
        """Send what :meth:`save_pretrained` writes to the hub.

        Parameters
        ----------
        name : str
            Such as "me/my-inverter"; made where it does not exist.
        token : str, optional
            Of the hub; the one it remembers where left out.

        Raises
        ------
        OSError
            If the hub cannot be reached, or refuses.
        """
        from vicinal.text.invert.folder import push

        push(self, name, token)

    def to(self, device: str) -> Inverter:
        """Move encoder, adaptor and language model to a device.

        Parameters
        ----------
        device : str
            Such as "cpu" or "cuda".

        Returns
        -------
        Inverter
            Itself.

        Raises
        ------
        ValueError
            If there is no such device.
        """
        check_device(device)
        self.encoder.to(device)
        self.adaptor.to(device)
        self.decoder.to(device)
        return self

    @property
    def history_(self) -> list[dict[str, float]]:
        """Return the evaluations of the last training, as ``align`` and ``refine`` made them."""
        return list(self.notes.get("history", []))
