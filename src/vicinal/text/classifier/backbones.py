"""What a classifier reads with: tokens, batches, and a network to train."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vicinal.text.classifier.hashing import PIECES, hash_words
from vicinal.text.encoder import check_texts
from vicinal.text.models import named_errors, quiet, resolve_model

#: File in the folder of a saved classifier that says what it is.
CARD = "classifier.json"
#: Name of the small encoder that is trained from nothing.
CHAR = "char"
#: What a row has beside what the network reads.
_BESIDE = ("labels", "sample_weight")
Row = dict[str, Any]


def backbone_for(model: str, max_tokens: int, pooling: str) -> Backbone:
    """Return what a model's name stands for."""
    if model == CHAR:
        return Hashed(max_tokens)
    return Pretrained.from_source(model, max_tokens, pooling)


def load_backbone(folder: Path, kind: str, max_tokens: int, pooling: str) -> Backbone:
    """Return a backbone as :meth:`Backbone.save` wrote it."""
    if kind == Hashed.kind:
        return Hashed(max_tokens)
    return Pretrained(str(folder), max_tokens, pooling)


class Hashed:
    """Words as hashed pieces, and a small network trained from nothing."""

    kind = "hashed"

    def __init__(self, max_tokens: int) -> None:
        self.max_tokens = max_tokens

    def rows(self, texts: Sequence[str]) -> list[Row]:
        """Return a row of tokens for each text."""
        return [{"input_ids": hash_words(text, self.max_tokens)} for text in texts]

    def collate(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Pad rows to one batch."""
        longest = max(len(row["input_ids"]) for row in rows)
        ids = np.zeros((len(rows), longest, PIECES), np.int64)
        mask = np.zeros((len(rows), longest), np.int64)
        for at, row in enumerate(rows):
            words = row["input_ids"]
            mask[at, : len(words)] = 1
            for place, pieces in enumerate(words):
                ids[at, place, : len(pieces)] = pieces
        batch = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        return _with_labels(batch, rows)

    def build(self, n_classes: int) -> torch.nn.Module:
        """Return the network that training starts from."""
        from vicinal.text.classifier.networks import HashedBert, Pooled, small_config

        return Pooled(HashedBert(small_config(self.max_tokens)), n_classes)

    empty = build

    def save(self, folder: Path, net: torch.nn.Module) -> None:
        """Write all but the weights."""
        told = json.dumps(net.encoder.config.to_dict(), indent=1)
        (folder / "config.json").write_text(told, "utf-8")


class Pretrained:
    """A Hugging Face model with its tokenizer."""

    kind = "pretrained"

    def __init__(self, source: str, max_tokens: int, pooling: str, name: str | None = None) -> None:
        from transformers import AutoConfig, AutoTokenizer

        self.source, self.name, self.pooling = source, name or source, pooling
        with quiet(), named_errors(self.name):
            self.config = AutoConfig.from_pretrained(source)
            self.tokenizer = AutoTokenizer.from_pretrained(source)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token or self.tokenizer.unk_token
        if reads_last_token(self.config):  # last tokens of two parents have to meet
            self.tokenizer.padding_side = "left"
        limit = getattr(self.config, "max_position_embeddings", None)
        own = int(getattr(self.tokenizer, "model_max_length", 0) or 0)
        limits = [n for n in (limit, own) if n and n < 1 << 20]
        self.max_tokens = min([max_tokens, *limits])

    @classmethod
    def from_source(cls, model: str, max_tokens: int, pooling: str) -> Pretrained:
        """Return the backbone of a folder, a hub name or "offline"."""
        source = resolve_model(model)
        if (Path(source) / CARD).is_file():
            raise ValueError(
                f"model={source!r} is a text classifier that was trained and saved. Read it with "
                f"MixupTextClassifier.from_pretrained({source!r}), or name the model it was made "
                "from."
            )
        if pooling == "auto":
            # a sentence encoder was trained to be averaged; its head for one token was not
            averaged = (Path(source) / "modules.json").is_file() or "sentence-transformers" in model
            pooling = "mean" if averaged else "model"
        return cls(source, max_tokens, pooling, model)

    def rows(self, texts: Sequence[str]) -> list[Row]:
        """Return a row of tokens for each text."""
        if not texts:
            return []
        # tokenizing a book for the sake of its first page takes minutes
        heads = check_texts([text[: self.max_tokens * 64] for text in texts])
        found = self.tokenizer(heads, truncation=True, max_length=self.max_tokens)
        return [{name: found[name][at] for name in found} for at in range(len(texts))]

    def collate(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Pad rows to one batch."""
        bare = [{k: v for k, v in row.items() if k not in _BESIDE} for row in rows]
        batch = dict(self.tokenizer.pad(bare, return_tensors="pt"))
        return _with_labels(batch, rows)

    def build(self, n_classes: int) -> torch.nn.Module:
        """Return the network that training starts from."""
        with named_errors(self.name):
            return self._network(n_classes, trained=True).float()

    def empty(self, n_classes: int) -> torch.nn.Module:
        """Return the network without its weights."""
        self.config.num_labels = n_classes
        return self._network(n_classes, trained=False)

    def _network(self, n_classes: int, *, trained: bool) -> torch.nn.Module:
        from transformers import AutoModel, AutoModelForSequenceClassification

        from vicinal.text.classifier.networks import Pooled

        mean = self.pooling == "mean"
        kind: Any = AutoModel if mean else AutoModelForSequenceClassification
        sizes = {} if mean else {"num_labels": n_classes, "ignore_mismatched_sizes": True}
        with quiet():
            if trained:
                net = kind.from_pretrained(self.source, **sizes)
            else:
                net = kind.from_config(self.config)
        if mean:
            if getattr(net, "pooler", None) is not None:
                net.pooler = None  # never used, so it would neither be trained nor averaged
            return Pooled(net, n_classes)
        if getattr(net.config, "pad_token_id", None) is None:
            net.config.pad_token_id = self.tokenizer.pad_token_id
        made: torch.nn.Module = net
        return made

    def save(self, folder: Path, net: torch.nn.Module) -> None:
        """Write all but the weights."""
        inner = net.encoder if self.pooling == "mean" else net
        inner.config.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


#: A tokenizer and a network that go together: texts to rows of tokens, at most ``max_tokens``; rows
#: to a padded batch, with labels where they have any; a network to train, or an empty one of the
#: same shape; and what is saved beside its weights.
Backbone = Hashed | Pretrained


def reads_last_token(config: Any) -> bool:
    """Tell whether a model's classifier reads the last token of a row, as decoders' do."""
    from transformers.models.auto import modeling_auto as auto

    kind = config.model_type
    causal = kind in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    return causal and kind not in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES


def _with_labels(batch: dict[str, Any], rows: Sequence[Row]) -> dict[str, torch.Tensor]:
    for name in _BESIDE:
        if rows and name in rows[0]:
            batch[name] = torch.tensor([row[name] for row in rows])
    return batch
