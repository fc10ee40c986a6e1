#include "app/helper_pam.hpp"

namespace app {

env::Task<accounts::LoginAnswer> HelperPam::ask(accounts::PamQuestion question) {
    constexpr auto grace = std::chrono::seconds(5);  // for the process to be started and to end itself
    const auto until = loop_.clock().steady() + question.time_limit + grace;
    std::string job = encode(HelperJob(PamJob{std::move(question)}));
    auto stream = co_await hand_over(loop_, network_, channel_.descriptor, std::move(job));
    if (!stream) co_return accounts::login_unknown("the delivery helper does not answer");
    const std::string text = co_await helper_answer(*stream, until);
    const auto result = decode_result(text);
    if (!result) co_return accounts::login_unknown("PAM did not answer in time");
    if (result->result.status.is_success() && result->text) co_return accounts::login_right(*result->text);
    if (result->result.status.class_ == 5) co_return accounts::login_wrong(result->result.text);
    co_return accounts::login_unknown(result->result.text);
}

}  // namespace app
