#include "app/pam_check.hpp"

#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <security/pam_appl.h>
#include <unistd.h>

namespace app {
namespace {

constexpr int prompts_max = 8;  // of one conversation; nobody is there to answer more

struct Said {
    const accounts::PamQuestion& question;
    int prompts = 0;
};

/// Each hidden prompt is answered with the password, a visible one with the user's name; what is only told is
/// taken.
int converse(int count, const pam_message** messages, pam_response** responses, void* data) {
    auto* said = static_cast<Said*>(data);
    if (count <= 0 || count > prompts_max) return PAM_CONV_ERR;
    auto* out =
        static_cast<pam_response*>(std::calloc(static_cast<std::size_t>(count), sizeof(pam_response)));
    if (!out) return PAM_BUF_ERR;
    for (int i = 0; i < count; ++i) {
        const int style = messages[i]->msg_style;
        if (style != PAM_PROMPT_ECHO_OFF && style != PAM_PROMPT_ECHO_ON) continue;
        if (++said->prompts > prompts_max) {
            for (int k = 0; k < i; ++k) std::free(out[k].resp);
            std::free(out);
            return PAM_CONV_ERR;
        }
        out[i].resp = ::strdup(style == PAM_PROMPT_ECHO_OFF ? said->question.password.c_str()
                                                            : said->question.user.c_str());
    }
    *responses = out;
    return PAM_SUCCESS;
}

/// Failures are slowed by the server, which does not have to hold a process for it.
void no_delay(int, unsigned, void*) {}

bool is_verdict(int code) {
    return code == PAM_AUTH_ERR || code == PAM_USER_UNKNOWN || code == PAM_PERM_DENIED ||
           code == PAM_MAXTRIES || code == PAM_ACCT_EXPIRED || code == PAM_NEW_AUTHTOK_REQD ||
           code == PAM_CRED_INSUFFICIENT;
}

accounts::LoginAnswer judge(pam_handle_t* handle, const accounts::PamQuestion& question) {
    pam_set_item(handle, PAM_RHOST, question.address.c_str());
    pam_set_item(handle, PAM_FAIL_DELAY, reinterpret_cast<const void*>(&no_delay));
    int code = pam_authenticate(handle, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
    if (code == PAM_SUCCESS) code = pam_acct_mgmt(handle, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
    accounts::LoginAnswer out;
    if (code == PAM_SUCCESS) {
        const void* name = nullptr;
        const bool named = pam_get_item(handle, PAM_USER, &name) == PAM_SUCCESS && name != nullptr;
        out = accounts::login_right(named ? static_cast<const char*>(name) : question.user);
    } else {
        const std::string why = fmt::format("PAM said: {}", pam_strerror(handle, code));
        out = is_verdict(code) ? accounts::login_wrong(why) : accounts::login_unknown(why);
    }
    pam_end(handle, code);
    return out;
}

}  // namespace

accounts::LoginAnswer check_with_pam(const accounts::PamQuestion& question) {
    ::alarm(static_cast<unsigned>(question.time_limit.count()));
    if (!accounts::is_pam_service_name(question.service) || question.user.find('\0') != std::string::npos ||
        question.password.find('\0') != std::string::npos)
        return accounts::login_unknown("not a question for PAM");
    Said said{question};
    const pam_conv conversation{converse, &said};
    pam_handle_t* handle = nullptr;
    const int code = pam_start(question.service.c_str(), question.user.c_str(), &conversation, &handle);
    if (code != PAM_SUCCESS)
        return accounts::login_unknown(fmt::format("PAM's service {} cannot be started", question.service));
    return judge(handle, question);
}

}  // namespace app
