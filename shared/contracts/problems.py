"""The one error shape of the public interface: RFC 9457 problem details."""

from typing import Any


class Problem(Exception):
    """An answer to a caller that went wrong, rendered as ``application/problem+json``.

    ``detail`` says what to do about it and holds no personal data. ``extra`` members go into the
    document as they are, for example ``state`` of a conflict or ``errors``, a list of
    ``{"pointer", "detail"}`` with JSON pointers (RFC 6901) into the request body.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers or {}
        self.extra = extra

    def document(self) -> dict[str, Any]:
        """The problem as JSON-ready members."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.extra,
        }
