// How a module describes its settings: one `parameter(…)` line beside a plain field, under the main.cf name.
// config/ turns these lines into parsing, range checks, postconf output and docs/configuration.md.
//
//   struct ServerOptions {
//       std::chrono::seconds command_timeout{300};
//       std::string banner;
//       static constexpr void describe(auto& parameter) {
//           parameter("smtpd_timeout", &ServerOptions::command_timeout, base::Between{10s, 1h}, "Wait for a
//           command."); parameter("smtpd_banner", &ServerOptions::banner, base::Default{"$myhostname ESMTP
//           $mail_name"}, "Greeting.");
//       }
//   };
//
// Field types and their main.cf form: bool (yes/no); int, std::int64_t, std::uint64_t, std::size_t (digits);
// std::chrono::seconds/milliseconds (number + s m h d w, default unit s or as base::Unit says); std::string
// (as is); std::vector<std::string> (list: comma/space separated, {…} groups kept whole); an enum with
// `constexpr auto enum_words(E)` found by ADL returning std::array<std::pair<std::string_view, E>, N>.
// The default is base::Default's expression (may hold $name) when given, else the field's initial value.
#pragma once

#include <chrono>
#include <string_view>

namespace base {

/// The default value as main.cf text; `$name` is expanded at load.
struct Default {
    std::string_view expression;
};

/// Inclusive range. A value outside is an error with file:line.
template <class T>
struct Between {
    T low;
    T high;
};
template <class A, class B>
Between(A, B) -> Between<std::common_type_t<A, B>>;

/// The unit of a bare number in a time parameter: 's' (default), 'm', 'h', 'd', 'w'.
struct Unit {
    char letter = 's';
};

/// The value is taken as it is written: its $names are filled in when it is used.
struct Raw {};

/// The parameter is read for compatibility and has no effect here; the sentence says why.
struct Ignored {
    std::string_view why;
};

}  // namespace base
