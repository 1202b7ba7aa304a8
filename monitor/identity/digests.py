"""What is stored of a secret that is 256 random bits: such a secret needs no slow hash."""

import hashlib


def digest(secret: str) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()
