"""Accept-Encoding: which of the codings at hand a client gets. Source: RFC 9110 12.5.3."""

from __future__ import annotations

import pytest

from fastsio.engine.codings import best_coding


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("br, gzip", "br"),
        ("gzip, deflate, br, zstd", "br"),  # of equal weights our order decides
        ("gzip;q=1.0, br;q=0.9", "gzip"),
        ("gzip;q=0.5, br;q=0.8", "br"),
        ("gzip ; q=0.5 , br ; q=0.4", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0, gzip;q=0", None),
        ("BR;Q=0.2", "br"),
        ("*", "br"),
        ("br;q=0, *", "gzip"),
        ("*;q=0, gzip", "gzip"),
        ("*;q=0", None),
        ("gzip;q=2", None),
        ("gzip;q=x", None),
        ("gzip;q=", None),
        ("gzip;q=nan", None),
        ("gzip;level=9", "gzip"),
        ("x-gzip, gzipped", None),
        ("identity", None),
        ("", None),
    ],
)
def test_best_coding_is_the_one_with_the_greatest_weight(header, coding):
    assert best_coding(header, ("br", "gzip")) == coding


def test_without_anything_to_offer_there_is_none():
    assert best_coding("gzip", ()) is None
