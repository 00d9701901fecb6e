"""Keys, notes, checkpoints and proofs as C2SP has them, and what only looks like them."""

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from creditsvc.ledger.signing import Signer
from creditsvc.verifier.encoding import number
from creditsvc.verifier.evidence import Evidence
from creditsvc.verifier.log import Proof, open_checkpoint, parse_checkpoint, parse_consistency, parse_proof
from creditsvc.verifier.notes import (
    COSIGNATURE,
    NOTE_BYTES_MAX,
    SIGNATURES_MAX,
    Note,
    Signature,
    VerifierKey,
    key_id_of,
    parse_note,
    verify_note,
)
from creditsvc.verifier.tree import EMPTY_ROOT, PROOF_HASHES_MAX, leaf_hash
from creditsvc.verifier.wrong import Wrong

SEED = Ed25519PrivateKey.from_private_bytes(bytes(32))
LOG = Signer("log.example/1", SEED)
WITNESS = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)

# C2SP signed-note gives these as its example.
NOTE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1"
    "ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)


def verdict(check, *given_):
    try:
        check(*given_)
    except Wrong:
        return "refused"
    return "accepted"


def test_the_example_of_the_standard_verifies():
    key = VerifierKey.parse(NOTE_KEY)
    assert str(key) == NOTE_KEY
    note = parse_note(NOTE)
    assert verify_note(note, key) == 0
    assert note.text + "\n" + "".join(one.line() for one in note.signatures) == NOTE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/foo",
        NOTE_KEY[:-4],
        NOTE_KEY + "AAAA",
        NOTE_KEY.replace("530d903a", "530d903b"),
        NOTE_KEY.replace("530d903a", "530D903A"),
        NOTE_KEY.replace("example.com", "example com"),
        NOTE_KEY.replace("example.com", "example\u2003com"),
        NOTE_KEY.replace("example.com/foo", ""),
        NOTE_KEY.replace("example.com", "\ud800"),
        NOTE_KEY + "\n",
        "x" * 10_000 + NOTE_KEY,
        str(VerifierKey("x", key_id_of("x", 2, bytes(32)), 2, bytes(32))),
    ],
    ids=repr,
)
def test_a_key_that_is_none_is_refused(text):
    with pytest.raises(Wrong):
        VerifierKey.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "text\n",
        "text\n\n",
        NOTE[:-1],
        NOTE + "\n",
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("—", "-"),
        NOTE.replace("— example", "—example"),
        NOTE.replace("example message", "example\tmessage"),
        NOTE.replace("example message", "example\rmessage"),
        NOTE.replace("example message", "\ud800"),
        NOTE.replace("aQM=", "aQN="),
        NOTE.replace("aQM=", "aQM"),
        NOTE.replace("aQM=", "aQ M="),
        NOTE.replace("example.com/foo", "example.com+foo"),
        NOTE.replace("example.com/foo", ""),
        "text\n\n— name AAAA\n",
        NOTE + NOTE.partition("\n\n")[2] * SIGNATURES_MAX,
        "x" * NOTE_BYTES_MAX + NOTE,
    ],
    ids=lambda text: repr(text[:40]),
)
def test_a_note_that_is_none_is_refused(text):
    with pytest.raises(Wrong):
        verify_note(parse_note(text), VerifierKey.parse(NOTE_KEY))


def test_signatures_by_others_are_passed_over_and_false_ones_by_the_key_are_not():
    key = VerifierKey.parse(NOTE_KEY)
    by_another = "— example.com/foo AAAAAAAA\n"
    assert verify_note(parse_note(NOTE + by_another), key) == 0
    own = parse_note(NOTE).signatures[0]
    false = Signature(own.name, own.key_id, bytes(64))
    for signatures in ((false,), (own, false), (Signature(own.name, own.key_id, b""),)):
        with pytest.raises(Wrong, match="false"):
            verify_note(Note(parse_note(NOTE).text, signatures), key)
    with pytest.raises(Wrong, match="no signature"):
        verify_note(parse_note(NOTE.replace("Uw2QOkn8", "AAAAAAAA")), key)
    with pytest.raises(Wrong, match="false"):
        verify_note(parse_note(NOTE.replace("This is", "That is")), key)


def test_at_least_sixteen_signatures_are_read():
    note = NOTE + "— example.com/foo AAAAAAAA\n" * (SIGNATURES_MAX - 1)
    assert len(parse_note(note).signatures) == SIGNATURES_MAX


def cosigned(text, time):
    public = WITNESS.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    key = VerifierKey(
        "witness.example", key_id_of("witness.example", COSIGNATURE, public), COSIGNATURE, public
    )
    signature = time.to_bytes(8) + WITNESS.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
    return key, Signature(key.name, key.key_id, signature)


def signed_checkpoint(size=0, root=EMPTY_ROOT, signer=LOG, origin=None):
    return signer.sign(f"{origin or signer.name}\n{size}\n{b64encode(root).decode()}\n")


def test_cosignatures_of_witnesses_are_checked_and_others_counted():
    text = signed_checkpoint(1, leaf_hash(b""))
    key, signature = cosigned(parse_note(text).text, 1_700_000_000)
    under = text + signature.line()

    def told(note, *witnesses):
        evidence = Evidence(LOG.key, witnesses=witnesses)
        evidence.take("it", note)
        evidence.check()
        return " ".join([*evidence.report(), *evidence.faults()])

    assert "; cosigned by witness.example at 2023-11-14T22:13:20Z" in told(under, key)
    assert "; not cosigned by witness.example" in told(text, key)
    assert "; 1 more signatures, by keys that are not given" in told(under)
    false = Signature(signature.name, signature.key_id, bytes(len(signature.signature))).line()
    assert "WRONG: it: the signature by witness.example is false" in told(text + false, key)


def test_a_cosignature_tells_its_time():
    text = signed_checkpoint()
    note = parse_note(text)
    key, signature = cosigned(note.text, 1_700_000_000)
    assert VerifierKey.parse(str(key)) == key
    both = parse_note(text + signature.line())
    assert (verify_note(both, key), verify_note(both, LOG.key)) == (1_700_000_000, 0)
    later = Signature(key.name, key.key_id, (1_700_000_001).to_bytes(8) + signature.signature[8:])
    with pytest.raises(Wrong, match="false"):
        verify_note(parse_note(text + later.line()), key)
    for time in (0, 2**63):
        _, timeless = cosigned(note.text, time)
        with pytest.raises(Wrong, match="no time"):
            verify_note(parse_note(text + timeless.line()), key)


def test_a_checkpoint_is_read():
    root = leaf_hash(b"x")
    text = signed_checkpoint(1, root)
    opened = open_checkpoint(text, LOG.key)
    assert (opened.origin, opened.size, opened.root) == (LOG.name, 1, root)
    assert parse_checkpoint(LOG.sign(parse_note(text).text + "an extension\n")).size == 1
    with pytest.raises(Wrong, match="another log"):
        open_checkpoint(signed_checkpoint(1, root, origin="log.example/2"), LOG.key)


@pytest.mark.parametrize(
    "text",
    [
        "log.example/1\n1\n",
        "log.example/1\n01\nROOT\n",
        "log.example/1\n-1\nROOT\n",
        "log.example/1\n+1\nROOT\n",
        "log.example/1\n\u0661\nROOT\n",
        f"log.example/1\n{2**63}\nROOT\n",
        "log.example/1\n1\nROOT \n",
        "log.example/1\n1\nAAAA\n",
        "\n1\nROOT\n",
        "log.example/1\n1\nROOT\n\nmore\n",
    ],
    ids=repr,
)
def test_a_checkpoint_that_is_none_is_refused(text):
    with pytest.raises(Wrong):
        parse_checkpoint(LOG.sign(text.replace("ROOT", b64encode(EMPTY_ROOT).decode())))


def test_a_proof_comes_back_as_it_was_written():
    for proof in (Proof(0, (), b"", "x\n"), Proof(2**63 - 1, (bytes(32),) * PROOF_HASHES_MAX, b"{}", NOTE)):
        assert parse_proof(proof.text()) == proof


PROOF = Proof(7, (bytes(32), bytes(32)), b"{}", NOTE).text()


@pytest.mark.parametrize(
    "text",
    [
        "",
        PROOF.replace("@v1", "@v2"),
        PROOF.replace("extra e30=", "extra "),
        PROOF.replace("extra e30=", "extra e31="),
        PROOF.replace("index 7", "index 07"),
        PROOF.replace("index 7", "index -7"),
        PROOF.replace("index 7", "index 9999999999999999999"),
        PROOF.replace("index 7\n", ""),
        PROOF.replace("A=\n", "B=\n", 1),
        PROOF.replace("A=\n", "A=\r\n", 1),
        PROOF.replace("A=\n", "=\n", 1),
        Proof(7, (bytes(32),) * (PROOF_HASHES_MAX + 1), b"", NOTE).text(),
        PROOF.replace("\n\n", "\n"),
    ],
    ids=lambda text: repr(text[:60]),
)
def test_a_proof_that_is_none_is_refused(text):
    with pytest.raises(Wrong):
        verify_note(parse_note(parse_proof(text).checkpoint), VerifierKey.parse(NOTE_KEY))


@given(
    st.text()
    | st.sampled_from([NOTE, PROOF, NOTE_KEY]).flatmap(
        lambda text: st.tuples(st.just(text), st.integers(0, 200), st.text(max_size=3)).map(
            lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + 1 :]
        )
    )
)
def test_whatever_is_read_is_refused_or_read(text):
    for read in (parse_note, parse_checkpoint, parse_proof, parse_consistency, VerifierKey.parse, number):
        verdict(read, text)
    evidence = Evidence(LOG.key)
    evidence.take("it", text)
    evidence.check()
    assert evidence.shown or evidence.faults()
