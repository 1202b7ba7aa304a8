"""Files that pages use: our own, and Plotly's script out of its package."""

import asyncio
import gzip
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request, Response

from monitor.console.render import STATIC
from monitor.errors import NotFound

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_PLOTLY = "plotly.min.js"
_HEADERS = {"X-Content-Type-Options": "nosniff", "Vary": "Accept-Encoding"}


@cache
def _plotly() -> Path:
    # Found, not imported: importing it takes half a second.
    spec = find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise NotFound("plotly is not installed")
    return Path(spec.submodule_search_locations[0]) / "package_data" / _PLOTLY


@cache
def _packed(name: str) -> bytes:
    return gzip.compress(_path(name).read_bytes(), 6, mtime=0)


def _path(name: str) -> Path:
    if name == _PLOTLY:
        return _plotly()
    names = {path.name for path in STATIC.iterdir()}
    if name not in names:
        raise NotFound("there is no such file")
    return STATIC / name


router = APIRouter()


@router.get("/static/{name}")
async def static(request: Request, name: str) -> Response:
    """A file, public: it says nothing of anybody."""
    path = _path(name)
    # Files of ours carry their version in the address where they change; Plotly's only with its package.
    lasting = "v" in request.query_params or name == _PLOTLY
    headers = {**_HEADERS, "Cache-Control": f"public, max-age={86400 if lasting else 300}"}
    if path.suffix == ".png" or "gzip" not in request.headers.get("accept-encoding", ""):
        body = await asyncio.to_thread(path.read_bytes)
    else:
        body = await asyncio.to_thread(_packed, name)
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type=_TYPES[path.suffix])
