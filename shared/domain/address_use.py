"""Which tenants use one FHIR base URL: the first by its approval, others once both sides said yes."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from shared.domain.environment import EnvironmentId
from shared.domain.errors import NotFound, OutOfStep, Refused
from shared.domain.tenant import TenantId
from shared.domain.words import said


class ShareStage(StrEnum):
    """How far two tenants are with sharing one address."""

    ASKED = "asked"
    ALLOWED = "allowed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Share:
    """One tenant beside the holder. `environment` is set once its own analyst approved."""

    tenant: TenantId
    stage: ShareStage
    at: datetime
    environment: EnvironmentId | None = None


@dataclass(frozen=True, slots=True)
class AddressUse:
    """Who uses one address. It holds ids and the address's hash, never an address or a name."""

    address: str
    tenant: TenantId | None  # who holds it; None: nobody does any more
    environment: EnvironmentId | None
    shares: tuple[Share, ...] = ()

    def share_of(self, tenant: TenantId) -> Share | None:
        return next((one for one in self.shares if one.tenant == tenant), None)

    def may_use(self, tenant: TenantId) -> bool:
        """Whether an environment of `tenant` may go live with this address."""
        share = self.share_of(tenant)
        allowed = share is not None and share.stage is ShareStage.ALLOWED
        return self.tenant is None or self.tenant == tenant or allowed

    def claimed(self, tenant: TenantId, environment: EnvironmentId) -> "AddressUse":
        """The same address, live in `environment`. Raises OutOfStep when the other side did not allow it."""
        if not self.may_use(tenant):
            raise OutOfStep(
                said("This FHIR base URL is used by another organization that has not shared it.")
            )
        if self.tenant is None or self.tenant == tenant:
            return replace(self, tenant=tenant, environment=environment)
        return self._with(tenant, environment=environment)

    def released(self, tenant: TenantId, environment: EnvironmentId) -> "AddressUse":
        """The same address, no longer live in `environment`. A tenant that shared it takes it over."""
        if self.tenant == tenant and self.environment == environment:
            heir = next((one for one in self.shares if one.environment is not None), None)
            if heir is None:
                return replace(self, tenant=None, environment=None)
            others = tuple(one for one in self.shares if one is not heir)
            return replace(self, tenant=heir.tenant, environment=heir.environment, shares=others)
        share = self.share_of(tenant)
        if share is None or share.environment != environment:
            return self
        return self._with(tenant, environment=None)

    def asked(self, tenant: TenantId, *, at: datetime) -> "AddressUse":
        """`tenant` asks the holder. Asking again changes nothing while the answer is open or yes."""
        if self.may_use(tenant):
            raise OutOfStep(said("You can use this FHIR base URL already."))
        share = self.share_of(tenant)
        if share is not None and share.stage is ShareStage.ASKED:
            return self
        others = tuple(one for one in self.shares if one.tenant != tenant)
        return replace(self, shares=(*others, Share(tenant, ShareStage.ASKED, at)))

    def answered(self, tenant: TenantId, *, by: TenantId, stage: ShareStage, at: datetime) -> "AddressUse":
        """The holder allows or refuses, or either side withdraws. What is live already has to be removed first."""
        share = self.share_of(tenant)
        if share is None or by not in (self.tenant, tenant):
            raise NotFound("no such request")
        if stage is not ShareStage.WITHDRAWN and by != self.tenant:
            raise NotFound("no such request")
        if share.stage is stage:
            return self
        if share.environment is not None:
            raise Refused(
                {"": said("This FHIR base URL is in use. Remove the environment that uses it first.")}
            )
        expects = (
            {ShareStage.ASKED, ShareStage.ALLOWED} if stage is ShareStage.WITHDRAWN else {ShareStage.ASKED}
        )
        if share.stage not in expects:
            raise OutOfStep(said("This request was answered meanwhile."))
        return self._with(tenant, stage=stage, at=at)

    def _with(self, tenant: TenantId, **changes: object) -> "AddressUse":
        return replace(
            self,
            shares=tuple(
                replace(one, **changes) if one.tenant == tenant else one  # type: ignore[arg-type]
                for one in self.shares
            ),
        )


def address_hash(fhir_base_url: str) -> str:
    """The name of an address in the index. Case counts for nothing: two spellings lead to one server."""
    return hashlib.sha256(fhir_base_url.strip().rstrip("/").lower().encode()).hexdigest()
