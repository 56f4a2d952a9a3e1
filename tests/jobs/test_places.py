"""Where parts go: each is there whole, once."""

from __future__ import annotations

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


@pytest.mark.parametrize("kind", ["folder", "address"])
def test_a_part_is_made_once_and_whole(tmp_path, kind):
    table = pa.table({"x": [1.0, 2.0]})
    place = Place(Folder(tmp_path) if kind == "folder" else Store(tmp_path.as_uri()))
    place = pickle.loads(pickle.dumps(place))  # as it travels to a worker
    assert place.put(3, lambda: table) == 2
    assert place.put(3, lambda: pytest.fail("made again")) == 2
    assert [path.name for path in tmp_path.iterdir()] == [part_name(3)]
    assert pq.read_table(tmp_path / part_name(3)).equals(table)

    def interrupted() -> pa.Table:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.put(4, interrupted)
    assert [path.name for path in tmp_path.iterdir()] == [part_name(3)]
