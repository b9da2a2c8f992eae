"""The three encodings of a submission, brought to one: JSON bytes."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from shared.contracts.problems import Problem

JSON: Final = "application/json"
URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
_UTF8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_MAX_FORM_FIELDS: Final = 200


async def as_json(content_type: str, body: bytes) -> bytes:
    """The body as JSON. Raises Problem 400 for what is not what it says it is, 415 for another
    media type or character set."""
    media, charset = media_type(content_type)
    if media == JSON or (media.startswith("application/") and media.endswith("+json")):
        _only_utf8(charset)
        return body
    if media in (URLENCODED, MULTIPART):
        return orjson.dumps(nested(await form_pairs(content_type, body)))
    raise Problem(
        415,
        "Unsupported media type",
        f"Send the lead as {JSON}, {URLENCODED} or {MULTIPART}.",
        headers={"Accept-Post": f"{JSON}, {URLENCODED}, {MULTIPART}"},
    )


async def form_pairs(content_type: str, body: bytes) -> list[tuple[str, str]]:
    """Names and values of an HTML form. Raises Problem 400 or 415."""
    media, charset = media_type(content_type)
    _only_utf8(charset)
    return _urlencoded(body) if media == URLENCODED else await _multipart(content_type, body)


def media_type(content_type: str) -> tuple[str, str]:
    """Media type and charset parameter (empty when not given), in lower case."""
    media, _, parameters = content_type.partition(";")
    charset = ""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
    return media.strip().lower(), charset


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Form pairs as members: ``consent.granted`` and ``consent[granted]`` go into ``consent``,
    ``fields.x`` and ``fields[x]`` into ``fields``; a name given twice makes a list. Values that
    are empty are left out, as a browser sends every empty input."""
    flat: dict[str, Any] = {}
    for name, value in pairs:
        if not value:
            continue
        name = name.removesuffix("[]")
        if name in flat:
            earlier = flat[name]
            flat[name] = [*(earlier if isinstance(earlier, list) else [earlier]), value]
        else:
            flat[name] = value
    return _grouped(flat)


def _grouped(flat: Mapping[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    groups: dict[str, dict[str, Any]] = {}
    for name, value in flat.items():
        group, inner = _inner(name)
        if inner:
            groups.setdefault(group, {})[inner] = value
        elif name in ("consent", "fields") and isinstance(value, str) and value[:1] in "{[":
            try:
                members[name] = orjson.loads(value)
            except orjson.JSONDecodeError:
                members[name] = value
        else:
            members[name] = value
    for group, inside in groups.items():
        given = members.get(group)
        members[group] = {**given, **inside} if isinstance(given, dict) else inside
    consent = members.get("consent")
    if isinstance(consent, dict):
        consent.setdefault("granted", False)  # an empty box is not sent, its text is
    return members


def _inner(name: str) -> tuple[str, str]:
    for group in ("consent", "fields"):
        if name.startswith(group + ".") and len(name) > len(group) + 1:
            return group, name[len(group) + 1 :]
        if name.startswith(group + "[") and name.endswith("]"):
            return group, name[len(group) + 1 : -1]
    return "", ""


def _only_utf8(charset: str) -> None:
    if charset and charset not in _UTF8:
        raise Problem(415, "Unsupported character set", "Send the lead in UTF-8.")


def _urlencoded(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("ascii", "strict") if body.isascii() else body.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_FORM_FIELDS,
        )
    except UnicodeDecodeError:
        raise Problem(400, "Not readable", "The form is not in UTF-8.") from None
    except ValueError:
        raise Problem(
            400, "Not readable", f"The form has more than {_MAX_FORM_FIELDS} fields."
        ) from None


async def _multipart(content_type: str, body: bytes) -> list[tuple[str, str]]:
    async def once() -> Any:
        yield body

    parser = MultiPartParser(
        Headers({"content-type": content_type}),
        once(),
        max_files=_MAX_FORM_FIELDS,
        max_fields=_MAX_FORM_FIELDS,
        max_part_size=65536,
    )
    try:
        form = await parser.parse()
    except (MultiPartException, MultipartParseError, KeyError, ValueError, AssertionError):
        raise Problem(400, "Not readable", "The multipart form is broken.") from None
    if b"--" in body and not form.multi_items() and b"name=" in body:
        raise Problem(400, "Not readable", "The multipart form is broken.")
    try:
        # A browser sends a file field that was left empty, too: without a name, without content.
        if any(
            isinstance(value, UploadFile) and (value.filename or value.size)
            for _, value in form.multi_items()
        ):
            raise Problem(400, "Not readable", "A lead takes no files.")
        return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    finally:
        await form.close()
