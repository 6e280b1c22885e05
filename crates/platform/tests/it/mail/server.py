"""An SMTP server on loopback that prints what it gets, one JSON document a line; the first says its port.

Recipients named `nobody…` are refused for good, `later…` the first two times. Addresses and headers are read by Python's
own parser, so that a header which Tenure did not write would be seen.
"""

import argparse
import asyncio
import email
import email.policy
import json
import ssl
from collections import Counter

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--tls", choices=["none", "starttls", "wrapped"], default="none")
parser.add_argument("--cert")
parser.add_argument("--key")
parser.add_argument("--login", help="user:password that must log in")
parser.add_argument("--ascii", action="store_true", help="without SMTPUTF8")
options = parser.parse_args()


def say(document):
    print(json.dumps(document), flush=True)


class Handler:
    def __init__(self):
        self.asked = Counter()

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        self.asked[address] += 1
        if address.startswith("nobody"):
            return "550 5.1.1 there is no " + address
        if address.startswith("later") and self.asked[address] <= 2:
            return "451 4.7.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": [[name, str(value)] for name, value in message.items()],
            "text": message.get_content(),
            "tls": session.ssl is not None or options.tls == "wrapped",
            "tries": self.asked[envelope.rcpt_tos[0]],
            "authenticated": bool(session.authenticated),
        })
        return "250 OK"


def authenticator(server, session, envelope, mechanism, auth_data):
    user, password = options.login.encode().split(b":")
    good = isinstance(auth_data, LoginPassword) and (auth_data.login, auth_data.password) == (user, password)
    return AuthResult(success=good, handled=False)


async def main():
    context = None
    if options.tls != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert, options.key)
    handler = Handler()
    arguments = {"enable_SMTPUTF8": not options.ascii, "hostname": "mail.test", "auth_require_tls": False}
    if options.tls == "starttls":
        arguments |= {"tls_context": context, "require_starttls": True}
    if options.login:
        arguments |= {"authenticator": authenticator, "auth_required": True}
    wrapped = context if options.tls == "wrapped" else None
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(handler, **arguments), "127.0.0.1", options.port, ssl=wrapped
    )
    say({"port": server.sockets[0].getsockname()[1]})
    await server.serve_forever()


asyncio.run(main())
