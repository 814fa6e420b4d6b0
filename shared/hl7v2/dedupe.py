"""Tells a message that was sent twice from two messages that merely share a number."""

import hashlib

from shared.hl7v2.header import Header


def dedupe_key(header: Header, raw: bytes) -> str:
    """The same for two deliveries of one message, and for nothing else: SHA-256 in lower-case hex.

    The body counts as well as MSH-3, MSH-10 and MSH-7, because an engine that was set up anew counts its control
    ids from 1 again, and a cancellation must not be swallowed as a duplicate.
    """
    parts = (header.sending_application, header.control_id, header.sent)
    # A field holds no line end, so the parts cannot run into each other.
    named = "\n".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(named + b"\n" + hashlib.sha256(raw).digest()).hexdigest()
