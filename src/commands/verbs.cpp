// The table of verbs: to add one, declare it in verb.hpp and give it a line here.
#include "commands/session_usage.hpp"
#include "commands/verb.hpp"

namespace commands {
namespace {

constexpr Verb verb_table[] = {
    {"run", "run the server in the foreground, until SIGTERM", run,
     "usage: postrider [-c DIR] run\n\nReads main.cf and master.cf, binds its ports, becomes mail_owner when "
     "started as root, and\n"
     "serves until SIGTERM or SIGINT. SIGHUP reloads the configuration.\n\nExample: postrider -c "
     "/etc/postfix run\n"},
    {"check", "say everything that is wrong with a configuration", check,
     "usage: postrider [-c DIR] check [--json]\n\nReports every error at once with file and line, what is "
     "not honoured, unknown names with the nearest\n"
     "known one, files that are missing. Exit status 0 only if the server would start.\n\nExample: postrider "
     "-c /etc/postfix check\n"},
    {"reload", "make the running server read its configuration again", reload,
     "usage: postrider [-c DIR] reload\n\nChecks first; sessions under way keep what they began with.\n"},
    {"stop", "stop the running server", stop,
     "usage: postrider [-c DIR] stop\n\nNew connections are refused, sessions and deliveries end, the queue "
     "stays on disk.\n"},
    {"status", "what the running server is doing", status, "usage: postrider [-c DIR] status [--json]\n"},
    {"queue", "list, show, flush, hold, release, requeue or delete queued messages", queue,
     "usage: postrider [-c DIR] queue [--json] [list] [FILTER...]\n"
     "       postrider queue show ID... [--json]\n"
     "       postrider queue flush|hold|release|requeue|expire|delete ID...|ALL|FILTER... [--dry-run | "
     "--yes] "
     "[--json]\n\n"
     "Filters (all must fit): --sender PART, --recipient PART, --destination DOMAIN, --reason PART, --older "
     "TIME,\n"
     "--newer TIME, --state active|deferred|hold. --dry-run only prints the ids and counts them. delete and "
     "expire (which\nreturns mail to its senders at the next attempt) ask first on a terminal; --yes: they "
     "do "
     "not. list and show also\nread the queue of a server that is down.\n\n"
     "Examples: postrider queue\n          postrider queue list --reason 'timed out' --older 2h\n"
     "          postrider queue delete --sender newsletter@ --destination example.net --dry-run\n"},
    {"user", "who may log in: add, passwd, list, disable, enable, delete, app-password, revoke", user,
     "usage: postrider [-c DIR] user list [--json]\n       postrider [-c DIR] user "
     "add|passwd|disable|enable|delete NAME\n       postrider [-c DIR] user app-password|revoke NAME "
     "LABEL\n\n"
     "A password is asked for twice on a terminal and read from standard input otherwise. The running server "
     "sees\n"
     "the change within a second. app-password prints a fresh one for one program or device (it works with "
     "PLAIN and "
     "LOGIN); revoke takes it back.\n\n"
     "Examples: postrider user add ann@example.org\n          postrider user app-password ann@example.org "
     "phone\n"},
    {"accounts", "what the accounts that logged in have sent, beside what is usual", accounts,
     "usage: postrider [-c DIR] accounts [NAME] [--json]\n\nMessages and recipients of the last hour and the "
     "last 24 hours, as smtpd_account_message_hour_limit and its\nlike count them, and how many recipients "
     "an "
     "account has on a usual day.\n\n"
     "Examples: postrider accounts\n          postrider accounts ann@example.org --json\n"},
    {"certificates", "TLS certificates: until when, and renewing those from ACME", certificates,
     "usage: postrider [-c DIR] certificates [list] [--json]\n"
     "       postrider [-c DIR] certificates renew [NAME] [--json]\n\n"
     "list shows every certificate of the configuration, until when it is good, and how the last attempt to "
     "renew it\nwent; it needs no running server. Exit status 1 when one has expired, will soon, does not "
     "fit, "
     "or could not be\nrenewed. renew asks the ACME authority now (acme_domains), for all or for those that "
     "hold NAME; exit status 1\nwhen it refuses: what is in use stays.\n\n"
     "Examples: postrider certificates\n          postrider certificates renew mail.example.org\n"},
    {"verify", "judge a message: SPF, DKIM, ARC, DMARC, and what to do", verify,
     "usage: postrider verify [--ip ADDRESS --helo NAME --mail-from ADDRESS] [--now UNIXTIME] [--resolver "
     "HOST:PORT]\n"
     "                        [--authserv-id ID] [--trusted-sealers DOMAINS] [--json] < message\n\n"
     "Example: postrider verify --ip 192.0.2.1 --helo mail.example.org --mail-from ann@example.org < "
     "message.eml\n",
     false},
    {"spf", "may this host send mail for this domain?", spf,
     "usage: postrider spf --ip ADDRESS [--helo NAME] [--mail-from ADDRESS] [--resolver HOST:PORT] "
     "[--json]\n\n"
     "Example: postrider spf --ip 192.0.2.1 --helo mail.example.org --mail-from ann@example.org\n",
     false},
    {"dkim", "sign a message, make a key, rotate keys", dkim,
     "usage: postrider dkim sign --domain D --selector S --key FILE [--algorithm rsa-sha256|ed25519-sha256]\n"
     "                      [--canonicalization relaxed/simple] [--headers from:to:...] [--identity I] "
     "[--now T] < message\n"
     "       postrider [-c DIR] dkim keygen [--algorithm A] [--bits 2048] [--domain D] [--selector S] "
     "[--out FILE] [--json]\n"
     "       postrider [-c DIR] dkim rotate [DOMAIN] [--status] [--if-older 180d] [--algorithm A[,A]] "
     "[--bits 2048]\n"
     "                      [--publish-wait 1h] [--overlap 7d] [--directory DIR] [--resolver HOST:PORT] "
     "[--now T] [--json]\n\n"
     "sign without --headers signs and oversigns what readers see. keygen writes a new file of mode 0600, "
     "mail_owner's\nwhen root calls it, and prints the record to publish.\n"
     "rotate makes new keys, or takes the rotation under way one step on: publish next, seen in the DNS, "
     "switch, retire.\nRun it from a timer; what it waits for it says. The server takes a switch into use by "
     "itself. Without DOMAIN:\nevery domain in dkim_key_directory. --status changes nothing; --if-older "
     "begins "
     "only when the keys are older.\n\n"
     "Examples: postrider dkim keygen --domain example.org --selector s1 --out s1.pem\n"
     "          postrider dkim rotate example.org\n"
     "          postrider dkim rotate --if-older 180d      # daily, from a timer\n"},
    {"arc", "seal a message that goes on", arc,
     "usage: postrider arc seal --domain D --selector S --key FILE --authserv-id ID [--now T] [--headers "
     "...]\n"
     "                     [--resolver HOST:PORT] [--json] < message\n\n"
     "The chain's status and the results to seal are taken from the message's Authentication-Results of that "
     "id.\n",
     false},
    {"dns-records", "what to publish in the DNS for this configuration", dns_records,
     "usage: postrider [-c DIR] dns-records DOMAIN [--address A,B] [--resolver HOST:PORT] [--json]\n\n"
     "MX, A, AAAA, PTR, SPF (also of srs_domain), DKIM, DMARC, TLSRPT, MTA-STS, autoconfig and SRV records "
     "as zone text, each "
     "checked against\nwhat the DNS says now: ok, missing, differs (unknown: it did not answer), with the "
     "line to "
     "paste. --address: the\naddresses the world sees, where they are not this machine's own.\n\n"
     "Example: postrider dns-records example.org\n"},
    {"reports", "who sends in our name: DMARC and TLS reports received and sent", reports_verb,
     "usage: postrider [-c DIR] reports [received | failures | tls | sent] [--domain D] [--since YYYY-MM-DD "
     "| "
     "--days N]\n"
     "                                 [--top N] [--json]\n"
     "       postrider [-c DIR] reports send --dry-run | --now [--json]\n"
     "       postrider reports parse FILE|- [--top N] [--json]\n\n"
     "received (also when nothing is named) shows what others say of mail in our name: from where it was "
     "sent, "
     "aligned or\nnot, as a table and a chart by day; failures and tls list the reports about single "
     "messages and about "
     "TLS. They are\nread from the mail to dmarc_report_address.\n"
     "sent lists the aggregate reports that went out (dmarc_reporting = yes), and who did not take one.\n"
     "send --dry-run shows what would be reported now; send --now ends the period and sends at once.\n"
     "parse reads a report mail, or its attachment alone (XML, gzip, zip, JSON), without a server: aggregate "
     "reports\n(RFC 9990 and RFC 7489), failure reports (RFC 9991), TLS reports (RFC 8460). Exit status 1 "
     "when it "
     "holds none.\n\n"
     "Examples: postrider reports --domain example.org --days 30\n"
     "          postrider reports send --dry-run\n"
     "          postrider reports sent --days 7\n"
     "          postrider reports parse 'google.com!example.org!1700000000!1700086399.zip' --json\n"},
    {"parse", "the grammar's own view of an input, as JSON", parse,
     "usage: postrider parse path|address|date|header|message|bounce|reply|ehlo < input\n\n"
     "Lines end with CRLF or LF. Exit status 1 and an error with its position, in octets of the input, when "
     "it "
     "is\nmalformed.\n"
     "  path              of MAIL and RCPT: <ann@example.org>\n"
     "  address           of a header field: names, comments, groups and addresses\n"
     "  date              of a header field\n"
     "  header, message   fields with positions, encoded words decoded; the tree of MIME parts\n"
     "  bounce            what a delivery status notification, feedback report or automatic answer says\n"
     "  reply, ehlo       a server's reply, and what it offers, as our client reads it\n\n"
     "Examples: printf '<ann@example.org>' | postrider parse path\n"
     "          printf '250-mx.example.org\\r\\n250 SIZE 1000\\r\\n' | postrider parse ehlo\n",
     false},
    {"parameters", "explain the parameters of main.cf", parameters,
     "usage: postrider parameters [--json] [PART-OF-A-NAME...]\n\nExample: postrider parameters "
     "client_limit\n"},
    {"session", "an SMTP session by hand, shown line by line", session, session_usage},
};

constexpr Verb program_table[] = {
    {"sendmail", "hand a message to the mail system", sendmail,
     "usage: sendmail [-t] [-i] [-f SENDER] [-F NAME] [-N NOTIFY] [-R full|hdrs] [-V ENVID] [-v] "
     "[RECIPIENT...]\n"
     "       sendmail -bs | -bv RECIPIENT... | -bp | -bi | -q\n\n"
     "The message is read from standard input and is on disk when the exit status is 0, also while the "
     "server is down.\n\n"
     "Example: printf 'Subject: hello\\n\\nHi.\\n' | sendmail ann@example.org\n",
     false},
    {"newaliases", "check the alias files (they are read as they are)", newaliases, "usage: newaliases\n"},
    {"postmap", "check a table's source text, or look a key up", postmap,
     "usage: postmap [-c DIR] TYPE:FILE...\n       postmap [-c DIR] -q KEY TYPE:FILE...   (-q - reads keys "
     "from standard input)\n"},
    {"postalias", "check an alias file, or look a key up", postalias,
     "usage: postalias [-c DIR] TYPE:FILE...\n       postalias [-c DIR] -q KEY TYPE:FILE...\n"},
    {"postfix", "start, stop, reload, check, status, flush", postfix,
     "usage: postfix [-c DIR] start | start-fg | stop | reload | check | status | flush\n"},
    {"postconf", "print or change parameters", postconf,
     "usage: postconf [-c DIR] [-n | -d] [-h | -H] [-x] [NAME...]\n       postconf [-c DIR] -e "
     "NAME=VALUE...\n       postconf [-c DIR] -# NAME...   (comment out)\n"
     "       postconf [-c DIR] -X NAME...   (remove)\n       postconf [-c DIR] -M [-f] [SERVICE/TYPE...]\n   "
     "    "
     "postconf [-c DIR] -P [SERVICE/TYPE...]   (-o settings)\n       postconf -m   (table types)\n\n"
     "Examples: postconf -n\n          postconf myhostname\n          postconf -e 'message_size_limit = "
     "50000000'\n"},
    {"mailq", "list the queue", mailq, "usage: mailq\n"},
    {"postqueue", "list or flush the queue", postqueue,
     "usage: postqueue [-c DIR] -p | -j | -f | -i ID | -s SITE\n"},
    {"postsuper", "delete, hold, release or requeue messages", postsuper,
     "usage: postsuper [-c DIR] -d|-e|-f|-h|-H|-r ID|ALL|- [QUEUE...]\n\nExamples: postsuper -d "
     "4Q1tZk2vXz9\n      "
     "    postsuper -r ALL\n"},
    {"postcat", "show a queued message", postcat, "usage: postcat [-c DIR] [-b] [-e] [-h] -q ID...\n"},
};

}  // namespace

std::span<const Verb> verbs() { return verb_table; }
std::span<const Verb> program_names() { return program_table; }

}  // namespace commands
