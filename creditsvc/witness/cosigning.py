"""Cosignatures over checkpoints (C2SP tlog-cosignature, Ed25519, type 0x04)."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from creditsvc.verifier.encoding import SIZE_MAX
from creditsvc.verifier.notes import COSIGNATURE, Signature, VerifierKey, key_id_of


class Cosigner:
    """Cosigns under a name; the private key stays in here."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key = VerifierKey(name, key_id_of(name, COSIGNATURE, public), COSIGNATURE, public)
        self._private = key

    def cosign(self, text: str, time: int) -> Signature:
        """Cosign the text of a checkpoint, its last newline included, as of a POSIX time."""
        if not text.endswith("\n") or not 0 < time <= SIZE_MAX:
            raise ValueError("the text of a checkpoint ends in a newline, and its cosignature bears a time")
        signed = self._private.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
        return Signature(self.key.name, self.key.key_id, time.to_bytes(8) + signed)
