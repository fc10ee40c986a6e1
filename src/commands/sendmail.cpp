// sendmail: what programs on this machine call to send mail (sendmail(1) as Postfix's). The message goes as a
// file into the maildrop folder, durable before we say so; the server picks it up, now or when it runs again.
#include "app/machine.hpp"
#include "base/text.hpp"
#include "commands/site_loader.hpp"
#include "commands/stdio_session.hpp"
#include "commands/verb.hpp"
#include "mail/path.hpp"
#include "mail/submitted_message.hpp"
#include "mail/xtext.hpp"
#include "platform/system.hpp"
#include "queue/maildrop.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace commands {
namespace {

struct Wishes {
    enum class Mode { Deliver, Smtp, Verify, Mailq, Aliases, Flush } mode = Mode::Deliver;
    bool recipients_from_header = false;  // -t
    mail::EndOfInput end = mail::EndOfInput::LoneDot;
    std::optional<std::string> sender;
    std::string full_name;
    mail::Notify notify = mail::Notify::Default;
    mail::DsnReturn dsn_return = mail::DsnReturn::Unspecified;
    std::string envelope_id;
    std::vector<std::string> recipients;
    std::string directory;  // -C
    std::string problem;
};

mail::Notify parse_notify(const std::string& text, std::string& problem) {
    mail::Notify out = mail::Notify::Default;
    for (const auto word : base::split_any(text, ", ")) {
        if (base::iequals(word, "never"))
            out = out | mail::Notify::Never;
        else if (base::iequals(word, "success"))
            out = out | mail::Notify::Success;
        else if (base::iequals(word, "failure"))
            out = out | mail::Notify::Failure;
        else if (base::iequals(word, "delay"))
            out = out | mail::Notify::Delay;
        else
            problem = fmt::format("-N {}: never, or some of success, failure, delay", text);
    }
    if (mail::has(out, mail::Notify::Never) && out != mail::Notify::Never) problem = "-N never stands alone";
    return out;
}

/// getopt(3)'s way: options may hang together, values follow at once or as the next word.
Wishes parse(const std::vector<std::string>& words) {
    Wishes out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string& word = words[i];
        if (word == "--") {
            out.recipients.insert(out.recipients.end(), words.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                  words.end());
            break;
        }
        if (word.size() < 2 || word[0] != '-') {
            out.recipients.push_back(word);
            continue;
        }
        for (std::size_t at = 1; at < word.size(); ++at) {
            const char letter = word[at];
            constexpr std::string_view with_value = "ABCFLNORVXfhopr";
            std::string value;
            if (with_value.find(letter) != std::string_view::npos) {
                value = word.substr(at + 1);
                if (value.empty() && i + 1 < words.size()) value = words[++i];
                at = word.size();
            }
            switch (letter) {
                case 'f':
                case 'r':
                    out.sender = value;
                    break;
                case 'F':
                    out.full_name = value;
                    break;
                case 'N':
                    out.notify = parse_notify(value, out.problem);
                    break;
                case 'R':
                    out.dsn_return =
                        base::iequals(value, "full") ? mail::DsnReturn::Full : mail::DsnReturn::Headers;
                    break;
                case 'V':
                    out.envelope_id = value;
                    break;
                case 'o':
                    if (value == "i") out.end = mail::EndOfInput::EndOfFile;
                    break;  // -oi; others have no effect, as with Postfix
                case 'i':
                    out.end = mail::EndOfInput::EndOfFile;
                    break;
                case 't':
                    out.recipients_from_header = true;
                    break;
                case 'v':
                    out.notify = mail::Notify::Success | mail::Notify::Failure | mail::Notify::Delay;
                    break;
                case 'I':
                    out.mode = Wishes::Mode::Aliases;
                    break;
                case 'q':
                    out.mode = Wishes::Mode::Flush;
                    at = word.size();
                    break;
                case 'b': {
                    const std::string mode = word.substr(at + 1);
                    at = word.size();
                    if (mode == "m")
                        out.mode = Wishes::Mode::Deliver;
                    else if (mode == "s")
                        out.mode = Wishes::Mode::Smtp;
                    else if (mode == "v")
                        out.mode = Wishes::Mode::Verify;
                    else if (mode == "p")
                        out.mode = Wishes::Mode::Mailq;
                    else if (mode == "i")
                        out.mode = Wishes::Mode::Aliases;
                    else
                        out.problem = fmt::format("-b{}: the server is started with 'postrider run'", mode);
                    break;
                }
                case 'C':
                    out.directory = value;
                    break;
                case 'A':
                case 'B':
                case 'G':
                case 'L':
                case 'O':
                case 'U':
                case 'X':
                case 'h':
                case 'm':
                case 'n':
                case 'p':
                case 'e':
                case 's':
                    break;
                default:
                    out.problem = fmt::format("-{} is not known", letter);
            }
        }
    }
    return out;
}

std::string own_name(const app::Site& site, std::string& full_name) {
    std::string name = fmt::format("uid{}", ::getuid());
    if (const passwd* entry = ::getpwuid(::getuid())) {
        name = entry->pw_name;
        if (full_name.empty())
            full_name = std::string(entry->pw_gecos).substr(0, std::string_view(entry->pw_gecos).find(','));
    }
    return name + "@" + site.configuration->get("myorigin");
}

std::string random_name() {
    platform::SystemRandom random;
    char bytes[16];
    random.fill(bytes);
    return base::to_hex({bytes, sizeof bytes});
}

/// "" or what went wrong. The file's name cannot be guessed and the folder not be listed: that keeps it
/// private.
std::string drop(const std::string& queue_directory, const queue::DroppedMessage& message) {
    const std::string folder = queue_directory + "/maildrop", name = random_name();
    const std::string temporary = folder + "/." + name, final = folder + "/" + name;
    const int descriptor =
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (descriptor < 0)
        return fmt::format("{}: {}; the server makes this folder when it starts", folder,
                           std::strerror(errno));
    bool ok = ::fchmod(descriptor, 0644) == 0 && platform::write_all(descriptor, encode(message)) &&
              ::fsync(descriptor) == 0;
    ok = ::close(descriptor) == 0 && ok;
    ok = ok && ::rename(temporary.c_str(), final.c_str()) == 0;
    if (!ok) {
        const std::string why = std::strerror(errno);
        ::unlink(temporary.c_str());
        return fmt::format("{}: {}", folder, why);
    }
    // The name must be durable too. The folder cannot be read by us, so its own file system is synced through
    // the file.
    if (const int renamed = ::open(final.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW); renamed >= 0) {
        ::fsync(renamed);
        ::close(renamed);
    }
    return "";
}

/// A knock on the server's door; it does not matter if nobody is there.
void knock(const std::string& queue_directory) {
    const std::string path = queue_directory + "/public/pickup";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return;
    static_cast<void>(::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) + 0);
    ::close(descriptor);
}

std::string read_standard_input(std::uint64_t max, bool& too_large) {
    std::string out;
    char piece[64 * 1024];
    for (;;) {
        const auto got = ::read(0, piece, sizeof piece);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return out;
        out.append(piece, static_cast<std::size_t>(got));
        too_large = max > 0 && out.size() > max;
        if (too_large) return out;
    }
}

int fail(int status, std::string_view text) {
    fmt::print(stderr, "sendmail: fatal: {}\n", text);
    return status;
}

int deliver(Wishes wishes, const app::Site& site) {
    const auto& configuration = *site.configuration;
    std::string full_name = wishes.full_name;
    const std::string login = own_name(site, full_name);
    const std::string sender_text = wishes.sender.value_or(login);
    queue::DroppedMessage message;
    const mail::PathOptions any{mail::PathOptions::Utf8::Allow, mail::PathOptions::Form::Tolerant};
    if (!sender_text.empty() && sender_text != "<>") {
        auto address =
            mail::parse_mailbox(sender_text.starts_with('<') && sender_text.ends_with('>')
                                    ? std::string_view(sender_text).substr(1, sender_text.size() - 2)
                                    : std::string_view(sender_text),
                                any);
        if (!address)
            return fail(exit_usage, fmt::format("-f {}: not an address", base::printable(sender_text, 200)));
        if (address->domain.empty()) address->domain = configuration.get("myorigin");
        message.envelope.sender = mail::ReversePath(std::move(*address));
    }
    std::vector<mail::Address> recipients;
    for (const auto& text : wishes.recipients) {
        auto address = mail::parse_mailbox(text, any);
        if (!address) return fail(exit_usage, fmt::format("{}: not an address", base::printable(text, 200)));
        recipients.push_back(std::move(*address));
    }
    bool too_large = false;
    const auto limit = base::parse_number(configuration.get("message_size_limit")).value_or(0);
    std::string content = mail::to_wire(read_standard_input(limit, too_large), wishes.end);
    if (too_large)
        return fail(exit_data, fmt::format("the message is larger than message_size_limit = {}", limit));
    if (wishes.recipients_from_header) {
        auto found = mail::header_recipients(content);
        for (const auto& wrong : found.wrong)
            fmt::print(stderr, "sendmail: warning: '{}' in the header is not an address\n",
                       base::printable(wrong, 200));
        recipients.insert(recipients.end(), found.addresses.begin(), found.addresses.end());
    }
    if (recipients.empty())
        return fail(
            exit_usage,
            "no recipient: name addresses on the command line, or give -t with a To:, Cc: or Bcc: field");
    if (recipients.size() > queue::maildrop_recipients_max)
        return fail(exit_usage, fmt::format("more than {} recipients", queue::maildrop_recipients_max));
    for (auto& address : recipients) {
        mail::Recipient recipient;
        message.envelope.smtputf8 = message.envelope.smtputf8 || !address.is_ascii();
        recipient.address = recipient.original = std::move(address);
        recipient.notify = wishes.notify;
        message.envelope.recipients.push_back(std::move(recipient));
    }
    message.envelope.dsn_return = wishes.dsn_return;
    if (!wishes.envelope_id.empty()) {
        const auto id = mail::decode_xtext(wishes.envelope_id);
        if (!id || id->size() > 100) return fail(exit_usage, "-V: at most 100 octets of xtext");
        message.envelope.dsn_envelope_id = *id;
    }
    platform::SystemClock clock;
    mail::MissingFields missing;
    missing.now = clock.wall();
    missing.zone = clock.zone_offset(missing.now);
    missing.message_id = fmt::format("<{}@{}>", random_name(), configuration.get("myhostname"));
    const std::string from = message.envelope.sender.is_null() ? login : message.envelope.sender.text();
    const std::string shown = base::printable(full_name, 100);
    missing.from = shown.empty() ? from
                                 : fmt::format("{} <{}>",
                                               shown.find_first_of("\"\\()<>@,;:.[]") == std::string::npos
                                                   ? shown
                                                   : mail::quote_local_part(shown),
                                               from);
    message.content = mail::complete_header(content, missing);
    const std::string queue_directory = configuration.get("queue_directory");
    if (const auto problem = drop(queue_directory, message); !problem.empty())
        return fail(exit_temporary, problem);
    knock(queue_directory);
    return exit_ok;
}

}  // namespace

int sendmail(const Invocation& invocation) {
    Wishes wishes = parse(invocation.arguments);
    if (!wishes.problem.empty()) return fail(exit_usage, wishes.problem);
    Invocation other = invocation;
    other.arguments.clear();
    if (!wishes.directory.empty()) other.directory = wishes.directory;
    if (wishes.mode == Wishes::Mode::Mailq) return mailq(other);
    if (wishes.mode == Wishes::Mode::Aliases) return newaliases(other);
    if (wishes.mode == Wishes::Mode::Flush) {
        other.arguments = {"-f"};
        return postqueue(other);
    }
    const auto site = read_site(other.directory);
    if (!site) return exit_configuration;
    if (wishes.mode == Wishes::Mode::Verify) return verify_recipients(*site, wishes.recipients);
    if (wishes.mode == Wishes::Mode::Smtp) {
        const std::string queue_directory = site->configuration->get("queue_directory");
        return stdio_session(*site, [&](const queue::DroppedMessage& message) {
            const auto problem = drop(queue_directory, message);
            if (problem.empty()) knock(queue_directory);
            return problem;
        });
    }
    return deliver(std::move(wishes), *site);
}

}  // namespace commands
