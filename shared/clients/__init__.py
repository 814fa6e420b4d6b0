"""The services the hospital already has, each spoken to in one file: Epic, Teams, text messages, Entra and keys."""

import logging

# These libraries log each request's full address, and Epic's status service takes a person's id in its query.
# fhirclient logs what it finds odd in a resource. Set here, because whatever speaks to them comes through here.
for _name in ("httpx", "httpcore", "azure", "msal", "urllib3"):
    logging.getLogger(_name).setLevel(logging.WARNING)
logging.getLogger("fhirclient").setLevel(logging.CRITICAL)
