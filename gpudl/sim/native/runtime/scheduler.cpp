// scheduler.cpp: runs the threads of a block, each until it must wait, and the block's barriers.
//
// A fiber runs one thread after the other until one of them waits; only then a further fiber is needed. So a kernel
// without barriers needs one fiber and no switch at all.
#include <algorithm>

#include "../language/callouts.hpp"
#include "state.hpp"

extern "C" {
SimIndex sim_thread_index, sim_block_index, sim_block_size, sim_grid_size;
}

namespace sim {

Launch run;

// The threads that may go on, in order: a ring, since each thread stands in it at most once.
static std::vector<int> ready;
static int ready_first, ready_count;

void make_ready(int thread) {
  run.thread[thread].state = State::Ready;
  int slot = ready_first + ready_count++;
  ready[slot < run.threads ? slot : slot - run.threads] = thread;
}

static int take_ready() {
  if (run.order == SIM_RANDOM && ready_count > 1) {
    int slot = (ready_first + (int)(next_random() % ready_count)) % run.threads;
    std::swap(ready[ready_first], ready[slot]);
  }
  int thread = ready[ready_first];
  if (++ready_first == run.threads) ready_first = 0;
  --ready_count;
  return thread;
}

static void set_current(int thread) {
  run.current = thread;
  run.thread[thread].state = State::Running;
  sim_thread_index = run.index[thread];
}

// The fiber that shall run now. None can: back to run_block, which finds the block at its end, or stuck.
static Fiber* next_fiber() {
  if (ready_count) {
    int thread = take_ready();
    set_current(thread);
    return run.thread[thread].fiber;
  }
  if (run.started == run.threads) return &launcher;
  Fiber* fiber = take_fiber();
  if (!fiber) note_failure("out-of-memory", "no memory for the stacks of %d waiting threads", run.started);
  return fiber ? fiber : &launcher;
}

static void go_on(Fiber* from) {
  Fiber* to = next_fiber();
  run.fiber = to;
  if (to == from) return;
  ++run.switches;
  switch_fiber(from, to);
}

void park() {
  check_time();
  go_on(run.fiber);
}

void check_time(uintptr_t here) {
  if (run.time_is_up) fail_at(here, 0, "timeout", "%s", kTimeout);
}

// Called when a thread has begun to wait, or has returned: the barrier is complete when all the others wait.
static void complete_barrier() {
  if (!run.at_barrier || run.at_barrier + run.finished < run.threads) return;
  if (run.finished && !run.relaxed)
    sim_fail("divergent-barrier", "__syncthreads() at %s:%d is reached by %d threads, while %d threads of the block "
             "have returned already", run.barrier_file, run.barrier_line, run.at_barrier, run.finished);
  run.barrier_result = run.barrier_sum;
  run.at_barrier = 0;
  ++run.barrier_epoch;
  ++run.barriers;
  for (int thread : run.start_order)
    if (run.thread[thread].state == State::AtBarrier) make_ready(thread);
}

void fiber_main() {
  for (;;) {
    Fiber* self = run.fiber;
    while (run.started < run.threads && !ready_count) {
      int thread = run.start_order[run.started++];
      run.thread[thread].fiber = self;
      set_current(thread);
      run.entry(run.arguments);
      run.thread[thread].state = State::Done;
      ++run.finished;
      if (run.at_barrier) complete_barrier();
    }
    release_fiber(self);
    go_on(self);
  }
}

static void report_deadlock() {
  char list[1000];
  int used = 0, shown = 0;
  const Thread* previous = nullptr;
  for (int i = 0; i < run.threads && shown < 6 && used < 800; ++i) {
    const Thread& thread = run.thread[i];
    bool same = previous && thread.state == previous->state && thread.line == previous->line;
    previous = &thread;
    if (same) continue;
    const SimIndex& index = run.index[i];
    used += snprintf(list + used, sizeof list - used, "%s thread (%u,%u,%u) ", shown++ ? ";" : "", index.x, index.y,
                     index.z);
    if (thread.state == State::Done)
      used += snprintf(list + used, sizeof list - used, "returned");
    else
      used += snprintf(list + used, sizeof list - used, "waits in %s at %s:%d",
                       thread.state == State::AtBarrier ? "__syncthreads()" : warp_operation_name(thread.operation),
                       thread.file, thread.line);
  }
  run.failure.has_thread = false;
  note_failure("deadlock", "no thread of the block can go on, since some wait for others that will not come:%s", list);
  run.failure.has_thread = false;
}

void prepare_threads(const unsigned block[3]) {
  int threads = (int)(block[0] * block[1] * block[2]);
  bool same = run.threads == threads && sim_block_size.x == block[0] && sim_block_size.y == block[1];
  sim_block_size = {block[0], block[1], block[2]};
  if (!same) {
    run.threads = threads;
    run.thread.assign(threads, Thread());
    run.index.resize(threads);
    run.start_order.resize(threads);
    ready.resize(threads);
    run.arrived.resize((threads + 31) / 32);
    run.warp_epoch.resize((threads + 31) / 32);
    for (unsigned i = 0; i < (unsigned)threads; ++i)
      run.index[i] = {i % block[0], i / block[0] % block[1], i / block[0] / block[1]};
  }
  for (int i = 0; i < threads; ++i) run.start_order[i] = run.order == SIM_REVERSE ? threads - 1 - i : i;
}

void run_block() {
  run.started = run.finished = run.at_barrier = 0;
  run.barrier_epoch = 0;
  ++run.block;
  ready_first = ready_count = 0;
  for (Thread& thread : run.thread) thread.state = State::New;
  std::fill(run.arrived.begin(), run.arrived.end(), 0);
  std::fill(run.warp_epoch.begin(), run.warp_epoch.end(), 0);
  if (run.order == SIM_RANDOM)
    for (int i = run.threads - 1; i > 0; --i) std::swap(run.start_order[i], run.start_order[next_random() % (i + 1)]);
  go_on(&launcher);
  if (!run.failure.set && run.finished < run.threads) report_deadlock();
}

}  // namespace sim

using namespace sim;

extern "C" void sim_syncthreads(const char* file, int line) {
  Thread& self = run.thread[run.current];
  if (!run.at_barrier) {
    run.barrier_file = file;
    run.barrier_line = line;
  } else if (line != run.barrier_line && !run.relaxed) {
    // The hardware would let them meet; CUDA calls it undefined, and it is hardly ever meant.
    sim_fail("divergent-barrier", "this thread waits in __syncthreads() at %s:%d while others of its block wait in "
             "the one at %s:%d", file, line, run.barrier_file, run.barrier_line);
  }
  ++run.at_barrier;
  self.state = State::AtBarrier;
  self.file = file;
  self.line = line;
  complete_barrier();
  park();
}

extern "C" int sim_syncthreads_predicate(int predicate, int kind, const char* file, int line) {
  if (!run.at_barrier) run.barrier_sum = kind == SIM_BARRIER_AND;
  if (kind == SIM_BARRIER_COUNT)
    run.barrier_sum += predicate != 0;
  else if (kind == SIM_BARRIER_AND)
    run.barrier_sum &= predicate != 0;
  else
    run.barrier_sum |= predicate != 0;
  sim_syncthreads(file, line);
  return (int)run.barrier_result;
}
