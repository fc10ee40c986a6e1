#include "app/login_secret.hpp"

namespace app {

env::Task<void> read_login_secret(env::Store& store, env::Random& random, std::string& secret, bool& ok) {
    constexpr std::size_t octets = 32;
    const std::string key = "login-secret";
    auto kept = co_await store.read(env::Keyspace::Meta, key);
    ok = kept.has_value();
    if (!ok) co_return;
    if (*kept && (*kept)->size() == octets) {
        secret = **kept;
        co_return;
    }
    secret.resize(octets);
    random.fill(secret);
    env::Batch batch;
    batch.put(env::Keyspace::Meta, key, secret);
    auto done = co_await store.commit(std::move(batch), env::Durability::Synced);
    ok = done.has_value();
}

}  // namespace app
