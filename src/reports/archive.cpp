#include "reports/archive.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <zlib.h>

namespace reports {
namespace {

constexpr int gzip_window = 15 + 16, raw_window = -15;
constexpr std::size_t piece_octets = 64UL << 10;

Bytef* input_of(std::string_view octets) {
    // zlib's interface is older than const; it does not write there.
    return reinterpret_cast<Bytef*>(const_cast<char*>(octets.data()));
}

/// An inflate stream that ends with its scope.
class Inflater {
 public:
    explicit Inflater(int window) : ready_(::inflateInit2(&stream_, window) == Z_OK) {}
    ~Inflater() {
        if (ready_) ::inflateEnd(&stream_);
    }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;

    struct Outcome {
        std::size_t used = 0;  // octets of the input
        std::string problem;   // empty: one whole stream was read
    };
    /// One stream from the start of `octets`, appended to `out`, which grows to `total_max` at most.
    Outcome run(std::string_view octets, std::string& out, std::size_t total_max) {
        if (!ready_ || ::inflateReset(&stream_) != Z_OK) return {0, "no memory to unpack"};
        stream_.next_in = input_of(octets);
        stream_.avail_in = static_cast<uInt>(octets.size());
        std::string piece(piece_octets, '\0');
        for (;;) {
            stream_.next_out = reinterpret_cast<Bytef*>(piece.data());
            stream_.avail_out = static_cast<uInt>(piece.size());
            const int code = ::inflate(&stream_, Z_NO_FLUSH);
            const std::size_t made = piece.size() - stream_.avail_out;
            if (out.size() + made > total_max)
                return {0, fmt::format("unpacked it is larger than {} octets", total_max)};
            out.append(piece, 0, made);
            if (code == Z_STREAM_END) return {octets.size() - stream_.avail_in, ""};
            if (code == Z_BUF_ERROR && stream_.avail_in == 0) return {0, "it ends too early"};
            if (code != Z_OK) return {0, "its packed octets are damaged"};
            if (made == 0 && stream_.avail_in == 0) return {0, "it ends too early"};
        }
    }

 private:
    z_stream stream_{};
    bool ready_;
};

std::uint64_t little_endian(std::string_view octets, std::size_t at, std::size_t count) {
    std::uint64_t out = 0;
    for (std::size_t i = count; i > 0; --i) out = out << 8 | static_cast<unsigned char>(octets[at + i - 1]);
    return out;
}

// The zip format's own numbers (PKWARE's APPNOTE 4.3).
constexpr std::string_view end_mark = "PK\x05\x06", central_mark = "PK\x01\x02", local_mark = "PK\x03\x04";
constexpr std::size_t end_size = 22, central_size = 46, local_size = 30, comment_max = 65535;
constexpr unsigned encrypted_flag = 1, method_stored = 0, method_deflated = 8;

struct CentralEntry {
    std::string name;
    unsigned flags = 0, method = 0;
    std::size_t packed = 0, local_at = 0;
};

std::optional<CentralEntry> read_central(std::string_view octets, std::size_t& at) {
    if (at > octets.size() || octets.size() - at < central_size) return std::nullopt;
    if (octets.substr(at, 4) != central_mark) return std::nullopt;
    CentralEntry out;
    out.flags = static_cast<unsigned>(little_endian(octets, at + 8, 2));
    out.method = static_cast<unsigned>(little_endian(octets, at + 10, 2));
    out.packed = static_cast<std::size_t>(little_endian(octets, at + 20, 4));
    const auto name_size = static_cast<std::size_t>(little_endian(octets, at + 28, 2));
    const auto rest_size =
        static_cast<std::size_t>(little_endian(octets, at + 30, 2) + little_endian(octets, at + 32, 2));
    out.local_at = static_cast<std::size_t>(little_endian(octets, at + 42, 4));
    if (octets.size() - at - central_size < name_size + rest_size) return std::nullopt;
    out.name = octets.substr(at + central_size, name_size);
    at += central_size + name_size + rest_size;
    return out;
}

/// "" and the content appended to `out`, or what is wrong.
std::string read_entry(std::string_view octets, const CentralEntry& entry, std::string& out,
                       std::size_t octets_max) {
    if ((entry.flags & encrypted_flag) != 0) return "it is encrypted";
    if (entry.local_at > octets.size() || octets.size() - entry.local_at < local_size ||
        octets.substr(entry.local_at, 4) != local_mark)
        return "its header is not where the directory says";
    const auto skip = static_cast<std::size_t>(little_endian(octets, entry.local_at + 26, 2) +
                                               little_endian(octets, entry.local_at + 28, 2));
    std::string_view data = octets.substr(entry.local_at + local_size);
    if (data.size() < skip) return "it ends too early";
    data.remove_prefix(skip);
    if (entry.method == method_stored) {
        if (data.size() < entry.packed) return "it ends too early";
        if (entry.packed > octets_max) return fmt::format("it is larger than {} octets", octets_max);
        out = data.substr(0, entry.packed);
        return "";
    }
    if (entry.method != method_deflated)
        return fmt::format("its compression method {} is not known", entry.method);
    Inflater inflater(raw_window);
    return inflater.run(data, out, octets_max).problem;
}

}  // namespace

PackedForm packed_form(std::string_view octets) {
    if (octets.starts_with("\x1f\x8b")) return PackedForm::Gzip;
    if (octets.starts_with(local_mark) || octets.starts_with(end_mark)) return PackedForm::Zip;
    return PackedForm::None;
}

std::string gzip(std::string_view octets) {
    z_stream stream{};
    constexpr int memory_level = 8;
    if (::deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, gzip_window, memory_level,
                       Z_DEFAULT_STRATEGY) != Z_OK)
        return {};
    std::string out(::deflateBound(&stream, octets.size()), '\0');
    stream.next_in = input_of(octets);
    stream.avail_in = static_cast<uInt>(octets.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int code = ::deflate(&stream, Z_FINISH);
    out.resize(code == Z_STREAM_END ? out.size() - stream.avail_out : 0);
    ::deflateEnd(&stream);
    return out;
}

std::expected<std::string, std::string> gunzip(std::string_view octets, ArchiveLimits limits) {
    if (packed_form(octets) != PackedForm::Gzip) return std::unexpected("it is not gzip");
    std::string out;
    Inflater inflater(gzip_window);
    std::size_t members = 0;
    // Octets behind the last member are padding or damage: what was read stays.
    while (packed_form(octets) == PackedForm::Gzip && members++ < limits.entries_max) {
        const auto outcome = inflater.run(octets, out, limits.octets_max);
        if (!outcome.problem.empty()) return std::unexpected(outcome.problem);
        octets.remove_prefix(outcome.used);
    }
    return out;
}

std::expected<Unzipped, std::string> unzip(std::string_view octets, ArchiveLimits limits) {
    if (packed_form(octets) != PackedForm::Zip) return std::unexpected("it is not a zip");
    const std::size_t look_from =
        octets.size() > end_size + comment_max ? octets.size() - end_size - comment_max : 0;
    const auto end_at = octets.rfind(end_mark);
    if (end_at == std::string_view::npos || end_at < look_from || octets.size() - end_at < end_size)
        return std::unexpected("the zip has no directory: it is cut off or damaged");
    const auto count = static_cast<std::size_t>(little_endian(octets, end_at + 10, 2));
    auto at = static_cast<std::size_t>(little_endian(octets, end_at + 16, 4));
    Unzipped out;
    std::size_t total = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const auto entry = read_central(octets, at);
        if (!entry) {
            out.problems.emplace_back("the zip's directory is damaged");
            break;
        }
        if (entry->name.ends_with('/')) continue;
        if (out.entries.size() + out.problems.size() >= limits.entries_max) {
            out.problems.push_back(
                fmt::format("the zip has {} entries; {} are read", count, limits.entries_max));
            break;
        }
        std::string content;
        const auto problem = read_entry(octets, *entry, content, limits.octets_max - total);
        if (!problem.empty()) {
            constexpr std::size_t name_shown = 100;
            out.problems.push_back(fmt::format("{}: {}", base::printable(entry->name, name_shown), problem));
            // The work is bounded too: a damaged entry costs as much as it could have given.
            total += std::min(content.size(), limits.octets_max - total);
            continue;
        }
        total += content.size();
        out.entries.push_back({entry->name, std::move(content)});
    }
    if (out.entries.empty() && out.problems.empty()) out.problems.emplace_back("the zip is empty");
    return out;
}

}  // namespace reports
