"""The shapes of the API of sharing: which FHIR base URL is shared with whom, who asks, and what is answered."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from functions.web.portal_models import Model
from shared.domain.address_use import ShareStage


class ShareIn(Model):
    environment: str


class ShareAnswerIn(Model):
    address: str = Field(pattern="^[0-9a-f]{64}$")
    tenant: str
    answer: Literal["allowed", "refused", "withdrawn"]


class ShareOut(Model):
    address: str
    fhir_base_url: str
    tenant: str
    organization: str
    theirs: bool = Field(description="The other organization asks this one")
    stage: ShareStage
    at: datetime
    live: bool


class SharingOut(Model):
    shares: list[ShareOut]
