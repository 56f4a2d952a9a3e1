"""Any causal language model of Hugging Face's as the decoder of an inverter."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vicinal._checks import check_count
from vicinal._types import Floats32
from vicinal.text._smollm2 import cached
from vicinal.text.invert.causal import (
    check_model,
    load_lora,
    marks,
    open_model,
    opening,
    with_lora,
)
from vicinal.text.invert.decoders import Decoded, pad_rows
from vicinal.text.invert.decoding import Rules, write
from vicinal.text.invert.guidance import Hints, gains
from vicinal.text.models import SMOLLM2, fingerprint, lasting_name, needed_by

#: What stands around the soft tokens, whose place is ``{}``.
PROMPT = "Given the embedding {}, generate the original sentence: "
WHOLE, _LORA = "decoder", "lora"
#: What a saved inverter says of it, and which of that it is made with again.
_SETTINGS = ("prompt", "no_repeat", "max_tokens")
_TOLD = ("kind", "name", "tuning", "fingerprint", *_SETTINGS)


def _in_order(path: Path) -> None:
    """Write settings anew in one order: lists that peft makes of sets have another each time."""
    said = json.loads(path.read_text("utf-8"))
    lists = {name: sorted(one) for name, one in said.items() if isinstance(one, list)}
    path.write_text(json.dumps(said | lists, indent=2, sort_keys=True), "utf-8")


class HuggingFaceDecoder:
    """A causal language model that reads soft tokens inside a prompt.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        With ``inputs_embeds`` in its generation, as nearly all have.
    tokenizer : transformers.PreTrainedTokenizerBase
        Its tokenizer.
    prompt : str
        Text with ``{}`` where the soft tokens go.
    freeze : bool, default True
        Whether its weights stay as they are; those that learn are turned into float32.
    lora : mapping or bool, optional
        Low-rank matrices learn beside the frozen weights: settings of ``peft.LoraConfig``, or True
        for rank 8 in all linear layers.
    name : str, optional
        Folder or hub name that it came from.
    no_repeat : int, default 3
        No run of so many tokens is written twice in a sentence; 0 allows every repetition.
    max_tokens : int, default 64
        Longest sentence written, where nothing else is asked for.

    Raises
    ------
    ValueError
        If the model is not causal, cannot generate from ``inputs_embeds``, or the prompt has no
        place for the soft tokens.
    ImportError
        If LoRA is asked for without peft.
    """

    kind = "huggingface"
    batch = 256

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        prompt: str = PROMPT,
        freeze: bool = True,
        lora: Mapping[str, Any] | bool | None = None,
        name: str | None = None,
        no_repeat: int = 3,
        max_tokens: int = 64,
    ) -> None:
        if not isinstance(prompt, str) or prompt.count("{}") != 1:
            raise ValueError(
                f"prompt must be a text with one '{{}}' where the soft tokens go, got {prompt!r}."
            )
        known = name or getattr(model, "name_or_path", "") or type(model).__name__
        self.name = lasting_name(str(known))
        check_model(model, self.name)
        self.tokenizer, self.prompt = tokenizer, prompt
        self.no_repeat = check_count("no_repeat", no_repeat, low=0)
        self.max_tokens = check_count("max_tokens", max_tokens)
        self.tuning = "lora" if lora else "frozen" if freeze else "whole"
        if self.tuning == "whole":
            model = model.float()  # small updates are lost in half precision
        model.requires_grad_(self.tuning == "whole")
        self.model = with_lora(model, lora) if lora else model
        self.model.eval()
        self.width = int(self._words.weight.shape[1])
        self.end, self.pad = marks(tokenizer, self.name)
        before, _, after = prompt.partition("{}")
        self._before = [*opening(tokenizer), *self._plain_ids(before)]
        self._after = self._plain_ids(after)
        self._fingerprint: str | None = None
        self._merged = False  # low-rank matrices are within the weights

    @classmethod
    def from_source(cls, llm: Any, **settings: Any) -> HuggingFaceDecoder:
        """Return the decoder of a model, a pair of model and tokenizer, a folder or a hub name.

        ``settings`` are as the class takes them.

        Raises
        ------
        TypeError, ValueError
            If it is something else, or no causal language model.
        OSError
            If it is neither on this machine nor to be fetched.
        """
        model, tokenizer, name = open_model(llm)
        return cls(model, tokenizer, **{"name": name, **settings})

    @property
    def trainable(self) -> list[nn.Parameter]:
        """What learns: no weights, those of LoRA, or all."""
        return [one for one in self.model.parameters() if one.requires_grad]

    @property
    def device(self) -> torch.device:
        """Where its word vectors are."""
        return self._words.weight.device

    @property
    def loudness(self) -> float:
        """Standard deviation of its word vectors."""
        return float(self._words.weight.detach().float().std())

    @property
    def _words(self) -> nn.Embedding:
        return self.model.get_input_embeddings()

    @property
    def fingerprint(self) -> str:
        """Hash of its weights, without those of LoRA, and of its tokenizer."""
        if self._fingerprint is None or self.tuning == "whole":
            said = (str(len(self.tokenizer)), *map(str, self._plain_ids("Don't stop, Zoë.")))
            self._fingerprint = fingerprint(self._plain_named(), said)
        return self._fingerprint

    def _adapts_words(self) -> bool:
        """Tell whether low-rank matrices stand beside the word vectors, or weights tied to them."""
        layers = (getattr(one, "base_layer", None) for one in self.model.modules())
        return any(getattr(one, "weight", None) is self._words.weight for one in layers)

    def to(self, device: str) -> HuggingFaceDecoder:
        """Move to a device."""
        self.model.to(device)
        return self

    def train(self, mode: bool = True) -> HuggingFaceDecoder:
        """Switch dropout on where the model learns, or off."""
        if mode and self._merged:  # within the weights low-rank matrices do not learn
            self.model.unmerge_adapter()
            if self.model.dtype != torch.float32:  # which leaves rounding behind
                self._take_plain(open_model(self.name)[0])
            self._merged = False
        self.model.train(mode and self.tuning != "frozen")
        return self

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def _take_plain(self, model: Any) -> None:
        """Set the weights to those of the language model as it was loaded."""
        plain = dict(model.named_parameters())
        for name, one in self._plain_named():
            one.copy_(plain[name])

    def _plain_named(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Return the language model's own weights by its own names, without low-rank matrices."""
        for name, one in self.model.named_parameters():
            if ".lora_" not in name:
                yield name.replace("base_model.model.", "", 1).replace(".base_layer.", "."), one

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each sentence, which is not cut, with its end token."""
        rows = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
        return [[*row, self.end] for row in rows]

    def room(self, soft_tokens: int) -> int:
        """Return how many tokens a sentence may have beside the prompt and so many soft tokens."""
        return self._limit() - len(self._before) - len(self._after) - soft_tokens

    def check_room(self, soft_tokens: int) -> None:
        """Refuse so many soft tokens where no sentence has room beside them and the prompt."""
        if self.room(soft_tokens) >= 2:  # a token and the end
            return
        tokens = len(self._before) + len(self._after)
        raise ValueError(
            f"prompt {shorten(self.prompt, 60)!r} and soft tokens take {tokens} + {soft_tokens} "
            f"tokens, {self.name!r} has {self._limit()} positions: no sentence has room. Shorten "
            "the prompt, or take fewer soft tokens."
        )

    def loss(self, soft: Tensor, rows: Sequence[Sequence[int]]) -> Tensor:
        """Return the mean negative log-likelihood of the sentences' tokens."""
        losses, real = self._losses(soft, rows)
        return losses.sum() / real.sum()

    def _losses(self, soft: Tensor, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Return the loss of each token (B, T), 0 at padding, and a mask of real tokens."""
        prefix = self.prefix(soft)
        ids, lengths = pad_rows(rows, self.room(soft.shape[1]), self.pad, soft.device)
        real = torch.arange(ids.shape[1], device=soft.device) < lengths[:, None]  # (B, T)
        words = self._words(ids).to(prefix.dtype)
        mask = torch.cat((real.new_ones(prefix.shape[:2]), real), 1).long()
        scores = self.model(
            inputs_embeds=torch.cat((prefix, words), 1), attention_mask=mask, use_cache=False,
            **self._keeps(ids.shape[1] + 1),
        ).logits  # fmt: skip
        # the state before a token predicts it: the last of the prefix predicts the first
        scores = scores[:, -ids.shape[1] - 1 : -1]
        losses = functional.cross_entropy(
            scores.flatten(0, 1).float(), ids.flatten(), reduction="none"
        )
        return losses.view_as(ids) * real, real

    @property
    def _takes(self) -> Mapping[str, Any]:
        """What the model can be told, by name."""
        inner = self.model.get_base_model() if self.tuning == "lora" else self.model
        return inspect.signature(inner.forward).parameters

    def _keeps(self, last: int) -> dict[str, Tensor]:
        """Return how to ask for the scores of the last positions alone, where a model can."""
        if "logits_to_keep" not in self._takes:
            return {}
        # places, not their number: a slice is not contiguous, and torch would copy the word vectors
        # once for each row of it
        return {"logits_to_keep": torch.arange(-last, 0, device=self.device)}

    def log_likelihood(self, soft: Tensor, texts: Sequence[str]) -> Floats32:
        """Return the mean log-probability a token of given sentences."""
        with torch.inference_mode():
            losses, real = self._losses(soft, self.tokenize(texts))
        likely: Floats32 = -(losses.sum(1) / real.sum(1)).cpu().numpy()
        return likely.astype(np.float32)

    def decode(
        self,
        soft: Tensor,
        temperatures: Sequence[float] = (0.0,),
        *,
        beams: int = 1,
        max_tokens: int | None = None,
        generator: np.random.Generator | None = None,
        hints: Hints | None = None,
    ) -> Decoded:
        """Write sentences for each row of soft tokens, one at each temperature."""
        ids, likely = self._write(soft, temperatures, beams, max_tokens, generator, hints)
        lines = [self.tokenizer.decode(row, skip_special_tokens=True) for row in ids]
        return Decoded.of([" ".join(line.split()) for line in lines], likely.cpu().numpy())

    def _write(
        self,
        soft: Tensor,
        temperatures: Sequence[float] = (0.0,),
        beams: int = 1,
        max_tokens: int | None = None,
        generator: np.random.Generator | None = None,
        hints: Hints | None = None,
    ) -> tuple[list[list[int]], Tensor]:
        """Write ids, with what they end in, and return their mean log-probabilities (B, R)."""
        self.check_room(soft.shape[1])
        limit = self.max_tokens if max_tokens is None else check_count("max_tokens", max_tokens)
        limit = min(limit, self.room(soft.shape[1]))
        rules = Rules(-1, self.end, (), limit + 1, self.no_repeat)  # rows begin with no token
        ids, likely = write(
            _Steps(self), soft, temperatures, rules, beams=beams, generator=generator,
            gains=None if hints is None else self._gains(hints).to(soft.device),
        )  # fmt: skip
        return [row[1:] for row in ids], likely

    def _gains(self, hints: Hints) -> Tensor:
        def text_of(token: int) -> str:  # nothing, of an end and the like
            return str(self.tokenizer.decode([token], skip_special_tokens=True))

        return gains(hints, self.tokenize, text_of, int(self._words.weight.shape[0]))

    def prefix(self, soft: Tensor) -> Tensor:
        """Return the prompt's vectors with the soft tokens in their place (B, P, C)."""
        self.check_room(soft.shape[1])
        rows = (torch.tensor(ids, dtype=torch.long) for ids in (self._before, self._after))
        before, after = (self._words(row.to(soft.device)).expand(len(soft), -1, -1) for row in rows)
        return torch.cat((before, soft.to(before.dtype), after), 1)

    def _limit(self) -> int:
        return int(getattr(self.model.config, "max_position_embeddings", None) or 1 << 30)

    def _plain_ids(self, text: str) -> list[int]:
        found = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return [int(one) for one in found]

    def describe(self) -> dict[str, Any]:
        """Return what a saved inverter has to say about it."""
        return {name: getattr(self, name) for name in _TOLD}

    def weights(self) -> Mapping[str, Tensor]:
        """Return nothing: what was trained has a folder of its own."""
        return {}

    def save(self, folder: Path, *, half: bool = False) -> None:
        """Write what was trained: low-rank matrices, or the whole model."""
        if self.tuning == "lora":
            learned = {n: one for n, one in self.model.state_dict().items() if ".lora_" in n}
            if half:
                learned = {name: one.half() for name, one in learned.items()}
            # named as users name it, not where it lay; and files are not for the owner's eyes only
            self.model.peft_config["default"].base_model_name_or_path = self.name
            self.model.save_pretrained(
                folder / _LORA, state_dict=learned, save_embedding_layers=False
            )
            (folder / _LORA / "README.md").unlink(missing_ok=True)  # a form that nobody fills in
            _in_order(folder / _LORA / "adapter_config.json")
            for path in (folder / _LORA).iterdir():
                path.chmod(0o644)
        elif self.tuning == "whole":
            self.model.save_pretrained(folder / WHOLE)
            self.tokenizer.save_pretrained(folder / WHOLE)

    @classmethod
    def load(cls, folder: Path, said: Mapping[str, Any], llm: Any = None) -> HuggingFaceDecoder:
        """Return the decoder that was saved; ``llm`` where the model does not lie where it lay."""
        settings = {name: said[name] for name in _SETTINGS}
        if said["tuning"] == "whole":
            if llm is not None:
                raise ValueError(
                    f"The language model of {str(folder)!r} was trained whole, and is kept there. "
                    "Leave out llm."
                )
            kept = folder / WHOLE
            if not kept.is_dir():
                raise ValueError(f"{str(folder)!r} lacks its folder {WHOLE!r}. Save it again.")
            made = cls.from_source(kept, freeze=False, **{**settings, "name": said["name"]})
        elif llm is not None:
            made = cls.from_source(llm, **settings)
        else:
            with needed_by(folder, "the language model", said["name"], "llm"):
                made = cls.from_source(said["name"], **settings)
        if made.fingerprint != said["fingerprint"]:
            damaged = llm is None and said["name"] == SMOLLM2
            remedy = f"Delete {str(cached())!r}" if damaged else "Give that model as llm"
            raise ValueError(
                f"The inverter in {str(folder)!r} was made for the language model "
                f"{said['name']!r} (fingerprint {said['fingerprint']}), got {made.name!r} "
                f"(fingerprint {made.fingerprint}). {remedy}."
            )
        if said["tuning"] == "lora":
            made.model = load_lora(made.model, folder / _LORA)
            made.tuning = "lora"
            # not into a model of the caller's, nor into weights that have a second use: otherwise
            # it writes the same sentences, but for rounding, a third quicker
            if llm is None and not made._adapts_words():
                made.model.merge_adapter()
                made._merged = True
        return made


class _Steps:
    """A causal model as decoding reads it. Prompts are equally long, so nothing is padded."""

    def __init__(self, decoder: HuggingFaceDecoder) -> None:
        self._decoder = decoder
        # its name before transformers 5.20 or so
        self._cache = "cache" if "cache" in decoder._takes else "past_key_values"

    def begin(self, soft: Tensor) -> tuple[Tensor, _Memory]:
        prefix, memory = self._decoder.prefix(soft), _Memory()
        return self._read(prefix, memory, **self._decoder._keeps(1)), memory

    def next_scores(self, tokens: Tensor, at: int, memory: _Memory) -> Tensor:
        return self._read(self._decoder._words(tokens[:, None]), memory)

    def _read(self, vectors: Tensor, memory: _Memory, **keeps: Tensor) -> Tensor:
        memory.length += vectors.shape[1]
        mask = torch.ones(len(vectors), memory.length, dtype=torch.long, device=vectors.device)
        found = self._decoder.model(
            inputs_embeds=vectors, attention_mask=mask, use_cache=True, **keeps,
            **{self._cache: memory.cache},
        )  # fmt: skip
        memory.cache = getattr(found, self._cache)
        scores: Tensor = found.logits[:, -1]
        return scores


class _Memory:
    """Keys and values of transformers' as decoding asks for them."""

    cache: Any = None
    length = 0

    def take(self, rows: Tensor, *, spare: bool = False) -> None:
        self.cache.reorder_cache(rows)

    def drop(self, going: Tensor) -> Tensor:
        kept = going.nonzero()[:, 0]
        self.cache.reorder_cache(kept)
        return kept
