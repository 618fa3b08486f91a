"""The command that shows rows on a local web page: view."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from phase0.cli.screen import screen

if TYPE_CHECKING:
    from phase0.view import Catalogue


def view(
    target: Annotated[Path, Parameter(help="Folder of a run, or a file of rows.")],
    /,
    *,
    port: Annotated[
        int, Parameter(help="Port on loopback; 0 takes a free one.", validator=validators.Number(gte=0, lte=65535))
    ] = 0,
    open: Annotated[  # noqa: A002
        bool, Parameter(help="Open the page in the browser of this machine.", show_default=False)
    ] = False,
) -> int:
    """Show kept and dropped rows on a page of this machine, to search, compare and mark them, until Ctrl-C.

    Marks are kept beside the run, as labels that `phase0 calibrate` takes.
    """
    from phase0.view import open_catalogue

    with screen() as progress:
        catalogue = open_catalogue(target, progress=progress)
    return _serve(catalogue, port, in_browser=open)


def _serve(catalogue: Catalogue, port: int, *, in_browser: bool) -> int:
    import asyncio
    import signal
    import webbrowser

    from phase0.view import serve

    def announce(address: str) -> None:
        print(address)
        print(f"{catalogue.index.rows:,} rows. Only this machine can open it. Ctrl-C ends it.", flush=True)
        if in_browser:
            webbrowser.open(address)

    async def until_stopped() -> None:
        done = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, done.set)
        await serve(catalogue, port, announce, done)

    asyncio.run(until_stopped())
    marked = catalogue.marked()
    if marked:
        print(f"\n{marked['good']:,} rows marked good, {marked['bad']:,} bad: {catalogue.places.labels}")
    return 0
