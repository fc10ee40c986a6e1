#include "commands/reply_meaning.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace commands {
namespace {

struct CodeMeaning {
    int code;
    std::string_view text;
};
constexpr CodeMeaning codes[] = {
    {211, "the server tells about itself"},
    {214, "help"},
    {251, "the user is elsewhere; the server passes the message on"},
    {432, "the password must be changed before this mechanism can be used"},
    {455, "a parameter of MAIL or RCPT cannot be honoured now"},
    {534, "this mechanism is too weak for the user: use another"},
    {538, "this mechanism is allowed with TLS only: use --tls"},
    {220, "the server is ready"},
    {221, "the server closes the connection, as asked"},
    {235, "authenticated"},
    {250, "done"},
    {252, "it will not say whether the mailbox exists, but would try to deliver"},
    {334, "the server waits for the next part of the password exchange"},
    {354, "the server waits for the message"},
    {421, "the server is closing the connection: too busy, shutting down, or a limit was reached; try later"},
    {450, "not now: the mailbox is busy or the server wants you to come back (greylisting is common)"},
    {451, "a problem on the server's side; the same message may work later"},
    {452, "the server is short of space or takes no more recipients now; try later"},
    {454, "TLS or authentication is not available at the moment"},
    {500, "the server did not understand the command"},
    {501, "the command's argument is wrong"},
    {502, "the command is not implemented"},
    {503, "the commands came in the wrong order"},
    {504, "the parameter is not supported"},
    {521, "this host takes no mail"},
    {530, "log in (or start TLS) first"},
    {535, "wrong user name or password"},
    {550, "refused: no such mailbox, or a policy says no; the text tells which"},
    {551, "the user is not here"},
    {552, "too large, or the mailbox is full"},
    {553, "the address is not allowed"},
    {554, "refused for good; the text tells why"},
    {555, "a parameter of MAIL or RCPT is not supported"},
    {556, "the domain takes no mail (null MX)"},
};

struct StatusMeaning {
    std::string_view detail;  // without the class
    std::string_view text;
};
constexpr StatusMeaning statuses[] = {
    {"1.0", "about the address"},
    {"1.1", "there is no such mailbox: look at the part before @"},
    {"1.2", "there is no such domain, or it cannot be reached: look at the part behind @"},
    {"1.3", "the recipient's address is malformed"},
    {"1.6", "the mailbox has moved"},
    {"1.7", "the sender's address is malformed"},
    {"1.8", "the sender's domain does not exist: replies could not arrive"},
    {"1.10", "the domain takes no mail (null MX)"},
    {"2.1", "the mailbox is disabled"},
    {"2.2", "the mailbox is full"},
    {"2.3", "the message is larger than this mailbox takes"},
    {"3.1", "the server's disk is full"},
    {"3.2", "the server takes no mail now"},
    {"3.4", "the message is larger than the server takes: see SIZE in the answer to EHLO"},
    {"4.1", "the next host does not answer"},
    {"4.2", "the connection broke or timed out"},
    {"4.3", "a lookup the server depends on failed"},
    {"4.5", "the server is overloaded"},
    {"4.6", "a mail loop: look at forwards and aliases"},
    {"4.7", "the message has been waiting for too long"},
    {"5.1", "not a command for this moment"},
    {"5.2", "the command is malformed"},
    {"5.3", "too many recipients: send the rest in another transaction"},
    {"5.4", "an argument of the command is wrong"},
    {"5.6", "the line is too long"},
    {"6.0", "about the content of the message"},
    {"6.7", "the message has non-ASCII addresses, and someone on the way cannot take them (SMTPUTF8)"},
    {"7.0", "a security rule says no; the text may tell which"},
    {"7.1", "not allowed: log in first, or the server does not relay for you, or a block list names you"},
    {"7.8", "the user name or the password is wrong"},
    {"7.9", "the mechanism is too weak for this user"},
    {"7.10", "encryption is needed for this"},
    {"7.11", "this mechanism is allowed with TLS only"},
    {"7.20", "no DKIM signature that passes"},
    {"7.21", "a DKIM signature passes, but none of the author's domain"},
    {"7.23", "SPF: the sender's domain does not name this client"},
    {"7.24", "SPF could not be checked: the sender's record has an error"},
    {"7.25", "the client's address has no name in the DNS, or one that does not lead back"},
    {"7.26", "several ways of authentication failed (DMARC): see the From: domain's policy"},
    {"7.27", "the sender's domain takes no mail (null MX)"},
    {"7.28", "a flood: too many messages like this one"},
    {"7.29", "the ARC chain does not verify"},
};

}  // namespace

std::string_view code_meaning(int code) {
    const auto* found = std::ranges::find(codes, code, &CodeMeaning::code);
    if (found != std::end(codes)) return found->text;
    return code < 300   ? "accepted"
           : code < 400 ? "go on"
           : code < 500 ? "refused for now: try later"
                        : "refused for good";
}

std::string_view status_meaning(std::string_view text) {
    const auto word = text.substr(0, text.find(' '));
    if (word.size() < 5 || (word[0] != '4' && word[0] != '5') || word[1] != '.') return "";
    const auto* found = std::ranges::find(statuses, word.substr(2), &StatusMeaning::detail);
    return found != std::end(statuses) ? found->text : "";
}

std::string reply_meaning(int code, std::string_view text) {
    std::string out(code_meaning(code));
    if (const auto more = status_meaning(text); !more.empty()) {
        out += "; ";
        out += text.substr(0, text.find(' '));
        out += ": ";
        out += more;
    }
    return out;
}

}  // namespace commands
