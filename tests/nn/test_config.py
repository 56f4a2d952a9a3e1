"""The recipe of a training, which needs no torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import vicinal
from vicinal.nn import MixupConfig


def test_layers_to_choose_from():
    assert MixupConfig().choices(6) == (1, 2, 3, 4, 5)
    assert MixupConfig().choices(1) == (0,)
    assert MixupConfig(layers=(0, 6)).choices(6) == (0, 6)
    assert MixupConfig(where="input").choices(6) == (0,)
    assert MixupConfig(where="sentence").choices(6) == (6,)
    assert MixupConfig(where="none").choices(6) == ()
    with pytest.raises(ValueError, match="layers holds 7"):
        MixupConfig(layers=[7]).choices(6)


def test_draws_are_even_over_layers_and_follow_the_share(z_limit):
    rng, mixup, n = np.random.default_rng(0), MixupConfig(probability=0.7), 4000
    drawn = [mixup.draw(0, 5, 3, rng) for _ in range(n)]
    mixed = [one for one in drawn if one is not None]
    z = (len(mixed) - 0.7 * n) / np.sqrt(n * 0.7 * 0.3)
    assert abs(z) < z_limit(5)
    layers = np.array([layer for layer, _ in mixed])
    for layer in (1, 2, 3, 4):
        hits = (layers == layer).sum()
        z = (hits - len(mixed) / 4) / np.sqrt(len(mixed) * 3 / 16)
        assert abs(z) < z_limit(5)
    assert {weights.shape for _, weights in mixed} == {(3,)}


def test_warm_up_mixes_nothing():
    mixup = MixupConfig(warmup_epochs=2)
    rng = np.random.default_rng(0)
    plain = [mixup.draw(epoch, 4, 2, rng) is None for epoch in range(4)]
    assert plain == [True, True, False, False]


def test_pairs_are_mixed_each_for_itself_and_until_the_end_is_near(z_limit):
    mixup = MixupConfig(weights=vicinal.Fixed(0.6), probability=0.3, per_sample=True, until=0.8)
    _, weights = mixup.draw(0, 4, 4000, np.random.default_rng(0), 0.79)
    assert set(weights.tolist()) == {0.6, 1.0}
    z = ((weights == 0.6).sum() - 0.3 * 4000) / np.sqrt(4000 * 0.3 * 0.7)
    assert abs(z) < z_limit()
    assert mixup.draw(0, 4, 2, np.random.default_rng(0), 0.8) is None


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"pairing": "far"}, TypeError, "must be a Pairing"),
        ({"weights": 0.4}, TypeError, "WeightLaw"),
        ({"weights": vicinal.SphereWeights(3)}, TypeError, "two parents"),
        ({"where": "hiden"}, ValueError, "Did you mean 'hidden'"),
        ({"layers": "some"}, ValueError, "layers"),
        ({"layers": []}, ValueError, "empty"),
        ({"layers": 3}, TypeError, r"got 3. Write layers=\[3\]"),
        ({"layers": [-1]}, ValueError, "at least 0"),
        ({"layers": [1], "where": "input"}, ValueError, "needs where='hidden'"),
        ({"probability": 1.5}, ValueError, "probability"),
        ({"warmup_epochs": -1}, ValueError, "warmup_epochs"),
        ({"refresh": 0.5}, TypeError, "refresh"),
        ({"until": 0}, ValueError, "until"),
        ({"until": 1.1}, ValueError, "until"),
        ({"clean_weight": 1.0}, ValueError, "clean_weight"),
    ],
)
def test_bad_settings(change, kind, words):
    with pytest.raises(kind, match=words):
        MixupConfig(**change)


def test_the_face_loads_no_torch_and_says_what_to_install():
    code = (
        "import sys\n"
        "import vicinal.nn\n"
        "vicinal.nn.MixupConfig()\n"
        "assert not {'torch', 'transformers'} & set(sys.modules), 'heavy'\n"
        "sys.modules['torch'] = None\n"
        "try:\n    vicinal.nn.HiddenMixup\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "pip install 'vicinal[text]'" in done.stdout
