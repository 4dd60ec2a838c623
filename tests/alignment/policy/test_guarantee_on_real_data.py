"""The promise on real judgments: PandaLM's people and judges, LLMBar's known answers and judges.

Twenty-five splits each, for time; `make bench-agreement` does 500.
"""

import pytest

from alignment.policy.document import PolicyDocument
from tests.bench.policy import allowed, exceeded
from tests.bench.policy_data import llmbar, pandalm

SPLITS = 25


@pytest.mark.parametrize(
    ("load", "document"),
    [
        (pandalm, PolicyDocument(max_error=0.4, confidence=0.9, epsilon=0.3)),
        (llmbar, PolicyDocument(max_error=0.2, confidence=0.9)),
    ],
)
def test_what_is_used_is_contradicted_no_more_often_than_tolerated(shared_data, load, document):
    found = exceeded(load(shared_data), document, SPLITS)
    assert found.used > SPLITS / 5
    assert found.beyond <= allowed(SPLITS, 1 - document.confidence)
