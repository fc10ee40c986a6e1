// Content for a server that does not take it as it is (RFC 6152 §3): what does not pass becomes
// quoted-printable (RFC 2045 §6.7), part by part; all else stays octet for octet, so that signatures over it
// hold. Two passes: a survey, then the conversion it allows. Pure; used by the SMTP client.
#pragma once

#include "mail/entity_reader.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mail {

struct ContentFacts {
    bool header_eight_bit = false;  // of the message or of a part (RFC 6532)
    bool body_eight_bit = false;
    bool binary = false;          // NUL, a CR or LF alone, a line over 998 octets (RFC 5321 §4.5.3.1.6)
    bool too_many_parts = false;  // it cannot be converted
};

class ContentSurvey : public EntityReader {
 public:
    const ContentFacts& facts() const { return facts_; }
    struct Part {
        Entity entity;
        bool eight_bit = false, binary = false;
    };
    const std::vector<Part>& parts() const { return parts_; }

 private:
    static constexpr std::size_t parts_max = 10000;
    void header_line(std::string_view line) override;
    void header_end(std::string_view line) override;
    void body_line(std::string_view line) override;
    void between_parts(std::string_view line) override;
    Part& part();
    ContentFacts facts_;
    std::vector<Part> parts_;
    Part beyond_;  // of the parts over parts_max
    std::size_t line_octets_ = 0;
};

class ContentConversion : public EntityReader {
 public:
    enum class For { SevenBit, EightBit };  // EightBit: of binary content
    /// `survey`: of the same content, finished; must outlive this.
    ContentConversion(const ContentSurvey& survey, For server) : survey_(survey), for_(server) {}
    For server() const { return for_; }
    /// What has been converted since.
    std::string take() { return std::exchange(out_, {}); }

 private:
    enum class Plan { Keep, Encode, Relabel };
    Plan plan() const;
    void header_line(std::string_view line) override;
    void header_end(std::string_view line) override;
    void body_line(std::string_view line) override;
    void between_parts(std::string_view line) override;
    void encode(std::string_view line);
    void put(std::string_view encoded);
    const ContentSurvey& survey_;
    For for_;
    std::string out_;
    std::size_t column_ = 0;
    bool dropping_ = false;  // lines of the encoding field that is replaced
};

}  // namespace mail
