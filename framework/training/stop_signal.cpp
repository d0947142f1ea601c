#include "framework/training/stop_signal.h"

#include <signal.h>
#include <unistd.h>

namespace gradus {

namespace {
volatile sig_atomic_t caught = 0;
struct sigaction before_int, before_term;

void on_signal(int number) {
  if (caught) _exit(128 + number);
  caught = number;
}
}  // namespace

StopSignal::StopSignal() {
  caught = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &before_int);
  sigaction(SIGTERM, &action, &before_term);
}

StopSignal::~StopSignal() {
  sigaction(SIGINT, &before_int, nullptr);
  sigaction(SIGTERM, &before_term, nullptr);
}

bool StopSignal::requested() const { return caught != 0; }
int StopSignal::exit_code() const { return caught ? 128 + caught : 0; }

}  // namespace gradus
