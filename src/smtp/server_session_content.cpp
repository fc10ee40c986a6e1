// ServerSession: a message's content, by DATA or by BDAT (RFC 3030), and what its end is answered.
#include "smtp/server_session.hpp"

#include <fmt/format.h>

namespace smtp {
namespace {

mail::ReplyText failure_reply(CommitFailure failure, std::string_view host) {
    switch (failure) {
        case CommitFailure::NoSpace:
            return {452, {4, 3, 1}, "Insufficient system storage"};
        case CommitFailure::Store:
            return {451, {4, 3, 0}, "Error: queue file write error"};
        case CommitFailure::Closing:
            return {421, {4, 3, 2}, fmt::format("{} Service shutting down, try again later", host)};
    }
    return {451, {4, 3, 0}, "Error: queue file write error"};
}

}  // namespace

Step ServerSession::data(std::string_view argument) {
    if (!argument.empty()) return refuse({501, {5, 5, 4}, "Syntax: DATA"});
    if (state_ == State::Mail) return refuse({554, {5, 5, 1}, "Error: no valid recipients"});
    if (state_ != State::Rcpt) return refuse(need("need RCPT command"));
    if (envelope_.body == mail::BodyType::BinaryMime) return refuse(need("BODY=BINARYMIME requires BDAT"));
    return judge(Stage::Data);
}

Step ServerSession::bdat(std::string_view argument) {
    const auto command = parse_bdat(argument);
    if (!command) {
        // How much follows is not known: what comes cannot be told from commands.
        return refuse({521, {5, 5, 4}, "Syntax: BDAT count [LAST]"});
    }
    chunk_octets_ = command->size;
    chunk_last_ = command->last;
    const bool ready = state_ == State::Rcpt || (state_ == State::Content && chunking_);
    if (!ready) {
        content_refusal_ = state_ == State::Mail
                               ? mail::ReplyText{554, {5, 5, 1}, "Error: no valid recipients"}
                               : need("need RCPT command");
        chunk_refused_ = true;
    } else if (options_->message_size_limit > 0 &&
               (chunk_octets_ > options_->message_size_limit ||
                received_octets_ + chunk_octets_ > options_->message_size_limit)) {
        content_refusal_ = {552, {5, 3, 4}, "Error: message size exceeds fixed limit"};
        chunk_refused_ = true;
    }
    if (chunk_refused_) {  // a refused chunk is swallowed all the same (RFC 3030 §2)
        Step out;
        out.next = Step::Next::SkipChunk;
        out.chunk_octets = chunk_octets_;
        return out;
    }
    received_octets_ += chunk_octets_;
    if (!judged_data_) return judge(Stage::Data);
    Step out;
    out.next = Step::Next::ReadChunk;
    out.chunk_octets = chunk_octets_;
    return out;
}

Step ServerSession::on_begun(std::optional<CommitFailure> failure) {
    if (verb_ == Verb::Bdat) {
        Step out;
        out.next = Step::Next::ReadChunk;
        out.chunk_octets = chunk_octets_;
        chunking_ = true;
        if (failure) {
            content_refusal_ = failure_reply(*failure, options_->host_name);
            chunk_refused_ = true;
            chunking_ = false;
            out.next = Step::Next::SkipChunk;
            return out;
        }
        state_ = State::Content;
        return out;
    }
    if (failure) {
        Step out = refuse(failure_reply(*failure, options_->host_name));
        reset_transaction();
        return out;
    }
    state_ = State::Content;
    Step out;
    out.output = "354 End data with <CR><LF>.<CR><LF>\r\n";
    out.next = Step::Next::ReadData;
    return limited(std::move(out));
}

mail::ReplyText ServerSession::final_reply(const ContentSummary& summary) const {
    if (summary.bare_newline && options_->bare_newline == BareNewline::Reject && !bare_newline_allowed_)
        return {static_cast<int>(options_->bare_newline_reject_code), {5, 5, 2}, "Error: bare <LF> received"};
    if (options_->message_size_limit > 0 && summary.size > options_->message_size_limit)
        return {552, {5, 3, 4}, "Error: message file too big"};
    if (summary.hops > options_->hop_count_limit) return {554, {5, 4, 0}, "Error: too many hops"};
    if (summary.failure) return failure_reply(*summary.failure, options_->host_name);
    return {};
}

Step ServerSession::on_content(const ContentSummary& summary) {
    if (chunk_refused_) {
        Step out = refuse(content_refusal_);
        const bool begun = state_ == State::Content;
        chunk_refused_ = false;
        if (begun || chunk_last_) reset_transaction();
        return out;
    }
    if (verb_ == Verb::Bdat && !chunk_last_ && !summary.failure)
        return ok(250, {2, 0, 0}, fmt::format("Ok: {} bytes", chunk_octets_));
    const auto refusal = final_reply(summary);
    if (!refusal.is_positive()) {
        Step out = refuse(refusal);
        if (summary.bare_newline && refusal.text.ends_with("received")) {
            out.next = Step::Next::Close;
            out.closed_because = "bare <LF>";
        }
        reset_transaction();
        return out;
    }
    return judge(Stage::EndOfData);
}

Step ServerSession::on_committed(std::string_view queue_id) {
    errors_ = errors_before_ = junk_ = 0;  // who delivers mail may err now and then
    const std::string size = chunking_ ? fmt::format("{} bytes ", received_octets_) : "";
    Step out = ok(250, {2, 0, 0}, fmt::format("Ok: {}queued as {}", size, queue_id));
    reset_transaction();
    return out;
}

Step ServerSession::on_discarded(std::string_view queue_id) { return on_committed(queue_id); }

Step ServerSession::on_commit_failed(CommitFailure failure) {
    Step out = refuse(failure_reply(failure, options_->host_name));
    reset_transaction();
    return out;
}

}  // namespace smtp
