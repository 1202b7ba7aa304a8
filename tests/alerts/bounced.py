"""Mail that comes back, as a mail server writes it."""


def report(
    message_id: str, *, action: str = "failed", status: str = "5.1.1", original: str = "message/rfc822"
) -> bytes:
    """A report as a mail server writes it."""
    return f"""From: MAILER-DAEMON@mx.example.com
To: monitor@example.com
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I'm sorry to have to inform you that your message could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com
Arrival-Date: Sun, 22 Nov 2026 18:35:33 +0000

Final-Recipient: rfc822; ops@example.com
Original-Recipient: rfc822;Ops@example.com
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 <ops@example.com>: Recipient address rejected

--b
Content-Type: {original}

From: monitor@example.com
Message-ID: {message_id}
Subject: [FIRING] critical

body

--b--
""".replace("\n", "\r\n").encode()
