#include "mail/address_field.hpp"

#include "base/text.hpp"
#include "mail/address_list.hpp"

#include <vector>

namespace mail {
namespace {

/// One list member's address while the field is read.
struct Candidate {
    std::size_t end = 0;  // behind its last octet
    bool any = false, spaced = false, ended = false, complete = false;

    void octet(std::size_t at, char c) {
        if (ended) spaced = true;  // two words: a name, not an address
        any = true;
        end = at + 1;
        complete = complete || c == '@';
    }
    void gap() { ended = any; }
    bool lacks_domain() const { return any && !spaced && !complete; }
};

class Finder {
 public:
    explicit Finder(std::string_view field) : field_(field) {}
    /// Where a domain is missing.
    std::vector<std::size_t> find() {
        const auto colon = field_.find(':');
        if (colon == std::string_view::npos) return {};
        for (std::size_t i = colon + 1; i < field_.size(); ++i) {
            const char c = field_[i];
            if (comment_ > 0) {
                if (c == '\\') ++i;
                comment_ += c == '(' ? 1 : c == ')' ? -1 : 0;
            } else if (quoted_) {
                if (c == '\\' && i + 1 < field_.size()) ++i;
                quoted_ = c != '"';
                current().octet(i, 'x');
            } else if (const auto literal = literal_octets(field_.substr(i));
                       literal > 0 && i > 0 && field_[i - 1] == '@') {
                current().octet(i, 'x');
                i += literal - 1;
                current().end = i + 1;
            } else {
                plain(i, c);
            }
        }
        finish();
        return std::move(places_);
    }

 private:
    Candidate& current() { return angle_ ? inside_ : outside_; }
    void plain(std::size_t at, char c) {
        if (c == '(') {
            ++comment_;
            current().gap();
        } else if (c == '"') {
            quoted_ = true;
            current().octet(at, 'x');
        } else if (c == '<' && !angle_) {
            angle_ = bracketed_ = true;
        } else if (c == '>' && angle_) {
            angle_ = false;
        } else if ((c == ',' || c == ';') && !angle_) {
            finish();
        } else if (c == ':' && !angle_) {
            reset();  // a group's name
        } else if (base::is_space(c)) {
            current().gap();
        } else {
            current().octet(at, c);
        }
    }
    void finish() {
        const Candidate& which = bracketed_ ? inside_ : outside_;
        if (which.lacks_domain() && !angle_ && !quoted_) places_.push_back(which.end);
        reset();
    }
    void reset() {
        outside_ = inside_ = {};
        bracketed_ = angle_ = false;
    }
    std::string_view field_;
    Candidate outside_, inside_;
    int comment_ = 0;
    bool quoted_ = false, angle_ = false, bracketed_ = false;
    std::vector<std::size_t> places_;
};

}  // namespace

std::string qualify_addresses(std::string_view field, std::string_view domain) {
    std::string out;
    std::size_t done = 0;
    for (const auto place : Finder(field).find()) {
        out += field.substr(done, place - done);
        out += '@';
        out += domain;
        done = place;
    }
    out += field.substr(done);
    return out;
}

}  // namespace mail
