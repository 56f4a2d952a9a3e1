"""An inverter in a form that can be sent to another machine."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicinal.text.invert.folder import PACKAGED


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
        if isinstance(inverter, (str, os.PathLike)):
            source = os.fspath(inverter)
            if source in PACKAGED or not os.path.isdir(source):
                return cls(source, None, source)
            files = _pack(Path(source))
            return cls(None, files, hashlib.sha256(files).hexdigest())
        if not hasattr(inverter, "save_pretrained"):  # none of ours: for this process only
            return cls(None, None, type(inverter).__name__, inverter)
        if getattr(inverter, "guide", None) is not None:
            raise ValueError(
                "inverter must write without a guide where rows are made in parts, which other "
                "processes take over. Set inverter.guide = None, or give one file as output."
            )
        with tempfile.TemporaryDirectory() as folder:
            inverter.save_pretrained(Path(folder, "inverter"))
            files = _pack(Path(folder, "inverter"))
        return cls(None, files, hashlib.sha256(files).hexdigest(), inverter)

    def load(self, device: str | None) -> Any:
        """Return the inverter."""
        from vicinal.text.invert.task import load_inverter

        if self.held is not None:
            return self.held
        if self.files is None:
            return load_inverter(str(self.source), device=device)
        with tempfile.TemporaryDirectory() as folder:
            with zipfile.ZipFile(io.BytesIO(self.files)) as archive:
                archive.extractall(folder)
            return load_inverter(folder, device=device)


def _pack(folder: Path) -> bytes:
    """Return the files of a folder as one, the same for the same files."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            member = zipfile.ZipInfo(path.relative_to(folder).as_posix())  # without its time
            archive.writestr(member, path.read_bytes())
    return sink.getvalue()
