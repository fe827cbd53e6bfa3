"""The report, served to this machine's browser, and live while a run goes on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

_SECONDS = 5.0


def view(
    runs: Annotated[
        list[Path], typer.Argument(help="Run directories, finished or not, the first as the base.")
    ],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0 takes one that is free.")
    ] = 8787,
) -> None:
    """Serve the report on this machine; of a run that goes on, what is stored so far."""
    import signal
    import threading
    from tempfile import TemporaryDirectory

    from marl_eval.reports.page.serving import Server
    from marl_eval.reports.page.site import Site

    # A scheduler's signal ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stop = threading.Event()
    try:
        with TemporaryDirectory(prefix="marl-eval-") as folder:
            site = Site(runs, Path(folder))
            with Server(site, port) as server:
                following = threading.Thread(target=site.follow, args=(_SECONDS, stop))
                following.start()
                print(f"{server.url}  (Ctrl-C ends it)", file=sys.stderr, flush=True)
                try:
                    server.serve_forever()
                finally:
                    stop.set()
                    following.join()
    except KeyboardInterrupt:
        # The way in which this command ends.
        print(file=sys.stderr)
