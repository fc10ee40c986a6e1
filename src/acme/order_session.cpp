#include "acme/order_session.hpp"

#include "acme/jws.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace acme {

using nlohmann::json;
using std::chrono::seconds;

namespace {

constexpr int http_created = 201, http_ok = 200, http_error = 400;

json contacts_json(const std::vector<std::string>& contacts) {
    json out = json::array();
    for (const auto& contact : contacts) out.push_back(contact);
    return out;
}

std::string order_payload(const std::vector<std::string>& names) {
    json list = json::array();
    for (const auto& name : names) {
        json one = json::object();
        one["type"] = "dns";
        one["value"] = name;
        list.push_back(std::move(one));
    }
    json out = json::object();
    out["identifiers"] = std::move(list);
    return out.dump();
}

}  // namespace

std::string_view to_text(ChallengeType type) {
    return type == ChallengeType::Http01 ? "http-01" : "tls-alpn-01";
}

seconds retry_after(const env::HttpResponse& answer) {
    constexpr std::uint64_t week = 7 * 86400;
    return seconds(std::min(base::parse_number(answer.header("retry-after")).value_or(0), week));
}

OrderSession::Action OrderSession::start() {
    env::HttpRequest request;
    request.url = settings_.directory_url;
    return Ask{std::move(request)};
}

OrderSession::Action OrderSession::fail(std::string why, seconds not_before) {
    state_ = State::Finished;
    return Failed{std::move(why), not_before};
}

OrderSession::Action OrderSession::fail_with(const env::HttpResponse& answer) {
    const Problem problem = parse_problem(answer.body);
    std::string what = problem.empty() ? fmt::format("HTTP status {}", answer.status) : problem.text();
    constexpr std::string_view doing[] = {"reading the directory",
                                          "making the account",
                                          "ordering",
                                          "reading an authorization",
                                          "publishing",
                                          "answering a challenge",
                                          "waiting for the authorization",
                                          "waiting for the order",
                                          "sending the request",
                                          "fetching the certificate",
                                          "nothing"};
    return fail(
        fmt::format("the authority refused while {}: {}", doing[static_cast<std::size_t>(state_)], what),
        retry_after(answer));
}

OrderSession::Action OrderSession::ask_nonce() {
    asking_nonce_ = true;
    env::HttpRequest request;
    request.method = "HEAD";
    request.url = directory_.new_nonce;
    return Ask{std::move(request)};
}

OrderSession::Action OrderSession::post(std::string url, std::string payload) {
    post_url_ = std::move(url);
    post_payload_ = std::move(payload);
    nonce_attempts_ = 0;
    return send_post();
}

OrderSession::Action OrderSession::send_post() {
    if (nonce_.empty()) return ask_nonce();
    env::HttpRequest request;
    request.method = "POST";
    request.url = post_url_;
    request.headers = {{"Content-Type", "application/jose+json"}};
    request.body = sign_jws(key_, {post_url_, std::exchange(nonce_, {}), account_}, post_payload_);
    return Ask{std::move(request)};
}

OrderSession::Action OrderSession::on_answer(const env::HttpResponse& answer) {
    if (const std::string fresh = answer.header("replay-nonce"); is_base64url(fresh)) nonce_ = fresh;
    if (std::exchange(asking_nonce_, false)) {
        if (answer.status >= http_error) return fail_with(answer);
        if (nonce_.empty()) return fail("the authority gave no nonce");
        return send_post();
    }
    if (answer.status >= http_error || answer.status < http_ok) {
        const bool stale = state_ != State::Directory && parse_problem(answer.body).type == "badNonce";
        if (stale && ++nonce_attempts_ < nonce_attempts_max) return send_post();
        return fail_with(answer);
    }
    switch (state_) {
        case State::Directory:
            return on_directory(answer);
        case State::Account:
            return on_account(answer);
        case State::NewOrder:
            order_url_ = answer.header("location");
            if (answer.status != http_created || !is_usable_url(order_url_))
                return fail("the authority did not say where the new order is");
            return on_order(answer);
        case State::Authorizations:
            return on_authorization(answer);
        case State::Answering:
            return on_challenge_taken();
        case State::Polling:
            return on_polled(answer);
        case State::OrderReady:
        case State::Finalizing:
            return on_order(answer);
        case State::Certificate:
            state_ = State::Finished;
            return Done{answer.body};
        case State::Publishing:
        case State::Finished:
            break;
    }
    return fail("the authority answered what was not asked");
}

OrderSession::Action OrderSession::on_directory(const env::HttpResponse& answer) {
    auto directory = parse_directory(answer.body);
    if (!directory) return fail(fmt::format("{}: {}", settings_.directory_url, directory.error()));
    directory_ = std::move(*directory);
    if (!directory_.terms.empty() && settings_.terms != OrderSettings::Terms::Agreed)
        return fail(
            fmt::format("the authority has terms of service, {} : read them, and set "
                        "acme_terms_agreed = yes when you agree",
                        directory_.terms));
    if (directory_.external_account_required && settings_.external_account.empty())
        return fail(
            "the authority wants an account made at its site: set acme_eab_key_id and "
            "acme_eab_key_file to what it gives you");
    return new_account();
}

OrderSession::Action OrderSession::new_account() {
    state_ = State::Account;
    json payload = json::object();
    payload["termsOfServiceAgreed"] = settings_.terms == OrderSettings::Terms::Agreed;
    if (!settings_.contacts.empty()) payload["contact"] = contacts_json(settings_.contacts);
    if (!settings_.external_account.empty())
        payload["externalAccountBinding"] = json::parse(sign_binding(
            settings_.external_account_key, settings_.external_account, directory_.new_account, key_));
    return post(directory_.new_account, payload.dump(-1, ' ', false, json::error_handler_t::replace));
}

// 201: a new account, 200: this key's old one (RFC 8555 §7.3, §7.3.1).
OrderSession::Action OrderSession::on_account(const env::HttpResponse& answer) {
    account_ = answer.header("location");
    if (!is_usable_url(account_)) return fail("the authority did not say where the account is");
    state_ = State::NewOrder;
    return post(directory_.new_order, order_payload(settings_.names));
}

OrderSession::Action OrderSession::on_order(const env::HttpResponse& answer) {
    auto order = parse_order(answer.body);
    if (!order) return fail(order.error());
    order_ = std::move(*order);
    switch (order_.status) {
        case Status::Invalid:
            return fail("the order failed: " + order_.error.text());
        case Status::Valid:
            if (!is_usable_url(order_.certificate)) return fail("the order is done and has no certificate");
            state_ = State::Certificate;
            return post(order_.certificate, "");
        case Status::Ready:
            if (state_ == State::Finalizing) return wait(answer);
            state_ = State::Finalizing;
            {
                json payload = json::object();
                payload["csr"] = base::base64url_encode(settings_.request_der);
                return post(order_.finalize, payload.dump());
            }
        case Status::Pending:
            if (state_ == State::NewOrder) {
                state_ = State::Authorizations;
                at_ = 0;
                return next_authorization();
            }
            return wait(answer);
        case Status::Processing:
        case Status::Unknown:
            break;
    }
    return wait(answer);
}

OrderSession::Action OrderSession::next_authorization() {
    if (at_ < order_.authorizations.size()) return post(order_.authorizations[at_], "");
    std::vector<Proof> proofs;
    for (const auto& one : pending_) proofs.push_back(one.proof);
    state_ = State::Publishing;
    return Publish{std::move(proofs)};
}

OrderSession::Action OrderSession::on_authorization(const env::HttpResponse& answer) {
    auto authorization = parse_authorization(answer.body);
    if (!authorization) return fail(authorization.error());
    const std::string url = order_.authorizations[at_++];
    if (std::ranges::find(settings_.names, authorization->name) == settings_.names.end())
        return fail(
            fmt::format("the authority wants a proof for {}, which was not ordered", authorization->name));
    if (authorization->status == Status::Valid) return next_authorization();
    if (authorization->status != Status::Pending)
        return fail(fmt::format("the authorization of {} is not open any more", authorization->name));
    const std::string_view wanted = to_text(settings_.challenge);
    std::string offered;
    for (const auto& challenge : authorization->challenges) {
        offered += (offered.empty() ? "" : ", ") + challenge.type;
        if (challenge.type != wanted) continue;
        if (!is_base64url(challenge.token) || challenge.url.empty())
            return fail(
                fmt::format("the authority's {} challenge for {} is malformed", wanted, authorization->name));
        pending_.push_back({url,
                            authorization->name,
                            challenge.url,
                            {settings_.challenge, authorization->name, challenge.token,
                             challenge.token + "." + key_.thumbprint()}});
        return next_authorization();
    }
    return fail(fmt::format("the authority does not offer {} for {}, only {}: set acme_challenge", wanted,
                            authorization->name, offered.empty() ? "nothing" : offered));
}

OrderSession::Action OrderSession::on_published() {
    state_ = State::Answering;
    at_ = 0;
    if (pending_.empty()) {
        state_ = State::OrderReady;
        return poll();
    }
    return post(pending_[at_].challenge_url, "{}");
}

OrderSession::Action OrderSession::on_challenge_taken() {
    if (++at_ < pending_.size()) return post(pending_[at_].challenge_url, "{}");
    state_ = State::Polling;
    at_ = 0;
    return poll();
}

OrderSession::Action OrderSession::on_polled(const env::HttpResponse& answer) {
    auto authorization = parse_authorization(answer.body);
    if (!authorization) return fail(authorization.error());
    const auto& pending = pending_[at_];
    if (authorization->status == Status::Invalid) {
        for (const auto& challenge : authorization->challenges)
            if (!challenge.error.empty())
                return fail(fmt::format("the authority could not verify {} by {}: {}", pending.name,
                                        to_text(settings_.challenge), challenge.error.text()));
        return fail(fmt::format("the authority could not verify {}", pending.name));
    }
    if (authorization->status != Status::Valid) return wait(answer);
    if (++at_ == pending_.size()) state_ = State::OrderReady;
    return poll();
}

OrderSession::Action OrderSession::wait(const env::HttpResponse& answer) {
    if (state_ == State::NewOrder) state_ = State::OrderReady;
    if (++polls_ > polls_max) return fail("the authority does not come to an end; it is tried again later");
    const seconds grown(std::min<seconds::rep>(wait_max.count(), wait_first.count() * (1 + polls_ / 5)));
    return Wait{std::clamp(retry_after(answer), grown, wait_max)};
}

OrderSession::Action OrderSession::on_waited() { return poll(); }

OrderSession::Action OrderSession::poll() {
    return post(state_ == State::Polling ? pending_[at_].url : order_url_, "");
}

}  // namespace acme
