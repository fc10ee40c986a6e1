#include "arc/sealer.hpp"

#include "base/base64.hpp"
#include "base/text.hpp"
#include "dkim/signer.hpp"
#include "dkim/verifier.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace arc {
namespace {

// Tags in alphabetical order with "; " between them: the form independent implementations compare.
std::string folded_signature(std::string_view text) {
    constexpr std::size_t line_octets = 72;
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += line_octets)
        out += (i > 0 ? "\r\n " : "") + std::string(text.substr(i, line_octets));
    return out;
}

/// The value of h=; white space may stand at a colon.
std::string folded_names(const std::vector<std::string>& names) {
    constexpr std::size_t line_octets = 200;
    std::string out;
    std::size_t line = 0;
    for (const auto& name : names) {
        if (!out.empty()) out += ':';
        if (line > line_octets) {
            out += "\r\n ";
            line = 0;
        }
        out += base::lower(name);
        line += name.size() + 1;
    }
    return out;
}

}  // namespace

Sealer::Sealer(SealOptions options, std::string header_block)
    : options_(std::move(options)),
      header_block_(std::make_shared<const std::string>(std::move(header_block))),
      fields_(dkim::split_fields(*header_block_)),
      sets_(read_sets(fields_, Limits{})),
      hasher_(dkim::Canonicalization::Relaxed) {}

std::string Sealer::seal(const dkim::PrivateKey& key, ChainStatus chain, std::string_view results) {
    const bool broken = !sets_;
    const std::size_t before = sets_ ? sets_->size() : 0;
    if (before > 0 && sets_->back().chain_validation == "fail") return "";
    if (broken || before >= Limits{}.instances_max) return "";
    if (before == 0 && chain == ChainStatus::Pass) chain = ChainStatus::None;
    if (before > 0 && chain == ChainStatus::None) chain = ChainStatus::Fail;
    if (chain == ChainStatus::TempError) return "";
    const std::size_t instance = before + 1;
    const auto algorithm = dkim::to_text(key.algorithm());
    std::vector<std::string> names = options_.names;
    if (names.empty()) {
        names = dkim::recommended_names(fields_);
        // What signed before us is to stay verifiable (RFC 8617 §4.1.2).
        names.insert(names.end(),
                     static_cast<std::size_t>(std::ranges::count_if(
                         fields_, [](const auto& f) { return base::iequals(f.name, "DKIM-Signature"); })),
                     "dkim-signature");
    }
    std::erase_if(names, [](const auto& name) { return base::istarts_with(name, "arc-"); });
    const std::string list = folded_names(names);

    const std::string authentication = fmt::format("ARC-Authentication-Results: i={}; {}; {}\r\n", instance,
                                                   options_.authserv_id, results.empty() ? "none" : results);
    const auto message_field = [&](std::string_view signature) {
        return fmt::format(
            "ARC-Message-Signature: a={}; b={};\r\n bh={}; c=relaxed/relaxed;\r\n d={}; h={};\r\n i={}; "
            "s={}; t={}\r\n",
            algorithm, signature, body_hash_, options_.domain, list, instance, options_.selector,
            options_.timestamp);
    };
    body_hash_ = base::base64_encode(hasher_.finish());
    const std::string message_data =
        dkim::signed_header_data(fields_, names, message_field(""), dkim::Canonicalization::Relaxed);
    const std::string message =
        message_field(folded_signature(base::base64_encode(key.sign(dkim::sha256(message_data)))));
    const auto seal_field = [&](std::string_view signature) {
        return fmt::format("ARC-Seal: a={}; b={};\r\n cv={}; d={}; i={}; s={};\r\n t={}\r\n", algorithm,
                           signature, to_text(chain), options_.domain, instance, options_.selector,
                           options_.timestamp);
    };
    std::vector<Set> sets = *sets_;
    Set ours;
    ours.results = dkim::Field{"ARC-Authentication-Results", authentication};
    ours.message_signature = dkim::Field{"ARC-Message-Signature", message};
    sets.push_back(ours);
    const std::string data = seal_data(sets, seal_field(""), chain == ChainStatus::Fail);
    const std::string seal = seal_field(folded_signature(base::base64_encode(key.sign(dkim::sha256(data)))));
    return seal + message + authentication;
}

}  // namespace arc
