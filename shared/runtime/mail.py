"""Mail, by a server that the settings name."""

import asyncio
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any, Final

from shared.runtime.clock import Clock, SystemClock
from shared.runtime.outward import MailServer

SECONDS: Final = 10.0
"""For connecting and for each step of a conversation."""
SECONDS_IN_ALL: Final = 30.0


class MailFailed(Exception):
    """The mail was not sent. Its text says why and quotes nothing; ``final``: it never will be."""

    def __init__(self, text: str, *, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


class Mailer:
    """Sends mail, one connection each. ``seconds`` is the longest wait for the server."""

    def __init__(
        self, server: MailServer, clock: Clock | None = None, *, seconds: float = SECONDS
    ) -> None:
        self.server = server
        self._clock = clock or SystemClock()
        self._seconds = seconds
        self._tls: ssl.SSLContext | None = None

    async def send(self, mail_id: str, to: str, subject: str, text: str, html: str) -> None:
        """Hand in a mail, whose Message-ID is made of ``mail_id``. Raises MailFailed."""
        import aiosmtplib  # only those pay for it who send mail

        mail = self._mail(mail_id, to, subject, text, html)
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)  # reads many files
        try:
            async with asyncio.timeout(self._seconds * SECONDS_IN_ALL / SECONDS):
                await aiosmtplib.send(
                    mail,
                    hostname=self.server.host,
                    port=self.server.port,
                    username=self.server.user,
                    password=self.server.password,
                    use_tls=self.server.tls,
                    start_tls=None if self.server.tls else self.server.starttls,
                    timeout=self._seconds,
                    tls_context=self._tls,
                )
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _failed(error) from None
        except TimeoutError:
            raise MailFailed("the mail server does not answer") from None

    def _mail(self, mail_id: str, to: str, subject: str, text: str, html: str) -> EmailMessage:
        mail = EmailMessage()
        name, sender = parseaddr(self.server.sender)
        mail["From"] = Address(name, addr_spec=sender)
        try:
            mail["To"] = Address(addr_spec=to)
        except Exception:  # the library's errors for what is no address are of many kinds
            raise MailFailed("the address is none that mail can be sent to", final=True) from None
        mail["Subject"] = " ".join(subject.split())
        mail["Message-ID"] = f"<{mail_id}@{self.server.domain}>"
        mail["Date"] = format_datetime(self._clock.now())
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text)
        mail.add_alternative(html, subtype="html")
        return mail


def _failed(error: Exception) -> MailFailed:
    """Why it failed. What a server answers to a command is final for this mail from 500 on; that
    it does not know us is not, for an operator can mend it."""
    import aiosmtplib

    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return MailFailed("the mail server's certificate can't be verified")
    answers: list[Any] = [error]
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        answers = list(error.recipients)
    codes = [one.code for one in answers if isinstance(one, aiosmtplib.SMTPResponseException)]
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return MailFailed("the mail server does not take our user and password")
    if not codes:
        return MailFailed("the mail server does not answer")
    final = isinstance(error, aiosmtplib.SMTPRecipientsRefused | aiosmtplib.SMTPDataError) and all(
        code >= 500 for code in codes
    )
    return MailFailed(f"the mail server refused it ({codes[0]})", final=final)
