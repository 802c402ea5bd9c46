"""Stores a credential, gets it, prints it, deletes it."""

import sys

from coffer_client import Coffer, CofferError

with Coffer() as coffer:
    try:
        coffer.store("ann", "github", "s3cret")
        with coffer.get("ann", "github") as record:
            print(record.text())
        coffer.delete("ann", "github")
    except CofferError as error:
        sys.exit(f"coffer: {error}")
