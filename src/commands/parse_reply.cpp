// postrider parse reply|ehlo: what the client's own parser makes of a server's reply.
#include "base/text.hpp"
#include "commands/judge_world.hpp"
#include "commands/parse_kinds.hpp"
#include "commands/reply_meaning.hpp"
#include "smtp/server_offer.hpp"

#include <expected>
#include <nlohmann/json.hpp>

namespace commands {
namespace {

using Json = nlohmann::ordered_json;

struct ReadReply {
    smtp::Reply reply;
    std::size_t octets = 0;  // of the input; what follows is no part of it
};
struct Broken {
    std::string_view why;
    std::size_t position;
};

/// Line by line, so that a broken one can be named. The end of the input ends a line.
std::expected<ReadReply, Broken> read_reply(std::string_view text) {
    smtp::ReplyParser parser;
    std::size_t at = 0;
    while (at < text.size()) {
        const auto end = text.find('\n', at);
        std::string line(text.substr(at, end == std::string_view::npos ? end : end + 1 - at));
        const std::size_t octets = line.size();
        if (!line.ends_with('\n')) line += '\n';
        std::size_t consumed = 0;
        const auto result = parser.feed(line, consumed);
        if (result == smtp::ReplyParser::Result::Malformed)
            return std::unexpected(Broken{"no line of this reply", at});
        at += octets;
        if (result == smtp::ReplyParser::Result::Complete) return ReadReply{parser.take(), at};
    }
    return std::unexpected(Broken{"the reply does not end", at});
}

/// The lines without the enhanced status code that each of them may begin with (RFC 2034 §4).
Json texts_of(const smtp::Reply& reply, const std::optional<mail::Status>& status) {
    Json out = Json::array();
    for (const std::string_view line : reply.lines) {
        const bool repeated = status && mail::Status::parse_prefix(line) == status;
        const auto space = line.find(' ');
        out.push_back(!repeated                         ? line
                      : space == std::string_view::npos ? std::string_view{}
                                                        : line.substr(space + 1));
    }
    return out;
}

std::optional<mail::Status> status_of(const smtp::Reply& reply) {
    const auto found = reply.lines.empty() ? std::nullopt : mail::Status::parse_prefix(reply.lines.front());
    return found && found->class_ == reply.code / 100 ? found : std::nullopt;
}

}  // namespace

int parse_reply(std::string_view text) {
    const auto got = read_reply(text);
    if (!got) return parse_failure(got.error().why, got.error().position);
    const auto status = status_of(got->reply);
    print_json({{"code", got->reply.code},
                {"enhanced", status ? Json(status->text()) : Json()},
                {"lines", texts_of(got->reply, status)},
                {"octets", got->octets},
                {"meaning", reply_meaning(got->reply.code, got->reply.lines.front())}});
    return exit_ok;
}

int parse_ehlo(std::string_view text) {
    const auto got = read_reply(text);
    if (!got) return parse_failure(got.error().why, got.error().position);
    if (!got->reply.positive())
        return parse_failure("refused: " + reply_meaning(got->reply.code, got->reply.lines.front()), 0);
    Json extensions = Json::array();
    for (const auto& one : smtp::offered_extensions(got->reply))
        extensions.push_back({{"keyword", one.keyword}, {"parameters", one.parameters}});
    const auto words = base::split_any(got->reply.lines.front(), " ");
    const auto offer = smtp::read_offer(got->reply);
    print_json({{"code", got->reply.code},
                {"host", words.empty() ? std::string_view{} : words.front()},
                {"greeting", got->reply.lines.front()},
                {"extensions", extensions},
                {"size_limit", offer.size_limit},
                {"auth_mechanisms", offer.mechanisms},
                {"octets", got->octets}});
    return exit_ok;
}

}  // namespace commands
