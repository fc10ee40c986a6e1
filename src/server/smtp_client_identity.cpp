// SmtpConnection: who the client is: its name, the PROXY protocol, XCLIENT.
#include "base/text.hpp"
#include "server/proxy_protocol.hpp"
#include "server/smtp_connection.hpp"

#include <fmt/format.h>

namespace server {

/// Reads the load balancer's header and not one octet more: a TLS handshake may follow.
env::Task<bool> SmtpConnection::read_proxy_header() {
    const bool believed = co_await service_->may_proxy(client_.address);
    if (!believed) {
        note(base::Severity::Warning,
             fmt::format("haproxy read: {} is not in smtpd_upstream_proxy_hosts", client_.address.text()));
        co_return false;
    }
    const auto until = services_.loop.clock().steady() + service_->options->upstream_proxy_timeout;
    std::string header;
    ProxyHeader parsed = parse_proxy_header(header);
    while (parsed.kind == ProxyHeader::Kind::More) {
        const auto old = header.size();
        header.resize(old + parsed.wanted);
        const std::span<char> free(header.data() + old, parsed.wanted);
        auto got = co_await stream_->read_some(free, until);
        if (!got || *got == 0) {
            note(base::Severity::Warning,
                 fmt::format("haproxy read: {} while waiting for the PROXY header from {}",
                             got ? "lost connection" : env::to_text(got.error()), client_.address.text()));
            co_return false;
        }
        header.resize(old + *got);
        parsed = parse_proxy_header(header);
    }
    if (parsed.kind == ProxyHeader::Kind::Malformed) {
        note(base::Severity::Warning,
             fmt::format("haproxy read: no PROXY header from {}", client_.address.text()));
        co_return false;
    }
    if (parsed.kind == ProxyHeader::Kind::Proxied) {
        client_ = parsed.client;
        server_ = parsed.server;
    }
    co_return true;
}

/// XCLIENT was said by one who may: from here on the connection is another client's.
env::Task<smtp::Step> SmtpConnection::become_client() {
    const smtp::Xclient& said = session_.xclient();
    std::optional<env::IpAddress> address;
    if (said.address && !said.address->empty()) {
        const auto parsed = env::IpAddress::parse(*said.address);
        if (!parsed) {
            smtp::Step out;
            out.output = "501 5.5.4 Bad ADDR syntax\r\n";
            co_return out;
        }
        address = *parsed;
    }
    if (limited_) services_.limits.disconnected(client_.address);
    limited_ = false;
    if (address) {
        client_.address = *address;
        client_name_ = reverse_name_ = "unknown";
    }
    client_.port = said.port.value_or(client_.port);
    if (said.destination_address)
        if (const auto parsed = env::IpAddress::parse(*said.destination_address)) server_.address = *parsed;
    server_.port = said.destination_port.value_or(server_.port);
    if (said.name) {
        client_name_ = *said.name;
        reverse_name_ = said.reverse_name.value_or(*said.name);
    } else {
        if (address) co_await look_up_name();
        if (said.reverse_name) reverse_name_ = *said.reverse_name;
    }
    auto refusal = co_await begin_client();
    if (refusal) {
        smtp::Step out;
        out.output = std::move(*refusal);
        out.next = smtp::Step::Next::Close;
        co_return out;
    }
    // It may speak for the next one too.
    const bool trusted = co_await service_->may_xclient(stream_->peer().address);
    session_.allow_xclient(trusted);
    smtp::Step step = co_await meet();
    co_return step;
}

env::Task<void> SmtpConnection::look_up_name() {
    if (client_.address.is_loopback()) {
        client_name_ = reverse_name_ = "localhost";
        co_return;
    }
    if (!service_->peer_name_lookup) co_return;
    if (auto local = service_->name_in_hosts_file(client_.address); !local.empty()) {
        client_name_ = reverse_name_ = std::move(local);
        co_return;
    }
    if (!services_.resolver) co_return;
    const auto name = dns::Name::parse(client_.address.pointer_name());
    const env::DnsAnswer pointers = co_await services_.resolver->query(*name, dns::Type::Ptr);
    const auto* pointer =
        pointers.records.empty() ? nullptr : std::get_if<dns::Ptr>(&pointers.records.front());
    if (!pointer || pointer->target.is_root()) co_return;
    reverse_name_ = pointer->target.text();
    const env::DnsAnswer back = co_await services_.resolver->query(
        pointer->target, client_.address.is_v4() ? dns::Type::A : dns::Type::Aaaa);
    for (const auto& record : back.records) {
        const auto* v4 = std::get_if<dns::A>(&record);
        const auto* v6 = std::get_if<dns::Aaaa>(&record);
        if ((v4 && env::IpAddress::from_bytes(v4->address) == client_.address) ||
            (v6 && env::IpAddress::from_bytes(v6->address) == client_.address))
            client_name_ = reverse_name_;
    }
}

}  // namespace server
