// header_checks(5): tables that a field or a line of a message is looked up in, and what their results mean.
#pragma once

#include "mail/mime_splitter.hpp"
#include "tables/factory.hpp"

#include <expected>
#include <string>
#include <string_view>

namespace content {

struct CheckAction {
    enum class Kind {
        None,
        Reject,
        Discard,
        Ignore,
        Strip,  // as Ignore, with a word in the log
        Replace,
        Prepend,
        Filter,
        Redirect,
        Hold,
        Bcc,
        Warn,
        Info,
        Unknown  // no such action: said in the log, otherwise None
    } kind = Kind::None;
    std::string text;
};

/// "REJECT text", "DUNNO", …; an action that lacks its argument is Unknown.
CheckAction parse_check_action(std::string_view result);
/// The log's word: "reject", "warning", ….
std::string_view to_text(CheckAction::Kind kind);

struct FoundCheck {
    CheckAction action;
    std::string_view parameter;  // whose tables it stands in: "smtp_header_checks"
};

class HeaderChecks {
 public:
    struct Specs {
        std::string prefix;  // of the parameters' names: "", "smtp_"
        std::string header, mime, nested, body;
    };
    static std::expected<HeaderChecks, std::string> make(const Specs& specs, tables::Factory& factory);
    /// `field`: whole, without its last line end. A lookup that failed is an error's text.
    env::Task<std::expected<FoundCheck, std::string>> check_field(std::string field,
                                                                  mail::MimePiece::Block block) const;
    env::Task<std::expected<FoundCheck, std::string>> check_line(std::string line) const;
    bool any_for_fields() const {
        return !header_.tables.empty() || !mime_.tables.empty() || !nested_.tables.empty();
    }
    bool any_for_body() const { return !body_.tables.empty(); }
    /// Parts must be told apart.
    bool follows_parts() const {
        return !mime_.tables.empty() || !nested_.tables.empty() || !body_.tables.empty();
    }

 private:
    struct Map {
        std::string parameter;
        tables::TableList tables;
    };
    static env::Task<std::expected<FoundCheck, std::string>> ask(const Map& map, std::string text);
    Map header_, mime_, nested_, body_;
};

}  // namespace content
