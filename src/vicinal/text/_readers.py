"""What an encoder reads with: one interface, and three ways behind it.

A plain BERT of our own (the quick way), a Hugging Face network that learned a task, and anything
that sentence-transformers loads.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vicinal._extras import need
from vicinal._progress import ProgressCallback, reporting
from vicinal.nn.pooling import masked_mean
from vicinal.text._blocks import NEVER, Block, HalfCopy
from vicinal.text._cores import cores_of, on_cores, spans
from vicinal.text.models import loading, named_errors, resolve_model

if TYPE_CHECKING:
    from vicinal.text.classifier.backbones import Pretrained

Named = Iterable[tuple[str, Tensor]]
Progress = bool | ProgressCallback

#: Texts that a core reads at once, at least.
LEAST = 8


class Reader(ABC):
    """A tokenizer and a network that make embeddings."""

    name: str
    model: Any
    max_tokens: int
    pooling = "mean"

    @property
    @abstractmethod
    def dim(self) -> int:
        """Length of an embedding."""

    @abstractmethod
    def cut(self, max_tokens: int) -> None:
        """Cut texts at this many tokens from now on."""

    @abstractmethod
    def ids(self, text: str) -> list[int]:
        """Return the tokens of a text."""

    @abstractmethod
    def weights(self) -> Named:
        """Return the weights that embeddings depend on, by the names of the published model."""

    @abstractmethod
    def embed(self, texts: Sequence[str], batch_size: int, half: bool, show: Progress) -> Tensor:
        """Return embeddings (N, D), in float32 and not normalized."""


def _embed_rows(
    read: Callable[[list[int]], Tensor],
    lengths: Sequence[int],
    device: torch.device,
    batch_size: int,
    show: Progress,
) -> Tensor:
    """Return embeddings (N, D) of rows of tokens, which ``read`` embeds by their places."""
    order = sorted(range(len(lengths)), key=lambda at: -lengths[at])
    size = max(LEAST, -(-min(batch_size, len(order)) // cores_of(device)))
    batches = [order[span] for span in spans(len(order), min(size, batch_size))]
    parts, done = [], 0
    with reporting(show) as report:
        for part in on_cores(read, batches, device):
            parts.append(part.float().cpu())
            done += len(part)
            report("Encoding", done, len(order))
    return torch.cat(parts)[torch.argsort(torch.tensor(order))]


class BertEncoder(nn.Module):  # type: ignore[misc]  # torch is Any here
    """Token ids to mean-pooled embeddings, from the weights of a published BERT checkpoint."""

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
            for name, mine in self.as_bert().items():
                mine.copy_(weights[name])

    def as_bert(self) -> dict[str, Tensor]:
        """Return the weights by the names of a published checkpoint."""
        found = {
            "embeddings.word_embeddings.weight": self.words.weight,
            "embeddings.position_embeddings.weight": self.positions.weight,
            "embeddings.token_type_embeddings.weight": self.kinds.weight,
            "embeddings.LayerNorm.weight": self.norm.weight,
            "embeddings.LayerNorm.bias": self.norm.bias,
        }
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


class PlainReader(Reader):
    """A mean-pooled BERT, read without sentence-transformers, whose import takes seconds."""

    def __init__(self, name: str, folder: Path, device: str) -> None:
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        self.name = name
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
        usual = {"position_embedding_type": "absolute", "is_decoder": False}
        plain = {"model_type": "bert", "hidden_act": "gelu", **usual}
        said = {**usual, **_json(folder / "config.json")}
        if any(said.get(name) != value for name, value in plain.items()):
            return False
        return not (folder / "modules.json").is_file() or _is_mean_pooled(folder)

    @property
    def dim(self) -> int:
        return int(self.model.words.embedding_dim)

    def cut(self, max_tokens: int) -> None:
        self.max_tokens = min(int(max_tokens), self.model.positions.num_embeddings)
        self.tokenizer.enable_truncation(self.max_tokens)

    def ids(self, text: str) -> list[int]:
        found: list[int] = self.tokenizer.encode(text).ids
        return found

    def weights(self) -> Named:
        found: dict[str, Tensor] = self.model.as_bert()
        return found.items()

    def embed(self, texts: Sequence[str], batch_size: int, half: bool, show: Progress) -> Tensor:
        rows = [one.ids for one in self.tokenizer.encode_batch(list(texts))]
        network = self._half.get() if half else self.model
        device = self.model.words.weight.device

        def read(places: list[int]) -> Tensor:
            lengths = torch.tensor([len(rows[at]) for at in places])
            ids = torch.zeros(len(places), int(lengths[0]), dtype=torch.long)  # (B, T)
            for row, at in enumerate(places):
                ids[row, : len(rows[at])] = torch.tensor(rows[at])
            mask = torch.arange(ids.shape[1]) < lengths[:, None]
            found: Tensor = network(ids.to(device), mask.to(device))
            return found

        lengths = [len(row) for row in rows]
        return _embed_rows(read, lengths, device, batch_size, show)


class NetworkReader(Reader):
    """A tokenizer and a network of Hugging Face's, whose last states are averaged."""

    def __init__(self, name: str, backbone: Pretrained, network: Any) -> None:
        self.name, self.backbone, self.model = name, backbone, network.eval()
        self.max_tokens = backbone.max_tokens

    @property
    def dim(self) -> int:
        return int(self.model.config.hidden_size)

    def cut(self, max_tokens: int) -> None:
        self.max_tokens = self.backbone.max_tokens = max_tokens

    def ids(self, text: str) -> list[int]:
        return [int(one) for one in self.backbone.rows([text])[0]["input_ids"]]

    def weights(self) -> Named:
        found: Named = self.model.named_parameters()
        return found

    def embed(self, texts: Sequence[str], batch_size: int, half: bool, show: Progress) -> Tensor:
        rows = self.backbone.rows(texts)
        device = next(self.model.parameters()).device

        def read(places: list[int]) -> Tensor:
            batch = self.backbone.collate([rows[at] for at in places])
            batch = {name: value.to(device) for name, value in batch.items()}
            with _arithmetic(device, half):  # of the thread that reads
                states = self.model(**batch)[0]  # (B, T, C)
            return masked_mean(states, batch["attention_mask"])

        lengths = [len(row["input_ids"]) for row in rows]
        return _embed_rows(read, lengths, device, batch_size, show)


class GeneralReader(Reader):
    """Any model of sentence-transformers, on the fastest device where none is named."""

    def __init__(self, name: str, device: str | None) -> None:
        self.name = name
        need("Encoding texts", "sentence_transformers", extra="text")
        from sentence_transformers import SentenceTransformer

        with named_errors(name):
            source = resolve_model(name)
            with loading(source) as here:
                model = SentenceTransformer(source, device=device, local_files_only=here)
        _check_padding(name, getattr(model, "tokenizer", None))
        self.model: Any = model.eval()
        self.max_tokens = int(self.model.max_seq_length or 512)
        kinds = [getattr(part, "pooling_mode", None) for part in self.model]
        self.pooling = " ".join(str(kind) for kind in kinds if kind is not None)

    @property
    def dim(self) -> int:
        return int(self.model.get_embedding_dimension())

    def cut(self, max_tokens: int) -> None:
        self.model.max_seq_length = self.max_tokens = max_tokens

    def ids(self, text: str) -> list[int]:
        return [int(one) for one in self.model.tokenizer(text)["input_ids"]]

    def weights(self) -> Named:
        inner = getattr(self.model[0], "auto_model", None) or getattr(self.model[0], "model", None)
        if not isinstance(inner, nn.Module):
            return list(self.model.named_parameters())
        outer = [pair for pair in self.model.named_parameters() if not pair[0].startswith("0.")]
        return [*inner.named_parameters(), *outer]

    def embed(self, texts: Sequence[str], batch_size: int, half: bool, show: Progress) -> Tensor:
        with _arithmetic(self.model.device, half), _without_normalizing(self.model):
            found: Tensor = self.model.encode(
                list(texts),
                batch_size=batch_size,
                show_progress_bar=show is True,
                convert_to_numpy=False,
                convert_to_tensor=True,
            )
        if not isinstance(show, bool):  # sentence-transformers has a bar, and tells nobody
            show("Encoding", len(texts), len(texts))
        return found.float().cpu()


def _arithmetic(device: torch.device, half: bool) -> AbstractContextManager[Any]:
    return torch.autocast(device.type, torch.bfloat16) if half else nullcontext()


def open_reader(name: str, device: str | None) -> Reader:
    """Return what reads a model: the quick way where it is a plain BERT, else the general one."""
    folder = Path(resolve_model(name))
    fastest = "cuda" if torch.cuda.is_available() else "cpu"
    with named_errors(name):
        plain = folder.is_dir() and PlainReader.fits(folder)
        reader = PlainReader(name, folder, device or fastest) if plain else None
    if reader is None:
        return GeneralReader(name, device)
    _check_unknown(name, reader.tokenizer.model)
    return reader


def _check_unknown(name: str, tokenizer: Any) -> None:
    """Refuse a tokenizer that would fail at the first word it does not know."""
    unknown = getattr(tokenizer, "unk_token", None)
    if unknown is not None and tokenizer.token_to_id(unknown) is None:
        raise ValueError(
            f"Model {name!r} cannot read unknown words: the vocabulary in its tokenizer.json lacks "
            f"the token {unknown!r}. Add it there, or save the original tokenizer again."
        )


def _check_padding(name: str, tokenizer: Any) -> None:
    """Let a tokenizer that was never asked to pad do so with its end token, which is masked."""
    if getattr(tokenizer, "pad_token", "") is not None:
        return
    if tokenizer.eos_token is None:
        raise ValueError(
            f"Model {name!r} cannot read texts of different lengths: its tokenizer knows neither "
            "pad_token nor eos_token. Set tokenizer.pad_token, and save it."
        )
    tokenizer.pad_token, tokenizer.padding_side = tokenizer.eos_token, "right"


def cut_to_pieces(reader: Any, text: str) -> tuple[list[str], list[float]]:
    """Return the pieces of a text, "" for unknown ones, and where in the vocabulary each stands."""
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, got {type(text).__name__}. Give one text.")
    holders = (reader, getattr(reader, "backbone", None), getattr(reader, "model", None))
    found = (getattr(one, "tokenizer", None) for one in holders)
    tokenizer: Any = next((one for one in found if one is not None), None)
    if hasattr(tokenizer, "tokenize"):  # of transformers
        pieces, size = tokenizer.tokenize(text), len(tokenizer)
        ids, unknown = tokenizer.convert_tokens_to_ids(pieces), tokenizer.unk_token
    elif hasattr(tokenizer, "token_to_id"):
        cut = tokenizer.encode(text, add_special_tokens=False)
        pieces, ids, size = cut.tokens, cut.ids, tokenizer.get_vocab_size()
        unknown = getattr(tokenizer.model, "unk_token", None)
    else:
        raise TypeError(f"{type(tokenizer).__name__} does not tell the pieces of a text.")
    return ["" if one == unknown else one for one in pieces], [one / max(size, 1) for one in ids]


def _json(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def _is_mean_pooled(folder: Path) -> bool:
    """Tell whether a model of sentence-transformers is a network, pooled, and nothing besides."""
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    kinds = [one["type"].rpartition(".")[2] for one in modules]
    places = [one["path"] for one in modules]
    if kinds[:2] != ["Transformer", "Pooling"] or kinds[2:] not in ([], ["Normalize"]):
        return False
    pooling = _json(folder / places[1] / "config.json")
    told = {k for k, v in pooling.items() if k.startswith("pooling_mode_") and v is True}
    mean = told == {"pooling_mode_mean_tokens"} or pooling.get("pooling_mode") == "mean"
    prompted = _json(folder / "config_sentence_transformers.json").get("default_prompt_name")
    lowered = _json(folder / "sentence_bert_config.json").get("do_lower_case")
    return mean and places[0] == "" and not prompted and not lowered


@contextmanager
def _without_normalizing(model: Any) -> Iterator[None]:
    """Leave out normalizing at the end of a model."""
    from sentence_transformers.models import Normalize

    ends = [name for name, part in model.named_children() if isinstance(part, Normalize)]
    held = {name: model._modules.pop(name) for name in ends}
    try:
        yield
    finally:
        model._modules.update(held)
