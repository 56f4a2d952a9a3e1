"""Several labels for one text, parted by a sign."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vicinal.page.frame import Page
from vicinal.text.augment import LabelCheck, RowConfig, augment, measure_intrusion
from vicinal.text.augment.label_check import AGREES, CONTRADICTS, NEITHER, compare, preference
from vicinal.text.augment.parts import augment_parts
from vicinal.text.augment.review import review_page

SEVERAL = RowConfig(label_separator=";")
#: Of each text by its topic: "sky" texts are about two things, "food" texts name one label twice.
LABELS = {"food": "food; food;", "sport": "sport", "sky": "sky ;sport"}


def make(fake, topics, n=24, config=SEVERAL, **settings):
    texts, labels = topics(8)
    settings = {"label_check": "none", "selection": 2, "random_state": 0} | settings
    given = [LABELS[one] for one in labels]
    return augment(texts, given, inverter=fake, n_samples=n, row_config=config, **settings)


@pytest.fixture(scope="module")
def held():
    return {"food": {"food"}, "sport": {"sport"}, "sky;sport": {"sky", "sport"}}


@pytest.mark.parametrize("check", ["none", "filter"])
def test_a_label_weighs_what_the_parents_weigh_that_have_it(fake, topics, held, check):
    made = make(fake, topics, label_check=check)
    assert made.classes.tolist() == ["food", "sky", "sport"]
    assert set(made.source_labels) == set(held)
    wanted = np.zeros((len(made), 3))
    for at, name in enumerate(made.classes):
        for side, lam in ((made.left, made.lam), (made.right, 1 - made.lam)):
            wanted[:, at] += lam * [name in held[made.source_labels[one]] for one in side]
    np.testing.assert_allclose(made.label_weights, wanted, atol=1e-12)
    assert made.label_weights.sum(axis=1).max() > 1.5
    for label, weights in zip(made.labels, wanted, strict=True):
        assert label == ";".join(made.classes[weights >= 0.5 - 1e-9])
    assert made.columns()["weight_sport"] == made.label_weights[:, 2].tolist()


def test_a_table_of_labels_counts_each_of_several(fake, topics):
    page = make(fake, topics)._page()
    assert isinstance(page, Page)
    given = {name: count for name, count, *_ in page.values["labels"]}
    assert given == {"food": 8, "sky": 8, "sport": 16}


def test_a_reviewer_sees_which_labels_a_row_has(fake, topics):
    made = make(fake, topics)
    data = json.loads(str(review_page(made, {}).values["data"]))
    assert data["classes"] == ["food", "sky", "sport"]
    said = [";".join(data["classes"][code] for code in codes) for codes in data["labels"]]
    assert said == made.labels.tolist()
    assert data["weights"] == ["weight_food", "weight_sky", "weight_sport"]


def test_single_labels_are_mixed_as_without(fake, topics):
    texts, labels = topics(8)
    settings = {"inverter": fake, "n_samples": 20, "random_state": 0}
    one = augment([*texts, "goal soup"], [*labels, "food"], **settings)
    other = augment(
        [*texts, "goal soup"], [*labels, "food,food"], row_config=RowConfig(label_separator=","),
        **settings,
    )  # fmt: skip
    assert one.texts == other.texts
    assert one.labels.tolist() == other.labels.tolist()
    np.testing.assert_array_equal(one.label_weights, other.label_weights)
    np.testing.assert_array_equal(one.confidence, other.confidence)


def test_a_judge_agrees_with_each_of_several_labels():
    weights = np.array([[1.0, 0.8, 0.2, 0.0]] * 4)
    said = np.eye(4)
    assert compare(said, weights, 0.7).tolist() == [AGREES, AGREES, CONTRADICTS, NEITHER]
    np.testing.assert_allclose(preference(said, weights, 0.7), [1, 1, 0, 0])
    light = np.array([[0.6, 0.6, 0.4, 0.0]] * 4)
    assert compare(said, light, 0.7).tolist() == [AGREES, AGREES, AGREES, NEITHER]
    np.testing.assert_allclose(preference(said, light, 0.7), [1, 1, 1, 0])


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["a", "b", "a|b"], "label_separator=';' occurs in none of the labels, such as 'a'"),
        (["a;b", ";", "b"], "labels name no class at position 1. Drop such texts"),
        (["a;b", "", "b"], "labels name no class at position 1. Drop such texts"),
    ],
    ids=["never", "marks", "empty"],
)
def test_labels_that_cannot_be_parted(fake, labels, said):
    with pytest.raises(ValueError, match=said.replace("|", r"\|")):
        augment(["soup one", "goal two", "moon three"], labels, inverter=fake, row_config=SEVERAL)


def test_numbers_are_not_parted(fake):
    with pytest.raises(TypeError, match="parts labels that are text, got int"):
        augment(["soup one", "goal two"], [1, 2], inverter=fake, row_config=SEVERAL)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"label_separator": ""}, "label_separator must be what parts labels"),
        ({"label_separator": ";", "only": ["a"]}, "only, per_class and balance count rows"),
        ({"label_separator": ";", "balance": True}, "only, per_class and balance count rows"),
    ],
    ids=["nothing", "only", "balance"],
)
def test_settings_that_do_not_go_together(settings, said):
    with pytest.raises(ValueError, match=said):
        RowConfig(**settings)


def test_what_looks_at_single_classes_is_refused(fake, topics, says, tmp_path):
    judge = LabelCheck("filter", judge=says(["food", "sky", "sport"], lambda _: [1, 0, 0]))
    with pytest.raises(ValueError, match="tells single classes"):
        make(fake, topics, label_check=judge)
    with pytest.raises(ValueError, match="intrusion is of single classes"):
        measure_intrusion(make(fake, topics), inverter=fake)
    with pytest.raises(ValueError, match="label_separator look at all texts"):
        augment_parts(
            ["a b", "c d"], ["a;b", "c"], tmp_path / "out", 4, inverter=fake, row_config=SEVERAL
        )
