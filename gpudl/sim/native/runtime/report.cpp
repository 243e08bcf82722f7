// report.cpp: notes what went wrong while a kernel runs, and words it afterwards, with the line of the source.
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../language/callouts.hpp"
#include "state.hpp"

extern char** environ;

namespace sim {

void leave_kernel() {
  // The fiber is given up where it stands; reset_fibers() makes it whole again.
  switch_fiber(run.fiber, &launcher);
  __builtin_unreachable();
}

static bool note(Failure& failure, uintptr_t here, uintptr_t earlier, const char* kind, const char* format,
                 va_list values) {
  if (failure.set) return false;  // the first one is the cause
  failure.set = true;
  snprintf(failure.kind, sizeof failure.kind, "%s", kind);
  vsnprintf(failure.text, sizeof failure.text, format, values);
  failure.block = sim_block_index;
  failure.thread = sim_thread_index;
  failure.has_thread = run.active && run.fiber != &launcher;
  failure.here = here;
  failure.earlier = earlier;
  return true;
}

bool note_failure(const char* kind, const char* format, ...) {
  va_list values;
  va_start(values, format);
  bool first = note(run.failure, 0, 0, kind, format, values);
  va_end(values);
  return first;
}

void note_at(uintptr_t here, uintptr_t earlier, const char* kind, const char* format, ...) {
  va_list values;
  va_start(values, format);
  note(run.failure, here, earlier, kind, format, values);
  va_end(values);
}

void fail_at(uintptr_t here, uintptr_t earlier, const char* kind, const char* format, ...) {
  va_list values;
  va_start(values, format);
  note(run.failure, here, earlier, kind, format, values);
  va_end(values);
  leave_kernel();
}

void note_doubt(uintptr_t here, const void* memory, const char* format, ...) {
  va_list values;
  va_start(values, format);
  if (note(run.doubt, here, 0, "uninitialized", format, values)) run.doubtful_memory = memory;
  va_end(values);
}

// Runs addr2line, which prints the innermost line of code first, then those it was inlined into.
static std::string run_addr2line(const char* object, uintptr_t offset) {
  char place[32];
  snprintf(place, sizeof place, "0x%lx", (unsigned long)offset);
  const char* const arguments[] = {"addr2line", "-i", "-e", object, place, nullptr};
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) return "";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  pid_t child;
  int error = posix_spawnp(&child, arguments[0], &actions, nullptr, (char* const*)arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string output;
  char buffer[512];
  for (ssize_t count; !error && (count = read(ends[0], buffer, sizeof buffer)) > 0;) output.append(buffer, (size_t)count);
  close(ends[0]);
  if (!error) waitpid(child, nullptr, 0);
  return output;
}

// "file:line" of an address in the kernel's code: the first line that is not in the emulated device's own headers.
static std::string line_of(uintptr_t code) {
  const SimModule* module = run.module;
  if (code - module->low >= module->high - module->low) return "";
  std::string lines = run_addr2line(module->path, code - module->low);
  for (size_t start = 0; start < lines.size();) {
    size_t end = std::min(lines.find('\n', start), lines.size());
    std::string line = lines.substr(start, end - start);
    start = end + 1;
    line = line.substr(0, line.find(" (discriminator"));
    if (line.find("sim/native/language/") != std::string::npos || line.compare(0, 1, "?") == 0) continue;
    if (line.size() > 2 && line.compare(line.size() - 2, 2, ":?") == 0) line.resize(line.size() - 2);
    return line.compare(0, 2, "./") == 0 ? line.substr(2) : line;
  }
  char offset[64];
  snprintf(offset, sizeof offset, "code offset 0x%lx", (unsigned long)(code - module->low));
  return offset;
}

void fill_report(const char* kernel, SimReport* report) {
  const Failure& failure = run.failure;
  report->switches = run.switches;
  report->barriers = run.barriers;
  report->kind[0] = report->text[0] = 0;
  if (!failure.set) return;
  std::string text = std::string("kernel '") + kernel + "'";
  std::string line = failure.here ? line_of(failure.here) : "";
  if (!line.empty()) text += ", " + line;
  char where[120] = "";
  const SimIndex &block = failure.block, &thread = failure.thread;
  if (failure.has_thread)
    snprintf(where, sizeof where, ", block (%u,%u,%u) thread (%u,%u,%u)", block.x, block.y, block.z, thread.x, thread.y,
             thread.z);
  text += std::string(where) + ": " + failure.text;
  if (failure.earlier) {
    line = line_of(failure.earlier);
    text += " at " + (line.empty() ? "an unknown line" : line);
  }
  snprintf(report->kind, sizeof report->kind, "%s", failure.kind);
  snprintf(report->text, sizeof report->text, "%s", text.c_str());
}

}  // namespace sim

extern "C" void sim_fail(const char* kind, const char* format, ...) {
  va_list values;
  va_start(values, format);
  sim::note(sim::run.failure, (uintptr_t)__builtin_return_address(0) - 1, 0, kind, format, values);
  va_end(values);
  sim::leave_kernel();
}
