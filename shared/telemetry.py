"""What the app writes about itself: ids and counts, never what a request or a message held."""

import logging

# These libraries log full addresses or bodies at INFO and DEBUG: a FHIR search carries identifiers in its
# query, a Tables address the row's key, a join page its token.
_LOUD = (
    "httpx",
    "httpcore",
    "azure",
    "azure.core.pipeline.policies.http_logging_policy",
    "azure.identity",
    "msal",
    "urllib3",
    "aiohttp.access",
    "kiota",
    "hl7",
)


def quiet_libraries() -> None:
    """Let the libraries say only what is wrong, and never at DEBUG."""
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
