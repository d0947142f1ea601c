#include "framework/training/stop_signal.h"

#include <signal.h>
#include <unistd.h>

namespace gradus {

namespace {
volatile sig_atomic_t caught = 0;
struct sigaction before_int, before_term;
stack_t before_stack;
// The handler runs on a stack of its own. Generated matrix kernels may use the stack pointer for data: a frame put
// below it would damage the heap (seen with oneDNN 2.6, once in some forty signals).
alignas(64) char own_stack[1 << 16];

void on_signal(int number) {
  if (caught) _exit(128 + number);
  caught = number;
}
}  // namespace

StopSignal::StopSignal() {
  caught = 0;
  stack_t stack{};
  stack.ss_sp = own_stack;
  stack.ss_size = sizeof own_stack;
  sigaltstack(&stack, &before_stack);
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &before_int);
  sigaction(SIGTERM, &action, &before_term);
}

StopSignal::~StopSignal() {
  sigaction(SIGINT, &before_int, nullptr);
  sigaction(SIGTERM, &before_term, nullptr);
  sigaltstack(&before_stack, nullptr);
}

bool StopSignal::requested() const { return caught != 0; }
int StopSignal::exit_code() const { return caught ? 128 + caught : 0; }

}  // namespace gradus
