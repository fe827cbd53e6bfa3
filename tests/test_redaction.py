"""What is hidden of a text, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl_eval.redaction import HIDDEN, names_a_secret, redact


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "value-of-the-key")
    monkeypatch.setenv("HF_TOKEN", "value-of-the-key-and-more")
    monkeypatch.setenv("PLAIN_SETTING", "nothing-to-hide")
    monkeypatch.setenv("SHORT_KEY", "abc")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("key value-of-the-key!", f"key {HIDDEN}!"),
        ("value-of-the-key-and-more", HIDDEN),
        ("https://me:pass@host/v1", f"https://{HIDDEN}@host/v1"),
        ("http://h/v1?api_key=abc&b=2", f"http://h/v1?api_key={HIDDEN}&b={HIDDEN}"),
        ("Incorrect key sk-abc123DEF456ghi", f"Incorrect key {HIDDEN}"),
        ("Incorrect key sk-abc***********6ghi.", f"Incorrect key {HIDDEN}."),
        ("token hf_abcdefGHIJKL1234", f"token {HIDDEN}"),
        ("Authorization: Bearer eyJhbGciOi.abc-def", f"Authorization: Bearer {HIDDEN}"),
    ],
)
def test_secrets_are_hidden(text: str, told: str) -> None:
    assert redact(text) == told


@pytest.mark.parametrize(
    "text",
    [
        "nothing-to-hide",
        "the alphabet begins with abc",
        "status 400: This model's maximum context length is 8192 tokens",
        "http://127.0.0.1:8000/v1/models",
        "is x = 3 & y = 4?",
        "write to someone@example.org",
        "a risk-averse task-specific gh-pages branch",
    ],
)
def test_ordinary_text_is_not_touched(text: str) -> None:
    assert redact(text) == text


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_secret_is_found_in_any_text(before: str, after: str) -> None:
    assert "value-of-the-key" not in redact(f"{before}value-of-the-key{after}")


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "hf_token", "DB_PASSWORD", "AWS_SECRET"])
def test_variables_that_hold_secrets_are_known_by_name(name: str) -> None:
    assert names_a_secret(name)
    assert not names_a_secret("OPENAI_BASE_URL")
