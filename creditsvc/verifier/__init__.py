"""Check what a creditsvc says of its log, offline: stand-alone, needing only Python and ``cryptography``.

Give it what the service answered, saved as files, in any order: checkpoints, proofs, consistency proofs with
the older checkpoint, receipts, events as they were sent, pages of history and of their proofs, the well-known
document, and bundles of all these, as `creditsvc evidence` writes. What a document is follows from its
content; each is checked by itself, and against all the others. Hashes are those of RFC 6962 and RFC 9162;
notes, checkpoints, proofs and cosignatures those of C2SP; canonical JSON is that of RFC 8785. What is read
may be hostile: it is bounded, and refused with ``Wrong``.
"""
