// local(8): aliases, .forward files and the mailboxes of Unix users (transport "local"). Commands and files
// are touched through the Agent, as the user concerned; addresses elsewhere go on as one new message.
#pragma once

#include "base/event.hpp"
#include "base/parameter.hpp"
#include "delivery/agent.hpp"
#include "delivery/alias_value.hpp"
#include "env/file_system.hpp"
#include "env/loop.hpp"
#include "queue/intake.hpp"
#include "queue/transport.hpp"
#include "routing/routing.hpp"
#include "tables/factory.hpp"

#include <functional>
#include <set>

namespace delivery {

struct LocalOptions {
    std::string host_name, mail_name, my_origin, alias_maps, spool_directory, home_mailbox, mailbox_command,
        mailbox_transport, fallback_transport, luser_relay, default_privileges, recipient_delimiter,
        junk_folder;
    std::vector<std::string> forward_path, locks, commands_from, files_from;
    std::uint64_t mailbox_limit = 51200000;
    std::chrono::seconds command_time_limit{1000};
    bool owner_request_special = true;
    std::uint32_t expansion_limit = 1000;
    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        using O = LocalOptions;
        using base::Between;
        using base::Default;
        parameter("myhostname", &O::host_name, Default{"$myhostname"}, "This machine's full name.");
        parameter("mail_name", &O::mail_name, Default{"Postrider"},
                  "The name of the mail system in Received: and notifications.");
        parameter("myorigin", &O::my_origin, Default{"$myhostname"},
                  "The domain of addresses given without one; a file name means the file's first line.");
        parameter("alias_maps", &O::alias_maps, Default{"hash:/etc/aliases"},
                  "Alias tables of local(8), in aliases(5) form.");
        parameter("mail_spool_directory", &O::spool_directory, Default{"/var/mail"},
                  "Where the mailboxes of Unix users are; with a / at the end they are Maildirs.");
        parameter(
            "home_mailbox", &O::home_mailbox, Default{""},
            "The mailbox below a user's home instead of mail_spool_directory; with a / at the end it is a "
            "Maildir.");
        parameter("mailbox_command", &O::mailbox_command, Default{""}, base::Raw{},
                  "A command that takes the mail of Unix users, run as the user.");
        parameter("mailbox_transport", &O::mailbox_transport, Default{""},
                  "A transport that takes the mail of Unix users, after aliases and .forward.");
        parameter("fallback_transport", &O::fallback_transport, Default{""},
                  "A transport for recipients that are no Unix users.");
        parameter("luser_relay", &O::luser_relay, Default{""}, base::Raw{},
                  "Where mail for unknown local users goes; empty: it is refused.");
        parameter("default_privs", &O::default_privileges, Default{"nobody"},
                  "The user that commands and files in aliases are run and written as; never root.");
        parameter("recipient_delimiter", &O::recipient_delimiter, Default{""},
                  "What separates user and extension (user+ext).");
        parameter(
            "forward_path", &O::forward_path,
            Default{"$home/.forward${recipient_delimiter}${extension}, $home/.forward"}, base::Raw{},
            "Where a user's .forward file is looked for; ${home}, ${user} and ${extension} are filled in.");
        parameter("mailbox_delivery_lock", &O::locks, Default{"fcntl, dotlock"},
                  "How a user's mbox file is locked: fcntl, flock, dotlock.");
        parameter("allow_mail_to_commands", &O::commands_from, Default{"alias, forward"},
                  "Where |commands are allowed: alias, forward, include.");
        parameter("allow_mail_to_files", &O::files_from, Default{"alias, forward"},
                  "Where /files are allowed: alias, forward, include.");
        parameter("mailbox_size_limit", &O::mailbox_limit, Between{0, 9223372036854775807},
                  "The largest mbox file of a Unix user in octets; 0: no limit.");
        parameter("command_time_limit", &O::command_time_limit, Between{1s, 86400s}, Default{"1000s"},
                  "How long a command may take.");
        parameter("owner_request_special", &O::owner_request_special, Default{"yes"},
                  "owner-listname and listname-request are not split at the delimiter.");
        parameter("postrider_alias_expansion_limit", &O::expansion_limit, Between{1, 1000000},
                  "How many targets one local recipient may become through aliases.");
        parameter("dmarc_junk_folder", &O::junk_folder, Default{"Junk"},
                  "The folder of a Maildir that quarantined mail goes to (dmarc_quarantine_action = junk).");
    }
};

class LocalTransport : public queue::Transport {
 public:
    struct Services {
        env::Loop& loop;
        tables::Factory& factory;
        env::UserDatabase& users;
        routing::Routing& routing;
        queue::Intake& intake;
        base::EventSink& events;
        Agent& agent;
        std::function<queue::Transport*(const std::string& name)> transport;  // nullptr: unknown
    };
    static std::expected<std::unique_ptr<LocalTransport>, std::string> make(LocalOptions options,
                                                                            Services services);
    env::Task<queue::DeliveryReport> deliver(queue::DeliveryRequest request) override;

 private:
    /// Where in an expansion we are.
    struct Expansion;
    /// As whom commands are run and files written, and on whose word.
    struct Privileges {
        Credentials as;
        std::string origin;           // alias, include, forward
        std::string home, extension;  // of a user's own command; empty: an alias's
    };
    using Result = queue::RecipientResult;
    LocalTransport(LocalOptions options, Services services)
        : options_(std::move(options)), services_(std::move(services)) {}
    env::Task<Result> deliver_one(queue::DeliveryRequest& request, const mail::Recipient& recipient);
    env::Task<void> expand_name(Expansion& state, std::string name, int depth);
    env::Task<void> expand_items(Expansion& state, std::string text, Privileges as, int depth);
    env::Task<void> deliver_user(Expansion& state, std::string name, bool use_forward, int depth);
    env::Task<void> deliver_mailbox(Expansion& state, env::UnixUser user, std::string extension);
    env::Task<void> run_command(Expansion& state, std::string command, Privileges as);
    env::Task<void> deliver_file(Expansion& state, std::string path, Credentials as);
    env::Task<void> pass_on(Expansion& state, std::string destination);
    env::Task<void> forward(Expansion& state);
    env::Task<std::optional<std::string>> alias(Expansion& state, std::string name);
    std::optional<Privileges> default_privileges() const;

    LocalOptions options_;
    Services services_;
    tables::TableList aliases_;
};

}  // namespace delivery
