"""Load the guide's data, once, and serve it: ``python -m example_app --help``."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from waitress import create_server

from example_app import create_app
from example_app.geonames import CITY_SETS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m example_app", description=__doc__)
    parser.add_argument(
        "--cities",
        type=int,
        choices=sorted(CITY_SETS),
        help="load the cities from this population on, in place of those that are loaded",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="default: 127.0.0.1, this machine alone"
    )
    parser.add_argument(
        "--port",
        type=int,
        default=os.environ.get("PORT", "5000"),
        help="default: the variable PORT, else 5000",
    )
    options = parser.parse_args()
    try:
        app = create_app(settings_of(options))
    except KeyboardInterrupt:
        sys.exit("Interrupted: the database is as it was before.")
    try:
        server = create_server(app, host=options.host, port=options.port)
    except OSError as error:
        sys.exit(f"Port {options.port} cannot be used ({error.strerror}); try PORT=8000.")
    print(f"The city guide is at {url_of(options.host, port_of(server))}/", flush=True)
    server.run()


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    settings: dict[str, Any] = {"CITIES": options.cities} if options.cities else {}
    if options.host not in ("127.0.0.1", "localhost"):
        # Others know the guide by names that it does not: links in mails must not follow those.
        url = url_of(options.host, options.port)
        settings["LOOP_EXTERNAL_URL"] = os.environ.get("CITY_GUIDE_LOOP_EXTERNAL_URL", url)
        settings["TRUSTED_HOSTS"] = None
    return settings


def port_of(server: Any) -> int:
    """The port of a server, which listens at several addresses where its host has several."""
    listening = getattr(server, "effective_listen", None)
    port: int = listening[0][1] if listening else server.effective_port
    return port


def url_of(host: str, port: int) -> str:
    """Where somebody at this machine reaches what listens there."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - may be asked for
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


if __name__ == "__main__":
    main()
