"""Prove a deployment's audit log from its settings: `python3 dev.py prove-audit`. Reads only, and changes nothing."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from shared.domain.errors import OutsideError
from shared.domain.tenant import TenantId
from shared.flows.prove_audit import Proof, prove_audit
from shared.settings import BadSettings, Settings, read_settings, settings_of_this_process
from shared.wiring import audit_logs

_LOCAL = Path(__file__).parents[1] / "local.settings.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Status 0: every log is whole. 1: one is not, and its first broken row is named. 2: it could not be read."""
    options = _parser().parse_args(arguments)
    try:
        settings = _settings(options.settings)
        tenants = [TenantId(options.tenant)] if options.tenant else list(settings.tenants)
        proofs = asyncio.run(_proofs(settings, tenants, options.first, options.last))
    except (BadSettings, ValueError, KeyError, OSError, OutsideError) as problem:
        sys.stderr.write(f"The audit log could not be read: {problem}\n")
        return 2
    for tenant, proof in proofs.items():
        sys.stdout.write(f"{line_of(tenant, proof)}\n")
    return 1 if any(proof.fault for proof in proofs.values()) else 0


async def _proofs(
    settings: Settings, tenants: list[TenantId], first: date | None, last: date | None
) -> dict[TenantId, Proof]:
    async with audit_logs(settings) as log_of:
        return {tenant: await prove_audit(log_of(tenant), first=first, last=last) for tenant in tenants}


def line_of(tenant: TenantId, proof: Proof) -> str:
    """The result in one line. It names rows, and nothing that is in them."""
    if proof.fault:
        row = f"entry {proof.fault.number} of " if proof.fault.number else ""
        return f"{tenant}: BROKEN at {row}{proof.fault.day}: {proof.fault.why}"
    counted = f"{proof.entries} entries on {proof.days} days"
    if proof.end is None:
        return f"{tenant}: whole, {counted}"
    end = f"ends with entry {proof.end.number} of {proof.end.day}, {proof.end.link}"
    return f"{tenant}: whole, {counted}; {end}"


def _settings(file: Path | None) -> Settings:
    """Those of `file`; without one those of this process, and where there are none, of local.settings.json."""
    if file is None:
        try:
            return settings_of_this_process()
        except BadSettings:
            if not _LOCAL.exists():
                raise
    values = json.loads((file or _LOCAL).read_text(encoding="utf-8"))["Values"]
    return read_settings({name: str(value) for name, value in values.items()})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 dev.py prove-audit", allow_abbrev=False)
    parser.add_argument("--tenant", default="", help="one tenant's log; without it, all that TENANTS lists")
    parser.add_argument(
        "--from", dest="first", type=date.fromisoformat, metavar="DAY", help="like 2026-11-24"
    )
    parser.add_argument("--to", dest="last", type=date.fromisoformat, metavar="DAY", help="like 2026-11-24")
    parser.add_argument(
        "--settings", type=Path, metavar="FILE", help="a local.settings.json; else the environment is read"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
