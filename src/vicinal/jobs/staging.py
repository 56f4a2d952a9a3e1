"""An output that appears whole or not at all, and a folder that can be gone on with.

Chunks are written beside the output, which takes its place by one rename. An object store cannot
rename: there the manifest comes last and tells that nothing is missing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vicinal import __version__
from vicinal.io.atomic import check_parent
from vicinal.io.remote import Folder, Store, is_remote, local_path
from vicinal.jobs.chunks import Chunk
from vicinal.jobs.limits import format_bytes
from vicinal.jobs.places import MANIFEST, Place, part_name

MODEL = "_model.vicinal"
FORMAT = 1


def staging_of(output: str | os.PathLike[str]) -> Path:
    """Return the folder beside the output in which it is built."""
    target = _settled(Path(local_path(os.fspath(output))))
    return target.with_name(f".{target.name}.partial")


def _settled(output: Path) -> Path:
    """Return the folder's own path, where it is given as ``.``, ``..`` or a link to it."""
    return output.resolve() if output.is_symlink() or output.name in {"", ".."} else output


def _is_begun(staging: Path) -> bool:
    """Tell whether a run has left something to go on with."""
    return (staging / MODEL).exists() or any(staging.glob("part-*.parquet"))


def check_destination(output: str | os.PathLike[str], resume: bool) -> None:
    """Raise where an output cannot be written, before any work is done for it."""
    where = os.fspath(output)
    if not is_remote(where):
        _check_folder(Path(local_path(where)), resume)
    elif resume:
        raise ValueError(
            f"resume goes with a folder on a disk, and output {where} is an address. Remove what "
            "is there and begin anew, or write to a folder."
        )
    else:
        Store(where).check_empty()


def _check_folder(output: Path, resume: bool) -> None:
    if output.is_file():
        raise FileExistsError(f"{output} is a file; name a folder to write to.")
    check_parent(output.resolve())
    if os.path.ismount(output):
        raise OSError(
            f"{output} is a disk of its own, which cannot be put in place whole. Name a folder in "
            f"it, such as {output / 'synthetic'}."
        )
    if output.is_dir() and any(output.iterdir()) and not (resume and (output / MANIFEST).exists()):
        raise FileExistsError(
            f"Folder {output} is not empty. Name another one, or remove what is in it."
        )
    staging = staging_of(output)
    if _is_begun(staging) and not resume:
        with _locked(staging):  # or another run is at work there
            pass
        raise FileExistsError(
            f"{staging} holds an interrupted run for {output}. Add --resume (resume=True) to go on "
            "with it, or remove the folder to begin anew."
        )


@contextlib.contextmanager
def _locked(staging: Path) -> Iterator[None]:
    """Keep other processes out of a folder until this one ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows has no such locks
        yield
        return
    with open(staging / "_lock", "wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OSError(f"Another run is writing to {staging}. Wait for it.") from error
        yield


class Staging:
    """Where an output is built, entered it is begun or gone on with: here in an object store."""

    kept: Path
    complete = False

    def __init__(
        self, output: Path | str, files: Folder | Store, request: Mapping[str, Any], resume: bool
    ) -> None:
        self.output, self.place = output, Place(files)
        self._request, self._resume = json.loads(json.dumps(request)), resume
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Staging:
        check_destination(self.output, self._resume)
        self.kept = Path(self._stack.enter_context(tempfile.TemporaryDirectory())) / MODEL
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def check_room(self, needed: float) -> None:
        """Raise OSError where there is no room for so many bytes; a store has room."""

    def begin(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Return the chunks that are still to be made."""
        return list(chunks)

    def finish(self, chunks: Sequence[Chunk], rows: Mapping[int, int]) -> None:
        """Say what there is, once every chunk is there; ``rows`` are those of parts just made."""
        self._write_manifest(self._plan(chunks) | self._parts(chunks, rows))

    def _plan(self, chunks: Sequence[Chunk]) -> dict[str, Any]:
        """Return what a manifest says of the chunks before they are made."""
        plan = {"chunk_rows": chunks[0].rows, "chunks": len(chunks), "seed": list(chunks[0].seed)}
        if not self.kept.exists():
            return plan
        return plan | {"model": hashlib.sha256(self.kept.read_bytes()).hexdigest()}

    def _parts(self, chunks: Sequence[Chunk], rows: Mapping[int, int]) -> dict[str, Any]:
        """Return what a manifest says of the parts that are there."""
        parts = []
        for number in (chunk.number for chunk in chunks):
            size = self.place.size(number)
            if size is None:
                raise OSError(f"{part_name(number)} should be there and is not.")
            n = rows[number] if number in rows else self.place.rows(number)
            part = {"file": part_name(number), "rows": n, "bytes": size}
            checksum = self.place.checksum(number)
            parts.append(part if checksum is None else part | {"sha256": checksum})
        return {"rows": sum(part["rows"] for part in parts), "parts": parts}

    def _write_manifest(self, facts: Mapping[str, Any]) -> None:
        said = {"format": FORMAT, "vicinal": __version__, "asked": self._request, **facts}
        with self.place.files.writing(MANIFEST) as sink:
            sink.write((json.dumps(said, indent=1) + "\n").encode())


def open_staging(
    output: str | os.PathLike[str], request: Mapping[str, Any], resume: bool
) -> Staging:
    """Return where an output is built; a run of another ``request`` is not gone on with."""
    where = os.fspath(output)
    if is_remote(where):
        store = Store(where)
        return Staging(store.address, store, request, resume)  # a Path would drop a slash
    folder = Path(local_path(where))
    return _FolderStaging(folder, Folder(staging_of(folder)), request, resume)


class _FolderStaging(Staging):
    def __enter__(self) -> Staging:
        self.folder, self._target = staging_of(self.output), _settled(Path(self.output))
        self.kept = self.folder / MODEL
        _check_folder(self._target, self._resume)
        done = self._target / MANIFEST
        if self._resume and done.exists():
            manifest = _read_manifest(done)
            self._check_same(manifest, self._target)
            self.place, self.complete = Place(Folder(self._target)), True
            self._check_parts(manifest)
            return self
        self.folder.mkdir(exist_ok=True)
        with contextlib.ExitStack() as stack:
            stack.enter_context(_locked(self.folder))
            stack.callback(self._remove_empty)
            self._open()
            self._stack = stack.pop_all()
        return self

    def _open(self) -> None:
        if not _is_begun(self.folder):  # stopped before anything was learned or made
            self._write_manifest({})
            return
        manifest = _read_manifest(self.folder / MANIFEST)
        self._check_same(manifest, self.folder)
        if "parts" in manifest:  # all was done but the last step
            self.kept.unlink(missing_ok=True)
            self._put_in_place()
            self.complete = True

    def _remove_empty(self) -> None:
        if not self.complete and not _is_begun(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)  # nothing to go on with

    def _check_same(self, manifest: dict[str, Any], where: Path) -> None:
        differ = differences(manifest["asked"], self._request)
        if where == self.folder and manifest.get("vicinal") != __version__:
            differ.append(f"vicinal ({manifest.get('vicinal')} there, {__version__} here)")
        self._refuse(differ, where)

    def _refuse(self, differ: Sequence[str], where: Path) -> None:
        if differ:
            raise ValueError(
                f"{where} was begun otherwise: {'; '.join(differ)}. Ask for the same again, or "
                "remove the folder to begin anew."
            )

    def _check_parts(self, manifest: dict[str, Any]) -> None:
        for number, part in enumerate(manifest.get("parts", ())):
            if not self.place.is_sound(number, part.get("sha256", "")):
                raise ValueError(
                    f"{self._target / part['file']} is not as it was written. Remove the folder to "
                    "begin anew."
                )

    def check_room(self, needed: float) -> None:
        """Raise OSError where the disk has no room for so many bytes."""
        disk = self._target.resolve().parent
        free = shutil.disk_usage(disk).free
        if needed > free:
            raise OSError(
                f"The synthetic rows need about {format_bytes(needed)}, but {disk} has "
                f"{format_bytes(free)} free. Free some, name another folder, or ask for fewer rows."
            )

    def _clean(self) -> None:
        for path in self.folder.glob(".*.part"):  # of an interruption, or of workers that are lost
            path.unlink()

    def begin(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Return the chunks that are still to be made; leftovers of an interruption are removed."""
        self._clean()
        facts = self._plan(chunks)
        manifest = _read_manifest(self.folder / MANIFEST)
        planned = {name: manifest[name] for name in facts if name in manifest}
        if planned:
            self._refuse(differences(planned, facts), self.folder)
        self._write_manifest(facts)
        left = [
            one
            for one in chunks
            if not self.place.is_sound(one.number, self.place.checksum(one.number))
        ]
        for chunk in left:
            self.place.drop(chunk.number)
        return left

    def finish(self, chunks: Sequence[Chunk], rows: Mapping[int, int]) -> None:
        """Put the folder in its place."""
        self._clean()
        if self._target.is_dir() and any(self._target.iterdir()):
            raise FileExistsError(
                f"Folder {self._target} is no longer empty; what is done stays in {self.folder}. "
                "Remove what is in it, then go on with --resume (resume=True)."
            )
        super().finish(chunks, rows)
        self.place.forget_sums(chunk.number for chunk in chunks)
        self.kept.unlink(missing_ok=True)  # it may hold real rows
        self._put_in_place()

    def _put_in_place(self) -> None:
        (self.folder / "_lock").unlink(missing_ok=True)
        if self._target.is_dir():
            self._target.rmdir()
        os.replace(self.folder, self._target)
        self.place = Place(Folder(self._target))


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        known = manifest["format"] == FORMAT and isinstance(manifest["asked"], dict)
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise ValueError(
            f"{path} is no manifest of this version of vicinal. Remove the folder to begin anew."
        )
    return manifest


def differences(there: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Say how two sets of settings differ, such as ``["seed (7 there, 8 asked)"]``."""
    found = []
    for name in sorted({*there, *asked}):
        old, new = there.get(name), asked.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new)
        elif isinstance(old, list) and isinstance(new, list):
            gone = [one for one in old if one not in new] or old
            added = [one for one in new if one not in old] or new
            found.append(f"{name} ({_brief(gone)} there, {_brief(added)} asked)")
        elif re.fullmatch("[0-9a-f]{64} [0-9a-f]{64}", f"{old} {new}"):  # says nothing to anybody
            found.append(f"{name} (others there)")
        else:
            found.append(f"{name} ({_brief(old)} there, {_brief(new)} asked)")
    return found


def _brief(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value[:2])) + (", ..." if len(value) > 2 else "")
    return json.dumps(value)
