"""Reads the book of integration records, the one file that holds every record's names and values."""

import json
from functools import cache
from pathlib import Path

from shared.domain.integration_record import RecordBook, book_of

_FILE = Path(__file__).with_name("integration_records.json")


@cache
def record_book() -> RecordBook:
    """The book, read once a process."""
    return book_of(json.loads(_FILE.read_text(encoding="utf-8")))
