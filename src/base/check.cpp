#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace base {

void check_failed(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "postrider: invariant broken: %s (%s:%d)\n", condition, file, line);
    std::abort();
}

}  // namespace base
