"""The requests of a comparison: one for each order and sample, and for each pair or response where the mode asks so.

The system text depends on the judge alone, so that a provider can cache it. The texts follow in one message.
"""

import random
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from feedback.hashing import canonical_json
from feedback.records import Message
from judges.core.rendering.fence import Section, fenced, mark_of
from judges.core.rendering.ids import ids_for
from judges.core.rendering.schema import reply_schema
from judges.core.rendering.system import conversation, system_text
from judges.core.rendering.templates import MESSAGE, filled
from judges.core.rendering.text import PAIRWISE, PASS_FAIL, JudgeText
from judges.core.request import Request


def requests_for(
    judge: JudgeText,
    prompt: Sequence[Message],
    responses: Sequence[str],
    *,
    seed: str,
    reference: str | None = None,
    item: Mapping[str, Any] | None = None,
) -> list[Request]:
    """Everything the judge has to be asked about a comparison; ``seed`` as for ``orders``, ``item`` for ``render``."""
    return [
        render(judge, prompt, responses, shown=shown, sample=sample, reference=reference, item=item)
        for shown in _all_shown(judge, len(responses), seed)
        for sample in range(judge.samples)
    ]


def orders(count: int, *, both: bool, seed: str) -> tuple[tuple[int, ...], ...]:
    """The orders in which ``count`` responses are shown: canonical and reversed, or one drawn from ``seed``.

    ``seed`` should not depend on the canonical order, which often has the preferred response first.
    """
    canonical = tuple(range(count))
    if both:
        return canonical, canonical[::-1]
    return (tuple(random.Random(seed).sample(canonical, count)),)


def render(
    judge: JudgeText,
    prompt: Sequence[Message],
    responses: Sequence[str],
    *,
    shown: tuple[int, ...],
    sample: int = 0,
    reference: str | None = None,
    item: Mapping[str, Any] | None = None,
) -> Request:
    """The request that shows those of ``responses`` (in canonical order) that ``shown`` names, in its order.

    ``item``: what a grader reads beside a response, in a section named "item" as JSON.
    """
    system, schema = system_text(judge, prompt), reply_schema(judge.mode, len(shown), judge.criteria)
    texts = [responses[position] for position in shown]
    ids = ids_for(len(shown), mark_of([list(prompt), sorted(texts), sample]))
    parts = {
        "conversation": conversation(prompt),
        "reference": [Section("reference", reference)] if judge.use_reference and reference else [],
        "responses": [Section(f"response {name}", text) for name, text in zip(ids, texts, strict=True)],
    }
    extra = [] if item is None else [Section("item", canonical_json(item))]
    template = judge.message_template or MESSAGE
    mark = mark_of(
        [
            judge.provider,
            judge.model,
            judge.settings,
            system,
            schema,
            template,
            list(parts.items()),
            extra,
            shown,
            sample,
        ]
    )
    content = filled(template, {name: fenced(sections, mark) for name, sections in parts.items()})
    content = "\n\n".join(filter(None, [content, fenced(extra, mark)]))
    return Request(
        provider=judge.provider,
        model=judge.model,
        settings=judge.settings,
        system=system,
        messages=({"role": "user", "content": f"The mark of this message is {mark}.\n\n{content}"},),
        schema=schema,
        shown=shown,
        sample=sample,
        mark=mark,
        mode=judge.mode,
        ids=ids,
    )


def _all_shown(judge: JudgeText, count: int, seed: str) -> list[tuple[int, ...]]:
    if judge.mode == PASS_FAIL:
        return [(position,) for position in range(count)]
    groups = combinations(range(count), 2) if judge.mode == PAIRWISE else [tuple(range(count))]
    return [
        tuple(group[place] for place in order)
        for group in groups
        for order in orders(len(group), both=judge.both_orders, seed=f"{seed}{_of_many(group, count)}")
    ]


def _of_many(group: tuple[int, ...], count: int) -> str:
    """Each pair of many has an order drawn for itself; where there is one pair, the comparison's seed is enough."""
    return "" if len(group) == count else f":{group}"
