#include "mail/authentication_results.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace mail {
namespace {

constexpr std::size_t value_octets_max = 255;

// RFC 2045 §5.1.
bool is_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return base::is_alnum(c) || std::string_view("!#$%&'*+-.^_`{|}~").find(c) != std::string_view::npos;
    });
}

// [local-part] "@" domain-name, of dot-atoms.
bool is_plain_address(std::string_view text) {
    const auto at = text.rfind('@');
    if (at == std::string_view::npos) return false;
    const auto local = text.substr(0, at), domain = text.substr(at + 1);
    const bool name = !domain.empty() && std::ranges::all_of(domain, [](char c) {
        return base::is_alnum(c) || c == '-' || c == '.' || c == '_';
    });
    const bool atoms =
        local.empty() || std::ranges::all_of(base::split(local, '.'), [](std::string_view atom) {
            return !atom.empty() && std::ranges::all_of(atom, [](char c) {
                return base::is_alnum(c) ||
                       std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
            });
        });
    return name && atoms;
}

// A pvalue (RFC 8601 §2.2): as it is when it is a token or a plain address, else a quoted string.
std::string value_text(std::string_view text) {
    const std::string clean = base::printable(text, value_octets_max);
    if (is_token(clean) || is_plain_address(clean)) return clean;
    std::string out = "\"";
    for (const char c : clean) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + "\"";
}

std::string comment_text(std::string_view text) {
    std::string out;
    for (const char c : base::printable(text, value_octets_max))
        out += c == '(' || c == ')' || c == '\\' ? '?' : c;
    return out;
}

/// Past white space and comments.
std::size_t skip_space(std::string_view text, std::size_t at) {
    int depth = 0;
    for (; at < text.size(); ++at) {
        if (text[at] == '\\' && depth > 0) {
            ++at;
        } else if (text[at] == '(') {
            ++depth;
        } else if (text[at] == ')' && depth > 0) {
            --depth;
        } else if (depth == 0 && !base::is_space(text[at])) {
            break;
        }
    }
    return std::min(at, text.size());
}

struct Word {
    std::string text;
    std::size_t end = 0;
};
std::optional<Word> read_word(std::string_view value, std::size_t at) {
    Word out;
    if (at >= value.size()) return std::nullopt;
    if (value[at] == '"') {
        for (++at; at < value.size() && value[at] != '"'; ++at) {
            if (value[at] == '\\' && at + 1 < value.size()) ++at;
            out.text += value[at];
        }
        if (at >= value.size()) return std::nullopt;
        out.end = at + 1;
        return out;
    }
    while (at < value.size() && !base::is_space(value[at]) && value[at] != ';' && value[at] != '(')
        out.text += value[at++];
    out.end = at;
    return out.text.empty() ? std::nullopt : std::optional(out);
}

}  // namespace

std::string authentication_results_text(const std::vector<AuthenticationMethod>& methods) {
    std::string out;
    for (const auto& one : methods) {
        if (!out.empty()) out += ";\r\n\t";
        out += one.method + "=" + one.result;
        if (!one.comment.empty()) out += " (" + comment_text(one.comment) + ")";
        if (!one.reason.empty()) out += " reason=" + value_text(one.reason);
        for (const auto& [name, value] : one.properties) out += "\r\n\t " + name + "=" + value_text(value);
    }
    return out.empty() ? "none" : out;
}

std::string authentication_results_field(std::string_view authserv_id,
                                         const std::vector<AuthenticationMethod>& methods) {
    return "Authentication-Results: " + value_text(authserv_id) + ";\r\n\t" +
           authentication_results_text(methods) + "\r\n";
}

std::optional<std::string> authserv_id_of(std::string_view value) {
    const auto word = read_word(value, skip_space(value, 0));
    // A control character in it: somebody wants two readers to see two ids.
    const auto is_control = [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; };
    if (!word || std::ranges::any_of(word->text, is_control)) return std::nullopt;
    std::string out = base::lower(word->text);
    while (out.ends_with('.')) out.pop_back();
    return out.empty() ? std::nullopt : std::optional(std::move(out));
}

std::vector<std::string> results_for(std::string_view results, std::string_view method) {
    std::vector<std::string> out;
    std::size_t at = 0;
    while (at < results.size()) {
        at = skip_space(results, at);
        const auto word = read_word(results, at);
        if (word && results[at] != '"') {
            const auto equals = word->text.find('=');
            // "dkim/1=pass": a version may follow the method.
            const auto name = std::string_view(word->text).substr(0, std::min(equals, word->text.find('/')));
            if (equals != std::string::npos && base::iequals(name, method))
                out.push_back(base::lower(word->text.substr(equals + 1)));
        }
        // On to the next resinfo, past quoted strings and comments.
        bool quoted = false;
        int depth = 0;
        for (; at < results.size(); ++at) {
            const char c = results[at];
            if (c == '\\') {
                ++at;
            } else if (quoted) {
                quoted = c != '"';
            } else if (c == '"' && depth == 0) {
                quoted = true;
            } else if (c == '(') {
                ++depth;
            } else if (c == ')' && depth > 0) {
                --depth;
            } else if (c == ';' && depth == 0) {
                break;
            }
        }
        ++at;
    }
    return out;
}

std::string results_of(std::string_view value) {
    const auto word = read_word(value, skip_space(value, 0));
    if (!word) return "";
    std::size_t at = skip_space(value, word->end);
    if (const auto version = read_word(value, at)) at = skip_space(value, version->end);
    return at >= value.size() || value[at] != ';' ? "" : std::string(base::trim(value.substr(at + 1)));
}

}  // namespace mail
