"""Signatures of the live world: Ed25519 (RFC 8032). A host gets the secret keys of its own nodes and of no other."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def make_keys(nodes: Iterable[str]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """(secret, public) keys, 32 bytes each, by node."""
    secret = {node: Ed25519PrivateKey.generate() for node in nodes}
    return (
        {node: key.private_bytes_raw() for node, key in secret.items()},
        {node: key.public_key().public_bytes_raw() for node, key in secret.items()},
    )


class Trust:
    """What one node can sign and check. Keys are unpacked on first use: most protocols sign nothing."""

    def __init__(self, secret: bytes, public: dict[str, bytes]) -> None:
        self._secret = secret
        self._public = public
        self._signer: Ed25519PrivateKey | None = None
        self._verifiers: dict[str, Ed25519PublicKey] = {}

    def sign(self, payload: bytes) -> bytes:
        """This node's signature, 64 bytes."""
        if self._signer is None:
            self._signer = Ed25519PrivateKey.from_private_bytes(self._secret)
        return self._signer.sign(payload)

    def verify(self, node: str, payload: bytes, signature: bytes) -> bool:
        """Whether the signature is that node's; False for a node that is not of this trial."""
        verifier = self._verifiers.get(node)
        if verifier is None:
            if node not in self._public:
                return False
            verifier = self._verifiers[node] = Ed25519PublicKey.from_public_bytes(self._public[node])
        try:
            verifier.verify(signature, payload)
        except InvalidSignature:
            return False
        return True
