// Independent test data, where it stands beside the repository: ../shared/vectors, or POSTRIDER_VECTORS.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace vectors {

using Json = nlohmann::json;

inline std::filesystem::path folder() {
    const char* named = std::getenv("POSTRIDER_VECTORS");
    return named != nullptr ? std::filesystem::path(named)
                            : std::filesystem::path(REPOSITORY).parent_path() / "shared/vectors";
}
inline Json load(const std::string& file) {
    std::ifstream in(folder() / file);
    return Json::parse(in);
}
/// One list of it, by value: a range-for may stand over it.
inline Json load(const std::string& file, const char* list) { return load(file)[list]; }
inline std::string text_of(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? std::string() : found->get<std::string>();
}

/// One set of them; skipped where it is not.
class Vectors : public testing::Test {
 protected:
    void need(const std::string& set) {
        if (!std::filesystem::is_directory(folder() / set)) GTEST_SKIP() << "the vectors are not here";
    }
};

}  // namespace vectors
