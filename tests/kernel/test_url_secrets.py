"""What is secret in an address is found, whatever it is called and however it is written; names and paths are not."""

from __future__ import annotations

import pytest

from treering.kernel.url_secrets import secret_in, without_secrets

SECRET = [
    ("https://user:pw@host/x", "https://host/x"),
    ("HTTPS://USER:PW@HOST/x", "HTTPS://HOST/x"),
    ("https://ghp_abc@github.com/o/r.git", "https://github.com/o/r.git"),
    ("git+https://tok@github.com/o/r@main#egg=r", "git+https://github.com/o/r@main#egg=r"),
    ("-e git+https://u:tok@github.com/o/r#egg=r", "-e git+https://github.com/o/r#egg=r"),
    ("pkg @ https://u:p@host/a.whl", "pkg @ https://host/a.whl"),
    ("--extra-index-url https://u:p@host/simple", "--extra-index-url https://host/simple"),
    ("https://user:p/a@ss@host/x", "https://ss@host/x"),
    ("//user:pw@host/x", "//host/x"),
    ("ssh://git:pw@host/r", "ssh://host/r"),
    ("postgresql://u:p@db:5432/x", "postgresql://db:5432/x"),
    ("https://u:p%40w@[::1]:80/x", "https://[::1]:80/x"),
    ("wasbs://box:key@a.blob.core.windows.net/p", "wasbs://a.blob.core.windows.net/p"),
    ("https://a.blob.core.windows.net/c/f?sv=1&se=2&sp=r&sig=abc%3D", "https://a.blob.core.windows.net/c/f?sv=1&se=2&sp=r"),
    ("https://h/f?SIG=abc&x=1", "https://h/f?x=1"),
    ("https://h/f?%73ig=abc&x=1&Sig=d", "https://h/f?x=1"),
    ("https://h/f?%2573ig=abc", "https://h/f"),
    ("https://h/f?a=1&amp;sig=abc&amp;b=2", "https://h/f?a=1&amp;b=2"),
    ("https://h/f?a=1;sig=abc", "https://h/f?a=1"),
    ("s3 https://h/f?X-Amz-Signature=a&X-Amz-Security-Token=b&X-Amz-Credential=c&X-Amz-Date=d end",
     "s3 https://h/f?X-Amz-Date=d end"),
    ("https://h/f?AWSAccessKeyId=a&Signature=b&Expires=1", "https://h/f?Expires=1"),
    ("https://h/f?GoogleAccessId=me&X-Goog-Signature=b", "https://h/f?GoogleAccessId=me"),
    ("https://h/f?Policy=a&Signature=b&Key-Pair-Id=c", "https://h/f?Policy=a&Key-Pair-Id=c"),
    ("https://h/f?access_token=a", "https://h/f"),
    ("https://h/f?accessToken=a#t", "https://h/f#t"),
    ("https://h/f#access_token=a", "https://h/f"),
    ("https://h/f?token=a&api_key=b&apikey=c&api-key=d&client_secret=e", "https://h/f"),
    ("https://app.azurewebsites.net/api/f?code=abcdEFGH12==", "https://app.azurewebsites.net/api/f"),
    ("https://h/go?to=https%3A%2F%2Fu%3Ap%40host", "https://h/go"),
    ("https%3A%2F%2Fu%3Ap%40host%2Fx", "https://host/x"),
    ('{"url": "https://h/f?sig=abc", "n": 1}', '{"url": "https://h/f", "n": 1}'),
    (r'{"url": "https:\/\/u:p@h\/f"}', r'{"url": "https:\/\/h\/f"}'),
    ("see https://h/a and https://u:p@h/b", "see https://h/a and https://h/b"),
    ("https://a.example,https://u:p@b.example/x;s3://k", "https://a.example,https://b.example/x;s3://k"),
    ("https://u:p,w@a.example", "https://a.example"),
]  # fmt: skip
PLAIN = [
    "https://host:8080/x?page=2&code=US&key=name", "git@github.com:o/r.git", "ssh://git@github.com/o/r.git",
    "abfss://container@account.dfs.core.windows.net/p", "wasbs://box@a.blob.core.windows.net/p",
    "https://org@dev.azure.com/org/project/_git/r", "https://git@github.com/o/r", "s3://bucket/key",
    "git+https://${TOKEN}@github.com/o/r", "https://$USER:$PASSWORD@host", "https://h/?token=${{inputs.token}}",
    "https://h/?sig=$SIG", "https://h/list?pageToken=abc&max_tokens=5", "azureml://registries/r/models/m/versions/1",
    "https://github.com/o/r@v1.2", "https://host/a:b/c@d", "a // b", "models:/m@champion", "https://h/f?sig=",
    "file:///data/a@b", "mysql://user:password@host:port/dbname",
    "https://x.io,me@x.com", "https://x.io;owner=me@x.com", "https://x.io|me@x.com", "https://x.io:80,me@x.com",
    "https://docs.corp.com;me@corp.com", "https://h/a@b", "https://a/x,https://b;contact=me@corp.com",
    "// a comment: see user@example.com", "https://h/@scope/package", "",
]  # fmt: skip


@pytest.mark.parametrize(("text", "plain"), SECRET)
def test_what_is_secret_in_an_address_is_named_and_left_out(text: str, plain: str) -> None:
    assert secret_in(text) and without_secrets(text) == plain
    assert (secret_in(plain) == "" and without_secrets(plain) is plain) or "ss@host" in plain


@pytest.mark.parametrize("text", PLAIN)
def test_an_address_without_secrets_stays_as_it_is(text: str) -> None:
    assert secret_in(text) == "" and without_secrets(text) is text
