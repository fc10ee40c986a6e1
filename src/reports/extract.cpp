#include "reports/extract.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace reports {
namespace {

constexpr std::string_view utf8_mark = "\xef\xbb\xbf";

enum class Form { Gzip, Zip, Xml, Json, Other };

Form form_of(std::string_view octets) {
    switch (packed_form(octets)) {
        case PackedForm::Gzip:
            return Form::Gzip;
        case PackedForm::Zip:
            return Form::Zip;
        case PackedForm::None:
            break;
    }
    if (octets.starts_with(utf8_mark)) octets.remove_prefix(utf8_mark.size());
    // UTF-16 with its mark: the XML reader knows it.
    if (octets.starts_with("\xff\xfe") || octets.starts_with("\xfe\xff")) return Form::Xml;
    const auto text = base::trim(octets.substr(0, std::min<std::size_t>(octets.size(), 4096)));
    return text.starts_with('<') ? Form::Xml : text.starts_with('{') ? Form::Json : Form::Other;
}

bool is_html(std::string_view text) {
    const auto start = base::lower(base::trim(text.substr(0, 200)));
    return start.starts_with("<!doctype html") || start.starts_with("<html");
}

class Extractor {
 public:
    explicit Extractor(const ExtractLimits& limits) : limits_(limits) {}

    /// `name`: for the problems' sake.
    void attachment(std::string_view octets, const std::string& name, std::size_t depth) {
        if (out_.reports.size() >= limits_.reports_max) return problem(name, "too many reports in one mail");
        switch (form_of(octets)) {
            case Form::Gzip:
            case Form::Zip:
                if (depth >= limits_.depth_max) return problem(name, "packed too often");
                return unpack(octets, name, depth);
            case Form::Xml: {
                auto report = parse_aggregate_xml(octets);
                if (!report) return problem(name, report.error());
                out_.reports.emplace_back(std::move(*report));
                return;
            }
            case Form::Json: {
                auto report = parse_tls_report(octets);
                if (!report) return problem(name, report.error());
                out_.reports.emplace_back(std::move(*report));
                return;
            }
            case Form::Other:
                return problem(name, "neither XML, JSON, gzip nor zip");
        }
    }

    void mail(std::string_view message) {
        if (message.starts_with("From "))
            message.remove_prefix(std::min(message.find('\n'), message.size() - 1) + 1);
        const auto header = header_block_of(message);
        constexpr std::size_t shown = 200;
        out_.from = base::printable(field_value(header, "From"), shown);
        out_.subject = base::printable(field_value(header, "Subject"), shown);
        const auto parts = mime_parts(message);
        for (const auto& part : parts) {
            const auto form = form_of(part.content);
            const bool text = part.type.starts_with("text/") || part.type.starts_with("message/");
            if (form == Form::Other || (text && is_html(part.content))) continue;
            // A letter may begin with a bracket: only what says so is data.
            if (text && part.name.empty() && part.type != "text/xml" &&
                part.content.find("<feedback") == std::string::npos)
                continue;
            attachment(part.content, part.name.empty() ? part.type : base::printable(part.name, shown), 0);
        }
        if (!out_.reports.empty()) return;
        if (auto failure = read_failure_report(parts))
            out_.reports.emplace_back(std::move(*failure));
        else if (out_.problems.empty())
            out_.problems.emplace_back("no part of the mail is a report");
    }

    Extracted take() { return std::move(out_); }

 private:
    void unpack(std::string_view octets, const std::string& name, std::size_t depth) {
        ArchiveLimits archive;
        archive.octets_max = std::min(archive.octets_max, limits_.unpacked_max - unpacked_);
        if (form_of(octets) == Form::Gzip) {
            const auto content = gunzip(octets, archive);
            // What failed may have cost as much as it was allowed.
            unpacked_ += content ? content->size() : archive.octets_max;
            if (!content) return problem(name, content.error());
            return attachment(*content, name, depth + 1);
        }
        const auto content = unzip(octets, archive);
        if (!content) return problem(name, content.error());
        for (const auto& entry : content->entries) unpacked_ += entry.content.size();
        if (!content->problems.empty())
            unpacked_ = std::max(unpacked_, limits_.unpacked_max - archive.octets_max / 2);
        for (const auto& one : content->problems) problem(name, one);
        for (const auto& entry : content->entries) attachment(entry.content, name, depth + 1);
    }

    void problem(const std::string& name, std::string_view what) {
        constexpr std::size_t problems_max = 20;
        if (out_.problems.size() < problems_max) out_.problems.push_back(fmt::format("{}: {}", name, what));
    }

    const ExtractLimits& limits_;
    Extracted out_;
    std::size_t unpacked_ = 0;
};

}  // namespace

Extracted extract_reports(std::string_view octets, const ExtractLimits& limits) {
    Extractor extractor(limits);
    if (form_of(octets) == Form::Other)
        extractor.mail(octets);
    else
        extractor.attachment(octets, "the file", 0);
    return extractor.take();
}

}  // namespace reports
