"""The secrets of a vault with their versions, and the file in which they are kept between runs."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.world import Row


class VaultRefused(Exception):
    """An error as Key Vault words it; `inner` is the code inside the code."""

    def __init__(self, status: int, code: str, text: str, *, inner: str = "") -> None:
        super().__init__(text)
        self.status, self.code, self.inner = status, code, inner


@dataclass(slots=True)
class Version:
    """One version of a secret."""

    version: str
    value: str
    created: int
    updated: int
    attributes: Row = field(default_factory=dict)
    tags: dict[str, str] | None = None
    content_type: str | None = None


@dataclass(slots=True)
class Secret:
    """All versions, oldest first. `deleted_at` is set while it can be recovered."""

    versions: list[Version] = field(default_factory=list)
    deleted_at: int | None = None


def keep(file: Path, secrets: dict[str, Secret]) -> None:
    """Write all secrets down; the file is the developer's alone."""
    file.touch(mode=0o600)
    rows = {
        name: {"deleted_at": one.deleted_at, "versions": [_row(version) for version in one.versions]}
        for name, one in secrets.items()
    }
    file.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def _row(one: Version) -> Row:
    return {name: getattr(one, name) for name in Version.__slots__}


def recall(file: Path) -> dict[str, Secret]:
    rows = json.loads(file.read_text(encoding="utf-8"))
    return {
        name: Secret([Version(**version) for version in one["versions"]], one["deleted_at"])
        for name, one in rows.items()
    }
