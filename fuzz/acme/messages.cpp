// What an ACME server and whoever knocks at our challenge listener may send: a session fed with anything ends
// or asks on, within its limits.
#include "acme/messages.hpp"

#include "acme/challenge_server.hpp"
#include "acme/order_session.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

// The input: an HTTP status, then header and body of one answer after the other, by lines.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const acme::Key key = acme::Key::generate(acme::KeyType::Ecdsa);
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    const auto token = acme::asked_token(rest);
    if (token && !acme::is_base64url(*token)) std::abort();
    if (const auto order = acme::parse_order(rest))
        for (const auto& url : order->authorizations)
            if (!acme::is_usable_url(url)) std::abort();
    acme::parse_problem(rest);
    acme::OrderSettings settings;
    settings.directory_url = "https://ca/dir";
    settings.names = {"a.example"};
    settings.terms = acme::OrderSettings::Terms::Agreed;
    acme::OrderSession session(settings, key);
    auto action = session.start();
    constexpr unsigned steps_max = 1000;
    for (unsigned step = 0; step < steps_max; ++step) {
        if (auto* ask = std::get_if<acme::OrderSession::Ask>(&action)) {
            if (!acme::is_usable_url(ask->request.url)) std::abort();
            if (rest.empty()) return 0;
            const auto end = rest.find('\n');
            const std::string body(rest.substr(0, end));
            rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
            env::HttpResponse answer;
            answer.status = body.starts_with('!') ? 400 : body.starts_with('+') ? 201 : 200;
            answer.headers = {{"replay-nonce", "n"}, {"location", "https://ca/here"}, {"retry-after", "1"}};
            answer.body = body.starts_with('!') || body.starts_with('+') ? body.substr(1) : body;
            action = session.on_answer(answer);
        } else if (std::holds_alternative<acme::OrderSession::Publish>(action)) {
            action = session.on_published();
        } else if (std::holds_alternative<acme::OrderSession::Wait>(action)) {
            action = session.on_waited();
        } else {
            return 0;
        }
    }
    std::abort();
}
