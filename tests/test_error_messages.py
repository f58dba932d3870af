"""What every message has in common: one line that says where, what was expected, what was found, what to do."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

from dev.errors_page import EXIT_CODES
from dev.messages.sources import Message, Sources, UnreadableMessageError
from tiles2zarr import errors
from tiles2zarr.errors import CODES

if TYPE_CHECKING:
    from pathlib import Path

# What a remedy begins with: it tells somebody to do something.
VERBS = (
    "add ask call check choose convert copy correct export find free give install keep make mend mount move name quote "
    "raise remove rename repair restore run save say see set split use validate"
).split()
REMEDY = re.compile(rf"[:;,.)] (?:(?:or|it) )?(?:{'|'.join(VERBS)})\b|\?$")
EXPECTED_AND_FOUND = re.compile(r"expected .*(?:found|decoded|claims|says|asked for)\b")
# Of a value that somebody wrote, what was expected is what to write; it need not be said twice.
EXPECTED = re.compile(r"expected (?:a |an |one |some |at |lists|KEY=|rows|auto|either|from )")
# Files that nothing can mend but another copy say so in a word.
HOPELESS = re.compile(r"(?:damaged|truncated|never finished|not supported)(?: \(.*\))?(?:: .*)?$")

# Messages that have another form, each with the reason why.
EXCEPTIONS = {
    "the values it saw are": "the values are what a filter may name",
    "unknown field": "the fields are what a filter may name",
    "argument {said}": "what pydantic says of an argument",
    "cannot be read: {reason}": "the system's own reason: only the user knows what to do about it",
    "cannot be read ({reason})": "the system's own reason",
    "cannot be opened ({reason})": "the system's own reason",
    "cannot be written: {reason}": "the system's own reason",
    "no CSV table: {reason}": "the reason of the reader, with the line",
    "no Parquet table: {error}": "the reason of the reader",
    "expected metadata as the specification": "the specification's own words follow",
    "have no tiles": "may be meant",
    "expected one of the plate's acquisitions": "they are named",
    "its value is nested too deeply": "no option is: nothing can be said of it",
    "{first}, found": "what was expected is said by the option",
    "found no group": "a bug of the caller, no input makes it",
    "counts too far": "the reason of the regular expression",
}


@cache
def messages() -> tuple[Message, ...]:
    return tuple(Sources().messages())


def forms() -> list[tuple[Message, str]]:
    return [(message, said) for message in messages() for said in message.said()]


def is_exception(said: str) -> bool:
    return any(words in said for words in EXCEPTIONS)


def passes_on(said: str) -> bool:
    """Whether it is the place, and then what another message says."""
    return re.search(r"(?:^|: |option )\{(?:message of [^}]*|reason)\}", said) is not None


def test_the_messages_are_found() -> None:
    assert len(messages()) > 150
    assert {"Finding", "OptionsError", "SourceError", "OutputError", "ValueError"} <= {
        m.kind for m in messages()
    }


def test_every_message_is_one_line() -> None:
    wrong = [
        said for _, said in forms() if not said or not said.isprintable() or said.endswith((".", ":", ";"))
    ]
    assert wrong == []


def test_every_error_says_where_first() -> None:
    wrong = [
        f"{message.module}: {said}"
        for message, said in forms()
        if message.kind.endswith("Error") and message.kind != "ValueError"
        if not re.match(r"[^:]+: |unknown |expected at most \d+ images", said) and not is_exception(said)
    ]
    assert wrong == [], (
        "begin with the tile, file, option or place: `{place}: expected …, found …: what to do`"
    )


def test_every_message_says_what_was_expected_and_found_or_what_to_do() -> None:
    wrong = [
        f"{message.module}: {said}"
        for message, said in forms()
        if message.severity != "info" and message.kind != "ValueError"
        if not any(form.search(said) for form in (EXPECTED_AND_FOUND, EXPECTED, REMEDY, HOPELESS))
        and not passes_on(said)
        and not is_exception(said)
    ]
    assert wrong == [], (
        "write `{place}: expected …, found …: what to do`, or justify another form in EXCEPTIONS"
    )


def test_every_finding_that_refuses_or_warns_says_what_to_do() -> None:
    wrong = [
        f"{message.module}: {said}"
        for message, said in forms()
        if message.kind == "Finding" and message.severity != "info"
        if not REMEDY.search(said) and not passes_on(said) and not is_exception(said)
    ]
    assert wrong == [], "end with a remedy: `expected …, found …: what to do`"


def test_every_exception_is_needed() -> None:
    unused = [words for words in EXCEPTIONS if not any(words in said for _, said in forms())]
    assert unused == [], "no message has these words any more: remove them from EXCEPTIONS"


def test_every_code_of_a_finding_is_explained() -> None:
    places: dict[str, str] = {
        m.code: f"{m.module}, line {m.line}" for m in messages() if m.code not in ("", "*")
    }
    unknown = {code: place for code, place in places.items() if code not in CODES}
    assert unknown == {}, "add these codes to CODES in src/tiles2zarr/errors.py: what they mean, what to do"
    unused = set(CODES) - set(places)
    assert unused == set(), (
        "no finding has these codes any more: remove them from CODES in src/tiles2zarr/errors.py"
    )


def test_codes_are_words_and_their_explanations_are_sentences() -> None:
    for code, explained in CODES.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code), code
        for text in (explained.meaning, explained.remedy):
            assert text.isprintable() and text.endswith("."), text


def test_every_class_of_the_tree_has_an_exit_code() -> None:
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.Tiles2ZarrError)
    }
    assert set(EXIT_CODES) == classes
    assert all(name in (errors.__doc__ or "") for name in classes)


UNREADABLE = [
    "raise SourceError(msg)",
    "raise SourceError(build(1))",
    "raise SourceError(f'{a}: {b}')",
    "Finding('error', code, where, 'expected a file, found none')",
]
READABLE = {
    "msg = f'{file}: expected one, found {n}'\n    raise SourceError(msg)": [
        "{file}: expected one, found {n}"
    ],
    "raise SourceError('a: expected one' + (', or two' if n else ''))": ["a: expected one[, or two]"],
    "if n:\n        msg = 'expected one'\n    else:\n        msg = 'expected two'\n    raise SourceError(msg)": [
        "expected one",
        "expected two",
    ],
    "raise refused(f'expected {n} files')": ["place: expected {n} files"],
    "try:\n        go()\n    except SourceError as error:\n        raise OutputError(str(error))": [
        "{message of SourceError}"
    ],
}


def collected(folder: Path, body: str) -> list[str]:
    """The messages of a package of one function."""
    package = folder / "tiles2zarr"
    package.mkdir()
    (package / "made.py").write_text(
        "class SourceError(Tiles2ZarrError): ...\nclass OutputError(Tiles2ZarrError): ...\n\n"
        f"def made(a, b, code, where, file, n):\n    {body}\n\n"
        "def refused(problem: str):\n    return SourceError(f'place: {problem}')\n"
    )
    return [message.shown() for message in Sources(package).messages()]


@pytest.mark.parametrize("body", UNREADABLE)
def test_a_message_that_cannot_be_followed_is_no_silence(tmp_path: Path, body: str) -> None:
    with pytest.raises(
        UnreadableMessageError, match=r"made\.py:\d+: a message that dev/messages cannot follow"
    ):
        collected(tmp_path, body)


@pytest.mark.parametrize(("body", "expected"), READABLE.items(), ids=range(len(READABLE)))
def test_messages_are_followed_through_variables_conditions_and_calls(
    tmp_path: Path, body: str, expected: list[str]
) -> None:
    found = [said for said in collected(tmp_path, body) if said != "place: {problem}"]
    assert sorted(found) == sorted(expected)
