"""An inverter in a form that can be sent to another machine."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

__all__ = ["Packed"]


@dataclass(frozen=True)
class Packed:
    """An inverter, or where to get it."""

    source: str | None  # a name that every machine knows
    files: bytes | None  # of a folder
    digest: str
    held: Any = None  # the inverter itself, in this process

    @classmethod
    def of(cls, inverter: Any) -> Packed:
        """Pack an inverter, a folder, or a name that every machine knows."""
        if not isinstance(inverter, (str, os.PathLike)):
            if not hasattr(inverter, "save_pretrained"):  # none of ours: for this process only
                return cls(None, None, type(inverter).__name__, inverter)
            with tempfile.TemporaryDirectory() as above:
                folder = Path(above) / "inverter"
                inverter.save_pretrained(folder)
                files = _pack(folder)
            return cls(None, files, hashlib.sha256(files).hexdigest(), inverter)
        source = os.fspath(inverter)
        if source != "nano" and Path(source).is_dir():
            files = _pack(Path(source))
            return cls(None, files, hashlib.sha256(files).hexdigest())
        return cls(source, None, source)

    def check_sendable(self) -> None:
        """Raise TypeError for an inverter that can be used in this process only."""
        if self.held is not None and self.files is None:
            raise TypeError(
                "inverter must be one that can be saved, to be sent to workers, got "
                f"{type(self.held).__name__}."
            )

    def to_send(self) -> Packed:
        """Return it without what stays in this process."""
        return replace(self, held=None)

    def load(self, device: str | None) -> Any:
        """Return the inverter."""
        from vicinal.text.invert.task import load_inverter

        if self.source is not None:
            return load_inverter(self.source, device=device)
        with tempfile.TemporaryDirectory() as folder:
            with tarfile.open(fileobj=io.BytesIO(self.files or b"")) as archive:
                for member in archive.getmembers():  # made by _pack: plain names
                    (Path(folder) / member.name).parent.mkdir(parents=True, exist_ok=True)
                    content = archive.extractfile(member)
                    if content is not None:
                        (Path(folder) / member.name).write_bytes(content.read())
            return load_inverter(folder, device=device)


def _pack(folder: Path) -> bytes:
    """Return the files of a folder as one, the same for the same files."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            member.size = path.stat().st_size
            with open(path, "rb") as file:
                archive.addfile(member, file)
    return sink.getvalue()
