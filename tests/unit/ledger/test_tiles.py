"""Tiles: paths as C2SP tlog-tiles writes them, trees that grow as they would be made whole, and proofs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditsvc.ledger.tiles import (
    HASH_BYTES,
    HEIGHT,
    WIDTH,
    Edge,
    Tile,
    consistency,
    inclusion,
    needed_for_consistency,
    needed_for_inclusion,
    needed_for_root,
    root,
)
from creditsvc.verifier.tree import EMPTY_ROOT, leaf_hash, root_of, verify_consistency, verify_inclusion

sizes = st.integers(1, 700) | st.sampled_from([1, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537])
LEAVES = [leaf_hash(place.to_bytes(4)) for place in range(66_000)]
WHOLE = Edge().extend(LEAVES)


@pytest.mark.parametrize(
    ("path", "tile"),
    [
        ("0/000", Tile(0, 0)),
        ("0/x001/067.p/12", Tile(0, 1067, 12)),
        ("0/x001/x234/067", Tile(0, 1_234_067)),
        ("63/999.p/255", Tile(63, 999, 255)),
    ],
)
def test_paths(path, tile):
    assert (tile.path(), Tile.parse(path)) == (path, tile)


@given(st.integers(0, 63), st.integers(0, 2**55), st.integers(1, WIDTH))
def test_every_tile_has_one_path(level, index, width):
    tile = Tile(level, index, width)
    assert Tile.parse(tile.path()) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "0",
        "64/000",
        "00/000",
        "0/0",
        "0/0000",
        "0/x000/000",
        "0/x001/x000",
        "0/001/000",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/257",
        "0/000.p/300",
        "0/000.p/999",
        "0/000.p/01",
        "0/000.p/",
        "0/000/",
        "/0/000",
        "0/٠٠٠",
        "-1/000",
        "entries/000",
        "0/" + "x999/" * 30 + "000",
    ],
)
def test_what_is_no_path_is_none(path):
    assert Tile.parse(path) is None


@settings(deadline=None, max_examples=60)  # trees of 65,537 leaves are made whole
@given(sizes, st.data())
def test_proofs_verify_and_need_only_the_tiles_that_they_say(size, data):
    index = data.draw(st.integers(0, size - 1))
    whole = root_of(LEAVES[:size])
    held = {place: WHOLE[place] for place in needed_for_root(size)}
    assert root(size, held) == whole
    held = {place: WHOLE[place] for place in needed_for_inclusion(index, size)}
    verify_inclusion(LEAVES[index], index, size, inclusion(index, size, held), whole)
    old = data.draw(st.integers(1, size))
    held = {place: WHOLE[place] for place in needed_for_consistency(old, size)}
    verify_consistency(old, size, consistency(old, size, held), root_of(LEAVES[:old]), whole)


@settings(deadline=None)
@given(st.lists(st.integers(0, 600), max_size=8))
def test_a_tree_grows_to_what_it_would_be_made_whole(batches):
    edge, tiles, size = Edge(), {}, 0
    for batch in batches:
        tiles |= edge.extend(LEAVES[size : size + batch])
        size += batch
        assert (edge.size, edge.root()) == (size, root_of(LEAVES[:size]))
        edge = Edge.of(size, {place: tiles[place] for place in Edge.places(size)})
    assert tiles == Edge().extend(LEAVES[:size])
    assert (root(0, {}), EMPTY_ROOT) == (EMPTY_ROOT, EMPTY_ROOT)


def test_a_tile_of_a_level_holds_the_roots_of_those_below():
    for (level, index), hashes in WHOLE.items():
        for place in range(0, len(hashes), HASH_BYTES):
            first = (index * WIDTH + place // HASH_BYTES) << (HEIGHT * level)
            below = LEAVES[first : first + (1 << (HEIGHT * level))]
            assert hashes[place : place + HASH_BYTES] == root_of(below)


def test_an_edge_that_is_not_stored_as_it_must_be_is_refused():
    with pytest.raises(ValueError, match="000"):
        Edge.of(3, {(0, 0): bytes(2 * HASH_BYTES)})
    with pytest.raises(ValueError, match="000"):
        Edge.of(3, {})


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5)])
def test_there_is_no_proof_of_what_is_not_there(index, size):
    with pytest.raises(ValueError, match="no such leaf"):
        inclusion(index, size, WHOLE)


def test_the_greater_tree_is_not_the_older():
    with pytest.raises(ValueError, match="greater"):
        consistency(6, 5, WHOLE)
    assert consistency(0, 5, WHOLE) == consistency(5, 5, WHOLE) == []


def test_what_is_remembered_of_a_tile_is_not_taken_for_that_of_an_altered_one():
    size, place = 1_000, (0, 1)
    before = inclusion(300, size, WHOLE)
    altered = {**WHOLE, place: bytes(HASH_BYTES) + WHOLE[place][HASH_BYTES:]}
    assert inclusion(300, size, WHOLE) == before != inclusion(300, size, altered)
