"""What an encoder reads with: a plain BERT of our own, or anything sentence-transformers loads."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from vicinal.nn.pooling import masked_mean
from vicinal.text._blocks import NEVER, Block
from vicinal.text._cores import cores_of, on_cores, spans
from vicinal.text.models import loading, resolve_model, unavailable

__all__ = ["BertEncoder", "HalfCopy", "Reader", "cut_to_pieces", "open_reader", "rank_pieces"]

Net = TypeVar("Net", bound=nn.Module)
Named = Iterable[tuple[str, Tensor]]

#: Texts that a core reads at once, at least.
LEAST = 8


class Reader(Protocol):
    """A tokenizer and a network that make embeddings."""

    model: Any
    max_tokens: int

    @property
    def dim(self) -> int:
        """Length of an embedding."""

    @property
    def pooling(self) -> str:
        """How the states of tokens become one embedding."""

    def cut(self, max_tokens: int) -> None:
        """Cut texts at this many tokens from now on."""

    def ids(self, text: str) -> list[int]:
        """Return the tokens of a text."""

    def weights(self) -> Named:
        """Return the weights that embeddings depend on, by the names of the published model."""

    def embed(
        self, texts: Sequence[str], *, batch_size: int, half: bool, normalize: bool, progress: bool
    ) -> Tensor:
        """Return embeddings (N, D), in float32."""


class HalfCopy(Generic[Net]):
    """A copy of a network in bfloat16, made anew when the weights have changed."""

    def __init__(self, network: Net) -> None:
        self.network = network
        self._made: tuple[object, Net] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> HalfCopy[Net]:
        # the copied network's weights change on their own, by the same count of steps
        return HalfCopy(copy.deepcopy(self.network, memo))

    def get(self) -> Net:
        """Return the copy."""
        one = next(self.network.parameters())
        state = (one.device, sum(each._version for each in self.network.parameters()))
        if self._made is None or self._made[0] != state:
            self._made = state, copy.deepcopy(self.network).to(torch.bfloat16).eval()
        return self._made[1]


class BertEncoder(nn.Module):  # type: ignore[misc]  # torch is Any here
    """Token ids to mean-pooled embeddings, as BERT makes them.

    Parameters
    ----------
    weights : mapping of str to Tensor
        By the names of a published checkpoint.
    heads : int, default 12
        Attention heads.
    eps : float, default 1e-12
        Of layer normalization.
    """

    def __init__(self, weights: Mapping[str, Tensor], heads: int = 12, eps: float = 1e-12) -> None:
        super().__init__()
        vocab, width = weights["embeddings.word_embeddings.weight"].shape
        longest = weights["embeddings.position_embeddings.weight"].shape[0]
        inner = weights["encoder.layer.0.intermediate.dense.weight"].shape[0]
        layers = sum(name.endswith("intermediate.dense.weight") for name in weights)
        kinds = weights["embeddings.token_type_embeddings.weight"].shape[0]
        with torch.random.fork_rng(devices=[]):  # what is drawn here is overwritten below
            self.words = nn.Embedding(vocab, width)
            self.positions = nn.Embedding(longest, width)
            self.kinds = nn.Embedding(kinds, width)
            self.norm = nn.LayerNorm(width, eps=eps)
            blocks = [Block(width, heads, inner, eps) for _ in range(layers)]
        self.blocks = nn.ModuleList(blocks)
        with torch.no_grad():
            for name, mine in self._outer().items():
                mine.copy_(weights[name])
        for index, block in enumerate(blocks):
            block.load_bert(weights, index)

    def _outer(self) -> dict[str, Tensor]:
        return {
            "embeddings.word_embeddings.weight": self.words.weight,
            "embeddings.position_embeddings.weight": self.positions.weight,
            "embeddings.token_type_embeddings.weight": self.kinds.weight,
            "embeddings.LayerNorm.weight": self.norm.weight,
            "embeddings.LayerNorm.bias": self.norm.bias,
        }

    def as_bert(self) -> dict[str, Tensor]:
        """Return the weights by the names of a published checkpoint."""
        found = self._outer()
        for index, block in enumerate(self.blocks):
            found |= block.as_bert(index)
        return found

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embed padded ids (B, T) with a boolean mask of real tokens."""
        x = self.words(ids) + (self.positions.weight[: ids.shape[1]] + self.kinds.weight[0])
        x = self.norm(x)
        bias = None if bool(mask.all()) else torch.where(mask, 0.0, NEVER)[:, None, None, :]
        for block in self.blocks:
            x, _ = block(x, bias)
        return masked_mean(x, mask)


class PlainReader:
    """A mean-pooled BERT, read without sentence-transformers, whose import takes seconds.

    Parameters
    ----------
    folder : path
        A model that :meth:`fits`.
    device : str
        Where it computes.
    """

    pooling = "mean"

    def __init__(self, folder: Path, device: str) -> None:
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        said = _json(folder / "config.json")
        self.model = BertEncoder(
            load_file(folder / "model.safetensors"),
            said["num_attention_heads"],
            said.get("layer_norm_eps", 1e-12),
        )
        self.model.to(device).eval()
        self._half = HalfCopy(self.model)
        self.tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        own = _json(folder / "tokenizer_config.json").get("model_max_length") or 1 << 30
        longest = min(int(said["max_position_embeddings"]), int(own))
        self.cut(_json(folder / "sentence_bert_config.json").get("max_seq_length") or longest)

    @staticmethod
    def fits(folder: Path) -> bool:
        """Tell whether a folder holds a model that is read right here."""
        needed = ("config.json", "model.safetensors", "tokenizer.json")
        if not all((folder / name).is_file() for name in needed):
            return False
        said = _json(folder / "config.json")
        plain = (
            said.get("model_type") == "bert"
            and said.get("hidden_act") == "gelu"
            and said.get("position_embedding_type", "absolute") == "absolute"
            and not said.get("is_decoder", False)
        )
        if not (folder / "modules.json").is_file():
            return plain
        parts = [(one["type"].rpartition(".")[2], one["path"]) for one in _json_list(folder)]
        known = [kind for kind, _ in parts] in (
            ["Transformer", "Pooling"],
            ["Transformer", "Pooling", "Normalize"],
        )
        if not (plain and known and parts[0][1] == ""):
            return False
        pooling = _json(folder / parts[1][1] / "config.json")
        told = {k for k, v in pooling.items() if k.startswith("pooling_mode_") and v is True}
        mean = told == {"pooling_mode_mean_tokens"} or pooling.get("pooling_mode") == "mean"
        prompted = _json(folder / "config_sentence_transformers.json").get("default_prompt_name")
        lowered = _json(folder / "sentence_bert_config.json").get("do_lower_case")
        return mean and not prompted and not lowered

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return int(self.model.words.embedding_dim)

    def cut(self, max_tokens: int) -> None:
        """Cut texts at this many tokens from now on."""
        self.max_tokens = min(int(max_tokens), self.model.positions.num_embeddings)
        self.tokenizer.enable_truncation(self.max_tokens)

    def ids(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        found: list[int] = self.tokenizer.encode(text).ids
        return found

    def weights(self) -> Named:
        """Return the weights that embeddings depend on."""
        return self.model.as_bert().items()

    def embed(
        self, texts: Sequence[str], *, batch_size: int, half: bool, normalize: bool, progress: bool
    ) -> Tensor:
        """Return embeddings (N, D), in float32."""
        rows = [one.ids for one in self.tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(rows)), key=lambda at: -len(rows[at]))
        network = self._half.get() if half else self.model
        device = self.model.words.weight.device

        def read(chosen: list[int]) -> Tensor:
            lengths = torch.tensor([len(rows[at]) for at in chosen])
            ids = torch.zeros(len(chosen), int(lengths[0]), dtype=torch.long)
            for place, at in enumerate(chosen):
                ids[place, : len(rows[at])] = torch.tensor(rows[at])
            mask = torch.arange(ids.shape[1]) < lengths[:, None]
            return network(ids.to(device), mask.to(device)).float().cpu()

        # all cores together hold a batch
        size = max(LEAST, -(-min(batch_size, len(order)) // cores_of(device)))
        batches = [order[span] for span in spans(len(order), min(size, batch_size))]
        parts: Iterable[Tensor] = on_cores(read, batches, device)
        if progress:
            from rich.console import Console
            from rich.progress import track

            console = Console(stderr=True)
            parts = track(parts, "Encoding", len(batches), console=console, transient=True)
        found = torch.empty(len(rows), self.dim)
        for chosen, part in zip(batches, parts, strict=True):
            found[chosen] = part
        return nn.functional.normalize(found, dim=1) if normalize else found


class GeneralReader:
    """Any model of sentence-transformers.

    Parameters
    ----------
    name : str
        What was asked for, for messages.
    device : str, optional
        Where it computes; the fastest there is where left out.
    """

    def __init__(self, name: str, device: str | None) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise ImportError(
                "Encoding texts needs sentence-transformers: pip install 'vicinal[text]'."
            ) from None
        try:
            source = resolve_model(name)
            with loading(source) as here:
                model = SentenceTransformer(source, device=device, local_files_only=here)
        except (OSError, ValueError, RuntimeError) as error:
            raise unavailable(name, error) from error
        _check_padding(name, getattr(model, "tokenizer", None))
        self.model: Any = model.eval()
        self.max_tokens = int(self.model.max_seq_length or 512)

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return int(self.model.get_embedding_dimension())

    @property
    def pooling(self) -> str:
        """How the states of tokens become one embedding."""
        kinds = [getattr(part, "pooling_mode", None) for part in self.model]
        return " ".join(str(kind) for kind in kinds if kind is not None)

    def cut(self, max_tokens: int) -> None:
        """Cut texts at this many tokens from now on."""
        self.model.max_seq_length = self.max_tokens = max_tokens

    def ids(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        return [int(one) for one in self.model.tokenizer(text)["input_ids"]]

    def weights(self) -> Named:
        """Return the weights that embeddings depend on."""
        inner = getattr(self.model[0], "auto_model", None) or getattr(self.model[0], "model", None)
        if not isinstance(inner, nn.Module):
            yield from self.model.named_parameters()
            return
        yield from inner.named_parameters()
        for index, part in list(enumerate(self.model))[1:]:
            for name, one in part.named_parameters():
                yield f"{index}.{name}", one

    def embed(
        self, texts: Sequence[str], *, batch_size: int, half: bool, normalize: bool, progress: bool
    ) -> Tensor:
        """Return embeddings (N, D), in float32."""
        with self._arithmetic(half), _last_layer(self.model, normalize):
            found: Tensor = self.model.encode(
                list(texts),
                batch_size=batch_size,
                show_progress_bar=progress,
                convert_to_numpy=False,
                convert_to_tensor=True,
                normalize_embeddings=normalize,
            )
        return found.float().cpu()

    def _arithmetic(self, half: bool) -> AbstractContextManager[Any]:
        return torch.autocast(self.model.device.type, torch.bfloat16) if half else nullcontext()


def open_reader(name: str, device: str | None) -> PlainReader | GeneralReader:
    """Return what reads a model: the quick way where it is a plain BERT, else the general one."""
    folder = Path(resolve_model(name))
    try:
        plain = folder.is_dir() and PlainReader.fits(folder)
        reader = PlainReader(folder, device or _fastest()) if plain else None
    except Exception as error:  # of whichever library finds a file damaged
        raise unavailable(name, error) from error
    if reader is None:
        return GeneralReader(name, device)
    _check_unknown(name, reader.tokenizer.model)
    return reader


def _check_unknown(name: str, tokenizer: Any) -> None:
    """Refuse a tokenizer that would fail at the first word it does not know."""
    unknown = getattr(tokenizer, "unk_token", None)
    if unknown is not None and tokenizer.token_to_id(unknown) is None:
        raise ValueError(
            f"Model {name!r} cannot read words that it does not know: the vocabulary in its "
            f"tokenizer.json lacks the token {unknown!r}. Add it there, or save the tokenizer of "
            "the original model again."
        )


def _check_padding(name: str, tokenizer: Any) -> None:
    """Let a tokenizer that was never asked to pad do so with its end token, which is masked."""
    if getattr(tokenizer, "pad_token", "") is not None:
        return
    if tokenizer.eos_token is None:
        raise ValueError(
            f"Model {name!r} cannot read texts of different lengths together: its tokenizer knows "
            "neither pad_token nor eos_token. Set tokenizer.pad_token, and save it."
        )
    tokenizer.pad_token, tokenizer.padding_side = tokenizer.eos_token, "right"


def cut_to_pieces(reader: Any, text: str) -> list[str]:
    """Return the pieces that a reader's tokenizer cuts a text into.

    Parameters
    ----------
    reader : Reader
        Its tokenizer is its own, its network's, or that of what it prepares texts with.
    text : str
        Any.

    Returns
    -------
    list of str
        Without marks of beginning and end; an unknown piece is an empty string.

    Raises
    ------
    TypeError
        If it has no tokenizer that tells its pieces.
    """
    tokenizer = _tokenizer_of(reader)
    if hasattr(tokenizer, "tokenize"):  # of transformers
        pieces = tokenizer.tokenize(text)
        unknown = getattr(tokenizer, "unk_token", None)
    else:
        pieces = tokenizer.encode(text, add_special_tokens=False).tokens
        unknown = getattr(tokenizer.model, "unk_token", None)
    return ["" if one == unknown else one for one in pieces]


def rank_pieces(reader: Any, text: str) -> list[float]:
    """Return how far down the vocabulary each piece of a text stands.

    Parameters
    ----------
    reader, text : Reader, str
        As of :func:`cut_to_pieces`.

    Returns
    -------
    list of float
        From 0 to 1.

    Raises
    ------
    TypeError
        If it has no tokenizer that tells its pieces.
    """
    tokenizer = _tokenizer_of(reader)
    if hasattr(tokenizer, "tokenize"):
        ids, size = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text)), len(tokenizer)
    else:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        size = tokenizer.get_vocab_size()
    return [one / max(size, 1) for one in ids]


def _tokenizer_of(reader: Any) -> Any:
    holders = (reader, getattr(reader, "backbone", None), getattr(reader, "model", None))
    found = (getattr(one, "tokenizer", None) for one in holders)
    tokenizer: Any = next((one for one in found if one is not None), None)
    if not hasattr(tokenizer, "tokenize") and not hasattr(tokenizer, "token_to_id"):
        raise TypeError(f"{type(tokenizer).__name__} does not tell the pieces of a text.")
    return tokenizer


def _fastest() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _json(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def _json_list(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "modules.json").read_text("utf-8"))
    return found


@contextmanager
def _last_layer(model: Any, normalize: bool) -> Iterator[None]:
    """Leave out normalizing at the end of a model, unless it is wanted."""
    from sentence_transformers.models import Normalize

    ends = [name for name, part in model.named_children() if isinstance(part, Normalize)]
    left_out = [] if normalize else ends
    held = {name: model._modules.pop(name) for name in left_out}
    try:
        yield
    finally:
        model._modules.update(held)
