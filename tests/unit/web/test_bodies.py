"""What a compressed body may be, and what it may not grow to."""

import contextlib
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditsvc.errors import Malformed, TooLarge
from creditsvc.web.bodies import inflate

MOST = 1000


def raw_deflate(content: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(content) + stream.flush()


@given(st.binary(max_size=MOST))
def test_what_was_compressed_comes_back(content):
    assert inflate(gzip.compress(content), "gzip", MOST) == content
    assert inflate(zlib.compress(content), "deflate", MOST) == content


def test_deflate_without_its_header_is_taken_too():
    assert inflate(raw_deflate(b'{"a": 1}'), "deflate", MOST) == b'{"a": 1}'


def test_a_gzip_body_may_have_members():
    assert inflate(gzip.compress(b"one, ") + gzip.compress(b"two"), "gzip", MOST) == b"one, two"


@pytest.mark.parametrize("size", [MOST + 1, 50_000_000])
@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_bomb_is_refused(encoding, compress, size):
    with pytest.raises(TooLarge):
        inflate(compress(bytes(size)), encoding, MOST)


def test_a_bomb_in_many_members_is_refused():
    with pytest.raises(TooLarge):
        inflate(gzip.compress(bytes(MOST)) * 2, "gzip", MOST)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b""),
        ("gzip", b"plain"),
        ("gzip", gzip.compress(b"cut off", mtime=0)[:-3]),
        ("gzip", gzip.compress(b"followed", mtime=0) + b"garbage"),
        ("deflate", b"plain"),
        ("deflate", zlib.compress(b"cut off")[:-3]),
        ("deflate", zlib.compress(b"followed") + b"garbage"),
    ],
)
def test_what_does_not_inflate_is_malformed(encoding, body):
    with pytest.raises(Malformed):
        inflate(body, encoding, MOST)


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate"]))
def test_any_bytes_inflate_or_are_refused(body, encoding):
    with contextlib.suppress(Malformed, TooLarge):
        inflate(body, encoding, MOST)
