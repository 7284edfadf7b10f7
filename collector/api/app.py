"""The web application: REST, event stream and page behind guard and token; every error in one shape."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from collector.api import models
from collector.api.guard import Guard
from collector.api.routes import Api
from collector.api.stream import EventStream
from collector.api.token import Token
from collector.ingest.nodes import Nodes
from collector.store.errors import QueryTooSlowError, StoreError

CONSOLE = Path(__file__).parent.parent / "console" / "dist"


def build(api: Api, stream: EventStream, nodes: Nodes, token: Token | None, hosts: list[str], version: str) -> FastAPI:
    """
    Put the application together.

    Args:
        token: What every call but `health` must carry; None asks for nothing.
        hosts: Names besides loopback ones that it may be asked for under.
    """
    app = FastAPI(
        title="Ringfence collector",
        version=version,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    guarded = [Depends(_check(token))] if token else []
    app.include_router(_health(nodes, version))
    app.include_router(api.router, dependencies=guarded)
    app.include_router(stream.router, dependencies=guarded)
    _add_errors(app)
    _add_console(app)
    app.add_middleware(Guard, hosts=hosts)
    return app


def _health(nodes: Nodes, version: str) -> APIRouter:
    router = APIRouter(prefix="/api/v1")

    @router.get("/health", summary="Whether the collector works")
    async def health() -> models.Health:
        known = nodes.all()
        connected = sum(1 for node in known if node.session)
        return models.Health(status="ok", version=version, nodes=len(known), connected=connected)

    return router


def _check(token: Token) -> Callable[[Request], Awaitable[None]]:
    async def check(request: Request) -> None:
        if not token.matches(request.headers.get("authorization")):
            raise HTTPException(401, "a token is needed: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})

    return check


def _add_errors(app: FastAPI) -> None:
    """Every error's body is `{"detail": text}`; what went wrong inside is logged, not told."""

    @app.exception_handler(StarletteHTTPException)
    async def refused(_: Request, error: StarletteHTTPException) -> JSONResponse:
        return JSONResponse({"detail": str(error.detail)}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return JSONResponse({"detail": f"{place}: {first['msg']}"}, 422)

    @app.exception_handler(StoreError)
    async def failed(_: Request, error: StoreError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 400 if isinstance(error, QueryTooSlowError) else 503)


def _add_console(app: FastAPI) -> None:
    """The built page at `/`; where it was not built, one sentence."""
    if (CONSOLE / "index.html").is_file():
        app.frontend("/", directory=CONSOLE, fallback="index.html")
        return

    @app.get("/", include_in_schema=False)
    async def missing() -> JSONResponse:
        return JSONResponse({"detail": "the console is not built; the REST API is under /api/v1"}, 404)
