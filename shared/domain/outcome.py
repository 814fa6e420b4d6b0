"""How a visit ended. "Not known" is an answer of its own and never counts as any other."""

from enum import StrEnum


class Outcome(StrEnum):
    HELD = "held"
    PATIENT_ABSENT = "patient absent"
    PROVIDER_ABSENT = "provider absent"
    LEFT_BEFORE_ADMISSION = "left before admission"
    JOIN_FAILED = "join failed"
    CANCELLED = "cancelled"
    MOVED = "moved"
    RUNNING = "running"
    NOT_KNOWN = "not known"
