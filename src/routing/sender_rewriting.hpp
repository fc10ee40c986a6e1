// Sender rewriting as main.cf describes it (srs_domain and its kin). The rules of who is rewritten, and what
// an address of ours in RCPT TO stands for, are Routing's members in sender_rewriting.cpp.
#pragma once

#include "env/file_system.hpp"
#include "routing/options.hpp"
#include "srs/rewriter.hpp"

#include <expected>
#include <memory>
#include <string>

namespace routing {

/// nullptr: srs_domain is empty. Error: what the administrator must mend.
std::expected<std::shared_ptr<const srs::Rewriter>, std::string> make_rewriter(const RoutingOptions& options,
                                                                               env::FileSystem& files);

}  // namespace routing
