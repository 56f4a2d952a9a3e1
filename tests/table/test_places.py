"""Coordinates are one place: found, moved among near places, kept where many rows hold them."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.spatial import cKDTree

from vicinal.table import TableSynthesizer, detect_columns
from vicinal.table.places import Places, coordinates, pairs_of


def ring(n=2000, seed=0):
    """Places along a ring, in whose middle nothing is, and a number that follows the angle."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    away = rng.normal(1, 0.02, n)
    return pd.DataFrame(
        {
            "lat": (50 + away * np.sin(angle)).round(4),
            "lon": (8 + away * np.cos(angle)).round(4),
            "price": (100 + 50 * np.sin(angle) + rng.normal(0, 5, n)).round(2),
            "size": rng.gamma(3, 20, n).round(1),
        }
    )


@pytest.fixture(scope="module")
def frame():
    return ring()


@pytest.mark.parametrize("privacy", ["balanced", "max"])
def test_synthetic_places_lie_where_unseen_ones_do(privacy, frame):
    unseen = ring(seed=1)
    made = TableSynthesizer(privacy, random_state=0).fit(frame).sample()
    points, new, held = (one[["lat", "lon"]].to_numpy() for one in (frame, made, unseen))
    tree = cKDTree(points)
    far = np.quantile(tree.query(held)[0], 0.99)
    assert (tree.query(new)[0] > far).mean() <= 0.02
    middle = np.hypot(made["lat"] - 50, made["lon"] - 8)
    assert middle.min() > 0.85
    # places that are a row's own are written no more than those of unseen rows, within 4 errors
    own = [{tuple(place) for place in one} for one in (points, held)]
    hits = [np.mean([place in one for place in map(tuple, new)]) for one in own]
    assert hits[0] - hits[1] < 4 * np.sqrt(max(hits[1], 1 / len(new)) / len(new))
    north = made["lat"] > 50
    assert made.loc[north, "price"].mean() - made.loc[~north, "price"].mean() > 40


def test_places_that_many_rows_hold_are_kept_and_single_ones_are_not():
    rng = np.random.default_rng(0)
    shops = rng.uniform(40, 50, (30, 2)).round(5)
    degrees = np.vstack([shops.repeat(10, axis=0), rng.uniform(40, 50, (50, 2)).round(5)])
    places = Places(degrees, np.ones(350, bool), 5)
    drawn = places.draw(np.arange(350), [5, 5], rng)
    assert np.array_equal(drawn[:300], degrees[:300])
    assert not {*map(tuple, drawn[300:])} & {*map(tuple, degrees)}


def test_places_across_the_date_line_stay_there():
    rng = np.random.default_rng(0)
    lon = (180 + rng.normal(0, 0.5, 200) + 180) % 360 - 180
    degrees = np.column_stack([rng.normal(-17, 0.5, 200), lon])
    drawn = Places(degrees, np.ones(200, bool), 5).draw(np.arange(200), [None, None], rng)
    assert (np.abs(drawn[:, 1]) > 177).all()
    assert (np.abs(drawn[:, 1]) <= 180).all()


def test_coordinates_are_found_by_name_and_range_in_pairs():
    table = pa.table(
        {
            "pickup_latitude": [40.7, 40.8],
            "pickup_longitude": [-73.9, -74.0],
            "Lat": [1.0, 2.0],
            "Lng": [3.0, 4.0],
            "dropoff_latitude": [400.0, 1.0],
            "dropoff_longitude": [1.0, 2.0],
            "flat": [1.0, 2.0],
            "along": [1.0, 2.0],
        }
    )
    found = coordinates(table)
    assert set(found) == {"pickup_latitude", "pickup_longitude", "Lat", "Lng"}
    assert pairs_of(found) == [("pickup_latitude", "pickup_longitude"), ("Lat", "Lng")]
    assert detect_columns(table)[2].kind == "latitude"


def test_coordinates_can_be_said(frame):
    plain = frame.rename(columns={"lat": "y", "lon": "x"})
    model = TableSynthesizer(kinds={"y": "latitude", "x": "longitude"}, random_state=0)
    made = model.fit(plain).sample(500)
    assert np.hypot(made["y"] - 50, made["x"] - 8).min() > 0.85
    with pytest.raises(ValueError, match="latitude"):
        TableSynthesizer(kinds={"y": "latitude"}).fit(plain.assign(y=plain["y"].astype(str)))


def test_missing_places_stay_missing_as_often_and_together(frame):
    gone = np.random.default_rng(0).random(len(frame)) < 0.1
    holed = frame.copy()
    holed.loc[gone, ["lat", "lon"]] = np.nan
    made = TableSynthesizer(random_state=0).fit(holed).sample()
    assert made["lat"].isna().equals(made["lon"].isna())
    assert made["lat"].isna().mean() == pytest.approx(0.1, abs=0.04)


def test_coordinates_that_are_never_there_together_are_no_places(frame):
    first = np.arange(len(frame)) % 2 == 0
    apart = frame.assign(lat=frame["lat"].where(first), lon=frame["lon"].where(~first))
    made = TableSynthesizer(random_state=0).fit(apart).sample(200)
    assert 0.3 < made["lat"].isna().mean() < 0.7
