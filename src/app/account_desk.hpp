// The accounts' counts in the running server: read from the store at the start, written back as they change;
// the postmaster is told of an account that suddenly sends far more than it used to. Belongs to the queue's
// loop. Knows only env/.
#pragma once

#include "app/front.hpp"
#include "policy/account_options.hpp"
#include "queue/own_mail.hpp"
#include "server/control_server.hpp"

#include <memory>

namespace app {

class AccountDesk {
 public:
    AccountDesk(LoopEnvironment environment, policy::AccountLimits& limits, queue::Intake& intake,
                queue::ExpandEnvelope expand);
    /// Before load(), and for each reload. Error: what the administrator must mend.
    std::expected<void, std::string> use(const Site& site);
    /// Before the first client. False: the store cannot be read.
    env::Task<bool> load();
    void start();
    /// The last counts are on disk when it is done.
    env::Task<void> stop();
    /// `client`: "name[address]" of the connection that made it so.
    void conspicuous(std::string account, std::string client);
    /// For `postrider status`: the accounts that are conspicuous today.
    std::vector<std::string> problems() const;
    void add_control_handlers(server::ControlServer& control);

 private:
    struct State;
    static env::Task<void> work(std::shared_ptr<State> state);
    static env::Task<bool> write_down(std::shared_ptr<State> state, env::Durability durability);
    static env::Task<void> tell_postmaster(std::shared_ptr<State> state, std::string account,
                                           std::string client);
    static env::Task<std::string> list(std::shared_ptr<State> state, std::string account,
                                       server::ControlReply& reply);
    std::shared_ptr<State> state_;
};

}  // namespace app
