#include "framework/training/stop_signal.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <initializer_list>

#include "framework/ops.h"

using namespace gradus;

TEST_CASE("stop signal: the first asks, the second leaves at once, none is heard afterwards (E85)") {
  for (const int number : {SIGINT, SIGTERM}) {
    {
      const StopSignal stop;
      CHECK_FALSE(stop.requested());
      CHECK(stop.exit_code() == 0);
      ::raise(number);
      CHECK(stop.requested());
      CHECK(stop.exit_code() == 128 + number);
    }
    CHECK_FALSE(StopSignal().requested());
    for (const int signals : {1, 2}) {
      const pid_t child = ::fork();
      if (child == 0) {
        const StopSignal stop;
        for (int i = 0; i < signals; ++i) ::raise(number);
        ::_exit(7);  // only reached when one signal came
      }
      int status = 0;
      ::waitpid(child, &status, 0);
      CHECK(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) == (signals == 1 ? 7 : 128 + number));
    }
    const pid_t child = ::fork();
    if (child == 0) {
      std::signal(number, SIG_DFL);  // not the test runner's, which reports a crash
      { const StopSignal stop; }
      ::raise(number);  // as before: it kills
      ::_exit(7);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status));
  }
}

TEST_CASE("stop signal: one that comes in the middle of a matrix product does not damage the heap") {
  manual_seed(1);
  const Tensor a = transpose(randn({2044, 408}), 0, 1), b = randn({2044, 16});
  for (int round = 0; round < 100; ++round) {
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      const StopSignal stop;
      ::close(ready[1]);  // the parent's read ends
      while (!stop.requested()) matmul(a, b);
      for (int i = 0; i < 5; ++i) matmul(a, b);  // takes and frees the library's buffers
      ::_exit(0);
    }
    ::close(ready[1]);
    char none;
    CHECK(::read(ready[0], &none, 1) == 0);  // not before the handler is there, however busy the machine
    ::close(ready[0]);
    ::usleep(static_cast<useconds_t>(4000 + 37 * round));
    ::kill(child, SIGTERM);
    int status = 1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
  }
}
