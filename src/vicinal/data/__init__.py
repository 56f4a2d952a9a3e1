"""Small real data sets that come with the package; sources and licenses are in ``README.md``."""

from __future__ import annotations

import gzip
from importlib.resources import files

__all__ = ["adult_sample", "banking_sample"]


def adult_sample() -> bytes:
    r"""Return 4,000 rows of the Adult (census income 1994) data set as CSV text.

    Returns
    -------
    bytes
        UTF-8, with a header line; missing values are empty fields.

    References
    ----------
    Becker and Kohavi, "Adult", UCI Machine Learning Repository, 1996. CC BY 4.0.

    Examples
    --------
    >>> adult_sample().count(b"\n")
    4001
    """
    return _read("adult_sample")


def banking_sample() -> bytes:
    r"""Return 400 questions of a bank's customers, forty for each of ten intents, as CSV text.

    Returns
    -------
    bytes
        UTF-8, with the header line ``text,label``.

    References
    ----------
    Casanueva et al., "Efficient Intent Detection with Dual Sentence Encoders", NLP for ConvAI
    2020. CC BY 4.0.

    Examples
    --------
    >>> banking_sample().count(b",exchange_rate\n")
    40
    """
    return _read("banking_sample")


def _read(name: str) -> bytes:
    return gzip.decompress((files(__package__) / f"{name}.csv.gz").read_bytes())
