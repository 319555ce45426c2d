"""Segmenters by name."""

from __future__ import annotations

import pytest

from imaging.errors import UsageError
from imaging.segmentation.backend import segmenter


def test_the_default_needs_no_weights_and_says_so() -> None:
    capabilities = segmenter().capabilities()
    assert (capabilities.name, capabilities.weights_licence, capabilities.device) == ("agreement", None, "cpu")


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UsageError, match="agreement") as refusal:
        segmenter("oracle")
    assert refusal.value.code == "UNKNOWN_BACKEND"
