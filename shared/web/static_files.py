"""Serves the shell's static files and those of the services in this process."""

import os
from collections.abc import Mapping
from pathlib import Path

from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"


class FingerprintedFiles(StaticFiles):
    """Static files that browsers keep for a year when asked for with a fingerprint (``?v=…``)."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """The file, with the headers that say how long it may be kept."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        fingerprinted = scope.get("query_string", b"").startswith(b"v=")
        response.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable" if fingerprinted else "no-cache"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def static_mounts(services: Mapping[str, Path]) -> list[Mount]:
    """The routes for ``/static``: one per service with static files, then the shell's own.

    ``services`` maps a service's name to its folder; its files are in ``web/static`` there.
    """
    mounts = [
        Mount(f"/static/{name}", FingerprintedFiles(directory=folder / "web" / "static"))
        for name, folder in services.items()
        if (folder / "web" / "static").is_dir()
    ]
    return [*mounts, Mount("/static", FingerprintedFiles(directory=STATIC), name="static")]
