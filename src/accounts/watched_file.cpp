#include "accounts/watched_file.hpp"

#include <fmt/format.h>

namespace accounts {

std::optional<std::expected<std::string, std::string>> WatchedFile::changed() {
    constexpr auto look_every = std::chrono::seconds(1);
    constexpr std::uint64_t octets_max = 64ULL << 20;
    using Text = std::expected<std::string, std::string>;
    const auto now = services_.clock.steady();
    const bool first = !looked_;
    if (!first && now - *looked_ < look_every) return std::nullopt;
    looked_ = now;
    const auto stat = services_.files.stat(path_);
    if (!stat && stat.error() == env::FileError::NotFound) {
        if (!first && !known_) return std::nullopt;
        known_.reset();
        return Text("");
    }
    if (!stat) return Text(std::unexpected(fmt::format("{}: {}", path_, env::to_text(stat.error()))));
    const bool same = known_ && stat->modified == known_->modified && stat->size == known_->size &&
                      stat->inode == known_->inode;
    if (same) return std::nullopt;
    auto text = services_.files.read(path_, octets_max);
    if (!text) return Text(std::unexpected(fmt::format("{}: {}", path_, env::to_text(text.error()))));
    known_ = *stat;
    return Text(std::move(*text));
}

}  // namespace accounts
