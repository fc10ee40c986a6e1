// The Judge over restriction lists. Belongs to one loop; immutable but for its tables' contents.
#pragma once

#include "base/event.hpp"
#include "policy/restriction.hpp"

#include <array>

namespace policy {

class RestrictionJudge : public Judge {
 public:
    struct Services {
        tables::Factory& factory;
        env::FileSystem& files;
        routing::Directory& directory;
        base::EventSink& events;
        env::Resolver* resolver = nullptr;
        std::string service = "smtpd";
        env::Network* network = nullptr;  // for policy servers
        env::Loop* loop = nullptr;
    };
    /// `class_text`: the value of a restriction class by name. Refuses lists that would make an open relay,
    /// as Postfix does.
    static std::expected<std::unique_ptr<RestrictionJudge>, std::string> make(
        PolicyOptions options, Services services,
        const std::function<std::string(const std::string&)>& class_text);
    bool asks(Stage stage) const override;
    env::Task<Verdict> judge(Stage stage, const Facts& facts) override;

 private:
    RestrictionJudge(PolicyOptions options, const Services& services)
        : options_(std::move(options)),
          directory_(services.directory),
          events_(services.events),
          resolver_(services.resolver),
          service_(services.service),
          network_(services.network),
          loop_(services.loop) {}
    /// What is evaluated when a stage is asked, lists without a restriction left out.
    struct Part {
        const Program* program;
        Stage stage;
    };
    struct Parts {
        std::array<Part, 7> list{};
        std::size_t count = 0;
    };
    Parts parts_of(Stage stage) const;
    void report(Stage stage, const Facts& facts, const Notice& notice) const;
    PolicyOptions options_;
    routing::Directory& directory_;
    base::EventSink& events_;
    env::Resolver* resolver_;
    std::string service_;
    env::Network* network_;
    env::Loop* loop_;
    routing::NetworkList my_networks_;
    std::shared_ptr<const SenderLogins> sender_logins_;
    tables::TableList relay_client_certificates_;
    std::shared_ptr<const Program> client_, helo_, sender_, relay_, recipient_, data_, end_of_data_, etrn_;
    std::shared_ptr<const Program> unlisted_recipient_, unlisted_sender_;
    std::map<std::string, std::shared_ptr<const Program>, std::less<>> classes_;
};

}  // namespace policy
