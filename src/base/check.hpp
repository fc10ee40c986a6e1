// CHECK(condition): an invariant of our own code, kept in production. A failure is a bug: it aborts with
// place and condition. Never use it on anything a peer or a file can decide.
#pragma once

namespace base {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}

#define CHECK(condition) \
    ((condition) ? static_cast<void>(0) : ::base::check_failed(#condition, __FILE__, __LINE__))
