"""A refusal names the word that was probably meant, where that is quickly found."""

from __future__ import annotations

from treering.kernel.refusal import instead


def test_the_word_most_like_it_is_named() -> None:
    assert "did you mean 'job.completed'?" in instead("job.compleeted", ["job.completed", "model.created"])


def test_words_that_are_too_many_or_too_long_to_compare_are_only_listed() -> None:
    for known in (
        [f"word{number}" for number in range(10_000)],
        [f"{'abcdefgh' * 17}.{number}" for number in range(1000)],
    ):
        said = instead(f"{known[0]}x", known)
        assert "did you mean" not in said and said.startswith("; there are ") and said.endswith(" more")
