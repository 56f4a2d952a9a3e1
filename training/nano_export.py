"""Write nano as it ships: float16 safetensors, vocabulary, and a JSON file that describes them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from nano_codec import CAP, EOS, FORMAL, GAP, INFORMAL, JOIN, LOWER, PAD, UPPER
from nano_data import write_whole
from nano_eval import Writer
from nano_model import file_hash
from safetensors.torch import save_file

__all__ = ["export"]


def export(
    writer: Writer, folder: Path, training: dict[str, object], figures: list[dict[str, object]]
) -> None:
    """Write `model.safetensors`, `vocab.txt` and `config.json`.

    Parameters
    ----------
    writer : Writer
        The trained inverter with its codec, statistics and encoder.
    folder : Path
        Where to write; made if missing.
    training, figures : dict, list of dict
        What to say about the training and the measurements.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.to(torch.float16).contiguous().cpu()
        for name, tensor in writer.model.state_dict().items()
    }
    tensors["statistics.mean"] = torch.from_numpy(writer.statistics.mean).float()
    config = {
        "format": "vicinal-nano",
        "version": 1,
        "encoder": {
            "name": "sentence-transformers/all-MiniLM-L6-v2",
            "sha256": file_hash(writer.encoder.folder / "model.safetensors"),
            "pooling": "mean",
            "normalised": False,
            "max_tokens": 128,
        },
        "statistics": {"mean": "statistics.mean", "scale": writer.statistics.scale},
        "decoder": asdict(writer.model.config),
        "tokens": {
            "pad": PAD, "formal": FORMAL, "informal": INFORMAL, "eos": EOS,
            "cap": CAP, "upper": UPPER, "lower": LOWER, "join": JOIN, "gap": GAP,
        },
        "training": training,
        "figures": figures,
    }  # fmt: skip
    notes = {"format": "vicinal-nano", "version": "1"}
    write_whole(folder / "model.safetensors", lambda path: save_file(tensors, path, notes))
    write_whole(
        folder / "vocab.txt",
        lambda path: path.write_text("\n".join(writer.codec.tokens), encoding="utf-8"),
    )
    write_whole(
        folder / "config.json",
        lambda path: path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8"),
    )
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    parameters = sum(tensor.numel() for tensor in writer.model.state_dict().values())
    print(f"wrote {folder}: {parameters:,} parameters, {size / 1e6:.2f} MB in all")
