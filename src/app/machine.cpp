#include "app/machine.hpp"

#include <cstring>
#include <fmt/format.h>
#include <grp.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

namespace app {
namespace {

std::optional<env::IpAddress> address_of(const sockaddr* socket_address) {
    if (!socket_address) return std::nullopt;
    if (socket_address->sa_family == AF_INET)
        return env::IpAddress::from_bytes(
            {reinterpret_cast<const std::uint8_t*>(
                 &reinterpret_cast<const sockaddr_in*>(socket_address)->sin_addr),
             4});
    if (socket_address->sa_family == AF_INET6)
        return env::IpAddress::from_bytes(
            {reinterpret_cast<const std::uint8_t*>(
                 &reinterpret_cast<const sockaddr_in6*>(socket_address)->sin6_addr),
             16});
    return std::nullopt;
}

unsigned prefix_of(const sockaddr* mask) {
    const auto address = address_of(mask);
    unsigned bits = 0;
    if (address)
        for (const auto octet : address->bytes()) bits += static_cast<unsigned>(__builtin_popcount(octet));
    return bits;
}

}  // namespace

config::Machine inspect_machine() {
    config::Machine out;
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) == 0 && name[0] != '\0') out.host_name = name;
    if (out.host_name.find('.') == std::string::npos) out.host_name += ".localdomain";
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return out;
    for (const ifaddrs* at = list; at; at = at->ifa_next) {
        const auto address = address_of(at->ifa_addr);
        if (!address || address->is_loopback()) continue;
        const std::string text = address->is_v4() ? address->text() : "[" + address->text() + "]";
        out.interface_addresses.push_back(text + (address->is_v4() ? "/32" : "/128"));
        out.interface_networks.push_back(fmt::format("{}/{}", text, prefix_of(at->ifa_netmask)));
    }
    ::freeifaddrs(list);
    return out;
}

std::set<env::IpAddress> own_addresses() {
    std::set<env::IpAddress> out;
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return out;
    for (const ifaddrs* at = list; at; at = at->ifa_next)
        if (const auto address = address_of(at->ifa_addr)) out.insert(*address);
    ::freeifaddrs(list);
    return out;
}

std::uint64_t raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    limit.rlim_cur = limit.rlim_max;
    static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit) + 0);
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

std::string drop_privileges(const std::string& user) {
    if (::geteuid() != 0) return "";
    const passwd* entry = ::getpwnam(user.c_str());
    if (!entry)
        return fmt::format("mail_owner = {}: no such user; create it (useradd -r {}) or name another", user,
                           user);
    if (entry->pw_uid == 0) return fmt::format("mail_owner = {}: that is root; name an ordinary user", user);
    if (::initgroups(user.c_str(), entry->pw_gid) != 0 || ::setgid(entry->pw_gid) != 0 ||
        ::setuid(entry->pw_uid) != 0)
        return "cannot become " + user + ": " + std::strerror(errno);
    if (::setuid(0) == 0) return "root came back after it was given up";
    return "";
}

}  // namespace app
