"""The texts that sentences are made from: checked, told apart, embedded."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from statistics import median
from typing import Any

import numpy as np

from vicinal._types import Array, Floats, Ints
from vicinal.text.augment.selection import Embeddings, InverterLike
from vicinal.text.labels import split_labels

#: Texts with more words than tokens that the encoder reads are cut, at so many words.
DEFAULT_WORDS = 128
#: Tokens that stand for no piece of a text, but mark where it begins and ends.
MARKS = 2
#: Letters of a text that are cut into pieces, for each token that is read: enough for any script.
LETTERS = 64
#: A text of at least so many pieces is foreign to its encoder where their median rank in the
#: vocabulary is beyond this share of it; scraps of words (unknown, continued, single letters)
#: stand last. So it is not where at least half are words and a fifth is among the commonest, those
#: before COMMON (the first 150 of MiniLM's, after marks and letters), as in English slang.
FEWEST_PIECES, RARE = 5, 1 / 6
COMMON, COMMON_SHARE = 0.0707, 0.2
#: Of more than ten texts, names and codes make so many foreign in any language.
FOREIGN_SHARE = 0.2
_SIGN = (
    "[\u203c\u2049\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001faff]"
)
#: Signs that encoders of words hardly tell apart, and that no writer of ours writes, with what
#: joins and colors them, and keys.
EMOJI = re.compile(
    f"{_SIGN}(?:[\u200d\u20e3\ufe0e\ufe0f\U000e0020-\U000e007f]|{_SIGN})*|[0-9#*]\ufe0f?\u20e3"
)
#: English words that turn a sentence around; apostrophes may be left out.
NEGATION = re.compile(
    r"\b(?:no|nope|not|never|none|nobody|nothing|nowhere|neither|nor|cannot|without|hardly|aint|"
    r"(?:ca|wo|do|does|did|is|are|was|were|has|have|had|could|would|should|must|need)nt)\b"
    r"|n['\u2019]t\b",
    re.IGNORECASE,
)
#: Frequent words of large languages with our letters that are neither English nor parts of names:
#: short texts that hold more of them than of frequent English words are in one of these.
_OTHERS = """
bom dia ist sind nicht und ich wir sie auf auch sehr ein eine einen das habe wurde kein mein meine
wo wie guten morgen abend danke bitte für est sont pas une je nous vous avec mais très trop cette
c'est j'ai suis être où votre comment bonjour bonsoir merci pourquoi dans es una muy pero está
estoy por que gusta tengo más porque cuando dónde cómo buenos buenas noches gracias quiero che
sono molto della questo questa perché anche gli è più mio mia grazie buongiorno buonasera dov'è
não uma muito você são está isso meu minha noite onde obrigado obrigada este het niet ik ook deze
een heb voor maar naar waar mijn goedemorgen goedenavond och jag är inte mitt det som kväll morgon
nie jest się dzień dobry wieczór gdzie był için değil çok nerede saya yang tidak selamat
"""
#: Words of chats that lists of frequent English words lack.
_CHAT = """
aint app apps aight asap bro bruh btw cant cos couldnt cuz da dat didnt dis doesnt dont dude dunno
em fam fr gimme gonna gotta gr8 gud haha hasnt hav havent hes idk ill im imma isnt ive kinda l8r
lemme lmao lol luv m8 msg nah ngl nite nope omg omw outta pls plz ppl r shes shouldnt smh sorta sum
sux tbh thanks thats theres theyre tho thru thx tryna txt u ur wanna wasnt wat wen wer wher whats
wont wouldnt wtf ya yall yea yeah yep yo youre yup ok okay hey hi hello please
"""
OTHER_WORDS, CHAT_WORDS = frozenset(_OTHERS.split()), frozenset(_CHAT.split())
#: English words that are words of others as well.
_SHARED = "a am an as do i in is me no on so was per"
SHARED_WORDS = frozenset(_SHARED.split())
#: Words with marks on letters that are English as well.
_LOANS = """
à la café cafés cliché clichés clichéd décor déjà née blasé touché résumé fiancé fiancée façade
naïve protégé première risqué señor jalapeño soufflé entrée crème brûlée piñata passé über rosé
exposé pâté naïveté doppelgänger mañana jalapeños
"""
LOAN_WORDS = frozenset(_LOANS.split())
#: From so many words of others on, a text is surely theirs; it is English to an encoder that does
#: not know all of its words where such a share of them are frequent or of chats.
SURE, ENGLISH_SHARE = 2, 1 / 4
#: Texts looked at: enough for a share, and cheap.
SAMPLED = 1000


@dataclass(frozen=True)
class Parents:
    """Distinct texts that may be parents."""

    rows: Ints  # where they stand in the texts given
    texts: list[str]  # cut to what the encoder reads
    codes: Ints  # class numbers
    classes: Array  # with a separator, each is a set of labels
    embeddings: Embeddings
    separator: str | None = None

    @cached_property
    def labels(self) -> Array:
        """What labels there are: the classes, where these are no sets."""
        if self.separator is None:
            return self.classes
        names = (split_labels(one, self.separator) for one in self.classes.tolist())
        return np.array(sorted({name for one in names for name in one}))

    @cached_property
    def first_labels(self) -> Ints:
        """Number of the first label of each text."""
        return self.codes if self.separator is None else self._members.argmax(axis=1)[self.codes]

    def by_label(self, shares: Floats) -> Floats:
        """Return weights of labels (n, n_labels) by those of classes (n, n_classes)."""
        return shares if self.separator is None else shares @ self._members

    @cached_property
    def _members(self) -> Floats:
        sets = [split_labels(one, str(self.separator)) for one in self.classes.tolist()]
        return np.array([[float(one in held) for one in self.labels.tolist()] for held in sets])

    def __len__(self) -> int:
        return len(self.rows)


@cache
def english_words() -> frozenset[str]:
    """Return frequent English words, without those that are others' or parts of names."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS - {"bill", "con", "de", "mill", "un"})


#: White space beside a mark, and before "n't", which tokenized texts have.
_SPACING = re.compile(r"(?<!\w) | (?!\w)| (?=n['\u2019]t\b)")


def text_key(text: str) -> str:
    """Return what equal texts have in common: case and white space do not count.

    >>> text_key("I  do n't know .") == text_key("i don't know.")
    True

    But for that which parts two words:

    >>> text_key("the rapist") == text_key("therapist")
    False
    """
    return _SPACING.sub("", " ".join(text.casefold().split()))


def is_negated(text: str) -> bool:
    """Tell whether an English sentence holds a negation: encoders hardly notice one."""
    return NEGATION.search(text[:1000]) is not None  # of longer ones encoders read no more


def first_rows(keys: Iterable[str]) -> dict[str, int]:
    """Return where each key of a text comes first."""
    first: dict[str, int] = {}
    for at, key in enumerate(keys):
        first.setdefault(key, at)
    return first


def distinct_texts(texts: Sequence[str], labels: Array) -> tuple[Ints, Ints, Array]:
    """Return rows of the texts that may be parents, their class numbers, and the classes."""
    # the first of equal texts stands for all; empty ones, and those under two labels, are left out
    # with a warning
    classes, codes = np.unique(labels, return_inverse=True)
    keys = [text_key(text) for text in texts]
    first = first_rows(keys)
    split = {key for at, key in enumerate(keys) if key and codes[first[key]] != codes[at]}
    if split:
        _warn(
            f"{len(split)} text(s) occur under more than one label, such as "
            f"{_shown(texts[first[min(split)]])}. They are left out."
        )
    if "" in first:
        _warn("There are empty texts, which have nothing to mix. They are left out.")
    rows = np.array([at for key, at in first.items() if key and key not in split], np.int64)
    if len(rows) < 2:
        raise ValueError(
            "texts must hold at least two different ones that are not empty and have one label, "
            f"got {len(rows)}. Give more labeled texts."
        )
    repeated = sum(key != "" and key not in split for key in keys) - len(rows)
    if repeated:
        _warn(
            f"texts holds repeats, case and white space apart: {repeated} of {len(texts)}; "
            f"{len(rows)} distinct texts are used."
        )
    return rows, codes[rows], classes


def check_sentences(inverter: InverterLike, texts: Sequence[str]) -> list[str]:
    """Return texts cut to what the encoder reads; warn of what an inverter will do badly."""
    encoder = inverter.encoder
    limit = int(getattr(encoder, "max_tokens", None) or DEFAULT_WORDS)
    speller = encoder if _spells(encoder) else None
    words = [text.split(maxsplit=limit) for text in texts]
    n_cut = sum(_is_cut(*pair, limit, speller) for pair in zip(texts, words, strict=True))
    if n_cut:
        _warn(
            f"{n_cut} text(s) have more than the {limit} words or pieces of words that the encoder "
            "reads at most; the rest of them is cut off. Split long texts into sentences."
        )
    single = [text for text, one in zip(texts, words, strict=True) if len(one) == 1]
    n_single = sum(speller is None or not _is_foreign(speller, text) for text in single)
    if n_single:
        _warn(
            f"{n_single} text(s) are a single word. Inverters learn from sentences, so what is "
            "written for them will say more than they do."
        )
    _warn_of_emoji(speller, texts)
    if speller is not None:
        _warn_of_foreign(speller, texts)
    pairs = zip(texts, words, strict=True)
    return [" ".join(one[:limit]) if len(one) > limit else text for text, one in pairs]


def _is_cut(text: str, words: list[str], limit: int, speller: Any) -> bool:
    """Tell whether an encoder reads less than the whole text: few words may be many pieces."""
    if len(words) > limit or speller is None or max(2 * len(words), len(text) / 2) <= limit:
        return len(words) > limit
    return len(speller.pieces(text[: LETTERS * limit])) + MARKS > limit


def _warn_of_emoji(speller: Any, texts: Sequence[str]) -> None:
    """Warn of emoji that an encoder does not know, as those of English words do not."""
    found = ((text, " ".join(EMOJI.findall(text))) for text in texts)
    held = [text for text, all_ in found if all_ and (not speller or "" in speller.pieces(all_))]
    if held:
        _warn(
            f"{len(held)} text(s) hold emoji, such as {_shown(held[0])}, which the encoder reads "
            "as one unknown sign, and no sentence gets them. Say in words what they mean.",
            stacklevel=5,
        )


def _spells(encoder: Any) -> bool:
    """Tell whether an encoder tells its ``pieces`` of texts and their ``ranks``."""
    try:
        return hasattr(encoder, "ranks") and encoder.pieces("") is not None
    except (AttributeError, TypeError):  # no such method, or a tokenizer that does not tell
        return False


def _warn_of_foreign(speller: Any, texts: Sequence[str]) -> None:
    looked_at = texts[:: max(1, -(-len(texts) // SAMPLED))]
    foreign = [text for text in looked_at if _is_foreign(speller, text)]
    sure = [text for text in foreign if _is_surely_foreign(text)]
    if sure or len(foreign) > (FOREIGN_SHARE * len(looked_at) if len(looked_at) > 10 else 0):
        first = (sure or foreign)[0]
        _warn(
            f"{len(foreign)} of {len(looked_at)} text(s) looked at, such as {_shown(first)}, "
            "are scraps of words or rare ones to this encoder, as texts are in a language it does "
            "not know (nano and smol know English). What is written for them will not mean the "
            "same.",
            stacklevel=5,
        )


def _is_latin(letters: str) -> bool:
    """Tell whether at least half of some letters are of our alphabet, marked or not."""
    known = [one < "\u0250" or "\u1e00" <= one < "\u1f00" for one in letters if one.isalpha()]
    return 2 * sum(known) >= len(known)


def _count_words(text: str) -> tuple[int, int, int, float]:
    """Return how many words are others', only English, or shared, and the share of English ones."""
    told = re.findall(r"[^\W_]+(?:'[^\W_]+)?", text[:1000].replace("\u2019", "'"))
    # capitals within a sentence are names, and EST is a time
    plain = {w.lower() for at, w in enumerate(told) if w.islower() or (not at and w[1:].islower())}
    marked = {word for word in told if word.islower() and not word.isascii() and _is_latin(word)}
    others = (plain & OTHER_WORDS) | (marked - LOAN_WORDS)
    words = {word.lower() for word in told} - others
    forms = [{word, word.partition("'")[0], word.replace("'", "")} for word in words]
    shared = sum(not one.isdisjoint(SHARED_WORDS) for one in forms)
    english = sum(not one.isdisjoint(english_words()) for one in forms) - shared
    chat = sum(not one.isdisjoint(english_words() | CHAT_WORDS) for one in forms) - shared
    return len(others), english, shared, chat / max(1, len(forms))


def _is_surely_foreign(text: str) -> bool:
    """Tell whether words or letters say that a text is another language's."""
    text = EMOJI.sub(" ", text[:1000])
    others, english, _, share = _count_words(text)
    return not _is_latin(text) or others >= SURE + english or (others > 0 == share)


def _is_foreign(speller: Any, text: str) -> bool:
    """Tell whether a text is another language's: by its words, or as scraps and rare ones."""
    text = EMOJI.sub(" ", text[:1000])
    others, english, shared, share = _count_words(text)
    if others > english + shared or others >= max(SURE, english + 1):
        return True
    if _is_latin(text) and not others and share >= ENGLISH_SHARE:
        return False
    pieces, ranks = speller.pieces(text), speller.ranks(text)
    found = [
        1.0 if _is_scrap(piece) else rank
        for piece, rank in zip(pieces, ranks, strict=True)
        if not piece or any(map(str.isalpha, piece))
    ]
    if (len(found) < FEWEST_PIECES and "" not in pieces) or median(found) <= RARE:
        return False
    common = sum(rank < COMMON for rank in found)
    return median(found) == 1.0 or common < COMMON_SHARE * len(found)


def _is_scrap(piece: str) -> bool:
    return not piece or piece.startswith("##") or (len(piece) == 1 and piece not in "aiAI")


def _warn(message: str, stacklevel: int = 4) -> None:
    warnings.warn(message, stacklevel=stacklevel)  # of who called the public function


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
