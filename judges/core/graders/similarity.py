"""The measures of ``text_similarity`` that need no model, each from 0 to 1; what OpenAI says of each is little.

=========== =====================================================================================================
fuzzy_match rapidfuzz's WRatio on texts in lower case without punctuation, over 100 (as OpenAI's guide uses it)
bleu        sentence BLEU of up to 4-grams; a count of 0 is halved for each order in turn (Chen and Cherry 2014,
            method 3, which sacrebleu calls exp), so that one missing 4-gram does not make a sentence 0
gleu        Google BLEU (Wu et al. 2016): the smaller of precision and recall over 1- to 4-grams
meteor      METEOR (Lavie and Agarwal 2007) by equal words and equal stems. NLTK's third step, synonyms, needs
            WordNet, which is no part of any package and is not downloaded: scores are equal to NLTK's or lower
rouge_n     ROUGE-N as F1 of n-grams, rouge_l of the longest common subsequence, by Google's rouge-score, without
            stemming: its tokens are the letters a to z and digits, so it is a measure for English
=========== =====================================================================================================

The words of BLEU, GLEU and METEOR are runs of letters and digits, and each other character that is no space.
The libraries are loaded with the first text: they take a second, and pages need none of them.
"""

import re
from collections.abc import Callable
from typing import Any

ROUGE = tuple(f"rouge_{n}" for n in (1, 2, 3, 4, 5, "l"))
METRICS = ("cosine", "fuzzy_match", "bleu", "gleu", "meteor", *ROUGE)
_WORD = re.compile(r"\w+|[^\w\s]")


def fuzzy_match(text: str, reference: str) -> float:
    from rapidfuzz import fuzz, utils

    return float(fuzz.WRatio(text, reference, processor=utils.default_process)) / 100.0


def bleu(text: str, reference: str) -> float:
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    said, meant = words(text), words(reference)
    if not said or not meant:
        return float(said == meant)
    orders = min(4, len(said), len(meant))
    weights = (1.0 / orders,) * orders
    return float(sentence_bleu([meant], said, weights, SmoothingFunction().method3))


def gleu(text: str, reference: str) -> float:
    from nltk.translate.gleu_score import sentence_gleu

    said, meant = words(text), words(reference)
    return float(sentence_gleu([meant], said)) if said and meant else float(said == meant)


def meteor(text: str, reference: str) -> float:
    from nltk.translate.meteor_score import single_meteor_score

    return float(single_meteor_score(words(reference), words(text), wordnet=_NoSynonyms()))


def rouge(metric: str) -> Callable[[str, str], float]:
    name = metric.replace("rouge_", "rouge").replace("rougel", "rougeL")

    def score(text: str, reference: str) -> float:
        from rouge_score.rouge_scorer import RougeScorer

        return float(RougeScorer([name]).score(reference, text)[name].fmeasure)

    return score


def words(text: str) -> list[str]:
    return _WORD.findall(text)


class _NoSynonyms:
    """Stands where NLTK wants WordNet: no word has a synonym."""

    def synsets(self, word: str) -> list[Any]:  # noqa: ARG002
        return []


MEASURES: dict[str, Callable[[str, str], float]] = {
    "fuzzy_match": fuzzy_match,
    "bleu": bleu,
    "gleu": gleu,
    "meteor": meteor,
    **{metric: rouge(metric) for metric in ROUGE},
}
