// state.hpp: the running launch, shared by the files of the runtime. One kernel runs at a time, on one OS thread.
#pragma once
#include <pthread.h>
#include <stdint.h>

#include <string>
#include <vector>

#include "fibers.hpp"
#include "runtime.h"

// The CUDA built-in variables. Kernels see them under their own names (language/keywords.hpp).
struct SimIndex {
  unsigned x, y, z;
};
#pragma GCC visibility push(default)
extern "C" {
extern SimIndex sim_thread_index, sim_block_index, sim_block_size, sim_grid_size;
}
#pragma GCC visibility pop

namespace sim {

enum class State : uint8_t { New, Ready, Running, AtBarrier, AtWarp, Done };

struct Thread {
  Fiber* fiber;
  const char* file;  // where it waits
  int line;
  State state;
  uint8_t operation;  // of the warp operation in which it waits, with its mask, source lane, and value
  int source;
  unsigned mask;
  uint64_t value;
};

struct Failure {
  bool set;
  char kind[32];
  char text[1400];
  SimIndex block, thread;
  bool has_thread;          // a thread did it, rather than the block as a whole
  uintptr_t here, earlier;  // code addresses of the access, and of the one it clashes with; 0: none
};

struct Launch {
  const SimModule* module;
  void (*entry)(void**);
  void** arguments;
  bool active;   // a kernel is running
  bool checked;  // ... compiled with call-outs at every access
  bool relaxed;
  pthread_t os_thread;  // the one that launched it
  volatile bool time_is_up;

  int order;
  uint64_t random;  // state of the generator for SIM_RANDOM

  // The running block.
  int threads;
  int started, finished, at_barrier, current;
  Fiber* fiber;  // that runs now; the launching thread's own stack counts as one
  std::vector<Thread> thread;
  std::vector<SimIndex> index;  // threadIdx of every thread
  std::vector<int> start_order;
  std::vector<unsigned> arrived;  // per warp: lanes that wait in a warp operation
  const char* barrier_file;
  int barrier_line;
  long barrier_sum, barrier_result;

  // Numbers that order accesses (checker.cpp). Blocks are numbered over all launches.
  uint32_t block, first_block, barrier_epoch;
  std::vector<uint16_t> warp_epoch;

  char* dynamic_shared;
  size_t dynamic_shared_bytes;
  long switches, barriers;
  Failure failure;
  // A read of memory that nobody has written yet. It is the failure, and the cause of those that follow, unless it
  // turns out to be a race: another thread was about to write there, and only a barrier is missing.
  Failure doubt;
  const void* doubtful_memory;
};

extern Launch run;

inline uint64_t next_random() {  // xorshift64*: small, and cheap to seed at every launch
  run.random ^= run.random >> 12;
  run.random ^= run.random << 25;
  run.random ^= run.random >> 27;
  return run.random * 0x2545F4914F6CDD1DULL;
}

// scheduler.cpp
void prepare_threads(const unsigned block[3]);
void run_block();
void park();                  // the current thread waits; returns when it is its turn again
void make_ready(int thread);  // a waiting thread may go on
void check_time(uintptr_t here = 0);  // fails when the kernel has used up its time

// report.cpp
[[noreturn]] void leave_kernel();  // gives up the launch; the failure is noted already
bool note_failure(const char* kind, const char* format, ...) __attribute__((format(printf, 2, 3)));
void note_at(uintptr_t here, uintptr_t earlier, const char* kind, const char* format, ...)
    __attribute__((format(printf, 4, 5)));
[[noreturn]] void fail_at(uintptr_t here, uintptr_t earlier, const char* kind, const char* format, ...)
    __attribute__((format(printf, 4, 5)));
// A read of memory that nobody has written; `memory` stands for the piece of it.
void note_doubt(uintptr_t here, const void* memory, const char* format, ...) __attribute__((format(printf, 3, 4)));
void fill_report(const char* kernel, SimReport* report);

constexpr char kTimeout[] = "still running after its time limit: an endless loop, or a spin lock?";

// signals.cpp
void catch_signals(int limit_ms);
void release_signals();

// warp.cpp
const char* warp_operation_name(int operation);

}  // namespace sim
