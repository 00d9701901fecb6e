"""fsck and the tree: tiles, roots, checkpoints, keys and cosignatures that somebody altered are named."""

import os
import shutil
from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from creditsvc.ledger.fsck_log import check_log
from creditsvc.ledger.signing import CHECKPOINT, LOG_KEY, Signer, write_key
from creditsvc.settings import Settings
from creditsvc.verifier.notes import COSIGNATURE, Signature, VerifierKey, key_id_of
from tests.checking import found, owner
from tests.making import ENTITY
from tests.sequencing import sequencer
from tests.tampering import rewrite, unguarded

ONE, OTHER = "usdot:100001", "usdot:100002"


FLIP = "update log_tile set hashes = set_byte(hashes, {0}, get_byte(hashes, {0}) # 1) where {1}"
TAMPERING = {
    "a leaf in a whole tile": (
        FLIP.format(70, "(level, tile) = (0, 0)"),
        [
            "(position 2): tile 0/000 has another hash for it than its row comes to",
            "tile 1/000.p/1: is not what the tiles below it come to, from its hash 0 on",
            "the checkpoint of size 100: the entries come to another root than the one that was signed",
            "the log: its root is not",
        ],
    ),
    "a leaf in the last tile": (
        FLIP.format(0, "(level, tile) = (0, 1)"),
        ["(position 256): tile 0/001 has another hash", "the checkpoint of size 260: "],
    ),
    "an inner tile": (
        FLIP.format(0, "level = 1"),
        ["tile 1/000.p/1: is not what the tiles below it come to"],
    ),
    "a tile removed": ("delete from log_tile where level = 0 and tile = 0", ["tile 0/000: is missing"]),
    "an inner tile removed": ("delete from log_tile where level = 1", ["tile 1/000.p/1: is missing"]),
    "a tile cut short": (
        "update log_tile set hashes = substr(hashes, 1, 320) where (level, tile) = (0, 1)",
        ["tile 0/001.p/44: has only 10 hashes", "(position 270): its tile has no hash for it"],
    ),
    "a tile too long": (
        "update log_tile set hashes = hashes || sha256('') where (level, tile) = (0, 1)",
        ["tile 0/001.p/45: has more hashes than the log, of 300 entries, comes to"],
    ),
    "a tile too many": (
        "insert into log_tile values (3, 9, sha256(''))",
        ["tile 3/009.p/1: has more hashes than the log"],
    ),
    "an entry too many": (
        f"insert into log_entry values (300, '{ENTITY}', 'event', 1)",  # noqa: S608
        [f"{ENTITY} event 1 (position 300): stands where the log, of 300 entries, does not reach"],
    ),
    "an entry removed": (
        "delete from log_entry where position in (7, 8, 12)",
        [
            "position 7 to 8: nothing stands there",
            "position 12: nothing",
            ": has no position in the log, nor",
        ],
    ),
    "an entry twice": (
        f"""alter table log_entry drop constraint log_entry_entity_id_kind_sequence_key;
            update log_entry set (entity_id, sequence) = ('{ONE}', 1) where position = 299""",  # noqa: S608
        [
            f"{ONE} event 1 (position 1 and 299): stands there more than once",
            f"{ONE} event 1 (position 299): ",
        ],
    ),
    "an entry that waits again": (
        f"insert into log_pending values ('{ONE}', 1, 'event', clock_timestamp())",  # noqa: S608
        [f"{ONE} event 1 (position 1): waits for the log though it has its position"],
    ),
    "the root": (
        "update log_state set root = sha256('x')",
        ["the log: its root is not what its 300 entries"],
    ),
    "where the log stands": ("delete from log_state", ["the log: has begun, and which it is or where"]),
    "which log it is": ("delete from log_identity", ["the log: has begun, and which it is or where"]),
    "what cannot be a key": (
        "update log_identity set verifier_key = 'x'",
        ["the log: its verifier key cannot be one"],
    ),
    "what cannot be a note": (
        "update log_checkpoint set note = 'x' where size = 260",
        ["the checkpoint of size 260: this is no signed note"],
    ),
    "a shorter log": (
        "update log_state set size = 299",
        ["the checkpoint of size 300: the log has only 299 entries", "(position 299): stands where"],
    ),
    "a signed root": (
        "update log_checkpoint set root = sha256('x') where size = 260",
        ["the checkpoint of size 260: its note is another's"],
    ),
    "an older note": (
        """update log_checkpoint set note = (select note from log_checkpoint where size = 100)
           where size = 260""",
        ["the checkpoint of size 260: its note is another's, of size 100"],
    ),
    "a checkpoint moved": (
        "update log_checkpoint set size = 299 where size = 260",
        ["the checkpoint of size 299: its note is another's, of size 260"],
    ),
    "the last checkpoint removed": (
        """delete from log_checkpoint where size = 300;
           update log_state set drained_at = clock_timestamp() + interval '1 hour'""",
        ["the checkpoint of size 300: is in "],
    ),
    "a cosignature of nothing": (
        """insert into log_cosignature (size, witness, line) values (100, 'w', E'— w bm90aGluZw==\n')""",
        ["the checkpoint of size 100: the cosignature by w: it is not in the form"],
    ),
    "a cosignature without its checkpoint": (
        """alter table log_cosignature drop constraint log_cosignature_size_fkey;
           insert into log_cosignature (size, witness, line) values (50, 'w', '')""",
        ["the cosignature by w of size 50: there is no such checkpoint: it was removed"],
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
async def test_tampering_with_the_log_is_named(log, what):
    statements, named = TAMPERING[what]
    async with owner(log.dsn) as connection, unguarded(connection):
        await connection.execute(statements)
    faults = await found(log)
    for wanted in named:
        assert any(wanted in fault for fault in faults), (wanted, faults)


async def test_checkpoints_of_another_key_are_named(log):
    stranger = Signer("example.org/log", Ed25519PrivateKey.generate())
    async with owner(log.dsn) as connection, unguarded(connection):
        origin, root = await connection.fetchrow(
            "select origin, root from log_identity, log_checkpoint where size = 260"
        )
        note = Signer(origin, Ed25519PrivateKey.generate()).sign(
            f"{origin}\n260\n{b64encode(root).decode()}\n"
        )
        await connection.execute("update log_checkpoint set note = $1 where size = 260", note)
    (fault,) = await found(log)
    assert fault.startswith(f"the checkpoint of size 260: there is no signature by {origin}+")
    async with owner(log.dsn) as connection, unguarded(connection):
        await connection.execute("update log_identity set verifier_key = $1", stranger.verifier_key)
    faults = await found(log)
    assert any("is not the key of the log in this database" in fault for fault in faults)
    assert any("is not one that this log signed" in fault for fault in faults)


async def test_a_database_that_was_set_back_is_named(set_back):
    (fault,) = await found(set_back)
    assert fault.endswith("is of size 300, and the log has only 260 entries: the database was set back")


async def test_other_files_are_named(log):
    kept = log.data_dir / "log" / CHECKPOINT
    kept.write_text(kept.read_text().replace("\n300\n", "\n301\n"))
    (log.data_dir / "log" / LOG_KEY).unlink()
    write_key(log.data_dir / "log" / LOG_KEY, Ed25519PrivateKey.generate())
    key, checkpoint = await found(log)
    assert "log.key in the data directory is not the key of the log in this database" in key
    assert checkpoint.startswith(
        f"the checkpoint in {kept}: is not one that this log signed: the signature by"
    )
    shutil.rmtree(log.data_dir / "log")
    assert await found(log) == [], "another machine's files are not ours to miss"


async def test_a_checkpoint_that_a_killed_sequencer_left_in_the_file_alone_is_no_fault(log):
    async with owner(log.dsn) as connection, unguarded(connection):
        await connection.execute("delete from log_checkpoint where size = 300")
    assert await found(log) == []
    os.utime(log.data_dir / "log" / CHECKPOINT, (0, 0))
    (fault,) = await found(log)
    assert fault.startswith("the checkpoint of size 300: is in ")


def cosigned(witness, private, note, time):
    text = note.partition("\n\n")[0] + "\n"
    signature = private.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
    return Signature(witness.name, witness.key_id, time.to_bytes(8) + signature).line()


async def test_cosignatures_are_verified_where_their_key_is_known(log):
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    witness = VerifierKey("w.example", key_id_of("w.example", COSIGNATURE, public), COSIGNATURE, public)
    insert = "insert into log_cosignature (size, witness, line) values ($1, 'w.example', $2)"
    async with owner(log.dsn) as connection:
        notes = dict(await connection.fetch("select size, note from log_checkpoint"))
        await connection.execute(insert, 100, cosigned(witness, private, notes[100], 1_800_000_000))
        await connection.execute(insert, 260, cosigned(witness, private, notes[100], 1_800_000_000))
    assert await found(log) == [], "nobody can tell"
    (fault,) = await found(log, log_witnesses=f"{witness} https://w.example")
    assert (
        fault
        == "the checkpoint of size 260: the cosignature by w.example: the signature by w.example is false"
    )


async def test_every_level_of_tiles_is_compared(database, tmp_path):
    """A log of three levels, made without the service, which would take long."""
    size = 256 * 256 + 300
    async with sequencer(database, tmp_path) as one, owner(database) as connection:
        async with unguarded(connection):
            await connection.execute(
                """insert into event
                   select 'usdot:1', n, '2026-01-01Z'::timestamptz + n * interval '1 ms', 's', n::text, 't',
                          now(), 'r', '', '0123456789abcdef', sha256(''), true, true
                   from generate_series(1, $1::int) n""",
                size,
            )
            await connection.execute(
                "insert into log_entry select sequence - 1, entity_id, 'event', sequence from event"
            )
        await rewrite(connection)
        await connection.execute("update log_state set size = $1", size)
        await one.sign()
        settings = Settings(data_dir=tmp_path)
        report = await check_log(connection, settings, lambda _: None)
        assert (report.faults, report.entries) == ([], size)
        for level, tile, path in (
            (0, 256, "0/256"),
            (1, 0, "1/000"),
            (1, 1, "1/001.p/1"),
            (2, 0, "2/000.p/1"),
        ):
            flip_tile = FLIP.format(3, "level = $1 and tile = $2")
            async with unguarded(connection):
                await connection.execute(flip_tile, level, tile)
            report = await check_log(connection, settings, lambda _: None)
            assert any(f"tile {path}" in fault for fault in report.faults), report.faults
            async with unguarded(connection):
                await connection.execute(flip_tile, level, tile)
