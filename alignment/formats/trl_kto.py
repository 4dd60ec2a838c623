"""Unpaired preference for TRL's KTO: one answer a row, and whether it was liked.

Of a ranking of more than two, the answers in the middle were both chosen and rejected: they are left out,
counted.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from alignment.formats.concord import MESSAGES
from alignment.formats.preference import PreferenceRow, answer, by_comparison

SCHEMA = pa.schema([("prompt", MESSAGES), ("completion", MESSAGES), ("label", pa.bool_())])


def convert(rows: Iterable[PreferenceRow], left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    for row, answers in by_comparison(rows):
        for text, preferred in answers.items():
            if len(preferred) > 1:
                left_out["answers that were neither best nor worst"] += 1
            else:
                yield {"prompt": row["prompt"], "completion": answer(text), "label": True in preferred}
