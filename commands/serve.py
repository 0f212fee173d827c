"""Browse stored runs on this machine."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from assay.commands.options import results_option
from assay.commands.pulse import no_pulse

__all__ = ["serve"]


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 takes a free one.")
@results_option
def serve(port: int, results: Path) -> None:
    """Show stored runs in a browser: a table to sort and filter, settings, checks, ledger, comparisons and sheets.

    Read-only, on 127.0.0.1 alone, and only with the token in the address that is printed. Sheets are drawn anew when
    they are asked for. Ctrl-C ends it.

    \b
    Examples:
      python cli.py serve
      python cli.py serve --port 0 --results results/runs
    """
    import socket

    from assay.data.errors import InputError
    from assay.data.optional import missing_package
    from assay.results.report.browser import browser_app

    if results.exists() and not results.is_dir():
        raise InputError(f"--results {results}: not a folder")
    token = secrets.token_urlsafe(32)
    app = browser_app(results, token)
    try:
        import uvicorn
    except ImportError as error:
        raise missing_package(error, what="serve") or error from None
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()  # so that whoever reads the address is answered at once
    except OSError as error:
        raise InputError(f"--port {port}: {error.strerror}; 0 takes a free one") from None
    click.echo(f"http://127.0.0.1:{listener.getsockname()[1]}/?token={token}")
    config = uvicorn.Config(app, log_level="warning", server_header=False, access_log=False)
    with no_pulse():
        uvicorn.Server(config).run(sockets=[listener])
