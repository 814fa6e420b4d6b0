"""Makes a second click harmless: the same key always leads to the same new environment."""

import hashlib

from shared.domain.environment import EnvironmentId
from shared.domain.tenant import TenantId


def made_once(tenant: TenantId, once: str) -> EnvironmentId:
    """The id of what is made with the key `once`: a second click leads to the same."""
    return EnvironmentId(hashlib.sha256(f"{tenant}|{once}".encode()).hexdigest()[:16])
