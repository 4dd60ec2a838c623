"""Who made a model, read from its name: what self-preference is asked of. PURE.

Only names whose maker is beyond doubt are known; any other has none, so that nothing is counted on a guess.
"""

import re

# The beginnings of models' names, by maker; each maker's own name too.
_MAKERS = {
    "openai": ("gpt", "chatgpt", "o1", "o3", "o4", "davinci", "text-davinci", "openai"),
    "anthropic": ("claude", "anthropic"),
    "google": ("gemini", "gemma", "palm", "palm2", "bard", "google"),
    "meta": ("llama", "llama2", "llama3", "meta", "opt"),
    "mistral": ("mistral", "mixtral", "ministral", "codestral", "mistralai"),
    "alibaba": ("qwen", "qwen2", "qwen3", "qwq", "alibaba"),
    "deepseek": ("deepseek",),
    "microsoft": ("phi", "microsoft"),
    "cohere": ("command", "cohere", "aya"),
    "xai": ("grok", "xai"),
    "tii": ("falcon", "tii"),
    "eleutherai": ("pythia", "eleutherai"),
    "bigscience": ("bloom", "bloomz", "bigscience"),
}
_MAKER_OF = {start: maker for maker, starts in _MAKERS.items() for start in starts}
_WORDS = re.compile(r"[a-z]+[0-9]?")


def family_of(name: str) -> str:
    """The maker of the model of this name, "" where it is not known: ``gpt-4o`` and ``openai/gpt-oss`` are openai's.

    The first word decides, of the name or of an organisation before a slash; ``cerebras-gpt`` is none of OpenAI's.
    """
    for part in reversed(name.strip().lower().split("/")):
        found = _WORDS.match(part)
        word = found[0] if found else ""
        for start in (word, word.rstrip("0123456789")):
            if start in _MAKER_OF:
                return _MAKER_OF[start]
    return ""
