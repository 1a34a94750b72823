"""`rpsd events`: what happens, as it happens."""

import json
from contextlib import closing
from typing import Annotated, Any

import typer

from rpsd.cli.output import ConfigFile, moment, spelt
from rpsd.cli.reach import load
from rpsd.core.errors import Unavailable
from rpsd.core.flat import flat


def events(
    channels: Annotated[list[str], typer.Argument(metavar="CHANNEL…", help="Such as jobs, alerts, regime:AAPL:1d, samples:AAPL:1m.")],
    after: Annotated[str | None, typer.Option("--after", help="Go on after the event of this id.")] = None,
    count: Annotated[int | None, typer.Option("--count", min=1, help="End after so many frames.")] = None,
    config_file: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each frame as a line of JSON.")] = False,
) -> None:
    """Print what the running server tells on these channels, a line for each frame, until interrupted.

    A lost connection is opened again and goes on where it ended.
    """
    from rpsd.client import Client

    socket = load(config_file).server.admin_socket
    if not socket.is_socket():
        raise Unavailable(f"the server does not answer: there is no {socket}", hint="Only a running server tells events: `rpsd serve`.")
    with Client(socket=socket) as client:
        client.ask("GET", "/health/live")  # a server that does not run is told of at once, and not waited for
        with closing(client.events(channels, after=after)) as found:
            for number, frame in enumerate(found, 1):
                typer.echo(spelt(json.dumps(frame, ensure_ascii=False) if as_json else _line(frame), one_line=True))
                if number == count:
                    break


def _line(frame: dict[str, Any]) -> str:
    """A frame for people: when, which channel, and its facts."""
    if frame["type"] != "data":
        facts = {name: value for name, value in frame.items() if name not in ("type", "channel", "channels", "hint")}
        return f"{frame['type']}  {frame.get('channel', '')}  {_facts(facts)}"
    return f"{moment(frame['timestamp'])}  {frame['channel']}  {frame['sequence']}  {_facts(frame['data'])}"


def _facts(data: dict[str, Any]) -> str:
    """Names and values in one line; of a list how much it holds and its end."""
    return " ".join(f"{name}={_short(value)}" for name, value in flat(data, "") if value is not None)


def _short(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return f"[{len(value)}: … {json.dumps(value[-1], ensure_ascii=False)}]" if len(value) > 2 else json.dumps(value, ensure_ascii=False)
    return value
