"""Networks that read texts: a pooled encoder with a head, and a small one to train from nothing."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import BertConfig, BertModel
from transformers.modeling_outputs import SequenceClassifierOutput

from vicinal.text.classifier.hashing import BUCKETS


class Pooled(nn.Module):  # type: ignore[misc]  # typed as Any here
    """An encoder, the mean of its last states over the tokens that count, and a linear head."""

    def __init__(self, encoder: nn.Module, n_classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        width = int(encoder.config.hidden_size)
        self.head = nn.Linear(width, n_classes)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **kwargs: Any
    ) -> SequenceClassifierOutput:
        """Return the scores of classes, under ``logits``."""
        h = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **kwargs)[0]
        counts = attention_mask.to(torch.float32)  # (B, T); the union of two rows' when mixed
        pooled = torch.einsum("bth,bt->bh", h.float(), counts)
        pooled = pooled / counts.sum(1, keepdim=True).clamp(min=1)
        return SequenceClassifierOutput(logits=self.head(self.dropout(pooled)))


class HashedBert(BertModel):  # type: ignore[misc]  # typed as Any here
    """A BERT whose word vectors are means of vectors of hashed pieces."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config, add_pooling_layer=False)
        self.pieces = nn.EmbeddingBag(BUCKETS, config.hidden_size, mode="mean", padding_idx=0)
        # small, so that what is learned in a few hundred steps outweighs what was drawn; positions
        # smaller still, since a mean of ten pieces is a third as long as one
        nn.init.normal_(self.pieces.weight, std=0.05)
        nn.init.normal_(self.embeddings.position_embeddings.weight, std=0.005)
        with torch.no_grad():
            self.pieces.weight[0].zero_()

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs: Any
    ) -> Any:
        """Return what BERT returns, for piece numbers of shape (rows, words, pieces)."""
        rows, words, pieces = input_ids.shape
        vectors = self.pieces(input_ids.reshape(-1, pieces)).view(rows, words, -1)
        return super().forward(inputs_embeds=vectors, attention_mask=attention_mask, **kwargs)


def small_config(max_tokens: int) -> BertConfig:
    """Return the shape of the small encoder: three layers of 128, 2.5 million weights."""
    return BertConfig(
        vocab_size=1,
        hidden_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=max_tokens,
        type_vocab_size=1,
        pad_token_id=0,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
    )
