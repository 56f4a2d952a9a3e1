"""Write nano as it ships: a saved inverter in float16, with what was measured on its card."""

from __future__ import annotations

from pathlib import Path

from vicinal.text.invert import Inverter
from vicinal.text.invert.card import read_preface
from vicinal.text.invert.folder import find_folder

__all__ = ["export"]

LIMIT = 40_000_000


def export(
    inverter: Inverter,
    folder: Path,
    training: dict[str, object],
    figures: list[dict[str, object]],
) -> None:
    """Write a folder that `Inverter.from_pretrained` reads.

    Parameters
    ----------
    inverter : Inverter
        As trained.
    folder : Path
        Where to write: a new folder, or one of an inverter, which is replaced.
    training, figures : dict, list of dict
        What to say about the training and the measurements.
    """
    card = folder if (folder / "README.md").is_file() else find_folder("nano")
    inverter.preface = read_preface(card / "README.md")
    inverter.notes = {"training": training, "figures": figures}
    inverter.save_pretrained(folder, half=True)
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    parameters = sum(
        one.numel() for part in (inverter.adaptor, inverter.decoder.network)
        for one in part.parameters()
    )  # fmt: skip
    print(f"wrote {folder}: {parameters:,} parameters, {size / 1e6:.2f} MB in all")
    if size > LIMIT:
        raise SystemExit(f"{folder} is larger than {LIMIT / 1e6:.0f} MB: it does not ship.")
