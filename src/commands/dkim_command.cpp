// postrider dkim: sign a message, make a key, rotate keys.
#include "base/text.hpp"
#include "commands/dkim_rotate.hpp"
#include "commands/judge_world.hpp"
#include "dkim/published_key.hpp"
#include "dkim/signature.hpp"
#include "dkim/signer.hpp"
#include "dns/name.hpp"
#include "dns/zone_text.hpp"
#include "policy/key_rotation.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace commands {
namespace {

using Json = nlohmann::ordered_json;

int dkim_sign(const Invocation& invocation, const NamedOptions& options) {
    for (const auto* name : {"domain", "selector", "key"})
        if (!options.has(name)) return usage_error("dkim", fmt::format("--{} is missing", name));
    const auto key = read_private_key(options.get("key"));
    if (!key) return usage_error("dkim", key.error());
    const auto algorithm = options.get("algorithm", std::string(dkim::to_text(key->algorithm())));
    if (algorithm != dkim::to_text(key->algorithm()))
        return usage_error(
            "dkim", fmt::format("the key is for {}, not {}", dkim::to_text(key->algorithm()), algorithm));
    const auto forms = dkim::parse_canonicalization(options.get("canonicalization", "relaxed/simple"));
    if (!forms) return usage_error("dkim", "--canonicalization is simple or relaxed, header/body");
    const auto now = time_of(options);
    if (!now) return usage_error("dkim", now.error());
    dkim::SignOptions how;
    how.domain = base::lower(options.get("domain"));
    how.selector = options.get("selector");
    how.identity = options.get("identity");
    how.header_form = forms->first;
    how.body_form = forms->second;
    how.timestamp = *now;
    if (options.has("headers")) {
        how.names = name_list(options.get("headers"));
        if (std::ranges::none_of(how.names, [](const auto& n) { return base::iequals(n, "from"); }))
            return usage_error("dkim", "--headers must name From (RFC 6376 section 5.4)");
    }
    const auto input = read_standard_input();
    if (!input) return usage_error("dkim", input.error());
    const auto message = split_message(*input);
    dkim::Signer signer(how, message.header_block);
    signer.body(message.body);
    const auto field = signer.field(*key);
    if (invocation.json)
        print_json({{"field", field}});
    else
        fmt::print("{}{}\r\n{}", field, message.header_block, message.body);
    return exit_ok;
}

int dkim_keygen(const Invocation& invocation, const NamedOptions& options) {
    const auto algorithm = parse_key_algorithm(options.get("algorithm", "rsa-sha256"));
    const auto bits = base::parse_number(options.get("bits", "2048"), 4096);
    if (!algorithm || !bits || *bits < 1024)
        return usage_error("dkim", "--algorithm is rsa-sha256 or ed25519-sha256, --bits 1024 to 4096");
    const auto domain = options.get("domain"), selector = options.get("selector", "s1");
    const auto name = dkim::key_record_name(selector, domain.empty() ? "YOUR.DOMAIN" : domain);
    if (!dns::Name::parse(name)) return usage_error("dkim", name + " is no name for the DNS");
    const bool rsa = *algorithm == dkim::Algorithm::RsaSha256;
    const auto pem = dkim::generate_key_pem(rsa ? static_cast<unsigned>(*bits) : 0);
    const auto key = dkim::PrivateKey::parse(pem);
    if (!key) return usage_error("dkim", key.error());
    if (options.has("out")) {
        const KeyOwner owner(invocation.directory);
        if (const auto written = owner.write_key(options.get("out"), pem); !written) {
            fmt::print(stderr, "postrider dkim: {}\n", written.error());
            return exit_failed;
        }
    }
    const auto record = dkim::key_record_text(*key);
    const auto line = fmt::format("{}. IN TXT {}", name, dns::text_strings(record));
    if (invocation.json) {
        Json out{{"name", name},       {"record", record},     {"zone", line},
                 {"domain", domain},   {"selector", selector}, {"algorithm", dkim::to_text(key->algorithm())},
                 {"bits", key->bits()}};
        if (options.has("out"))
            out["file"] = options.get("out");
        else
            out["key"] = pem;
        print_json(out);
    } else {
        if (!options.has("out")) fmt::print("{}", pem);
        fmt::print("{}\n", line);
    }
    return exit_ok;
}

}  // namespace

int dkim(const Invocation& invocation) {
    const auto options = NamedOptions::parse(
        invocation.arguments,
        {"domain", "selector", "key", "algorithm", "canonicalization", "headers", "now", "identity", "bits",
         "out", "resolver", "directory", "publish-wait", "overlap", "if-older", "status"},
        {"status"});
    if (!options) return usage_error("dkim", options.error());
    const auto& words = options->rest();
    if (words.size() == 1 && words[0] == "sign") return dkim_sign(invocation, *options);
    if (words.size() == 1 && words[0] == "keygen") return dkim_keygen(invocation, *options);
    if (!words.empty() && words[0] == "rotate" && words.size() <= 2) return dkim_rotate(invocation, *options);
    return usage_error("dkim", "say sign, keygen or rotate");
}

}  // namespace commands
