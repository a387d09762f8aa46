"""A variable is secret by its name, unless its value is one that nobody has to keep secret."""

from __future__ import annotations

import pytest

from treering.kernel.secret_names import is_secret_name, is_secret_variable
from treering.specs.secret_texts import written_out

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


SECRET_WORDS = """
    DB_PASS PASS SMTP_PASS dbPass SSHPASS DB_PWD MYSQL_PWD pwd DB_PW PASSPHRASE KEY_PASSPHRASE PASSCODE OPENAI_KEY
    AZURE_OPENAI_KEY OPENAI_KEY_2 STORAGE_KEY AZURE_STORAGE_KEY ACCOUNT_KEY ACCOUNTKEY accountKey STORAGE_ACCOUNT_KEY
    SUBSCRIPTION_KEY Ocp_Apim_Subscription_Key SIGNING_KEY ENCRYPTION_KEY ENCRYPTION_KEYS MASTER_KEY SERVICE_KEY
    COSMOS_KEY SEARCH_ADMIN_KEY ANTHROPIC_KEY HOST_KEY GH_PAT PAT AZURE_DEVOPS_EXT_PAT JWT MY_JWT COOKIE
    SESSION_COOKIE COOKIES AUTH BASIC_AUTH REDISCLI_AUTH DOCKER_AUTH_CONFIG AUTHORIZATION BEARER BLOB_SAS WIFI_PSK
"""
OTHER_WORDS = """
    PWD OLDPWD PARTITION_KEY SORT_KEY PRIMARY_KEY FOREIGN_KEY PUBLIC_KEY SSH_PUBLIC_KEY KEY KEYBOARD MASTER_KEYBOARD
    MONKEY HOTKEY KEY_COLUMN AUTHOR AUTHORS GIT_AUTHOR_NAME PATH PYTHONPATH COMPASS BYPASS SURPASS PASSENGERS PASSIVE
    PATIENCE PATTERN PATCH_SIZE COMPAT SSH_AUTH_SOCK XAUTHORITY AUTH_MODE AUTH_TYPE AUTH_URL PASS_RATE FIRST_PASS
    FORWARD_PASS NUM_PASS GIT_ASKPASS COOKIE_JAR COOKIE_FILE SIGNING_KEY_PATH SSH_KEY_FILE ENCRYPTION_KEY_ID
    STORAGE_KEY_NAME STORAGE_ACCOUNT ACCOUNT_NAME SERVICE_URL CREDIT SASKATOON GPG_KEY TREE_KEY CACHE_KEY LABEL_KEY
"""


@pytest.mark.parametrize("name", SECRET_WORDS.split())
def test_a_name_with_the_word_of_a_secret_is_one(name: str) -> None:
    assert is_secret_variable(name, "hunter22") and not is_secret_variable(name, "hunter22", public=[name])
    assert not is_secret_variable(name, "true")


@pytest.mark.parametrize("name", OTHER_WORDS.split())
def test_a_name_that_only_has_such_letters_in_it_is_none(name: str) -> None:
    assert not is_secret_variable(name, "hunter22")


@pytest.mark.parametrize("name", [name for name in SECRET_WORDS.split() if name.isupper()])
def test_a_variable_in_a_command_is_secret_by_the_same_names(name: str) -> None:
    assert written_out(f"{name}=hunter22 python t.py") == name and written_out(f"{name}=$X python t.py") == ""


@pytest.mark.parametrize("name", OTHER_WORDS.split())
def test_a_variable_in_a_command_that_is_no_secret_is_taken(name: str) -> None:
    assert written_out(f"export {name}=hunter22; python t.py") == ""
