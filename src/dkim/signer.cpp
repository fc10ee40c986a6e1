#include "dkim/signer.hpp"

#include "base/base64.hpp"
#include "base/text.hpp"
#include "dkim/verifier.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace dkim {
namespace {

constexpr std::size_t line_octets = 72;

// RFC 6376 §5.4.1, with the list and MIME fields that people rely on.
constexpr std::string_view recommended[] = {"from",
                                            "sender",
                                            "reply-to",
                                            "subject",
                                            "date",
                                            "to",
                                            "cc",
                                            "message-id",
                                            "mime-version",
                                            "content-type",
                                            "content-transfer-encoding",
                                            "content-disposition",
                                            "in-reply-to",
                                            "references",
                                            "resent-date",
                                            "resent-from",
                                            "resent-to",
                                            "resent-cc",
                                            "list-id",
                                            "list-help",
                                            "list-unsubscribe",
                                            "list-unsubscribe-post",
                                            "list-subscribe",
                                            "list-post",
                                            "list-owner",
                                            "list-archive"};

std::string folded(std::string_view text, std::string_view separators) {
    std::string out;
    std::size_t line = 0;
    while (!text.empty()) {
        auto end = separators.empty() ? std::min(line_octets, text.size()) : text.find_first_of(separators);
        end = separators.empty()
                  ? end
                  : std::min(end == std::string_view::npos ? text.size() : end + 1, text.size());
        if (line > 0 && line + end > line_octets) {
            out += "\r\n\t";
            line = 0;
        }
        out += text.substr(0, end);
        line += end;
        text.remove_prefix(end);
    }
    return out;
}

std::size_t count_fields(const std::vector<Field>& fields, std::string_view name) {
    return static_cast<std::size_t>(
        std::ranges::count_if(fields, [&](const Field& f) { return base::iequals(f.name, name); }));
}

std::vector<std::string> names_to_sign(const SignOptions& options, const std::vector<Field>& fields) {
    if (!options.names.empty()) return options.names;
    std::vector<std::string> out = recommended_names(fields);
    const auto standing = [&](std::string_view name) { return count_fields(fields, name); };
    const auto oversign = [&](const std::string& name) {
        const auto listed = std::ranges::count_if(out, [&](auto& n) { return base::iequals(n, name); });
        for (auto i = static_cast<std::size_t>(listed); i < standing(name) + 1; ++i) out.push_back(name);
    };
    std::ranges::for_each(options.oversigned, oversign);
    for (const auto& name : options.oversigned_if_present)
        if (standing(name) > 0) oversign(name);
    return out;
}

}  // namespace

std::vector<std::string> recommended_names(const std::vector<Field>& fields) {
    std::vector<std::string> out;
    for (const auto name : recommended) out.insert(out.end(), count_fields(fields, name), std::string(name));
    return out;
}

Signer::Signer(SignOptions options, std::string header_block)
    : options_(std::move(options)),
      header_block_(std::move(header_block)),
      fields_(split_fields(header_block_)),
      names_(names_to_sign(options_, fields_)),
      hasher_(options_.body_form) {}

void Signer::use_body_hash(std::string_view digest) { body_hash_ = base::base64_encode(digest); }

std::string Signer::field(const PrivateKey& key, std::string_view selector) {
    if (body_hash_.empty()) body_hash_ = base::base64_encode(hasher_.finish());
    std::string names;
    for (const auto& name : names_) names += (names.empty() ? "" : ":") + base::lower(name);
    std::string out =
        fmt::format("DKIM-Signature: v=1; a={}; c={}/{};\r\n\td={}; s={};", to_text(key.algorithm()),
                    to_text(options_.header_form), to_text(options_.body_form), options_.domain, selector);
    if (!options_.identity.empty()) out += fmt::format("\r\n\ti={};", options_.identity);
    if (options_.timestamp) out += fmt::format(" t={};", *options_.timestamp);
    if (options_.expiration) out += fmt::format(" x={};", *options_.expiration);
    out += "\r\n\th=" + folded(names, ":") + ";\r\n\tbh=" + body_hash_ + ";\r\n\tb=";
    const std::string data = signed_header_data(fields_, names_, out + "\r\n", options_.header_form);
    return out + folded(base::base64_encode(key.sign(sha256(data))), "") + "\r\n";
}

}  // namespace dkim
