#include "delivery/pipe_transport.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "delivery/delivered_to.hpp"
#include "delivery/maildir.hpp"
#include "mail/path.hpp"
#include "routing/address_lookup.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace delivery {
namespace {

std::expected<void, std::string> set_flags(PipeCommand& out, std::string_view flags) {
    for (const char flag : flags) {
        switch (flag) {
            case 'B':
                out.blank_line = true;
                break;
            case 'D':
                out.delivered_to = true;
                break;
            case 'F':
                out.from_line = true;
                break;
            case 'O':
                out.original_to = true;
                break;
            case 'R':
                out.return_path = true;
                break;
            case 'X':
                out.final_stop = true;
                break;
            case 'h':
                out.lower_domain = true;
                break;
            case 'u':
                out.lower_user = true;
                break;
            case 'q':
                out.quote = true;
                break;
            case '.':
                out.stuff_dots = true;
                break;
            case '>':
                out.quote_from = true;
                break;
            default:
                return std::unexpected(fmt::format("flags={}: '{}' is no flag of pipe", flags, flag));
        }
    }
    return {};
}

std::expected<void, std::string> set_attribute(PipeCommand& out, std::string_view name,
                                               const std::string& value) {
    if (name == "flags") return set_flags(out, value);
    if (name == "user") {
        const auto colon = value.find(':');
        out.user = value.substr(0, colon);
        if (colon != std::string::npos) out.group = value.substr(colon + 1);
    } else if (name == "directory") {
        out.directory = value;
    } else if (name == "null_sender") {
        out.null_sender = value;
    } else if (name == "size") {
        const auto number = base::parse_number(value, UINT64_MAX / 2);
        if (!number) return std::unexpected("size=" + value + " is not a number of octets");
        out.size_limit = *number;
    } else if (name == "eol") {
        if (value != "\\n" && value != "\\r\\n") return std::unexpected("eol=" + value + ": \\n or \\r\\n");
        out.crlf = value == "\\r\\n";
    } else if (name == "chroot") {
        return std::unexpected("chroot= is not offered: let the command change its root itself");
    } else {
        return std::unexpected("'" + base::printable(name, 60) + "' is no attribute of pipe");
    }
    return {};
}

struct Named {
    std::string name, value;
};

/// What is the same for all recipients.
std::vector<Named> values_of(const PipeCommand& command, const queue::DeliveryRequest& request) {
    const auto& envelope = *request.envelope;
    const auto& origin = envelope.origin;
    const auto text = [&](const mail::Address& address) {
        return command.quote ? address.text() : address.local_part + "@" + address.domain;
    };
    const std::string sender =
        envelope.sender.is_null() ? command.null_sender : text(envelope.sender.address());
    return {{"sender", sender},
            {"nexthop", command.lower_domain ? base::lower(request.next_hop) : request.next_hop},
            {"queue_id", request.id.text()},
            {"size", std::to_string(request.content->size())},
            {"client_address", origin.client_address},
            {"client_helo", origin.helo},
            {"client_hostname", origin.client_name},
            {"client_port", std::to_string(origin.client_port)},
            {"client_protocol", origin.protocol},
            {"sasl_method", origin.sasl_method},
            {"sasl_sender", origin.sasl_sender},
            {"sasl_username", origin.sasl_username}};
}

std::vector<Named> values_of(const PipeCommand& command, const mail::Recipient& recipient,
                             std::string_view recipient_delimiter) {
    const auto folded = [&](mail::Address address) {
        if (command.lower_domain) address.domain = base::lower(address.domain);
        if (command.lower_user) address.local_part = base::lower(address.local_part);
        return address;
    };
    const auto text = [&](const mail::Address& address) {
        if (address.domain.empty()) return address.local_part;
        return command.quote ? address.text() : address.local_part + "@" + address.domain;
    };
    const auto local = [&](const std::string& part) {
        return command.quote ? mail::quote_local_part(part) : part;
    };
    const mail::Address to = folded(recipient.address);
    auto [user, extension] = routing::split_extension(to.local_part, std::string(recipient_delimiter));
    return {{"recipient", text(to)},
            {"original_recipient", text(folded(recipient.original))},
            {"user", local(user)},
            {"extension", extension.empty() ? "" : extension.substr(1)},
            {"mailbox", local(to.local_part)},
            {"domain", to.domain}};
}

struct Replaced {
    std::string text;
    bool names_recipient = false;
};

/// $name, ${name}, $(name) replaced, "$$" a dollar sign; what has another name stays as it stands.
Replaced replaced(std::string_view text, const std::vector<Named>& of_recipient,
                  const std::vector<Named>& common) {
    Replaced out;
    for (std::size_t i = 0; i < text.size();) {
        if (text[i] != '$' || i + 1 == text.size()) {
            out.text += text[i++];
            continue;
        }
        if (text[i + 1] == '$') {
            out.text += '$';
            i += 2;
            continue;
        }
        const char open = text[i + 1];
        const bool braces = open == '{' || open == '(';
        const std::size_t begin = i + (braces ? 2 : 1);
        std::size_t end = begin;
        while (end < text.size() && (base::is_alnum(text[end]) || text[end] == '_')) ++end;
        const bool closed = !braces || (end < text.size() && text[end] == (open == '{' ? '}' : ')'));
        const std::size_t after = end + (braces && closed ? 1 : 0);
        const std::string_view name = text.substr(begin, end - begin);
        const auto own = std::ranges::find(of_recipient, name, &Named::name);
        const auto shared = std::ranges::find(common, name, &Named::name);
        if (closed && own != of_recipient.end()) {
            out.text += own->value;
            out.names_recipient = true;
        } else if (closed && shared != common.end()) {
            out.text += shared->value;
        } else {
            out.text += text.substr(i, after - i);
        }
        i = after;
    }
    return out;
}

/// The message as the flags want its lines: "." and ">" before some, an empty line at the end.
class PipedContent : public queue::ContentReader {
 public:
    PipedContent(queue::ContentReader& inner, const PipeCommand& command)
        : inner_(inner), command_(command) {}
    env::Task<std::expected<std::string, std::string>> next() override {
        std::string out;
        while (out.empty() && !ended_) {  // an empty piece would be the end
            auto piece = co_await inner_.next();
            if (!piece) co_return piece;
            ended_ = piece->empty();
            out = ended_ ? last() : marked(std::move(*piece));
        }
        co_return out;
    }
    std::uint64_t size() const override { return inner_.size(); }
    void rewind() override {
        inner_.rewind();
        held_.clear();
        at_line_start_ = true;
        ended_ = false;
    }

 private:
    static constexpr std::string_view from_ = "From ";
    std::string last() {
        std::string out = std::exchange(held_, {});
        if (command_.stuff_dots && out.starts_with('.')) out.insert(0, ".");
        if (command_.blank_line) out += "\r\n";
        return out;
    }
    /// A line's first octets are held back until they tell.
    std::string marked(std::string piece) {
        if (!command_.stuff_dots && !command_.quote_from) return piece;
        const std::string text = std::exchange(held_, {}) + piece;
        std::string out;
        for (std::size_t i = 0; i < text.size();) {
            const auto end = text.find('\n', i);
            const auto line =
                std::string_view(text).substr(i, end == std::string::npos ? std::string::npos : end + 1 - i);
            if (at_line_start_) {
                if (end == std::string::npos && line.size() < from_.size()) {
                    held_ = line;
                    break;
                }
                if (command_.stuff_dots && line.starts_with('.')) out += '.';
                if (command_.quote_from && line.starts_with(from_)) out += '>';
            }
            out += line;
            at_line_start_ = end != std::string::npos;
            i += line.size();
        }
        return out;
    }
    queue::ContentReader& inner_;
    const PipeCommand& command_;
    std::string held_;
    bool at_line_start_ = true, ended_ = false;
};

}  // namespace

std::expected<PipeCommand, std::string> parse_pipe_command(std::string service,
                                                           const std::vector<std::string>& arguments) {
    PipeCommand out;
    out.service = std::move(service);
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& word = arguments[i];
        if (word == "-v") continue;  // talkative logging: the log says enough
        const auto equals = word.find('=');
        if (equals == std::string::npos)
            return std::unexpected("'" + base::printable(word, 60) + "' is not name=value");
        const std::string name = word.substr(0, equals);
        if (name == "argv") {
            if (equals + 1 < word.size()) out.argv.push_back(word.substr(equals + 1));
            out.argv.insert(out.argv.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                            arguments.end());
            break;
        }
        TRY(set_attribute(out, name, word.substr(equals + 1)));
    }
    if (out.user.empty()) return std::unexpected("user= is missing: as whom the command runs");
    if (out.argv.empty()) return std::unexpected("argv= is missing: the command to run");
    return out;
}

std::vector<std::string> pipe_arguments(const PipeCommand& command, const queue::DeliveryRequest& request,
                                        const std::vector<mail::Recipient>& recipients,
                                        std::string_view recipient_delimiter) {
    const auto common = values_of(command, request);
    std::vector<std::vector<Named>> of_each;
    for (const auto& recipient : recipients)
        of_each.push_back(values_of(command, recipient, recipient_delimiter));
    std::vector<std::string> out;
    for (const auto& word : command.argv) {
        for (const auto& own : of_each) {
            const Replaced got = replaced(word, own, common);
            out.push_back(got.text);
            if (!got.names_recipient) break;
        }
    }
    return out;
}

std::expected<std::unique_ptr<PipeTransport>, std::string> PipeTransport::make(
    std::string service, const std::vector<std::string>& arguments, PipeOptions options, Services services) {
    TRY_ASSIGN(auto command, parse_pipe_command(std::move(service), arguments));
    return std::unique_ptr<PipeTransport>(
        new PipeTransport(std::move(command), std::move(options), services));
}

queue::RecipientResult PipeTransport::result_of(AgentResult done) const {
    if (done.status.is_success()) done.text = fmt::format("delivered via {} service", command_.service);
    queue::RecipientResult out = recipient_result(std::move(done), command_.service);
    out.relayed = !command_.final_stop;
    return out;
}

std::string PipeTransport::prefix_for(const queue::DeliveryRequest& request,
                                      const mail::Recipient& recipient) const {
    const auto& sender = request.envelope->sender;
    std::string out;
    if (command_.from_line)
        out += mbox_from_line(sender.is_null() ? command_.null_sender : base::printable(sender.text(), 300),
                              services_.clock.wall()) +
               "\r\n";
    if (command_.return_path) out += fmt::format("Return-Path: <{}>\r\n", sender.text());
    if (command_.original_to) out += fmt::format("X-Original-To: {}\r\n", recipient.original.text());
    if (command_.delivered_to) out += fmt::format("Delivered-To: {}\r\n", recipient.address.text());
    return out;
}

env::Task<queue::DeliveryReport> PipeTransport::deliver(queue::DeliveryRequest request) {
    queue::DeliveryReport report;
    report.program = "pipe";
    // What stands on top of the message names one recipient: each gets a run of its own.
    if (command_.delivered_to || command_.original_to) {
        for (const auto& recipient : request.recipients) {
            std::vector<mail::Recipient> one{recipient};
            report.recipients.push_back(co_await run(request, std::move(one)));
        }
        co_return report;
    }
    auto all = request.recipients;
    const queue::RecipientResult result = co_await run(request, std::move(all));
    report.recipients.assign(request.recipients.size(), result);
    co_return report;
}

env::Task<queue::RecipientResult> PipeTransport::run(queue::DeliveryRequest& request,
                                                     std::vector<mail::Recipient> recipients) {
    if (command_.size_limit > 0 && request.content->size() > command_.size_limit)
        co_return result_of({{5, 2, 3},
                             fmt::format("message size {} exceeds size limit {} of the {} service",
                                         request.content->size(), command_.size_limit, command_.service)});
    if (command_.delivered_to) {
        const bool loops = co_await was_delivered_to(*request.content, recipients.front().address.text());
        if (loops)
            co_return result_of(
                {{5, 4, 6},
                 "mail forwarding loop for " + base::printable(recipients.front().address.text(), 300)});
    }
    const auto user = services_.users.find(command_.user);
    if (!user || !*user)
        co_return result_of({{4, 3, 5}, fmt::format("user={}: no such user", command_.user)});
    Credentials as{(*user)->uid, (*user)->gid, (*user)->name};
    if (!command_.group.empty()) {
        const auto group = services_.users.find_group(command_.group);
        if (!group || !*group)
            co_return result_of({{4, 3, 5}, fmt::format("user=…:{}: no such group", command_.group)});
        as.gid = **group;
    }
    if (as.uid == 0) co_return result_of({{4, 3, 5}, "user=root: commands do not run as root"});
    CommandJob what;
    what.argv = pipe_arguments(command_, request, recipients, options_.recipient_delimiter);
    what.prefix = prefix_for(request, recipients.front());
    what.directory = command_.directory;
    what.crlf = command_.crlf;
    what.time_limit_seconds = static_cast<std::uint64_t>(options_.command_time_limit.count());
    AgentJob job;
    job.as = std::move(as);
    job.what = std::move(what);
    request.content->rewind();
    PipedContent content(*request.content, command_);
    AgentResult done = co_await services_.agent.run(std::move(job), content);
    co_return result_of(std::move(done));
}

}  // namespace delivery
