// A structured MIME field's value: what stands first, and its parameters (RFC 2045 §5.1), tolerant of what is
// really written. RFC 2231's name* is read as it is. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mail {

struct FieldParameters {
    std::string first;  // "multipart/report", lower case
    std::vector<std::pair<std::string, std::string>> parameters;
    /// "": none.
    std::string get(std::string_view name) const;
};

/// `value`: behind the colon; line folds may still be in it.
FieldParameters parse_field_parameters(std::string_view value);

}  // namespace mail
