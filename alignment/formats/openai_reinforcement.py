"""OpenAI's reinforcement format: a prompt a line with the fields that its grader reads, and the grader beside it.

JSON lines only. A row that lacks what the grader reads can not be graded: it is left out, counted.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from alignment.formats.openai_chat import without_tools
from alignment.formats.preference import PreferenceRow, item
from alignment.formats.prompt_only import first_of_each_prompt
from feedback.hashing import canonical_json
from judges.core.graders.examples import EXAMPLES

NAME = "openai-reinforcement"
UNGRADED = "prompts without what the grader reads"
# Where no grader is named: the answer is to be the prompt's reference, word for word.
EXACT: Mapping[str, Any] = EXAMPLES["string_check"].document
_READ = re.compile(r"\{\{\s*item\.([A-Za-z0-9_]+)")


def convert(
    rows: Iterable[PreferenceRow], left_out: Counter[str], grader: Mapping[str, Any] = EXACT
) -> Iterator[dict[str, Any]]:
    """The rows that ``grader``, OpenAI's JSON, can grade."""
    needed = set(_READ.findall(canonical_json(grader))) - {"messages"}
    for row in first_of_each_prompt(without_tools(rows, left_out), left_out):
        fields = item(row)
        if needed <= set(fields):
            fields.pop("messages", None)
            yield {"messages": row["prompt"], **fields}
        else:
            left_out[UNGRADED] += 1


def grader_file(rows_file: str) -> str:
    """The name of the grader's file beside a file of rows."""
    return f"{rows_file.split('.')[0]}.grader.json"
