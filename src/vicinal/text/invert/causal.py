"""Causal language models of Hugging Face's: loading them, and what they have to be able to do."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from vicinal._checks import first_line
from vicinal._extras import need
from vicinal.text.encoder import in_bfloat16
from vicinal.text.models import LLM_REMEDY, loading, resolve_model, unavailable

#: Share of the highest score by which rounding moves scores at most, in single precision.
_ROUNDING = 1e-4
#: Tokens to a multiple of which models pad their word vectors.
_PADDING = 128
_REMEDY = "Choose a causal language model, such as one of the Llama, Qwen or GPT-2 families."


def open_model(llm: Any, parameter: str = "llm") -> tuple[Any, Any, str | None]:
    """Return model and tokenizer of what stands for them, and its name where it is one."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    if isinstance(llm, tuple) and len(llm) == 2:
        _check_tokens(*llm, parameter)
        return llm[0], llm[1], None
    named = isinstance(llm, (str, PathLike))
    name = str(llm) if named else getattr(llm, "name_or_path", None)
    if not isinstance(name, str) or not name:
        raise _no_model(parameter, type(llm).__name__)
    try:
        source = resolve_model(name)
        with loading(source) as here:
            tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=here)
            if named:
                settings = {"dtype": "auto", "local_files_only": here}
                llm = AutoModelForCausalLM.from_pretrained(source, **settings)
                if llm.dtype != torch.float32 and not in_bfloat16("auto", llm.device.type):
                    llm = llm.float()  # processors without bfloat16 are many times slower in it
    except (FileNotFoundError, ImportError, MemoryError):
        raise
    except Exception as error:  # of whichever library finds a file damaged
        if str(error).startswith("Unrecognized configuration class"):
            raise _no_soft_tokens(name, AutoConfig.from_pretrained(source)) from error
        raise unavailable(name, error, LLM_REMEDY) from error
    _check_tokens(llm, tokenizer, parameter, own=True)
    return llm, tokenizer, name


def _check_tokens(model: Any, tokenizer: Any, parameter: str, *, own: bool = False) -> None:
    """Refuse what is no model and tokenizer, and a tokenizer of another model's."""
    words = getattr(model, "get_input_embeddings", None)
    if words is None or not (callable(tokenizer) and hasattr(tokenizer, "__len__")):
        raise _no_model(
            parameter, f"a pair of {type(model).__name__} and {type(tokenizer).__name__}"
        )
    name = getattr(model, "name_or_path", None)
    own = own or (bool(name) and name == getattr(tokenizer, "name_or_path", None))
    # a model's own tokenizer may add tokens that it never reads, such as a place for an image
    known, tokens = len(words().weight), tokenizer.vocab_size if own else len(tokenizer)
    if tokens > known or (known - tokens >= max(_PADDING, known // 100) and not own):
        raise ValueError(
            f"{parameter}'s tokenizer has {tokens:,} different tokens, and its model {known:,}. "
            "Give the tokenizer that belongs to the model, or the folder that holds both."
        )


def _no_model(parameter: str, got: str) -> TypeError:
    return TypeError(
        f"{parameter} must be a folder, a hub name, a causal model with a name, or a pair of model "
        f"and tokenizer, got {got}."
    )


def check_model(model: Any, name: str) -> None:
    """Refuse a model that cannot read soft tokens, or that reads what it has yet to write."""
    prepare = getattr(model, "prepare_inputs_for_generation", None)
    forward = inspect.signature(getattr(model, "forward", object)).parameters
    able = prepare is not None and "inputs_embeds" in inspect.signature(prepare).parameters
    twofold = getattr(getattr(model, "config", None), "is_encoder_decoder", False)
    if twofold or not (able and "inputs_embeds" in forward and hasattr(model, "generate")):
        raise _no_soft_tokens(name, model)
    if not _is_causal(model):
        raise ValueError(
            f"llm {name!r} ({type(model).__name__}) does not write from left to right: what comes "
            f"later changes what it expects before. {_REMEDY}"
        )


def _no_soft_tokens(name: str, what: Any) -> ValueError:
    return ValueError(
        f"llm {name!r} ({type(what).__name__}) cannot generate from inputs_embeds, which is how it "
        f"would read soft tokens. {_REMEDY}"
    )


@torch.no_grad()  # type: ignore[untyped-decorator]
def _is_causal(model: Any) -> bool:
    """Tell whether the scores of tokens stay as they are when a later one changes."""
    first = model.get_input_embeddings().weight[:4].detach().clone()
    other = first.clone()
    other[-1] = first[0]
    learning, _ = model.training, model.eval()
    scores = model(inputs_embeds=torch.stack((first, other)), use_cache=False).logits.float()
    model.train(learning)
    moved = (scores[0] - scores[1])[:-1].abs().max()
    rounding = max(_ROUNDING, 4 * torch.finfo(first.dtype).eps)
    return bool(moved <= rounding * scores.abs().max())


def marks(tokenizer: Any, name: str) -> tuple[int, int]:
    """Return the ids that end a sentence and fill up a row."""
    end = tokenizer.eos_token_id
    end = tokenizer.sep_token_id if end is None else end
    if end is None:
        raise ValueError(
            f"llm {name!r} must have an end token, got neither eos_token nor sep_token. Set "
            "tokenizer.eos_token."
        )
    pad = tokenizer.pad_token_id
    return int(end), int(end if pad is None else pad)


def opening(tokenizer: Any) -> list[int]:
    """Return the ids that a tokenizer puts before every text."""
    whole = [int(one) for one in tokenizer("a")["input_ids"]]
    bare = [int(one) for one in tokenizer("a", add_special_tokens=False)["input_ids"]]
    places = range(len(whole) - len(bare) + 1)
    at = next((at for at in places if whole[at : at + len(bare)] == bare), 0)
    return whole[:at]


def with_lora(model: Any, lora: Mapping[str, Any] | bool) -> Any:
    """Return a model with low-rank matrices beside its weights."""
    peft = _peft()
    given = {} if isinstance(lora, bool) else dict(lora)
    settings = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear", **given}
    with _without_notices():
        return peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **settings))


def load_lora(model: Any, folder: Path) -> Any:
    """Return a model with the low-rank matrices that lie in a folder."""
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (folder / name).is_file():  # peft would ask a hub
            raise ValueError(
                f"{str(folder.parent)!r} lacks its file {f'{folder.name}/{name}'!r}. Save the "
                "inverter again."
            )
    peft = _peft()
    try:
        with _without_notices():
            made = peft.PeftModel.from_pretrained(
                model, str(folder), is_trainable=True, low_cpu_mem_usage=True
            )
        _check_lora(folder, peft.get_peft_model_state_dict(made, save_embedding_layers=False))
    except Exception as error:  # of whichever library finds a file damaged
        raise ValueError(
            f"The low-rank matrices in {str(folder)!r} cannot be read ({first_line(error)}). Save "
            "the inverter again."
        ) from error
    made.eval()
    return made


def _check_lora(folder: Path, wanted: Mapping[str, torch.Tensor]) -> None:
    """Refuse matrices that a file lacks, which would be random, or has too many, and NaN."""
    from safetensors.torch import load_file

    found = load_file(folder / "adapter_model.safetensors")
    if lacking := sorted(wanted.keys() - found.keys()):
        raise ValueError(f"{len(lacking)} are missing, such as {lacking[0]}")
    if surplus := sorted(found.keys() - wanted.keys()):
        raise ValueError(f"{len(surplus)} have no place in the model, such as {surplus[0]}")
    for name in wanted:
        if not bool(found[name].isfinite().all()):
            raise ValueError(f"{name} holds NaN or infinity")


@contextmanager
def _without_notices() -> Iterator[None]:
    """Keep what libraries say to one another off the screen."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _peft() -> Any:
    need("LoRA", "peft", extra="text")
    import peft

    return peft
