// Queued messages for the queue tools: from the running server, or, when it is down, from its store, which is
// only read.
#pragma once

#include "commands/site_loader.hpp"
#include "commands/verb.hpp"

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace commands {

using OnLine = std::function<void(const nlohmann::json&)>;

/// Each message as app::queued_message_json() has it. False: neither; what hinders went to standard error
/// under `name`.
bool list_messages(const Invocation& invocation, std::string_view name, const OnLine& on_line);
enum class Shown { Yes, NoSuchMessage, No };
/// One message, then its content in lines {"content": base64}. No: as list_messages().
Shown show_message(const Invocation& invocation, std::string_view name, const std::string& id,
                   const OnLine& on_line);

/// showq(8)'s table with the columns of long queue ids.
class QueueTable {
 public:
    enum class Form { Postfix, Told };  // Told: with what is known beyond Postfix's words
    explicit QueueTable(Form form) : form_(form) {}
    void row(const nlohmann::json& line, std::int64_t now);
    void end() const;

 private:
    Form form_;
    std::size_t count_ = 0;
    std::uint64_t octets_ = 0;
};

/// One line of postqueue -j.
std::string postqueue_json(const nlohmann::json& line);
/// Without control octets, which would move the terminal's cursor.
std::string clean(const nlohmann::json& line, const char* key);
/// "Tue Nov 24 22:39:40", and with the year.
enum class Year { No, Yes };
std::string local_time(std::int64_t seconds, Year year);

}  // namespace commands
