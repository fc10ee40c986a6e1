// Packed files as report mails carry them: gzip (RFC 1952) and zip. Whatever the input claims, no more than
// the limits' octets are ever unpacked. Pure; run on workers.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace reports {

struct ArchiveLimits {
    std::size_t octets_max = 16UL << 20;  // unpacked, of all entries together
    std::size_t entries_max = 20;         // of a zip
};

enum class PackedForm { None, Gzip, Zip };
/// By the first octets, whatever the file is called.
PackedForm packed_form(std::string_view octets);

/// One gzip member; the time in it is 0, so that the same input gives the same octets.
std::string gzip(std::string_view octets);
/// All members. Error: a sentence for people.
std::expected<std::string, std::string> gunzip(std::string_view octets, ArchiveLimits limits = {});

struct ZipEntry {
    std::string name;
    std::string content;
};
struct Unzipped {
    std::vector<ZipEntry> entries;
    std::vector<std::string> problems;  // entries left out, and why
};
/// Stored and deflated entries, found by the central directory. Error: it is no zip that can be read.
std::expected<Unzipped, std::string> unzip(std::string_view octets, ArchiveLimits limits = {});

}  // namespace reports
