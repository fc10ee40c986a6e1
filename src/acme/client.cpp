#include "acme/client.hpp"

namespace acme {
namespace {

using Result = std::expected<std::string, OrderFailure>;

Result failure(std::string why, std::chrono::seconds not_before = std::chrono::seconds(0)) {
    return std::unexpected(OrderFailure{std::move(why), not_before});
}

env::Task<Result> run(ClientServices services, OrderSession& session, const std::string& ca_pem,
                      std::vector<Proof>& shown) {
    const auto deadline = services.loop.clock().steady() + order_time_max;
    OrderSession::Action action = session.start();
    for (;;) {
        if (services.loop.clock().steady() > deadline)
            co_return failure("the authority takes too long; it is tried again later");
        if (auto* ask = std::get_if<OrderSession::Ask>(&action)) {
            env::HttpRequest request = std::move(ask->request);
            request.ca_pem = ca_pem;
            auto answer = co_await services.http.fetch(std::move(request));
            if (!answer) co_return failure(answer.error());
            action = session.on_answer(*answer);
        } else if (auto* publish = std::get_if<OrderSession::Publish>(&action)) {
            shown = std::move(publish->proofs);
            for (std::size_t i = 0; i < shown.size(); ++i) {
                Proof proof = shown[i];
                auto published = co_await services.board.publish(std::move(proof));
                if (!published) co_return failure(published.error());
            }
            action = session.on_published();
        } else if (auto* wait = std::get_if<OrderSession::Wait>(&action)) {
            const auto time = wait->time;
            co_await services.loop.sleep(time);
            action = session.on_waited();
        } else if (auto* done = std::get_if<OrderSession::Done>(&action)) {
            co_return Result(std::move(done->chain_pem));
        } else {
            auto& failed = std::get<OrderSession::Failed>(action);
            co_return failure(std::move(failed.why), failed.not_before);
        }
    }
}

}  // namespace

env::Task<Result> obtain(ClientServices services, OrderSession session, std::string ca_pem) {
    std::vector<Proof> shown;
    auto out = co_await run(services, session, ca_pem, shown);
    for (std::size_t i = 0; i < shown.size(); ++i) {
        Proof proof = shown[i];
        co_await services.board.withdraw(std::move(proof));
    }
    co_return out;
}

}  // namespace acme
