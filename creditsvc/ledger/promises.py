"""What a receipt promises: that its leaf will be in the log within a time, under the service's signature.

One signature for all receipts of an answer: over the root of the tree (RFC 6962) of their leaf hashes, in
their order; of one receipt that is its leaf hash. The text of the note, each line ending in a newline::

    creditsvc receipt/v1
    <origin of the log>
    <the longest time from recorded to in the log, in whole seconds>
    <how many leaves>
    <their root, base64>
"""

import math
from base64 import b64encode
from collections.abc import Sequence

from creditsvc.ledger.folds import in_thread
from creditsvc.ledger.signing import Identity, Signer, receipt_signer
from creditsvc.settings import Settings
from creditsvc.verifier.tree import root_of

HEADING = "creditsvc receipt/v1"


class Promises:
    """Signs what receipts promise. The same receipts get the same bytes, while the delay set stays."""

    def __init__(self, signer: Signer, origin: str, max_delay_s: int) -> None:
        self._signer = signer
        self._origin = origin
        self.max_delay_s = max_delay_s

    @classmethod
    def of(cls, settings: Settings, identity: Identity) -> "Promises":
        """Make them for a log; raises ``LogRefused`` when the key for receipts is not here."""
        signer = receipt_signer(settings, identity)
        return cls(signer, identity.origin, math.ceil(settings.log_max_delay_s))

    async def over(self, leaf_hashes: Sequence[bytes]) -> str | None:
        """Promise for all receipts with these leaves; None for none."""
        if not leaf_hashes:
            return None
        return await in_thread(len(leaf_hashes), lambda: self._over(leaf_hashes))

    def _over(self, leaf_hashes: Sequence[bytes]) -> str:
        root = b64encode(root_of(leaf_hashes)).decode()
        lines = (HEADING, self._origin, str(self.max_delay_s), str(len(leaf_hashes)), root)
        return self._signer.sign("".join(f"{line}\n" for line in lines))
