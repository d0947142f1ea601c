#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

// Under the address sanitizer, too, a request for more memory than there is fails, rather than the program.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
