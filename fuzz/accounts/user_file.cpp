// User files: what is read can be written and read again.
#include "accounts/user_file.hpp"

#include "accounts/password.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    accounts::parse_verifier(input, sasl::ScramHash::Sha256);
    const auto file = accounts::parse_user_file(input);
    if (!file) return 0;
    const auto text = accounts::to_text(*file);
    const auto again = accounts::parse_user_file(text);
    if (!again || accounts::to_text(*again) != text) std::abort();
    return 0;
}
