// SMTP lines, content and replies, in the pieces in which others cut them.
#include "base/text.hpp"
#include "smtp/client_session.hpp"
#include "smtp/command.hpp"
#include "smtp/dot_decoder.hpp"
#include "smtp/line_decoder.hpp"
#include "vectors.hpp"

#include <algorithm>
#include <regex>
#include <set>

namespace vectors {
namespace {

struct SmtpVectors : Vectors {
    void SetUp() override { need("smtp"); }
};

/// Replies one behind the other, in pieces of `piece` octets.
std::vector<smtp::Reply> read_replies(std::string_view octets, std::size_t piece) {
    smtp::ReplyParser parser;
    std::vector<smtp::Reply> out;
    for (std::size_t at = 0; at < octets.size(); at += piece) {
        std::string_view rest = octets.substr(at, piece);
        while (!rest.empty()) {
            std::size_t consumed = 0;
            const auto result = parser.feed(rest, consumed);
            EXPECT_NE(result, smtp::ReplyParser::Result::Malformed);
            if (result == smtp::ReplyParser::Result::Malformed) return out;
            rest.remove_prefix(consumed);
            if (result == smtp::ReplyParser::Result::Complete) out.push_back(parser.take());
        }
    }
    return out;
}

/// The lines without the status that each begins with, joined by LF.
std::string message_of(const smtp::Reply& reply, std::string_view status) {
    std::string out;
    for (std::size_t i = 0; i < reply.lines.size(); ++i) {
        std::string_view line = reply.lines[i];
        if (!status.empty() && line.starts_with(status))
            line = line.size() > status.size() ? line.substr(status.size() + 1) : std::string_view();
        out += (i > 0 ? "\n" : "") + std::string(line);
    }
    return out;
}

void expect_reply(const smtp::Reply& got, const Json& wanted) {
    EXPECT_EQ(got.code, wanted["code"].get<int>()) << wanted;
    const std::string status = text_of(wanted, "enhanced");
    // RFC 3463 section 2: class = "2"/"4"/"5". A 6.8.9 is none, and its lines are text as they stand.
    const bool none = status.empty() || status.starts_with('6');
    const mail::Status plain{static_cast<std::uint16_t>(got.code / 100), 0, 0};
    EXPECT_EQ(got.status().text(), none ? plain.text() : status) << wanted;
    if (status.starts_with('6')) return;
    EXPECT_EQ(message_of(got, status), wanted["message"].get<std::string>()) << wanted;
}

TEST_F(SmtpVectors, RepliesAlone) {
    for (const auto& one : load("smtp/replies.json", "cases")) {
        const auto text = one["reply"].get<std::string>();
        // What follows a line without a hyphen is no part of the reply.
        const auto got = read_replies(text, text.size());
        ASSERT_EQ(got.size(), 1U) << text;
        expect_reply(got.front(), one);
    }
}

TEST_F(SmtpVectors, RepliesOneBehindTheOtherInPieces) {
    const auto data = load("smtp/replies.json");
    std::string all;
    std::vector<Json> wanted;
    for (const auto& one : data["cases"]) {
        if (!one["reply"].get<std::string>().ends_with('\n')) continue;  // its rest would be another reply
        all += one["reply"].get<std::string>();
        wanted.push_back(one);
    }
    for (const std::size_t piece : data["chunk_sizes"]) {
        const auto got = read_replies(all, piece);
        ASSERT_EQ(got.size(), wanted.size()) << piece;
        for (std::size_t i = 0; i < got.size(); ++i) expect_reply(got[i], wanted[i]);
    }
}

/// "8BIT_MIME", "DIGEST_MD5" and their words on the wire.
std::string bare(std::string_view word) {
    std::string out;
    for (const char c : word)
        if (base::is_alnum(c)) out += base::to_upper(c);
    return out;
}

TEST_F(SmtpVectors, WhatEhloOffers) {
    const auto data = load("smtp/ehlo_replies.json");
    for (const auto& one : data["cases"])
        for (const std::string end : data["line_endings"]) {
            const std::string given = one["reply"];
            std::string text;
            for (const auto line : base::split(given, '\n'))
                if (!line.empty()) text += std::string(line) + end;
            const auto replies = read_replies(text, text.size());
            ASSERT_EQ(replies.size(), 1U) << text;
            const auto& reply = replies.front();
            if (one.contains("error")) {
                EXPECT_EQ(reply.code, one["error"]["code"].get<int>());
                EXPECT_FALSE(reply.positive());
                continue;
            }
            const auto& wanted = one["ok"];
            std::set<std::string> got_words, wanted_words;
            for (const auto& extension : smtp::offered_extensions(reply))
                got_words.insert(bare(extension.keyword));
            for (const auto& word : wanted["capabilities"])
                wanted_words.insert(bare(word.get<std::string>()));
            EXPECT_EQ(got_words, wanted_words) << text;
            const auto offer = smtp::read_offer(reply);
            EXPECT_EQ(offer.size_limit, wanted["size"].get<std::uint64_t>()) << text;
            EXPECT_EQ(offer.size, wanted_words.contains("SIZE"));
            EXPECT_EQ(offer.start_tls, wanted_words.contains("STARTTLS"));
            EXPECT_EQ(offer.pipelining, wanted_words.contains("PIPELINING"));
            ASSERT_EQ(offer.mechanisms.size(), wanted["auth_mechanisms"].size());
            for (std::size_t i = 0; i < offer.mechanisms.size(); ++i)
                EXPECT_EQ(bare(offer.mechanisms[i]), bare(wanted["auth_mechanisms"][i].get<std::string>()));
            // And the session itself goes by it.
            smtp::ClientSettings settings;
            settings.tls = smtp::ClientSettings::Tls::Never;
            smtp::ClientSession session(settings);
            session.start();
            session.on_reply({220, {"hello"}});
            EXPECT_EQ(session.on_reply(reply).next, smtp::ClientStep::Next::Ready);
            EXPECT_EQ(session.offers_dsn(), wanted_words.contains("DSN"));
            EXPECT_EQ(session.offers_smtputf8(), wanted_words.contains("SMTPUTF8"));
        }
}

TEST_F(SmtpVectors, RequestsInPieces) {
    for (const auto& one : load("smtp/request_stream.json", "cases")) {
        smtp::LineDecoder decoder(512);
        std::vector<std::string> lines;
        for (const auto& chunk : one["chunks"]) {
            const auto text = chunk.get<std::string>();
            std::string_view rest = text;
            while (!rest.empty()) {
                const auto got = decoder.next(rest);
                rest.remove_prefix(got.consumed);
                if (got.kind == smtp::LineDecoder::Kind::NeedMore) break;
                ASSERT_EQ(got.kind, smtp::LineDecoder::Kind::Line);
                lines.emplace_back(got.line);
            }
        }
        ASSERT_EQ(lines.size(), one["requests"].size());
        for (std::size_t i = 0; i < lines.size(); ++i) {
            const auto& wanted = one["requests"][i];
            const auto command = smtp::parse_command_line(lines[i]);
            EXPECT_EQ(base::upper(smtp::to_text(command.verb)), wanted["command"].get<std::string>());
            const std::string argument = text_of(wanted, "value") + text_of(wanted, "host");
            if (wanted.contains("address"))
                EXPECT_NE(command.argument.find(wanted["address"].get<std::string>()),
                          std::string_view::npos);
            else
                EXPECT_EQ(command.argument, argument);
        }
    }
}

/// What we make of line ends that SMTP does not know: a bare LF gets its CR, a bare CR becomes a space.
std::string as_delivered(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\r' && text.substr(i).starts_with("\r\n")) {
            out += "\r\n";
            ++i;
        } else if (text[i] == '\n') {
            out += "\r\n";
        } else {
            out += text[i] == '\r' ? ' ' : text[i];
        }
    }
    return out;
}

TEST_F(SmtpVectors, ContentEndsWhereItShould) {
    for (const auto& one : load("smtp/data_receiver.json", "cases")) {
        smtp::DotDecoder decoder;
        std::string content;
        std::size_t left = one["chunks"].size();
        for (const auto& chunk : one["chunks"]) {
            const auto text = chunk.get<std::string>();
            const auto got = decoder.decode(text, content);
            --left;
            EXPECT_EQ(got.consumed, text.size()) << one;
            EXPECT_EQ(got.finished, left == 0) << one;
        }
        EXPECT_EQ(content, as_delivered(one["rfc5321_message"].get<std::string>())) << one;
    }
}

/// Of extensions that we do not offer: the live server refuses them (test_mail_vectors.py).
bool is_foreign(const Json& parameters) {
    const std::set<std::string> known{"size", "flags", "env_id", "orcpt", "auth"};
    const std::string flags = parameters.value("flags", Json::array()).dump();
    for (const auto* word : {"BY_", "CON", "REQUIRETLS"})
        if (flags.find(word) != std::string::npos) return true;
    return std::ranges::any_of(parameters.items(),
                               [&](const auto& one) { return !known.contains(one.key()); });
}

struct Counts {
    std::size_t taken = 0, refused = 0;
};

void check_mail(std::string_view argument, const Json& one, Counts& counts) {
    smtp::GrammarOptions options;
    options.auth = true;
    const auto got = smtp::parse_mail(argument, options);
    if (!one.contains("ok")) {
        ++counts.refused;
        EXPECT_FALSE(got.has_value()) << one;
        return;
    }
    const auto& parameters = one["ok"]["parameters"];
    // Where the table is more tolerant than the RFCs a note says so; refusing is right there.
    if (is_foreign(parameters) || (one.contains("note") && !got)) return;
    ++counts.taken;
    ASSERT_TRUE(got.has_value()) << one << got.error().text;
    const std::string wanted = one["ok"]["address"];
    // Spaces in the brackets, and a name alone: outside the grammar; what is made of them is each one's own.
    const bool named = !one.contains("note") || wanted.find('@') != std::string::npos;
    const std::string path =
        got->path.is_null() ? "" : got->path.address().local_part + "@" + got->path.address().domain;
    EXPECT_EQ(path, named ? wanted : path) << one;
    EXPECT_EQ(got->size, parameters.value("size", std::uint64_t{0}));
    EXPECT_EQ(got->envelope_id, text_of(parameters, "env_id"));
    EXPECT_EQ(got->smtputf8,
              parameters.value("flags", Json::array()).dump().find("UTF8") != std::string::npos);
}

/// An empty forward-path is outside the grammar (RFC 5321 section 4.1.1.3): the parameters are asked of a
/// real one; without any the live server refuses it.
void check_rcpt(std::string argument, const Json& one, Counts& counts) {
    const bool empty = argument == "TO:<>";
    if (argument.starts_with("TO:<> ")) argument.replace(0, 5, "TO:<bob@example.org>");
    const auto got = smtp::parse_rcpt(argument, {}, true);
    if (!one.contains("ok") || empty) {
        ++counts.refused;
        EXPECT_FALSE(got.has_value()) << one;
        return;
    }
    const auto& parameters = one["ok"]["parameters"];
    if (is_foreign(parameters)) return;
    ++counts.taken;
    ASSERT_TRUE(got.has_value()) << one << got.error().text;
    const std::string orcpt = text_of(parameters, "orcpt");
    EXPECT_EQ(got->original, orcpt.empty() ? "" : "rfc822;" + orcpt);
    const auto notify = parameters.value("flags", Json::array()).dump();
    using enum mail::Notify;
    for (const auto& [word, bit] : {std::pair{"NOTIFY_NEVER", Never},
                                    {"NOTIFY_SUCCESS", Success},
                                    {"NOTIFY_FAILURE", Failure},
                                    {"NOTIFY_DELAY", Delay}})
        EXPECT_EQ(mail::has(got->notify, bit), notify.find(word) != std::string::npos) << one;
}

void check_bdat(std::string_view argument, const Json& one) {
    const auto got = smtp::parse_bdat(argument);
    ASSERT_EQ(got.has_value(), one.contains("ok")) << one;
    if (!got) return;
    EXPECT_EQ(got->size, one["ok"]["chunk_size"].get<std::uint64_t>());
    EXPECT_EQ(got->last, one["ok"]["is_last"].get<bool>());
}

TEST_F(SmtpVectors, Requests) {
    Counts mail, rcpt;
    for (const auto& one : load("smtp/requests.json", "cases")) {
        const auto line = one["line"].get<std::string>();
        const auto command = smtp::parse_command_line(line);
        if (command.verb == smtp::Verb::Mail)
            check_mail(command.argument, one, mail);
        else if (command.verb == smtp::Verb::Rcpt)
            check_rcpt(std::string(command.argument), one, rcpt);
        else if (command.verb == smtp::Verb::Bdat)
            check_bdat(command.argument, one);
        if (!one.contains("ok") || command.verb == smtp::Verb::Unknown) continue;
        EXPECT_EQ(base::upper(smtp::to_text(command.verb)), one["ok"]["command"].get<std::string>());
    }
    EXPECT_GE(mail.taken, 12U);
    EXPECT_GE(mail.refused, 45U);
    EXPECT_GE(rcpt.taken, 8U);
    EXPECT_GE(rcpt.refused, 14U);
}

/// A reply that a rule matches, with a code and a status of class `digit`; "": there is none. The rules'
/// codes are few, and so are the statuses: they are tried.
std::string sample(const std::string& rule, char digit) {
    const std::regex pattern(rule);
    for (const auto* code : {"21", "25", "50", "51", "52", "54"})
        for (int subject = 1; subject <= 7; ++subject)
            for (int detail = 0; detail <= 38; ++detail) {
                auto text =
                    std::string(1, digit) + code + " " +
                    mail::Status{static_cast<std::uint16_t>(digit - '0'), static_cast<std::uint16_t>(subject),
                                 static_cast<std::uint16_t>(detail)}
                        .text() +
                    " ";
                if (std::regex_search(text, pattern)) return text;
            }
    return {};
}

struct BounceVectors : Vectors {
    void SetUp() override { need("bounces"); }
};

/// The rules tell bounces apart by code and status: what they match must be read as that code and that
/// status.
TEST_F(BounceVectors, RepliesOfTheRules) {
    std::size_t done = 0;
    const Json rules = load("bounces/iana.json", "rules");
    for (const auto& [name, patterns] : rules.items())
        for (const std::string pattern : patterns)
            for (const char digit : {'4', '5'}) {
                const std::string text = sample(pattern, digit);
                if (text.empty()) continue;
                const auto got = read_replies(text + "it failed\r\n", 7);
                ASSERT_EQ(got.size(), 1U) << text;
                EXPECT_EQ(got[0].text(), text + "it failed");
                EXPECT_EQ(got[0].status().text() + " ", text.substr(4)) << pattern;
                EXPECT_EQ(got[0].permanent(), digit == '5') << pattern;
                ++done;
            }
    EXPECT_GE(done, 26U);
}

}  // namespace
}  // namespace vectors
