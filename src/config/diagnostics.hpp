// What is wrong with a configuration, with its place: collected, so that all is said at once.
#pragma once

#include <string>
#include <vector>

namespace config {

enum class Severity { Note, Warning, Error };

struct Diagnostic {
    Severity severity = Severity::Error;
    std::string file;  // empty: no place
    int line = 0;      // 0: the whole file
    std::string text;
    /// "/etc/postfix/main.cf:12: error: text"
    std::string render() const;
};

class Diagnostics {
 public:
    void add(Severity severity, std::string file, int line, std::string text) {
        list_.push_back({severity, std::move(file), line, std::move(text)});
    }
    const std::vector<Diagnostic>& list() const { return list_; }
    bool has_errors() const;

 private:
    std::vector<Diagnostic> list_;
};

}  // namespace config
