"""A browser without JavaScript: keeps a session and sends forms as they stand on the page."""

import re
from html import unescape

import httpx


class Browser:
    """Somebody who is logged in."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def open(self, path: str) -> httpx.Response:
        return await self.client.get(path, headers={"Accept": "text/html"}, follow_redirects=True)

    async def send(self, page: httpx.Response, action: str, **changes: str) -> httpx.Response:
        """Send the form of the page that goes to ``action``, with other values in some fields."""
        fields = {**fields_of(page.text, action), **changes}
        return await self.client.post(
            action, data=fields, headers={"Accept": "text/html"}, follow_redirects=True
        )


def fields_of(html: str, action: str) -> dict[str, str]:
    """The fields of the form that is sent to ``action``."""
    form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', html, re.DOTALL)
    assert form is not None, action
    fields = {}
    for tag in re.findall(r"<input[^>]*>", form[0]):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        assert name is not None
        assert value is not None
        fields[name[1]] = unescape(value[1])
    for name, body in re.findall(r'<select[^>]*name="([^"]*)".*?>(.*?)</select>', form[0], re.S):
        chosen = re.search(r'value="([^"]*)" selected', body)
        fields[name] = unescape(chosen[1]) if chosen else ""
    for name, text in re.findall(
        r'<textarea[^>]*name="([^"]*)"[^>]*>\n?(.*?)</textarea>', form[0], re.S
    ):
        fields[name] = unescape(text)
    return fields


def focused(page: httpx.Response) -> list[str]:
    """The fields that typing begins in."""
    return re.findall(r'<(?:input|textarea) id="([^"]*)"[^>]* autofocus', page.text)
