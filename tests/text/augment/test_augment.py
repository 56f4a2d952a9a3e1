"""Made rows: their parents, ratios, labels and evidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal import Beta, EpBeta, Farthest, Fixed, Nearest, Random, SphereWeights, WithinGroup
from vicinal.text.augment import LabelCheck, augment, augmenting, measure_ratio
from vicinal.text.augment.label_check import (
    AGREES,
    CONTRADICTS,
    NEITHER,
    NeighborJudge,
    Shortlist,
    compare,
    preference,
)

TOPICS = ["food", "sky", "sport"]


@pytest.fixture
def made(fake, topics):
    texts, labels = topics()
    return augment(
        texts,
        labels,
        inverter=fake,
        n_samples=40,
        pairing=Random(),
        random_state=3,
        label_check="none",
    )


def test_same_seed_same_rows(fake, topics):
    texts, labels = topics()
    one, two, other = (
        augment(texts, labels, inverter=fake, n_samples=30, random_state=seed) for seed in (1, 1, 2)
    )
    assert one.columns() == two.columns()
    assert one.texts != other.texts


def test_evidence_is_what_can_be_measured_again(fake, made):
    real = fake.encode(made.source).astype(float)
    left, right, found = real[made.left], real[made.right], fake.encode(made.texts)
    mixed = made.lam[:, None] * left + (1 - made.lam[:, None]) * right
    norms = np.linalg.norm(mixed, axis=1) * np.linalg.norm(found, axis=1)
    np.testing.assert_allclose(made.closeness, (mixed * found).sum(1) / norms, atol=1e-5)
    np.testing.assert_allclose(made.lam_measured, measure_ratio(found, left, right), atol=1e-5)
    np.testing.assert_allclose(made.distance, np.linalg.norm(left - right, axis=1), atol=1e-4)


def test_labels_are_mixed_by_the_ratio(made):
    names = made.classes.tolist()
    assert names == TOPICS
    for at in range(len(made)):
        wanted = dict.fromkeys(names, 0.0)
        wanted[made.source_labels[made.left[at]]] += made.lam[at]
        wanted[made.source_labels[made.right[at]]] += 1 - made.lam[at]
        np.testing.assert_allclose(made.label_weights[at], list(wanted.values()), atol=1e-12)
        assert made.labels[at] == max(wanted, key=wanted.get)


def test_even_ratio_takes_the_left_label(fake, topics):
    texts, labels = topics()
    made = augment(
        texts,
        labels,
        inverter=fake,
        n_samples=30,
        pairing=Random(),
        weights=Fixed(0.5),
        random_state=0,
        label_check="none",
    )
    assert made.labels.tolist() == [labels[at] for at in made.left]


@pytest.mark.parametrize("pairing", [Random(), Nearest(k=1), Farthest(0.1)], ids=repr)
def test_no_text_mixes_with_itself(fake, topics, pairing):
    texts, labels = topics(8)
    texts, labels = texts + [one.upper() + " " for one in texts], labels * 2
    made = augment(
        texts,
        labels,
        inverter=fake,
        n_samples=100,
        pairing=pairing,
        random_state=0,
        label_check="none",
    )
    assert len(made) == 100
    assert (made.left < len(texts) // 2).all()  # the first of equal texts stands for all
    assert (made.left != made.right).all()


def test_columns_fit_together(made):
    columns = made.columns()
    assert {len(column) for column in columns.values()} == {40}
    assert list(columns)[:6] == ["text", "label", *(f"weight_{one}" for one in TOPICS), "lam"]
    assert columns["left_text"] == [made.source[at] for at in columns["left"]]
    assert all(type(one) is float for one in columns["confidence"])
    assert columns["confidence"] == np.exp(made.log_likelihood).tolist()


def test_summary_says_what_was_made(made):
    assert "40 sentences of 40 written.\n" in made.summary()
    assert str(made) == made.summary()
    assert made.ratio_fidelity > 0.8
    assert 0 <= made.copies <= 40
    more = replace(made, n_written=44, rejected=["x"] * 3, rejections=["rejected: y"] * 3)
    said = "40 sentences of 44 written; 3 did not pass the label check, 1 more than asked for.\n"
    assert said in more.summary()
    assert "; 4 more than asked for.\n" in replace(made, n_written=44).summary()


# label checks


def weights_of(made):
    """Return labels as they are mixed before any label check."""
    codes = np.searchsorted(made.classes, made.source_labels)
    each = np.eye(len(made.classes))[codes]
    lam = made.lam[:, None]
    return lam * each[made.left] + (1 - lam) * each[made.right]


def always(says, share=0.8):
    """Return a judge to which everything is food."""
    rest = (1 - share) / 2
    return says(TOPICS, lambda text: [share, rest, rest])


def test_filter_drops_what_is_contradicted_and_makes_others(fake, topics, says):
    texts, labels = topics()
    made = augment(
        texts,
        labels,
        inverter=fake,
        n_samples=60,
        pairing=Random(),
        random_state=0,
        max_attempts=9,
        label_check=LabelCheck(judge=always(says)),
    )
    assert len(made) == 60
    assert made.n_written > 60
    assert set(made.check) == {"kept"}
    weights = weights_of(made)
    assert (weights[:, 0] > 0.3).all()  # food is a parent, and nothing label_threshold denies it
    assert len(made.rejected) == len(made.rejections) > 0
    neither = [why for why in made.rejections if "its label" in why]
    against = [why for why in made.rejections if "has weight" in why]
    assert len(neither) + len(against) == len(made.rejections)
    assert all(
        why.startswith("rejected: the given classifier says 'food' (80%)") for why in neither
    )


def test_filter_writes_no_sentence_under_two_labels(fake, topics):
    texts, labels = topics(each=3)
    settings = {"pairing": Random(), "weights": Beta(9.0), "random_state": 0}
    both = augment(texts, labels, inverter=fake, n_samples=120, **settings, label_check="none")
    under = {one: set() for one in both.texts}
    for text, label in zip(both.texts, both.labels, strict=True):
        under[text].add(str(label))
    assert max(map(len, under.values())) == 2
    assert both.repeats == 120 - len(under)
    assert f"repeats of another sentence: {both.repeats}." in both.summary()
    made = augment(
        texts,
        labels,
        inverter=fake,
        n_samples=120,
        max_attempts=9,
        **settings,
        label_check=LabelCheck(keep=1.0),
    )
    known = dict(zip(texts, labels, strict=True))
    assert all(
        known.setdefault(*one) == one[1] for one in zip(made.texts, made.labels, strict=True)
    )
    assert any(why.endswith(" as well") for why in made.rejections)


def test_filter_that_lets_nothing_pass_stops_and_says_so(fake, topics, says):
    texts, labels = topics()
    strange = says([*TOPICS, "warfare"], lambda text: [0, 0, 0, 1])
    said = r"0 rows, fewer than the 20 asked for: the label check 'filter' dropped 40 of 40"
    with pytest.warns(UserWarning, match=said):
        made = augment(
            texts,
            labels,
            inverter=fake,
            n_samples=20,
            max_attempts=2,
            random_state=0,
            label_check=LabelCheck(judge=strange),
            selection=1,
        )
    assert len(made) == 0
    assert made.n_written == 40
    assert made.kept == 0
    assert made.columns()["text"] == []
    assert made.classes.tolist() == ["food", "sky", "sport", "warfare"]


@pytest.mark.parametrize(("keep", "most"), [(0.7, 80), (0.1, 300)])
def test_a_strict_filter_writes_as_many_as_it_needs(fake, topics, says, keep, most):
    strange = says([*TOPICS, "warfare"], lambda text: [0, 0, 0, 1])
    with pytest.warns(UserWarning, match=f"dropped {most} of {most} sentences") as told:
        augment(
            *topics(),
            inverter=fake,
            n_samples=20,
            random_state=0,
            label_check=LabelCheck(judge=strange, keep=keep),
            selection=1,
        )
    assert not any("max_attempts" in str(one.message) for one in told)  # no option of commands


def test_relabel_takes_what_the_judge_says_of_what_it_contradicts(fake, topics, says):
    texts, labels = topics()
    made = augment(
        texts,
        labels,
        inverter=fake,
        n_samples=60,
        pairing=Random(),
        random_state=0,
        label_check=LabelCheck("relabel", judge=always(says)),
    )
    assert len(made) == made.n_written == 60
    before, changed = weights_of(made), np.array([v.startswith("relabeled") for v in made.check])
    assert 0 < changed.sum() < 60
    np.testing.assert_allclose(made.label_weights[changed], [[0.8, 0.1, 0.1]] * changed.sum())
    np.testing.assert_allclose(made.label_weights[~changed], before[~changed])
    assert set(made.labels[changed]) == {"food"}
    assert made.check_counts == {"kept": int((~changed).sum()), "relabeled": int(changed.sum())}


def test_within_class_never_crosses(fake, topics):
    texts, labels = topics()
    made = augment(
        texts, labels, inverter=fake, n_samples=60, random_state=0, label_check="within-class"
    )
    assert (made.source_labels[made.left] == made.source_labels[made.right]).all()
    assert (made.label_weights.max(axis=1) == 1).all()


def test_none_keeps_all_and_tells_what_the_judge_says(fake, topics, says):
    texts, labels = topics()
    made = augment(
        texts,
        labels,
        inverter=fake,
        n_samples=60,
        random_state=0,
        label_check=LabelCheck("none", judge=always(says)),
    )
    assert len(made) == made.n_written == 60
    assert any(
        one.startswith("kept, though the given classifier says 'food'") for one in made.check
    )
    assert made.check_counts["kept, though the judge differs"] > 0
    np.testing.assert_allclose(made.label_weights, weights_of(made))


def test_task_inverter_that_is_asked_judges_by_its_own_embeddings(fake, topics):
    texts, labels = topics()
    asked = []
    fake.classes_ = np.array(TOPICS)
    fake.predict_proba = lambda texts: pytest.fail("embedded again")
    fake.predict_proba_embeddings = lambda rows: (
        asked.append(len(rows)) or np.eye(3)[np.zeros(len(rows), int)]
    )
    made = augment(
        texts,
        labels,
        inverter=fake,
        n_samples=20,
        random_state=0,
        label_check=LabelCheck("none", judge=fake),
    )
    assert sum(asked) == made.n_written
    augment(texts, labels, inverter=fake, n_samples=20, random_state=0, label_check="none")
    assert sum(asked) == made.n_written  # it learned from the parents: the other texts are asked


def test_filter_takes_candidates_that_the_judge_prefers(fake, topics, says):
    texts, labels = topics()
    seen = []

    def of_text(text):
        seen.append(text)
        return [0.8, 0.1, 0.1] if text.split()[0] in ["soup", "bread", "salt"] else [0, 0.5, 0.5]

    given = {"pairing": Random(), "random_state": 0}
    judge = says(TOPICS, of_text)
    first = augment(
        texts,
        labels,
        inverter=fake,
        n_samples=40,
        **given,
        label_check=LabelCheck("none", judge=judge),
    )
    assert len(seen) == first.n_written  # each sentence once
    liked = np.mean([of_text(one)[0] for one in first.texts])
    made = augment(
        texts,
        labels,
        inverter=fake,
        n_samples=40,
        max_attempts=20,
        **given,
        label_check=LabelCheck(keep=1, judge=judge),
    )
    assert len(made) == 40
    assert np.mean([of_text(one)[0] for one in made.texts]) > liked
    assert made.closeness.mean() > 0.5


def test_filter_is_stricter_where_less_is_kept(fake, topics):
    texts, labels = topics()
    shares = []
    for keep in (0.3, 0.7, 1.0):
        given = {"pairing": Random(), "max_attempts": 20, "random_state": 0}
        given["label_check"] = LabelCheck(keep=keep)
        made = augment(texts, labels, inverter=fake, n_samples=40, **given)
        assert len(made) == 40
        doubted = [why for why in made.rejections if "less surely than of others" in why]
        assert bool(doubted) == (keep < 1)
        shares.append(made.kept)
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]


def test_shortlist_by_hand():
    weights = np.eye(2)[[0, 0, 0, 0, 1, 1]]
    prefers = np.array([0.9, 0.8, 0.7, 0.6, 0.55, 0.5])
    chosen = Shortlist(0.5, 2)
    assert chosen.doubts(prefers, weights).tolist() == [False, False, True, True, False, True]
    # held against those before: of the first class .9, .8, .7, .6 and .65, whose median is .7
    assert chosen.doubts(np.array([0.65, 0.6]), weights[[0, 4]]).tolist() == [True, False]
    assert not Shortlist(1.0, 2).doubts(prefers, weights).any()


def test_preference_by_hand():
    said = np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.2, 0.5, 0.3], [0.0, 0.0, 0.0]])
    weights = np.array([[0.6, 0.4, 0], [0.6, 0.4, 0], [0.8, 0.2, 0], [0.5, 0.5, 0]])
    found = preference(said, weights, 0.7)
    assert found.tolist() == pytest.approx([0.6 / 0.7, 0.25, 2 / 7, 0.5])
    several = preference(np.stack([said, said], axis=1), weights, 0.7)
    np.testing.assert_array_equal(several, np.stack([found, found], axis=1))


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_preference_above_a_half_is_agreement(seed, n_classes):
    rng = np.random.default_rng(seed)
    said = rng.dirichlet(np.ones(n_classes), 8)
    lam, pair = rng.random((8, 1)), rng.integers(0, n_classes, (2, 8))
    weights = lam * np.eye(n_classes)[pair[0]] + (1 - lam) * np.eye(n_classes)[pair[1]]
    found = preference(said, weights, 0.7)
    np.testing.assert_array_equal(compare(said, weights, 0.7) == AGREES, found >= 0.5)


def test_neighbors_agree_with_sklearn(fake, topics):
    from sklearn.neighbors import KNeighborsClassifier

    texts, labels = topics()
    real, codes = fake.encode(texts), np.searchsorted(TOPICS, labels)
    asked = fake.encode(topics(10, seed=5)[0]) + np.random.default_rng(0).normal(size=(30, 24))
    ours = NeighborJudge(real, codes, 3, 7)([], asked, None)
    theirs = KNeighborsClassifier(7, metric="cosine").fit(real, codes).predict_proba(asked)
    np.testing.assert_allclose(ours, theirs, atol=0.01)  # ours: the nearer count a little more


def test_neighbors_leave_parents_out_and_nearer_ones_decide_ties():
    real = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
    check = NeighborJudge(real, np.array([0, 1, 2, 2]), 3, 2)
    asked = np.array([[1.0, 0.0]])
    assert check([], asked, None).argmax() == 0  # one vote each; the nearer
    assert check([], asked, np.array([[0, -1]])).argmax() == 1
    assert check([], asked, np.array([[0, 1]])).argmax() == 2
    two = NeighborJudge(real[:2], np.array([0, 1]), 2, 5)
    assert two([], asked, np.array([[0, 1]])).tolist() == [[0.5, 0.5]]


def test_findings_by_hand():
    sure = np.eye(3)[[0, 1, 1, 2, 2, 1]]
    weights = np.array(
        [[0.6, 0.4, 0], [0.6, 0.4, 0], [0.7, 0.3, 0], [0.5, 0.5, 0], *[[1, 0, 0]] * 2]
    )
    found = compare(sure, weights, 0.7)
    assert found.tolist() == [AGREES, AGREES, CONTRADICTS, NEITHER, NEITHER, NEITHER]


# laws, pairings, sizes


def test_law_beyond_0_and_1_mixes_as_drawn_and_clips_labels(fake, topics):
    texts, labels = topics()
    with pytest.warns(UserWarning, match=r"weights lie beyond \[0, 1\].*cut to \[0, 1\]"):
        made = augment(
            texts,
            labels,
            inverter=fake,
            n_samples=40,
            weights=EpBeta(0.3),
            random_state=0,
            label_check="none",
        )
    assert made.lam.max() > 1
    assert made.label_weights.min() >= 0
    np.testing.assert_allclose(made.label_weights.sum(axis=1), 1)


def test_more_rows_than_a_batch(fake, topics, monkeypatch):
    monkeypatch.setattr(augmenting, "BATCH", 16)
    texts, labels = topics(6)
    made = augment(
        texts,
        labels,
        inverter=fake,
        n_samples=50,
        pairing=Random(),
        random_state=0,
        label_check="none",
    )
    assert len(made) == 50
    assert fake.calls >= 4
    assert np.bincount(made.left, minlength=18).min() >= 2  # every text is a left parent in turn


def test_groups_of_a_pairing_are_those_of_all_texts(fake, topics):
    texts, labels = topics(8)
    texts, labels = [texts[0], "", *texts], [labels[0], labels[0], *labels]
    groups = np.arange(len(texts)) % 2
    with pytest.warns(UserWarning, match="empty texts"):
        made = augment(
            texts,
            labels,
            inverter=fake,
            n_samples=40,
            pairing=WithinGroup(groups),
            random_state=0,
            label_check="none",
        )
    assert (groups[made.left] == groups[made.right]).all()


def test_texts_and_labels_that_can_be_read_once_only(fake, topics):
    texts, labels = topics(6)
    made = augment(
        (t for t in texts), (one for one in labels), inverter=fake, n_samples=10, random_state=0
    )
    again = augment(texts, labels, inverter=fake, n_samples=10, random_state=0)
    assert made.columns() == again.columns()


def test_nothing_asked_nothing_made(fake, topics):
    made = augment(*topics(4), inverter=fake, n_samples=0)
    assert len(made) == made.n_written == fake.calls == 0
    assert made.label_weights.shape == (0, 3)
    assert made.columns()["text"] == []
    assert "0 sentences" in made.summary()


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16, bool])
def test_numeric_labels_keep_their_type(fake, topics, dtype):
    texts, labels = topics(6)
    numbers = np.array([one == "food" for one in labels]).astype(dtype)
    made = augment(texts, numbers, inverter=fake, n_samples=20, random_state=0, label_check="none")
    assert made.labels.dtype == made.classes.dtype == dtype
    assert set(made.columns()) >= {f"weight_{one}" for one in np.unique(numbers).tolist()}


def test_beta_is_the_default_law(fake, topics):
    texts, labels = topics()
    plain, named = (
        augment(
            texts,
            labels,
            inverter=fake,
            n_samples=20,
            weights=law,
            pairing=Farthest(0.2),
            random_state=0,
        )
        for law in (None, Beta(1.0))
    )
    assert plain.columns() == named.columns()


def test_more_than_two_parents_are_refused(fake, topics):
    with pytest.raises(TypeError, match="weights must be a WeightLaw of two parents"):
        augment(*topics(4), inverter=fake, n_samples=5, weights=SphereWeights())
