"""Whom graders ask: language models for ``score_model`` and ``label_model``, embeddings for cosine.

Both are named beside the grader, never in its document, which stays OpenAI's. ``async with`` opens what is asked
and closes it. Nothing is asked twice by itself; a failure becomes a case without a grade. The clients are loaded
where one is named: most graders ask nobody, on machines that have no client.
"""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from judges.core.graders.grade import MODEL_REFUSAL, MODEL_SERVER, OTHER, NoGrade

if TYPE_CHECKING:
    from judges.core.graders.embeddings import Embeddings
    from judges.core.providers import Key, Provider, Reply

NOTHING: frozenset[str] = frozenset()
MODELS = frozenset({"models"})
EMBEDDINGS = frozenset({"embeddings"})


class Question(NamedTuple):
    """What a model grader asks: ``sampling`` are settings of the provider on top of those it has."""

    model: str
    system: str
    messages: tuple[Mapping[str, str], ...]
    schema: Mapping[str, Any]
    sampling: Mapping[str, Any]


class Services:
    """``models``: {"provider", "settings"?}; ``embeddings``: {"base_url"?, "model"?}. Either may be missing.

    Raises BadSettings of the providers.
    """

    def __init__(
        self,
        models: Mapping[str, Any] | None = None,
        embeddings: Mapping[str, Any] | None = None,
        key: "Key | None" = None,
    ) -> None:
        self.models = models
        self._key = key
        self._stack = AsyncExitStack()
        self._providers: dict[str, Provider] = {}
        if models is not None:
            self.provider({})
        self._embeddings = None if embeddings is None else _embeddings(embeddings, key)

    @property
    def servers(self) -> tuple[str, ...]:
        """The addresses of whoever may be asked."""
        models = None if self.models is None else self.provider({})
        asked = [each for each in (models, self._embeddings) if each is not None]
        return tuple(each.base_url for each in asked)  # type: ignore[union-attr]  # both kinds of models have one

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._stack.aclose()
        self._providers.clear()

    def provider(self, sampling: Mapping[str, Any]) -> "Provider":
        """The provider of the models, not open. Raises BadSettings, for sampling that it does not take as well."""
        from judges.core.providers import BadSettings, provider_for

        models = self.models
        if not isinstance(models, Mapping) or models.get("provider") not in ("anthropic", "openai"):
            raise BadSettings("models", 'must be {"provider": "openai" or "anthropic", "settings": {…}}')
        settings = models.get("settings", {})
        if not isinstance(settings, Mapping) or set(models) - {"provider", "settings"}:
            raise BadSettings("models", "takes a provider and its settings, an object, and nothing else")
        return provider_for(models["provider"], {**settings, **sampling}, key=self._key)

    async def ask(self, question: Question) -> "Reply":
        """Raises NoGrade where no reply came, or the model refused."""
        from judges.core.providers import BadSettings, Failure
        from judges.core.verdict import REFUSAL_STOPS

        if self.models is None:
            raise NoGrade(OTHER, "No provider of models is named for this grader, so nobody can be asked.")
        try:
            provider = await self._opened(question.sampling)
            reply = await provider.ask(_request(question, self.models))
        except BadSettings as bad:
            raise NoGrade(OTHER, f"The provider's {bad}") from None
        except Failure as failure:
            raise NoGrade(MODEL_SERVER, f"{failure.kind}: {failure}", failure) from None
        if reply.stop_reason in REFUSAL_STOPS:
            raise NoGrade(MODEL_REFUSAL, f"The model refused: {reply.refusal or reply.text[:200]}")
        return reply

    async def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], str, int]:
        """A vector for each text, the model's name and the tokens used. Raises NoGrade."""
        if self._embeddings is None:
            raise NoGrade(
                OTHER, "Cosine compares embeddings: name a server that gives some, or use another metric."
            )
        return await self._embeddings.of(texts, self._stack)

    async def _opened(self, sampling: Mapping[str, Any]) -> "Provider":
        """One client for each way of sampling."""
        name = repr(sorted(sampling.items()))
        if name not in self._providers:
            self._providers[name] = await self._stack.enter_async_context(self.provider(sampling))
        return self._providers[name]


def _embeddings(settings: Mapping[str, Any], key: "Key | None") -> "Embeddings":
    from judges.core.graders.embeddings import Embeddings

    return Embeddings(settings, key)


def _request(question: Question, models: Mapping[str, Any]) -> Any:
    from judges.core.request import Request

    return Request(
        provider=models["provider"],
        model=question.model,
        settings={**models.get("settings", {}), **question.sampling},
        system=question.system,
        messages=question.messages,
        schema=question.schema,
        shown=(),
        sample=0,
        mark="",
    )
