"""``leadloop keys``: made for those who are there, and listed with all that is known of them."""

import asyncio
import re
from typing import Any

import pytest

from shared.access import Access, Principal, Role

REPS = [
    {"rep_id": "rep-ana", "name": "Ana Diaz"},
    {"rep_id": "rep-ben", "name": "Ben Ode"},
    {"rep_id": "rep-0198c1d2", "name": "Chloe Tan"},
]


def whose(product: Any, key: str) -> Principal:
    async def asked() -> Principal:
        async with Access.open(product.url) as access:
            return await access.authenticate(f"Bearer {key.strip()}")

    return asyncio.run(asked())


def test_a_key_is_printed_alone_and_works(leadloop: Any, product: Any) -> None:
    made = leadloop("keys", "create", "--role", "marketer", "--label", "Mo's", **product.settings)
    assert (made.returncode, made.stderr) == (0, "")
    assert re.fullmatch(r"ll_marketer_\S{43}\n", made.stdout)
    assert whose(product, made.stdout).role is Role.MARKETER


def test_a_rep_s_key_is_made_for_a_rep_that_routing_knows(leadloop: Any, product: Any) -> None:
    product.reps = REPS
    made = leadloop("keys", "create", "--role", "rep", "--rep", "rep-0198c1d2", **product.settings)
    assert made.returncode == 0, made.stderr
    assert whose(product, made.stdout).rep_id == "rep-0198c1d2"


@pytest.mark.parametrize(
    ("reps", "wanted", "words"),
    [
        (REPS, "rep-anna", "there is no rep 'rep-anna'; did you mean rep-ana (Ana Diaz)"),
        (REPS, "chloe", "did you mean rep-0198c1d2 (Chloe Tan)?"),
        (REPS, "ANA DIAZ", "did you mean rep-ana (Ana Diaz)?"),
        (REPS, "zzz", "there are 3: rep-ana (Ana Diaz), rep-ben (Ben Ode), rep-0198c1d2"),
        ([], "rep-ana", "there are none yet"),
        ([{**REPS[0], "status": "gone"}], "rep-ana", "Ana Diaz (rep-ana) is gone"),
    ],
)
def test_an_unknown_rep_gets_no_key(
    leadloop: Any, product: Any, reps: list[dict[str, Any]], wanted: str, words: str
) -> None:
    product.reps = reps
    made = leadloop("keys", "create", "--role", "rep", "--rep", wanted, **product.settings)
    assert (made.returncode, made.stdout) == (1, "")
    assert words in made.stderr
    assert "rep " not in leadloop("keys", "list", **product.settings).stdout.replace("REP ", "")


def test_while_the_product_does_not_run_no_rep_is_known(leadloop: Any, product: Any) -> None:
    made = leadloop("keys", "create", "--role", "rep", "--rep", "rep-ana", PORT="1")
    assert (made.returncode, made.stdout) == (1, "")
    assert made.stderr.startswith("routing does not answer (ConnectError): is the product running?")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--role", "rep"], "need --rep"),
        (["--role", "admin", "--rep", "x"], "only these take one"),
        (["--role", "boss"], "'boss' is not one of"),
        (["--role", "form", "--label", "x" * 201], "at most 200 characters"),
        (["--role", "form", "--label", "two\nlines"], "one line"),
        (["--role", "form", "--label", "\udcff"], "one line"),
    ],
)
def test_wrong_usage_is_told_from_what_went_wrong(
    leadloop: Any, arguments: list[str], words: str
) -> None:
    ended = leadloop("keys", "create", *arguments)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_list_shows_what_is_known_of_each_key(leadloop: Any, product: Any) -> None:
    product.reps = REPS
    key = leadloop(
        "keys", "create", "--role", "rep", "--rep", "rep-ana", "--label", "hers", **product.settings
    ).stdout.strip()

    async def used() -> None:
        async with Access.open(product.url) as access:
            await access.authenticate(f"Bearer {key}")
            await access.refresh()

    asyncio.run(used())
    listed = leadloop("keys", "list").stdout.splitlines()
    assert listed[0].split() == ["ID", "ROLE", "REP", "MADE", "LAST", "USED", "STATE", "LABEL"]
    assert re.fullmatch(r"key_\S+ +admin +- +\S+ \S+ +.+ +active +first", listed[1])
    day = r"20\d\d-\d\d-\d\d \d\d:\d\d"
    assert re.fullmatch(rf"key_\S+ +rep +rep-ana +{day} +{day} +active +hers", listed[2])
    assert leadloop("keys", "revoke", key).stdout == "revoked\n"
    listed = leadloop("keys", "list").stdout.splitlines()
    assert listed[2].split()[-2:] == ["revoked", "hers"]
    assert key not in "".join(listed)


def test_a_key_that_was_never_used_says_so(leadloop: Any, product: Any) -> None:
    leadloop("keys", "create", "--role", "form")
    assert "never" in leadloop("keys", "list").stdout.splitlines()[2]


@pytest.mark.parametrize("key", ["key_of_nobody", "ll_admin_x", "", "\udcff"])
def test_revoking_what_is_no_key_says_so(leadloop: Any, product: Any, key: str) -> None:
    ended = leadloop("keys", "revoke", key)
    assert ended.returncode == 1
    assert ended.stderr in ("no such active key\n", "that is no text\n")
