// launch.cpp: runs a kernel from its first block to its last.
//
// A relaxed module (CuPy's own kernels) may do what the hardware allows though CUDA does not promise it: threads that
// returned count as arrived at a barrier, barriers of different lines meet, and races and reads of memory that nobody
// has written are not looked for. Bounds are, and what it writes counts as written.
#include <stdio.h>
#include <string.h>

#include <algorithm>
#include <map>

#include "../language/callouts.hpp"
#include "checker.hpp"
#include "image.hpp"
#include "memory.hpp"
#include "state.hpp"

namespace sim {

struct Parameters {
  const unsigned* sizes;
  int count;
};
static std::map<void*, Parameters>& parameters() {
  static std::map<void*, Parameters> table;
  return table;
}

static Allocation* dynamic_shared;  // kept from launch to launch, as most launches want the same size

static bool prepare_dynamic_shared(size_t bytes) {
  run.dynamic_shared = nullptr;
  run.dynamic_shared_bytes = bytes;
  if (!bytes) return true;
  if (dynamic_shared && dynamic_shared->high - dynamic_shared->low != bytes) {
    release(dynamic_shared);
    dynamic_shared = nullptr;
  }
  if (!dynamic_shared) dynamic_shared = allocate(bytes);
  if (!dynamic_shared) return note_failure("out-of-memory", "no memory for the dynamic shared memory"), false;
  run.dynamic_shared = (char*)dynamic_shared->low;
  return true;
}

// Shared memory holds nothing when a block begins: 0xFF, so NaN in every float.
static void clear_shared() {
  for (int i = 0; i < run.module->variable_count; ++i) {
    const SimVariable& variable = run.module->variables[i];
    memset((void*)variable.low, 0xFF, variable.high - variable.low);
  }
  if (run.dynamic_shared) memset(run.dynamic_shared, 0xFF, run.dynamic_shared_bytes);
  if (run.checked) start_checking_block();
}

// The number of a block in the order of execution, of `count` blocks.
class BlockOrder {
 public:
  explicit BlockOrder(uint64_t count) : count_(count), start_(0), step_(1) {
    if (run.order != SIM_RANDOM || count < 3) return;
    start_ = next_random() % count;
    step_ = (next_random() % count) | 1;
    while (greatest_divisor(step_, count) != 1) step_ += 2;
  }
  uint64_t operator[](uint64_t turn) const {
    if (run.order == SIM_REVERSE) return count_ - 1 - turn;
    return run.order == SIM_RANDOM ? (uint64_t)(((unsigned __int128)turn * step_ + start_) % count_) : turn;
  }

 private:
  static uint64_t greatest_divisor(uint64_t a, uint64_t b) {
    while (b) {
      uint64_t rest = a % b;
      a = b;
      b = rest;
    }
    return a;
  }
  uint64_t count_, start_, step_;
};

static void run_grid(const unsigned grid[3]) {
  uint64_t count = (uint64_t)grid[0] * grid[1] * grid[2];
  BlockOrder order(count);
  for (uint64_t turn = 0; turn < count && !run.failure.set; ++turn) {
    uint64_t block = order[turn];
    sim_block_index = {(unsigned)(block % grid[0]), (unsigned)(block / grid[0] % grid[1]),
                       (unsigned)(block / grid[0] / grid[1])};
    clear_shared();
    run_block();
    if (run.checked) finish_checking_block();
    if (run.time_is_up) note_failure("timeout", "%s", kTimeout);
  }
}

// Calls visit(parameter, offset, address) for every 8 bytes of the arguments, in structs too, that may be an address.
template <class Visit>
static void visit_pointers(Visit visit) {
  auto found = parameters().find((void*)run.entry);
  if (found == parameters().end()) return;
  for (int i = 0; i < found->second.count; ++i) {
    for (unsigned offset = 0; offset + sizeof(uintptr_t) <= found->second.sizes[i]; offset += sizeof(uintptr_t)) {
      uintptr_t value;
      memcpy(&value, (char*)run.arguments[i] + offset, sizeof value);
      if (value >> 16 && !(value >> 48)) visit(i, offset, value);
    }
  }
}

static bool arguments_live() {
  visit_pointers([](int parameter, unsigned offset, uintptr_t address) {
    // Further inside a struct may be what nobody has set, as in CuPy's CIndexer: an old address there is no mistake.
    if (offset || find_allocation(address)) return;
    if (size_t bytes = freed_size(address))
      note_failure("use-after-free", "parameter %d points into an allocation of %zu bytes that is freed already",
                   parameter + 1, bytes);
  });
  return !run.failure.set;
}

// The kernel may have written around the allocations that its arguments lead to.
static void check_argument_canaries() {
  visit_pointers([](int, unsigned, uintptr_t address) {
    Allocation* allocation = find_allocation(address);
    if (allocation) check_canary(allocation, true);
  });
}

static void set_order(const SimOptions* options) {
  static uint64_t launches;
  run.order = options->order;
  // Another order at every launch, and the same one when the program runs again.
  run.random = (options->seed + 1) * 0x9E3779B97F4A7C15ULL ^ ++launches * 0xD1B54A32D192ED03ULL;
  if (!run.random) run.random = 1;
  for (int i = 0; i < 4; ++i) next_random();
}

}  // namespace sim

using namespace sim;

extern "C" int sim_register_entry(void (*entry)(void**), const unsigned* sizes, int count) {
  std::lock_guard<std::mutex> guard(lock);
  parameters()[(void*)entry] = {sizes, count};
  return 0;
}

extern "C" void* sim_dynamic_shared() { return run.dynamic_shared; }

extern "C" long long sim_clock() {
  static long long ticks;  // there is no clock of the device: time on it only passes
  return ++ticks;
}

extern "C" int sim_launch(const SimModule* module, const char* kernel, void (*entry)(void**), void** arguments,
                          const unsigned grid[3], const unsigned block[3], size_t shared_bytes,
                          const SimOptions* options, SimReport* report) {
  std::lock_guard<std::mutex> guard(lock);
  run.module = module;
  run.entry = entry;
  run.arguments = arguments;
  run.checked = module->flags & SIM_CHECKED;
  run.relaxed = module->flags & SIM_RELAXED;
  run.os_thread = pthread_self();
  run.fiber = &launcher;
  run.time_is_up = false;
  run.failure.set = run.doubt.set = false;
  run.doubtful_memory = nullptr;
  run.switches = run.barriers = 0;
  set_order(options);
  sim_grid_size = {grid[0], grid[1], grid[2]};
  prepare_threads(block);
  if (arguments_live() && prepare_dynamic_shared(shared_bytes)) {
    if (!run.checked) forget_written();
    run.first_block = run.block + 1;
    if (run.checked) start_checking();
    catch_signals(options->limit_ms);
    run.active = true;
    run_grid(grid);
    if (run.doubt.set) run.failure = run.doubt;
    run.active = false;
    release_signals();
    if (run.failure.set) reset_fibers();
    check_argument_canaries();
    check_some_canaries();
  }
  fill_report(kernel, report);
  return run.failure.set;
}
