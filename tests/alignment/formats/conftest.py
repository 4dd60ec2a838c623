"""Fixtures for the formats: files written into a fresh folder."""

import json

import pytest


@pytest.fixture
def json_lines(tmp_path):
    """A JSON lines file of rows; a row that is bytes is written as it is."""

    def write(*rows, name="rows.jsonl"):
        path = tmp_path / name
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        path.write_bytes(b"\n".join(lines) + b"\n")
        return path

    return write


@pytest.fixture
def pair_row():
    """A row of our own format."""

    def make(key="q1", **fields):
        return {
            "id": key,
            "prompt": [{"role": "user", "content": "Why?"}],
            "responses": [
                {"id": "a", "source": "x", "text": "Because."},
                {"id": "b", "source": "y", "text": "No."},
            ],
            **fields,
        }

    return make
