"""Statements written out."""

import pytest
from django.db import connection

from feedback.statements import reading_through, rows

pytestmark = pytest.mark.django_db


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's pages are in its own memory")
def test_while_all_is_read_sqlite_keeps_little_in_memory_and_as_much_as_before_afterwards():
    def sizes():
        return [rows(f"PRAGMA {name}", [])[0][0] for name in ("mmap_size", "cache_size")]

    before = sizes()
    with reading_through():
        assert sizes() == [0, -4000]
    assert sizes() == before != [0, -4000]
