// Kinds of trouble in a session that the postmaster may want to hear of, under the names of notify_classes.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mail {

enum class ErrorClass : std::uint8_t { Bounce, Data, Policy, Protocol, Resource, Software };
std::string_view to_text(ErrorClass kind);

class ErrorClasses {
 public:
    void add(ErrorClass kind) { bits_ |= bit(kind); }
    bool has(ErrorClass kind) const { return (bits_ & bit(kind)) != 0; }
    bool empty() const { return bits_ == 0; }
    ErrorClasses without(ErrorClass kind) const { return ErrorClasses(bits_ & ~bit(kind)); }
    ErrorClasses operator&(ErrorClasses other) const { return ErrorClasses(bits_ & other.bits_); }
    ErrorClasses() = default;

 private:
    explicit ErrorClasses(unsigned bits) : bits_(bits) {}
    static constexpr unsigned bit(ErrorClass kind) { return 1U << static_cast<unsigned>(kind); }
    unsigned bits_ = 0;
};

/// Of the words of notify_classes; words that are about messages, not sessions (2bounce, delay), are none.
ErrorClasses parse_error_classes(const std::vector<std::string>& words);
/// "policy, protocol".
std::string to_text(ErrorClasses classes);

}  // namespace mail
