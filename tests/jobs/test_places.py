"""Where parts go: each is there whole, once."""

from __future__ import annotations

import hashlib
import pickle
import socket

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vicinal.io.remote import Folder, Store
from vicinal.jobs.places import MANIFEST, Place, part_name


def test_a_folder_that_a_worker_does_not_see_is_named(tmp_path):
    with pytest.raises(OSError, match=f"{socket.gethostname()}.*does not see.*{tmp_path}"):
        Place(Folder(tmp_path)).check_seen()
    (tmp_path / MANIFEST).touch()
    Place(Folder(tmp_path)).check_seen()


def seen(folder):
    """Return what readers of data sets see of a folder."""
    return [path.name for path in folder.iterdir() if not path.name.startswith("_")]


def test_a_part_is_as_it_was_written_or_not_sound(tmp_path):
    place = Place(Folder(tmp_path))
    place.put(0, lambda: pa.table({"x": range(100)}))
    checksum = place.checksum(0)
    path = tmp_path / part_name(0)
    assert checksum == hashlib.sha256(path.read_bytes()).hexdigest()
    assert place.is_sound(0, checksum)
    assert not place.is_sound(0, None)
    assert not place.is_sound(1, checksum)
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)
    assert not place.is_sound(0, checksum)
    place.drop(0)
    assert list(tmp_path.iterdir()) == []
    place.put(0, lambda: pa.table({"x": range(100)}))
    (tmp_path / f"_{part_name(0)}.sha256").unlink()  # lost between the two
    place.put(0, lambda: pa.table({"x": range(100)}))
    assert place.checksum(0) == checksum


@pytest.mark.parametrize("kind", ["folder", "address"])
def test_a_part_is_made_once_and_whole(tmp_path, kind):
    table = pa.table({"x": [1.0, 2.0]})
    place = Place(Folder(tmp_path) if kind == "folder" else Store(tmp_path.as_uri()))
    place = pickle.loads(pickle.dumps(place))  # as it travels to a worker
    assert place.put(3, lambda: table) == 2
    assert place.put(3, lambda: pytest.fail("made again")) == 2
    assert seen(tmp_path) == [part_name(3)]
    assert pq.read_table(tmp_path / part_name(3)).equals(table)

    def interrupted() -> pa.Table:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.put(4, interrupted)
    assert seen(tmp_path) == [part_name(3)]
