"""A variable is secret by its name, unless its value is one that nobody has to keep secret."""

from __future__ import annotations

import pytest

from treering.kernel.secret_names import is_secret_name, is_secret_variable

PLAIN = {
    "MAX_TOKENS": "512", "NUM_TOKENS": "2_000_000", "TOKEN_COUNT": "12", "max_new_tokens": "1e6", "TOKEN_LIMIT": "8k",
    "OPENAI_MAX_TOKENS": "4096", "TOKENS_PER_SECOND": "1.5", "MaxTokens": "10", "TRAIN_TOKENS": "300B",
    "TOKENIZER": "bert-base-uncased", "TOKENIZERS_PARALLELISM": "true", "HF_TOKENIZER_NAME": "gpt2", "DETOKENIZE": "x",
    "TOKENIZER_PATH": "/mnt/t", "tokenization": "bpe", "PAD_TOKEN": "<pad>", "MASK_TOKEN": "[MASK]",
    "EOS_TOKEN": "<|endoftext|>", "EOS_TOKEN_ID": "50256", "USE_TOKEN": "false", "PASSWORD_REQUIRED": "yes",
    "SECRETS_ENABLED": "1", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "on", "LEVEL": "debug",
}  # fmt: skip
SECRET = {
    "TOKEN": "123456", "SIX_TOKEN": "123456", "AUTH_TOKENS": "123456", "MAX_TOKENS": "hunter22", "API_TOKEN_MAX": "123",
    "MAX_AUTH_TOKENS": "123456", "MAX_SECRET_TOKENS": "123456", "TOKENIZER_API_KEY": "abc", "TOKENIZER_TOKEN": "abc",
    "TOKENIZER_KEY": "abc", "MYTOKENIZERSECRET": "abc", "DB_PASSWORD": "12345678", "PASSWORD_LENGTH": "12",
    "PAD_TOKEN": "hunter22", "RATE_LIMIT_TOKEN": "123456", "BOS_ACCESS_TOKEN_ID": "123456", "apiKey": "1234",
    "AZURE_CREDENTIALS": "{}", "MAXTOKENS": "512", "TOKENS": "1,2", "PIN_TOKEN": "12345", "PASSWORD": "true-ish",
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_how_many_tokens_which_tokenizer_and_an_answer_are_no_secrets(name: str) -> None:
    assert not is_secret_variable(name, PLAIN[name])


@pytest.mark.parametrize("name", SECRET)
def test_another_value_of_such_a_name_is_one(name: str) -> None:
    assert is_secret_name(name) and is_secret_variable(name, SECRET[name])
    assert not is_secret_variable(name, SECRET[name], public=[name])
