"""How English reads to a language model that has nothing to do with the inverter.

The model is that of ``training/lm.py``: small, cased, trained on the open corpus without soft
tokens. It lies in ``.cache/lm``; without it there is no figure, and :func:`scorer` says why.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

LM = Path(__file__).parents[1] / ".cache" / "lm"


class Scorer:
    """A causal language model that says how likely texts are.

    Parameters
    ----------
    folder : path
        A Hugging Face folder of a model and its tokenizer.
    """

    def __init__(self, folder: Path = LM) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        self._torch = torch
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder).eval()
        note = folder / "training.json"
        self.about: dict[str, Any] = json.loads(note.read_text("utf-8")) if note.is_file() else {}

    def surprise(self, texts: Sequence[str], batch: int = 50) -> np.ndarray:
        """Return the negative log-likelihood of each text, its end included, in nats."""
        torch = self._torch
        start, end = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        longest = self.model.config.max_position_embeddings
        plain = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        rows = [[start, *ids[: longest - 2], end] for ids in plain]
        order = np.argsort([len(row) for row in rows], kind="stable")
        found = np.zeros(len(rows))
        for at in range(0, len(order), batch):
            places = order[at : at + batch]
            ids = torch.full((len(places), max(len(rows[i]) for i in places)), -100)
            for line, i in enumerate(places):
                ids[line, : len(rows[i])] = torch.tensor(rows[i])
            # padded on the right of a causal model: nothing real looks at the padding
            with torch.inference_mode():
                scores = self.model(input_ids=ids.clamp(min=0)).logits[:, :-1].float()
            losses = torch.nn.functional.cross_entropy(
                scores.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=-100, reduction="none"
            )
            found[places] = losses.view(len(places), -1).sum(1).numpy()
        return found

    def per_word(self, texts: Sequence[str]) -> float:
        """Return the perplexity of texts per word, words being what spaces part."""
        words = sum(max(1, len(text.split())) for text in texts)
        return math.exp(float(self.surprise(texts).sum()) / words)

    def described(self) -> str:
        """Say what it is, in a clause."""
        sentences = self.about.get("sentences")
        if sentences is None:
            return "a small language model"
        state = "" if self.about.get("finished") else ", unfinished"
        return (
            f"a causal language model of 15 M weights that never saw a soft token (training/lm.py: "
            f"{sentences:,} sentences{state})"
        )


@cache
def scorer(folder: Path = LM) -> tuple[Scorer | None, str]:
    """Return the scorer, or None and the reason why there is none."""
    wanted = ("config.json", "model.safetensors", "tokenizer.json")
    missing = [name for name in wanted if not (folder / name).is_file()]
    if missing:
        return None, f"{folder} lacks {', '.join(missing)}: run python training/lm.py first"
    return Scorer(folder), ""
