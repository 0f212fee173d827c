"""Who made a bundle: an Ed25519 signature over the digests of its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from assay.data.errors import InputError
from assay.data.optional import missing_package

__all__ = ["SIGNATURE", "check_signature", "sign"]

#: The file in a bundle; it covers every other one.
SIGNATURE = "signature.json"


def _message(contents: Mapping[str, bytes]) -> bytes:
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items() if name != SIGNATURE}
    return json.dumps(digests, sort_keys=True, separators=(",", ":")).encode()


def sign(contents: Mapping[str, bytes], key: Path) -> bytes:
    """The content of `SIGNATURE`: public key and signature, hexadecimal.

    Parameters
    ----------
    contents : name → bytes of every file in the bundle.
    key : an Ed25519 private key as PEM, e.g. from ``openssl genpkey -algorithm ed25519 -out key.pem``.

    Raises
    ------
    InputError
        If the file is no such key, or `cryptography` is not installed.

    References
    ----------
    RFC 8032, Edwards-curve digital signature algorithm.

    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
    except ImportError as error:
        raise missing_package(error, what="runs export --sign") or error from None
    try:
        private = load_pem_private_key(key.read_bytes(), None)
    except OSError as error:
        raise InputError(f"--sign {key}: {error.strerror}") from None
    except (ValueError, TypeError) as error:
        reason = "it is encrypted" if isinstance(error, TypeError) else "it is no private key in PEM"
        raise InputError(f"--sign {key}: {reason}; openssl genpkey -algorithm ed25519 -out key.pem makes one") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise InputError(f"--sign {key}: not an Ed25519 key; openssl genpkey -algorithm ed25519 -out key.pem makes one")
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    signed = {"algorithm": "Ed25519", "public_key": public, "signature": private.sign(_message(contents)).hex()}
    return (json.dumps(signed, indent=1, sort_keys=True) + "\n").encode()


def check_signature(contents: Mapping[str, bytes], signer: str | None = None) -> str | None:
    """The public key that signed these files; None where nobody did.

    Parameters
    ----------
    contents : name → bytes of every file in the bundle.
    signer : the public key that must have signed, hexadecimal; None takes any.

    Raises
    ------
    InputError
        If the signature does not fit the files, another key made it, or there is none although `signer` is given.

    """
    if SIGNATURE not in contents:
        if signer is not None:
            raise InputError(f"--signer {signer[:16]}…: the bundle is not signed")
        return None
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise missing_package(error, what="a signed bundle") or error from None
    try:
        signed = json.loads(contents[SIGNATURE])
        public, signature = bytes.fromhex(signed["public_key"]), bytes.fromhex(signed["signature"])
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _message(contents))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"bundle: {SIGNATURE} is damaged") from None
    except InvalidSignature:
        raise InputError(f"bundle: a file is not what was signed, or {SIGNATURE} is of another bundle") from None
    if signer is not None and signer.lower() != public.hex():
        raise InputError(f"bundle: signed by {public.hex()[:16]}…, not by --signer {signer[:16]}…")
    return public.hex()
