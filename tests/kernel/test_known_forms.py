"""Keys and tokens of known forms are found wherever they stand in a text, and nothing else is."""

from __future__ import annotations

import pytest

from treering.kernel.known_forms import is_known, without_known

C = "canary0123456789"
JWT = f"eyJhbGciOiJIUzI1NiJ9.eyJ{C}.{C}"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\\n{C}\\n-----END RSA PRIVATE KEY-----"
SECRETS = {
    f"ghp_{C}aaaaaaaa": "***",
    f"see github_pat_{C}_aaaaaaaaa, please": "see ***, please",
    f"(glpat-{C}aaaaaa)": "(***)",
    "AKIAABCDEFGHIJKLMNOP": "***",
    f"xoxb-1234567890-{C}": "***",
    f"hf_{C}aaaaaaaaaaaaaa": "***",
    f"sk-proj-{C}{C}": "***",
    f"sk_live_{C}": "***",
    f"npm_{C}aaaaaaaaaaaaaaaa": "***",
    f"pypi-AgEIcHlwaS5vcmc{C}{C}{C}": "***",
    f"abc8Q~{C}{C}": "***",
    f"x {JWT} y": "x *** y",
    f"a {PEM} b": "a *** b",
    f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{C}": "***",
    f"AccountName=a;AccountKey={C}aaaa==;E=x": "AccountName=a;AccountKey=***;E=x",
    f"Endpoint=sb://n/;SharedAccessKey={C}aaaa=": "Endpoint=sb://n/;SharedAccessKey=***",
    f"?sv=1&sig={C}%3D&se=2": "?sv=1&sig=***&se=2",
    f"aws_secret_access_key = {C}aaaa": "aws_secret_access_key = ***",
    f"Driver=x;Uid=a;Pwd={C};": "Driver=x;Uid=a;Pwd=***;",
    f"jdbc:sqlserver://h;user=a;password={C};e=1": "jdbc:sqlserver://h;user=a;password=***;e=1",
    f"Authorization: Basic {C}==": "Authorization: Basic ***",
    f"{{'authorization': 'Bearer {C}'}}": "{'authorization': 'Bearer ***'}",
    f"machine h login me password {C}": "machine h login me password ***",
    f'{{"auths": {{"r": {{"auth": "{C}"}}}}}}': '{"auths": {"r": {"auth": "***"}}}',
    f"https://hooks.slack.com/services/T0/B0/{C}": "https://hooks.slack.com/services/***",
    f"https://discord.com/api/webhooks/1/{C}": "https://discord.com/api/webhooks/1/***",
    f"https://api.telegram.org/bot1:{C}/sendMessage": "https://api.telegram.org/bot***/sendMessage",
    f"https://x.webhook.office.com/webhookb2/{C}@t/I/a": "https://x.webhook.office.com/webhookb2/***",
    f"https://conda.anaconda.org/t/{C}/c": "https://conda.anaconda.org/t/***/c",
    f"\u0130 ghp_{C}aaaaaaaa \u0130": "\u0130 *** \u0130",
}
PLAIN = [
    "", "ghp_short", "eyJ.eyJ.x", "sk-learn", "the password is in the vault", "password=", "; password=$DB_PASSWORD",
    "Authorization: Bearer $TOKEN", "Authorization: Bearer ${{inputs.t}}", "?sig=$SIG", "significant=1",
    "AccountKey=$KEY", "machine learning with a password", "https://hooks.slack.com/services/$PATH",
    "aws_secret_access_key=$S", '"auth": "oauth"', "-----BEGIN PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----",
    "anaconda.org/t/", "AKIA is a prefix", "machine h login me password $PW", "Pwd=;",
    "taskgroup_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "xox",
]  # fmt: skip


@pytest.mark.parametrize("text", SECRETS)
def test_what_is_secret_is_taken_out_and_the_rest_stays(text: str) -> None:
    left = without_known(text)
    assert is_known(text) and left == SECRETS[text] and C not in left
    assert not is_known(left) and without_known(left) is left


@pytest.mark.parametrize("text", PLAIN)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert not is_known(text) and without_known(text) is text


def test_many_in_one_text_are_all_found() -> None:
    text = " ".join(SECRETS)
    assert C not in without_known(text)
