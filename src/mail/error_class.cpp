#include "mail/error_class.hpp"

#include "base/text.hpp"

namespace mail {
namespace {

struct Name {
    ErrorClass kind;
    std::string_view word;
};
constexpr Name names[] = {{ErrorClass::Bounce, "bounce"},     {ErrorClass::Data, "data"},
                          {ErrorClass::Policy, "policy"},     {ErrorClass::Protocol, "protocol"},
                          {ErrorClass::Resource, "resource"}, {ErrorClass::Software, "software"}};

}  // namespace

std::string_view to_text(ErrorClass kind) {
    for (const auto& name : names)
        if (name.kind == kind) return name.word;
    return "";
}

ErrorClasses parse_error_classes(const std::vector<std::string>& words) {
    ErrorClasses out;
    for (const auto& word : words)
        for (const auto& name : names)
            if (base::iequals(word, name.word)) out.add(name.kind);
    return out;
}

std::string to_text(ErrorClasses classes) {
    std::string out;
    for (const auto& name : names)
        if (classes.has(name.kind)) out += (out.empty() ? "" : ", ") + std::string(name.word);
    return out;
}

}  // namespace mail
