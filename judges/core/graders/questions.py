"""What ``score_model`` and ``label_model`` share: their messages, their sampling, and reading a reply strictly.

The reply is JSON, first ``steps`` ({description, conclusion} each) and then ``result``, so that the reasons come
before the number; OpenAI has the same two fields. One that does not fit is a case without a grade.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from judges.core.graders.case import Case
from judges.core.graders.fields import Fields, is_number
from judges.core.graders.grade import MODEL_PARSE, NoGrade
from judges.core.graders.services import Question, Services
from judges.core.graders.templates import Template, parsed
from judges.core.usage import Usage

if TYPE_CHECKING:
    from judges.core.providers.provider import Reply

ROLES = ("user", "assistant", "system", "developer")
TEXT_PARTS = ("input_text", "output_text")
# OpenAI's names for how to sample, and those of the providers' settings.
SAMPLING = {
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "max_completions_tokens": "max_tokens",
    "max_tokens": "max_tokens",
    "reasoning_effort": "effort",
}
STEP = {
    "type": "object",
    "properties": {"description": {"type": "string"}, "conclusion": {"type": "string"}},
    "required": ["description", "conclusion"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Asking:
    """A model, the messages it is sent, and how it samples. ``sampling`` is the document's own."""

    model: str
    messages: tuple[tuple[str, Template], ...]
    sampling: Mapping[str, Any]

    async def reply(self, case: Case, services: Services, result: Mapping[str, Any]) -> "Reply":
        """``result``: the schema of the reply's result. Raises NoGrade."""
        said = [(role, template.text(case)) for role, template in self.messages]
        # Not every provider takes such a message among the others; all take them first.
        system = "\n\n".join(text for role, text in said if role in ("system", "developer"))
        turns = tuple({"role": role, "content": text} for role, text in said if role in ("user", "assistant"))
        sampling = {SAMPLING[name]: value for name, value in self.sampling.items() if value is not None}
        if sampling.get("top_p") == 1:
            del sampling["top_p"]  # what every model does anyway
        schema = {
            "type": "object",
            "properties": {"steps": {"type": "array", "items": STEP}, "result": result},
            "required": ["steps", "result"],
            "additionalProperties": False,
        }
        return await services.ask(Question(self.model, system, turns, schema, sampling))


def asking(fields: Fields) -> Asking:
    messages = fields.value("input")
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise fields.bad("input", "must be a list of messages, each {role, content}")
    read = tuple(_message(fields, f"input[{index}]", message) for index, message in enumerate(messages))
    if not any(role in ("user", "assistant") for role, _ in read):
        raise fields.bad("input", "needs a message of the role user")
    return Asking(fields.text("model", most=200, empty=False), read, _sampling(fields))


def result_of(reply: "Reply") -> Any:
    """The reply's ``result``. Raises NoGrade where the reply is not what was asked for."""
    try:
        body = json.loads(reply.text)
        return body["result"]
    except (ValueError, RecursionError, KeyError, TypeError):
        cut = " It was cut off." if reply.stop_reason in ("max_tokens", "length") else ""
        raise NoGrade(MODEL_PARSE, f"The model's reply is no such JSON: {reply.text[:200]!r}.{cut}") from None


def used_by(reply: "Reply") -> dict[str, Usage]:
    """What the reply used, by the name of the model."""
    return {reply.served_model: reply.usage}


def _message(fields: Fields, where: str, message: Any) -> tuple[str, Template]:
    if not isinstance(message, Mapping) or message.get("role") not in ROLES:
        raise fields.bad(where, f"must be an object with a role, one of {', '.join(ROLES)}")
    unknown = sorted(set(message) - {"role", "content", "type"})
    if unknown or message.get("type", "message") != "message":
        raise fields.bad(where, f"holds {unknown or message['type']}; use role and content")
    text = _content(fields, f"{where}.content", message.get("content"))
    return message["role"], parsed(text, lambda problem: fields.bad(f"{where}.content", problem))


def _content(fields: Fields, where: str, content: Any) -> str:
    """Text, a text part, or a list of both. Images and sound are refused: no provider here is sent any."""
    parts = content if isinstance(content, list) else [content]
    texts = []
    for part in parts:
        if isinstance(part, Mapping) and part.get("type") in TEXT_PARTS:
            part = part.get("text")
        if not isinstance(part, str):
            kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
            raise fields.bad(where, f"holds {kind}; graders here read text alone")
        texts.append(part)
    return "\n".join(texts)


def _sampling(fields: Fields) -> Mapping[str, Any]:
    given = fields.value("sampling_params", None) or {}
    if not isinstance(given, Mapping):
        raise fields.bad("sampling_params", f"must be an object, not {given!r:.80}")
    for name, value in given.items():
        if name not in SAMPLING:
            raise fields.bad(f"sampling_params.{name}", f"is not known; use {', '.join(SAMPLING)}")
        if value is not None and not is_number(value) and name != "reasoning_effort":
            raise fields.bad(f"sampling_params.{name}", f"must be a number, not {value!r:.80}")
    return dict(given)
