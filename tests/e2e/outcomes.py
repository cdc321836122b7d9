"""Print what a stream of subunit tells: a line for each test, with its status, name and reason between tabs."""

import re
import sys
from pathlib import Path
from typing import Any

import subunit
import testtools

STATUS = {"success": "pass", "xfail": "pass", "skip": "skip"}


def told(case: dict[str, Any]) -> None:
    """Print one test; of a class that was skipped as a whole, its name."""
    if case["status"] == "exists" or case["id"] == "output":
        return
    # What is in brackets are attributes of the test, not its name.
    name = re.sub(r"\[.*?\]", "", case["id"])
    status = STATUS.get(case["status"], "fail")
    if whole := re.fullmatch(r"(?:setUp|tearDown)Class \((.*)\)", name):
        if status == "pass":
            return
        name = whole[1]
    print(status, name, reason(case, status), sep="\t")  # noqa: T201 - the result


def reason(case: dict[str, Any], status: str) -> str:
    """Give why a test was skipped, or the last line of what was raised."""
    texts = [part.as_text() for name, part in (case["details"] or {}).items() if name in {"reason", "traceback"}]
    if not texts or status == "pass":
        return ""
    text = texts[0] if status == "skip" else texts[0].strip().splitlines()[-1]
    return " ".join(text.split())[:300]


if __name__ == "__main__":
    with Path(sys.argv[1]).open("rb") as stream:
        result = testtools.StreamToDict(told)
        result.startTestRun()
        subunit.ByteStreamToStreamResult(stream, non_subunit_name="output").run(result)
        result.stopTestRun()
