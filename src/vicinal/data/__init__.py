"""Small real data sets that come with the package; sources and licences are in ``README.md``."""

from __future__ import annotations

import gzip
from importlib.resources import files

__all__ = ["adult_sample"]


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
    return gzip.decompress((files(__package__) / "adult_sample.csv.gz").read_bytes())
