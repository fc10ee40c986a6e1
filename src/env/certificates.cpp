#include "env/certificates.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "env/pem.hpp"

#include <fmt/format.h>

namespace env {
namespace {

std::expected<Certificates, std::string> split_chain(const std::string& pem) {
    constexpr std::string_view begin = "-----BEGIN ", dashes = "-----";
    Certificates out;
    std::size_t keys = 0;
    std::string before_key;  // certificates that no key precedes
    for (std::size_t at = pem.find(begin); at != std::string::npos; at = pem.find(begin, at + 1)) {
        const auto name_end = pem.find(dashes, at + begin.size());
        if (name_end == std::string::npos) break;
        const std::string name = pem.substr(at + begin.size(), name_end - at - begin.size());
        const std::string end_line = "-----END " + name + "-----";
        const auto end = pem.find(end_line, name_end);
        if (end == std::string::npos)
            return std::unexpected(fmt::format("'{}' has no end", base::printable(name, 60)));
        const std::string block = pem.substr(at, end + end_line.size() - at) + "\n";
        if (name.ends_with("PRIVATE KEY")) {
            ++keys;
            out.push_back({"", block});
        } else if (name.ends_with("CERTIFICATE")) {
            (out.empty() ? before_key : out.back().chain_pem) += block;
        }
        at = end;
    }
    if (keys == 0) return std::unexpected("there is no private key in it");
    if (!before_key.empty()) {
        if (keys > 1) return std::unexpected("each private key must stand before its own certificates");
        out.front().chain_pem = before_key + out.front().chain_pem;
    }
    for (const auto& certificate : out)
        if (certificate.chain_pem.empty())
            return std::unexpected("a private key has no certificate after it");
    return out;
}

}  // namespace

std::expected<Certificates, std::string> read_chain(FileSystem& files, std::string_view parameter,
                                                    const std::vector<std::string>& paths) {
    std::string all;  // a key and its chain may be in files that follow each other
    for (const auto& path : paths) {
        TRY_ASSIGN(const std::string pem, read_pem(files, parameter, path));
        all += pem + "\n";
    }
    auto out = split_chain(all);
    if (!out)
        return std::unexpected(fmt::format("{}: {}: {}", parameter, fmt::join(paths, ", "), out.error()));
    return out;
}

std::expected<Certificates, std::string> read_pair(FileSystem& files, const PairOfFiles& paths) {
    Certificates out;
    if (paths.certificate.empty() || paths.certificate == "none") return out;
    TlsCertificate certificate;
    TRY_ASSIGN(certificate.chain_pem, read_pem(files, paths.certificate_parameter, paths.certificate));
    TRY_ASSIGN(certificate.key_pem, read_pem(files, paths.key_parameter, paths.key));
    out.push_back(std::move(certificate));
    return out;
}

}  // namespace env
