// The help of `postrider session`.
#pragma once

#include <string_view>

namespace commands {

inline constexpr std::string_view session_usage = R"(usage: postrider session HOST[:PORT] [options]
  --from ADDRESS        the sender (default: the null sender)
  --to ADDRESS          a recipient; may be given again
  --send FILE           the message to send; - is standard input
  --text TEXT           send a short message made of this
  --by-hand             send the commands that standard input holds, line by line; STARTTLS is done, what
                        belongs to AUTH is not shown, after DATA come lines up to "."
  --tls                 STARTTLS after EHLO
  --implicit-tls        TLS from the first octet (port 465 does so by itself)
  --no-tls              no TLS, on port 465 either
  --verify              give up when the certificate does not verify (it is always shown)
  --ca-file FILE        the authorities to trust (default: the system's)
  --tls-protocols LIST  as smtp_tls_protocols has them (default >=TLSv1)
  --user NAME           log in, with the password (or token) from --password-file, $POSTRIDER_PASSWORD or asked for
  --password-file FILE  its first line; - is standard input
  --auth MECHANISM      only this one: SCRAM-SHA-256-PLUS, SCRAM-SHA-256, SCRAM-SHA-1-PLUS, SCRAM-SHA-1, CRAM-MD5,
                        PLAIN, LOGIN; with a token OAUTHBEARER, XOAUTH2
  --helo NAME           the name said in EHLO (default localhost)
  --resolver HOST:PORT  the name server to ask
  --timeout SECONDS     for each step (default 30)
  --quiet               only the exit status
  --json                the dialogue, TLS, certificate and results as JSON
Exit status: 0 all accepted; 2 no connection, or a broken one; 3 TLS failed or does not verify; 4 the login failed;
  5 refused for now (4xx); 6 refused for good (5xx); 64 wrong options.
Examples:
  postrider session mail.example.com --tls --verify
  postrider session mail.example.com:25 --tls --from me@example.com --to you@example.com --send message.eml
  postrider session mail.example.com:465 --user me@example.com --from me@example.com --to you@example.com --text hello
  printf 'EHLO me.example\nMAIL FROM:<>\nRCPT TO:<you@example.com>\nQUIT\n' |
    postrider session mail.example.com:25 --by-hand
)";

}  // namespace commands
