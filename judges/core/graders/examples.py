"""One document of each kind, ready to be changed, with a line on what it rewards; the page and the guide show them."""

from types import MappingProxyType
from typing import Any, NamedTuple

OUTPUT = "{{sample.output_text}}"
REFERENCE = "{{item.reference}}"


class Example(NamedTuple):
    says: str
    document: dict[str, Any]
    openai: bool = True


def _example(kind: str, name: str, says: str, *, openai: bool = True, **fields: Any) -> tuple[str, Example]:
    return kind, Example(says, {"type": kind, "name": name, **fields}, openai)


EXAMPLES = MappingProxyType(
    dict(
        [
            _example(
                "string_check",
                "exact",
                "1 or 0: the output is the reference (eq), is not (ne), or contains it (like, ilike).",
                input=OUTPUT,
                reference=REFERENCE,
                operation="eq",
            ),
            _example(
                "text_similarity",
                "near",
                "0 to 1: how near the output is to the reference, by one of eleven metrics.",
                input=OUTPUT,
                reference=REFERENCE,
                evaluation_metric="fuzzy_match",
            ),
            _example(
                "score_model",
                "model-score",
                "A number within a range, given by a model.",
                model="gpt-5.6-luna",
                input=[
                    {"role": "system", "content": "Score how well the answer agrees with the reference."},
                    {"role": "user", "content": f"Reference: {REFERENCE}\nAnswer: {OUTPUT}"},
                ],
                range=[0, 1],
            ),
            _example(
                "label_model",
                "model-label",
                "1 or 0: the label that a model picks is a passing one.",
                model="gpt-5.6-luna",
                input=[{"role": "user", "content": f"Is this answer polite?\n{OUTPUT}"}],
                labels=["polite", "rude"],
                passing_labels=["polite"],
            ),
            _example(
                "python",
                "words-shared",
                "What your function returns, run in the sandbox.",
                source="def grade(sample, item):\n"
                '    words = set(sample["output_text"].lower().split())\n'
                '    wanted = set(str(item["reference"]).lower().split())\n'
                "    return len(words & wanted) / max(1, len(wanted))\n",
            ),
            _example(
                "multi",
                "both",
                "A formula over other graders: + - * / ^, min, max, abs, floor, ceil, exp, sqrt, log.",
                graders={
                    "exact": {
                        "type": "string_check",
                        "name": "exact",
                        "input": OUTPUT,
                        "reference": REFERENCE,
                        "operation": "ilike",
                    },
                    "short": {"type": "length", "name": "short", "input": OUTPUT, "most": 200, "slack": 100},
                },
                calculate_output="0.8 * exact + 0.2 * short",
            ),
            _example(
                "numeric",
                "number",
                "1 or 0: the last number in the output is the reference's, within a tolerance.",
                openai=False,
                input=OUTPUT,
                reference=REFERENCE,
                absolute=0,
                relative=0.001,
            ),
            _example(
                "math",
                "mathematics",
                "1 or 0: the answer is equal to the reference, however it is written.",
                openai=False,
                input=OUTPUT,
                reference=REFERENCE,
            ),
            _example(
                "json_schema",
                "form",
                "1 or 0: the output is JSON that the schema allows.",
                openai=False,
                input=OUTPUT,
                schema={"type": "object", "required": ["answer"]},
            ),
            _example(
                "regex",
                "pattern",
                "1 or 0: an RE2 pattern is found in the output.",
                openai=False,
                input=OUTPUT,
                pattern="(?i)\\bsorry\\b",
            ),
            _example(
                "code_tests",
                "tests-passed",
                "The share of tests that the output's Python code passes, run in the sandbox.",
                openai=False,
                input=OUTPUT,
                tests="{{item.tests}}",
                seconds=10,
            ),
            _example(
                "length",
                "short",
                "1 within the bounds, less beyond them.",
                openai=False,
                input=OUTPUT,
                unit="words",
                most=100,
                slack=50,
            ),
            _example(
                "language",
                "in-english",
                "1 or 0: the output is in a language.",
                openai=False,
                input=OUTPUT,
                language="en",
            ),
        ]
    )
)
