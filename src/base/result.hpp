// Early return for std::expected: libstdc++ 12 has no and_then, and nested ifs hide the main line.
//
//   TRY_ASSIGN(Mailbox mailbox, parse_mailbox(text));     // returns std::unexpected(error) on failure
//   TRY(store.flush());
//   CO_TRY_ASSIGN(…) and CO_TRY(…) are the same inside a coroutine.
#pragma once

#include <expected>
#include <utility>

#define POSTRIDER_CONCAT_(a, b) a##b
#define POSTRIDER_CONCAT(a, b) POSTRIDER_CONCAT_(a, b)
#define POSTRIDER_TRY_ASSIGN_(ret, temporary, declaration, expression) \
    auto temporary = (expression);                                     \
    if (!temporary) ret std::unexpected(std::move(temporary).error()); \
    declaration = std::move(*temporary)
#define POSTRIDER_TRY_(ret, temporary, expression) \
    if (auto temporary = (expression); !temporary) ret std::unexpected(std::move(temporary).error())

#define TRY_ASSIGN(declaration, ...) \
    POSTRIDER_TRY_ASSIGN_(return, POSTRIDER_CONCAT(try_result_, __LINE__), declaration, __VA_ARGS__)
#define CO_TRY_ASSIGN(declaration, ...) \
    POSTRIDER_TRY_ASSIGN_(co_return, POSTRIDER_CONCAT(try_result_, __LINE__), declaration, __VA_ARGS__)
#define TRY(...) POSTRIDER_TRY_(return, POSTRIDER_CONCAT(try_result_, __LINE__), __VA_ARGS__)
#define CO_TRY(...) POSTRIDER_TRY_(co_return, POSTRIDER_CONCAT(try_result_, __LINE__), __VA_ARGS__)
