"""A mail server on 127.0.0.1 that keeps what it gets, and misbehaves when told.

    python mailbox.py PORT

Standard input: one JSON object a line. `{"next": BEHAVIOUR, "count": N}` is for the next N messages that
nothing is planned for yet, `{"always": BEHAVIOUR}` for all others, `{"release": true}` answers whoever waits.
Each line is answered by `{"event": "done"}`. The end of the input ends the server.

A BEHAVIOUR is `{"kind": KIND}`: `accept`; `refuse` at a `stage` (`connect`, `mail`, `rcpt`, `data`) with a
`code`; and three that have taken the message over when the sender does not know it yet: `hold` (until
released), `hang-up` (the connection ends) and `die` (the server ends).

Standard output: one JSON object a line, with the member `event`: `listening`, `done`, `refused` (`stage`,
`code`), and `message` (`from`, `to`, `data` in base64, `told`: whether its sender is told at once).
"""

import asyncio
import base64
import collections
import json
import os
import socket
import sys

from aiosmtpd.smtp import SMTP

# Larger than any message of a test.
LARGEST_LINE = 1 << 26


def say(event: str, **members) -> None:
    print(json.dumps({"event": event} | members), flush=True)


class Behaviours:
    def __init__(self) -> None:
        self.next = collections.deque()
        self.always = {"kind": "accept"}
        self.released = asyncio.Event()

    def head(self) -> dict:
        return self.next[0] if self.next else self.always

    def take(self) -> dict:
        return self.next.popleft() if self.next else self.always

    def obey(self, command: dict) -> None:
        if "next" in command:
            self.next.extend([command["next"]] * command["count"])
        elif "always" in command:
            self.always = command["always"]
        elif "release" in command:
            self.released.set()
            self.released = asyncio.Event()
        else:
            raise ValueError(f"no such command: {command}")


def refusal(behaviour: dict, stage: str) -> str | None:
    if behaviour["kind"] != "refuse" or behaviour["stage"] != stage:
        return None
    code = behaviour["code"]
    say("refused", stage=stage, code=code)
    return f"{code} {code // 100}.3.0 not now" if stage != "connect" else f"{code} not now"


class Server(SMTP):
    """aiosmtpd's, which has no hook before its greeting."""

    async def _handle_client(self) -> None:
        behaviours = self.event_handler.behaviours
        head = behaviours.head()
        if head["kind"] == "refuse" and head["stage"] == "connect":
            await self.push(refusal(behaviours.take(), "connect"))
            self.transport.close()
            return
        await super()._handle_client()


class Handler:
    def __init__(self, behaviours: Behaviours, listening: socket.socket) -> None:
        self.behaviours = behaviours
        self.listening = listening

    async def handle_MAIL(self, server, session, envelope, address, options) -> str:
        # For this message; a refused connection is no message.
        head = self.behaviours.head()
        connections = head["kind"] == "refuse" and head["stage"] == "connect"
        session.behaviour = {"kind": "accept"} if connections else self.behaviours.take()
        if refused := refusal(session.behaviour, "mail"):
            return refused
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:
        if refused := refusal(session.behaviour, "rcpt"):
            return refused
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope) -> str:
        if refused := refusal(session.behaviour, "data"):
            return refused
        kind = session.behaviour["kind"]
        # Before anything else: with the message, a test knows that the sender waits.
        released = self.behaviours.released
        say(
            "message",
            **{"from": envelope.mail_from},
            to=envelope.rcpt_tos,
            data=base64.b64encode(envelope.original_content).decode(),
            told=kind in ("accept", "refuse"),
        )
        match kind:
            case "hold":
                await released.wait()
            case "hang-up":
                server.transport.abort()
            case "die":
                # The port first: who sees its connection end finds nobody there any more.
                self.listening.close()
                os._exit(0)
        return "250 OK"


def listener(port: int) -> socket.socket:
    listening = socket.socket()
    # The test holds the port while no server has it.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    return listening


async def main(port: int) -> None:
    loop = asyncio.get_running_loop()
    behaviours = Behaviours()
    listening = listener(port)

    def connection() -> Server:
        handler = Handler(behaviours, listening)
        return Server(handler, hostname="mailbox.test", enable_SMTPUTF8=True)

    await loop.create_server(connection, sock=listening)
    commands = asyncio.StreamReader(limit=LARGEST_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    say("listening")
    while line := await commands.readline():
        behaviours.obey(json.loads(line))
        say("done")
    # Connections are not waited for: whoever has started this has gone.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
