"""A mail server just large enough for Alertmanager: it takes everything and keeps it."""

import base64
import email
import email.policy
import socketserver
from email.message import EmailMessage
from typing import NamedTuple

from tests.ops.alertmanager import Served


class Mail(NamedTuple):
    """A message, and the password it was handed in with."""

    message: EmailMessage
    password: str

    def part(self, kind: str) -> str:
        """The text of the ``plain`` or ``html`` part."""
        part = self.message.get_body((kind,))
        assert part is not None, f"no {kind} part"
        return str(part.get_content()).replace("\r\n", "\n")


class Mailbox(Served[Mail]):
    """An SMTP server that keeps every mail."""

    def __init__(self) -> None:
        keep = self.keep

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                password = ""
                self.say("220 mailbox")
                while line := self.rfile.readline().decode().strip():
                    verb, _, rest = line.partition(" ")
                    if verb == "EHLO":
                        self.say("250-mailbox\r\n250 AUTH PLAIN")
                    elif verb == "AUTH":
                        password = base64.b64decode(rest.split()[-1]).decode().split("\0")[-1]
                        self.say("235 welcome")
                    elif verb == "DATA":
                        self.say("354 go on")
                        keep(Mail(self.message(), password))
                        self.say("250 taken")
                    elif verb == "QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 fine")

            def say(self, text: str) -> None:
                self.wfile.write(f"{text}\r\n".encode())

            def message(self) -> EmailMessage:
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
                return email.message_from_bytes(b"".join(lines), policy=email.policy.default)

        super().__init__(socketserver.ThreadingTCPServer, Handler)
