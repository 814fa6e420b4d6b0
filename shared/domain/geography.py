"""The three geographies patient data can be pinned to, and the Azure regions that belong to each."""

from enum import StrEnum

from shared.domain.errors import DomainError


class Geography(StrEnum):
    AMERICAS = "americas"
    EMEA = "emea"
    APAC = "apac"


# A closed list: a region that is not here cannot be deployed to. The infrastructure templates hold the
# same list, and a test compares the two.
REGIONS: dict[Geography, frozenset[str]] = {
    Geography.AMERICAS: frozenset(
        {"eastus", "eastus2", "centralus", "northcentralus", "southcentralus", "westus2", "westus3"}
        | {"canadacentral", "canadaeast", "brazilsouth"}
    ),
    Geography.EMEA: frozenset(
        {"northeurope", "westeurope", "uksouth", "ukwest", "francecentral", "germanywestcentral"}
        | {"swedencentral", "norwayeast", "switzerlandnorth", "italynorth", "uaenorth", "southafricanorth"}
    ),
    Geography.APAC: frozenset(
        {"australiaeast", "australiasoutheast", "southeastasia", "eastasia", "japaneast", "japanwest"}
        | {"koreacentral", "centralindia"}
    ),
}


class WrongGeography(DomainError):
    """The stamp's storage was pinned to another geography than the one it is configured for."""


def check_region(geography: Geography, region: str) -> None:
    """Raise WrongGeography when `region` does not lie in `geography`."""
    if region not in REGIONS[geography]:
        raise WrongGeography(f"region {region} is not one of the regions of {geography}")


def check_pin(pinned: Geography, *, configured: Geography) -> None:
    """Raise WrongGeography when the storage account was first used for another geography."""
    if pinned is not configured:
        raise WrongGeography(f"this storage is pinned to {pinned}; the app is configured for {configured}")
