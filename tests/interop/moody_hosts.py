"""SMTP servers with moods. Usage: moody_hosts.py '{"10.0.0.2": {"mood": …}, …}' FILE. Each listens on port 25 of its
address (or "port") and appends what arrives to FILE, one JSON object a line.

moods: ok; keep (all of the content is written); seven_bit (keep, without 8BITMIME); smtputf8 (keep, with SMTPUTF8); token (AUTH XOAUTH2
with the token "fresh" alone); hang_greeting, hang_helo, hang_tls, hang_mail, hang_rcpt, hang_data, hang_end (silent at that step); close_helo,
close_mail, close_rcpt, close_data (the connection ends there); refuse_greeting (554); greylist (451 until the second
connection); full (452 at MAIL); one_bad (550 for a recipient that begins with "bad"); broken_tls (STARTTLS is offered
and the handshake fails); injection (more in clear behind 220); noise (no SMTP at all); endless (a reply without end)."""
import asyncio, base64, json, sys, time

MOODS, ARRIVED = json.loads(sys.argv[1]), open(sys.argv[2], "a", buffering=1)
seen = {}
SILENCE = 3600


async def serve(address, mood, reader, writer):
    async def say(text):
        writer.write(text.encode() + b"\r\n")
        await writer.drain()

    async def step(name):
        if mood == f"hang_{name}":
            await asyncio.sleep(SILENCE)
        if mood == f"close_{name}":
            writer.close()
            raise ConnectionResetError

    try:
        await step("greeting")
        if mood == "noise":
            writer.write(b"\x00\xff HTTP/1.1 200 OK\r\n\r\n")
            return
        if mood == "endless":
            for _ in range(200000):
                writer.write(b"220-still greeting\r\n")
                await writer.drain()
            return
        await say("554 5.7.1 go away" if mood == "refuse_greeting" else "220 moody.test ESMTP")
        envelope, logged_in = {}, False
        while True:
            line = (await reader.readline()).decode(errors="replace").rstrip("\r\n")
            if not line:
                return
            verb = line[:4].upper()
            if verb in ("EHLO", "HELO"):
                await step("helo")
                extra = {"broken_tls": "250-STARTTLS\r\n", "injection": "250-STARTTLS\r\n", "hang_tls": "250-STARTTLS\r\n",
                         "smtputf8": "250-SMTPUTF8\r\n", "token": "250-AUTH XOAUTH2 OAUTHBEARER\r\n"}.get(mood, "")
                await say(f"250-moody.test\r\n{extra}" + ("250 PIPELINING" if mood == "seven_bit" else "250-PIPELINING\r\n250 8BITMIME"))
            elif verb == "STAR":
                if mood == "injection":
                    await say("220 go\r\n250-moody.test\r\n250 AUTH PLAIN")
                else:
                    await say("220 go")
                    await step("tls")
                    writer.write(b"this is not TLS at all\r\n" * 3)
                    await writer.drain()
                    await asyncio.sleep(1)
                    return
            elif verb == "AUTH":
                said = base64.b64decode(line.split()[2])
                if b"auth=Bearer fresh\x01" in said:
                    logged_in = True
                    await say("235 2.7.0 welcome")
                else:
                    await say("535 5.7.8 this token has expired")
            elif verb == "MAIL":
                await step("mail")
                envelope = {"address": address, "from": line[11:].split(">")[0], "to": [], "mail": line}
                refused = "452 4.3.1 no room" if mood == "full" else "530 5.7.0 log in first" if mood == "token" and not logged_in else ""
                await say(refused or "250 2.1.0 ok")
            elif verb == "RCPT":
                await step("rcpt")
                recipient = line[9:].split(">")[0]
                first = seen.setdefault((address, recipient), time.monotonic())
                if mood == "greylist" and time.monotonic() - first < 1:
                    await say("451 4.7.1 Greylisted, please come back")
                elif mood == "one_bad" and recipient.startswith("bad"):
                    await say("550 5.1.1 no such user here")
                else:
                    envelope["to"].append(recipient)
                    await say("250 2.1.5 ok")
            elif verb == "DATA":
                await step("data")
                if not envelope.get("to"):
                    await say("554 5.5.1 no recipients")
                    continue
                await say("354 go")
                content = b""
                while not content.endswith(b"\r\n.\r\n"):
                    piece = await reader.readline()
                    if not piece:
                        return
                    content += piece
                await step("end")
                kept = {"content": content[:-3].decode("latin-1")} if mood in ("keep", "seven_bit", "smtputf8") else {}
                ARRIVED.write(json.dumps({**envelope, "size": len(content), "text": content[-400:].decode("latin-1"), **kept}) + "\n")
                await say("250 2.0.0 stored")
            elif verb == "QUIT":
                await say("221 bye")
                return
            else:
                await say("250 ok")
    except (ConnectionError, OSError):
        pass
    finally:
        writer.close()


async def main():
    for address, mood in MOODS.items():
        name, port = (mood, 25) if isinstance(mood, str) else (mood["mood"], mood["port"])
        await asyncio.start_server(lambda r, w, a=address, m=name: serve(a, m, r, w), address, port)
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
