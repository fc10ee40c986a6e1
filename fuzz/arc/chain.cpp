// ARC sets of hostile headers, and a seal on top of them.
#include "arc/chain.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string header(reinterpret_cast<const char*>(data), size);
    const auto fields = dkim::split_fields(header);
    const auto sets = arc::read_sets(fields, {});
    if (sets) {
        if (sets->size() > 50) std::abort();
        for (const auto& set : *sets)
            if (!set.results || !set.seal || !set.message_signature) std::abort();
        if (!sets->empty()) arc::seal_data(*sets, sets->back().seal->raw, false);
    }
    arc::parse_message_signature(header);
    arc::ChainVerifier verifier(header);
    verifier.body("body\r\n");
    return 0;
}
