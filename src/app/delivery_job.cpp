#include "app/delivery_job.hpp"

#include "base/base64.hpp"

#include <nlohmann/json.hpp>

namespace app {
namespace {

using nlohmann::json;

// Paths and addresses need not be UTF-8, JSON strings must.
std::string pack(std::string_view text) { return base::base64_encode(text); }
std::string unpack(const json& value) {
    auto text = base::base64_decode(value.get<std::string>());
    if (!text) throw std::invalid_argument("base64");
    return std::move(*text);
}

json credentials(const delivery::Credentials& as) {
    return {{"uid", as.uid}, {"gid", as.gid}, {"user", pack(as.user_name)}};
}
delivery::Credentials credentials(const json& value) {
    return {value.at("uid").get<std::uint32_t>(), value.at("gid").get<std::uint32_t>(),
            unpack(value.at("user"))};
}

json describe(const delivery::MaildirJob& job) {
    return {{"kind", "maildir"},
            {"directory", pack(job.directory)},
            {"prefix", pack(job.prefix)},
            {"create", job.create_parents}};
}
json describe(const delivery::MboxJob& job) {
    return {{"kind", "mbox"},
            {"path", pack(job.path)},
            {"sender", pack(job.from_line_sender)},
            {"prefix", pack(job.prefix)},
            {"locks", job.locks},
            {"limit", job.size_limit}};
}
json describe(const delivery::CommandJob& job) {
    json arguments = json::array(), environment = json::array();
    for (const auto& argument : job.argv) arguments.push_back(pack(argument));
    for (const auto& [name, value] : job.environment) environment.push_back({pack(name), pack(value)});
    return {{"kind", "command"},
            {"argv", arguments},
            {"shell", pack(job.shell_command)},
            {"environment", environment},
            {"directory", pack(job.directory)},
            {"prefix", pack(job.prefix)},
            {"crlf", job.crlf},
            {"seconds", job.time_limit_seconds},
            {"output_max", job.output_max}};
}

delivery::CommandJob command_of(const json& value) {
    delivery::CommandJob out;
    for (const auto& argument : value.at("argv")) out.argv.push_back(unpack(argument));
    out.shell_command = unpack(value.at("shell"));
    for (const auto& pair : value.at("environment"))
        out.environment.emplace_back(unpack(pair.at(0)), unpack(pair.at(1)));
    out.directory = unpack(value.at("directory"));
    out.prefix = unpack(value.at("prefix"));
    out.crlf = value.at("crlf").get<bool>();
    out.time_limit_seconds = value.at("seconds").get<std::uint64_t>();
    out.output_max = value.at("output_max").get<std::uint64_t>();
    return out;
}

}  // namespace

std::string encode(const HelperJob& job) {
    if (const auto* read = std::get_if<ReadJob>(&job))
        return json{{"kind", "read"}, {"as", credentials(read->as)}, {"path", pack(read->path)}}.dump();
    if (const auto* pam = std::get_if<PamJob>(&job)) {
        const auto& q = pam->question;
        return json{{"kind", "pam"},
                    {"service", pack(q.service)},
                    {"user", pack(q.user)},
                    {"password", pack(q.password)},
                    {"address", pack(q.address)},
                    {"seconds", q.time_limit.count()}}
            .dump();
    }
    const auto& agent = std::get<delivery::AgentJob>(job);
    json out = std::visit([](const auto& what) { return describe(what); }, agent.what);
    if (agent.as) out["as"] = credentials(*agent.as);
    return out.dump();
}

std::optional<HelperJob> decode_job(std::string_view text) {
    try {
        const json value = json::parse(text);
        const auto kind = value.at("kind").get<std::string>();
        if (kind == "read") return ReadJob{credentials(value.at("as")), unpack(value.at("path"))};
        if (kind == "pam")
            return PamJob{{unpack(value.at("service")), unpack(value.at("user")),
                           unpack(value.at("password")), unpack(value.at("address")),
                           std::chrono::seconds(value.at("seconds").get<unsigned>())}};
        delivery::AgentJob out;
        if (value.contains("as")) out.as = credentials(value["as"]);
        if (kind == "maildir")
            out.what = delivery::MaildirJob{unpack(value.at("directory")), unpack(value.at("prefix")),
                                            value.at("create").get<bool>()};
        else if (kind == "mbox")
            out.what = delivery::MboxJob{
                unpack(value.at("path")), unpack(value.at("sender")), unpack(value.at("prefix")),
                value.at("locks").get<std::vector<std::string>>(), value.at("limit").get<std::uint64_t>()};
        else if (kind == "command")
            out.what = command_of(value);
        else
            return std::nullopt;
        return out;
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

std::string encode(const HelperResult& result) {
    const auto& status = result.result.status;
    json out{{"status", {status.class_, status.subject, status.detail}}, {"text", pack(result.result.text)}};
    if (result.text) out["file"] = pack(*result.text);
    return out.dump() + "\n";
}

std::optional<HelperResult> decode_result(std::string_view text) {
    try {
        const json value = json::parse(text);
        HelperResult out;
        const auto& status = value.at("status");
        out.result.status = {status.at(0).get<std::uint16_t>(), status.at(1).get<std::uint16_t>(),
                             status.at(2).get<std::uint16_t>()};
        out.result.text = unpack(value.at("text"));
        if (value.contains("file")) out.text = unpack(value["file"]);
        return out;
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

std::string frame_header(std::size_t octets) {
    std::string out(4, '\0');
    for (int i = 0; i < 4; ++i)
        out[static_cast<std::size_t>(i)] = static_cast<char>((octets >> (8 * (3 - i))) & 0xff);
    return out;
}

}  // namespace app
