"""Request bodies as Django expects them: of a known length, and read to the end."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any, Final, Protocol

type Environ = dict[str, Any]
type Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

CHUNK: Final = 64 * 1024  # bytes


class Input(Protocol):
    """`wsgi.input`, as far as it is needed here."""

    def read(self, size: int, /) -> bytes: ...


def whole_bodies(application: Application, *, largest: int) -> Application:
    """A WSGI application whose bodies of up to `largest` bytes have a length, and leave nothing on the connection.

    A chunked body comes without a length, which to Django means that there is none: it is read first, and
    its length set (beyond `largest`: just above it, for whoever refuses by length).

    What is answered without a look at the body (401, 429 ...) would leave the body on the connection. The server
    then closes a connection that the client believes to be kept, and its next request is lost now and then.
    What is larger than `largest` is left: reading it would cost more than a new connection.
    """

    def read_whole(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        body: Input = environ["wsgi.input"]
        if "HTTP_TRANSFER_ENCODING" in environ:
            content = _read(body, largest + 1)
            environ["wsgi.input"] = BytesIO(content)
            environ["CONTENT_LENGTH"] = str(len(content))
        answer = application(environ, start_response)
        if 0 < _length(environ) <= largest:
            while body.read(CHUNK):
                pass
        return answer

    return read_whole


def _read(body: Input, most: int) -> bytes:
    parts = []
    while most > 0 and (part := body.read(min(most, CHUNK))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def _length(environ: Environ) -> int:
    try:
        return int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
