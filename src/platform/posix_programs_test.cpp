#include "platform/posix_programs.hpp"

#include <gtest/gtest.h>

namespace platform {
namespace {

using namespace std::chrono_literals;

TEST(PosixPrograms, OutputOrASentence) {
    EXPECT_EQ(program_output({"/bin/echo", "a token"}, {}).value(), "a token\n");
    EXPECT_EQ(program_output({"/bin/sh", "-c", "read x; echo \"<$x>\""}, {}).value(), "<>\n") << "no input";
    const env::ProgramLimits small{1s, 1000};
    struct Case {
        std::vector<std::string> argv;
        const char* says;
    };
    const Case cases[] = {{{"echo"}, "full path"},
                          {{}, "full path"},
                          {{"/nowhere/program"}, "No such file"},
                          {{"/bin/sh", "-c", "echo secret; exit 3"}, "exit status 3"},
                          {{"/bin/sh", "-c", "kill -9 $$"}, "signal 9"},
                          {{"/bin/sh", "-c", "sleep 60 & sleep 60"}, "no answer in 1 s"},
                          {{"/bin/sh", "-c", "exec >&-; sleep 60"}, "does not end"},
                          {{"/bin/sh", "-c", "yes"}, "too much"}};
    for (const auto& [argv, says] : cases) {
        const auto begun = std::chrono::steady_clock::now();
        const auto got = program_output(argv, small);
        ASSERT_FALSE(got.has_value()) << says;
        EXPECT_NE(got.error().find(says), std::string::npos) << got.error();
        EXPECT_EQ(got.error().find("secret"), std::string::npos);
        EXPECT_LT(std::chrono::steady_clock::now() - begun, 20s) << says;
    }
}

}  // namespace
}  // namespace platform
