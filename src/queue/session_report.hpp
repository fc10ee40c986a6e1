// An SMTP session in which something went wrong, for the postmaster (notify_classes): made by who held the
// session, written down by queue::Postmaster.
#pragma once

#include "base/text.hpp"
#include "mail/error_class.hpp"
#include "mail/path.hpp"

#include <functional>
#include <string>

namespace queue {

struct SessionReport {
    enum class Side { Server, Client } side = Side::Server;
    std::string peer;  // "mx.example.org[192.0.2.1]"
    mail::ErrorClasses classes;
    std::string transcript;  // CRLF line ends, US-ASCII
};

/// What is reported, and to whom it is handed. Sessions about our own notices are never reported.
struct SessionReporting {
    mail::ErrorClasses wanted;
    std::string notice_sender;                // double_bounce_sender
    std::function<void(SessionReport)> tell;  // may be called on any loop; empty: nobody listens
    bool wants(mail::ErrorClasses found) const { return tell && !(found & wanted).empty(); }
};

/// A notification, or a notice to the postmaster.
inline bool is_notice(const mail::ReversePath& sender, std::string_view notice_sender) {
    return sender.is_null() ||
           base::iequals(sender.address().local_part, notice_sender.substr(0, notice_sender.find('@')));
}

}  // namespace queue
