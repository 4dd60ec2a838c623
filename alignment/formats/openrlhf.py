"""Preference rows as OpenRLHF reads them with ``--data.apply_chat_template``: ``--data.prompt_key prompt
--data.chosen_key chosen --data.rejected_key rejected``, each a list of messages, and the margin of its reward trainer.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from alignment.formats.concord import MESSAGES
from alignment.formats.preference import PreferenceRow

SCHEMA = pa.schema(
    [("prompt", MESSAGES), ("chosen", MESSAGES), ("rejected", MESSAGES), ("margin", pa.float64())]
)


def convert(rows: Iterable[PreferenceRow], _: Counter[str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {
            **{name: row[name] for name in ("prompt", "chosen", "rejected")},
            "margin": row.get("margin") or 0.0,
        }
