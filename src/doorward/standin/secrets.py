"""The stand-in's own secrets: made once per folder, whoever comes first."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

_KEY_BITS = 2048


def signing_key(folder: Path) -> RSAPrivateKey:
    """Give the folder's RSA key, made when there is none."""
    pem = _kept(folder / "key.pem", _new_key_pem)
    # Our own key, made by the same library: proving its primes again would cost every start.
    key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError(f"{folder / 'key.pem'} holds another kind of key than RSA.")
    return key


def secret_key(folder: Path) -> str:
    """Give the folder's ``sk_test_…`` key for the Backend API, made when there is none."""
    return _kept(folder / "secret_key", _new_secret_key).decode()


def derivation_key(folder: Path) -> bytes:
    """Give the folder's key that other secrets are made from, made when there is none."""
    return bytes.fromhex(_kept(folder / "derivation_key", _new_derivation_key).decode())


def _new_derivation_key() -> bytes:
    return token_hex(32).encode()


def _new_secret_key() -> bytes:
    return f"sk_test_{token_hex(24)}".encode()


def _new_key_pem() -> bytes:
    key = generate_private_key(65537, _KEY_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _kept(path: Path, make: Callable[[], bytes]) -> bytes:
    """Read a file, made first if need be; of two who make it at once, the first one's stays."""
    if not path.exists():
        new = path.with_name(f".{path.name}.{os.getpid()}.{token_hex(4)}")
        fd = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(fd)
        with suppress(FileExistsError):
            os.link(new, path)
        new.unlink()
    return path.read_bytes()
