// signals.cpp: traps of a running kernel (bad addresses, division) and its time limit, as failures of the launch.
// The handlers stand only while a kernel runs: outside of it they belong to others, as to Python's faulthandler.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "memory.hpp"
#include "state.hpp"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

namespace sim {

static const int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGVTALRM};
static struct sigaction previous[4];
static stack_t previous_stack;
static bool has_timer;
static timer_t timer;

static uintptr_t code_address(void* context) {
  const mcontext_t& machine = ((ucontext_t*)context)->uc_mcontext;
#if defined(__x86_64__)
  return (uintptr_t)machine.gregs[REG_RIP];
#elif defined(__aarch64__)
  return (uintptr_t)machine.pc;
#else
  (void)machine;
  return 0;
#endif
}

static bool in_kernel(uintptr_t code) { return code - run.module->low < run.module->high - run.module->low; }

// Not ours: as if we were not there.
static void pass_on(int signal, siginfo_t* info, void* context) {
  for (int i = 0; i < 4; ++i) {
    if (kSignals[i] != signal) continue;
    const struct sigaction& old = previous[i];
    if (old.sa_flags & SA_SIGINFO)
      old.sa_sigaction(signal, info, context);
    else if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN)
      old.sa_handler(signal);
    else if (old.sa_handler == SIG_DFL)
      ::signal(signal, SIG_DFL);  // the instruction runs again, and the process ends as it would have
  }
}

static void on_time(uintptr_t code) {
  // A checked access names its line better than the place that the timer happened to meet, as in a helper's body.
  bool first = !run.time_is_up;
  run.time_is_up = true;
  if (first && run.checked) return;
  // In the runtime or in a library a lock may be held: there the flag is looked at later, or the timer comes again.
  if (run.fiber != &launcher && in_kernel(code))
    fail_at(code, 0, "timeout", "%s", kTimeout);
}

static void on_signal(int signal, siginfo_t* info, void* context) {
  if (signal == SIGVTALRM && info->si_code == SI_TIMER && !run.active) return;
  if (!run.active || !pthread_equal(pthread_self(), run.os_thread)) return pass_on(signal, info, context);
  uintptr_t code = code_address(context), address = (uintptr_t)info->si_addr;
  if (signal == SIGVTALRM) return on_time(code);
  if (run.fiber == &launcher) return pass_on(signal, info, context);
  if (signal == SIGFPE) fail_at(code, 0, "division", "integer division by zero, or its result does not fit");
  if (is_stack_guard(address))
    fail_at(code, 0, "stack-overflow", "more than %zu KB of local variables in one thread", kStackBytes >> 10);
  char where[200];
  describe_address(address, where, sizeof where);
  fail_at(code, 0, "illegal-address", "illegal memory access at %p, %s", (void*)address, where);
}

// A timer of the launching thread's own processor time, whose signal comes to that thread and to no other.
static void start_timer(int limit_ms) {
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGVTALRM;
  event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
  has_timer = limit_ms && !timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer);
  if (!has_timer) return;
  struct itimerspec when;
  when.it_value = {limit_ms / 1000, limit_ms % 1000 * 1000000L};
  when.it_interval = {0, 10 * 1000000L};
  timer_settime(timer, 0, &when, nullptr);
}

void catch_signals(int limit_ms) {
  static char stack[64 << 10];  // a fiber's stack may be what has run out
  stack_t alternative;
  memset(&alternative, 0, sizeof alternative);
  alternative.ss_sp = stack;
  alternative.ss_size = sizeof stack;
  sigaltstack(&alternative, &previous_stack);
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_signal;
  // SA_NODEFER: the handler may leave for the launcher without returning, so nothing must stay blocked.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART;
  for (int i = 0; i < 4; ++i) sigaction(kSignals[i], &action, &previous[i]);
  start_timer(limit_ms);
}

void release_signals() {
  if (has_timer) timer_delete(timer);
  for (int i = 0; i < 4; ++i) sigaction(kSignals[i], &previous[i], nullptr);
  sigaltstack(&previous_stack, nullptr);
}

}  // namespace sim
