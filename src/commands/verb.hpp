// The verbs of the command line: `postrider VERB`, and Postfix's program names. One visible table, in
// verbs.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace commands {

/// Exit statuses (sysexits(3)), where a program that calls us looks at them.
constexpr int exit_ok = 0, exit_failed = 1, exit_usage = 64, exit_data = 65, exit_no_user = 67,
              exit_unavailable = 69, exit_software = 70, exit_temporary = 75, exit_configuration = 78;

struct Invocation {
    std::string name;                    // the verb, or the program name it was called by
    std::string directory;               // the configuration: -c DIR, else $MAIL_CONFIG, else /etc/postfix
    std::vector<std::string> arguments;  // what follows the verb, without -c DIR
    bool json = false;                   // --json
};

struct Verb {
    std::string_view name;
    std::string_view summary;
    int (*run)(const Invocation&);
    std::string_view help;  // usage and examples, shown by --help
    bool takes_c = true;    // -c DIR before or after the verb names the configuration
};

/// In the order of `postrider --help`.
std::span<const Verb> verbs();
/// The program names of Postfix, by which a symbolic link calls us.
std::span<const Verb> program_names();

int check(const Invocation&);
int postconf(const Invocation&);
int postfix(const Invocation&);
int status(const Invocation&);
int stop(const Invocation&);
int reload(const Invocation&);
int queue(const Invocation&);
int mailq(const Invocation&);
int postqueue(const Invocation&);
int postsuper(const Invocation&);
int postcat(const Invocation&);
int session(const Invocation&);
int user(const Invocation&);
int accounts(const Invocation&);
int certificates(const Invocation&);
int spf(const Invocation&);
int verify(const Invocation&);
int dkim(const Invocation&);
int arc(const Invocation&);
int parse(const Invocation&);
int dns_records(const Invocation&);
int reports_verb(const Invocation&);
int run(const Invocation&);
int sendmail(const Invocation&);
int postmap(const Invocation&);
int postalias(const Invocation&);
int newaliases(const Invocation&);
int parameters(const Invocation&);

}  // namespace commands
