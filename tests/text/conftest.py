"""What tests of texts share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def few_buckets():
    """Let the small encoder hash words to fewer vectors, each of which is moved at every step."""
    pytest.importorskip("torch", reason="needs torch")
    pytest.importorskip("transformers", reason="needs transformers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vicinal.text.classifier.hashing.BUCKETS", 1 << 10)
        patch.setattr("vicinal.text.classifier.networks.BUCKETS", 1 << 10)
        patch.setattr("vicinal.text.classifier.hashing._known", {})  # numbers of the others
        yield
