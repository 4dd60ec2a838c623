"""Embeddings from OpenAI, or from any server that speaks its API (vLLM, Ollama, llama.cpp), by base URL."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from judges.core.graders.grade import MODEL_SERVER, NoGrade
from judges.core.providers.calling import answer_to, connection
from judges.core.providers.failures import Failure
from judges.core.providers.keys import NO_KEY, Key, checked_url, environment_key
from judges.core.providers.openai import BASE_URL
from judges.core.providers.provider import BadSettings
from judges.core.providers.settings import only

MODEL = "text-embedding-3-large"  # OpenAI's choice for cosine
MOST_TEXTS = 512  # a request
SECONDS = 120


class Embeddings:
    """Settings: ``base_url`` and ``model``, both optional. Raises BadSettings."""

    def __init__(self, settings: Mapping[str, Any], key: Key | None = None) -> None:
        if not isinstance(settings, Mapping):
            raise BadSettings("embeddings", f"must be an object, not {settings!r:.80}")
        only(settings, ("base_url", "model"))
        key = key or environment_key("OPENAI_API_KEY", "OPENAI_BASE_URL", BASE_URL)
        self.base_url = checked_url(settings.get("base_url", key.base_url if key else BASE_URL))
        self.model = settings.get("model", MODEL)
        if not isinstance(self.model, str) or not self.model:
            raise BadSettings("model", f"must be a model's name, not {self.model!r:.80}")
        # A key goes to no server but its own.
        self._secret = key.secret if key and key.base_url == self.base_url else ""
        self._client: Any = None

    async def of(self, texts: Sequence[str], stack: AsyncExitStack) -> tuple[list[list[float]], str, int]:
        """A vector for each text, the model's name and the tokens used; ``stack`` closes what is opened."""
        vectors: list[list[float]] = []
        used = 0
        try:
            for start in range(0, len(texts), MOST_TEXTS):
                body = await self._ask(texts[start : start + MOST_TEXTS], stack)
                found = {entry["index"]: [float(x) for x in entry["embedding"]] for entry in body["data"]}
                vectors += [found[index] for index in range(len(texts[start : start + MOST_TEXTS]))]
                used += int((body.get("usage") or {}).get("total_tokens") or 0)
        except Failure as failure:
            raise NoGrade(MODEL_SERVER, f"{failure.kind}: {failure}", failure) from None
        except (KeyError, TypeError, ValueError, AttributeError):
            raise NoGrade(MODEL_SERVER, "What the server of embeddings sent could not be read.") from None
        return vectors, self.model, used

    async def _ask(self, texts: Sequence[str], stack: AsyncExitStack) -> Any:
        if self._client is None:
            self._client = self._open()
            stack.push_async_callback(self._close)
        call = self._client.embeddings.with_raw_response.create(
            model=self.model, input=list(texts), encoding_format="float"
        )
        return (await answer_to(call, seconds=SECONDS, secret=self._secret)).body

    def _open(self) -> Any:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        options = connection(SECONDS)
        return AsyncOpenAI(
            api_key=self._secret or NO_KEY,
            base_url=self.base_url,
            max_retries=0,
            timeout=options["timeout"],
            http_client=DefaultAsyncHttpxClient(**options),
        )

    async def _close(self) -> None:
        await self._client.close()
        self._client = None
