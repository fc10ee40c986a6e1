// header_checks(5): tables that a field or a line of a message is looked up in, and what their results mean.
#pragma once

#include "mail/mime_splitter.hpp"
#include "mail/status.hpp"
#include "policy/filter_options.hpp"
#include "tables/factory.hpp"

#include <expected>
#include <string>
#include <string_view>

namespace policy {

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
/// REJECT's reply: "5.2.1 text" sets the status, "4.7.1 text" makes it temporary.
mail::ReplyText rejection(std::string_view text);

class HeaderChecks {
 public:
    static std::expected<HeaderChecks, std::string> make(const FilterOptions& options,
                                                         tables::Factory& factory);
    /// `field`: whole, without its last line end. A lookup that failed is an error's text.
    env::Task<std::expected<CheckAction, std::string>> check_field(std::string field,
                                                                   mail::MimePiece::Block block) const;
    env::Task<std::expected<CheckAction, std::string>> check_line(std::string line) const;
    bool any_for_fields() const { return !header_.empty() || !mime_.empty() || !nested_.empty(); }
    bool any_for_body() const { return !body_.empty(); }
    /// Parts must be told apart.
    bool follows_parts() const { return !mime_.empty() || !nested_.empty() || !body_.empty(); }

 private:
    tables::TableList header_, mime_, nested_, body_;
};

}  // namespace policy
