#include "reports/failure.hpp"

#include "base/text.hpp"
#include "env/network.hpp"

#include <algorithm>

namespace reports {
namespace {

constexpr std::size_t list_max = 50, text_max = 1000;
constexpr std::uint64_t incidents_max = 1'000'000'000, port_max = 65535;

std::string clean(std::string_view value) { return base::printable(base::trim(value), text_max); }

std::string without_angles(std::string_view value) {
    value = base::trim(value);
    if (value.starts_with('<') && value.ends_with('>')) value = value.substr(1, value.size() - 2);
    return clean(value);
}

/// "192.0.2.1", "192.0.2.1 (name)", "[IPv6:2001:db8::1]".
std::string address_in(std::string_view value) {
    value = base::trim(value);
    value = value.substr(0, value.find_first_of(" \t("));
    if (value.starts_with('[') && value.ends_with(']')) value = value.substr(1, value.size() - 2);
    if (base::istarts_with(value, "IPv6:")) value.remove_prefix(5);
    const auto address = env::IpAddress::parse(value);
    return address ? address->text() : clean(value);
}

void add(std::vector<std::string>& list, std::string value) {
    if (list.size() < list_max && !value.empty()) list.push_back(std::move(value));
}

void take_field(FailureReport& out, std::string_view name, std::string_view value) {
    const std::string key = base::lower(name);
    struct Text {
        std::string_view name;
        std::string FailureReport::* field;
    };
    static constexpr Text texts[] = {
        {"user-agent", &FailureReport::user_agent},
        {"version", &FailureReport::version},
        {"arrival-date", &FailureReport::arrival_date},
        {"received-date", &FailureReport::arrival_date},
        {"original-envelope-id", &FailureReport::original_envelope_id},
        {"dkim-domain", &FailureReport::dkim_domain},
        {"dkim-identity", &FailureReport::dkim_identity},
        {"dkim-selector", &FailureReport::dkim_selector},
        {"dkim-selector-dns", &FailureReport::dkim_selector_dns},
        {"dkim-adsp-dns", &FailureReport::dkim_adsp_dns},
        {"spf-dns", &FailureReport::spf_dns},
    };
    static constexpr Text words[] = {
        {"feedback-type", &FailureReport::feedback_type},
        {"auth-failure", &FailureReport::auth_failure},
        {"delivery-result", &FailureReport::delivery_result},
        {"identity-alignment", &FailureReport::identity_alignment},
    };
    for (const auto& text : texts)
        if (key == text.name) out.*text.field = clean(value);
    for (const auto& word : words)
        if (key == word.name) out.*word.field = base::lower(clean(value));
    if (key == "source-ip") out.source_ip = address_in(value);
    if (key == "source-port") out.source_port = base::parse_number(base::trim(value), port_max).value_or(0);
    if (key == "incidents") out.incidents = base::parse_number(base::trim(value), incidents_max).value_or(1);
    if (key == "reporting-mta") {
        const auto semicolon = value.find(';');  // "dns; mail.example.com"
        out.reporting_mta = clean(semicolon == std::string_view::npos ? value : value.substr(semicolon + 1));
    }
    if (key == "original-mail-from") out.original_mail_from = without_angles(value);
    if (key == "original-rcpt-to") add(out.original_rcpt_to, without_angles(value));
    if (key == "reported-domain") add(out.reported_domains, base::lower(clean(value)));
    if (key == "reported-uri") add(out.reported_uris, clean(value));
    if (key == "authentication-results") add(out.authentication_results, clean(value));
}

/// Every field, unfolded; `part` is a header block by its form (RFC 5965 §3.1).
void take_fields(FailureReport& out, std::string_view part) {
    std::string name, value;
    const auto flush = [&] {
        if (!name.empty()) take_field(out, name, value);
        name.clear();
        value.clear();
    };
    for (std::string_view line : base::split(part, '\n')) {
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.starts_with(' ') || line.starts_with('\t')) {
            if (value.size() < text_max) value += " " + std::string(base::trim(line));
            continue;
        }
        flush();
        const auto colon = line.find(':');
        if (colon == std::string_view::npos) continue;
        name = base::trim(line.substr(0, colon));
        value = base::trim(line.substr(colon + 1));
    }
    flush();
}

void take_message(FailureReport& out, std::string_view message) {
    const auto header = header_block_of(message);
    out.header_from = clean(field_value(header, "From"));
    out.subject = clean(field_value(header, "Subject"));
    out.message_id = clean(field_value(header, "Message-ID"));
}

/// "Sender Domain: example.com" and the like, in a letter to people.
std::optional<FailureReport> read_letter(std::string_view text) {
    FailureReport out;
    out.feedback_type = "auth-failure";
    out.auth_failure = "dmarc";
    std::string failed;
    constexpr std::size_t lines_max = 40;
    std::size_t at = 0;
    for (std::size_t i = 0; i < lines_max && at < text.size(); ++i) {
        const auto end = std::min(text.find('\n', at), text.size());
        const std::string_view line = base::trim(text.substr(at, end - at));
        at = end + 1;
        if (line.starts_with("------")) break;
        const auto colon = line.find(':');
        if (colon == std::string_view::npos) continue;
        const std::string key = base::lower(base::trim(line.substr(0, colon)));
        const std::string value = clean(line.substr(colon + 1));
        if (key == "sender domain") add(out.reported_domains, base::lower(value));
        if (key == "sender ip address") out.source_ip = address_in(value);
        if (key == "received date") out.arrival_date = value;
        if ((key == "spf alignment" || key == "dkim alignment") && base::iequals(value, "yes"))
            failed += (failed.empty() ? "" : ", ") + key.substr(0, key.find(' '));
    }
    if (out.reported_domains.empty() || out.source_ip.empty()) return std::nullopt;
    out.identity_alignment = failed.empty() ? "none" : failed;
    // The copy of the header stands behind the dashed line and an empty one.
    if (const auto copy = text.find_first_not_of("\r\n", std::min(at, text.size()));
        copy != std::string_view::npos)
        take_message(out, text.substr(copy));
    return out;
}

}  // namespace

std::optional<FailureReport> read_failure_report(const std::vector<MimePart>& parts) {
    for (const auto& part : parts) {
        if (part.type != "message/feedback-report") continue;
        FailureReport out;
        take_fields(out, part.content);
        for (const auto& other : parts)
            if (other.type == "message/rfc822" || other.type == "text/rfc822-headers" ||
                other.type == "message/rfc822-headers")
                take_message(out, other.content);
        return out;
    }
    for (const auto& part : parts)
        if (part.type == "text/plain" && part.content.find("DMARC") != std::string::npos)
            if (auto letter = read_letter(part.content)) return letter;
    return std::nullopt;
}

}  // namespace reports
