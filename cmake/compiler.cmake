# Compiler settings shared by every target: warnings as errors, ccache, mold, sanitizers.
add_compile_options(-Wall -Wextra -Wpedantic -Wnon-virtual-dtor -Werror -fno-strict-aliasing
                    -fstack-protector-strong -fdiagnostics-color=auto)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # gcc 12.2 reports false positives for these in optimised coroutine frames.
    add_compile_options(-Wshadow=local)
    add_compile_options(-Wno-maybe-uninitialized -Wno-dangling-pointer -Wno-stringop-overflow -Wno-array-bounds
                        -Wno-restrict -Wno-stringop-overread -Wno-use-after-free)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    add_compile_options(-g1)
endif()
find_program(CCACHE ccache)
if(CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
    add_link_options(-fuse-ld=mold)
endif()
if(POSTRIDER_SANITIZE)
    add_compile_options(-fsanitize=${POSTRIDER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${POSTRIDER_SANITIZE})
endif()
