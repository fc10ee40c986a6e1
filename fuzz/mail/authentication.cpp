// Authentication-Results: what we write cannot be bent by what we were told; foreign ones are read without
// harm.
#include "mail/authentication_results.hpp"
#include "mail/author.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string input(reinterpret_cast<const char*>(data), size);
    mail::AuthenticationMethod method{"spf", "fail", input, input, {{"smtp.mailfrom", input}}};
    const std::string field = mail::authentication_results_field("mx.example", {method});
    const std::string value = field.substr(field.find(':') + 1);
    if (mail::authserv_id_of(value) != "mx.example") std::abort();
    if (mail::results_for(mail::results_of(value), "spf") != std::vector<std::string>{"fail"}) std::abort();
    for (const auto* other : {"dkim", "dmarc", "arc"})
        if (!mail::results_for(mail::results_of(value), other).empty()) std::abort();
    // Every line but the first begins with white space: nobody can add a field.
    for (std::size_t at = field.find("\r\n"); at + 2 < field.size(); at = field.find("\r\n", at + 2))
        if (field[at + 2] != '\t' && field[at + 2] != ' ') std::abort();
    if (std::ranges::count(field, '\n') != std::ranges::count(field, '\r')) std::abort();
    mail::authserv_id_of(input);
    mail::results_for(mail::results_of(input), "arc");
    const auto author = mail::find_author(input);
    if (author.domains.size() > 10) std::abort();
    return 0;
}
