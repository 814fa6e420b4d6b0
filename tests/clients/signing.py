"""Keys, key sets and signed tokens, as Entra and Epic make them."""

import json
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """The key of that name, the same in every test of a run."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_set(*names: str) -> dict[str, Any]:
    """The public halves as a JWK set; a key's id is its name."""
    keys = []
    for name in names:
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key(name).public_key()))
        keys.append({**jwk, "kid": name, "use": "sig"})
    return {"keys": keys}


def signed(
    claims: dict[str, Any],
    *,
    at: datetime,
    key: str = "key-1",
    kid: str | None = None,
    algorithm: str = "RS256",
) -> str:
    """A token that is good from `at` for an hour unless `claims` say otherwise; None takes a claim out."""
    times = {"iat": int(at.timestamp()), "exp": int((at + timedelta(hours=1)).timestamp())}
    whole = {name: value for name, value in {**times, **claims}.items() if value is not None}
    secret: Any = rsa_key(key) if algorithm.startswith("RS") else "x" * 32
    return jwt.encode(whole, secret, algorithm=algorithm, headers={"kid": kid or key})
