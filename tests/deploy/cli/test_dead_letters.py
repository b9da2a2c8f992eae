"""``leadloop dead-letters``: shown, tried again, given up when somebody says so."""

import json
import os
import pty
import re
import subprocess
import sys
from typing import Any

import pytest


def typed(leadloop: Any, product: Any, answer: str, *arguments: str) -> tuple[int, str]:
    """The command at a terminal at which somebody types; its exit status and what it said."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "deploy", *arguments],
        cwd=leadloop.folder,
        env=leadloop.environment(**product.settings),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        os.write(ours, answer.encode())
        said, _ = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    return process.returncode, said


def test_all_are_listed_or_those_of_one_service(leadloop: Any, product: Any) -> None:
    for number in (1, 2, 3):
        product.letter("capture", number)
    product.letter("routing", 4, "parked")
    listed = leadloop("dead-letters", "list", **product.settings)
    assert listed.returncode == 0
    assert len(listed.stdout.splitlines()) == 4
    assert "4 letters" in listed.stderr
    [line] = leadloop("dead-letters", "list", "routing", **product.settings).stdout.splitlines()
    assert re.fullmatch(
        r"routing +4 parked +lead.captured.v1 +key lead-7 +lead.captured/2@41 +ValueError in \S+",
        line,
    )


def test_one_is_shown_with_its_event(leadloop: Any, product: Any) -> None:
    product.letter("qualify", 5)
    shown = leadloop("dead-letters", "show", "qualify", "5", **product.settings)
    assert json.loads(shown.stdout)["event"] == "{}"
    gone = leadloop("dead-letters", "show", "qualify", "6", **product.settings)
    assert gone.returncode == 1
    assert gone.stderr == "qualify answered 404: It may have been replayed already.\n"


def test_they_are_replayed_and_the_status_says_whether_it_helped(
    leadloop: Any, product: Any
) -> None:
    assert leadloop("dead-letters", "replay", **product.settings).returncode == 0
    assert product.replayed == [(n, None) for n in ("capture", "qualify", "routing", "feedback")]
    product.replayed, product.fails_again = [], 1
    ended = leadloop("dead-letters", "replay", "routing", "--id", "7", **product.settings)
    assert ended.returncode == 1
    assert product.replayed == [("routing", "7")]
    assert " ".join(ended.stdout.split()) == "routing 1 replayed, 1 failed again"


def test_nobody_there_to_be_asked_gives_nothing_up(leadloop: Any, product: Any) -> None:
    product.letter("routing", 7)
    ended = leadloop("dead-letters", "discard", "routing", "7", **product.settings)
    assert ended.returncode == 1
    assert "--yes" in ended.stderr
    assert product.letters["routing"] != []


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_it_is_asked_before_one_is_given_up(
    leadloop: Any, product: Any, answer: str, status: int
) -> None:
    product.letter("routing", 7)
    ended, said = typed(leadloop, product, answer, "dead-letters", "discard", "routing", "7")
    assert ended == status, said
    assert "Give up lead.captured.v1 of key lead-7 (ValueError in on_captured) for good?" in said
    assert (product.letters["routing"] == []) == (status == 0)


def test_yes_asks_nothing(leadloop: Any, product: Any) -> None:
    product.letter("routing", 7)
    ended = leadloop("dead-letters", "discard", "routing", "7", "--yes", **product.settings)
    assert (ended.returncode, ended.stdout) == (0, "discarded\n")
    assert product.letters["routing"] == []
    again = leadloop("dead-letters", "discard", "routing", "7", "--yes", **product.settings)
    assert again.returncode == 1
    assert "404" in again.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        "list nobody",
        "show routing",
        "show routing abc",
        "show routing 0",
        "show routing -- -4",
        "show routing -4",
        "show routing 99999999999999999999",
        "show nobody 1",
        "replay nobody",
        "replay routing --id abc",
        "replay routing --id -1",
        "replay routing --id 1.5",
        "replay --id 4",
        "discard routing 99999999999999999999 --yes",
        "discard nobody 1 --yes",
        "nothing",
    ],
)
def test_wrong_usage_is_told_from_what_went_wrong(leadloop: Any, arguments: str) -> None:
    ended = leadloop("dead-letters", *arguments.split())
    assert ended.returncode == 2
    assert ended.stderr.startswith("Usage: ")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("said", ["<html>", "[1]", "null", '"x"', "\udcff"])
@pytest.mark.parametrize("status", [200, 404])
def test_a_stranger_at_the_port_is_told_from_the_product(
    leadloop: Any, product: Any, said: str, status: int
) -> None:
    product.strange = (said, status)
    where = f"capture=http://127.0.0.1:{product.port}/strange"
    ended = leadloop("dead-letters", "list", "capture", LEADLOOP_SERVICE_URLS=where)
    assert ended.returncode == 1
    assert f"what answers for capture ({status}) is not the product" in ended.stderr
