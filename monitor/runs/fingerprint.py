"""What makes two errors the same one: their type, the constant part of their message and where they were raised. Pure.

What differs from one occurrence to the next is left out: numbers, ids, addresses, times, paths and quoted values of the
message; directories, line numbers and arguments of the frames. So the same fault has one fingerprint on every machine,
for every user, and after lines were added above it.
"""

import hashlib
import itertools
import re
from collections.abc import Iterator

FRAMES = 6
"""Innermost frames that count."""
MESSAGE_READ = 4096
"""Characters of a message that are looked at."""
MESSAGE_KEPT = 400
"""Characters of a message's constant part that count."""
TRACEBACK_READ = 16_384
"""Characters of a traceback that are looked at: Python's last ones, where its innermost frames are, else the first."""

_VARIABLE = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s'\"<>)\]}]+",
        # An apostrophe within a word opens nothing.
        r"(?<!\w)'(?:\\.|[^'\\\n]){0,1000}'(?!\w)",
        r'"(?:\\.|[^"\\\n]){0,1000}"',
        r"`[^`\n]{0,1000}`|“[^”\n]{0,1000}”|‘[^’\n]{0,1000}’|«[^»\n]{0,1000}»",
        r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+",
        r"(?<![\w:])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])",
        r"\b[A-Za-z]:\\[^\s:*?<>|,;]+",
        r"(?<![\w.*])(?:~|\.{1,2})?/[\w.@%+~=-]+(?:/[\w.@%+~=-]*)*",
        # A prefix and a random part, as providers spell their ids, with or without a digit.
        r"(?<![\w-])[A-Za-z]{2,10}[_-][A-Za-z0-9]{16,}(?![\w-])",
        r"(?<![\w-])[0-9a-fA-F]{8,}(?![\w-])",
        # Anything with a digit in it: numbers, their signs, fractions and units, times, versions, names with a number.
        r"(?<![\w-])\+?[\w-]*\d[\w-]*(?:[.,:][\w-]*\d[\w-]*)*%?",
    )
)
# However long a list of values is, it is a list of values.
_SEVERAL = re.compile(r"\*(?:[\s,;/|.:-]+\*)+")
_SPACE = re.compile(r"\s+")

_PYTHON = re.compile(r'^[ \t|+-]*File "([^"\n]+)", line \d+(?:, in ([^\n]+))?', re.MULTILINE)
_PYTHON_CHAIN = re.compile(r"^(?:During handling of the above|The above exception was)[^\n]*$", re.MULTILINE)
_JAVA = re.compile(r"^[ \t]*at ([\w.$<>@/-]+?)(?:/0x[0-9a-f]+)?\.([\w$<>-]+)\(([^():\n]*)(?::\d+)?\)", re.MULTILINE)
_V8 = re.compile(r"^[ \t]*at (?:(?:async |new )?([^\s(][^(\n]*?) \()?([^\s()][^()\n]*?):\d+(?::\d+)?\)?$", re.MULTILINE)
_GECKO = re.compile(r"^([^\s@]{0,200})@(\S+?):\d+(?::\d+)?$", re.MULTILINE)
_GO = re.compile(r"^(?:created by )?(\S[^\n]*?)(?:\([^()\n]*\)| in goroutine \d+)?\n\t(\S[^\n]*?):\d+", re.MULTILINE)
_CAUSE = re.compile(r"^[ \t]*(?:Caused by|\[cause\])", re.MULTILINE)
_HEADLINE = re.compile(
    r"^(?:Exception in thread \S+ |Uncaught |panic: )?([A-Za-z_][\w.$]*)(?:: ([^\n]*))?$", re.MULTILINE
)
_HASHED = re.compile(r"(?=[a-f]*\d)[0-9a-f]{6,}|\d{3,}|(?<=Lambda\$)\d+")


def fingerprint(error_type: str | None, message: str | None, traceback: str | None) -> str:
    """16 hex digits: the same for two errors where a person would call them the same.

    What is not given is taken from the traceback's own headline, and a message that is a traceback counts as one.
    """
    if not traceback and message and any(True for _ in frames(message)):
        traceback, message = message, None
    raised = list(itertools.islice(frames(traceback or ""), FRAMES))
    if raised and not (error_type and message):
        named, told = _headline(traceback or "")
        error_type, message = error_type or named, message or told
    parts = [(error_type or "").strip()[:200], constant_part(message or ""), *raised]
    return hashlib.blake2b("\n".join(parts).encode(errors="replace"), digest_size=8).hexdigest()


def constant_part(message: str) -> str:
    """A message with `*` for whatever differs between occurrences, on one line, cut at `MESSAGE_KEPT`."""
    text = message[:MESSAGE_READ]
    for pattern in _VARIABLE:
        text = pattern.sub("*", text)
    return _SPACE.sub(" ", _SEVERAL.sub("*", text)).strip()[:MESSAGE_KEPT]


def frames(traceback: str) -> Iterator[str]:
    """`file:function` of each frame, innermost first, of a traceback as Python, Java, JavaScript or Go write one.

    Of exceptions that caused others only the one that was raised last counts. Repetitions, as of a function that calls
    itself, count once.
    """
    for name, _ in itertools.groupby(_frames(traceback)):
        yield name


def _frames(traceback: str) -> Iterator[str]:
    if 'File "' in traceback:
        last = _PYTHON_CHAIN.split(traceback[-TRACEBACK_READ:])[-1]
        found = [(file, function or "") for file, function in _PYTHON.findall(last)]
        yield from (_frame(file, function) for file, function in reversed(found))
        return
    read = traceback[:TRACEBACK_READ]
    if goroutine := re.search(r"^goroutine \d+ .*$", read, re.MULTILINE):
        ours = read[goroutine.end() :].lstrip("\n").partition("\n\n")[0]
        yield from (_frame(file, function.rpartition("/")[2]) for function, file in _GO.findall(ours))
        return
    raised = _CAUSE.split(read, maxsplit=1)[0]
    if java := _JAVA.findall(raised):
        for owner, function, file in java:
            known = file.endswith((".java", ".kt", ".scala", ".groovy", ".clj"))
            yield _frame(file if known else owner.rpartition(".")[2], function)
        return
    for function, file in _V8.findall(raised) or _GECKO.findall(raised):
        yield _frame(file, function.partition(" [as ")[0])


def _frame(file: str, function: str) -> str:
    base = re.split(r"[/\\]", file.partition("?")[0])[-1]
    return f"{_HASHED.sub('*', base)}:{_HASHED.sub('*', function.strip())}"


def _headline(traceback: str) -> tuple[str | None, str | None]:
    """Type and message as a traceback itself tells them: in Python's last lines, elsewhere in the first."""
    if 'File "' in traceback:
        tail = traceback[-TRACEBACK_READ:]
        after = max(found.end() for found in _PYTHON.finditer(tail))
        # Below the last frame stands its source line, indented; the headline is not.
        found = _HEADLINE.search(tail, after)
    else:
        found = _HEADLINE.search(traceback[:TRACEBACK_READ])
    return (found[1], found[2]) if found else (None, None)
