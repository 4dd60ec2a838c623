"""A tiny language model and its tokenizer, made from nothing, for the demo and the tests.

It is a real Llama in a real folder, saved as any other model is, only small enough to learn on one CPU core
in seconds. torch is imported inside the function: the web side may import this module, but must not call it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

_PAD, _START, _END = "<|pad|>", "<|im_start|>", "<|im_end|>"
_CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build_tiny_model(
    folder: Path,
    corpus: Iterable[str],
    *,
    hidden: int = 48,
    layers: int = 2,
    vocabulary: int = 420,
    seed: int = 0,
) -> None:
    """Write config, random safetensors weights and a tokenizer with the ChatML template into `folder`.

    `hidden` must divide by 8: there are 4 heads, and rotary embeddings need an even width. `vocabulary` is at
    least 259: 256 bytes and 3 special tokens.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _train_tokenizer(corpus, vocabulary)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        tie_word_embeddings=False,
        initializer_range=0.1,  # at the usual 0.02 a model this small learns far worse
        bos_token_id=tokenizer.convert_tokens_to_ids(_START),
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _train_tokenizer(corpus: Iterable[str], vocabulary: int) -> Any:
    """Byte-level BPE: every text can be written in it, whatever the corpus."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[_PAD, _START, _END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=_PAD, eos_token=_END, chat_template=_CHAT_TEMPLATE
    )
