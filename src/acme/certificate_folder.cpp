#include "acme/certificate_folder.hpp"

#include "base/result.hpp"
#include "base/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace acme {
namespace {

constexpr std::uint64_t file_octets_max = 1 << 20;
constexpr std::uint32_t private_file = 0600, private_folder = 0700;

using nlohmann::json;

std::uint64_t number_in(const json& value, const char* name) {
    const auto at = value.find(name);
    return at != value.end() && at->is_number_unsigned() ? at->get<std::uint64_t>() : 0;
}

}  // namespace

std::string print_attempts(const Attempts& attempts) {
    json out = json::object();
    out["failures"] = attempts.failures;
    out["last"] = attempts.last;
    out["next"] = attempts.next;
    out["error"] = attempts.error;
    return out.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

Attempts parse_attempts(std::string_view text) {
    const json value = json::parse(text, nullptr, false);
    if (!value.is_object()) return {};
    Attempts out{static_cast<std::uint32_t>(std::min<std::uint64_t>(number_in(value, "failures"), 1000)),
                 number_in(value, "last"), number_in(value, "next"), ""};
    const auto error = value.find("error");
    if (error != value.end() && error->is_string()) out.error = base::printable(error->get<std::string>());
    return out;
}

std::expected<void, std::string> CertificateFolder::prepare() {
    if (files_.stat(path_)) return {};
    const auto made = files_.make_directory(path_, private_folder);
    if (!made && made.error() != env::FileError::Exists)
        return std::unexpected(
            fmt::format("cannot make {}: {}; mail_owner must be able to write "
                        "acme_certificate_directory",
                        path_, env::to_text(made.error())));
    return {};
}

std::expected<void, std::string> CertificateFolder::write(const std::string& path, std::string_view text) {
    const std::string fresh = path + ".new";
    static_cast<void>(files_.remove(fresh));  // what a crash left
    const auto wrong = [&](env::FileError error) {
        return std::unexpected(fmt::format("cannot write {}: {}", path, env::to_text(error)));
    };
    {
        auto file = files_.open(fresh, env::OpenMode::CreateExclusive, private_file);
        if (!file) return wrong(file.error());
        auto written = (*file)->write(text);
        if (written) written = (*file)->sync();
        if (!written) return wrong(written.error());
    }
    auto renamed = files_.rename(fresh, path);
    if (renamed) renamed = files_.sync_directory(path_);
    if (!renamed) return wrong(renamed.error());
    return {};
}

std::expected<Key, std::string> CertificateFolder::account_key(const std::string& directory_url) {
    TRY(prepare());
    // One account for each authority: a key is never shown to another one.
    constexpr std::size_t name_octets = 8;
    const std::string path =
        fmt::format("{}/account-{}.pem", path_, base::to_hex(sha256(directory_url).substr(0, name_octets)));
    const auto text = files_.read(path, file_octets_max);
    if (text) {
        auto key = Key::parse(*text);
        if (!key) return std::unexpected(fmt::format("{}: {}", path, key.error()));
        return key;
    }
    if (text.error() != env::FileError::NotFound)
        return std::unexpected(fmt::format("{}: {}", path, env::to_text(text.error())));
    const Key key = Key::generate(KeyType::Ecdsa);
    TRY(write(path, key.pem()));
    return key;
}

std::expected<std::optional<std::string>, std::string> CertificateFolder::read(const Wanted& wanted) {
    const std::string path = certificate_path(wanted);
    auto text = files_.read(path, file_octets_max);
    if (text) return std::move(*text);
    if (text.error() == env::FileError::NotFound) return std::nullopt;
    return std::unexpected(fmt::format("{}: {}", path, env::to_text(text.error())));
}

std::expected<void, std::string> CertificateFolder::keep(const Wanted& wanted, const Key& key,
                                                         const std::string& chain_pem) {
    TRY(prepare());
    return write(certificate_path(wanted), key.pem() + chain_pem);
}

Attempts CertificateFolder::attempts(const Wanted& wanted) {
    const auto text = files_.read(path_ + "/" + wanted.id() + ".json", file_octets_max);
    return text ? parse_attempts(*text) : Attempts{};
}

std::expected<void, std::string> CertificateFolder::keep_attempts(const Wanted& wanted,
                                                                  const Attempts& attempts) {
    TRY(prepare());
    return write(path_ + "/" + wanted.id() + ".json", print_attempts(attempts));
}

}  // namespace acme
