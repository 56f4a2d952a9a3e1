"""Where sentences are made in parts and where they go, checked before anything is made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from vicinal._checks import check_choice, check_count, check_number

if TYPE_CHECKING:
    from vicinal.io.remote import RemoteFolder

__all__ = ["ENGINES", "check_engine", "check_target"]

ENGINES = ("local", "ray")


def check_engine(engine: str, address: str | None, workers: int | None, gpus: float | None) -> None:
    """Refuse an engine that cannot work, before anything is made for it.

    Parameters
    ----------
    engine : {"local", "ray"}
        Where chunks are made.
    address, workers, gpus : object
        Of a Ray cluster; None where they were not given.

    Raises
    ------
    ValueError, TypeError
        If one of them is not what it should be, or goes with another engine.
    OSError
        If nothing answers at the address.
    ImportError
        If Ray is not installed, and asked for.
    """
    from vicinal.jobs.ray import check_address, check_ray

    check_choice("engine", engine, ENGINES)
    check_number("gpus", gpus or 0.0, low=0)
    if workers is not None:
        check_count("workers", workers)
    for name, value in {"address": address, "workers": workers, "gpus": gpus or None}.items():
        if value is not None and engine != "ray":
            raise ValueError(
                f"{name}={value!r} is of a Ray cluster; add engine='ray' (--engine ray)."
            )
    if engine == "ray":
        check_ray()
        if address is not None:
            check_address(address)


def check_target(output: str | os.PathLike[str], resume: bool) -> tuple[Path, RemoteFolder | None]:
    """Refuse a place that cannot be written to, before anything is made for it.

    Parameters
    ----------
    output : str or path
        Folder or address.
    resume : bool
        Whether to go on with what is there.

    Returns
    -------
    tuple of Path and RemoteFolder or None
        The folder; and the place at the address, if it is one.

    Raises
    ------
    ValueError, OSError
        If it is not empty or cannot be written to.
    """
    from vicinal.io.remote import RemoteFolder, is_remote, local_path
    from vicinal.table.stream.output import check_output_folder

    where = os.fspath(output)
    target = Path(local_path(where))
    if not is_remote(where):
        check_output_folder(target, resume)
        return target, None
    remote = RemoteFolder(where)
    remote.check(resume)
    return target, remote
