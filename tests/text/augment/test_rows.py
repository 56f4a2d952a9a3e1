"""How many sentences of which classes, and which are dropped whatever their label."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from vicinal._checks import shown_below
from vicinal.text.augment import (
    LabelCheck,
    RowConfig,
    SelectionConfig,
    augment,
    nearest_texts,
)
from vicinal.text.augment.generator import SentenceGenerator
from vicinal.text.augment.label_check import units
from vicinal.text.augment.pairs import text_key
from vicinal.text.augment.protect import PersonalData, Protection
from vicinal.text.augment.rows import wanted_rows
from vicinal.text.invert.confidence import Confidence, lengths, log_odds
from vicinal.weights import Beta


def make(fake, topics, n=24, **settings):
    settings = {"label_check": "none", "selection": 1, "random_state": 0} | settings
    return augment(*topics(8), inverter=fake, n_samples=n, **settings)


def test_fewer_rows_are_the_first_of_more(fake, topics):
    few, many = (make(fake, topics, n, label_check="filter") for n in (12, 40))
    assert few.texts == many.texts[:12]
    np.testing.assert_array_equal(few.lam, many.lam[:12])


@pytest.mark.parametrize("method", ["filter", "none", "relabel", "within-class"])
def test_fewer_rows_are_the_first_of_more_where_batches_change_sentences(fake, topics, method):
    plain = fake.candidates

    def candidates(embeddings, n_samples=4, *, random_state=None):  # as in bfloat16
        embeddings = embeddings + 0.1 * np.sin(len(embeddings) * np.arange(embeddings.shape[1]))
        return plain(embeddings, n_samples, random_state=random_state)

    fake.candidates = candidates
    few, many = (make(fake, topics, n, label_check=method) for n in (7, 40))
    assert few.texts == many.texts[:7]


def fluent(fake):
    """Return an inverter that likes some sentences better than others."""
    plain = fake.candidates

    def candidates(embeddings, n_samples=4, *, random_state=None):
        found = plain(embeddings, n_samples, random_state=random_state)
        liked = [[sum(map(ord, one)) / 1000 for one in row] for row in found.sentences]
        found.log_likelihood = np.array(liked).reshape(found.log_likelihood.shape) - 9
        return found

    fake.candidates = candidates
    return fake


def test_of_pairs_tried_the_surest_is_kept(fake, topics):
    fake = fluent(fake)
    one, six = (make(fake, topics, 60, row_config=RowConfig(tries=tries)) for tries in (1, 6))
    assert six.confidence.mean() > 1.1 * one.confidence.mean()
    assert np.unique(six.labels, return_counts=True)[1].min() >= 15  # the mix of classes stays
    few = make(fake, topics, 9, row_config=RowConfig(tries=6), label_check="filter")
    many = make(fake, topics, 30, row_config=RowConfig(tries=6), label_check="filter")
    assert few.texts == many.texts[:9]
    with pytest.raises(ValueError, match="tries"):
        RowConfig(tries=0)


def test_who_knows_its_confidence_tries_twelve_pairs(fake, topics):
    fake = fluent(fake)
    assert make(fake, topics, 32).n_written == 40  # in whole batches, the last one, too
    fake.confidence = Confidence(5.0, 1.0, 0.3, 0.0, 0.0, 3.0, typical=0.0, least=0.0)
    made = make(fake, topics, 32)
    assert made.n_written >= 12 * 32
    assert made.n_written % 12 == 0
    assert len(made) == 32
    one, twelve = (make(fake, topics, 90, row_config=RowConfig(tries=t)) for t in (1, None))
    assert twelve.confidence.mean() > one.confidence.mean() + one.confidence.std() / 2
    assert twelve.spare + len(twelve.rejected) + 90 == twelve.n_written


def test_the_surest_may_be_the_one_of_fewest_words(fake, topics):
    plain = fake.candidates

    def wordy(embeddings, n_samples=4, *, random_state=None):
        found = plain(embeddings, n_samples, random_state=random_state)
        found.sentences = [[one + " so" * (len(one) % 4) for one in row] for row in found.sentences]
        return found

    fake.candidates = wordy
    fake.confidence = Confidence(0.0, 0.0, 0.0, -1.0, 0.0, 0.0, typical=-5.0, least=0.0)
    one, twelve = (make(fake, topics, 40, row_config=RowConfig(tries=t)) for t in (1, None))
    assert lengths(twelve.texts)[0].mean() < lengths(one.texts)[0].mean() - 0.5


def test_of_the_pairs_tried_two_are_written_with_all_candidates(fake, topics, monkeypatch):
    asked = []
    plain = fake.candidates

    def counted(embeddings, n_samples=4, *, random_state=None):
        asked.append((len(embeddings), n_samples))
        return plain(embeddings, n_samples, random_state=random_state)

    monkeypatch.setattr(fake, "candidates", counted)
    made = make(fake, topics, 16, row_config=RowConfig(tries=6), selection=4)
    quick = sum(n for n, each in asked if each == 1)
    assert quick == made.n_written
    assert sum(n for n, each in asked if each == 4) == quick / 3
    assert {each for _, each in asked} == {1, 4}
    asked.clear()
    make(fake, topics, 16, row_config=RowConfig(tries=6))
    assert {each for _, each in asked} == {1}


def test_a_sentence_that_is_there_already_becomes_a_row_last(fake, topics, monkeypatch):
    plain, (texts, _) = fake.candidates, topics(8)

    def parroting(embeddings, n_samples=4, *, random_state=None):
        found = plain(embeddings, n_samples, random_state=random_state)
        for at in range(0, len(found.sentences), 3):  # the likeliest by far, and one in three
            found.sentences[at][0] = texts[0].upper()
            found.log_likelihood[at, 0] = 0.0
        found.embeddings = np.stack([fake.encode(row) for row in found.sentences])
        return found

    monkeypatch.setattr(fake, "candidates", parroting)
    assert {*make(fake, topics, 20).texts} & {texts[0].upper()}
    for selection in (1, 4):
        settings = {"row_config": RowConfig(tries=6), "selection": selection}
        made = make(fake, topics, 20, **settings)
        assert texts[0].upper() not in made.texts


def test_what_would_be_dropped_is_no_finalist(fake, topics, monkeypatch):
    plain = fake.candidates

    def drawn(embeddings, n_samples=4, *, random_state=None):
        found = plain(embeddings, n_samples, random_state=random_state)
        for at in range(0, len(found.sentences), 2):  # every other pair says nothing, likeliest
            found.sentences[at] = [""] * n_samples
            found.log_likelihood[at] = 0.0
        return found

    monkeypatch.setattr(fake, "candidates", drawn)
    made = make(fake, topics, 20, row_config=RowConfig(tries=6))
    assert made.n_written == 6 * 21  # in whole batches: none was written in vain
    assert all(made.texts)


def test_two_finalists_are_two_sentences(fake):
    texts, labels = ["a lake", "a river", "a meal", "a soup"], ["a", "a", "b", "b"]
    asked = []
    plain = fake.candidates

    def counted(embeddings, n_samples=4, *, random_state=None):
        if n_samples > 1:
            asked.extend(np.asarray(embeddings).round(6).tolist())
        return plain(embeddings, n_samples, random_state=random_state)

    fake.candidates = counted
    augment(
        texts, labels, inverter=fake, n_samples=6, row_config=RowConfig(tries=12), random_state=0
    )
    pairs = list(zip(asked[::2], asked[1::2], strict=True))
    assert pairs
    assert sum(one == other for one, other in pairs) < len(pairs) / 2


def test_fewer_rows_of_finalists_are_the_first_of_more(fake, topics):
    for check in ("none", "filter"):
        settings = {"selection": 4, "row_config": RowConfig(tries=6), "label_check": check}
        few, many = (make(fake, topics, n, **settings) for n in (3, 20))
        assert few.texts == many.texts[:3]


def test_the_share_that_passed_is_of_what_was_judged(fake, topics, says):
    labels = topics(8)[1]
    judge = says(sorted({*labels}), lambda text: [0.9, 0.05, 0.05])
    check = LabelCheck("filter", judge=judge)
    settings = {"selection": 4, "label_check": check, "max_attempts": 20}
    made = make(fake, topics, 9, row_config=RowConfig(tries=6), **settings)
    assert made.n_checked == made.n_written / 3
    assert made.kept == 1 - len(made.rejected) / made.n_checked
    assert made.kept < 0.9


@pytest.fixture
def plans(monkeypatch):
    """Return a list of the plans that are written."""
    found, write = [], SentenceGenerator.write
    monkeypatch.setattr(
        SentenceGenerator,
        "write",
        lambda self, plan, rng: found.append(plan) or write(self, plan, rng),
    )
    return found


def test_pairs_tried_for_a_row_lie_around_few_texts(fake, topics, plans):
    make(fake, topics, 40, row_config=RowConfig(tries=12))
    around = [
        len({*row})
        for plan in plans
        for row in np.where(plan.lam >= 0.5, plan.left, plan.right).reshape(-1, 12)
    ]
    assert 4 <= np.mean(around) <= 6.5  # of the eight of a class
    assert max(around) <= 8


def test_pairs_tried_for_a_row_share_its_class_and_weight(fake, topics, plans):
    labels = topics(8)[1]
    made = make(fake, topics, 40, row_config=RowConfig(tries=4), weights=Beta(0.7))
    for plan in plans:
        lam = np.asarray(plan.lam).reshape(-1, 4)
        heavier = np.maximum(lam, 1 - lam)
        np.testing.assert_allclose(heavier, heavier[:, :1].repeat(4, axis=1))
        heavy = np.where(plan.lam >= 0.5, plan.left, plan.right).reshape(-1, 4)
        of = np.asarray(labels)[heavy]
        assert (of == of[:, :1]).all()
    law = np.concatenate([np.asarray(plan.lam)[::4] for plan in plans])[:40]
    np.testing.assert_allclose(np.maximum(law, 1 - law), np.maximum(made.lam, 1 - made.lam))


def test_more_tries_than_pairs_take_those_there_are(fake, topics):
    texts, labels = topics(2)
    made = augment(
        texts, labels, inverter=fake, n_samples=20, random_state=0, label_check="none",
        row_config=RowConfig(tries=50),
    )  # fmt: skip
    assert len(made) == 20
    assert set(made.labels) == set(labels)


def test_so_many_of_each_class(fake, topics):
    made = make(fake, topics, row_config=RowConfig(per_class=7))
    names, counts = np.unique(made.labels, return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == dict.fromkeys(names, 7)
    assert len(names) == 3


def test_only_one_class_and_its_rows_are_spread_evenly_over_several(fake, topics):
    assert set(make(fake, topics, 5, row_config=RowConfig(only=["sky"])).labels) == {"sky"}
    made = make(fake, topics, 5, row_config=RowConfig(only=["sky", "food"]))
    assert sorted(np.unique(made.labels, return_counts=True)[1].tolist()) == [2, 3]


def test_balance_brings_each_class_up_to_the_largest():
    classes, sizes = np.array(["a", "b", "c"]), np.array([3, 1, 2])
    assert wanted_rows(RowConfig(balance=True), classes, sizes, 9).tolist() == [0, 2, 1]
    only = RowConfig(only=["c"], balance=True)
    assert wanted_rows(only, classes, sizes, 9).tolist() == [0, 0, 1]
    assert wanted_rows(RowConfig(), classes, sizes, 9) is None
    with pytest.raises(ValueError, match="balance: no class has fewer rows than the largest, 3,"):
        wanted_rows(RowConfig(balance=True), classes, np.array([3, 3, 3]), 9)


def test_balance_counts_repeats_too(fake, topics):
    texts, labels = topics(6)
    given = [*texts, *[texts[labels.index("sky")]] * 4], [*labels, *["sky"] * 4]
    config = RowConfig(balance=True)
    made = augment(*given, inverter=fake, row_config=config, label_check="none", random_state=0)
    assert sorted(np.unique([*given[1], *made.labels], return_counts=True)[1]) == [10, 10, 10]


@pytest.mark.parametrize("seed", range(6))
def test_a_class_of_one_text_among_many_gets_all_its_rows(fake, topics, seed):
    texts, labels = topics(20)
    rare = [at for at, label in enumerate(labels) if label == "sky"][1:]
    texts, labels = (
        [one for at, one in enumerate(each) if at not in rare] for each in (texts, labels)
    )
    config = RowConfig(only=["sky"], per_class=20)
    made = augment(
        texts, labels, inverter=fake, row_config=config, label_check="none", selection=1,
        random_state=seed,
    )  # fmt: skip
    assert made.labels.tolist() == ["sky"] * 20


@pytest.mark.parametrize("labels", [[0, 1, 2], [True, False, True]])
def test_a_class_that_is_none_of_the_numbers_is_refused(fake, labels):
    texts = ["moon star sun", "bread rice", "rice soup bread"]
    with pytest.raises(ValueError, match="only names '7', which is no class of labels"):
        augment(texts, labels, inverter=fake, row_config=RowConfig(only=["7"]))


def test_repeats_are_dropped(fake, topics):
    texts, _ = topics(8)
    made = make(fake, topics, 30, row_config=RowConfig(drop_repeats=True), max_attempts=20)
    assert made.repeats == 0
    assert not {text_key(one) for one in made.texts} & {text_key(one) for one in texts}
    assert any("it repeats, or nearly, a text" in why for why in made.rejections)
    rows = units(fake.encode(made.texts))
    assert (np.triu(rows @ rows.T, 1) < 0.95).all()
    assert (rows @ units(fake.encode(texts)).T < 0.95).all()
    free = units(fake.encode(make(fake, topics, 30).texts))
    assert (np.triu(free @ free.T, 1) >= 0.95).any()


def test_what_is_less_close_is_dropped(fake, topics):
    free = make(fake, topics, 30)
    least = float(np.median(free.closeness))
    made = make(fake, topics, 30, row_config=RowConfig(min_closeness=least), max_attempts=20)
    assert free.closeness.min() < least <= made.closeness.min()
    assert any("closeness" in why for why in made.rejections)


def test_what_the_writer_finds_less_likely_is_dropped(fake, topics):
    fake = fluent(fake)
    free = make(fake, topics, 30)
    least = float(np.median(free.confidence))
    made = make(fake, topics, 30, row_config=RowConfig(min_confidence=least), max_attempts=20)
    assert free.confidence.min() < least <= made.confidence.min()
    assert any("confidence" in why for why in made.rejections)
    assert (
        made.texts[:3]
        == [one for one, sure in zip(free.texts, free.confidence, strict=True) if sure >= least][:3]
    )


def test_the_limit_is_what_the_inverter_says_of_itself(fake, topics):
    fake = fluent(fake)
    told = Confidence(5.0, 1.0, 0.3, -0.1, -0.5, -3.0, typical=0.0, least=0.0)
    fake.confidence = told
    free = make(fake, topics, 30)
    sure = told(free.texts, free.closeness, free.log_likelihood, free.check_score)
    level = np.log(free.confidence / (1 - free.confidence)) - np.log(sure / (1 - sure))
    np.testing.assert_allclose(level, level[0], atol=1e-9)  # that of these texts
    assert abs(level[0]) > 0.01
    np.testing.assert_array_equal(make(fake, topics, 5).confidence, free.confidence[:5])
    least = float(np.median(free.confidence))
    fake.confidence = replace(told, least=least)
    made = make(fake, topics, 30)
    assert free.confidence.min() < least <= made.confidence.min()
    assert len(made) == 30  # more attempts, too
    assert made.unwanted > 0
    every = make(fake, topics, 30, row_config=RowConfig(min_confidence=0))
    assert every.texts == free.texts
    assert every.unwanted == 0


def test_what_is_usual_is_told_by_sentences_that_agree_with_their_label(fake, topics):
    fake.confidence = Confidence(0.0, 0.0, 1.0, 0.0, 0.0, 0.0, typical=0.0, least=0.0)

    class Contrary:
        classes_ = np.unique(topics(8)[1])

        def predict_proba(self, texts):
            return 0.01 + 0.97 * np.eye(3)[[len(one) % 3 for one in texts]]

    seen = []
    for method in ("none", "relabel", "filter"):
        check = LabelCheck(method, judge=Contrary())
        made = make(fake, topics, 20, label_check=check, row_config=RowConfig(tries=1))
        told = np.log(made.confidence / (1 - made.confidence))
        seen.append(np.unique(np.round(told - log_odds(made.check_score), 9)))
    assert [len(one) for one in seen] == [1, 1, 1]
    usual = log_odds(np.array([0.98 / 0.99]))[0]  # what is contradicted does not count
    for (level,) in seen:
        assert -0.75 * usual < level < -0.6 * usual


@pytest.mark.parametrize("check", ["filter", "none"])
def test_texts_that_are_one_point_have_no_usual_sentence(fake, topics, monkeypatch, check):
    fake.confidence = Confidence(5.0, 1.0, 0.3, 0.0, 0.0, 3.0, typical=0.0, least=0.0)
    monkeypatch.setattr(fake, "encode", lambda texts: np.ones((len(texts), 8), np.float32))
    with pytest.warns(UserWarning, match="no two different texts were ever paired"):
        made = make(fake, topics, 5, label_check=check, row_config=RowConfig(protect="<.*?>"))
    assert len(made) == 0


def test_a_limit_that_nothing_reaches_says_how_to_have_it_off(fake, topics):
    fake = fluent(fake)
    fake.confidence = Confidence(*[0.0] * 7, least=1.0)
    with pytest.warns(UserWarning, match="for min_confidence.* set min_confidence=0"):
        assert len(make(fake, topics, 5)) == 0


def test_no_sentence_equals_or_comes_near_a_text_held_against(fake, topics):
    free = make(fake, topics, 30)
    held = [text.upper() for text in free.texts[::2]]
    made = make(fake, topics, 20, row_config=RowConfig(against=held), max_attempts=20)
    assert not {text_key(one) for one in made.texts} & {text_key(one) for one in held}
    there, real = fake.encode(made.texts), fake.encode([one.lower() for one in held])
    lengths = np.linalg.norm(there, axis=1)[:, None] * np.linalg.norm(real, axis=1)
    assert (there @ real.T / lengths).max() < 0.95
    with pytest.raises(ValueError, match="the very texts that are mixed"):
        make(fake, topics, row_config=RowConfig(against=topics(8)[0]))


def test_texts_held_against_are_looked_at_before_anything_else(fake, topics, recwarn):
    texts = topics(8)[0]
    config = RowConfig(against=texts, protect="<name>")
    with pytest.raises(ValueError, match="the very texts that are mixed"):
        make(fake, topics, row_config=config)
    assert not recwarn.list  # nothing of what is protected
    with pytest.warns(UserWarning, match="against holds 23 of the 24 different texts"):
        make(fake, topics, 1, row_config=RowConfig(against=texts[1:]))
    recwarn.clear()
    make(fake, topics, 1, row_config=RowConfig(against=texts[:12]))
    assert not any("different texts that are mixed" in str(one.message) for one in recwarn.list)


def test_what_is_written_is_rows_or_dropped_or_spare(fake, topics):
    fake = fluent(fake)
    least = float(np.median(make(fake, topics, 30).closeness))
    config = RowConfig(tries=3, min_closeness=least)
    made = make(
        fake, topics, 20, row_config=config, label_check=LabelCheck(keep=0.6), max_attempts=20
    )
    assert made.unwanted > 0
    assert made.spare > 0
    counts = made.check_counts
    assert sum(counts.values()) + made.unwanted + made.spare == made.n_written
    assert made.kept == 1 - counts["rejected"] / (made.n_written - made.unwanted)


def test_whether_confidence_is_a_share_is_told(fake, topics):
    made = make(fake, topics, 3)
    assert (made.confidence_measured, made.readers_kept) == (False, None)
    assert np.isnan(made.worth_keeping)
    fake.readers_kept = 0.04
    assert make(fake, topics, 3).worth_keeping == 0.04
    fake.confidence = Confidence(5.0, 1.0, 0.0, 0.0, 0.0, -3.0, typical=0.0, least=0.0)
    made = make(fake, topics, 3)
    assert made.worth_keeping == made.confidence.mean() != 0.04
    judge = SimpleNamespace(log_likelihood=lambda texts: np.full(len(texts), -2.0))
    made = make(fake, topics, 3, selection=SelectionConfig(judge=judge))
    assert (made.confidence_measured, made.readers_kept) == (False, None)
    np.testing.assert_allclose(made.confidence, np.exp(-2.0))


@pytest.mark.parametrize(
    ("value", "limit", "shown"),
    [(0.741, 0.75, "0.74"), (0.7499, 0.75, "0.7499"), (0.749999, 0.75, "0.749999")],
)
def test_a_figure_below_a_limit_is_not_rounded_up_to_it(value, limit, shown):
    assert shown_below(value, limit) == shown


def test_the_nearest_real_text_stands_beside_each_row(fake, topics):
    made = make(fake, topics, 6)
    pool = [*topics(8)[0], *topics(8, seed=3)[0]]
    found = nearest_texts(made, pool, inverter=fake)
    parents = zip(made.left, made.right, strict=True)
    for at, (text, pair) in enumerate(zip(found["pool_text"], parents, strict=True)):
        assert text in pool
        assert text not in {made.source[one] for one in pair}
        assert found["pool_closeness"][at] <= 1.0
    mixed_up = pd.Series(pool, index=np.random.default_rng(0).permutation(len(pool)))
    assert nearest_texts(made, mixed_up, inverter=fake) == found
    alone = nearest_texts(made, [made.source[made.left[0]]], inverter=fake)
    assert alone["pool_text"][0] == ""
    assert np.isnan(alone["pool_lam"][0])
    with pytest.raises(ValueError, match="pool holds no text"):
        nearest_texts(made, [" "], inverter=fake)


def test_more_of_a_class_than_can_be_written_ends_with_those_there_are(fake, topics):
    config = RowConfig(per_class=200, drop_repeats=True)
    texts, labels = topics(2)
    with pytest.warns(UserWarning, match="fewer than the 600 .* were no rows as asked for"):
        made = augment(
            texts, labels, inverter=fake, row_config=config, label_check="none", selection=1,
            max_attempts=2, random_state=0,
        )  # fmt: skip
    assert 0 < len(made) < 600
    assert made.repeats == 0
    assert made.unwanted == len(made.rejected) == made.n_written - len(made)
    assert made.kept == 1.0  # nothing by the label check
    assert f"{made.unwanted} were no rows as asked for" in made.summary()


def test_a_pool_of_one_line(fake, topics):
    found = nearest_texts(make(fake, topics, 6), ["moon moon moon"], inverter=fake)
    assert found["pool_text"] == ["moon moon moon"] * 6
    assert np.isfinite(found["pool_lam"]).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"only": "sky"}, "only must be a list"),
        ({"only": []}, "only must be a list"),
        ({"per_class": 0}, "per_class must be at least 1"),
        ({"per_class": 3, "balance": True}, "Give one of them"),
        ({"min_closeness": 2}, "min_closeness must be"),
        ({"min_confidence": -0.1}, "min_confidence must be"),
    ],
    ids=["text", "none", "zero", "both", "beyond", "below"],
)
def test_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        RowConfig(**settings)


def test_a_class_that_is_none_is_told(fake, topics):
    with pytest.raises(ValueError, match="only names 'skies', which is no class"):
        make(fake, topics, row_config=RowConfig(only=["skies"]))


def test_personal_data_of_texts_is_not_written_again(fake, topics):
    texts, labels = topics(8)
    own = ["mary@example.org", "555-123-4567"]
    texts = [f"{text} {own[at % 2]}" if at % 4 < 2 else text for at, text in enumerate(texts)]
    fake.vocabulary += own
    fake._points = np.stack([fake.encode([word])[0] for word in fake.vocabulary])
    settings = {"label_check": "none", "selection": 1, "random_state": 0, "max_attempts": 20}
    made = augment(texts, labels, inverter=fake, n_samples=10, **settings)
    assert len(made) == 10
    assert not any(one in text for text in made.texts for one in own)
    config = RowConfig(protect=r"\S+@\S+|[\d-]{9,}")
    made = augment(texts, labels, inverter=fake, n_samples=10, row_config=config, **settings)
    assert any(one in text for text in made.texts for one in own)


@pytest.mark.parametrize(
    ("parent", "sentence", "held"),
    [
        ("Write to Ann.Lee@mail.example.org.", "ann.lee@mail.example.org wrote", True),
        ("Call +1 (555) 123-4567.", "I rang 555 123 4567.", True),
        ("Call +44 7700 900123.", "Call me at 07700 900123.", True),
        ("Call +44 7700 900123.", "Call me at 07700 900124.", False),
        ("We met John O'Hara and Mary Ann Smith in 2024.", "mary ann smith called", True),
        ("We met John O'Hara in 2024.", "John O'Hara's card", True),
        ("I spoke with Maria Gonzalez about it.", "Maria Gonzalez called.", True),
        ("Maria Gonzalez called twice.", "I met Maria Gonzalez today.", True),
        ("Zo\u00eb M\u00fcller called.", "zo\u00eb m\u00fcller, again", True),
        ("We met Maria Gonzalez.", "Maria is here, Gonzalez too.", True),
        ("We met Maria Gonzalez.", "i called gonzalez twice", True),
        ("We met Maria Gonzalez.", "Maria is here.", False),
        ("I saw Anna Street on the way.", "The street is closed.", False),  # no name here
        ("We met Maria Gonzalez.", "Gonzalez, Maria: paid", True),
        ("The card of Smith, John is lost.", "john smith's card", True),
        ("The card of Smith, John is lost.", "A card of Smith & John", False),
        ("my name is anna lee and i lost it", "Anna Lee lost it", True),
        ("My name is Anna Lee and I lost it", "lee lost it", True),
        ("my name is wrong on the card", "what is wrong", False),
        ("dear mr lee, hello", "I wrote to Lee.", True),
        ("dear customer, hello", "Dear customer", False),
        ("I met Robert De Niro.", "robert de niro was there", True),
        ("Ask Bill Gates about it.", "bill gates knows", True),
        ("Ask President Tony Blair about it.", "tony blair knows", True),
        ("I've Help Me written on it.", "help me", False),
        ("My American Express card is lost.", "american express", False),
        ("Yesterday John Smith called me.", "John Smith left", True),
        ("Dear Mary\nJones, hello", "mary  jones", True),
        ("It was due on 2023-10-05.", "It came on 2023-10-05.", False),
        ("The Bank is closed.", "the bank is closed", False),
        ("I left in 12345 days.", "12345 days", False),
    ],
)
def test_what_is_personal(parent, sentence, held):
    assert bool(PersonalData([parent]).within(sentence)) == held


def test_names_of_several_texts_are_nobody_s_own():
    texts = ["I flew to San Diego.", "She left San Diego in 12345 days.", "Ann Lee? No."]
    assert PersonalData(texts).within("San Diego and Ann Lee") == ["ann lee", "san diego"]
    texts += ["to san diego, please", "I asked Ann Lee if he is well."]
    assert PersonalData(texts).within("San Diego, Ann Lee") == ["ann lee"]
    assert PersonalData([*texts, "as lee, ann said"]).within("Ann Lee and Lee") == []


def test_a_pattern_is_replaced_where_it_matches_alone():
    protection = Protection(r"\bAl\b", ["Al met Alice and Al.", "Al and Anna"])
    assert protection.texts == ["Paris met Alice and Paris.", "Paris and Anna"]
    assert protection.restore("Paris saw Anna.", 0, 1) == ("Al saw Anna.", "")


def test_what_is_protected_counts_as_itself_alone():
    protection = Protection(r"\d+", ["I ordered 2 cards and 12 stickers.", "No number."])
    assert protection.restore("I ordered 12 stickers.", 0, 1)[1] == "2"
    stand_in = protection.texts[0].split()[2]
    assert protection.restore(f"{stand_in}s and 12 and 2", 0, 1)[1] == "2"  # a part of one is left


@pytest.mark.parametrize(
    ("written", "restored", "wrong"),
    [
        ("A refund for my Anna Anna?", "A refund for my {{name}}?", ""),
        ("A refund for my Anna, anna & ANNA?", "A refund for my {{name}}?", ""),
        ("Anna wants Anna's refund", "{{name}} wants {{name}}'s refund", "{{name}}"),
        ("Hi ANNA on paris", "Hi {{name}} on {{date}}", ""),
        ("Anna, Paris Paris and Paris", "{{name}}, {{date}} and {{date}}", ""),
        ("Hi Anna, no comparison", "Hi {{name}}, no comparison", ""),
        ("Hi Anna and parisians", "Hi {{name}} and parisians", "{{date}}"),
    ],
)
def test_what_is_protected_is_found_in_any_case_and_no_oftener(written, restored, wrong):
    texts = ["A refund for {{name}}.", "{{name}}: from {{date}} to {{date}}.", "None."]
    protection = Protection(r"\{\{.*?\}\}", texts)
    assert protection.texts[1] == "Anna: from Paris to Paris."
    assert protection.restore(written, 0, 1) == (restored, wrong)
    assert protection.restore("Hi anna", 2, 0) == ("Hi {{name}}", "")


def test_a_protected_word_may_be_what_stands_for_another():
    marks = " ".join(f"{{{at}}}" for at in range(16))
    protection = Protection(r"\{.*?\}|\bRome\b", ["I saw Rome.", marks + " at home"])
    assert protection.texts[0] == "I saw Anna."
    assert protection.restore("Anna and Rome", 0, 1) == ("Rome and {15}", "")


def test_more_than_there_are_stand_ins_is_not_lost_unsaid():
    marks = [f"{{{{{at}}}}}" for at in range(20)]
    protection = Protection(r"\{\{.*?\}\}", [" and ".join(marks), "none"])
    written = protection.texts[0].replace("{{19}}", "nothing")
    assert protection.restore(written, 0, 1)[1] == "{{19}}"
    assert protection.restore(protection.texts[0], 0, 1) == (" and ".join(marks), "")


def test_a_pattern_that_matches_nothing_is_told():
    with pytest.warns(UserWarning, match="protect='<name>' matches nothing in any text"):
        Protection("<name>", ["Dear {{name}}"])
    with pytest.raises(ValueError, match="matches all there is of every text"):
        Protection(r"\w+", [" ".join(f"word{at}" for at in range(40))])


def test_texts_to_stay_away_from_come_from_any_container(fake, topics):
    against = pd.Series(topics(4, seed=5)[0], index=[7, 3, *range(20, 20 + len(topics(4)[0]) - 2)])
    assert RowConfig(against=against).against == against.tolist()
    assert len(make(fake, topics, row_config=RowConfig(against=against)))
    with pytest.raises(TypeError, match="against must hold strings, got int at position 0"):
        RowConfig(against=[3])


def test_what_is_protected_stays_as_it_is(fake, topics):
    texts, labels = topics(8)
    texts = [f"{text} Anna" if at % 2 else text for at, text in enumerate(texts)]
    marked = [text.replace("Anna", "{{name}}") for text in texts]
    fake.vocabulary.append("Anna")
    points = np.stack([fake.encode([word])[0] for word in fake.vocabulary])
    fake._points = points
    settings = {"label_check": "none", "selection": 1, "random_state": 0, "max_attempts": 20}
    config = RowConfig(protect=r"\{\{.*?\}\}")
    made = augment(marked, labels, inverter=fake, n_samples=10, row_config=config, **settings)
    heavier = np.where(made.lam >= 0.5, made.left, made.right)
    assert any("{{name}}" in text for text in made.texts)
    for text, parent in zip(made.texts, heavier, strict=True):
        assert "{{name}}" not in made.source[parent] or ("{{name}}" in text and "Anna" not in text)
    with pytest.raises(ValueError, match="matches all there is of every text"):
        make(fake, topics, row_config=RowConfig(protect=r"\w+"))
    with pytest.raises(ValueError, match="must be a regular expression"):
        RowConfig(protect="(")


def test_classes_keep_their_shares_and_fewer_rows_are_the_first_of_more(fake, topics):
    texts, labels = topics(8)
    given = [*zip(texts, labels, strict=True)]
    given = [one for at, one in enumerate(given) if one[1] != "sky" or at % 2]  # half of one class
    texts, labels = map(list, zip(*given, strict=True))
    share = {one: labels.count(one) / len(labels) for one in set(labels)}
    before = []
    for n in (10, 40):
        made = augment(texts, labels, inverter=fake, n_samples=n, random_state=0)
        assert made.texts[: len(before)] == before
        before = made.texts
        for one in share:
            assert abs((made.labels == one).sum() - n * share[one]) <= 3


def test_no_row_is_dropped_that_the_judge_agrees_with(fake, topics):
    made = make(fake, topics, 60, label_check="filter")
    assert not [why for why in made.rejections if "less surely" in why]
    picky = make(fake, topics, 60, label_check=LabelCheck(keep=0.5))
    assert [why for why in picky.rejections if "less surely" in why]


def test_a_class_that_never_passes_does_not_keep_others_waiting(fake, topics):
    class Against:
        classes_ = np.array(["food", "sky", "sport"])

        def predict_proba(self, texts):
            return np.tile([0.0, 0.5, 0.5], (len(texts), 1))

    check = LabelCheck("filter", judge=Against())
    made = make(fake, topics, 24, label_check=check, max_attempts=20)
    assert len(made) == 24
    assert made.n_written < 200


def test_a_wanted_class_of_few_texts_is_told(fake, topics):
    texts, labels = topics(8)
    few = [at for at, one in enumerate(labels) if one != "sky"]
    few += [at for at, one in enumerate(labels) if one == "sky"][:3]
    given = [texts[at] for at in few], [labels[at] for at in few]
    only = RowConfig(only=["sky"], per_class=4)
    with pytest.warns(UserWarning, match=r"such as 'sky', have fewer than 6 texts.*within-class"):
        augment(*given, inverter=fake, row_config=only, random_state=0)


def test_only_rows_count_as_made_before(fake, topics):
    config = RowConfig(drop_repeats=True, tries=3)
    made = make(fake, topics, 40, label_check="filter", row_config=config, max_attempts=20)
    known = units(fake.encode([*made.source, *made.texts]))
    again = [
        text
        for text, why in zip(made.rejected, made.rejections, strict=True)
        if "made before" in why
    ]
    assert again
    assert ((units(fake.encode(again)) @ known.T).max(axis=1) >= 0.95).all()


def test_a_label_that_all_texts_share_starves_no_other(fake, topics):
    texts, labels = topics(8)
    config = RowConfig(label_separator=";")
    made = augment(
        texts, [f"{one};z" for one in labels], inverter=fake, n_samples=30, row_config=config,
        random_state=0,
    )  # fmt: skip
    assert len(made) == 30


def test_nothing_written_is_told_as_such(fake, topics, monkeypatch):
    plain = fake.candidates

    def silent(embeddings, n_samples=4, *, random_state=None):
        found = plain(embeddings, n_samples, random_state=random_state)
        found.sentences = [[""] * len(row) for row in found.sentences]
        return found

    monkeypatch.setattr(fake, "candidates", silent)
    fake.confidence = Confidence(5.0, 1.0, 0.0, 0.0, 0.0, -99.0, typical=0.0, least=0.5)
    with pytest.warns(UserWarning, match="fewer than"):
        made = make(fake, topics, 4)
    assert len(made) == 0
    assert set(made.rejections) == {"rejected: nothing was written"}


def test_an_unknown_confidence_meets_no_limit(fake, topics):
    judge = SimpleNamespace(log_likelihood=lambda texts: np.full(len(texts), np.nan))
    config = RowConfig(min_confidence=0.5)
    with pytest.warns(UserWarning, match="fewer than"):
        assert (
            len(make(fake, topics, 4, selection=SelectionConfig(judge=judge), row_config=config))
            == 0
        )
