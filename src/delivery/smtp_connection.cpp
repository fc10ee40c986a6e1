#include "delivery/smtp_connection.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace delivery {
namespace {

env::Task<void> say_goodbye(env::Loop& loop, std::chrono::seconds patience,
                            std::unique_ptr<SmtpConnection> connection) {
    const auto until = loop.clock().steady() + patience;
    smtp::ClientStep step = connection->session.quit();
    const bool sent = co_await connection->send(std::move(step.output), until);
    if (sent) co_await connection->reply(until);
    connection->stream->close();
}

}  // namespace

env::Task<std::optional<smtp::Reply>> SmtpConnection::reply(env::SteadyTime deadline) {
    for (;;) {
        std::size_t consumed = 0;
        const auto result = parser.feed(std::string_view(input).substr(used), consumed);
        used += consumed;
        if (result == smtp::ReplyParser::Result::Complete) {
            if (!reply_filter || reply_filter->empty()) co_return kept(parser.take());
            auto changed = co_await filtered(kept(parser.take()));
            co_return changed;
        }
        if (result == smtp::ReplyParser::Result::Malformed) {
            problem = "received a malformed reply";
            errors.add(mail::ErrorClass::Protocol);
            co_return std::nullopt;
        }
        char piece[4096];
        auto got = co_await stream->read_some(piece, deadline);
        if (!got || *got == 0) {
            problem = !got && got.error() == env::IoError::TimedOut ? "timed out" : "lost connection";
            co_return std::nullopt;
        }
        input.assign(piece, *got);
        used = 0;
    }
}

smtp::Reply SmtpConnection::kept(smtp::Reply reply) {
    if (!transcript) return reply;
    for (std::size_t i = 0; i < reply.lines.size(); ++i) {
        const bool last = i + 1 == reply.lines.size();
        transcript->replies(fmt::format("{}{}{}", reply.code, last ? ' ' : '-', reply.lines[i]));
    }
    return reply;
}

env::Task<std::optional<smtp::Reply>> SmtpConnection::filtered(smtp::Reply reply) {
    smtp::ReplyParser again;
    for (std::size_t i = 0; i < reply.lines.size(); ++i) {
        const bool last = i + 1 == reply.lines.size();
        std::string line = fmt::format("{}{}{}", reply.code, last ? ' ' : '-', reply.lines[i]);
        auto found = co_await reply_filter->lookup(line);
        if (!found) {
            problem = "smtp_reply_filter: " + found.error().text;
            co_return std::nullopt;
        }
        if (*found) line = std::move(**found);
        line += "\r\n";
        std::size_t used_up = 0;
        const auto result = again.feed(line, used_up);
        if (result == smtp::ReplyParser::Result::Complete) co_return again.take();
        if (result == smtp::ReplyParser::Result::Malformed) break;
    }
    problem = "smtp_reply_filter made a malformed reply of what was received";
    co_return std::nullopt;
}

env::Task<bool> SmtpConnection::say(std::string commands, env::SteadyTime deadline) {
    using Meaning = smtp::Transcript::Meaning;
    const bool answer = session.waiting_for() == smtp::Wait::Auth && !commands.starts_with("AUTH ");
    if (transcript) transcript->commands(commands, answer ? Meaning::Secret : Meaning::Command);
    return send(std::move(commands), deadline);
}

env::Task<bool> SmtpConnection::send(std::string bytes, env::SteadyTime deadline) {
    if (bytes.empty()) co_return true;
    auto sent = co_await stream->write(bytes, deadline);
    if (!sent) problem = sent.error() == env::IoError::TimedOut ? "timed out" : "lost connection";
    co_return sent.has_value();
}

void ConnectionCache::close() {
    for (auto& [key, connections] : idle_)
        for (auto& connection : connections) connection->stream->close();
    idle_.clear();
}

void ConnectionCache::dismiss(std::unique_ptr<SmtpConnection> connection) {
    constexpr std::chrono::seconds patience{5};
    loop_.spawn(say_goodbye(loop_, std::min(limits_.quit, patience), std::move(connection)));
}

std::unique_ptr<SmtpConnection> ConnectionCache::take(const std::string& key) {
    const auto now = loop_.clock().steady();
    std::unique_ptr<SmtpConnection> out;
    for (auto at = idle_.begin(); at != idle_.end();) {
        auto& connections = at->second;
        std::erase_if(connections, [&](auto& connection) {
            if (now - connection->last_use <= limits_.idle) return false;
            dismiss(std::move(connection));
            return true;
        });
        if (at->first == key && !connections.empty()) {
            out = std::move(connections.back());
            connections.pop_back();
        }
        at = connections.empty() ? idle_.erase(at) : std::next(at);
    }
    return out;
}

void ConnectionCache::keep(const std::string& key, std::unique_ptr<SmtpConnection> connection) {
    std::size_t kept = 0;
    for (const auto& [other, connections] : idle_) kept += connections.size();
    const auto now = loop_.clock().steady();
    const bool worn = limits_.uses > 0 && connection->uses >= limits_.uses;
    const bool old = limits_.age.count() > 0 && now - connection->begun >= limits_.age;
    if (worn || old || kept >= limits_.connections || limits_.idle.count() == 0) {
        dismiss(std::move(connection));
        return;
    }
    connection->last_use = now;
    idle_[key].push_back(std::move(connection));
}

}  // namespace delivery
